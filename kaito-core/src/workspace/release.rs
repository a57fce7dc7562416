//! The machines of a training that is over, given back where the user asks for that.
//!
//! As upstream, they stay until the Workspace is deleted; with the annotation `kaito.sh/release-nodes-when-done: "true"` what asks for them is deleted once the Job has succeeded or given up, and the
//! status says so. None is bought again for what is over, whether or not the annotation is still there: only another request, or a Job that somebody has deleted, needs one. One that was asked for
//! and not made before the end, in the place of one that was lost, is taken back in any case: nothing ran there, and it would be paid for from the day on which the cloud has room.

use super::draft::Draft;
use super::machines;
use super::tuning;
use super::view::View;
use crate::effect::is_dying;
use crate::kinds::Kind;
use crate::object::ObjectKey;
use crate::read::{Freshness, Read};
use crate::snapshot::Unread;
use crate::training;
use kaito_api::vocabulary::annotations;
use serde_json::Value;

/// Whether the machines of a training are given back when it is over: asked for, and nothing of the result lies on them.
pub(super) fn is_wanted(view: &View<'_>) -> bool {
    view.annotation(annotations::RELEASE_NODES_WHEN_DONE) == Some("true")
        && view.tuning().is_some_and(|tuning| training::stays_on_machine(tuning).is_none())
}

/// Gives them back, when the status tells how the training ended: what its pods printed last is read before the machine goes. Decided from live reads of the Workspace, its Job and its claims.
pub(super) fn step(view: &View<'_>, draft: &mut Draft) -> Result<(), Unread> {
    let machines = machines::of(view.settings);
    let is_told = view.status.get("state").and_then(Value::as_str) == draft.progress.end();
    if !draft.progress.is_over() || !is_told {
        return Ok(());
    }
    let (held, all) = (machines.holds(view)?, is_wanted(view));
    if (if all { held.alive } else { held.unmade }) == 0 {
        return Ok(());
    }
    let job = ObjectKey::new(Kind::Job, view.namespace(), view.name());
    view.snapshot.need([Read::object(job.clone()).live(), Read::object(view.key.clone()).live()])?;
    let root = view.live_root()?;
    let is_same = root.found().is_some_and(|root| {
        root.uid() == view.uid() && root.metadata.generation == view.metadata.generation && !is_dying(&root.metadata)
    });
    let progress = tuning::progress(view, draft, view.snapshot.object(job, Freshness::Live)?);
    if !is_same || progress != draft.progress {
        return Ok(());
    }
    if !all {
        return machines.take_back_unmade(view, draft);
    }
    machines.give_back(view, draft, Freshness::Live)?;
    Ok(())
}
