//! Weights on the local disk of a node, which goes with the node.
//!
//! A claim of a local disk is bound to the node that its pod was given to first, and its set keeps it: when that node is gone, the pod waits for ever for a node that never comes back. So the claim is
//! given up with its node; the set makes another one, and the weights are brought again.

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

/// Gives up what lies on nodes that are gone. Nothing is read while every pod has its node. It is not waited for until another machine is there: that may bear the name of the one before.
pub(super) fn step(view: &View<'_>, draft: &mut Draft) -> Result<(), Unread> {
    if draft.deleting {
        return Ok(());
    }
    let Some(set) = view.stateful_set()?.found() else { return Ok(()) };
    let templates: Vec<&str> = local_claims(set).collect();
    let uid = set.metadata.uid.as_deref().filter(|_| effect::is_controlled_by(&set.metadata, view.uid()));
    let Some(uid) = uid.filter(|_| !templates.is_empty()) else { return Ok(()) };
    let waiting: Vec<&Pod> = pods::of(view, uid)?.into_iter().filter(|pod| pods::is_unschedulable(pod)).collect();
    let named = waiting.iter().filter_map(|pod| pod.metadata.name.as_deref());
    // As its controller names them: the template's name, then the pod's.
    let claims = named.flat_map(|pod| templates.iter().map(move |template| format!("{template}-{pod}")));
    claims.into_iter().try_for_each(|claim| look(view, draft, &claim))
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

/// Gives up one claim, where its node is surely gone.
fn look(view: &View<'_>, draft: &mut Draft, name: &str) -> Result<(), Unread> {
    let key = ObjectKey::new(Kind::PersistentVolumeClaim, view.namespace(), name);
    let found: Lookup<'_, PersistentVolumeClaim> = view.snapshot.object(key, Freshness::Live)?;
    let Some(claim) = found.found().filter(|claim| is_local(claim) && !is_dying(&claim.metadata)) else {
        return Ok(());
    };
    let Some(node) = claim.metadata.annotations.as_ref().and_then(|all| all.get(annotations::SELECTED_NODE)) else {
        return Ok(());
    };
    let there: Lookup<'_, Node> = view.snapshot.object(ObjectKey::cluster(Kind::Node, node), Freshness::Live)?;
    let seen = Seen::Decoded(claim.clone().into_object());
    let ours = Owned::by_names(&seen, &[(labels::WORKSPACE, view.name())]);
    let (Lookup::Absent, Some(target)) = (there, ours) else { return Ok(()) };
    let given_up = draft.push(Effect::Delete { target });
    draft.notices.push(Notice {
        warning: true,
        reason: events::LOCAL_DISK_GIVEN_UP,
        note: format!(
            "PersistentVolumeClaim {name} is given up: it lay on a disk of node {node}, which is gone; the weights are brought again to another one"
        ),
        after: Some(given_up),
    });
    Ok(())
}
