//! One NodeClaim, and what its provisioner says of it.

use crate::effect::is_dying;
use crate::object::{Malformed, Seen};
use crate::snapshot::Listing;
use crate::words::whole;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kaito_api::karpenter::{NodeClaim, NodeClaimCondition};
use kaito_api::vocabulary::{labels, reasons};

/// A stage that Karpenter reports.
pub(super) struct Stage {
    /// The type of its condition.
    pub(super) name: &'static str,
    /// Statuses with which the condition refuses. A launch that failed is `Unknown`, with the cloud's own reason and words (Karpenter `lifecycle/launch.go`: `SetUnknownWithReason`),
    /// because it is tried again; a machine that has not joined yet is `Unknown` too, and refused by nobody.
    refused_as: &'static [&'static str],
}

/// The stages, in their order.
pub(super) const LIFE_CYCLE: [Stage; 3] = [
    Stage { name: "Launched", refused_as: &["False", "Unknown"] },
    Stage { name: "Registered", refused_as: &["False"] },
    Stage { name: "Initialized", refused_as: &["False"] },
];

/// The stages of its end that Karpenter reports, the last first.
const LEAVING: [&str; 3] = ["InstanceTerminating", "VolumesDetached", "Drained"];

/// Reasons that mean no more than "not yet".
const NOT_YET: [&str; 4] = [reasons::AWAITING_RECONCILIATION, "NotLaunched", "NotRegistered", "NotInitialized"];

/// The reason of a machine that has not joined, of which nobody knows why.
const NODE_NOT_FOUND: &str = "NodeNotFound";

/// What Karpenter writes before it knows anything.
const UNTOLD: &str = "object is awaiting reconciliation";

/// One claim of the Workspace.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim<'a> {
    pub(super) metadata: &'a ObjectMeta,
    /// The claim, or the decoder's words: an unreadable claim still fills its slot, for a machine may stand behind it.
    pub(super) body: Result<&'a NodeClaim, &'a Malformed>,
    /// Slot and incarnation; `None` for claims that an older operator made.
    pub(super) place: Option<(u32, u32)>,
}

impl<'a> Claim<'a> {
    /// Every claim of a listing, those that cannot be read included, by age.
    pub(super) fn all(listing: Listing<'a, NodeClaim>) -> Vec<Self> {
        let readable = listing.items.into_iter().map(|claim| (&claim.metadata, Ok(claim)));
        let unreadable = listing.malformed.into_iter().map(|malformed| (malformed.metadata.as_ref(), Err(malformed)));
        let mut all: Vec<Claim<'a>> = readable
            .chain(unreadable)
            .map(|(metadata, body)| Claim { metadata, body, place: place_of(metadata) })
            .collect();
        all.sort_by_key(|claim| (claim.metadata.creation_timestamp.clone(), claim.name()));
        all
    }

