//! Conditions of a NodeClaim, as Karpenter writes them (spec/05 §1.1): [`ROOT`] holds when all of [`DEPENDENTS`] do. Others stay as they are.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kaito_api::NodeClaim;
use kaito_api::karpenter::NodeClaimCondition;
use kaito_api::vocabulary::reasons;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// The machine is made, and is known by its Node.
pub const LAUNCHED: &str = "Launched";
/// The Node carries what its claim gives it.
pub const REGISTERED: &str = "Registered";
/// The Node is ready, and has what was asked for.
pub const INITIALIZED: &str = "Initialized";
/// Pods have left the Node.
pub const DRAINED: &str = "Drained";
/// The machine is being given back.
pub const INSTANCE_TERMINATING: &str = "InstanceTerminating";
/// The Node is well. Karpenter has no such condition: it is there once a Node was not, and only tells why its machine is kept.
pub const HEALTHY: &str = "NodeHealthy";
/// Holds when all of [`DEPENDENTS`] do.
pub const ROOT: &str = "Ready";
/// What [`ROOT`] stands on.
pub const DEPENDENTS: [&str; 3] = [INITIALIZED, LAUNCHED, REGISTERED];

/// The schema's limit on a message, in characters.
const MESSAGE_LIMIT: usize = 32_768;

/// By how much clocks differ of which none is wrong.
const SKEW: SignedDuration = SignedDuration::from_mins(90);

/// What one condition shall say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Saying {
    pub(super) status: &'static str,
    pub(super) reason: String,
    pub(super) message: String,
    /// What it tells of began then, by the API server's clock or by one that was trusted before: no transition is written to be older, whatever the clock here says now.
    pub(super) began: Option<Timestamp>,
}

impl Saying {
    pub(super) fn new(status: &'static str, reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status, reason: reason.into(), message: message.into(), began: None }
    }

    /// It holds.
    pub(super) fn yes(condition: &str) -> Self {
        Self::new("True", condition, "")
    }

    /// It is not known yet.
    pub(super) fn not_yet(reason: &str, message: impl Into<String>) -> Self {
        Self::new("Unknown", reason, message)
    }

    fn awaited() -> Self {
        Self::not_yet(reasons::AWAITING_RECONCILIATION, "object is awaiting reconciliation")
    }
}

/// The conditions after what is said of some; what is said of none stays, and speaks of this generation.
pub(super) fn merge(
    claim: &NodeClaim,
    said: &BTreeMap<&'static str, Saying>,
    now: Timestamp,
) -> Vec<NodeClaimCondition> {
    let generation = claim.metadata.generation;
    let is_dying = claim.metadata.deletion_timestamp.is_some();
    let created = claim.metadata.creation_timestamp.as_ref().map_or(now, |time| time.0);
    let old = claim.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let mut all: Vec<NodeClaimCondition> = Vec::new();
    for condition in old.iter().filter(|condition| condition.type_ != ROOT) {
        let ours = DEPENDENTS.contains(&condition.type_.as_str()) || is_dying;
        let mut kept = condition.clone();
        if ours {
            kept.observed_generation = generation;
        }
        all.push(kept);
    }
    for type_ in DEPENDENTS {
        if !all.iter().any(|condition| condition.type_ == type_) {
            all.push(written(type_, &Saying::awaited(), created, generation));
        }
    }
    for (type_, saying) in said {
        let earliest = saying.began.map_or(now, |began| began.max(now));
        match all.iter_mut().find(|condition| condition.type_ == *type_) {
            Some(condition) => {
                let since = condition.last_transition_time.take().filter(|_| condition.status == saying.status);
                // Where nothing is waited for, it may stay as it is.
                let since = since.filter(|time| saying.began.is_none() || !is_far_ahead(time.0, now));
                *condition = written(type_, saying, since.map_or(earliest, |time| time.0), generation);
            }
            None => all.push(written(type_, saying, earliest, generation)),
        }
    }
    let root = root_of(&all);
    all.sort_by(|a, b| (time(a), &a.type_).cmp(&(time(b), &b.type_)));
    let before = old.iter().find(|condition| condition.type_ == ROOT);
    let since =
        before.filter(|before| before.status == root.status).and_then(|before| before.last_transition_time.clone());
    all.push(written(ROOT, &root, since.map_or(now, |time| time.0), generation));
    all
}

/// Whether a time was written by a clock that was wrong, and not by one that only differs from ours: what waited from it would wait for as long as that clock was ahead.
pub(super) fn is_far_ahead(time: Timestamp, now: Timestamp) -> bool {
    now.checked_add(SKEW).is_ok_and(|latest| time > latest)
}

