//! What was asked for and went away before a machine came.
//!
//! A provisioner deletes a claim for which the cloud has no machine, or whose machine has not joined after 15 minutes, and what it said goes with the claim. So the Workspace carries what it was,
//! until its machines are there: from that come the pace, the words, and since when the wait goes on.

use super::super::draft::Draft;
use super::super::view::View;
use super::claim::Claim;
use crate::effect::{Effect, MetadataPatch};
use crate::failure::{self, Failure};
use crate::units::rfc3339;
use crate::words::whole;
use jiff::{SignedDuration, Timestamp};
use kaito_api::vocabulary::{ConditionType, annotations};
use serde::{Deserialize, Serialize};

/// After so many minutes, machines are asked for again: after the first time, the second, and so on; then always after the last.
const PACE_MINUTES: [i64; 6] = [1, 2, 4, 8, 16, 30];
const LONGEST_PACE: SignedDuration = SignedDuration::from_mins(30);
/// Two clocks may differ by so much.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);
/// What stands before the names of what is asked for in the status.
const ASKED_FOR: &str = "; asked for: ";
/// So many are named in the status.
const MOST_NAMED: usize = 16;

/// Something that is gone.
pub(super) struct Gone {
    /// Since when.
    pub(super) at: Timestamp,
    /// The name of the claim; `None` of what is not there any more, and of which nobody knows how it went.
    claim: Option<String>,
    /// Why, in its provisioner's words.
    said: Option<String>,
    /// The same, where these stand elsewhere than on the claim.
    said_elsewhere: Option<String>,
    /// How far it had come, in these words.
    reached: Option<String>,
    /// Whether no machine was ever made for it.
    pub(super) refused: bool,
}

impl Gone {
    /// The last of these claims that is on its way out although its machine never came. One whose machine was there is another matter: that one was lost, and is replaced at once.
    pub(super) fn last<'a, 'c: 'a>(claims: impl Iterator<Item = &'a Claim<'c>>) -> Option<Self> {
        let gone = claims.filter(|claim| claim.is_dying() && !claim.was_ready());
        let last = gone.filter_map(|claim| Some((claim.deleted()?, claim))).max_by_key(|(at, _)| *at);
        last.map(|(at, claim)| Gone {
            at,
            claim: Some(claim.name().to_owned()),
            said: claim.said(),
            said_elsewhere: None,
            reached: claim.reached(),
            refused: !claim.is_launched(),
        })
    }

    /// What is told of it: why, as far as that is known, and the claim whose events know more. What was said of an earlier one stands where this one went in the same way: whatever was refused then was not
    /// about a machine that was launched now.
    fn words(self, before: Option<&Record>) -> (String, String) {
        let Some(claim) = self.claim else {
            return before.map(|known| (known.said.clone(), known.silent.clone())).unwrap_or_default();
        };
        let is_silent = self.refused && self.said.is_none() && self.reached.is_none();
        let of_before = before.filter(|known| known.refused == self.refused).map(|known| known.said.clone());
        let of_before = of_before.filter(|said| !said.is_empty());
        let said = self.said.or(self.said_elsewhere).or(of_before).or(self.reached).unwrap_or_default();
        (said, if is_silent { claim } else { String::new() })
    }

    /// What is not there any more, and of which nobody knows how it went.
    pub(super) fn vanished(at: Timestamp) -> Self {
        Gone { at, claim: None, said: None, said_elsewhere: None, reached: None, refused: false }
    }

    /// With what its provisioner says elsewhere of such claims, told whether a machine was ever made for it.
    pub(super) fn or_said(self, elsewhere: impl Fn(bool) -> Option<String>) -> Self {
        match self.refused {
            true => Gone { said_elsewhere: elsewhere(false), ..self },
            false => Gone { reached: self.reached.or_else(|| elsewhere(true)), ..self },
        }
    }

    /// The same of one that went because what asked for it did: nobody refused it.
    pub(super) fn with_its_pool(self) -> Self {
        Gone { refused: false, ..self }
    }
}

/// What the Workspace carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// How many times in a row; what is deleted in the same second counts once.
    times: u32,
    /// When it happened first.
    first: Timestamp,
    /// When it happened last.
    last: Timestamp,
    /// What the provisioner said last, where it said anything.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    said: String,
    /// Whether no machine was ever made for what went away last: the cloud, or the provisioner before it, refused one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    refused: bool,
    /// The claim that was refused last, where its provisioner told nothing of it, or an event and nothing else.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    silent: String,
}

impl Record {
    /// What the Workspace carries; what somebody else has written there is as good as nothing. Nothing can have happened yet that a clock has written which was far ahead: else nothing were asked for
    /// until that time comes.
    pub(super) fn of(view: &View<'_>) -> Option<Self> {
        let now = view.now();
        let known = Self::written(view)?;
        Some(Record { first: not_after(known.first, now), last: not_after(known.last, now), ..known })
    }

    fn written(view: &View<'_>) -> Option<Self> {
        view.annotation(annotations::NODE_CLAIMS_GIVEN_UP).and_then(|text| serde_json::from_str(text).ok())
    }

