//! An agent pool as Azure shows it.

use super::{PoolName, read_stamp, stamp};
use crate::class::Failure;
use jiff::Timestamp;
use kaito_api::NodeClaim;
use kaito_api::vocabulary::labels;
use std::collections::BTreeMap;

/// How far a pool is. The list of Azure's words is open (spec/05 §7.2); case does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PoolState {
    /// It is as it was asked for.
    Succeeded,
    /// It is not, and nobody works on it. It is paid for until it is deleted.
    Failed,
    /// Somebody has stopped what was being done to it.
    Canceled,
    /// It goes away.
    Deleting,
    /// It is being made.
    Creating,
    /// Something else is being done to it, in Azure's word: `Updating`, `Upgrading`, `Scaling`.
    Busy(String),
}

impl PoolState {
    /// A state by Azure's word; a pool of which nothing is said is as it was asked for (spec/05 §7.3).
    pub fn parse(word: &str) -> Self {
        let known = [
            ("", Self::Succeeded),
            ("succeeded", Self::Succeeded),
            ("failed", Self::Failed),
            ("canceled", Self::Canceled),
            ("cancelled", Self::Canceled),
            ("creating", Self::Creating),
        ];
        let lower = word.trim().to_ascii_lowercase();
        if lower.contains("deleting") {
            return Self::Deleting;
        }
        let found = known.into_iter().find(|(text, _)| *text == lower);
        found.map_or_else(|| Self::Busy(kaito_core::words::quoted(word)), |(_, state)| state)
    }

    /// Azure's word, where it is known.
    pub fn word(&self) -> &str {
        match self {
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Canceled => "Canceled",
            Self::Deleting => "Deleting",
            Self::Creating => "Creating",
            Self::Busy(word) => word,
        }
    }
}

/// An agent pool, as far as a decision depends on it. Everything but the name may be absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolSeen {
    /// Its name.
    pub name: PoolName,
    /// How far it is.
    pub state: PoolState,
    /// Why it is not as it was asked for, in Azure's words: the outcome of an operation that nobody has waited for (`properties.status.provisioningError`).
    pub failure: Option<Failure>,
    /// The size of its machines.
    pub size: String,
    /// How many machines it has.
    pub count: i64,
    /// Labels of its nodes.
    pub labels: BTreeMap<String, String>,
    /// Tags of the pool.
    pub tags: BTreeMap<String, String>,
    /// The image of its nodes; empty before they are made.
    pub image: String,
    /// Its version, for a deletion that means this very pool.
    pub etag: Option<String>,
    /// Whether it is a spot pool.
    pub is_spot: bool,
}

impl PoolSeen {
    /// Whether this provisioner, or the one before it, has made the pool: it carries the node pool's label, and says for whom it is. All others are never touched (I6).
    pub fn is_ours(&self) -> bool {
        let has = |key: &str| self.labels.contains_key(key);
        has(labels::NODE_POOL) && (has(labels::WORKSPACE) || has(labels::RAG_ENGINE) || has(labels::KAITO_NODE_CLASS))
    }

    /// Whether something is being done to it.
    pub fn is_busy(&self) -> bool {
        matches!(self.state, PoolState::Creating | PoolState::Deleting | PoolState::Busy(_))
    }

    /// When the claim was created that the pool was made for, if its label says so.
    pub fn claim_created(&self) -> Option<Timestamp> {
        read_stamp(self.labels.get(labels::CREATION_TIMESTAMP)?)
    }

    /// Whether it was made for this very claim, and not for an earlier one of its name: a name comes back when a slot is filled again. A pool without a time is believed by its name.
    pub fn is_of(&self, claim: &NodeClaim) -> bool {
        let is_named = claim.metadata.name.as_deref() == Some(self.name.as_str());
        let created = claim.metadata.creation_timestamp.as_ref().map(|time| stamp(time.0));
        is_named && self.claim_created().is_none_or(|time| created.is_none_or(|created| stamp(time) == created))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pool_is_of_the_claim_whose_time_it_bears() {
        let pool = |labels: &[(&str, &str)]| PoolSeen {
            name: PoolName::parse("a").unwrap(),
            state: PoolState::Succeeded,
            failure: None,
            size: String::new(),
            count: 1,
            labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            tags: BTreeMap::new(),
            image: String::new(),
            etag: None,
            is_spot: false,
        };
        let claim = |name: &str, created: &str| -> NodeClaim {
            serde_json::from_value(json!({"metadata": {"name": name, "creationTimestamp": created}, "spec": {}}))
                .unwrap()
        };
        let (time, label) = ("2026-01-02T03:04:05Z", "2026-01-02T03-04-05Z");
        for (name, created, labelled, is_of) in [
            ("a", time, Some(label), true),
            ("a", "2026-01-02T03:04:06Z", Some(label), false),
            ("b", time, Some(label), false),
            ("a", time, None, true),
            ("a", time, Some(time), true),
        ] {
            let labels: Vec<(&str, &str)> =
                labelled.into_iter().map(|value| (labels::CREATION_TIMESTAMP, value)).collect();
            assert_eq!(pool(&labels).is_of(&claim(name, created)), is_of, "{name} {created} {labelled:?}");
        }
        for (keys, is_ours) in [
            (&["karpenter.sh/nodepool", "kaito.sh/workspace"][..], true),
            (&["karpenter.sh/nodepool", "kaito.sh/ragengine"], true),
            (&["karpenter.sh/nodepool", "kaito.sh/kaitonodeclass"], true),
            (&["karpenter.sh/nodepool"], false),
            (&["kaito.sh/workspace"], false),
            (&[], false),
        ] {
            let labels: Vec<(&str, &str)> = keys.iter().map(|key| (*key, "")).collect();
            assert_eq!(pool(&labels).is_ours(), is_ours, "{keys:?}");
        }
    }

    #[test]
    fn states_are_read_in_any_case_and_others_are_somebody_at_work() {
        for (word, state) in [
            ("Succeeded", PoolState::Succeeded),
            ("", PoolState::Succeeded),
            ("deleting", PoolState::Deleting),
            ("FAILED", PoolState::Failed),
            ("Canceled", PoolState::Canceled),
            ("Creating", PoolState::Creating),
            ("UpgradingNodeImageVersion", PoolState::Busy("UpgradingNodeImageVersion".to_owned())),
        ] {
            assert_eq!(PoolState::parse(word), state);
        }
    }
}
