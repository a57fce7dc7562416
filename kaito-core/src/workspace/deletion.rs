//! Give everything back, then let go.
//!
//! The finalizer is taken off only when the API server itself says that nothing that was asked for is left; everything in the namespace follows by owner reference.
//! Works for a Workspace that cannot be read, and without the CRDs of a provisioner.

use super::draft::{Draft, Flow};
use super::machines::{self, elsewhere};
use super::view::View;
use crate::compat;
use crate::effect::{Effect, MetadataPatch, Owned, is_dying};
use crate::failure::{self, Waiting};
use crate::kinds::Typed;
use crate::object::Seen;
use crate::read::Freshness;
use crate::snapshot::{Lookup, Unread};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use kaito_api::vocabulary::{annotations, finalizers};

pub(super) fn step(view: &View<'_>, draft: &mut Draft) -> Result<Flow, Unread> {
    if !is_dying(view.metadata) {
        return Ok(Flow::Next);
    }
    draft.deleting = true;
    let finalizers = view.metadata.finalizers.clone().unwrap_or_default();
    if !finalizers.iter().any(|name| name == finalizers::WORKSPACE) {
        draft.released = true;
        return Ok(Flow::Stop);
    }
    end_undisturbed(view, draft)?;
    // The cache is enough to delete and to wait; that nothing is left is believed only of the API server.
    let machines = machines::of(view.settings);
    let mut held = machines.give_back(view, draft, Freshness::Cached)?;
    if held.all == 0 {
        held = machines.give_back(view, draft, Freshness::Live)?;
    }
    let unit = held.unit;
    if held.all == 0 {
        held = elsewhere::give_back(view, draft)?;
    }
    if held.all == 0 {
        draft.released = true;
        draft.remark("released", format!("no {unit} is left"));
        draft.push(Effect::Metadata {
            key: view.key.clone(),
            uid: view.uid().to_owned(),
            resource_version: Some(view.resource_version().to_owned()),
            patch: MetadataPatch {
                finalizers: Some(finalizers.into_iter().filter(|name| name != finalizers::WORKSPACE).collect()),
                ..MetadataPatch::default()
            },
        });
    } else {
        let since = view.metadata.deletion_timestamp.as_ref().map_or(view.now(), |time| time.0);
        let what = format!("{} {}(s) are going away", held.all, held.unit);
        let wait = Waiting::new(&failure::TERMINATING, what, since);
        draft.waits.push(wait.overdue_because(view.now(), || held.leaving));
    }
    Ok(Flow::Stop)
}

/// Ends what has pods that are not to be disturbed: a training, a server of the user's own that says so. No machine is taken before such a pod is over, not even one that is deleted; and the Job or the set would go with
/// the Workspace only, which waits for the machine.
fn end_undisturbed(view: &View<'_>, draft: &mut Draft) -> Result<(), Unread> {
    let job: Lookup<'_, Job> = view.snapshot.get(view.namespace(), view.name())?;
    let of_job = |job: &Job| is_undisturbed(job.spec.as_ref().map(|spec| &spec.template));
    let of_set = |set: &StatefulSet| is_undisturbed(compat::stateful_set_spec(set).map(|spec| &spec.template));
    let job = job.found().filter(|job| of_job(job)).map(|job| job.clone().into_object());
    let set = view.stateful_set()?.found().filter(|set| of_set(set)).map(|set| set.clone().into_object());
    for object in job.into_iter().chain(set) {
        let seen = Seen::Decoded(object);
        if let Some(target) = Owned::by_reference(&seen, view.uid()).filter(|_| !is_dying(seen.metadata())) {
            draft.delete(target);
        }
    }
    Ok(())
}

fn is_undisturbed(template: Option<&PodTemplateSpec>) -> bool {
    let says = template.and_then(|template| {
        template.metadata.as_ref()?.annotations.as_ref()?.get(annotations::KARPENTER_DO_NOT_DISRUPT)
    });
    says.map(String::as_str) == Some("true")
}
