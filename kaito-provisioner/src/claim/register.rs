//! The Node becomes the claim's: finalizer, owner, labels, annotations, taints (spec/05 §3.4). Said when it is seen on the Node.

use super::conditions::{REGISTERED, Saying};
use super::draft::{Draft, Flow};
use super::managed::{is_held, label};
use super::view::View;
use super::waits::{self, Waiting};
use k8s_openapi::api::core::v1::{Node, Taint};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kaito_api::vocabulary::{annotations, finalizers, labels, names};
use kaito_core::effect::{Effect, MetadataPatch, is_dying};
use kaito_core::snapshot::Unread;
use kaito_core::{Kind, ObjectKey};
use std::collections::BTreeMap;

/// Annotations of a claim that are about the claim alone.
const OWN_ANNOTATIONS: [&str; 4] = [
    annotations::AGENT_POOL_LAUNCH,
    annotations::NODE_MISSED_AT,
    annotations::TERMINATION_TIMESTAMP,
    annotations::UNREADABLE,
];

pub(super) fn step(view: &View<'_>, draft: &mut Draft) -> Result<Flow, Unread> {
    let id = draft.status.provider_id.clone();
    let nodes = if id.is_empty() { Vec::new() } else { view.nodes_with(&id) };
    match nodes.as_slice() {
        [node] => {
            let is_registered = adopt(view, draft, node) || view.claim.is_true(REGISTERED);
            if is_registered {
                draft.say(REGISTERED, Saying::yes(REGISTERED));
                draft.status.node_name = node.metadata.name.clone().unwrap_or_default();
            }
            Ok(if is_registered { Flow::Next } else { Flow::Stop })
        }
        // A Node that was there is not looked for here.
        [] if view.claim.is_true(REGISTERED) => Ok(Flow::Next),
        [] => {
            let since = view.since(super::conditions::LAUNCHED);
            let wait = Waiting::new(&waits::NODE_MISSING, draft.not_registered(), since);
            draft.wait_as(view, "NodeNotFound", wait);
            Ok(Flow::Stop)
        }
        _ => {
            // Looked at again when one of them goes (S5-B25).
            let message = "Invariant violated, matched multiple nodes".to_owned();
            draft.say(REGISTERED, Saying::new("False", "MultipleNodesFound", message));
            draft.failed = Some("multiple_nodes");
            Ok(Flow::Stop)
        }
    }
}

/// Gives the Node what it lacks; whether it lacks nothing.
fn adopt(view: &View<'_>, draft: &mut Draft, node: &Node) -> bool {
    let metadata = &node.metadata;
    let is_marked = label(metadata, labels::REGISTERED) == Some("true");
    let owners = metadata.owner_references.clone().unwrap_or_default();
    let is_owned = owners.iter().any(|owner| owner.uid == view.uid());
    if (is_marked && is_held(metadata) && is_owned) || is_dying(metadata) {
        return is_marked;
    }
    let mut patch = MetadataPatch::default();
    if !is_held(metadata) {
        let mut all = metadata.finalizers.clone().unwrap_or_default();
        all.push(finalizers::KARPENTER_TERMINATION.to_owned());
        patch.finalizers = Some(all);
    }
    if !is_owned {
        patch.owners = Some(owners.into_iter().chain([owner(view)]).collect());
    }
    if !is_marked {
        patch.labels = differing(draft.labels(view), metadata.labels.as_ref());
        patch.labels.insert(labels::REGISTERED.to_owned(), "true".to_owned());
        let told = view.claim.metadata.annotations.clone().unwrap_or_default();
        let told = told.into_iter().filter(|(key, _)| !OWN_ANNOTATIONS.contains(&key.as_str())).collect();
        patch.annotations =
            differing(told, metadata.annotations.as_ref()).into_iter().map(|(key, value)| (key, Some(value))).collect();
        patch.taints = taints(view, node);
    }
    let (Some(name), Some(uid)) = (metadata.name.clone(), metadata.uid.clone()) else { return false };
    let key = ObjectKey::cluster(Kind::Node, name);
    let resource_version = metadata.resource_version.clone();
    // The claim's own labels first: what a Node carries can always be told from its claim.
    let claimed = draft.send_claim(view, None);
    draft.plan.push(Effect::Metadata { key, uid, resource_version, patch }, claimed);
    false
}

/// Entries that are not there with this value.
fn differing(wanted: BTreeMap<String, String>, there: Option<&BTreeMap<String, String>>) -> BTreeMap<String, String> {
    wanted.into_iter().filter(|(key, value)| there.and_then(|there| there.get(key)) != Some(value)).collect()
}

fn owner(view: &View<'_>) -> OwnerReference {
    OwnerReference {
        api_version: Kind::NodeClaim.api_version(),
        kind: Kind::NodeClaim.name().to_owned(),
        name: view.name().to_owned(),
        uid: view.uid().to_owned(),
        block_owner_deletion: Some(true),
        controller: None,
    }
}

/// The taints as they shall be; `None` where they are. Those of the claim come once, for somebody takes its startup taints away later.
fn taints(view: &View<'_>, node: &Node) -> Option<Vec<Taint>> {
    let there = node.spec.as_ref().and_then(|spec| spec.taints.clone()).unwrap_or_default();
    let is_unregistered = |taint: &Taint| taint.key == names::UNREGISTERED_TAINT_KEY && taint.effect == "NoExecute";
    let mut all: Vec<Taint> = there.iter().filter(|taint| !is_unregistered(taint)).cloned().collect();
    if label(&node.metadata, labels::DO_NOT_SYNC_TAINTS) != Some("true") {
        for taint in view.claim.spec.taints.iter().chain(&view.claim.spec.startup_taints) {
            if !all.iter().any(|other| is_same(other, taint)) {
                all.push(taint.clone());
            }
        }
    }
    (all != there).then_some(all)
}

/// Taints are told apart by key and effect.
pub(super) fn is_same(a: &Taint, b: &Taint) -> bool {
    a.key == b.key && a.effect == b.effect
}
