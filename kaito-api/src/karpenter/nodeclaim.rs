//! `karpenter.sh/v1` NodeClaim: the wish for one machine.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Taint;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube_derive::CustomResource;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// What a NodeClaim asks for. The spec cannot change after creation.
///
/// ```
/// use kaito_api::NodeClaim;
/// use serde_json::json;
///
/// let claim: NodeClaim = serde_json::from_value(json!({
///     "apiVersion": "karpenter.sh/v1", "kind": "NodeClaim",
///     "metadata": { "name": "ws0123456789" },
///     "spec": { "nodeClassRef": { "group": "kaito.sh", "kind": "KaitoNodeClass", "name": "default" },
///               "resources": { "requests": { "storage": "87Gi" } }, "expireAfter": "Never" },
///     "status": { "conditions": [{ "type": "Ready", "status": "True" }] }
/// }))?;
/// assert!(claim.is_true("Ready"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "karpenter.sh",
    version = "v1",
    kind = "NodeClaim",
    plural = "nodeclaims",
    status = "NodeClaimStatus",
    schema = "disabled",
    derive = "Default",
    derive = "PartialEq",
    doc = "The wish for one machine, and what became of it. Cluster-scoped.",
    crates(kube_core = "::kube_core")
)]
#[serde(rename_all = "camelCase")]
pub struct NodeClaimSpec {
    /// Settings of the machine that are particular to a cloud.
    #[serde(default)]
    pub node_class_ref: NodeClassRef,
    /// Labels the machine must have; all hold together.
    #[serde(default)]
    pub requirements: Vec<Requirement>,
    /// How much the machine must offer.
    #[serde(default, skip_serializing_if = "NodeClaimResources::is_empty")]
    pub resources: NodeClaimResources,
    /// Taints that the node keeps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taints: Vec<Taint>,
    /// Taints that the node has until somebody takes them away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub startup_taints: Vec<Taint>,
    /// Age at which the machine is replaced: a duration such as `720h`, or `Never`. The API server fills in 720h when absent, so `Never` is written out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_after: Option<String>,
    /// Longest time that draining the node may take, such as `30m`; without limit when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub termination_grace_period: Option<String>,
    /// Fields this build does not know, kept as they came.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// The object with a cloud's settings for machines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeClassRef {
    /// API group, such as `kaito.sh`.
    #[serde(default)]
    pub group: String,
    /// Kind, such as `KaitoNodeClass`.
    #[serde(default)]
    pub kind: String,
    /// Name, such as `default`.
    #[serde(default)]
    pub name: String,
}

/// A statement about one label of the machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Requirement {
    /// The label, such as `node.kubernetes.io/instance-type`.
    #[serde(default)]
    pub key: String,
    /// `In`, `NotIn`, `Exists`, `DoesNotExist`, `Gt`, `Lt`, `Gte` or `Lte`.
    #[serde(default)]
    pub operator: String,
    /// The values that the operator speaks of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// How many different values must stay possible (1 to 50).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_values: Option<i64>,
}

impl Requirement {
    /// The label has one of `values`.
    pub fn is_in<V: Into<String>>(key: &str, values: impl IntoIterator<Item = V>) -> Self {
        Self::of(key, "In", values)
    }

    /// The label has none of `values`, or is not there.
    pub fn is_not_in<V: Into<String>>(key: &str, values: impl IntoIterator<Item = V>) -> Self {
        Self::of(key, "NotIn", values)
    }

    fn of<V: Into<String>>(key: &str, operator: &str, values: impl IntoIterator<Item = V>) -> Self {
        Self {
            key: key.to_owned(),
            operator: operator.to_owned(),
            values: values.into_iter().map(Into::into).collect(),
            min_values: None,
        }
    }
}

/// Amounts asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeClaimResources {
    /// By resource name, such as `storage: 87Gi`.
    #[serde(default, deserialize_with = "quantities", skip_serializing_if = "BTreeMap::is_empty")]
    pub requests: BTreeMap<String, Quantity>,
}

impl NodeClaimResources {
    fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }
}

/// What the provisioner reports.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeClaimStatus {
    /// The node, once it has registered; empty before.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub node_name: String,
    /// The machine in the cloud's words; empty before it is created.
    #[serde(default, rename = "providerID", skip_serializing_if = "String::is_empty")]
    pub provider_id: String,
    /// The image of the machine.
    #[serde(default, rename = "imageID", skip_serializing_if = "String::is_empty")]
    pub image_id: String,
    /// What the machine has.
    #[serde(default, deserialize_with = "quantities", skip_serializing_if = "BTreeMap::is_empty")]
    pub capacity: BTreeMap<String, Quantity>,
    /// What the machine has for pods.
    #[serde(default, deserialize_with = "quantities", skip_serializing_if = "BTreeMap::is_empty")]
    pub allocatable: BTreeMap<String, Quantity>,
    /// `Launched`, `Registered`, `Initialized`, `Ready` and more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<NodeClaimCondition>,
    /// Fields this build does not know, kept as they came.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// A condition as other controllers write it; everything may be absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeClaimCondition {
    /// What it speaks of, such as `Launched`.
    #[serde(default, rename = "type")]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    #[serde(default)]
    pub status: String,
    /// Why, in one word.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Why, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When the status last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<Time>,
    /// The generation of the object it speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

impl NodeClaim {
    /// The condition of this type, if the provisioner has written one.
    pub fn condition(&self, type_: &str) -> Option<&NodeClaimCondition> {
        self.status.as_ref()?.conditions.iter().find(|c| c.type_ == type_)
    }

    /// Whether the condition of this type is there and `True`.
    pub fn is_true(&self, type_: &str) -> bool {
        self.condition(type_).is_some_and(|c| c.status == "True")
    }

    /// The node that registered for this claim.
    pub fn node_name(&self) -> Option<&str> {
        self.status.as_ref().map(|s| s.node_name.as_str()).filter(|name| !name.is_empty())
    }
}

/// Quantities may be written as numbers.
fn quantities<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Quantity>, D::Error> {
    let amounts = BTreeMap::<String, Value>::deserialize(deserializer)?;
    Ok(amounts
        .into_iter()
        .map(|(name, amount)| match amount {
            Value::String(text) => (name, Quantity(text)),
            other => (name, Quantity(other.to_string())),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_claim_of_a_foreign_writer_is_read_and_written_back_whole() {
        let wire = json!({
            "apiVersion": "karpenter.sh/v1", "kind": "NodeClaim", "metadata": { "name": "a" },
            "spec": {
                "nodeClassRef": { "group": "g", "kind": "k", "name": "n" },
                "requirements": [{ "key": "a", "operator": "Exists" }],
                "novelty": { "x": 1 }
            },
            "status": { "conditions": [{ "type": "Ready", "status": "Unknown" }], "lastPodEventTime": "2025-01-01T00:00:00Z" }
        });
        let claim: NodeClaim = serde_json::from_value(wire.clone()).unwrap();
        assert_eq!(serde_json::to_value(&claim).unwrap(), wire);
    }

    #[test]
    fn odd_content_never_fails_to_decode() {
        let claim: NodeClaim = serde_json::from_value(json!({
            "metadata": {}, "spec": {}, "status": { "capacity": { "cpu": 4 }, "conditions": [{}] }
        }))
        .unwrap();
        assert_eq!(claim.status.unwrap().capacity["cpu"], Quantity("4".into()));
    }
}
