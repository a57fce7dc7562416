//! The agent pool: a group of like machines of one cluster of AKS. One that is made for a NodeClaim has one machine.

use kube_derive::CustomResource;
use serde::{Deserialize, Serialize};

/// What is asked for. The labels of the object are those of its nodes; its uid is the time of the claim that it was made for, which is written on its nodes, and its version the ETag.
///
/// ```
/// use kaito_api::cloud::AgentPool;
/// use serde_json::json;
///
/// let pool: AgentPool = serde_json::from_value(json!({
///     "apiVersion": "cloud.kaito.sh/v1", "kind": "AgentPool",
///     "metadata": { "name": "ws0123456789", "labels": { "kaito.sh/workspace": "phi" } },
///     "spec": { "size": "Standard_NC24ads_A100_v4", "diskGib": 128 },
///     "status": { "state": "Creating" }
/// }))?;
/// assert_eq!(pool.status.map(|status| status.state), Some("Creating".to_owned()));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "cloud.kaito.sh",
    version = "v1",
    kind = "AgentPool",
    plural = "agentpools",
    status = "AgentPoolStatus",
    schema = "disabled",
    derive = "Default",
    derive = "PartialEq",
    doc = "A group of like machines of a cluster of AKS.",
    crates(kube_core = "::kube_core")
)]
#[serde(rename_all = "camelCase")]
pub struct AgentPoolSpec {
    /// The size of its machines, such as `Standard_NC24ads_A100_v4`.
    #[serde(default)]
    pub size: String,
    /// The operating system of its nodes.
    #[serde(default)]
    pub operating_system: OperatingSystem,
    /// The disk of each machine, in GiB.
    #[serde(default)]
    pub disk_gib: u32,
    /// Taints of its nodes, as `key=value:effect`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taints: Vec<String>,
    /// The zones that its machines may stand in, by number; anywhere in the region where empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub zones: Vec<String>,
    /// Whether its machines may be taken away.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub spot: bool,
}

/// The operating system of a node (`osSKU` of the agent-pool API).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OperatingSystem {
    /// Ubuntu.
    #[default]
    Ubuntu,
    /// Azure Linux.
    AzureLinux,
}

/// What has become of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentPoolStatus {
    /// Its provisioning state in Azure's word: `Creating`, `Succeeded`, `Failed`, `Deleting` and others. The list is open.
    #[serde(default)]
    pub state: String,
    /// Why it is not as it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<AgentPoolFailure>,
    /// The image of its nodes; empty before they are made.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub image: String,
}

/// A failure in the cloud's words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentPoolFailure {
    /// Its code, such as `QuotaExceeded`.
    #[serde(default)]
    pub code: String,
    /// Its words.
    #[serde(default)]
    pub message: String,
}
