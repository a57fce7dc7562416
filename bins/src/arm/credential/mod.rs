//! With whose permission Azure is asked.
//!
//! Four ways to a token, each one documented request (or one program), behind [`Credential`]; [`Kept`] keeps a token until shortly before its end. A token, an assertion and a secret are shown
//! to whom they are meant for and to nobody else: no error, log or debug output holds them (I11).
//!
//! Not `azure_identity`: it reads a rotated token file up to ten minutes late, brings a second HTTP pipeline with retries of its own (`azure_core`), and is some twenty crates for two requests.

mod authority; // Microsoft Entra, asked for a token
mod cli; // whoever is logged in
mod managed; // the machine's own identity
mod said; // why there is no token

pub use authority::{ClientSecret, Identity, WorkloadIdentity};
pub use cli::AzureCli;
pub use managed::ManagedIdentity;

use async_trait::async_trait;
use http::HeaderValue;
use jiff::Timestamp;
use kaito_core::words;
use serde_json::Value;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A token is renewed when so much of its time is left, as Azure's own clients do.
const EARLY: Duration = Duration::from_secs(300);
/// A token that was not renewed is asked for again no sooner, while the old one is good.
const PAUSE: Duration = Duration::from_secs(30);
/// So long a refusal is believed: of whoever gives tokens, by all who want one; and of Azure, that a new token is refused like the one before.
const REMEMBERED: Duration = Duration::from_secs(5);
/// Bytes of an answer about a token at most.
const LARGEST: usize = 256 << 10;

/// A token, and until when it is good.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken {
    secret: String,
    expires: Instant,
}

