//! The identity of the machine, asked of the machine itself.
//!
//! <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>

use super::{AccessToken, Credential, CredentialError, ask};
use crate::http_client;
use async_trait::async_trait;
use reqwest::Url;
use std::time::Duration;

const VERSION: &str = "2018-02-01";
/// It is a few hops away at most: another machine than Azure's has nobody there, and none answers.
const CONNECT: Duration = Duration::from_secs(5);
const LIMIT: Duration = Duration::from_secs(30);

/// A managed identity.
#[derive(Debug, Clone)]
pub struct ManagedIdentity {
    /// Where it is asked: `http://169.254.169.254` on a machine of Azure.
    pub endpoint: String,
    /// Which one, by its client id; the machine's only one where none is named.
    pub client: Option<String>,
}

impl Default for ManagedIdentity {
    fn default() -> Self {
        Self { endpoint: "http://169.254.169.254".to_owned(), client: None }
    }
}

#[async_trait]
impl Credential for ManagedIdentity {
    async fn token(&self, scope: &str) -> Result<AccessToken, CredentialError> {
        let resource = scope.strip_suffix("/.default").unwrap_or(scope);
        let mut query = vec![("api-version", VERSION), ("resource", resource)];
        query.extend(self.client.as_deref().map(|client| ("client_id", client)));
        let address = format!("{}/metadata/identity/oauth2/token", self.endpoint.trim_end_matches('/'));
        let url = Url::parse_with_params(&address, query)
            .map_err(|_| CredentialError::refused(&format!("{:?} is no address", self.endpoint)))?;
        // Never through a proxy: the address means this machine.
        let client = http_client::builder(true).and_then(|builder| {
            let built = builder.connect_timeout(CONNECT).timeout(LIMIT).build();
            built.map_err(|error| crate::causes::told(&error.without_url()))
        });
        let client = client.map_err(|error| CredentialError::refused(&error))?;
        ask(client.get(url).header("Metadata", "true"), "the machine's metadata service", &[]).await
    }
}
