//! One request to the API server: tried once, with a time limit, counted, its refusal put into a class.

use super::kinds;
use crate::metrics::Metrics;
use http::{HeaderMap, Method, Request, header};
use kaito_core::backend::{BackendError, ErrorKind};
use kaito_core::{Kind, ObjectKey, Seen};
use kube_client::client::Body as HttpBody;
use kube_client::{Client, Error};
use kube_core::Status;
use serde_json::Value;
use std::time::Duration;

/// How long an answer may take. A webhook of somebody else may hold a write for 10 seconds by default, 30 at most.
const TIME_LIMIT: Duration = Duration::from_secs(15);
/// A server that asks for more patience is believed this far: what stands before it may say anything.
const MOST_PATIENCE: Duration = Duration::from_mins(5);
/// How many objects one page of a list holds.
const PAGE: usize = 500;
/// How the refusal of an apply begins in which a field is not of its type or not in the definition at all: with 500, as if the server were unwell, and yet the same answer comes every time.
const NOT_OF_ITS_TYPE: &str = "failed to create typed patch object";
/// The reason of a refusal that is no Status: from a proxy, or for a path that the server does not know.
const NO_STATUS: &str = "NoStatus";

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    Json,
    /// Replaces the fields that it names; null removes one.
    MergePatch,
    /// A list of operations.
    JsonPatch,
    /// The fields that we own.
    Apply,
}

impl Body {
    fn content_type(self) -> &'static str {
        match self {
            Body::Json => "application/json",
            Body::MergePatch => "application/merge-patch+json",
            Body::JsonPatch => "application/json-patch+json",
            Body::Apply => "application/apply-patch+yaml",
        }
    }
}

/// The way to the API server.
#[derive(Clone)]
pub struct Requests {
    client: Client,
    metrics: Metrics,
}

impl Requests {
    /// Requests over this client; see [`super::client`] for one that does not retry behind our back.
    pub fn new(client: Client, metrics: Metrics) -> Self {
        Self { client, metrics }
    }

    /// The client itself, for watches.
    pub(super) fn client(&self) -> Client {
        self.client.clone()
    }

    /// One object as the server has it, with what nothing is decided from.
    pub(super) async fn whole(&self, key: &ObjectKey) -> Result<Value, BackendError> {
        let read = self.send("get", key.kind, Method::GET, kinds::object(key), None).await;
        read.map_err(|refusal| refusal.error)
    }

    /// One object; `None` when it is not there. [`Missing::Kind`] when the kind is not there.
    pub(super) async fn get(&self, key: &ObjectKey) -> Result<Option<Seen>, Missing> {
        match self.send("get", key.kind, Method::GET, kinds::object(key), None).await {
            Ok(value) => Ok(Some(Seen::decode(key.kind, value))),
            Err(Refusal { code: 404, known_kind: true, .. }) => Ok(None),
            Err(refusal) => Err(refusal.into()),
        }
    }

    /// A Secret as it stands, values and all; `None` when it is not there. Only for what is told to nobody: the core gets [`Requests::get`]'s (I11).
    pub(crate) async fn secret(&self, key: &ObjectKey) -> Result<Option<Value>, BackendError> {
        match self.send("get", Kind::Secret, Method::GET, kinds::object(key), None).await {
            Ok(value) => Ok(Some(value)),
            Err(Refusal { code: 404, .. }) => Ok(None),
            Err(refusal) => Err(refusal.error),
        }
    }

