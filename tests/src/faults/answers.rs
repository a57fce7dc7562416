//! Refusals as an API server and what stands before it word them, and watches that end.

use super::{Answer, Fault, FaultLayer, LONGEST, WATCH, broken};
use futures::stream::{self, BoxStream, StreamExt};
use http::{Response, header};
use http_body_util::{BodyExt, BodyStream, Full, StreamBody};
use kube_client::client::DynBody;
use serde_json::json;
use std::io::ErrorKind;
use std::time::Duration;
use tokio::time::sleep;
use tower::BoxError;

/// A refusal with a Status.
pub(super) fn refusal(code: u16, reason: &str, message: &str) -> Result<Answer, BoxError> {
    answer(code, "application/json", None, status(code, reason, message).to_string())
}

/// A request that took too long; what it did is not known.
pub(super) fn timed_out() -> Result<Answer, BoxError> {
    refusal(504, "Timeout", "Timeout: request did not complete within the allotted timeout")
}

/// As priority and fairness refuse (k8s.io/apiserver `pkg/server/filters`): no Status, and how long to wait in a header, in seconds.
pub(super) fn throttled(seconds: u64) -> Result<Answer, BoxError> {
    let text = "Too many requests, please try again later.\n".to_owned();
    answer(429, "text/plain; charset=utf-8", Some(seconds), text)
}

/// As a load balancer refuses.
pub(super) fn bad_gateway() -> Result<Answer, BoxError> {
    let page = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n";
    answer(502, "text/html", None, page.to_owned())
}

fn answer(code: u16, content: &str, retry_after: Option<u64>, text: String) -> Result<Answer, BoxError> {
    let mut answer = Response::builder().status(code).header(header::CONTENT_TYPE, content);
    if let Some(seconds) = retry_after {
        answer = answer.header(header::RETRY_AFTER, seconds);
    }
    Ok(answer.body(whole(text))?)
}

fn whole(text: String) -> Box<DynBody> {
    Box::new(Full::from(text).map_err(|never| match never {}))
}

fn status(code: u16, reason: &str, message: &str) -> serde_json::Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code, "reason": reason, "message": message})
}

/// A watch that tells late now and then, and is cut in the end.
pub(super) fn watched(body: Box<DynBody>, faults: FaultLayer, mut dice: fastrand::Rng) -> Box<DynBody> {
    let end = if faults.odds > 0.0 { WATCH.mul_f64(dice.f64()) } else { Duration::MAX };
    let how = match dice.u8(0..4) {
        0 | 1 => Fault::WatchEnded,
        2 => Fault::WatchBroken,
        _ => Fault::WatchExpired,
    };
    let ending = {
        let faults = faults.clone();
        stream::once(async move {
            faults.count(how);
            cut(how)
        })
        .flatten()
    };
    let told = BodyStream::new(body).then(move |frame| {
        let late = faults.strikes(&mut dice, Fault::WatchLate);
        let wait = if late { LONGEST.mul_f64(dice.f64().powi(3)) } else { Duration::ZERO };
        async move {
            sleep(wait).await;
            frame
        }
    });
    Box::new(StreamBody::new(told.take_until(sleep(end)).chain(ending).boxed()))
}

/// How a watch ends.
fn cut(how: Fault) -> BoxStream<'static, <BodyStream<Box<DynBody>> as stream::Stream>::Item> {
    match how {
        Fault::WatchBroken => stream::once(async { Err(broken(ErrorKind::ConnectionReset)) }).boxed(),
        Fault::WatchExpired => {
            let told = json!({"type": "ERROR", "object": status(410, "Expired", "too old resource version")});
            // What was being told stops in the middle of its line.
            Box::pin(BodyStream::new(whole(format!("\n{told}\n"))))
        }
        _ => stream::empty().boxed(),
    }
}
