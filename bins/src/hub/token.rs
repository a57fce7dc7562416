//! With whose permission a hub is asked. A token is shown to the hub, and to nobody else: no error, log or debug output holds it (I11).

use crate::kube::Requests;
use async_trait::async_trait;
use http::HeaderValue;
use k8s_openapi::ByteString;
use kaito_api::syntax;
use kaito_api::vocabulary::names::HF_TOKEN_KEY;
use kaito_core::hub::{HubError, HubErrorKind};
use kaito_core::{Kind, ObjectKey};
use serde_json::Value;
use std::fmt;

/// Bytes of a token at most; more fits no header.
const LONGEST: usize = 4096;

/// A token, and where it comes from.
#[derive(Clone, PartialEq, Eq)]
pub struct HubToken {
    value: String,
    from: String,
}

/// A text that is no token, as the end of a sentence that begins with where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TokenError(&'static str);

impl HubToken {
    /// The token in a text, blanks around it aside; `from` says for messages where it stands, such as `the Secret default/hub`.
    ///
    /// # Errors
    /// There is none, or what is there fits no header.
    pub fn parse(text: &str, from: impl Into<String>) -> Result<Self, TokenError> {
        let value = text.trim();
        match value {
            "" => Err(TokenError("is empty")),
            _ if value.len() > LONGEST => Err(TokenError("is longer than any token")),
            _ if !value.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Err(TokenError("holds blanks, control characters or letters outside of ASCII, which no token has"))
            }
            _ => Ok(Self { value: value.to_owned(), from: from.into() }),
        }
    }

    /// Where it comes from.
    pub fn from(&self) -> &str {
        &self.from
    }

    /// What is shown to the hub; kept out of debug output by the HTTP crates, too.
    pub(super) fn authorization(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::try_from(format!("Bearer {}", self.value)).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// A text without it: a server may say again what it was told.
    pub(super) fn hidden_in(&self, text: &str) -> String {
        text.replace(&self.value, "***")
    }
}

impl fmt::Debug for HubToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HubToken(of {})", self.from)
    }
}

/// Where tokens come from.
#[async_trait]
pub trait TokenSource: Send + Sync {
    /// The token in a Secret (namespace and name); without one, the program's own. `None` where it has none: then the hub is asked as everybody.
    ///
    /// # Errors
    /// [`HubErrorKind::Token`]: the Secret cannot be read, or holds no token. [`HubErrorKind::Unavailable`]: whoever keeps it cannot be asked just now.
    async fn token(&self, secret: Option<&(String, String)>) -> Result<Option<HubToken>, HubError>;
}

/// The program's own token and no other, whatever Secret is named: for programs without a cluster.
#[derive(Debug, Clone, Default)]
pub struct OwnToken(pub Option<HubToken>);

#[async_trait]
impl TokenSource for OwnToken {
    async fn token(&self, _: Option<&(String, String)>) -> Result<Option<HubToken>, HubError> {
        Ok(self.0.clone())
    }
}

/// Tokens in Secrets of a cluster, read when they are needed and kept nowhere; and the program's own.
pub struct ClusterTokens {
    requests: Requests,
    own: Option<HubToken>,
}

impl ClusterTokens {
    /// Tokens that these requests can read. `own` is shown where no Secret is named, and never where one is.
    pub fn new(requests: Requests, own: Option<HubToken>) -> Self {
        Self { requests, own }
    }
}

#[async_trait]
impl TokenSource for ClusterTokens {
    async fn token(&self, secret: Option<&(String, String)>) -> Result<Option<HubToken>, HubError> {
        let Some((namespace, name)) = secret else { return Ok(self.own.clone()) };
        let no_token = |why: &str| {
            let message = format!("Secret {namespace}/{name} {why}");
            HubError::new(HubErrorKind::Token, kaito_core::words::quoted(&message))
        };
        // A name that cannot be would be taken for a path.
        if syntax::dns_label(namespace).is_err() || syntax::dns_subdomain(name).is_err() {
            return Err(no_token("cannot be there: it is no name of a Secret"));
        }
        let found = self.requests.secret(&ObjectKey::new(Kind::Secret, namespace, name)).await;
        let found = found.map_err(|error| {
            let kind = if error.kind.is_transient() { HubErrorKind::Unavailable } else { HubErrorKind::Token };
            HubError { kind, retry_after: error.retry_after, ..no_token(&format!("cannot be read: {}", error.message)) }
        })?;
        let mut found = found.ok_or_else(|| no_token("is not there"))?;
        let value = found.pointer_mut(&format!("/data/{HF_TOKEN_KEY}")).map(Value::take);
        let value = value.ok_or_else(|| no_token(&format!("has no key {HF_TOKEN_KEY}")))?;
        let text = serde_json::from_value(value).ok().and_then(|ByteString(bytes)| String::from_utf8(bytes).ok());
        let text = text.ok_or_else(|| no_token(&format!("holds no text under the key {HF_TOKEN_KEY}")))?;
        let token = HubToken::parse(&text, format!("the Secret {namespace}/{name}"));
        token.map(Some).map_err(|error| no_token(&format!("cannot be used: its key {HF_TOKEN_KEY} {error}")))
    }
}
