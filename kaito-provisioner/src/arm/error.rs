//! A refusal, with the cloud's words in front.

use super::errors::{self, Row, Said};
use super::patience;
use crate::class::{ErrorClass, Failure};
use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use jiff::Timestamp;
use kaito_core::words;
use serde_json::Value;
use std::fmt;
use std::time::Duration;

/// Errors that are looked at in one answer, and how deep they may be nested.
const MOST_SAID: usize = 32;
const DEEPEST: usize = 8;

/// What the cloud, or somebody on the way, said instead of what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArmError {
    /// What it means, and the words: the code that decides first, then its message.
    pub failure: Failure,
    /// The code that decides, as the cloud writes it; empty where it names none.
    pub code: Box<str>,
    /// The HTTP status; `None` for the error of an operation or of a pool.
    pub status: Option<u16>,
    /// How long Azure asks to wait, where it does: what this table of ours would wait is no request of Azure's ([`Row::retry_s`]).
    pub retry_after: Option<Duration>,
    /// Azure's number for the request (`x-ms-request-id`), for a ticket; in no condition, since it is another one every time.
    pub request_id: Option<Box<str>>,
}

impl ArmError {
    /// What it means.
    pub fn class(&self) -> ErrorClass {
        self.failure.class
    }

    /// An answer that is no success. `None` for one that is.
    pub(super) fn of_response(response: &Response<Bytes>, now: Timestamp) -> Option<Self> {
        let status = response.status();
        let body = json(response.body());
        let said = body.as_ref().and_then(said).unwrap_or_default();
        if status.is_success() && said.is_empty() {
            return None;
        }
        let mut said = said;
        if said.is_empty() {
            let header = response.headers().get("x-ms-error-code").and_then(|code| code.to_str().ok());
            let code = header.unwrap_or_default().to_owned();
            // A page, or half an answer, is no word about the cluster, for which one would wait for minutes.
            let is_document = body.is_some() || response.body().is_empty();
            if status == StatusCode::NOT_FOUND && code.is_empty() && !is_document {
                return Some(Self::unreadable("it does not say what is not there", response, now));
            }
            said.push(Said {
                code,
                message: words::quoted(&String::from_utf8_lossy(response.body())),
                ..Said::default()
            });
        }
        // A success that holds an error is judged by the error alone.
        let judged = (!status.is_success()).then_some(status.as_u16());
        Some(Self::judge(&said, judged, response.headers(), now).with_status(status))
    }

    /// The error of an operation, or of a pool that has failed; `None` where it says nothing.
    pub(super) fn of_error(error: &Value, headers: &HeaderMap, now: Timestamp) -> Option<Self> {
        let said = said(&serde_json::json!({ "error": error }))?;
        Some(Self::judge(&said, None, headers, now)).filter(|error| !error.failure.message.is_empty())
    }

    /// A failure of which no cause is told.
    pub(super) fn without_cause(code: &str, message: &str, headers: &HeaderMap, now: Timestamp) -> Self {
        let said = Said { code: code.to_owned(), message: message.to_owned(), ..Said::default() };
        Self::judge(&[said], None, headers, now)
    }

    /// An answer that cannot be what it should be.
    pub(super) fn unreadable(why: &str, response: &Response<Bytes>, now: Timestamp) -> Self {
        let said = Said { message: why.to_owned(), ..Said::default() };
        let row = &errors::NO_ANSWER;
        let mut error = Self::by_row(row, &said, &[], response.headers(), now).with_status(response.status());
        error.failure = Failure::new(
            row.class,
            row.reason,
            &format!("the answer cannot be used: {why} (HTTP {})", response.status().as_u16()),
        );
        error
    }

    fn judge(said: &[Said], status: Option<u16>, headers: &HeaderMap, now: Timestamp) -> Self {
        let (row, which) = errors::classify(status, said);
        let mut decisive = said.get(which).cloned().unwrap_or_default();
        if row.knows_only_the_finer_code_of(&decisive) {
            // What decides is in front, here too.
            let Said { code, subcode, .. } = &mut decisive;
            std::mem::swap(code, subcode);
        }
        let others: Vec<&Said> =
            said.iter().enumerate().filter(|(index, _)| *index != which).map(|(_, said)| said).collect();
        Self::by_row(row, &decisive, &others, headers, now)
    }

    fn by_row(row: &Row, decisive: &Said, others: &[&Said], headers: &HeaderMap, now: Timestamp) -> Self {
        let mut text = in_words(decisive);
        for other in others.iter().map(|other| in_words(other)).filter(|other| !other.is_empty()) {
            text = if text.is_empty() { other } else { format!("{text}; {other}") };
        }
        let request_id =
            headers.get("x-ms-request-id").and_then(|id| id.to_str().ok()).map(|id| words::quoted(id).into());
        Self {
            failure: Failure::new(row.class, row.reason, &text),
            code: words::quoted(&decisive.code).into(),
            status: None,
            retry_after: patience::retry_after(headers, now),
            request_id,
        }
    }

    fn with_status(mut self, status: StatusCode) -> Self {
        self.status = Some(status.as_u16());
        let name = status.canonical_reason().unwrap_or_default();
        let number = status.as_u16();
        if self.failure.message.is_empty() {
            self.failure.message = format!("HTTP {number} {name}").trim_end().to_owned();
        } else if self.code.is_empty() {
            let said = format!("HTTP {number} {name}: {}", self.failure.message);
            self.failure = Failure::new(self.failure.class, self.failure.reason, &said);
        } else if errors::of_text(&self.failure.message).class != self.failure.class {
            // The status alone has decided: it goes with the words.
            let end = format!(" (HTTP {number})");
            let said = words::cut(&self.failure.message, Failure::LONGEST.saturating_sub(end.len() + 3));
            self.failure = Failure::new(self.failure.class, self.failure.reason, &format!("{said}{end}"));
        }
        self
    }
}

