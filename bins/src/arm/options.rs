//! What the environment tells of the cluster, of Azure, and of who asks: the variables of the reference (spec/05 §4.1), and those that sovereign clouds and emulators need.

use super::credential::{AzureCli, ClientSecret, Credential, Identity, ManagedIdentity, StaticToken, WorkloadIdentity};
use super::{ArmPools, Exchange, TimeLimits};
use kaito_provisioner::Arm;
use kaito_provisioner::arm::{API_VERSION, ClusterId, Endpoint};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// The clouds of Azure: where a cluster is managed, and who gives the tokens for it. Each names the other, so that one setting is enough: AKS itself sets `AZURE_AUTHORITY_HOST` in a pod.
/// Addresses: <https://github.com/Azure/azure-sdk-for-go/blob/main/sdk/azcore/cloud/cloud.go>; the last authority is the newer name of the one before.
const CLOUDS: [(&str, &str); 4] = [
    ("https://management.azure.com", "https://login.microsoftonline.com/"),
    ("https://management.usgovcloudapi.net", "https://login.microsoftonline.us/"),
    ("https://management.chinacloudapi.cn", "https://login.chinacloudapi.cn/"),
    ("https://management.chinacloudapi.cn", "https://login.partner.microsoftonline.cn/"),
];

/// Every variable that is read, with what it says. The first five are the reference's.
pub const VARIABLES: &[(&str, &str)] = &[
    ("ARM_SUBSCRIPTION_ID", "the subscription of the cluster"),
    ("ARM_RESOURCE_GROUP", "the resource group of the cluster, not that of its nodes"),
    ("AZURE_CLUSTER_NAME", "the cluster"),
    ("AZURE_TENANT_ID", "the directory of the identity"),
    ("AZURE_CLIENT_ID", "the identity"),
    ("AZURE_FEDERATED_TOKEN_FILE", "the token of a workload identity, renewed by Kubernetes"),
    ("AZURE_CLIENT_SECRET", "the secret of a service principal"),
    ("AZURE_CLIENT_CERTIFICATE_PATH", "refused where nothing else says who asks: no certificate is used"),
    ("AZURE_AUTHORITY_HOST", "who gives tokens; that of the cloud of ARM_ENDPOINT unless told"),
    ("DEPLOYMENT_MODE", "self-hosted (a workload identity), or managed (whichever way there is)"),
    ("AUTH_MODE", "auto, workload-identity, service-principal, managed-identity, cli or static-token"),
    ("ARM_ENDPOINT", "the cloud; that of AZURE_AUTHORITY_HOST, or https://management.azure.com, unless told"),
    ("ARM_AUDIENCE", "what tokens are for; the endpoint unless told"),
    ("ARM_API_VERSION", "the version of the agent-pool API, 2024-09-01 or newer"),
    (
        "ARM_CA_BUNDLE",
        "a file of certificates that are believed beside the system's, of Azure and of whoever gives tokens",
    ),
    (
        "IDENTITY_ENDPOINT",
        "who gives tokens to a managed identity, with IDENTITY_HEADER; the machine's metadata service unless told",
    ),
    ("IDENTITY_HEADER", "what IDENTITY_ENDPOINT is shown"),
    ("ARM_TOKEN", "the token, with AUTH_MODE=static-token"),
];

/// A variable that is missing or cannot be, named.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {why}")]
pub struct OptionError {
    /// Which.
    pub variable: &'static str,
    /// What is wrong, and what would be right.
    pub why: String,
}

fn wrong(variable: &'static str, why: impl Into<String>) -> OptionError {
    OptionError { variable, why: why.into() }
}

/// Where the cluster is, and who asks.
#[derive(Clone)]
pub struct ArmOptions {
    /// The cluster and the cloud.
    pub arm: Arm,
    /// What tokens are asked for.
    pub scope: String,
    /// Certificates beside the system's.
    pub authorities: Option<PathBuf>,
    /// Who asks.
    pub credential: Arc<dyn Credential>,
    /// Who asks, in a word of `AUTH_MODE`.
    pub mode: &'static str,
}

