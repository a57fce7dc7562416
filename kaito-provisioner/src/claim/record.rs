//! What a claim carries of its launch: what was asked for, since when, what was refused. It survives a restart, and is written down before a request is sent, for an answer may never arrive.
//!
//! A refusal that is the answer to a request is not in it yet: it stands in the condition `Launched`, with the size that was asked for at its end, and enters the record with the next attempt.

use super::conditions::LAUNCHED;
use super::managed::annotation;
use crate::arm::errors::{LAUNCH_FAILED, OTHERWISE, ROWS, Row, classify};
use crate::class::{ErrorClass, Failure, NONE_LEFT};
use crate::operation::Operation;
use crate::pool;
use crate::pool::object::{in_parts, said};
use jiff::{SignedDuration, Timestamp};
use kaito_api::NodeClaim;
use kaito_api::vocabulary::{annotations, reasons};
use serde::{Deserialize, Serialize};

/// What is refused in a row is asked for ever later, up to this.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(5);

/// So many pools of a claim are made and fail, each of them paid for until it has, at the pace of refusals (S5-B6); then one is paid for an hour later, and then ever more rarely.
const MOST_POOLS: u32 = 3;
const LONGEST_REST_HOURS: u64 = 24;

/// A size that the cloud does not give.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RefusedSize {
    pub(super) size: String,
    /// Until when that is believed.
    pub(super) until: Timestamp,
}

/// What a claim carries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    /// What is being done, or was done last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) operation: Option<Operation>,
    /// The size that was asked for by it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) size: String,
    /// When its failure was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) failed_at: Option<Timestamp>,
    /// How often in a row it failed otherwise than for its size.
    #[serde(default)]
    pub(super) failures: u32,
    /// How many pools were made, and failed otherwise than for their size.
    #[serde(default)]
    pub(super) pools: u32,
    /// Since when, in a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) first_failure: Option<Timestamp>,
    /// Sizes that were refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) refused: Vec<RefusedSize>,
}

