//! Which claims and Nodes are ours (spec/05 §1.2).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kaito_api::NodeClaim;
use kaito_api::vocabulary::{GROUP, annotations, finalizers, labels, names};
use kaito_core::Kind;

/// Whether a claim is ours to answer: by the class that it names; where it names none, because it says for whom it is. With a class of another provisioner it is that one's, whatever its labels say
/// (spec/05 §9.2). One that we have launched, or hold without anybody else's class, stays ours until it is deleted, whoever edits its labels.
pub(super) fn is_managed(claim: &NodeClaim) -> bool {
    let class = &claim.spec.node_class_ref;
    let is_named = class.group == GROUP && class.kind == names::NODE_CLASS_KIND_AZURE;
    let is_classless = class.group.is_empty();
    let has = |key: &str| label(&claim.metadata, key).is_some();
    let is_told = has(labels::WORKSPACE) || has(labels::RAG_ENGINE);
    // A launched claim carries the labels of its pool, this among them.
    let was_asked = annotation(&claim.metadata, annotations::AGENT_POOL_LAUNCH).is_some();
    let was_taken = is_classless || was_asked || has(labels::CREATION_TIMESTAMP);
    is_named || (is_classless && is_told) || (is_held(&claim.metadata) && was_taken)
}

/// The same for a claim of which only this part can be read: one whose class is not told bears a mark of ours, for Karpenter's finalizer is the same.
pub(super) fn is_managed_part(claim: &NodeClaim) -> bool {
    let bears_mark =
        || is_managed_node(&claim.metadata) || annotation(&claim.metadata, annotations::AGENT_POOL_LAUNCH).is_some();
    is_managed(claim) && (!claim.spec.node_class_ref.group.is_empty() || bears_mark())
}

/// Whether a Node is of a claim of ours, whatever became of the claim: it says for whom it is, or carries the time that only we write on a pool, and so on its Nodes.
pub(super) fn is_managed_node(node: &ObjectMeta) -> bool {
    let keys = [labels::WORKSPACE, labels::RAG_ENGINE, labels::KAITO_NODE_CLASS, labels::CREATION_TIMESTAMP];
    keys.iter().any(|key| label(node, key).is_some())
}

/// The same for a Node of the pool of this claim, which may be known by its owner alone. A finalizer is no mark: Karpenter's is the same.
pub(super) fn is_our_node(node: &ObjectMeta, claim: &str) -> bool {
    owner(node).is_some_and(|owner| owner.name == claim) || is_managed_node(node)
}

/// The claim that a Node belongs to, once it is registered.
pub(super) fn owner(node: &ObjectMeta) -> Option<&OwnerReference> {
    let is_claim = |owner: &&OwnerReference| {
        owner.kind == Kind::NodeClaim.name() && owner.api_version == Kind::NodeClaim.api_version()
    };
    node.owner_references.iter().flatten().find(is_claim)
}

/// Whether our finalizer holds an object; Karpenter's has the same name.
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
    fn a_claim_is_ours_by_its_class_and_where_it_has_none_by_whom_it_is_for() {
        let launched = json!({"kaito.sh/creation-timestamp": "2026-01-02T03-04-05Z"});
        for (group, kind, labels, is_held, is_ours) in [
            ("kaito.sh", "KaitoNodeClass", json!({}), false, true),
            ("karpenter.azure.com", "AKSNodeClass", json!({}), true, false),
            ("karpenter.azure.com", "AKSNodeClass", json!({"kaito.sh/workspace": ""}), true, false),
            ("karpenter.azure.com", "AKSNodeClass", launched.clone(), true, true),
            ("karpenter.azure.com", "AKSNodeClass", launched, false, false),
            ("", "", json!({"kaito.sh/ragengine": "r"}), false, true),
            ("", "", json!({}), false, false),
            ("", "", json!({}), true, true),
            ("kaito.sh", "Other", json!({"karpenter.sh/nodepool": "kaito"}), true, false),
        ] {
            let finalizers = if is_held { json!(["karpenter.sh/termination"]) } else { json!([]) };
            let claim = json!({"metadata": {"labels": labels, "finalizers": finalizers}, "spec": {"nodeClassRef": {"group": group, "kind": kind, "name": "default"}}});
            assert_eq!(
                is_managed(&serde_json::from_value(claim).unwrap()),
                is_ours,
                "{group}/{kind} {labels} {is_held}"
            );
        }
    }
}