/// What the root says of the dependents: the offending ones, the newest first.
fn root_of(all: &[NodeClaimCondition]) -> Saying {
    let mut offending: Vec<&NodeClaimCondition> = all
        .iter()
        .filter(|condition| DEPENDENTS.contains(&condition.type_.as_str()) && condition.status != "True")
        .collect();
    offending.sort_by(|a, b| (Reverse(time(a)), &a.type_).cmp(&(Reverse(time(b)), &b.type_)));
    let told: Vec<String> =
        offending.iter().map(|condition| format!("{}={}", condition.type_, condition.status)).collect();
    let message = told.join(", ");
    if offending.is_empty() {
        Saying::yes(ROOT)
    } else if offending.iter().any(|condition| condition.status == "False") {
        Saying::new("False", "UnhealthyDependents", message)
    } else {
        Saying::not_yet("ReconcilingDependents", message)
    }
}

fn written(type_: &str, saying: &Saying, since: Timestamp, generation: Option<i64>) -> NodeClaimCondition {
    NodeClaimCondition {
        type_: type_.to_owned(),
        status: saying.status.to_owned(),
        reason: saying.reason.clone(),
        message: saying.message.chars().take(MESSAGE_LIMIT).collect(),
        last_transition_time: Some(Time(since)),
        observed_generation: generation,
    }
}

fn time(condition: &NodeClaimCondition) -> Option<Timestamp> {
    condition.last_transition_time.as_ref().map(|time| time.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn claim(conditions: &[NodeClaimCondition]) -> NodeClaim {
        let mut claim: NodeClaim = serde_json::from_value(json!({
            "metadata": {"name": "a", "generation": 2, "creationTimestamp": "1970-01-01T00:00:01Z"}, "spec": {}, "status": {}
        }))
        .unwrap();
        claim.status.as_mut().unwrap().conditions = conditions.to_vec();
        claim
    }

    fn after(before: &[NodeClaimCondition], said: &[(&'static str, Saying)], second: i64) -> Vec<NodeClaimCondition> {
        merge(&claim(before), &said.iter().cloned().collect(), at(second))
    }

    fn told(conditions: &[NodeClaimCondition]) -> Vec<String> {
        let told = conditions
            .iter()
            .map(|c| format!("{} {} {} {} {}", time(c).unwrap().as_second(), c.type_, c.status, c.reason, c.message));
        told.map(|text| text.trim_end().to_owned()).collect()
    }

    #[test]
    fn a_fresh_claim_awaits_everything_since_it_was_made() {
        let all = after(&[], &[], 5);
        let awaited = "Unknown AwaitingReconciliation object is awaiting reconciliation";
        assert_eq!(
            told(&all),
            [
                format!("1 Initialized {awaited}"),
                format!("1 Launched {awaited}"),
                format!("1 Registered {awaited}"),
                "5 Ready Unknown ReconcilingDependents Initialized=Unknown, Launched=Unknown, Registered=Unknown"
                    .to_owned(),
            ]
        );
        assert!(all.iter().all(|condition| condition.observed_generation == Some(2)));
        assert_eq!(told(&after(&all, &[], 9)), told(&all), "said twice, it is the same");
    }

    #[test]
    fn the_root_is_as_bad_as_the_worst_and_tells_the_newest_first() {
        let launched = after(&[], &[(LAUNCHED, Saying::yes(LAUNCHED))], 5);
        assert_eq!(told(&launched)[3], "5 Ready Unknown ReconcilingDependents Initialized=Unknown, Registered=Unknown");
        let two = Saying::new("False", "MultipleNodesFound", "");
        let refused = after(&launched, &[(REGISTERED, two)], 7);
        assert_eq!(told(&refused)[3], "7 Ready False UnhealthyDependents Registered=False, Initialized=Unknown");
        let all = DEPENDENTS.map(|type_| (type_, Saying::yes(type_)));
        let ready = after(&refused, &all, 9);
        assert_eq!(
            told(&ready),
            [
                "5 Launched True Launched",
                "9 Initialized True Initialized",
                "9 Registered True Registered",
                "9 Ready True Ready"
            ]
        );
    }

    #[test]
    fn conditions_of_others_stay_and_a_transition_is_one_of_the_status() {
        let foreign: Value = json!({"type": "Drifted", "status": "True", "observedGeneration": 1, "lastTransitionTime": "1970-01-01T00:00:03Z"});
        let foreign: NodeClaimCondition = serde_json::from_value(foreign).unwrap();
        let first = after(std::slice::from_ref(&foreign), &[(LAUNCHED, Saying::not_yet("a", "x"))], 5);
        let second = after(&first, &[(LAUNCHED, Saying::not_yet("b", "y"))], 8);
        assert!(second.contains(&foreign));
        assert!(told(&second).contains(&"1 Launched Unknown b y".to_owned()), "{:?}", told(&second));
    }
}