    /// The record after something more is gone. What goes at a time that is far ahead went when it was last seen to go, or now.
    pub(super) fn after(before: Option<Record>, gone: Option<Gone>, now: Timestamp) -> Option<Record> {
        let Some(mut gone) = gone else { return before };
        if is_far_ahead(gone.at, now) {
            gone.at = before.as_ref().map_or(now, |known| known.last);
        }
        let refused =
            if gone.claim.is_some() { gone.refused } else { before.as_ref().is_some_and(|known| known.refused) };
        let at = gone.at;
        let (said, silent) = gone.words(before.as_ref());
        match before {
            None => Some(Record { times: 1, first: at, last: at, said, refused, silent }),
            Some(known) if known.last >= at => Some(known),
            Some(Record { times, first, .. }) => {
                Some(Record { times: times.saturating_add(1), first, last: at, said, refused, silent })
            }
        }
    }

    /// When machines may be asked for again.
    pub(super) fn asks_again(&self) -> Timestamp {
        let step = usize::try_from(self.times).unwrap_or(usize::MAX).clamp(1, PACE_MINUTES.len()) - 1;
        self.last.saturating_add(SignedDuration::from_mins(PACE_MINUTES[step])).unwrap_or(Timestamp::MAX)
    }

    /// Since when no machine is to be had, as long as none is asked for: what was launched before is another matter.
    pub(super) fn refused_at(&self, now: Timestamp) -> Option<Timestamp> {
        Some(self.last).filter(|_| self.refused && now < self.asks_again())
    }

    /// Whether this is news to a provisioner's own pace, which is quicker than ours: what comes when machines may be asked for again, or the first refusal.
    pub(super) fn is_changed_by(&self, gone: &Gone) -> bool {
        gone.at >= self.asks_again() || (gone.refused && !self.refused)
    }

    /// How often, of something by that name.
    fn words(&self, what: &str) -> String {
        let since = rfc3339(self.first);
        let times = match self.times {
            1 => format!("the {what} was deleted at {since}"),
            times => format!("{times} {what}s in a row were deleted since {since}"),
        };
        let said =
            if self.said.is_empty() { String::new() } else { format!("; the provisioner said: {}", whole(&self.said)) };
        let events = match (&*self.silent, &*self.said) {
            ("", _) => String::new(),
            (claim, said) => format!(
                "; its {}, if it had any, are in the events of NodeClaim {claim}: kubectl get event -A --field-selector involvedObject.name={claim}",
                if said.is_empty() { "words" } else { "last words" }
            ),
        };
        format!("{times}, before a machine came{said}{events}")
    }
}

/// Writes down a record that differs from what the Workspace carries, tells of it, and says when machines may be asked for again. `what` it was that went away.
pub(super) fn tell(view: &View<'_>, draft: &mut Draft, record: Option<Record>, what: &str) -> Timestamp {
    if record != Record::written(view)
        || (record.is_none() && view.annotation(annotations::NODE_CLAIMS_GIVEN_UP).is_some())
    {
        draft.push(write(view, record.as_ref()));
    }
    let Some(record) = record else { return Timestamp::MIN };
    let again = record.asks_again();
    draft.machines.given_up_since = Some(record.first);
    draft.failures.push(Failure {
        // However far behind the clock is, it is looked at again within the longest pace.
        retry: Some(again.duration_since(view.now()).min(LONGEST_PACE)).filter(SignedDuration::is_positive),
        ..Failure::new(&failure::CLAIM_GIVEN_UP, record.words(what))
    });
    again
}

fn is_far_ahead(time: Timestamp, now: Timestamp) -> bool {
    now.saturating_add(AHEAD).is_ok_and(|latest| time > latest)
}

fn not_after(time: Timestamp, now: Timestamp) -> Timestamp {
    if is_far_ahead(time, now) { now } else { time }
}

/// What the status says of names that are asked for; empty where there are none. Of what comes and goes between two looks nothing is left but its name.
pub(super) fn asked_for(mut names: Vec<String>) -> String {
    names.sort();
    names.truncate(MOST_NAMED);
    if names.is_empty() { String::new() } else { format!("{ASKED_FOR}{}", names.join(", ")) }
}

/// Puts these names where they are read: behind what is told of claims before any wait.
pub(super) fn name(draft: &mut Draft, names: &str) {
    let of_claims =
        |failure: &&mut Failure| [&failure::CLAIM_GIVEN_UP, &failure::CLAIM_REFUSED].contains(&failure.reason);
    draft.failures.iter_mut().filter(of_claims).for_each(|failure| failure.cause.push_str(names));
}

/// The names that the status says so.
pub(super) fn told<'a>(view: &'a View<'_>) -> Vec<&'a str> {
    let told = view.conditions().iter().find(|told| told.type_ == ConditionType::NodeClaimReady.as_str());
    let told = told.filter(|told| told.status == "False");
    // What is quoted of a provisioner before it names claims too; and what is told of a wait that is overdue comes behind the names.
    let asked = told.and_then(|told| told.message.rsplit_once(ASKED_FOR));
    let asked = asked.and_then(|(_, names)| names.split([';', ':']).next());
    asked.into_iter().flat_map(|names| names.split(", ")).collect()
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
