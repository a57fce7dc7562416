//! Which NodeClaim fills which slot.
//!
//! A Workspace that needs N machines has the slots 0 to N-1. A claim's name is made of the Workspace's uid, the slot and an incarnation, so asking twice asks once; its labels
//! carry the three. A slot is filled again when its dying claim is gone, so the incarnation is 0 until a surge lets two stand side by side.

use crate::effect::{Owned, is_dying};
use crate::kinds::Kind;
use crate::object::{Malformed, ObjectKey, Seen};
use crate::snapshot::Listing;
use crate::words::quoted;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kaito_api::karpenter::{NodeClaim, NodeClaimCondition};
use kaito_api::vocabulary::{labels, reasons};
use std::collections::BTreeMap;

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

/// Reasons that mean no more than "not yet".
const NOT_YET: [&str; 4] = [reasons::AWAITING_RECONCILIATION, "NotLaunched", "NotRegistered", "NotInitialized"];

/// One claim of the Workspace.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim<'a> {
    pub(super) metadata: &'a ObjectMeta,
    /// The claim, or the decoder's words: an unreadable claim still fills its slot, for a machine may stand behind it.
    pub(super) body: Result<&'a NodeClaim, &'a Malformed>,
    /// Slot and incarnation; `None` for claims that an older operator made.
    place: Option<(u32, u32)>,
}

impl<'a> Claim<'a> {
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
    fn uid_of_owner(&self) -> Option<&'a str> {
        label(self.metadata, labels::WORKSPACE_UID)
    }

    fn seen(&self) -> Seen {
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
        let body = self.body.ok()?;
        let conditions = LIFE_CYCLE.iter().filter_map(|stage| body.condition(stage.name));
        let stage = conditions.filter(|stage| stage.status != "True").find(|stage| !stage.message.is_empty())?;
        Some(format!("NodeClaim {}: {}: {}", self.name(), stage.type_, quoted(&stage.message)))
    }

    fn made(&self) -> Option<Timestamp> {
        self.metadata.creation_timestamp.as_ref().map(|time| time.0)
    }

    fn slot(&self) -> Option<u32> {
        self.place.map(|(slot, _)| slot)
    }
}

/// The claims that are ours, dying ones included.
#[derive(Debug)]
pub(super) struct Claims<'a> {
    all: Vec<Claim<'a>>,
    /// Claims that name another uid: of an earlier namesake.
    others: Vec<Claim<'a>>,
    uid: String,
    pub(super) no_such_kind: bool,
}

/// What the slots need.
#[derive(Debug)]
pub(super) struct Slots<'a> {
    /// The live claim of each slot, where there is one.
    pub(super) filled: Vec<Claim<'a>>,
    /// Slots to fill: slot and incarnation.
    pub(super) missing: Vec<(u32, u32)>,
    /// Live claims that no slot needs.
    pub(super) surplus: Vec<Claim<'a>>,
    /// Slots that wait until their dying claim is gone.
    pub(super) held_by_dying: usize,
    /// The claims that they wait for.
    pub(super) dying: Vec<Claim<'a>>,
}

impl<'a> Claims<'a> {
    /// The claims of a listing that belong to the Workspace with this uid. A claim of an earlier namesake carries another uid and is none of ours.
    pub(super) fn new(listing: Listing<'a, NodeClaim>, uid: &str) -> Self {
        let readable = listing.items.into_iter().map(|claim| (&claim.metadata, Ok(claim)));
        let unreadable = listing.malformed.into_iter().map(|malformed| (malformed.metadata.as_ref(), Err(malformed)));
        let (mut all, others): (Vec<Claim<'a>>, Vec<Claim<'a>>) = readable
            .chain(unreadable)
            .map(|(metadata, body)| Claim { metadata, body, place: place_of(metadata) })
            .partition(|claim| claim.uid_of_owner().is_none_or(|found| found == uid));
        all.sort_by_key(|claim| (claim.metadata.creation_timestamp.clone(), claim.name()));
        Self { all, others, uid: uid.to_owned(), no_such_kind: listing.no_such_kind }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Claims that nobody has deleted yet.
    pub(super) fn live(&self) -> impl Iterator<Item = &Claim<'a>> {
        self.all.iter().filter(|claim| !claim.is_dying())
    }

