//! Pods of an earlier request that keep the next one from its pods.
//!
//! A set that starts its pods one after the other replaces none while one of them is not ready (<https://github.com/kubernetes/kubernetes/issues/67250>): a template whose image is wrong, or which no
//! node takes, would stay broken however it is corrected. Those pods serve nobody, and are deleted; the set makes them anew. Sets of presets start their pods all at once, and have no such wait.

use super::draft::Draft;
use super::pods;
use super::view::View;
use crate::compat;
use crate::effect::{self, Effect, Owned, is_dying};
use crate::kinds::Typed;
use crate::object::Seen;
use crate::plan::Notice;
use crate::snapshot::Unread;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use kaito_api::vocabulary::{events, labels};
use kube_core::ResourceExt;

pub(super) fn step(view: &View<'_>, draft: &mut Draft) -> Result<(), Unread> {
    let Some(set) = view.stateful_set()?.found().filter(|_| !draft.deleting) else { return Ok(()) };
    let is_ours = effect::is_controlled_by(&set.metadata, view.uid()) && !is_dying(&set.metadata);
    let (Some(wanted), Some(uid)) = (revision_wanted(set).filter(|_| is_ours), set.metadata.uid.as_deref()) else {
        return Ok(());
    };
    for pod in pods::of(view, uid)? {
        let is_former = pod.labels().get(labels::POD_REVISION).is_some_and(|made_from| made_from != wanted);
        if is_former && !pods::is_ready(pod) {
            replace(draft, pod, uid);
        }
    }
    Ok(())
}

/// What the pods of a set are to be made from, where it waits for each of them in turn and its controller has seen what is asked for now.
fn revision_wanted(set: &StatefulSet) -> Option<&str> {
    let spec = compat::stateful_set_spec(set)?;
    let status = set.status.as_ref()?;
    let waits = spec.pod_management_policy.as_deref() != Some("Parallel");
    let is_seen = status.observed_generation == set.metadata.generation;
    status.update_revision.as_deref().filter(|_| waits && is_seen)
}

fn replace(draft: &mut Draft, pod: &Pod, set_uid: &str) {
    let seen = Seen::Decoded(pod.clone().into_object());
    let Some(target) = Owned::by_reference(&seen, set_uid) else { return };
    let gone = draft.push(Effect::Delete { target });
    draft.notices.push(Notice {
        warning: false,
        reason: events::STUCK_POD_REPLACED,
        note: format!(
            "pod {} was made of an earlier request and is not ready, and its StatefulSet would not replace it before it is: it is deleted",
            pod.name_any()
        ),
        after: Some(gone),
    });
}
