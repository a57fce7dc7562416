//! One request to Azure, once: with a token, within bounds, within a time.

use super::credential::{AccessToken, Credential, CredentialError, Kept};
use crate::http_client;
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use kaito_core::backend::{BackendError, ErrorKind};
use kaito_core::words::quoted;
use kaito_provisioner::arm::Endpoint;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of an answer at most; the reader refuses what is as large.
const LARGEST: usize = (32 << 20) + 1;

/// How long is waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeLimits {
    /// For a connection.
    pub connect: Duration,
    /// For one request, from the first packet to the last.
    pub request: Duration,
}

impl Default for TimeLimits {
    /// Half a minute, as the reference waits for a connection; a minute in all.
    fn default() -> Self {
        Self { connect: Duration::from_secs(30), request: Duration::from_secs(60) }
    }
}

/// No answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    /// Nothing was sent.
    #[error("{0}")]
    NoToken(#[from] CredentialError),
    /// Nothing was sent: the token would have gone where it must not.
    #[error("{0} is not asked: the token would be shown to it")]
    Elsewhere(String),
    /// It may or may not have happened.
    #[error("Azure gave no answer within {0:?}")]
    Timeout(Duration),
    /// It may or may not have happened.
    #[error("Azure cannot be reached: {0}")]
    Unreachable(String),
}

impl From<ExchangeError> for BackendError {
    fn from(error: ExchangeError) -> Self {
        let kind = match &error {
            ExchangeError::NoToken(why) if why.is_transient => ErrorKind::Unavailable,
            ExchangeError::NoToken(_) | ExchangeError::Elsewhere(_) => ErrorKind::Forbidden,
            ExchangeError::Timeout(_) => ErrorKind::Timeout,
            ExchangeError::Unreachable(_) => ErrorKind::Unavailable,
        };
        BackendError::new(kind, error.to_string())
    }
}

/// The way to Azure Resource Manager.
pub struct Exchange {
    client: reqwest::Client,
    endpoint: Endpoint,
    token: Kept,
    limits: TimeLimits,
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Exchange {
    /// The way to an endpoint. `scope` is what tokens are asked for, such as `https://management.azure.com/.default`; `authorities` is a file of certificates in PEM that are believed beside the system's.
    ///
    /// # Errors
    /// In words: the certificates cannot be read, or the process has no TLS provider.
    pub fn new(
        endpoint: Endpoint,
        credential: Arc<dyn Credential>,
        scope: String,
        authorities: Option<&Path>,
        limits: TimeLimits,
    ) -> Result<Self, String> {
        let told = |error: reqwest::Error| crate::causes::told(&error.without_url());
        let mut builder = http_client::builder(http_client::is_loopback(&endpoint.to_string()))?
            .tls_version_min(reqwest::tls::Version::TLS_1_2)
            .connect_timeout(limits.connect)
            .timeout(limits.request);
        if let Some(file) = authorities {
            builder = builder.tls_certs_merge(http_client::authorities(file)?);
        }
        let client = builder.build().map_err(told)?;
        Ok(Self { client, endpoint, token: Kept::new(credential, scope), limits })
    }

    /// Asks once. A refusal is an answer here. Only a token that is refused is replaced, and then the request is sent once more: a refusal says that nothing was done.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, ExchangeError> {
        if !self.endpoint.may_carry_token(request.uri()) {
            return Err(ExchangeError::Elsewhere(quoted(request.uri().host().unwrap_or_default())));
        }
        let token = self.token.token().await?;
        let answer = self.once(request.clone(), &token).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        if !self.token.forget(&token) {
            return Ok(answer);
        }
        let token = self.token.token().await?;
        self.once(request, &token).await
    }

    async fn once(&self, mut request: Request<Bytes>, token: &AccessToken) -> Result<Response<Bytes>, ExchangeError> {
        if let Some(value) = token.authorization() {
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        let request = reqwest::Request::try_from(request).map_err(|error| self.lost(error))?;
        let mut answer = self.client.execute(request).await.map_err(|error| self.lost(error))?;
        let mut read = Response::builder().status(answer.status());
        if let Some(headers) = read.headers_mut() {
            *headers = std::mem::take(answer.headers_mut());
        }
        let mut body = Vec::new();
        // What is too large is not read to its end; the reader says so.
        while body.len() < LARGEST {
            let Some(chunk) = answer.chunk().await.map_err(|error| self.lost(error))? else { break };
            body.extend_from_slice(&chunk);
        }
        read.body(Bytes::from(body)).map_err(|error| ExchangeError::Unreachable(error.to_string()))
    }

    fn lost(&self, error: reqwest::Error) -> ExchangeError {
        if error.is_timeout() && !error.is_connect() {
            return ExchangeError::Timeout(self.limits.request);
        }
        ExchangeError::Unreachable(quoted(&away(error)))
    }
}

/// Why there was no answer, by its causes; and what helps, where somebody showed a certificate that nobody who is trusted has signed.
pub(super) fn away(error: reqwest::Error) -> String {
    let why = crate::causes::told(&error.without_url());
    // rustls stands behind an io::Error, which shows nobody what it holds but its words.
    if !why.contains("UnknownIssuer") {
        return why;
    }
    format!("{why}; ARM_CA_BUNDLE can name a file with the certificate of who signed it")
}
