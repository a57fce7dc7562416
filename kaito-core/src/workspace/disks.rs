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
use crate::read::{Freshness, Read};
use crate::snapshot::{Lookup, Unread};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Node, PersistentVolumeClaim, Pod};
use kaito_api::vocabulary::{annotations, events, labels, names};
use kube_core::ResourceExt;
use std::collections::{BTreeMap, BTreeSet};

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
    let homeless = pods.iter().filter(|pod| node_of(pod).is_none() && pods::is_unschedulable(pod));
    // As its controller names them.
    let names = homeless.flat_map(|pod| templates.iter().map(|template| format!("{template}-{}", pod.name_any())));
    let on_disks = on_disks(view, names)?;
    let lost = lost(view, draft, on_disks.iter().map(|(_, node)| *node).collect(), &pods)?;
    for (claim, node) in on_disks {
        if let Some(why) = lost.get(node) {
            give_up(view, draft, claim, node, why);
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

/// The claims of these names that are of local disks, each with its node. All are read at once, however many there are, and so are their nodes: a plan has only so many rounds.
fn on_disks<'a>(
    view: &View<'a>,
    names: impl Iterator<Item = String>,
) -> Result<Vec<(&'a PersistentVolumeClaim, &'a str)>, Unread> {
    let keys: Vec<ObjectKey> =
        names.map(|name| ObjectKey::new(Kind::PersistentVolumeClaim, view.namespace(), name)).collect();
    view.snapshot.need(keys.iter().map(|key| Read::object(key.clone()).live()))?;
    let mut all = Vec::new();
    for key in keys {
        let found: Lookup<'a, PersistentVolumeClaim> = view.snapshot.object(key, Freshness::Live)?;
        let claim = found.found().filter(|claim| is_local(claim) && !is_dying(&claim.metadata));
        let node = claim
            .and_then(|claim| Some((claim, claim.metadata.annotations.as_ref()?.get(annotations::SELECTED_NODE)?)));
        all.extend(node.map(|(claim, node)| (claim, node.as_str())));
    }
    Ok(all)
}

/// Gives up one claim.
fn give_up(view: &View<'_>, draft: &mut Draft, claim: &PersistentVolumeClaim, node: &str, why: &str) {
    let seen = Seen::Decoded(claim.clone().into_object());
    let Some(target) = Owned::by_names(&seen, &[(labels::WORKSPACE, view.name())]) else { return };
    let given_up = draft.push(Effect::Delete { target });
    let name = claim.name_any();
    draft.notices.push(Notice {
        warning: true,
        reason: events::LOCAL_DISK_GIVEN_UP,
        note: format!(
            "PersistentVolumeClaim {name} is given up: it lay on a disk of node {node}, {why}; the weights are brought again to another one"
        ),
        after: Some(given_up),
    });
}

/// Of these nodes, those to whose disk nobody comes back, and why, in words.
fn lost<'a>(
    view: &View<'_>,
    draft: &Draft,
    nodes: BTreeSet<&'a str>,
    pods: &[&Pod],
) -> Result<BTreeMap<&'a str, String>, Unread> {
    let holder = |node: &str| pods.iter().find(|pod| node_of(pod) == Some(node));
    let (held, free): (Vec<&str>, Vec<&str>) = nodes.into_iter().partition(|node| holder(node).is_some());
    let mut lost: BTreeMap<&str, String> = BTreeMap::new();
    lost.extend(
        held.into_iter().filter_map(|node| Some((node, format!("which pod {} has now", holder(node)?.name_any())))),
    );
    // A machine that is still somebody's may only be silent: a cluster that wakes up has no Nodes for a while.
    let Some(claimed) = &draft.machines.claimed else { return Ok(lost) };
    let free: Vec<&str> = free.into_iter().filter(|node| !claimed.iter().any(|claimed| claimed == node)).collect();
    let key = |node: &str| ObjectKey::cluster(Kind::Node, node);
    view.snapshot.need(free.iter().map(|node| Read::object(key(node)).live()))?;
    for node in free {
        let found: Lookup<'_, Node> = view.snapshot.object(key(node), Freshness::Live)?;
        if found == Lookup::Absent {
            lost.insert(node, "which is gone".to_owned());
        }
    }
    Ok(lost)
}

fn node_of(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref()
}
