//! What a container has printed, by way of the API server and the kubelet.

use super::kinds;
use super::requests::{Requests, with_query};
use kaito_core::backend::BackendError;
use kaito_core::read::LogQuery;
use kaito_core::{Kind, ObjectKey};

/// How many bytes are taken in at most.
const MOST: usize = 1 << 20;

/// The last lines of a log. Whatever stands in the way is an error here; the driver makes an answer of it.
pub(super) async fn last_lines(requests: &Requests, query: &LogQuery) -> Result<String, BackendError> {
    let pod = kinds::object(&ObjectKey::new(Kind::Pod, &query.namespace, &query.pod));
    let most = MOST.to_string();
    let mut lines = query.lines;
    loop {
        let tail = lines.to_string();
        let mut pairs = vec![("container", query.container.as_str()), ("tailLines", &tail), ("limitBytes", &most)];
        pairs.extend(query.previous.then_some(("previous", "true")));
        let text = requests.text_of("PodLog", with_query(&format!("{pod}/log"), &pairs, None)).await?;
        // The server counts its bytes from the first of the lines: what is cut off is the end, which is what is wanted.
        if text.len() < MOST || lines <= 1 {
            return Ok(text);
        }
        lines /= 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;
    use http::Request;
    use kube_client::Client;
    use kube_client::client::Body;

    #[tokio::test]
    async fn a_log_is_its_last_lines_also_where_they_are_more_than_is_taken_in() {
        let service = tower::service_fn(|request: Request<Body>| async move {
            let url = request.uri().to_string();
            let wanted = "/api/v1/namespaces/a/pods/phi-0/log?container=phi&tailLines=";
            let lines = url.strip_prefix(wanted).and_then(|rest| rest.split_once('&')).expect("the URL of a log");
            assert_eq!(lines.1, "limitBytes=1048576&previous=true");
            let lines: usize = lines.0.parse().expect("a number");
            // Lines of 16 KiB, cut off after what is asked for, and no UTF-8.
            let mut text = vec![b'x'; (lines * (16 << 10)).min(MOST)];
            text.extend((text.len() < MOST).then_some(0xff));
            http::Response::builder().body(Body::from(text))
        });
        let requests = Requests::new(Client::new(service, "default"), Metrics::unread());
        let [namespace, pod, container] = ["a", "phi-0", "phi"].map(str::to_owned);
        let query = LogQuery { namespace, pod, container, previous: true, lines: 500, holding: None, bytes: 1000 };
        let text = last_lines(&requests, &query).await.expect("a log");
        assert!(text.ends_with('\u{fffd}') && text.len() < MOST, "{}", text.len());
    }
}
