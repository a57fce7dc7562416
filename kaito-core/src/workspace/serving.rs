//! Whether a client can use the model, and if not, why (I10).
//!
//! Ready means three things at once: the set is of the generation and revision that was asked for last, every pod of it is ready, and an endpoint of the Service serves.
//! Until then the pods are read, and what the kubelet or the scheduler says of them is told.

use super::draft::Draft;
use super::pods;
use super::view::View;
use super::workload::{changed_at, keeps_template};
use crate::compat;
use crate::effect::{self, is_dying};
use crate::failure::{self, Failure, Waiting};
use crate::snapshot::{Lookup, Unread};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::discovery::v1::Endpoint;
use kaito_api::vocabulary::ConditionType;

pub(super) fn observe(view: &View<'_>, draft: &mut Draft, found: Lookup<'_, StatefulSet>) -> Result<(), Unread> {
    let set = found.found().filter(|set| effect::is_controlled_by(&set.metadata, view.uid()));
    let wanted = draft.target.and_then(|target| i32::try_from(target).ok()).unwrap_or(1);
    let ready = set.and_then(|set| set.status.as_ref()?.ready_replicas).unwrap_or_default();
    let stands = set.is_some_and(|set| is_current(view, draft, set)) && ready >= wanted;
    draft.workload.ready = stands && !draft.rolls && is_served(view)?;
    // Machines come first, and their own wait is told; nor is anything waited for that is refused.
    if draft.workload.ready || (set.is_none() && (!draft.machines.nodes_ready || draft.is_refused())) {
        return Ok(());
    }
    let pods = match set.and_then(|set| set.metadata.uid.as_deref()) {
        Some(uid) => pods::of(view, uid)?,
        None => Vec::new(),
    };
    if stands && !draft.rolls {
        draft.waits.push(for_address(view, &pods));
    } else if let Some(cause) = pods::classify(&pods) {
        draft.failures.push(Failure::new(cause.row, cause.words));
    } else if let Some(pressure) = draft.machines.pressure.clone() {
        // A kubelet that is short of something starts nothing, and says no more about a pod than that it waits.
        draft.failures.push(Failure::new(pressure.row, pressure.words));
    } else {
        let what = format!("{ready} of {wanted} pods are ready");
        draft.waits.push(for_pods(view, draft, set, &pods, what));
    }
    Ok(())
}

/// Whether what runs is what was asked for last. In the very round that changes the set, what was seen is still the old one, ready as it may be.
fn is_current(view: &View<'_>, draft: &Draft, set: &StatefulSet) -> bool {
    let is_of_revision = draft.revision.as_ref().is_none_or(|revision| keeps_template(view, set, revision));
    let Some(status) = set.status.as_ref().filter(|_| is_of_revision && !is_dying(&set.metadata)) else { return false };
    status.observed_generation.unwrap_or_default() >= set.metadata.generation.unwrap_or_default()
        && (status.update_revision.is_none() || status.update_revision == status.current_revision)
}

/// Whether the address leads to a pod that answers.
fn is_served(view: &View<'_>) -> Result<bool, Unread> {
    Ok(view.endpoint_slices()?.items.into_iter().flat_map(compat::endpoints).any(serves))
}

/// `serving` says whether the pod is ready, even where the Service publishes pods that are not; where it is not known, `ready` does. A pod that is going away soon answers no more.
fn serves(endpoint: &Endpoint) -> bool {
    let Some(conditions) = &endpoint.conditions else { return true };
    conditions.serving.or(conditions.ready).unwrap_or(true) && conditions.terminating != Some(true)
}

/// The address follows the pods within seconds: the wait begins when the last of them became ready, or when it was lost again.
fn for_address(view: &View<'_>, pods: &[&Pod]) -> Waiting {
    let since = pods.iter().filter_map(|pod| pods::ready_since(pod)).max();
    let since = since.max(view.lost(ConditionType::InferenceReady)).unwrap_or(view.now());
    let what = format!("no endpoint of Service {} leads to a pod that answers", view.name());
    Waiting::new(&failure::ENDPOINT_PENDING, what, since)
}

/// A start is timed from when everything was there for the pods: the set, in the form that is asked for, the request that it fulfils, and the machines; or from when the model was lost. Never from the pods themselves: one that is
/// made anew again and again would be waited for without end.
fn for_pods(view: &View<'_>, draft: &Draft, set: Option<&StatefulSet>, pods: &[&Pod], what: String) -> Waiting {
    let made = set.and_then(|set| set.metadata.creation_timestamp.as_ref()).map(|time| time.0);
    let asked = draft.revision.as_ref().and_then(|revision| revision.recorded);
    let changed = set.and_then(changed_at);
    let begins: [Option<Timestamp>; 5] =
        [made, changed, asked, draft.machines.ready_since, view.lost(ConditionType::InferenceReady)];
    let since = begins.into_iter().flatten().max().unwrap_or(view.now());
    let mut wait = Waiting::new(&failure::WORKLOAD_PENDING, what, since);
    let start = draft.subject.as_ref().and_then(|subject| i64::try_from(subject.start_seconds()).ok());
    wait.deadline = start.map(SignedDuration::from_secs);
    wait.overdue_because(view.now(), || pods::standing(pods))
}
