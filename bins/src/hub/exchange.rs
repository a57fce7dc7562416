//! One question to a hub: redirects, bounds, time limits, refusals.
//!
//! Redirects are followed here and not by the HTTP library, because the token must not follow them: it is shown to the address that was asked, and once an answer leads elsewhere (a file lies on
//! the servers of a CDN) to nobody any more.

use super::answer::Complaint;
use super::token::HubToken;
use super::{address::Endpoint, patience};
use crate::http_client;
use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use kaito_core::hub::{HubError, HubErrorKind};
use kaito_core::words::quoted;
use reqwest::{Response, Url};
use std::time::Duration;

/// Redirects that are followed; a hub needs two, one for a new name and one for the CDN.
const HOPS: usize = 10;

/// Bytes of a refusal that are read.
const MOST_REFUSAL: usize = 64 << 10;

/// How long is waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeLimits {
    /// For one request, from the first packet to the last.
    pub request: Duration,
    /// For all that is asked about one model.
    pub total: Duration,
}

impl Default for TimeLimits {
    /// Half a minute, and two minutes.
    fn default() -> Self {
        Self { request: Duration::from_secs(30), total: Duration::from_mins(2) }
    }
}

/// A hub's refusal of one class.
pub(super) fn refusal(kind: HubErrorKind, address: &str, words: &str) -> HubError {
    HubError::new(kind, format!("{address} {words}"))
}

/// What came for one question.
pub(super) struct Answer {
    /// Where it came from at last, without a query: that of a CDN is a signature.
    pub(super) address: String,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// The value of a header, where it is a text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// An answer that is none, because of this.
    pub(super) fn complain(&self, complaint: &Complaint) -> HubError {
        refusal(HubErrorKind::Malformed, &self.address, complaint)
    }

    /// The answer, unless it is a refusal.
    pub(super) fn accepted(self, token: Option<&HubToken>) -> Result<Self, HubError> {
        let kind = match self.status.as_u16() {
            200 => return Ok(self),
            401 | 403 => HubErrorKind::Unauthorized,
            404 | 410 => HubErrorKind::NotFound,
            429 => HubErrorKind::Throttled,
            // 407: the proxy on the way wants to know who we are.
            407 | 408 | 500.. => HubErrorKind::Unavailable,
            _ => HubErrorKind::Malformed,
        };
        let shown = match (kind, token) {
            (HubErrorKind::Unauthorized, Some(token)) => format!(" (asked with the token of {})", token.from()),
            (HubErrorKind::Unauthorized, None) => " (asked without a token)".to_owned(),
            _ => String::new(),
        };
        let said = self.own_words(token).map(|words| format!(": {words}")).unwrap_or_default();
        let retry_after = patience::asked(self.status, &self.headers, Timestamp::now());
        let words = format!("answered {}{shown}{said}", self.status);
        Err(HubError { retry_after, ..refusal(kind, &self.address, &words) })
    }

    /// Why it refuses, as Hugging Face says it: in headers, else in the field `error` of a JSON body. The token is hidden before the words are cut: half of one is not found any more.
    fn own_words(&self, token: Option<&HubToken>) -> Option<String> {
        let body: Option<serde_json::Value> = serde_json::from_slice(&self.body).ok();
        let in_body = body.as_ref().and_then(|body| body.get("error")?.as_str());
        let words = [self.header("x-error-code"), self.header("x-error-message").or(in_body)];
        let words: Vec<&str> = words.into_iter().flatten().filter(|word| !word.trim().is_empty()).collect();
        let words = words.join(": ");
        let words = token.map_or_else(|| words.clone(), |token| token.hidden_in(&words));
        (!words.is_empty()).then(|| quoted(&words))
    }
}

/// The way to a hub.
pub(super) struct Exchange {
    /// Or why there is none: a process without certificates of authorities, say. Told when something is asked.
    client: Result<reqwest::Client, String>,
    limit: Duration,
}

impl Exchange {
    /// The way there, through the proxy that the environment names (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`), unless the hub is this machine itself.
    pub(super) fn new(endpoint: &Endpoint, limit: Duration) -> Self {
        let client = http_client::builder(endpoint.is_loopback()).and_then(|builder| {
            builder.timeout(limit).build().map_err(|error| crate::causes::told(&error.without_url()))
        });
        Self { client, limit }
    }

