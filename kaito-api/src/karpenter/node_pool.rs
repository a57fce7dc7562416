//! `karpenter.sh/v1` NodePool: the wish for machines of one kind; with `replicas`, for so many of them at any time.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Taint;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube_derive::CustomResource;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{NodeClaimCondition, NodeClassRef, Requirement};

/// What a NodePool asks for.
///
/// ```
/// use kaito_api::NodePool;
/// use serde_json::json;
///
/// let pool: NodePool = serde_json::from_value(json!({
///     "apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": { "name": "default-phi" },
///     "spec": { "replicas": 2, "template": { "spec": {
///         "nodeClassRef": { "group": "karpenter.azure.com", "kind": "AKSNodeClass", "name": "ubuntu" }, "requirements": [],
///     } } },
///     "status": { "nodes": 1, "conditions": [{ "type": "NodeClassReady", "status": "True" }] }
/// }))?;
/// assert_eq!(pool.spec.replicas, Some(2));
/// assert_eq!(pool.condition("NodeClassReady").map(|found| found.status.as_str()), Some("True"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "karpenter.sh",
    version = "v1",
    kind = "NodePool",
    plural = "nodepools",
    status = "NodePoolStatus",
    schema = "disabled",
    derive = "Default",
    derive = "PartialEq",
    doc = "The wish for machines of one kind, and what became of it. Cluster-scoped.",
    crates(kube_core = "::kube_core")
)]
#[serde(rename_all = "camelCase")]
pub struct NodePoolSpec {
    /// How many machines there are at any time; without it, as many as pods need. One that has it cannot lose it, and the other way round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i64>,
    /// What its NodeClaims look like. A change of it replaces machines, as many at once as the budget for [`DRIFTED`] allows.
    #[serde(default)]
    pub template: NodePoolTemplate,
    /// When machines may be taken away by themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disruption: Option<Disruption>,
    /// How much of each resource there may be at the most; beside replicas, `nodes` alone. No machine is made beyond it, and none that is there is taken away for it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, Quantity>,
    /// Fields this build does not know, kept as they came.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// What the NodeClaims of a pool look like.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodePoolTemplate {
    /// What their metadata holds.
    #[serde(default)]
    pub metadata: NodePoolTemplateMetadata,
    /// What they ask for.
    #[serde(default)]
    pub spec: NodePoolTemplateSpec,
}

/// Labels and annotations of the NodeClaims of a pool, and so of its nodes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodePoolTemplateMetadata {
    /// Their labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Fields this build does not know, kept as they came.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// What the NodeClaims of a pool ask for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodePoolTemplateSpec {
    /// Settings of the machines that are particular to a cloud. Group and kind cannot change.
    #[serde(default)]
    pub node_class_ref: NodeClassRef,
    /// Labels the machines must have; all hold together.
    #[serde(default)]
    pub requirements: Vec<Requirement>,
    /// Taints that the nodes keep.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taints: Vec<Taint>,
    /// Age at which a machine is replaced: a duration such as `720h`, or `Never`. The API server fills in 720h when absent, so `Never` is written out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_after: Option<String>,
    /// Fields this build does not know, kept as they came.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// When machines of a pool may be taken away by themselves.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Disruption {
    /// How long after its last pod a machine may go, such as `0s`, or `Never`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consolidate_after: Option<String>,
    /// How many may go at once, by reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<Budget>,
    /// Fields this build does not know, kept as they came.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// The reason of a [`Budget`]: a machine is not what its pool or its class asks for any more.
pub const DRIFTED: &str = "Drifted";

/// How many machines of a pool may go at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// A number, or a share such as `10%`.
    #[serde(default)]
    pub nodes: String,
    /// For these reasons; for any where it names none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// Fields this build does not know, kept as they came.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// What Karpenter reports of a pool.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodePoolStatus {
    /// How many nodes it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<i64>,
    /// `ValidationSucceeded`, `NodeClassReady`, `NodeRegistrationHealthy`, `Ready`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<NodeClaimCondition>,
    /// Fields this build does not know, kept as they came.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

impl NodePool {
    /// How many machines there may be at the most (`limits.nodes`), where that is said in whole numbers.
    pub fn most_nodes(&self) -> Option<u32> {
        self.spec.limits.get("nodes")?.0.parse().ok()
    }

    /// The condition of this type, if Karpenter has written one.
    pub fn condition(&self, type_: &str) -> Option<&NodeClaimCondition> {
        self.status.as_ref()?.conditions.iter().find(|condition| condition.type_ == type_)
    }

    /// The machine size that it asks for; `None` where it names none, or several.
    pub fn size(&self) -> Option<&str> {
        let requirements = &self.spec.template.spec.requirements;
        let asked = requirements.iter().find(|asked| asked.key == crate::vocabulary::labels::INSTANCE_TYPE)?;
        match asked.values.as_slice() {
            [size] if asked.operator == "In" => Some(size),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pool_of_a_foreign_writer_is_read_and_written_back_whole() {
        let wire = json!({
            "apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": { "name": "a" },
            "spec": {
                "limits": { "nodes": "3" }, "weight": 4,
                "disruption": { "budgets": [{ "nodes": "10%", "schedule": "@daily", "duration": "1h" }], "consolidationPolicy": "WhenEmpty" },
                "template": {
                    "metadata": { "annotations": { "a": "b" }, "labels": { "c": "d" } },
                    "spec": { "nodeClassRef": { "group": "g", "kind": "k", "name": "n" }, "requirements": [], "startupTaints": [] },
                },
            },
            "status": { "nodes": 0, "resources": { "cpu": "4" }, "conditions": [{ "type": "Ready", "status": "Unknown" }] },
        });
        let pool: NodePool = serde_json::from_value(wire.clone()).unwrap();
        assert_eq!(serde_json::to_value(&pool).unwrap(), wire);
    }

    #[test]
    fn the_size_is_the_one_that_is_asked_for() {
        let pool = |operator: &str, sizes: &[&str]| {
            let asked = json!([{"key": "node.kubernetes.io/instance-type", "operator": operator, "values": sizes}]);
            let body = json!({"metadata": {}, "spec": {"template": {"spec": {"requirements": asked}}}});
            serde_json::from_value::<NodePool>(body).unwrap().size().map(str::to_owned)
        };
        assert_eq!(pool("In", &["a"]).as_deref(), Some("a"));
        assert_eq!((pool("In", &["a", "b"]), pool("NotIn", &["a"])), (None, None));
    }
}
