//! Claims that went away before a machine came.
//!
//! Karpenter deletes a claim for which the cloud has no machine, or whose machine has not joined after 15 minutes, and what it said goes with the claim. A slot that was filled again at once would be
//! filled again for ever, and nobody would know why. So the Workspace carries what it was, until its machines are there: from that come the pace, the words, and since when the wait goes on.
//!
//! Of a claim that came and went between two looks nothing is left but its name: the condition NodeClaimReady names every claim whose machine has not come, at no cost. What it names and the API server
//! does not have was given up too.

use super::super::super::draft::Draft;
use super::super::super::view::View;
use super::claims::{Claim, Slots};
use crate::effect::{Effect, MetadataPatch};
use crate::failure::{self, Failure};
use crate::kinds::Kind;
use crate::manifest;
use crate::object::ObjectKey;
use crate::read::Freshness;
use crate::snapshot::Unread;
use crate::units::rfc3339;
use crate::words::{cut, quoted};
use jiff::{SignedDuration, Timestamp};
use kaito_api::vocabulary::{ConditionType, annotations};
use serde::{Deserialize, Serialize};

/// After so many minutes, machines are asked for again: after the first claim, the second, and so on; then always after the last.
const PACE_MINUTES: [i64; 6] = [1, 2, 4, 8, 16, 30];
const LONGEST_PACE: SignedDuration = SignedDuration::from_mins(30);
/// What stands before the names of claims in the status.
const ASKED_FOR: &str = "; asked for: ";
/// So many claims are named in the status.
const MOST_NAMED: usize = 16;

/// What the Workspace carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    /// How many times in a row; claims that are deleted in the same second count once.
    times: u32,
    /// When it happened first.
    first: Timestamp,
    /// When it happened last.
    last: Timestamp,
    /// What the provisioner said last, where it said anything.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    said: String,
}

/// Writes down which claims go away, tells of it, and says when machines may be asked for again.
pub(super) fn observe(view: &View<'_>, draft: &mut Draft, slots: &Slots<'_>, target: u32) -> Result<Timestamp, Unread> {
    let text = view.annotation(annotations::NODE_CLAIMS_GIVEN_UP);
    // What somebody else has written there is as good as nothing.
    let before: Option<Record> = text.and_then(|text| serde_json::from_str(text).ok());
    let ready = slots.filled.iter().filter(|claim| claim.is_ready()).count();
    let record = if ready >= target as usize {
        None
    } else {
        let vanished = has_vanished(view, slots, target)?.then(|| view.now());
        Record::after(before.clone(), slots, vanished)
    };
    if record != before || (record.is_none() && text.is_some()) {
        draft.push(write(view, record.as_ref()));
    }
    let Some(record) = record else { return Ok(Timestamp::MIN) };
    let again = record.asks_again();
    draft.machines.given_up_since = Some(record.first);
    draft.failures.push(Failure {
        // However far behind the clock is, it is looked at again within the longest pace.
        retry: Some(again.duration_since(view.now()).min(LONGEST_PACE)).filter(SignedDuration::is_positive),
        ..Failure::new(&failure::CLAIM_GIVEN_UP, record.words())
    });
    Ok(again)
}

/// Whether a claim is gone that was asked for, and never seen ready.
fn has_vanished(view: &View<'_>, slots: &Slots<'_>, target: u32) -> Result<bool, Unread> {
    let told = view.conditions().iter().find(|told| told.type_ == ConditionType::NodeClaimReady.as_str());
    let Some(told) = told.filter(|told| told.status == "False") else { return Ok(false) };
    // What is quoted of a provisioner before it names claims too.
    let asked = told.message.rsplit_once(ASKED_FOR).and_then(|(_, names)| names.split(';').next());
    let asked: Vec<&str> = asked.into_iter().flat_map(|names| names.split(", ")).collect();
    let is_named = |(slot, incarnation): &(u32, u32)| {
        asked.contains(&manifest::claim_name(view.uid(), *slot, *incarnation).as_str())
    };
    // A cache may lag behind the status.
    let lacks = |slots: &Slots<'_>| slots.missing.iter().any(is_named);
    Ok(lacks(slots) && lacks(&super::claims(view, Freshness::Live)?.slots(target)))
}

/// The claims whose machine has not come, as the status tells them: those that are there, and those that are asked for now and were not refused. Empty where there are none.
pub(super) fn named(view: &View<'_>, draft: &Draft, slots: &Slots<'_>) -> String {
    let there = slots.filled.iter().filter(|claim| !claim.was_ready()).map(|claim| claim.name().to_owned());
    let is_refused = |key: &ObjectKey| view.snapshot.mishaps().iter().any(|error| error.key == *key);
    let asked = draft.steps.iter().map(|step| &step.effect).filter(|effect| effect.verb() == "create");
    let asked = asked.map(Effect::key).filter(|key| key.kind == Kind::NodeClaim && !is_refused(key));
    let mut names: Vec<String> = there.chain(asked.map(|key| key.name.clone())).collect();
    names.sort();
    names.truncate(MOST_NAMED);
    if names.is_empty() { String::new() } else { format!("{ASKED_FOR}{}", names.join(", ")) }
}

impl Record {
    /// The record after what is seen now. A claim whose machine was there is another matter: that one was lost, and is replaced at once.
    fn after(before: Option<Record>, slots: &Slots<'_>, vanished: Option<Timestamp>) -> Option<Record> {
        let gone = slots.dying.iter().filter(|claim| !claim.was_ready());
        let last = gone.filter_map(|claim| Some((claim.deleted()?, claim))).max_by_key(|(at, _)| *at);
        let last = last.map(|(at, claim)| (at, said(claim)));
        let Some((at, said)) = last.or(vanished.map(|at| (at, None))) else { return before };
        let said = said.or_else(|| Some(before.as_ref()?.said.clone())).unwrap_or_default();
        match before {
            None => Some(Record { times: 1, first: at, last: at, said }),
            Some(known) if known.last >= at => Some(known),
            Some(known) => Some(Record { times: known.times.saturating_add(1), last: at, said, ..known }),
        }
    }

    fn asks_again(&self) -> Timestamp {
        let step = usize::try_from(self.times).unwrap_or(usize::MAX).clamp(1, PACE_MINUTES.len()) - 1;
        self.last.saturating_add(SignedDuration::from_mins(PACE_MINUTES[step])).unwrap_or(Timestamp::MAX)
    }

    fn words(&self) -> String {
        let since = rfc3339(self.first);
        let times = match self.times {
            1 => format!("the NodeClaim was deleted at {since}"),
            times => format!("{times} NodeClaims in a row were deleted since {since}"),
        };
        let said = if self.said.is_empty() {
            String::new()
        } else {
            format!("; the provisioner said: {}", quoted(&self.said))
        };
        format!("{times}, before a machine came{said}")
    }
}

/// What a claim says, in its provisioner's words.
fn said(claim: &Claim<'_>) -> Option<String> {
    let refusal = claim.refusal().map(|condition| format!("{}: {}", condition.reason, condition.message));
    refusal.or_else(|| claim.standing()).map(|words| cut(&quoted(&words), 256))
}

fn write(view: &View<'_>, record: Option<&Record>) -> Effect {
    let text = record.and_then(|record| serde_json::to_string(record).ok());
    Effect::Metadata {
        key: view.key.clone(),
        uid: view.uid().to_owned(),
        resource_version: Some(view.resource_version().to_owned()),
        patch: MetadataPatch {
            annotations: [(annotations::NODE_CLAIMS_GIVEN_UP.to_owned(), text)].into(),
            ..MetadataPatch::default()
        },
    }
}
