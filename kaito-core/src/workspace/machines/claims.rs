//! Which NodeClaim fills which slot.
//!
//! A Workspace that needs N machines has the slots 0 to N-1. A claim's name is made of the Workspace's uid, the slot and an incarnation, so asking twice asks once; its labels
//! carry the three. A slot is filled again when its dying claim is gone, so the incarnation is 0 until a surge lets two stand side by side.

use super::claim::Claim;
use crate::effect::Owned;
use crate::kinds::Kind;
use crate::object::ObjectKey;
use crate::snapshot::Listing;
use kaito_api::karpenter::NodeClaim;
use kaito_api::vocabulary::labels;
use std::collections::BTreeMap;

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
    /// The live claim of each slot, where there is one; and those that stand for an empty one.
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
        let no_such_kind = listing.no_such_kind;
        let (all, others): (Vec<Claim<'a>>, Vec<Claim<'a>>) =
            Claim::all(listing).into_iter().partition(|claim| claim.uid_of_owner().is_none_or(|found| found == uid));
        Self { all, others, uid: uid.to_owned(), no_such_kind }
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

    /// Claims that are going away.
    pub(super) fn dying(&self) -> impl Iterator<Item = &Claim<'a>> {
        self.all.iter().filter(|claim| claim.is_dying())
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
        let mut empty: Vec<u32> = (0..target).filter(|slot| !filled.contains_key(slot)).collect();
        // Where fewer are needed than there were, a machine that stands is not given away to buy another one in its stead.
        let (stands, surplus): (Vec<_>, Vec<_>) = surplus.into_iter().partition(Claim::is_launched);
        let (standing_for, given_back) = stands.split_at(stands.len().min(empty.len()));
        empty.truncate(empty.len() - standing_for.len());
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
            filled: filled.into_values().chain(standing_for.iter().copied()).collect(),
            surplus: surplus.into_iter().chain(given_back.iter().copied()).collect(),
        }
    }
}