    /// All objects of a kind that a selector of labels or fields selects, page by page.
    pub(super) async fn list(
        &self,
        kind: Kind,
        namespace: Option<&str>,
        (selector, selected): (&str, &str),
    ) -> Result<Vec<Seen>, Missing> {
        let (mut found, mut rest) = (Vec::new(), String::new());
        loop {
            let query: Vec<(&str, &str)> = [(selector, selected), ("continue", rest.as_str())]
                .into_iter()
                .filter(|(_, value)| !value.is_empty())
                .collect();
            let url = with_query(&kinds::collection(kind, namespace), &query, Some(PAGE));
            let mut page = self.send("list", kind, Method::GET, url, None).await?;
            let items =
                items(&mut page).map_err(|error| Missing::Answer(BackendError::new(ErrorKind::Unavailable, error)))?;
            found.extend(items.into_iter().map(|item| Seen::decode(kind, item)));
            match page.pointer("/metadata/continue").and_then(Value::as_str) {
                Some(next) if !next.is_empty() => rest = next.to_owned(),
                _ => return Ok(found),
            }
        }
    }

    /// The text behind a URL that is no object, such as a log.
    pub(super) async fn text_of(&self, label: &'static str, url: String) -> Result<String, BackendError> {
        let text = self.text(Method::GET, url, None).await;
        self.metrics.request("get", label, text.as_ref().map_or_else(Refusal::label, |_| "ok"));
        text.map_err(|refusal| refusal.error)
    }

    /// A write; `verb` is the word for the metric.
    pub(super) async fn write(
        &self,
        verb: &'static str,
        kind: Kind,
        method: Method,
        url: String,
        body: (Body, &Value),
    ) -> Result<Value, BackendError> {
        self.send(verb, kind, method, url, Some(body)).await.map_err(|refusal| refusal.error)
    }

    /// A write of something that is no [`Kind`], such as an event.
    pub(super) async fn post(&self, label: &'static str, url: String, body: &Value) -> Result<Value, BackendError> {
        self.exchange("create", label, Method::POST, url, Some((Body::Json, body)))
            .await
            .map_err(|refusal| refusal.error)
    }

    /// A request about a kind that decisions know nothing of, such as a cloud's classes of machines. [`Missing::Kind`] where the API server has no such path.
    pub(super) async fn foreign(
        &self,
        label: &'static str,
        method: Method,
        url: String,
        body: Option<(Body, &Value)>,
    ) -> Result<Value, Missing> {
        let verb = if body.is_some() { "apply" } else { "get" };
        Ok(self.exchange(verb, label, method, url, body).await?)
    }

    async fn send(
        &self,
        verb: &'static str,
        kind: Kind,
        method: Method,
        url: String,
        body: Option<(Body, &Value)>,
    ) -> Result<Value, Refusal> {
        self.exchange(verb, kind.name(), method, url, body).await.map_err(|refusal| refusal.about(kind))
    }

    async fn exchange(
        &self,
        verb: &'static str,
        label: &'static str,
        method: Method,
        url: String,
        body: Option<(Body, &Value)>,
    ) -> Result<Value, Refusal> {
        let answer = self.ask(method, url, body).await;
        let result = answer.as_ref().map_or_else(Refusal::label, |_| "ok");
        self.metrics.request(verb, label, result);
        answer
    }

    async fn ask(&self, method: Method, url: String, body: Option<(Body, &Value)>) -> Result<Value, Refusal> {
        let text = self.text(method, url, body).await?;
        serde_json::from_str(&text).map_err(|error| {
            Refusal::new(0, ErrorKind::Unavailable, format!("the API server's answer is not JSON: {error}"))
        })
    }

    async fn text(&self, method: Method, url: String, body: Option<(Body, &Value)>) -> Result<String, Refusal> {
        let invalid = |error: &dyn std::fmt::Display| Refusal::new(0, ErrorKind::Invalid, error.to_string());
        let mut request = Request::builder().method(method).uri(url);
        let mut bytes = Vec::new();
        if let Some((kind, value)) = body {
            request = request.header(header::CONTENT_TYPE, kind.content_type());
            bytes = serde_json::to_vec(value).map_err(|error| invalid(&error))?;
        }
        let request = request.body(bytes).map_err(|error| invalid(&error))?;
        tokio::time::timeout(TIME_LIMIT, self.fetch(request)).await.unwrap_or_else(|_| {
            let message = format!("the API server gave no answer within {} seconds", TIME_LIMIT.as_secs());
            Err(Refusal::new(0, ErrorKind::Timeout, message))
        })
    }

