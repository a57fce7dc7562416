//! The Node is ready, and has what was asked for (spec/05 §3.5).

use super::conditions::{INITIALIZED, REGISTERED, Saying};
use super::draft::{Draft, Flow};
use super::managed::label;
use super::register::is_same;
use super::view::{View, ready};
use super::waits::{self, Waiting};
use k8s_openapi::api::core::v1::{Node, Taint};
use kaito_api::vocabulary::{labels, names};
use kaito_core::effect::{Effect, MetadataPatch, is_dying};
use kaito_core::snapshot::Unread;
use kaito_core::units::parse_quantity;
use kaito_core::{Kind, ObjectKey};

/// Taints that a Node has on its way, and that go by themselves: key and effect (Karpenter, `KnownEphemeralTaints`).
const EPHEMERAL: [(&str, &str); 5] = [
    ("node.kubernetes.io/not-ready", "NoSchedule"),
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoSchedule"),
    ("node.cloudprovider.kubernetes.io/uninitialized", "NoSchedule"),
    (names::UNREGISTERED_TAINT_KEY, "NoExecute"),
];

pub(super) fn step(view: &View<'_>, draft: &mut Draft) -> Result<Flow, Unread> {
    let nodes = view.nodes_with(&draft.status.provider_id);
    if view.claim.is_true(INITIALIZED) {
        // A device plugin may report long after the Node was ready.
        if let [node] = nodes.as_slice() {
            take_amounts(draft, node);
        }
        draft.say(INITIALIZED, Saying::yes(INITIALIZED));
        return Ok(Flow::Next);
    }
    let since = view.since(REGISTERED);
    let Some(node) = nodes.first() else {
        let wait = Waiting::new(&waits::NODE_STARTING, draft.not_registered(), since);
        draft.wait_as(view, "NodeNotFound", wait);
        return Ok(Flow::Next);
    };
    if let Some((reason, message)) = lacks(view, node) {
        draft.wait_as(view, reason, Waiting::new(&waits::NODE_STARTING, message, since));
        return Ok(Flow::Next);
    }
    if label(&node.metadata, labels::INITIALIZED) == Some("true") {
        take_amounts(draft, node);
        draft.say(INITIALIZED, Saying::yes(INITIALIZED));
    } else {
        mark(draft, node);
    }
    Ok(Flow::Next)
}

/// What others ask of a machine is what its Node has (S5-B14).
fn take_amounts(draft: &mut Draft, node: &Node) {
    let Some(status) = &node.status else { return };
    if let Some(capacity) = &status.capacity {
        draft.status.capacity.clone_from(capacity);
    }
    if let Some(allocatable) = &status.allocatable {
        draft.status.allocatable.clone_from(allocatable);
    }
}

/// What the Node lacks, the first of it: reason and words, as Karpenter says them.
fn lacks(view: &View<'_>, node: &Node) -> Option<(&'static str, String)> {
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
    if ready(node).0 != "True" {
        return Some(("NodeNotReady", "Node status is NotReady".to_owned()));
    }
    let startup =
        view.claim.spec.startup_taints.iter().find(|wanted| taints.iter().any(|taint| is_same(taint, wanted)));
    if let Some(taint) = startup {
        return Some(("StartupTaintsExist", format!("StartupTaint \"{}\" still exists", words(taint))));
    }
    let ephemeral = taints.iter().find(|taint| EPHEMERAL.contains(&(taint.key.as_str(), taint.effect.as_str())));
    if let Some(taint) = ephemeral {
        let message = format!("KnownEphemeralTaint \"{}\" still exists", words(taint));
        return Some(("KnownEphemeralTaintsExist", message));
    }
    let amount = |text: &str| parse_quantity(text).unwrap_or_default();
    let allocatable = node.status.as_ref().and_then(|status| status.allocatable.as_ref());
    let has = |name: &String| allocatable.and_then(|all| all.get(name)).is_some_and(|there| amount(&there.0) != 0);
    let asked = view.claim.spec.resources.requests.iter();
    let missing =
        asked.filter(|(name, wanted)| *name != "storage" && amount(&wanted.0) != 0).find(|(name, _)| !has(name));
    missing.map(|(name, _)| ("ResourceNotRegistered", format!("Resource \"{name}\" was requested but not registered")))
}

fn words(taint: &Taint) -> String {
    match taint.value.as_deref() {
        None | Some("") => format!("{}:{}", taint.key, taint.effect),
        Some(value) => format!("{}={value}:{}", taint.key, taint.effect),
    }
}

fn mark(draft: &mut Draft, node: &Node) {
    let (Some(name), Some(uid)) = (node.metadata.name.clone(), node.metadata.uid.clone()) else { return };
    if is_dying(&node.metadata) {
        return;
    }
    let labels = [(labels::INITIALIZED.to_owned(), "true".to_owned())].into();
    let patch = MetadataPatch { labels, ..MetadataPatch::default() };
    // A kubelet writes its Node all the time; a label more disturbs nobody.
    draft
        .plan
        .push(Effect::Metadata { key: ObjectKey::cluster(Kind::Node, name), uid, resource_version: None, patch }, None);
}