impl fmt::Display for ArmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.failure.message)?;
        match &self.request_id {
            Some(id) => write!(f, " (request {id})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ArmError {}

/// In the form that [`Said::of_text`] reads: the code, the message, the other code.
fn in_words(said: &Said) -> String {
    let Said { code, subcode, message } = said;
    let is_new = !subcode.trim().is_empty() && !subcode.eq_ignore_ascii_case(code);
    let other = if is_new { format!("({})", subcode.trim()) } else { String::new() };
    let words = [message.trim(), other.as_str()].into_iter().filter(|words| !words.is_empty());
    let words = words.collect::<Vec<_>>().join(" ");
    match (code.trim(), words.as_str()) {
        ("", words) => words.to_owned(),
        (code, "") => code.to_owned(),
        (code, words) => format!("{code}: {words}"),
    }
}

/// A body as JSON; `None` where it is none. Some services of Azure begin theirs with a byte order mark.
pub(super) fn json(body: &[u8]) -> Option<Value> {
    serde_json::from_slice(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)).ok()
}

/// The errors of a document, the outermost first: in ARM's form (`error`), or in the flat one of AKS. `None` where it holds none.
pub(super) fn said(document: &Value) -> Option<Vec<Said>> {
    let mut all = Vec::new();
    match document.get("error") {
        Some(Value::String(code)) => {
            let message = text(document.get("error_description"));
            all.push(Said { code: code.clone(), message, ..Said::default() });
        }
        Some(error @ Value::Object(_)) => collect(error, 0, &mut all),
        _ => {
            let is_flat = document.get("code").is_some() && document.get("message").is_some();
            if is_flat {
                collect(document, 0, &mut all);
            }
        }
    }
    (!all.is_empty()).then_some(all)
}

fn collect(error: &Value, depth: usize, all: &mut Vec<Said>) {
    if depth > DEEPEST || all.len() >= MOST_SAID {
        return;
    }
    let found = Said {
        code: text(error.get("code")),
        subcode: text(error.get("subcode").or_else(|| error.get("subCode"))),
        message: text(error.get("message")),
    };
    if found != Said::default() && !all.contains(&found) {
        all.push(found);
    }
    for (field, inner) in
        ["details", "innererror", "innerError", "error"].iter().filter_map(|field| Some((field, error.get(*field)?)))
    {
        match inner {
            Value::Array(items) if *field == "details" => items.iter().for_each(|item| collect(item, depth + 1, all)),
            Value::Object(_) => collect(inner, depth + 1, all),
            _ => {}
        }
    }
}

/// A text, or what stands in its place; empty where nothing does.
fn text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null | Value::Array(_) | Value::Object(_)) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refusal(status: u16, body: &str) -> ArmError {
        let response = Response::builder()
            .status(status)
            .header("x-ms-request-id", "r-1")
            .body(Bytes::from(body.to_owned()))
            .unwrap();
        ArmError::of_response(&response, Timestamp::UNIX_EPOCH).unwrap()
    }

    #[test]
    fn the_code_that_decides_stands_in_front() {
        let quota = "exceeding approved standardNCADSA100v4Family Cores quota";
        for (status, body, class, message) in [
            (
                403,
                json!({"error": {"code": "QuotaExceeded", "message": quota}}),
                ErrorClass::Quota,
                format!("QuotaExceeded: {quota}"),
            ),
            (
                400,
                json!({"error": {"code": "BadRequest", "message": "pool failed", "details": [{"code": "Other", "message": "x"}, {"code": "OperationNotAllowed", "message": quota}]}}),
                ErrorClass::Quota,
                format!("OperationNotAllowed: {quota}; BadRequest: pool failed; Other: x"),
            ),
            (
                400,
                json!({"code": "Reconcile", "message": "m", "subcode": "TooManyRequests", "details": null}),
                ErrorClass::Throttled,
                "TooManyRequests: m (Reconcile)".to_owned(),
            ),
            (
                401,
                json!({"error": "invalid_grant", "error_description": "expired"}),
                ErrorClass::Auth,
                "invalid_grant: expired (HTTP 401)".to_owned(),
            ),
            (
                200,
                json!({"error": {"code": "AllocationFailed", "message": "m"}}),
                ErrorClass::StockOut,
                "AllocationFailed: m".to_owned(),
            ),
            (429, json!({"error": {"code": 7, "message": null}}), ErrorClass::Throttled, "7 (HTTP 429)".to_owned()),
        ] {
            let error = refusal(status, &body.to_string());
            assert_eq!(
                (error.class(), &error.failure.message, error.status),
                (class, &message, Some(status)),
                "{body}"
            );
            assert_eq!(error.to_string(), format!("{message} (request r-1)"));
        }
    }

    #[test]
    fn what_is_no_document_is_told_with_its_status() {
        for (status, body, class, message) in [
            (
                502,
                "<html>bad\n gateway</html>",
                ErrorClass::Unavailable,
                "HTTP 502 Bad Gateway: <html>bad gateway</html>",
            ),
            (503, "", ErrorClass::Unavailable, "HTTP 503 Service Unavailable"),
            (
                409,
                "{\"error\":{\"code\":\"Conf",
                ErrorClass::Conflict,
                "HTTP 409 Conflict: {\"error\":{\"code\":\"Conf",
            ),
            (403, "null", ErrorClass::Auth, "HTTP 403 Forbidden: null"),
            (599, "", ErrorClass::Unavailable, "HTTP 599"),
        ] {
            let error = refusal(status, body);
            assert_eq!((error.class(), error.failure.message.as_str()), (class, message));
        }
    }
}