impl fmt::Debug for ArmOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArmOptions").field("arm", &self.arm).field("mode", &self.mode).finish_non_exhaustive()
    }
}

impl ArmOptions {
    /// Reads the environment.
    ///
    /// # Errors
    /// The first variable that is missing or wrong, by name: a program that cannot ask for a machine says so when it starts.
    pub fn read(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, OptionError> {
        let text = |name: &str| variable(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let need = |name: &'static str| text(name).ok_or_else(|| wrong(name, format!("is not set: {}", what(name))));
        let subscription = need("ARM_SUBSCRIPTION_ID")?;
        let group = need("ARM_RESOURCE_GROUP")?;
        let name = need("AZURE_CLUSTER_NAME")?;
        let cluster = ClusterId::new(&subscription, &group, &name)
            .map_err(|why| wrong("ARM_SUBSCRIPTION_ID, ARM_RESOURCE_GROUP, AZURE_CLUSTER_NAME", why.to_string()))?;
        let (endpoint, authority) = cloud(text("ARM_ENDPOINT"), text("AZURE_AUTHORITY_HOST"));
        let endpoint = Endpoint::parse(&endpoint).map_err(|why| wrong("ARM_ENDPOINT", why.to_string()))?;
        let audience = text("ARM_AUDIENCE").unwrap_or_else(|| endpoint.to_string());
        let arm = Arm::new(endpoint, cluster)
            .in_version(&text("ARM_API_VERSION").unwrap_or_else(|| API_VERSION.to_owned()))
            .map_err(|why| wrong("ARM_API_VERSION", why.to_string()))?;
        let audience = audience.trim_end_matches('/');
        let scope = if audience.ends_with("/.default") { audience.to_owned() } else { format!("{audience}/.default") };
        let (mode, credential) = credential(&text, &need, authority)?;
        Ok(Self { arm, scope, authorities: text("ARM_CA_BUNDLE").map(PathBuf::from), credential, mode })
    }

    /// The pools. Nothing is sent yet; in words: the certificates cannot be read, or the process has no TLS provider.
    pub fn pools(self, limits: TimeLimits) -> Result<ArmPools, String> {
        let endpoint = self.arm.endpoint().clone();
        let exchange = Exchange::new(endpoint, self.credential, self.scope, self.authorities.as_deref(), limits)
            .map_err(|why| if self.authorities.is_some() { format!("ARM_CA_BUNDLE={why}") } else { why })?;
        Ok(ArmPools::new(self.arm, exchange))
    }
}

/// Where the cluster is managed, and who gives tokens.
fn cloud(endpoint: Option<String>, authority: Option<String>) -> (String, String) {
    let is = |told: &Option<String>, known: &str| {
        told.as_ref().is_none_or(|told| told.trim_end_matches('/').eq_ignore_ascii_case(known.trim_end_matches('/')))
    };
    let known = CLOUDS.iter().find(|row| is(&endpoint, row.0) && is(&authority, row.1)).unwrap_or(&CLOUDS[0]);
    (endpoint.unwrap_or_else(|| known.0.to_owned()), authority.unwrap_or_else(|| known.1.to_owned()))
}

fn what(name: &str) -> &'static str {
    VARIABLES.iter().find(|(variable, _)| *variable == name).map_or("", |(_, what)| what)
}

/// Who asks. `auto`: a workload identity where Kubernetes has put its token, a service principal where there is a secret, else the machine's identity.
fn credential(
    text: &dyn Fn(&str) -> Option<String>,
    need: &dyn Fn(&'static str) -> Result<String, OptionError>,
    authority: String,
) -> Result<(&'static str, Arc<dyn Credential>), OptionError> {
    // As the reference reads it: whatever is not "managed" is self-hosted. Nothing at all leaves it to `AUTH_MODE`.
    let deployed = text("DEPLOYMENT_MODE").map(|mode| if mode == "managed" { "auto" } else { "workload-identity" });
    let asked = text("AUTH_MODE").or_else(|| deployed.map(str::to_owned)).unwrap_or_else(|| "auto".to_owned());
    let mode = match asked.as_str() {
        "auto" if text("AZURE_FEDERATED_TOKEN_FILE").is_some() => "workload-identity",
        "auto" if text("AZURE_CLIENT_SECRET").is_some() => "service-principal",
        "auto" if text("AZURE_CLIENT_CERTIFICATE_PATH").is_some() => {
            let why = "a certificate is no way to a token here: give the service principal a secret (AZURE_CLIENT_SECRET), or leave this out to ask as the machine";
            return Err(wrong("AZURE_CLIENT_CERTIFICATE_PATH", why));
        }
        "auto" => "managed-identity",
        other => other,
    };
    let identity = || -> Result<Identity, OptionError> {
        let identity = Identity {
            authority,
            tenant: need("AZURE_TENANT_ID")?,
            client: need("AZURE_CLIENT_ID")?,
            authorities: text("ARM_CA_BUNDLE").map(PathBuf::from),
        };
        // As Azure's own clients take it: an id, or a domain.
        if !identity.tenant.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte)) {
            return Err(wrong("AZURE_TENANT_ID", format!("{:?} is neither an id nor a domain", identity.tenant)));
        }
        identity.address().map_err(|error| wrong("AZURE_AUTHORITY_HOST", error.message))?;
        Ok(identity)
    };
    Ok(match mode {
        "workload-identity" => {
            let token_file = PathBuf::from(need("AZURE_FEDERATED_TOKEN_FILE")?);
            ("workload-identity", Arc::new(WorkloadIdentity { identity: identity()?, token_file }))
        }
        "service-principal" => {
            let secret = need("AZURE_CLIENT_SECRET")?;
            ("service-principal", Arc::new(ClientSecret { identity: identity()?, secret }))
        }
        "managed-identity" => {
            let client = text("AZURE_CLIENT_ID");
            let own = ManagedIdentity { client, ..ManagedIdentity::default() };
            let told = text("IDENTITY_ENDPOINT").zip(text("IDENTITY_HEADER"));
            let told = told.map(|(endpoint, header)| ManagedIdentity { endpoint, header: Some(header), ..own.clone() });
            ("managed-identity", Arc::new(told.unwrap_or(own)))
        }
        "cli" => ("cli", Arc::new(AzureCli { tenant: text("AZURE_TENANT_ID") })),
        "static-token" => ("static-token", Arc::new(StaticToken(need("ARM_TOKEN")?))),
        other => {
            return Err(wrong("AUTH_MODE", format!("{other:?} is no way to a token; known: {}", what("AUTH_MODE"))));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "00000000-0000-0000-0000-000000000000";

    fn read(pairs: &[(&str, &str)]) -> Result<ArmOptions, OptionError> {
        let cluster = [("ARM_SUBSCRIPTION_ID", ID), ("ARM_RESOURCE_GROUP", "rg"), ("AZURE_CLUSTER_NAME", "aks")];
        let all: Vec<(String, String)> =
            cluster.iter().chain(pairs).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        ArmOptions::read(&|name| all.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.clone()))
    }

    #[test]
    fn who_asks_follows_from_what_is_there() {
        let of = [("AZURE_TENANT_ID", "t"), ("AZURE_CLIENT_ID", "c")];
        let file = ("AZURE_FEDERATED_TOKEN_FILE", "/var/run/token");
        for (pairs, mode) in [
            (&[][..], "managed-identity"),
            (&[file][..], "workload-identity"),
            (&[("AZURE_CLIENT_SECRET", "s")], "service-principal"),
            (&[file, ("AZURE_CLIENT_SECRET", "s")], "workload-identity"),
            (&[file, ("DEPLOYMENT_MODE", "self-hosted")], "workload-identity"),
            (&[("DEPLOYMENT_MODE", "managed")], "managed-identity"),
            (&[file, ("AUTH_MODE", "managed-identity")], "managed-identity"),
            (&[("AUTH_MODE", "cli")], "cli"),
            (&[("AUTH_MODE", "static-token"), ("ARM_TOKEN", "x")], "static-token"),
        ] {
            let pairs: Vec<_> = of.into_iter().chain(pairs.iter().copied()).collect();
            assert_eq!(read(&pairs).unwrap().mode, mode, "{pairs:?}");
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_named_at_once() {
        let [principal, tenant, client] =
            [("AZURE_CLIENT_SECRET", "s"), ("AZURE_TENANT_ID", "t"), ("AZURE_CLIENT_ID", "c")];
        for (pairs, variable) in [
            (&[("ARM_SUBSCRIPTION_ID", " ")][..], "ARM_SUBSCRIPTION_ID"),
            (&[("ARM_RESOURCE_GROUP", "")], "ARM_RESOURCE_GROUP"),
            (&[("AZURE_CLUSTER_NAME", "")], "AZURE_CLUSTER_NAME"),
            (&[("AZURE_CLUSTER_NAME", "a/b")], "ARM_SUBSCRIPTION_ID, ARM_RESOURCE_GROUP, AZURE_CLUSTER_NAME"),
            (&[("ARM_ENDPOINT", "management.azure.com")], "ARM_ENDPOINT"),
            (&[("ARM_API_VERSION", "latest")], "ARM_API_VERSION"),
            (&[("ARM_API_VERSION", "2024-01-01")], "ARM_API_VERSION"),
            (&[("ARM_ENDPOINT", "http://arm.corp")], "ARM_ENDPOINT"),
            (&[("AZURE_CLIENT_CERTIFICATE_PATH", "/cert.pem")], "AZURE_CLIENT_CERTIFICATE_PATH"),
            (&[principal, ("AZURE_TENANT_ID", "a/b"), client], "AZURE_TENANT_ID"),
            (
                &[principal, tenant, client, ("AZURE_AUTHORITY_HOST", "login.microsoftonline.us")],
                "AZURE_AUTHORITY_HOST",
            ),
            (&[principal, tenant, client, ("AZURE_AUTHORITY_HOST", "http://login.corp/")], "AZURE_AUTHORITY_HOST"),
            (&[("AUTH_MODE", "magic")], "AUTH_MODE"),
            (&[("DEPLOYMENT_MODE", "self-hosted")], "AZURE_FEDERATED_TOKEN_FILE"),
            (&[("AZURE_FEDERATED_TOKEN_FILE", "/x")], "AZURE_TENANT_ID"),
            (&[("AUTH_MODE", "static-token")], "ARM_TOKEN"),
        ] {
            let error = read(pairs).unwrap_err();
            assert_eq!(error.variable, variable, "{error}");
            assert!(VARIABLES.iter().any(|(known, _)| variable.contains(known)));
        }
    }

    #[test]
    fn an_endpoint_names_who_gives_tokens_for_it() {
        let told = |text: &str| Some(text.to_owned());
        for (endpoint, authority, who) in [
            (None, None, "https://login.microsoftonline.com/"),
            (told("https://management.usgovcloudapi.net/"), None, "https://login.microsoftonline.us/"),
            (told("https://MANAGEMENT.chinacloudapi.cn"), None, "https://login.chinacloudapi.cn/"),
            (told("https://arm.corp"), None, "https://login.microsoftonline.com/"),
            (told("https://arm.corp"), told("https://login.corp/"), "https://login.corp/"),
        ] {
            assert_eq!(cloud(endpoint.clone(), authority).1, who, "{endpoint:?}");
        }
    }

    #[test]
    fn a_token_is_asked_for_the_cloud_that_is_spoken_to() {
        for (pairs, scope) in [
            (&[][..], "https://management.azure.com/.default"),
            (
                &[("ARM_ENDPOINT", "https://management.usgovcloudapi.net/")],
                "https://management.usgovcloudapi.net/.default",
            ),
            (
                &[("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.us")],
                "https://management.usgovcloudapi.net/.default",
            ),
            (
                &[("AZURE_AUTHORITY_HOST", "https://login.partner.microsoftonline.cn/")],
                "https://management.chinacloudapi.cn/.default",
            ),
            (&[("AZURE_AUTHORITY_HOST", "https://login.corp/")], "https://management.azure.com/.default"),
            (&[("ARM_AUDIENCE", "https://x.test/")], "https://x.test/.default"),
            (&[("ARM_AUDIENCE", "https://x.test/.default")], "https://x.test/.default"),
        ] {
            assert_eq!(read(pairs).unwrap().scope, scope);
        }
    }
}
