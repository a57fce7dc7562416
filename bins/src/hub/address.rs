//! Where a hub is, and what a repository there is called.

use crate::http_client;
use kaito_core::hub::{HubError, HubErrorKind};
use reqwest::Url;
use std::fmt;
use std::str::FromStr;

const HUGGING_FACE: &str = "https://huggingface.co";

/// Characters of a name at most; the hub itself takes 96.
const LONGEST: usize = 128;

/// The address of a hub: `http` or `https`, with a path where a mirror has one, without a slash at its end. An `http` address gets tokens in clear text, because somebody chose it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint(String);

/// An address that is none of a hub, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EndpointError(&'static str);

impl Endpoint {
    /// The address of something at the hub. Nothing has to be encoded: ids, commits and the names of configs hold nothing that a path could take for something else.
    pub(super) fn at(&self, path: &str) -> String {
        format!("{}/{path}", self.0)
    }

    /// Whether it is this machine itself. No proxy is asked for that, as Go does.
    pub(super) fn is_loopback(&self) -> bool {
        http_client::is_loopback(&self.0)
    }
}

impl Default for Endpoint {
    fn default() -> Self {
        Self(HUGGING_FACE.to_owned())
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let url = Url::parse(text.trim())
            .map_err(|_| EndpointError("no address; expected one such as https://huggingface.co"))?;
        let complaint = match url.scheme() {
            "http" | "https" if !url.username().is_empty() || url.password().is_some() => {
                "an address with a user or a password; what opens the hub belongs into HF_TOKEN"
            }
            "http" | "https" if url.query().is_some() || url.fragment().is_some() => {
                "an address with a query or a fragment; expected one such as https://huggingface.co"
            }
            "http" | "https" => return Ok(Self(url.as_str().trim_end_matches('/').to_owned())),
            _ => "neither http nor https; expected an address such as https://huggingface.co",
        };
        Err(EndpointError(complaint))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `owner/name`. Only letters, digits, `.`, `_` and `-`, so that it means the same in an address, as a folder, and in a message; and never a way upwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryId {
    /// Whose it is.
    pub owner: String,
    /// What it is called there.
    pub name: String,
}

impl RepositoryId {
    /// Reads an id.
    ///
    /// # Errors
    /// [`HubErrorKind::NotFound`]: it is no id, so that no hub has such a repository.
    pub fn parse(text: &str) -> Result<Self, HubError> {
        let is_name = |part: &str| {
            let known = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            part.len() <= LONGEST && part.bytes().all(known) && !part.bytes().all(|byte| byte == b'.')
        };
        match text.split_once('/') {
            Some((owner, name)) if is_name(owner) && is_name(name) => {
                Ok(Self { owner: owner.to_owned(), name: name.to_owned() })
            }
            _ => Err(HubError::new(
                HubErrorKind::NotFound,
                format!(
                    "{:?} is no model of a hub; expected owner/name, such as microsoft/phi-4",
                    kaito_core::words::quoted(text)
                ),
            )),
        }
    }
}

impl fmt::Display for RepositoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_an_address_without_secrets() {
        for (text, expected) in [
            ("https://huggingface.co/", Ok("https://huggingface.co")),
            (" https://Mirror.Example:8443/api/hf// ", Ok("https://mirror.example:8443/api/hf")),
            ("http://hub.kaito.svc", Ok("http://hub.kaito.svc")),
            ("huggingface.co", Err("no address")),
            ("https://", Err("no address")),
            ("ftp://huggingface.co", Err("neither http nor https")),
            ("https://me:s3same@huggingface.co", Err("a user or a password")),
            ("https://huggingface.co?token=s3same", Err("a query or a fragment")),
        ] {
            match (text.parse::<Endpoint>(), expected) {
                (Ok(endpoint), Ok(expected)) => assert_eq!(endpoint.to_string(), expected),
                (Err(error), Err(words)) => {
                    assert!(error.to_string().contains(words), "{text}: {error}");
                    assert!(!error.to_string().contains("s3same"));
                }
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
        let is_loopback = |text: &str| text.parse::<Endpoint>().unwrap().is_loopback();
        assert!(["http://localhost:8000", "http://127.0.0.3", "http://[::1]:80"].into_iter().all(is_loopback));
        assert!(!["http://localhost.example", "http://10.0.0.1"].into_iter().any(is_loopback));
    }

    #[test]
    fn an_id_leads_nowhere_else() {
        for text in ["microsoft/phi-4", "Qwen/Qwen2.5-Coder-32B-Instruct", "a/b", "01-ai/Yi_1.5", "a/.b"] {
            assert_eq!(RepositoryId::parse(text).unwrap().to_string(), text);
        }
        let long = format!("a/{}", "b".repeat(LONGEST + 1));
        for text in [
            "", "phi-4", "/", "a/", "/b", "a/b/c", "../b", "a/..", "a/.", "a b/c", "a/b?x=y", "a/b#c", "a/%2e%2e",
            "ü/b", "a/b\n", &long,
        ] {
            let error = RepositoryId::parse(text).unwrap_err();
            assert_eq!(error.kind, HubErrorKind::NotFound, "{text}");
            assert!(error.message.contains("expected owner/name") && !error.message.contains('\n'), "{error}");
        }
    }
}