impl Record {
    /// What a claim carries; what somebody else has written there is as good as nothing.
    pub(super) fn of(claim: &NodeClaim) -> Self {
        let text = annotation(&claim.metadata, annotations::AGENT_POOL_LAUNCH);
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    /// As it is written. Names, times and words: there is nothing in it that JSON cannot hold.
    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Why the last attempt failed, and when, as far as it is known.
    pub(super) fn last_failure(&self, claim: &NodeClaim) -> Option<(Failure, Timestamp)> {
        let operation = self.operation.as_ref()?;
        if let Some(failure) = &operation.failure {
            return Some((failure.clone(), self.failed_at.unwrap_or(operation.started_at)));
        }
        Some((refused(claim, &self.size)?, operation.started_at))
    }

    /// The record, no time of which lies ahead: such a one was written by a clock that is wrong, and what it puts off would be put off by the whole of that.
    #[must_use]
    pub(super) fn not_after(mut self, now: Timestamp) -> Self {
        for time in [
            self.operation.as_mut().map(|operation| &mut operation.started_at),
            self.failed_at.as_mut(),
            self.first_failure.as_mut(),
        ] {
            time.into_iter().for_each(|time| *time = (*time).min(now));
        }
        let longest = ROWS.iter().filter(|row| row.class.is_about_the_size()).map(|row| row.retry_s).max();
        let latest = later(now, longest.unwrap_or_default());
        self.refused.iter_mut().for_each(|refused| refused.until = refused.until.min(latest));
        self
    }

    /// The record with one more failure in it.
    #[must_use]
    pub(super) fn after(mut self, failure: &Failure, at: Timestamp) -> Self {
        self.first_failure = self.first_failure.or(Some(at));
        if failure.class.is_about_the_size() {
            let until = later(at, row_of(failure).retry_s);
            self.refused.retain(|refused| refused.size != self.size);
            self.refused.push(RefusedSize { size: self.size.clone(), until });
        } else {
            self.failures = self.failures.saturating_add(1);
            // Only a pool that was there has a time at which it was seen to have failed.
            self.pools = self.pools.saturating_add(u32::from(self.failed_at.is_some()));
        }
        self
    }

    /// Whether enough was paid for nothing, so that the next pool is long in coming: this failure, which is in the record, was that of another pool that had been made.
    pub(super) fn is_spent(&self, failure: &Failure) -> bool {
        self.pools >= MOST_POOLS && self.failed_at.is_some() && !failure.class.is_about_the_size()
    }

    /// The sizes that are not asked for now.
    pub(super) fn refused_sizes(&self, now: Timestamp) -> Vec<&str> {
        self.refused.iter().filter(|refused| refused.until > now).map(|refused| refused.size.as_str()).collect()
    }

    /// Whether a size of the claim is left to ask for.
    pub(super) fn has_size_left(&self, claim: &NodeClaim, now: Timestamp) -> bool {
        let refused = self.refused_sizes(now);
        let is_left = |size: &String| !refused.iter().any(|other| other.eq_ignore_ascii_case(size));
        pool::sizes(claim).is_ok_and(|sizes| sizes.iter().any(is_left))
    }

    /// When the cloud is asked again after this failure, which is in the record.
    pub(super) fn asks_again(&self, claim: &NodeClaim, failure: &Failure, at: Timestamp) -> Timestamp {
        if failure.class.is_about_the_size() {
            let first = self.refused.iter().map(|refused| refused.until).min();
            return if self.has_size_left(claim, at) { at } else { first.unwrap_or(at) };
        }
        let row = row_of(failure);
        if self.is_spent(failure) {
            let hours = LONGEST_REST_HOURS.min(1 << (self.pools - MOST_POOLS).min(8));
            return later(at, row.retry_s.max(hours * 3600));
        }
        if failure.class.is_terminal() {
            return later(at, row.retry_s);
        }
        let doubled = row.retry_s.saturating_mul(1_u64 << self.failures.saturating_sub(1).min(8));
        let longest = u64::try_from(LONGEST_PAUSE.as_secs()).unwrap_or_default();
        later(at, doubled.min(longest.max(row.retry_s)))
    }
}

/// What follows the cloud's words where a request was refused: which attempt they are about. What is done next follows it.
pub(super) fn about(size: &str) -> String {
    format!(" (size {size})")
}

/// The refusal of a request for this size, as the condition `Launched` tells it.
fn refused(claim: &NodeClaim, size: &str) -> Option<Failure> {
    let condition = claim.condition(LAUNCHED).filter(|condition| condition.status != "True")?;
    let (words, outlook) = condition.message.rsplit_once(&about(size))?;
    if !outlook.is_empty() && !outlook.starts_with("; ") {
        return None;
    }
    let words = words.strip_suffix(NONE_LEFT).map_or(words, |words| words.trim_end_matches("; "));
    if condition.reason == reasons::AWAITING_RECONCILIATION {
        return Some(passing(words));
    }
    let class = class_of(&condition.reason, condition.status == "False");
    Some(Failure::new(class, condition.reason.clone(), words))
}

/// A refusal that passes by itself, which is told without its own reason.
fn passing(words: &str) -> Failure {
    let parts = in_parts(words);
    let found = said(&parts.code, &parts.message);
    let passes = matches!(found.class, ErrorClass::Conflict | ErrorClass::Throttled | ErrorClass::Superseded);
    if passes { found } else { Failure::new(ErrorClass::Conflict, "OperationInProgress", words) }
}

/// The class that a reason stands for, beside whether the claim was given up.
fn class_of(reason: &str, is_given_up: bool) -> ErrorClass {
    match reason {
        LAUNCH_FAILED if is_given_up => ErrorClass::Invalid,
        LAUNCH_FAILED => ErrorClass::Unknown,
        reason => ROWS.iter().find(|row| row.reason == reason).map_or(ErrorClass::Unknown, |row| row.class),
    }
}

/// The row that says how long to wait: that of the words, else of reason and class.
fn row_of(failure: &Failure) -> &'static Row {
    let (row, _) = classify(None, &[in_parts(&failure.message)]);
    if row.class == failure.class {
        return row;
    }
    let of_class = || ROWS.iter().filter(|row| row.class == failure.class);
    of_class().find(|row| row.reason == failure.reason).or_else(|| of_class().next()).unwrap_or(&OTHERWISE)
}