    /// The text of an answer. Not kube's `request`, which logs a body that it cannot parse, and a body may be a Secret; and not its `request_text`, which drops the headers: when the API server is
    /// busy, how long to stay away stands in `Retry-After` and nowhere else.
    async fn fetch(&self, request: Request<Vec<u8>>) -> Result<String, Refusal> {
        let answer = self.client.send(request.map(HttpBody::from)).await?;
        let (code, asked) = (answer.status(), retry_after(answer.headers()));
        let bytes = answer.into_body().collect_bytes().await?;
        // JSON is UTF-8; what a container prints is anything.
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if !code.is_client_error() && !code.is_server_error() {
            return Ok(text);
        }
        // Any JSON object is a Status without a code to serde, such as the refusal of a proxy.
        let status = serde_json::from_str(&text).ok().filter(|status: &Status| status.code != 0);
        let status = status.unwrap_or_else(|| Status::failure(text.trim(), NO_STATUS).with_code(code.as_u16()));
        let mut refusal = Refusal::from(Error::Api(Box::new(status)));
        refusal.error.retry_after = refusal.error.retry_after.or(asked);
        Err(refusal)
    }
}

/// What a page of a list holds. Anything else, such as the page of a proxy, is no empty list: what is not there is made, and paid for.
fn items(page: &mut Value) -> Result<Vec<Value>, String> {
    let is_list = page.get("kind").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("List"));
    match page.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) if is_list => Ok(items),
        // Go writes an empty list so, too.
        Some(Value::Null) if is_list => Ok(Vec::new()),
        _ => Err("the API server's answer is JSON, but no list of objects".to_owned()),
    }
}

/// What a header asks for, in seconds. The other form of the header, a date, is not used by API servers.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(MOST_PATIENCE))
}

/// A URL with a query.
pub(super) fn with_query(path: &str, pairs: &[(&str, &str)], limit: Option<usize>) -> String {
    let mut url = path.to_owned();
    let limit = limit.map(|limit| limit.to_string());
    let all = pairs.iter().copied().chain(limit.as_deref().map(|limit| ("limit", limit)));
    for (index, (name, value)) in all.enumerate() {
        url.push(if index == 0 { '?' } else { '&' });
        url.push_str(name);
        url.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                url.push(char::from(byte));
            } else {
                url.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    url
}

/// Why a read has no answer.
#[derive(Debug)]
pub(super) enum Missing {
    /// The API server does not know the kind.
    Kind,
    /// Anything else.
    Answer(BackendError),
}

impl From<Refusal> for Missing {
    fn from(refusal: Refusal) -> Self {
        if refusal.code == 404 && !refusal.known_kind { Missing::Kind } else { Missing::Answer(refusal.error) }
    }
}

/// A refusal with what else is known of it.
#[derive(Debug)]
struct Refusal {
    code: u16,
    /// Whether the server spoke as the API does; a path of an unknown kind is answered by `404 page not found`.
    known_kind: bool,
    error: BackendError,
}

impl Refusal {
    fn new(code: u16, kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { code, known_kind: true, error: BackendError::new(kind, message) }
    }

    fn label(&self) -> &'static str {
        self.error.kind.label()
    }

    fn about(mut self, kind: Kind) -> Self {
        if self.code == 404 && !self.known_kind {
            self.error.message = format!(
                "the API server does not know {}: is its CustomResourceDefinition installed?",
                kinds::definition(kind)
            );
        }
        self
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let Error::Api(status) = error else {
            return Refusal::new(0, ErrorKind::Unavailable, chain(&error));
        };
        let kind = match (status.code, status.reason.as_str()) {
            (409, "AlreadyExists") => ErrorKind::AlreadyExists,
            (409, _) => ErrorKind::Conflict,
            (404, _) => ErrorKind::NotFound,
            (403, _) => ErrorKind::Forbidden,
            (429, _) => ErrorKind::Throttled,
            (504, _) => ErrorKind::Timeout,
            (500, _) if status.message.starts_with(NOT_OF_ITS_TYPE) => ErrorKind::Invalid,
            // 401: a token that is being rotated is accepted again soon; 410: a page of a list that took too long.
            (401 | 410 | 500.., _) => ErrorKind::Unavailable,
            _ => ErrorKind::Invalid,
        };
        let asked = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
        Refusal {
            code: status.code,
            known_kind: status.reason == "NotFound",
            error: BackendError {
                kind,
                message: status.message.clone(),
                retry_after: (asked > 0).then(|| Duration::from_secs(asked.into()).min(MOST_PATIENCE)),
            },
        }
    }
}