    /// Asks once, and follows where that leads. A refusal is an answer here; an error is none.
    pub(super) async fn get(&self, address: &str, token: Option<&HubToken>, most: usize) -> Result<Answer, HubError> {
        let mut url = Url::parse(address)
            .map_err(|_| refusal(HubErrorKind::Unavailable, &quoted(address), "is no address that can be asked"))?;
        let mut token = token;
        for _ in 0..=HOPS {
            let response = self.send(&url, token).await?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return self.collect(&url, response, most).await;
            }
            let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
            let next = onward(&url, location.unwrap_or_default())
                .map_err(|complaint| refusal(HubErrorKind::Malformed, &shown(&url), &complaint))?;
            token = token.filter(|_| next.origin() == url.origin());
            url = next;
        }
        let words = format!("leads on and on; {HOPS} redirects were followed");
        Err(refusal(HubErrorKind::Malformed, &shown(&url), &words))
    }

    async fn send(&self, url: &Url, token: Option<&HubToken>) -> Result<Response, HubError> {
        let unavailable = |words: &str| refusal(HubErrorKind::Unavailable, &shown(url), words);
        let client = self.client.as_ref().map_err(|error| unavailable(&format!("cannot be asked: {error}")))?;
        let mut request = client.get(url.clone());
        if let Some(value) = token.and_then(HubToken::authorization) {
            request = request.header(header::AUTHORIZATION, value);
        }
        request.send().await.map_err(|error| match error.is_timeout() {
            true => unavailable(&self.no_answer()),
            false => unavailable(&format!("cannot be reached: {}", quoted(&crate::causes::told(&error.without_url())))),
        })
    }

    /// Reads an answer to its end, or to the point where it is more than should be.
    async fn collect(&self, url: &Url, mut response: Response, most: usize) -> Result<Answer, HubError> {
        let (status, headers, mut body) = (response.status(), response.headers().clone(), Vec::new());
        let is_refusal = status != StatusCode::OK;
        let most = if is_refusal { MOST_REFUSAL } else { most };
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() <= most => body.extend_from_slice(&chunk),
                // What a refusal says beyond that, or cannot say to its end, is not needed.
                Ok(None) => break,
                Ok(Some(_)) | Err(_) if is_refusal => break,
                Ok(Some(_)) => {
                    let words = format!("answers with more than {} MiB, which nothing about a model has", most >> 20);
                    return Err(refusal(HubErrorKind::Malformed, &shown(url), &words));
                }
                Err(error) if error.is_timeout() => {
                    return Err(refusal(HubErrorKind::Unavailable, &shown(url), &self.no_answer()));
                }
                Err(error) => {
                    let why = quoted(&crate::causes::told(&error.without_url()));
                    let words = format!("answers by half: {why}");
                    return Err(refusal(HubErrorKind::Malformed, &shown(url), &words));
                }
            }
        }
        Ok(Answer { address: shown(url), status, headers, body })
    }

    fn no_answer(&self) -> String {
        format!("gave no answer within {:?}", self.limit)
    }
}

/// An address for a message: a query may hold a signature.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    quoted(url.as_str())
}

/// Where a redirect leads. Never from https to http, and to no user or password.
fn onward(from: &Url, location: &str) -> Result<Url, Complaint> {
    let url = Some(location).filter(|location| !location.is_empty()).and_then(|location| from.join(location).ok());
    let url = url.ok_or("answers with a redirect that leads nowhere")?;
    match url.scheme() {
        "https" => {}
        "http" if from.scheme() == "http" => {}
        other => return Err(format!("leads on to {}, which is not asked over {}", shown_host(&url), quoted(other))),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("leads on to {} with a user or a password", shown_host(&url)));
    }
    Ok(url)
}

fn shown_host(url: &Url) -> String {
    quoted(url.host_str().unwrap_or("what is no host"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_a_hub_repeats_is_hidden_wherever_its_words_are_cut() {
        let token = HubToken::parse(&"s3same".repeat(20), "this test").unwrap();
        let said = |before: usize| {
            let error = format!("{}{}", "x".repeat(before), "s3same".repeat(20));
            let body = serde_json::to_vec(&serde_json::json!({"error": error})).unwrap();
            let (address, headers) = ("https://hub.example/a".to_owned(), HeaderMap::new());
            let refused = Answer { address, status: StatusCode::FORBIDDEN, headers, body }.accepted(Some(&token));
            refused.err().unwrap().message
        };
        for before in 0..3000 {
            assert!(!said(before).contains("s3sam"), "{before}");
        }
    }

    #[test]
    fn a_redirect_never_leaves_https() {
        let from = Url::parse("https://hub.example/a/b/resolve/main/config.json?x=1").unwrap();
        for (location, expected) in [
            ("/c/d", Ok("https://hub.example/c/d")),
            ("params.json", Ok("https://hub.example/a/b/resolve/main/params.json")),
            ("https://cdn.example/x?sig=s3same", Ok("https://cdn.example/x?sig=s3same")),
            ("//cdn.example/x", Ok("https://cdn.example/x")),
            ("http://hub.example/c/d", Err("not asked over http")),
            ("http://169.254.169.254/x?sig=s3same", Err("leads on to 169.254.169.254")),
            ("file:///etc/passwd", Err("not asked over file")),
            ("https://me:s3same@cdn.example/", Err("leads on to cdn.example with a user")),
            ("https://", Err("leads nowhere")),
            ("", Err("leads nowhere")),
        ] {
            match (onward(&from, location), expected) {
                (Ok(url), Ok(expected)) => assert_eq!(url.as_str(), expected),
                (Err(complaint), Err(words)) => {
                    assert!(complaint.contains(words) && !complaint.contains("s3same"), "{location}: {complaint}");
                }
                (found, _) => panic!("{location}: {found:?}"),
            }
        }
        let plain = Url::parse("http://hub.svc/x").unwrap();
        assert!(onward(&plain, "http://cdn.svc/x").is_ok() && onward(&plain, "https://cdn.svc/x").is_ok());
    }
}
