//! How new findings are merged into the conditions of a status.
//!
//! Order, transition times and wording are stable, so that a status which says the same is the same, byte for byte, and is not written again.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kaito_api::vocabulary::ConditionType;

/// The schema's limit on a message, in characters.
const MESSAGE_LIMIT: usize = 32_768;

/// What one condition shall say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// About what.
    pub condition: ConditionType,
    /// Yes or no.
    pub holds: bool,
    /// UpperCamelCase, from the vocabulary or the failure catalogue.
    pub reason: String,
    /// In words.
    pub message: String,
}

impl Finding {
    /// A condition that holds.
    pub fn yes(condition: ConditionType, reason: &str, message: impl Into<String>) -> Self {
        Self { condition, holds: true, reason: reason.to_owned(), message: message.into() }
    }

    /// A condition that does not hold.
    pub fn no(condition: ConditionType, reason: &str, message: impl Into<String>) -> Self {
        Self { condition, holds: false, reason: reason.to_owned(), message: message.into() }
    }
}

/// The conditions after these findings. `ours` are the types that this planner speaks for: one of them that was not found is dropped. Conditions of other types stay as they are.
/// `lastTransitionTime` moves only when a status flips; every finding carries the generation it was made from.
pub fn merge(
    old: &[Condition],
    findings: &[Finding],
    ours: &[ConditionType],
    generation: i64,
    now: Timestamp,
) -> Vec<Condition> {
    let is_of_others = |condition: &&Condition| !ours.iter().any(|ours| ours.as_str() == condition.type_);
    let mut merged: Vec<Condition> = old.iter().filter(is_of_others).cloned().collect();
    for finding in findings {
        let status = if finding.holds { "True" } else { "False" };
        let before = old.iter().find(|condition| condition.type_ == finding.condition.as_str());
        let since = before
            .filter(|condition| condition.status == status)
            .map(|condition| condition.last_transition_time.clone());
        merged.push(Condition {
            last_transition_time: since.unwrap_or(Time(now)),
            message: finding.message.chars().take(MESSAGE_LIMIT).collect(),
            observed_generation: Some(generation),
            reason: finding.reason.clone(),
            status: status.to_owned(),
            type_: finding.condition.as_str().to_owned(),
        });
    }
    merged.sort_by(|a, b| a.type_.cmp(&b.type_));
    merged
}

/// Since when a condition has had this status, whatever its reason was.
pub fn since(conditions: &[Condition], condition: ConditionType, holds: bool) -> Option<Timestamp> {
    let status = if holds { "True" } else { "False" };
    conditions.iter().find(|c| c.type_ == condition.as_str() && c.status == status).map(|c| c.last_transition_time.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_transition_time_moves_only_when_the_status_flips() {
        let ours = [ConditionType::NodesReady, ConditionType::ResourceReady];
        let first = merge(&[], &[Finding::no(ours[0], "NodeNotReady", "0 of 1")], &ours, 1, at(10));
        let same = merge(&first, &[Finding::no(ours[0], "NodePluginsNotReady", "no GPU yet")], &ours, 2, at(20));
        assert_eq!((same[0].last_transition_time.0, same[0].observed_generation), (at(10), Some(2)));
        let flipped = merge(&same, &[Finding::yes(ours[0], "NodesReady", "1 of 1")], &ours, 2, at(30));
        assert_eq!(flipped[0].last_transition_time.0, at(30));
    }

    #[test]
    fn what_is_no_longer_found_goes_and_what_is_not_ours_stays() {
        let ours = [ConditionType::NodesReady];
        let mut old = merge(&[], &[Finding::yes(ours[0], "NodesReady", "")], &ours, 1, at(1));
        old.push(Condition { type_: "Foreign".into(), ..old[0].clone() });
        let left: Vec<String> = merge(&old, &[], &ours, 1, at(2)).into_iter().map(|c| c.type_).collect();
        assert_eq!(left, ["Foreign"]);
    }
}