/// An error in the server's words, else in its own with its causes, none said twice.
pub(super) fn chain(error: &Error) -> String {
    if let Error::Api(status) = error {
        return status.message.clone();
    }
    crate::causes::told(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_put_into_classes() {
        let refused = |code: u16, reason: &str| {
            Refusal::from(Error::Api(Box::new(Status::failure("no", reason).with_code(code)))).error.kind
        };
        for (code, reason, kind) in [
            (409, "AlreadyExists", ErrorKind::AlreadyExists),
            (409, "Conflict", ErrorKind::Conflict),
            (404, "NotFound", ErrorKind::NotFound),
            (422, "Invalid", ErrorKind::Invalid),
            (400, "BadRequest", ErrorKind::Invalid),
            (401, "Unauthorized", ErrorKind::Unavailable),
            (403, "Forbidden", ErrorKind::Forbidden),
            (410, "Expired", ErrorKind::Unavailable),
            (429, "TooManyRequests", ErrorKind::Throttled),
            (500, "InternalError", ErrorKind::Unavailable),
            (503, "ServiceUnavailable", ErrorKind::Unavailable),
            (504, "Timeout", ErrorKind::Timeout),
        ] {
            assert_eq!(refused(code, reason), kind, "{code} {reason}");
        }
    }

    #[test]
    fn what_an_apply_says_wrongly_is_invalid_whatever_code_the_server_gives_it() {
        let words = "failed to create typed patch object (/a; example.com/v1, Kind=ScriptedClass): .spec.famly: field not declared in schema";
        let refused = |words: &str| {
            Refusal::from(Error::Api(Box::new(Status::failure(words, "InternalError").with_code(500)))).error.kind
        };
        assert_eq!(refused(words), ErrorKind::Invalid);
        assert_eq!(refused("etcdserver: leader changed"), ErrorKind::Unavailable);
    }

    #[test]
    fn a_page_that_is_not_found_is_a_kind_that_is_not_known() {
        let absent = Refusal::from(Error::Api(Box::new(Status::failure("x not found", "NotFound").with_code(404))));
        assert!(matches!(Missing::from(absent), Missing::Answer(error) if error.kind == ErrorKind::NotFound));
        let unknown =
            Refusal::from(Error::Api(Box::new(Status::failure("404 page not found", NO_STATUS).with_code(404))));
        assert!(matches!(Missing::from(unknown), Missing::Kind));
    }

    /// An API server that always answers the same.
    fn answering(code: u16, headers: &'static [(&'static str, &'static str)], body: &'static str) -> Requests {
        let service = tower::service_fn(move |_: Request<HttpBody>| async move {
            let mut answer = http::Response::builder().status(code);
            for (name, value) in headers {
                answer = answer.header(*name, *value);
            }
            answer.body(HttpBody::from(body.as_bytes().to_vec()))
        });
        Requests::new(Client::new(service, "default"), Metrics::unread())
    }

    #[tokio::test]
    async fn patience_that_the_server_asks_for_is_heard_wherever_it_says_so() {
        let busy = r#"{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 429, "reason": "TooManyRequests", "details": {"retryAfterSeconds": 9}}"#;
        for (headers, body, seconds) in [
            // Priority and fairness answers in plain text; how long stands in the header alone.
            (&[("Retry-After", "7")][..], "Too many requests, please try again later.\n", Some(7)),
            (&[("Retry-After", "7")][..], busy, Some(9)),
            (&[][..], busy, Some(9)),
            (&[("Retry-After", "Wed, 21 Oct 2026 07:28:00 GMT")][..], "no", None),
            // Nobody asks for years.
            (&[("Retry-After", "18446744073709551615")][..], "no", Some(300)),
            (&[][..], r#"{"kind": "Status", "code": 429, "details": {"retryAfterSeconds": 4294967295}}"#, Some(300)),
        ] {
            let requests = answering(429, headers, body);
            let Err(Missing::Answer(error)) = requests.get(&ObjectKey::new(Kind::Service, "a", "b")).await else {
                panic!("it is refused");
            };
            assert_eq!((error.kind, error.retry_after), (ErrorKind::Throttled, seconds.map(Duration::from_secs)));
        }
    }

    #[tokio::test]
    async fn a_list_is_read_to_its_last_page() {
        let service = tower::service_fn(|request: Request<HttpBody>| async move {
            let is_second = request.uri().query().is_some_and(|query| query.contains("continue=next"));
            let body = if is_second {
                r#"{"kind": "NodeClaimList", "items": [{"metadata": {"name": "b"}}]}"#
            } else {
                r#"{"kind": "NodeClaimList", "metadata": {"continue": "next"}, "items": [{"metadata": {"name": "a"}}]}"#
            };
            http::Response::builder().body(HttpBody::from(body.as_bytes().to_vec()))
        });
        let requests = Requests::new(Client::new(service, "default"), Metrics::unread());
        let found = requests.list(Kind::NodeClaim, None, ("labelSelector", "")).await.unwrap();
        assert_eq!(found.iter().map(|seen| seen.key().name).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[tokio::test]
    async fn what_is_no_list_is_not_taken_for_an_empty_one() {
        for (body, is_list) in [
            (r#"{"kind": "ServiceList", "items": []}"#, true),
            (r#"{"kind": "ServiceList", "items": null}"#, true),
            (r#"{"kind": "ServiceList"}"#, false),
            (r#"{"kind": "ServiceList", "items": {}}"#, false),
            (r#"{"kind": "Service", "items": []}"#, false),
            (r#"{"message": "welcome"}"#, false),
            ("[]", false),
        ] {
            let listed = answering(200, &[], body).list(Kind::Service, Some("a"), ("labelSelector", "")).await;
            match listed {
                Ok(found) => assert!(is_list && found.is_empty(), "{body}"),
                Err(Missing::Answer(error)) => {
                    assert!(!is_list && error.kind == ErrorKind::Unavailable, "{body}: {error}");
                }
                Err(Missing::Kind) => panic!("{body}: the kind is there"),
            }
        }
    }

    #[tokio::test]
    async fn a_refusal_of_what_stands_before_the_server_is_put_into_a_class_by_its_code() {
        for (code, body) in [(502, "<html><h1>502 Bad Gateway</h1></html>"), (503, r#"{"message": "no upstream"}"#)] {
            let requests = answering(code, &[], body);
            let Err(Missing::Answer(error)) = requests.get(&ObjectKey::new(Kind::Service, "a", "b")).await else {
                panic!("it is refused");
            };
            assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Unavailable, body));
        }
    }

    #[test]
    fn queries_are_escaped() {
        let url = with_query("/api", &[("labelSelector", "kaito.sh/workspace=a,b=c")], Some(5));
        assert_eq!(url, "/api?labelSelector=kaito.sh%2Fworkspace%3Da%2Cb%3Dc&limit=5");
    }
}
