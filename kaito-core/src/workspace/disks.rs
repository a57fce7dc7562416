//! Weights on the local disk of a node, which goes with the node.
//!
//! A claim of a local disk is bound to the node that its pod was given to first, and its set keeps it: when that node is gone, the pod waits for ever for a node that never comes back. So the claim is
//! given up with its node; the set makes another one, and the weights are brought again. A node that comes under the name of the one before is no end of the wait either, where another pod of the set,
//! whose disk went too, was given to it first.

use super::draft::Draft;
use super::pods;
use super::view::View;
use crate::compat;
use crate::effect::{self, Effect, Owned, is_dying};
use crate::kinds::{Kind, Typed};
use crate::object::{ObjectKey, Seen};
use crate::plan::Notice;
use crate::read::Freshness;
use crate::snapshot::{Lookup, Unread};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Node, PersistentVolumeClaim, Pod};
use kaito_api::vocabulary::{annotations, events, labels, names};
use kube_core::ResourceExt;

/// Gives up what lies on nodes that are gone. Nothing is read while every pod has its node. It is not waited for until another machine is there: that may bear the name of the one before.
pub(super) fn step(view: &View<'_>, draft: &mut Draft) -> Result<(), Unread> {
    if draft.deleting {
        return Ok(());
    }
    let Some(set) = view.stateful_set()?.found() else { return Ok(()) };
    let templates: Vec<&str> = local_claims(set).collect();
    let uid = set.metadata.uid.as_deref().filter(|_| effect::is_controlled_by(&set.metadata, view.uid()));
    let Some(uid) = uid.filter(|_| !templates.is_empty()) else { return Ok(()) };
    let pods = pods::of(view, uid)?;
    for pod in pods.iter().filter(|pod| node_of(pod).is_none() && pods::is_unschedulable(pod)) {
        for template in &templates {
            // As its controller names it.
            look(view, draft, &format!("{template}-{}", pod.name_any()), &pods)?;
        }
    }
    Ok(())
}

/// The claim templates of a set that ask for local disks.
fn local_claims(set: &StatefulSet) -> impl Iterator<Item = &str> {
    let all = compat::stateful_set_spec(set).and_then(|spec| spec.volume_claim_templates.as_deref());
    all.unwrap_or_default().iter().filter(|claim| is_local(claim)).filter_map(|claim| claim.metadata.name.as_deref())
}

fn is_local(claim: &PersistentVolumeClaim) -> bool {
    let class = claim.spec.as_ref().and_then(|spec| spec.storage_class_name.as_deref());
    class == Some(names::LOCAL_NVME_CLASS)
}

/// Gives up one claim, where its node is surely gone, or another pod has it.
fn look(view: &View<'_>, draft: &mut Draft, name: &str, pods: &[&Pod]) -> Result<(), Unread> {
    let key = ObjectKey::new(Kind::PersistentVolumeClaim, view.namespace(), name);
    let found: Lookup<'_, PersistentVolumeClaim> = view.snapshot.object(key, Freshness::Live)?;
    let Some(claim) = found.found().filter(|claim| is_local(claim) && !is_dying(&claim.metadata)) else {
        return Ok(());
    };
    let Some(node) = claim.metadata.annotations.as_ref().and_then(|all| all.get(annotations::SELECTED_NODE)) else {
        return Ok(());
    };
    let Some(lost) = lost(view, draft, node, pods)? else { return Ok(()) };
    let seen = Seen::Decoded(claim.clone().into_object());
    let Some(target) = Owned::by_names(&seen, &[(labels::WORKSPACE, view.name())]) else { return Ok(()) };
    let given_up = draft.push(Effect::Delete { target });
    draft.notices.push(Notice {
        warning: true,
        reason: events::LOCAL_DISK_GIVEN_UP,
        note: format!(
            "PersistentVolumeClaim {name} is given up: it lay on a disk of node {node}, {lost}; the weights are brought again to another one"
        ),
        after: Some(given_up),
    });
    Ok(())
}

/// Why nobody comes back to the disk of a node, in words; `None` where somebody may.
fn lost(view: &View<'_>, draft: &Draft, node: &str, pods: &[&Pod]) -> Result<Option<String>, Unread> {
    if let Some(pod) = pods.iter().find(|pod| node_of(pod) == Some(node)) {
        return Ok(Some(format!("which pod {} has now", pod.name_any())));
    }
    // A machine that is still somebody's may only be silent: a cluster that wakes up has no Nodes for a while.
    if draft.machines.claimed.as_ref().is_none_or(|claimed| claimed.iter().any(|claimed| claimed == node)) {
        return Ok(None);
    }
    let node: Lookup<'_, Node> = view.snapshot.object(ObjectKey::cluster(Kind::Node, node), Freshness::Live)?;
    Ok((node == Lookup::Absent).then(|| "which is gone".to_owned()))
}

fn node_of(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref()
}
