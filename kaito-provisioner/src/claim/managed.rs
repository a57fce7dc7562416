//! Which claims and Nodes are ours (spec/05 §1.2).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kaito_api::NodeClaim;
use kaito_api::vocabulary::{GROUP, finalizers, labels, names};

/// Whether a claim is ours to answer: by the class that it names, or because it says for whom it is.
pub(super) fn is_managed(claim: &NodeClaim) -> bool {
    let class = &claim.spec.node_class_ref;
    let is_named = class.group == GROUP && class.kind == names::NODE_CLASS_KIND_AZURE;
    let has = |key: &str| label(&claim.metadata, key).is_some();
    is_named || has(labels::WORKSPACE) || has(labels::RAG_ENGINE)
}

/// Whether a Node is of a claim of ours, whatever became of the claim.
pub(super) fn is_managed_node(node: &ObjectMeta) -> bool {
    let keys = [labels::WORKSPACE, labels::RAG_ENGINE, labels::KAITO_NODE_CLASS];
    keys.iter().any(|key| label(node, key).is_some())
}

/// Whether our finalizer holds an object.
pub(super) fn is_held(metadata: &ObjectMeta) -> bool {
    metadata.finalizers.iter().flatten().any(|holder| holder == finalizers::KARPENTER_TERMINATION)
}

/// The finalizers without ours.
pub(super) fn released(metadata: &ObjectMeta) -> Vec<String> {
    let all = metadata.finalizers.iter().flatten();
    all.filter(|holder| *holder != finalizers::KARPENTER_TERMINATION).cloned().collect()
}

pub(super) fn label<'m>(metadata: &'m ObjectMeta, key: &str) -> Option<&'m str> {
    metadata.labels.as_ref()?.get(key).map(String::as_str)
}

pub(super) fn annotation<'m>(metadata: &'m ObjectMeta, key: &str) -> Option<&'m str> {
    metadata.annotations.as_ref()?.get(key).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_claim_is_ours_by_its_class_or_by_whom_it_is_for() {
        for (group, kind, labels, is_ours) in [
            ("kaito.sh", "KaitoNodeClass", json!({}), true),
            ("karpenter.azure.com", "AKSNodeClass", json!({}), false),
            ("karpenter.azure.com", "AKSNodeClass", json!({"kaito.sh/workspace": ""}), true),
            ("", "", json!({"kaito.sh/ragengine": "r"}), true),
            ("kaito.sh", "Other", json!({"karpenter.sh/nodepool": "kaito"}), false),
        ] {
            let claim = json!({"metadata": {"labels": labels}, "spec": {"nodeClassRef": {"group": group, "kind": kind, "name": "default"}}});
            assert_eq!(is_managed(&serde_json::from_value(claim).unwrap()), is_ours, "{group}/{kind} {labels}");
        }
    }
}