fn later(at: Timestamp, seconds: u64) -> Timestamp {
    let pause = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
    at.saturating_add(pause).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::Doing;
    use crate::pool::PoolName;
    use serde_json::json;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn claim(sizes: &[&str], launched: [&str; 3]) -> NodeClaim {
        let [status, reason, message] = launched;
        let size = json!({"key": "node.kubernetes.io/instance-type", "operator": "In", "values": sizes});
        serde_json::from_value(json!({
            "metadata": {"name": "a"}, "spec": {"requirements": [size]},
            "status": {"conditions": [{"type": "Launched", "status": status, "reason": reason, "message": message}]},
        }))
        .unwrap()
    }

    fn asked(size: &str) -> Record {
        let operation = Operation::begin(PoolName::parse("a").unwrap(), Doing::Create, at(0));
        Record { operation: Some(operation), size: size.to_owned(), ..Record::default() }
    }

    #[test]
    fn a_refusal_is_about_the_attempt_whose_size_it_names() {
        for (status, reason, message, class) in [
            ("Unknown", "AwaitingReconciliation", "object is awaiting reconciliation", None),
            ("Unknown", "AllocationFailure", "AllocationFailed: none (size A)", Some(ErrorClass::StockOut)),
            ("Unknown", "AllocationFailure", "AllocationFailed: none (size B)", None),
            (
                "False",
                "SubscriptionQuotaReached",
                "QuotaExceeded: x; all requested instance types were unavailable during launch (size A)",
                Some(ErrorClass::Quota),
            ),
            ("False", "LaunchFailed", "InvalidParameter: x (size A)", Some(ErrorClass::Invalid)),
            ("Unknown", "LaunchFailed", "InternalServerError: x (size A)", Some(ErrorClass::Unknown)),
            ("Unknown", "AwaitingReconciliation", "OperationNotAllowed: busy (size A)", Some(ErrorClass::Conflict)),
            ("Unknown", "NotAuthorized", "AuthorizationFailed: x (size A); next: asks again", Some(ErrorClass::Auth)),
            ("Unknown", "NotAuthorized", "AuthorizationFailed: x (size A)?", None),
            ("True", "Launched", " (size A)", None),
        ] {
            let claim = claim(&["A", "B"], [status, reason, message]);
            let found = asked("A").last_failure(&claim);
            assert_eq!(found.as_ref().map(|(failure, _)| failure.class), class, "{message}");
            assert!(found.is_none_or(
                |(failure, _)| !failure.message.contains("size") && !failure.message.contains("all requested")
            ));
        }
    }

    #[test]
    fn a_size_that_is_out_is_left_for_an_hour_and_the_next_is_asked_for_at_once() {
        let claim = claim(&["A", "B"], ["Unknown", "", ""]);
        let out = Failure::new(ErrorClass::StockOut, "AllocationFailure", "AllocationFailed: none");
        let record = asked("A").after(&out, at(10));
        assert_eq!(record.refused_sizes(at(3609)), ["A"]);
        assert_eq!(record.refused_sizes(at(3610)), [""; 0]);
        assert_eq!(record.asks_again(&claim, &out, at(10)), at(10));
        let record = Record { size: "B".to_owned(), ..record }.after(&out, at(20));
        assert!(!record.has_size_left(&claim, at(20)));
        assert_eq!(record.asks_again(&claim, &out, at(20)), at(3610));
    }

    #[test]
    fn what_passes_is_asked_again_ever_later_and_what_is_final_after_its_own_time() {
        let claim = claim(&["A"], ["Unknown", "", ""]);
        let busy = Failure::new(ErrorClass::Conflict, "OperationInProgress", "busy");
        let mut record = asked("A");
        let mut pauses = Vec::new();
        for _ in 0..6 {
            record = record.after(&busy, at(0));
            pauses.push(record.asks_again(&claim, &busy, at(0)).as_second());
        }
        assert_eq!(pauses, [30, 60, 120, 240, 300, 300]);
        let wrong = Failure::new(ErrorClass::Invalid, LAUNCH_FAILED, "InvalidParameter: x");
        assert_eq!(asked("A").after(&wrong, at(0)).asks_again(&claim, &wrong, at(0)), at(3600));
    }

    #[test]
    fn pools_that_were_made_and_failed_are_counted_and_requests_that_were_refused_are_not() {
        let sick = Failure::new(ErrorClass::Unknown, LAUNCH_FAILED, "NodesNotReady: x");
        let refused = (0..9).fold(asked("A"), |record, _| record.after(&sick, at(0)));
        assert!(!refused.is_spent(&sick));
        let made = |record: Record| Record { failed_at: Some(at(0)), ..record }.after(&sick, at(0));
        let two = made(made(refused));
        let three = made(two.clone());
        assert!(!two.is_spent(&sick) && three.is_spent(&sick));
        assert!(crate::claim::waits::RESTING.next.contains(&format!(": {MOST_POOLS} agent pools")));
        let out = Failure::new(ErrorClass::StockOut, "AllocationFailure", "AllocationFailed: none");
        let another_size = Record { failed_at: Some(at(0)), ..two }.after(&out, at(0));
        assert!(!another_size.is_spent(&out), "a size that is out costs nothing");
        let asked_later = Record { failed_at: None, ..three }.after(&sick, at(0));
        assert!(!asked_later.is_spent(&sick), "a request that is refused costs nothing either");
    }

    #[test]
    fn what_is_paid_for_and_fails_is_asked_for_an_hour_later_then_ever_more_rarely_and_never_given_up() {
        let claim = claim(&["A"], ["Unknown", "", ""]);
        let sick = Failure::new(ErrorClass::Unknown, LAUNCH_FAILED, "NodesNotReady: x");
        let mut record = asked("A");
        let mut hours = Vec::new();
        for _ in 0..40 {
            record = Record { failed_at: Some(at(0)), ..record }.after(&sick, at(0));
            hours.push(record.asks_again(&claim, &sick, at(0)).as_second() / 3600);
        }
        assert_eq!(hours[..9], [0, 0, 1, 2, 4, 8, 16, 24, 24]);
        assert_eq!(hours.last(), Some(&24));
    }

    #[test]
    fn it_reads_back_what_it_wrote_and_nothing_else() {
        let out = Failure::new(ErrorClass::StockOut, "AllocationFailure", "AllocationFailed: none");
        let record = asked("A").after(&out, at(10));
        let mut carrier = claim(&["A"], ["Unknown", "", ""]);
        let annotations = carrier.metadata.annotations.get_or_insert_default();
        annotations.insert(annotations::AGENT_POOL_LAUNCH.to_owned(), record.text());
        assert_eq!(Record::of(&carrier), record);
        let annotations = carrier.metadata.annotations.get_or_insert_default();
        annotations.insert(annotations::AGENT_POOL_LAUNCH.to_owned(), "{\"size\":1}".to_owned());
        assert_eq!(Record::of(&carrier), Record::default());
    }
}