    pub(super) fn name(&self) -> &'a str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    pub(super) fn is_dying(&self) -> bool {
        is_dying(self.metadata)
    }

    /// Ready by its own condition; a claim of an old provisioner without one is ready when it names its node.
    pub(super) fn is_ready(&self) -> bool {
        self.body.is_ok_and(|body| {
            body.condition("Ready").map_or(body.node_name().is_some(), |ready| ready.status == "True")
        })
    }

    /// The uid of the Workspace that it was made for; an older operator did not write it down.
    pub(super) fn uid_of_owner(&self) -> Option<&'a str> {
        label(self.metadata, labels::WORKSPACE_UID)
    }

    pub(super) fn seen(&self) -> Seen {
        match self.body {
            Ok(body) => Seen::Decoded(crate::kinds::Typed::into_object(body.clone())),
            Err(malformed) => Seen::Malformed(malformed.clone()),
        }
    }

    /// Since when it is not ready: since it was, or, for one that never was, since it was made. `None` for one that is.
    pub(super) fn not_ready_since(&self) -> Option<Timestamp> {
        if self.is_ready() {
            return None;
        }
        let lost = || self.body.ok()?.condition("Ready")?.last_transition_time.as_ref().map(|time| time.0);
        self.was_ready().then(lost).flatten().or_else(|| self.made())
    }

    /// Whether its machine came once, whatever became of it since. One that cannot be read may have.
    pub(super) fn was_ready(&self) -> bool {
        self.is_ready() || self.body.is_ok_and(|body| body.is_true("Initialized")) || self.body.is_err()
    }

    /// Whether its machine was made, whatever became of it since. One that cannot be read may have one.
    pub(super) fn is_launched(&self) -> bool {
        let has_machine = |body: &NodeClaim| {
            let names_one = body.status.as_ref().is_some_and(|status| !status.provider_id.is_empty());
            names_one || body.is_true("Launched")
        };
        self.was_ready() || self.body.is_ok_and(has_machine)
    }

    /// The stage that the provisioner refuses, in its own words: the first that says why and does not mean "not yet".
    pub(super) fn refusal(&self) -> Option<&'a NodeClaimCondition> {
        let body = self.body.ok()?;
        let said = LIFE_CYCLE.iter().filter_map(|stage| Some((stage, body.condition(stage.name)?)));
        let mut refused = said.filter(|(stage, condition)| {
            stage.refused_as.contains(&condition.status.as_str())
                && !NOT_YET.contains(&condition.reason.as_str())
                && !condition.message.is_empty()
        });
        refused.next().map(|(_, condition)| condition)
    }

    /// When somebody asked for its deletion.
    pub(super) fn deleted(&self) -> Option<Timestamp> {
        self.metadata.deletion_timestamp.as_ref().map(|time| time.0)
    }

    /// When its machine was last seen to make progress on its way to a Node: it registered, it was launched, it was asked for.
    pub(super) fn progressed(&self) -> Option<Timestamp> {
        let reached = |stage| {
            let condition = self.body.ok()?.condition(stage).filter(|condition| condition.status == "True")?;
            condition.last_transition_time.as_ref().map(|time| time.0)
        };
        reached("Registered").or_else(|| reached("Launched")).or_else(|| self.made())
    }

    /// How far it has come, in the provisioner's own words: the first stage that is not reached and of which something is said.
    pub(super) fn standing(&self) -> Option<String> {
        self.stage().map(|stage| self.words_of(stage))
    }

    fn stage(&self) -> Option<&'a NodeClaimCondition> {
        let body = self.body.ok()?;
        let conditions = LIFE_CYCLE.iter().filter_map(|stage| body.condition(stage.name));
        conditions.filter(|stage| stage.status != "True").find(|stage| !stage.message.is_empty())
    }

    fn words_of(&self, stage: &NodeClaimCondition) -> String {
        format!("NodeClaim {}: {}: {}", self.name(), stage.type_, whole(&stage.message))
    }

    /// What its end waits for, in the provisioner's own words.
    pub(super) fn leaving(&self) -> Option<String> {
        let body = self.body.ok()?;
        let said = LEAVING.iter().filter_map(|stage| body.condition(stage));
        let stage = said.into_iter().find(|stage| !stage.message.is_empty())?;
        Some(self.words_of(stage))
    }

    /// Why its machine did not come, in its provisioner's words.
    pub(super) fn said(&self) -> Option<String> {
        let refusal = self.refusal().map(|condition| format!("{}: {}", condition.reason, condition.message));
        let tells = |stage: &&NodeClaimCondition| !NOT_YET.contains(&&*stage.reason) && stage.reason != NODE_NOT_FOUND;
        let refusal = refusal.or_else(|| self.stage().filter(tells).map(|stage| self.words_of(stage)));
        refusal.map(|words| whole(&words))
    }

    /// How far it had come, for want of anything that says why.
    pub(super) fn reached(&self) -> Option<String> {
        self.stage().filter(|stage| stage.message != UNTOLD).map(|stage| self.words_of(stage))
    }

    /// When it was made.
    pub(super) fn made(&self) -> Option<Timestamp> {
        self.metadata.creation_timestamp.as_ref().map(|time| time.0)
    }

    pub(super) fn slot(&self) -> Option<u32> {
        self.place.map(|(slot, _)| slot)
    }
}

