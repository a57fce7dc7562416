//! The identity of the machine, asked of the machine itself, or of whoever stands for it.
//!
//! <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>, and the form of App Service:
//! <https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference>.

use super::{AccessToken, Credential, CredentialError, ask, passes};
use crate::http_client;
use async_trait::async_trait;
use reqwest::Url;
use std::time::Duration;

const VERSION: &str = "2018-02-01";
const VERSION_BY_HEADER: &str = "2019-08-01";
/// It is a few hops away at most: another machine than Azure's has nobody there, and none answers.
const CONNECT: Duration = Duration::from_secs(5);
const LIMIT: Duration = Duration::from_secs(30);

/// A managed identity.
#[derive(Clone)]
pub struct ManagedIdentity {
    /// Where it is asked: `http://169.254.169.254` on a machine of Azure, or `IDENTITY_ENDPOINT`.
    pub endpoint: String,
    /// Which one, by its client id; the machine's only one where none is named.
    pub client: Option<String>,
    /// What proves that the process may ask, with `IDENTITY_ENDPOINT`: `IDENTITY_HEADER`, a secret.
    pub header: Option<String>,
}

impl Default for ManagedIdentity {
    fn default() -> Self {
        Self { endpoint: "http://169.254.169.254".to_owned(), client: None, header: None }
    }
}

/// The metadata service is not there, or is gone, while it is renewed or the machine has just come.
fn passes_here(status: u16) -> bool {
    matches!(status, 404 | 410) || passes(status)
}

#[async_trait]
impl Credential for ManagedIdentity {
    async fn token(&self, scope: &str) -> Result<AccessToken, CredentialError> {
        let resource = scope.strip_suffix("/.default").unwrap_or(scope);
        let (path, version) = match self.header {
            None => ("/metadata/identity/oauth2/token", VERSION),
            Some(_) => ("", VERSION_BY_HEADER),
        };
        let mut query = vec![("api-version", version), ("resource", resource)];
        query.extend(self.client.as_deref().map(|client| ("client_id", client)));
        let address = format!("{}{path}", self.endpoint.trim_end_matches('/'));
        let url = Url::parse_with_params(&address, query)
            .map_err(|_| CredentialError::refused(&format!("{:?} is no address", self.endpoint)))?;
        // Never through a proxy: the address means this machine.
        let client = http_client::builder(true).and_then(|builder| {
            let built = builder.connect_timeout(CONNECT).timeout(LIMIT).build();
            built.map_err(|error| crate::causes::told(&error.without_url()))
        });
        let client = client.map_err(|error| CredentialError::refused(&error))?;
        let (name, value) = self.header.as_deref().map_or(("Metadata", "true"), |header| ("X-IDENTITY-HEADER", header));
        let secrets: Vec<&str> = self.header.as_deref().into_iter().collect();
        let who = if self.header.is_some() { "IDENTITY_ENDPOINT" } else { "the machine's metadata service" };
        ask(client.get(url).header(name, value), who, &secrets, passes_here).await
    }
}