    /// Whether an earlier namesake has left something that nobody has deleted yet.
    pub(super) fn has_strangers(&self) -> bool {
        self.others.iter().any(|claim| !claim.is_dying())
    }

    /// The proofs that what an earlier namesake has left is its own.
    pub(super) fn strangers(&self) -> impl Iterator<Item = Owned> {
        let alive = self.others.iter().filter(|claim| !claim.is_dying());
        alive.filter_map(|claim| Owned::by_label(&claim.seen(), labels::WORKSPACE_UID, claim.uid_of_owner()?))
    }

    /// The proof that a claim is ours: our uid as label, or, from an older operator, our names and no uid.
    pub(super) fn owned(&self, claim: &Claim<'a>, workspace: &ObjectKey) -> Option<Owned> {
        let seen = claim.seen();
        debug_assert_eq!(seen.kind(), Kind::NodeClaim);
        Owned::by_label(&seen, labels::WORKSPACE_UID, &self.uid).or_else(|| {
            Owned::by_names(
                &seen,
                &[(labels::WORKSPACE, &workspace.name), (labels::WORKSPACE_NAMESPACE, workspace.namespace())],
            )
        })
    }

    /// Matches live claims with slots. Claims without a place take the free slots in the order of their age, so that machines of an older operator are never bought again.
    pub(super) fn slots(&self, target: u32) -> Slots<'a> {
        let mut filled: BTreeMap<u32, Claim<'a>> = BTreeMap::new();
        let mut surplus = Vec::new();
        for claim in self.live().filter(|claim| claim.place.is_some()) {
            let slot = claim.slot().unwrap_or_default();
            if slot >= target || filled.contains_key(&slot) {
                surplus.push(*claim);
            } else {
                filled.insert(slot, *claim);
            }
        }
        for claim in self.live().filter(|claim| claim.place.is_none()) {
            match (0..target).find(|slot| !filled.contains_key(slot)) {
                Some(slot) => drop(filled.insert(slot, *claim)),
                None => surplus.push(*claim),
            }
        }
        let empty: Vec<u32> = (0..target).filter(|slot| !filled.contains_key(slot)).collect();
        // A dying claim without a place may stand for any slot: as many empty slots wait as there are such claims.
        let unplaced_dying = self.all.iter().filter(|claim| claim.is_dying() && claim.place.is_none()).count();
        let is_free = |slot: &u32| !self.all.iter().any(|claim| claim.is_dying() && claim.slot() == Some(*slot));
        let free: Vec<u32> = empty.iter().copied().filter(is_free).skip(unplaced_dying).collect();
        let held_by_dying = empty.len() - free.len();
        let stands_for = |claim: &&Claim<'a>| claim.slot().is_none_or(|slot| empty.contains(&slot));
        let dying = self.all.iter().filter(|claim| claim.is_dying() && held_by_dying > 0).filter(stands_for);
        Slots {
            missing: free.iter().map(|slot| (*slot, 0)).collect(),
            held_by_dying,
            dying: dying.copied().collect(),
            filled: filled.into_values().collect(),
            surplus,
        }
    }
}

fn label<'m>(metadata: &'m ObjectMeta, key: &str) -> Option<&'m str> {
    metadata.labels.as_ref()?.get(key).map(String::as_str)
}

fn place_of(metadata: &ObjectMeta) -> Option<(u32, u32)> {
    let number = |key| label(metadata, key).and_then(|text| text.parse().ok());
    Some((number(labels::NODE_SLOT)?, number(labels::NODE_INCARNATION)?))
}
