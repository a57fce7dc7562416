//! Claims that went away before a machine came.
//!
//! A slot that was filled again at once would be filled again for ever, and nobody would know why. Of a claim that came and went between two looks nothing is left but its name: the condition
//! NodeClaimReady names every claim whose machine has not come, at no cost. What it names and the API server does not have was given up too.

use super::super::super::draft::Draft;
use super::super::super::view::View;
use super::super::claim::Claim;
use super::super::claims::Slots;
use super::super::given_up::{self, Gone, Record};
use crate::effect::Effect;
use crate::kinds::Kind;
use crate::manifest;
use crate::object::ObjectKey;
use crate::read::Freshness;
use crate::snapshot::Unread;
use jiff::Timestamp;

/// Writes down which claims go away, tells of it, and says when machines may be asked for again.
pub(super) fn observe(view: &View<'_>, draft: &mut Draft, slots: &Slots<'_>, target: u32) -> Result<Timestamp, Unread> {
    let ready = slots.filled.iter().filter(|claim| claim.is_ready()).count();
    let record = if ready >= target as usize || draft.progress.is_over() {
        None
    } else {
        let vanished = has_vanished(view, slots, target)?.then(|| Gone::vanished(view.now()));
        Record::after(Record::of(view), Gone::last(slots.dying.iter()).or(vanished), view.now())
    };
    Ok(given_up::tell(view, draft, record, "NodeClaim"))
}

/// Whether a claim is gone that was asked for, and never seen ready.
fn has_vanished(view: &View<'_>, slots: &Slots<'_>, target: u32) -> Result<bool, Unread> {
    let asked = given_up::told(view);
    let is_named = |(slot, incarnation): &(u32, u32)| {
        asked.contains(&manifest::claim_name(view.uid(), *slot, *incarnation).as_str())
    };
    // A cache may lag behind the status.
    let lacks = |slots: &Slots<'_>| slots.missing.iter().any(is_named);
    Ok(lacks(slots) && lacks(&super::claims(view, Freshness::Live)?.slots(target)))
}

/// The claims whose machine has not come, as the status tells them: those that are there, and those that are asked for now and were not refused. Empty where there are none.
pub(super) fn named(view: &View<'_>, draft: &Draft, slots: &Slots<'_>) -> String {
    let there =
        slots.filled.iter().filter(|claim: &&Claim<'_>| !claim.was_ready()).map(|claim| claim.name().to_owned());
    let is_refused = |key: &ObjectKey| view.snapshot.mishaps().iter().any(|error| error.key == *key);
    let asked = draft.steps.iter().map(|step| &step.effect).filter(|effect| effect.verb() == "create");
    let asked = asked.map(Effect::key).filter(|key| key.kind == Kind::NodeClaim && !is_refused(key));
    given_up::asked_for(there.chain(asked.map(|key| key.name.clone())).collect())
}
