//! Machines of a Workspace that is gone.
//!
//! A request that nobody waits for any more may be carried out after everything of its Workspace was given back: by a process that was paused, or by a server that was slow. Such a claim names, by
//! uid, a Workspace that can never come back. It is found by its labels and taken back, but only when the API server itself has shown that no Workspace with that uid is there.

use super::claims::Claims;
use super::draft::{Draft, Flow};
use super::view::{View, machine_labels};
use crate::effect::Effect;
use crate::kinds::{Kind, Typed};
use crate::object::{ObjectKey, Seen};
use crate::plan::{Outcome, Plan};
use crate::read::Freshness;
use crate::snapshot::{Lookup, Snapshot, Unread};
use kaito_api::Workspace;
use kaito_api::karpenter::NodeClaim;
use kaito_api::vocabulary::labels;

/// Takes back what an earlier Workspace of this name has left.
pub(super) fn step(view: &View<'_>, draft: &mut Draft) -> Result<Flow, Unread> {
    if !view.claims(Freshness::Cached)?.has_strangers() || view.uid().is_empty() {
        return Ok(Flow::Next);
    }
    let live = view.snapshot.seen(view.key.clone(), Freshness::Live)?;
    if live.is_some_and(|live| live.metadata().uid.as_deref() == Some(view.uid())) {
        let claims = view.claims(Freshness::Live)?;
        claims.strangers().for_each(|target| draft.delete(target));
    }
    Ok(Flow::Next)
}

/// What is left of a Workspace that the cache does not have.
pub(super) fn plan(key: &ObjectKey, snapshot: &Snapshot) -> Result<Plan, Unread> {
    let mut plan = Plan::nothing(Outcome::Gone);
    let claims = |freshness| Ok(Claims::new(snapshot.list::<NodeClaim>(None, machine_labels(key), freshness)?, ""));
    if claims(Freshness::Cached)?.has_strangers()
        && snapshot.object::<Workspace>(key.clone(), Freshness::Live)? == Lookup::Absent
    {
        for target in claims(Freshness::Live)?.strangers() {
            plan.push(Effect::Delete { target }, None);
        }
    }
    Ok(plan)
}

/// The Workspace that a NodeClaim of ours names.
pub(super) fn root_of(seen: &Seen) -> Option<ObjectKey> {
    if seen.kind() != NodeClaim::KIND {
        return None;
    }
    let found = seen.labels();
    found.get(labels::WORKSPACE_UID)?;
    Some(ObjectKey::new(Kind::Workspace, found.get(labels::WORKSPACE_NAMESPACE)?, found.get(labels::WORKSPACE)?))
}