impl AccessToken {
    /// A token that is good for so long from now.
    ///
    /// # Errors
    /// It fits no header.
    pub fn new(secret: &str, lasts: Duration) -> Result<Self, CredentialError> {
        let secret = secret.trim();
        if secret.is_empty() || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(CredentialError::refused("what was given as a token is none"));
        }
        let expires = Instant::now().checked_add(lasts).unwrap_or_else(Instant::now);
        Ok(Self { secret: secret.to_owned(), expires })
    }

    /// What is shown to Azure; kept out of debug output by the HTTP crates, too.
    pub(super) fn authorization(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::try_from(format!("Bearer {}", self.secret)).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    fn left(&self) -> Duration {
        self.expires.saturating_duration_since(Instant::now())
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccessToken(for {:?})", self.left())
    }
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CredentialError {
    /// Whether whoever gives tokens was not to be reached, or not well: then it may give one soon. Else somebody must change something.
    pub is_transient: bool,
    /// In words, the code of whoever refused first.
    pub message: String,
}

impl CredentialError {
    fn refused(message: &str) -> Self {
        Self { is_transient: false, message: words::whole(message) }
    }

    fn away(message: &str) -> Self {
        Self { is_transient: true, message: words::whole(message) }
    }
}

/// A way to a token.
#[async_trait]
pub trait Credential: Send + Sync {
    /// A new token for a scope such as `https://management.azure.com/.default`.
    ///
    /// # Errors
    /// There is none, or it cannot be had just now.
    async fn token(&self, scope: &str) -> Result<AccessToken, CredentialError>;
}

/// A token that was given once and for all; for an emulator.
pub struct StaticToken(pub String);

#[async_trait]
impl Credential for StaticToken {
    async fn token(&self, _: &str) -> Result<AccessToken, CredentialError> {
        AccessToken::new(&self.0, Duration::from_hours(24))
    }
}

/// The token of one scope, asked for by one of however many want it, and again shortly before its end. Nobody but that one waits while there is a token that is good.
pub(super) struct Kept {
    source: Arc<dyn Credential>,
    scope: String,
    state: Mutex<State>,
    /// Held by whoever asks for a token.
    flight: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    token: Option<AccessToken>,
    /// When a token was asked for last.
    asked: Option<Instant>,
    /// Why there was none, the last time.
    failed: Option<CredentialError>,
    /// When a token was given up because Azure refused it.
    refused: Option<Instant>,
}

/// What is to be done for a token.
enum Want {
    /// Nothing: it is this.
    Have(AccessToken),
    /// It ends soon: one of those who want it asks for the next one.
    Renew(AccessToken),
    /// There is none.
    Ask,
}

fn is_within(wait: Duration, since: Option<Instant>) -> bool {
    since.is_some_and(|since| since.elapsed() < wait)
}

impl Kept {
    pub(super) fn new(source: Arc<dyn Credential>, scope: String) -> Self {
        Self { source, scope, state: Mutex::default(), flight: tokio::sync::Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change of what is kept is one assignment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A token that is good. One that cannot be renewed early is used to its end; a refusal is believed for some seconds ([`REMEMBERED`]).
    pub(super) async fn token(&self) -> Result<AccessToken, CredentialError> {
        match self.want()? {
            Want::Have(token) => Ok(token),
            Want::Renew(token) => match self.flight.try_lock() {
                Ok(_flight) => self.ask().await.or_else(|error| {
                    tracing::warn!(%error, "the token could not be renewed, and is used to its end");
                    Ok(token)
                }),
                Err(_) => Ok(token),
            },
            Want::Ask => {
                let _flight = self.flight.lock().await;
                // Somebody else may have asked meanwhile.
                match self.want()? {
                    Want::Have(token) | Want::Renew(token) => Ok(token),
                    Want::Ask => self.ask().await,
                }
            }
        }
    }

    fn want(&self) -> Result<Want, CredentialError> {
        let state = self.lock();
        match (state.token.clone().filter(|token| !token.left().is_zero()), &state.failed) {
            (Some(token), _) if token.left() > EARLY || is_within(PAUSE, state.asked) => Ok(Want::Have(token)),
            (Some(token), _) => Ok(Want::Renew(token)),
            (None, Some(error)) if is_within(REMEMBERED, state.asked) => Err(error.clone()),
            (None, _) => Ok(Want::Ask),
        }
    }

    async fn ask(&self) -> Result<AccessToken, CredentialError> {
        self.lock().asked = Some(Instant::now());
        let given = self.source.token(&self.scope).await;
        let mut state = self.lock();
        // From its end on: how long the answer took is no time in which it is believed.
        state.asked = Some(Instant::now());
        match &given {
            Ok(token) => (state.token, state.failed) = (Some(token.clone()), None),
            Err(error) => state.failed = Some(error.clone()),
        }
        given
    }

    /// Forgets a token that Azure refused, if that may help: a new one is there already, or none was given up for this just now. Else the refusal stands, and costs no further token.
    pub(super) fn forget(&self, refused: &AccessToken) -> bool {
        let mut state = self.lock();
        if state.token.as_ref() != Some(refused) {
            return true;
        }
        if is_within(REMEMBERED, state.refused) {
            return false;
        }
        *state = State { refused: Some(Instant::now()), ..State::default() };
        true
    }
}

/// A text without the secrets that were shown to whoever says it.
fn without(text: &str, secrets: &[&str]) -> String {
    let shown = secrets.iter().filter(|secret| !secret.is_empty());
    shown.fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
}

/// What an answer about a token holds: `access_token`, and `expires_in`, in seconds, or `expires_on`, since 1970, as a number or as a text.
fn read_token(body: &[u8], now: Timestamp) -> Result<AccessToken, CredentialError> {
    let unusable = || CredentialError::away("the answer holds no token");
    let document: Value = serde_json::from_slice(body).map_err(|_| unusable())?;
    let secret = document.get("access_token").and_then(Value::as_str).ok_or_else(unusable)?;
    let number = |field: &str| match document.get(field)? {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_u64(),
    };
    let until = || number("expires_on").map(|end| end.saturating_sub(now.as_second().unsigned_abs()));
    let lasts = number("expires_in").or_else(until).ok_or_else(unusable)?;
    AccessToken::new(secret, Duration::from_secs(lasts))
}

/// Whether a refusal with this status passes by itself.
fn passes(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..)
}

/// Sends one request for a token, and reads the answer. `who` begins what is said of a refusal; `secrets` are never said again; `passes` knows the statuses that pass by themselves.
async fn ask(
    request: reqwest::RequestBuilder,
    who: &str,
    secrets: &[&str],
    passes: fn(u16) -> bool,
) -> Result<AccessToken, CredentialError> {
    let away = |error: reqwest::Error| {
        CredentialError::away(&format!("{who} cannot be reached: {}", super::exchange::away(error)))
    };
    let mut response = request.send().await.map_err(away)?;
    let (status, mut body) = (response.status(), Vec::new());
    while let Some(chunk) = response.chunk().await.map_err(away)? {
        if body.len() + chunk.len() > LARGEST {
            return Err(CredentialError::away(&format!("{who} answers with more than any token has")));
        }
        body.extend_from_slice(&chunk);
    }
    if status.is_success() {
        return read_token(&body, Timestamp::now())
            .map_err(|error| CredentialError { message: format!("{who} gives no token: {}", error.message), ..error });
    }
    let said = serde_json::from_slice(&body).ok().and_then(|document: Value| {
        let text = |field: &str| document.get(field).and_then(Value::as_str).map(str::to_owned);
        text("error_description").or_else(|| text("error"))
    });
    let said = without(&said.unwrap_or_else(|| String::from_utf8_lossy(&body).into_owned()), secrets);
    let message = format!("{}: said by {who} (HTTP {})", said::lasting(&said), status.as_u16());
    Err(if passes(status.as_u16()) { CredentialError::away(&message) } else { CredentialError::refused(&message) })
}

#[cfg(test)]
mod tests;
