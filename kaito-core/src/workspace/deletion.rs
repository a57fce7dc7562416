//! Give everything back, then let go.
//!
//! The finalizer is taken off only when the API server itself says that nothing that was asked for is left; everything in the namespace follows by owner reference.
//! Works for a Workspace that cannot be read, and without the CRDs of a provisioner.

use super::draft::{Draft, Flow};
use super::machines::{self, elsewhere};
use super::view::View;
use crate::effect::{Effect, MetadataPatch, Owned, is_dying};
use crate::failure::{self, Waiting};
use crate::kinds::Typed;
use crate::object::Seen;
use crate::read::Freshness;
use crate::snapshot::{Lookup, Unread};
use k8s_openapi::api::batch::v1::Job;
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
    end_training(view, draft)?;
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

/// Ends a training whose pods are not to be disturbed. Karpenter takes no machine before such a pod is over, not even one that is deleted; and the Job would go with the Workspace only, which waits for the machine.
fn end_training(view: &View<'_>, draft: &mut Draft) -> Result<(), Unread> {
    let found: Lookup<'_, Job> = view.snapshot.get(view.namespace(), view.name())?;
    let Some(job) = found.found().filter(|job| is_undisturbed(job) && !is_dying(&job.metadata)) else { return Ok(()) };
    if let Some(target) = Owned::by_reference(&Seen::Decoded(job.clone().into_object()), view.uid()) {
        draft.delete(target);
    }
    Ok(())
}

fn is_undisturbed(job: &Job) -> bool {
    let template = job.spec.as_ref().and_then(|spec| spec.template.metadata.as_ref());
    let says = template.and_then(|metadata| metadata.annotations.as_ref()?.get(annotations::KARPENTER_DO_NOT_DISRUPT));
    says.map(String::as_str) == Some("true")
}
