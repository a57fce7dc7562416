//! Microsoft Entra, asked for a token by an application: one form, in two ways to prove who asks.
//!
//! <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>: the second case (a secret) and the third (a federated token, that of a workload identity).

use super::{AccessToken, Credential, CredentialError, ask, passes};
use crate::http_client;
use async_trait::async_trait;
use http::header::CONTENT_TYPE;
use reqwest::Url;
use std::path::PathBuf;
use std::time::Duration;

const FORM: &str = "application/x-www-form-urlencoded";
const BY_ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const LIMIT: Duration = Duration::from_secs(30);
/// The identity has no federated credential at all, or none of this issuer, audience or subject (with another digit behind).
const NOT_FEDERATED: [&str; 2] = ["AADSTS70025", "AADSTS70021"];

/// Who asks, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The authority, such as `https://login.microsoftonline.com/`.
    pub authority: String,
    /// The directory.
    pub tenant: String,
    /// The application.
    pub client: String,
    /// A file of certificates in PEM that are believed beside the system's, as by every other client of Azure here (`ARM_CA_BUNDLE`).
    pub authorities: Option<PathBuf>,
}

impl Identity {
    /// The address that gives tokens. Over plain HTTP only on this machine: what proves who asks would be read by everybody on the way.
    pub(in crate::arm) fn address(&self) -> Result<Url, CredentialError> {
        let wrong = |why: &str| CredentialError::refused(&format!("the authority {:?} {why}", self.authority));
        let whole = format!("{}/{}/oauth2/v2.0/token", self.authority.trim_end_matches('/'), self.tenant);
        let url = Url::parse(&whole).map_err(|_| {
            wrong("is no address: it must be https:// and a host, such as https://login.microsoftonline.com/")
        })?;
        let is_here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        match url.scheme() {
            "https" => Ok(url),
            "http" if is_here => Ok(url),
            _ => Err(wrong("is not asked over https")),
        }
    }

    async fn token(&self, scope: &str, proof: &[(&str, &str)]) -> Result<AccessToken, CredentialError> {
        let url = self.address()?;
        let authorities = self.authorities.as_deref().map(http_client::authorities).transpose();
        let client = authorities.and_then(|authorities| {
            let builder = http_client::builder(http_client::is_loopback(url.as_str()))?.timeout(LIMIT);
            let builder = builder.tls_certs_merge(authorities.unwrap_or_default());
            builder.build().map_err(|error| crate::causes::told(&error.without_url()))
        });
        let client = client.map_err(|error| CredentialError::refused(&error))?;
        let fields = [("client_id", self.client.as_str()), ("scope", scope), ("grant_type", "client_credentials")];
        let all = fields.iter().chain(proof);
        // A query of an address is written as a form is.
        let form = Url::parse_with_params("http://form/", all).ok().and_then(|url| url.query().map(str::to_owned));
        let form = form.ok_or_else(|| CredentialError::refused("the request for a token cannot be written"))?;
        let secrets: Vec<&str> = proof.iter().map(|(_, value)| *value).filter(|value| *value != BY_ASSERTION).collect();
        let request = client.post(url).header(CONTENT_TYPE, FORM).body(form);
        ask(request, &format!("the authority of identity {}", self.client), &secrets, passes).await
    }
}

/// A workload identity: Kubernetes puts a token into a file, and renews it. The file is read for every token that is asked for, so that its rotation is never missed.
#[derive(Debug, Clone)]
pub struct WorkloadIdentity {
    /// Who asks.
    pub identity: Identity,
    /// `AZURE_FEDERATED_TOKEN_FILE`.
    pub token_file: PathBuf,
}

#[async_trait]
impl Credential for WorkloadIdentity {
    async fn token(&self, scope: &str) -> Result<AccessToken, CredentialError> {
        // A file of a projected volume: a few KiB, in memory.
        let read = std::fs::read_to_string(&self.token_file);
        let assertion = read.map_err(|error| {
            CredentialError::away(&format!("the token file {} cannot be read: {error}", self.token_file.display()))
        })?;
        let proof = [("client_assertion_type", BY_ASSERTION), ("client_assertion", assertion.trim())];
        self.identity.token(scope, &proof).await.map_err(|mut error| {
            if NOT_FEDERATED.iter().any(|code| error.message.starts_with(code)) {
                error.message.push_str("; the identity needs a federated credential for this very service account");
            }
            error
        })
    }
}

/// A service principal with a secret.
#[derive(Clone)]
pub struct ClientSecret {
    /// Who asks.
    pub identity: Identity,
    /// `AZURE_CLIENT_SECRET`.
    pub secret: String,
}

#[async_trait]
impl Credential for ClientSecret {
    async fn token(&self, scope: &str) -> Result<AccessToken, CredentialError> {
        self.identity.token(scope, &[("client_secret", &self.secret)]).await
    }
}