fn label<'m>(metadata: &'m ObjectMeta, key: &str) -> Option<&'m str> {
    metadata.labels.as_ref()?.get(key).map(String::as_str)
}

fn place_of(metadata: &ObjectMeta) -> Option<(u32, u32)> {
    let number = |key| label(metadata, key).and_then(|text| text.parse().ok());
    Some((number(labels::NODE_SLOT)?, number(labels::NODE_INCARNATION)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn words_of_a_provisioner_are_told_to_their_end() {
        let message = format!("ScopeLocked: {}; remove the lock of the resource group", "x".repeat(1500));
        let condition = |type_: &str, status: &str, reason: &str| json!({"type": type_, "status": status, "reason": reason, "message": message, "lastTransitionTime": null});
        let not_told = |type_: &str| json!({"type": type_, "status": "True", "reason": type_, "message": "", "lastTransitionTime": null});
        for (is_leaving, conditions) in [
            (false, vec![condition("Launched", "Unknown", "NotLaunched")]),
            (false, vec![condition("Launched", "False", "Refused")]),
            (true, vec![condition("InstanceTerminating", "Unknown", "Failed")]),
            (true, vec![not_told("Drained"), condition("VolumesDetached", "Unknown", "AwaitingVolumeDetachment")]),
        ] {
            let body: NodeClaim = serde_json::from_value(json!({
                "metadata": {"name": "a"}, "status": {"conditions": conditions},
                "spec": {"nodeClassRef": {"group": "kaito.sh", "kind": "KaitoNodeClass", "name": "default"}, "requirements": []},
            }))
            .unwrap();
            let claim = Claim { metadata: &body.metadata, body: Ok(&body), place: None };
            let said = claim.said().or_else(|| claim.reached());
            let told = if is_leaving { vec![claim.leaving()] } else { vec![said, claim.standing()] };
            for said in told.into_iter().map(Option::unwrap) {
                assert!(said.ends_with("; remove the lock of the resource group"), "{said}");
            }
        }
    }

    #[test]
    fn that_nothing_is_known_yet_is_no_reason_why_a_machine_did_not_come() {
        for (type_, reason, message, said, reached) in [
            ("Launched", "AwaitingReconciliation", "object is awaiting reconciliation", None, None),
            ("Launched", "AwaitingReconciliation", "the pool is made", None, Some("Launched: the pool is made")),
            (
                "Registered",
                "NodeNotFound",
                "Node not registered with cluster",
                None,
                Some("Registered: Node not registered with cluster"),
            ),
            ("Registered", "RegistrationHookPending", "cilium", Some("Registered: cilium"), Some("Registered: cilium")),
            ("Launched", "SubscriptionQuotaReached", "8 of 8", Some("8 of 8"), Some("Launched: 8 of 8")),
        ] {
            let condition = json!({"type": type_, "status": "Unknown", "reason": reason, "message": message, "lastTransitionTime": null});
            let body: NodeClaim = serde_json::from_value(json!({
                "metadata": {"name": "a"}, "status": {"conditions": [condition]},
                "spec": {"nodeClassRef": {"group": "g", "kind": "K", "name": "default"}, "requirements": []},
            }))
            .unwrap();
            let claim = Claim { metadata: &body.metadata, body: Ok(&body), place: None };
            for (told, expected) in [(claim.said(), said), (claim.reached(), reached)] {
                assert_eq!(told.is_some(), expected.is_some(), "{reason}: {told:?}");
                assert!(expected.is_none_or(|words| told.unwrap().ends_with(words)), "{reason}");
            }
        }
    }
}
