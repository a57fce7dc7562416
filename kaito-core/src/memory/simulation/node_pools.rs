//! NodePools of Karpenter in a simulated world: whose they and their NodeClaims are, what somebody else does to them, and what of them is ours to answer for.
//!
//! What we ask for is a number, and that is judged. The NodeClaims are Karpenter's: it makes another one while a machine is still going away, so that for a while there are more of them than machines are wished.

use super::calm::Calm;
use super::judge::all;
use crate::kinds::{Kind, Typed};
use crate::memory::World;
use crate::object::{ObjectKey, Seen};
use crate::read::Selector;
use kaito_api::karpenter::NodePool;
use kaito_api::vocabulary::labels;
use serde_json::json;
use std::collections::BTreeSet;

/// The Workspace that a NodeClaim, a NodePool or a Node names: by the labels of claims that were asked for one by one, or by those of pools.
pub(super) fn whose(seen: &Seen) -> Option<ObjectKey> {
    const NAMES: [[&str; 2]; 2] = [
        [labels::WORKSPACE_NAMESPACE, labels::WORKSPACE],
        [labels::KARPENTER_WORKSPACE_NAMESPACE, labels::KARPENTER_WORKSPACE_NAME],
    ];
    let found = seen.labels();
    NAMES
        .iter()
        .find_map(|[namespace, name]| Some(ObjectKey::new(Kind::Workspace, found.get(*namespace)?, found.get(*name)?)))
}

/// Each pool with the uid of the Workspace that it is of, and with as many machines as we have asked it for: none of which somebody else has said how many it has.
pub(super) fn asked(world: &World) -> Vec<(String, usize)> {
    let asked = |seen: &Seen| {
        let uid = seen.labels().get(labels::WORKSPACE_UID)?.clone();
        let Seen::Decoded(object) = seen else { return None };
        let replicas = NodePool::of(object)?.spec.replicas?;
        let is_ours = !world.resized.contains(&(seen.metadata().uid.clone()?, replicas));
        Some((uid, usize::try_from(replicas).ok().filter(|_| is_ours)?))
    };
    all(world, Kind::NodePool).iter().filter_map(asked).collect()
}

/// Machines whose Workspace is gone, or the pool that they are of; without those that the user gave and that have none in a calm world either.
pub(super) fn orphans(world: &World, calm: &Calm) -> Vec<ObjectKey> {
    let is_known = |seen: &Seen| calm.orphans.contains(&seen.key()) && world.as_given(seen).is_some();
    abandoned(world).filter(|seen| !is_known(seen)).map(|seen| seen.key()).collect()
}

/// The machines of nobody that the user gave so.
pub(super) fn given_orphans(world: &World) -> BTreeSet<ObjectKey> {
    abandoned(world).filter(|seen| world.as_given(seen).is_some()).map(|seen| seen.key()).collect()
}

/// All machines whose Workspace is gone, or the pool that they are of.
fn abandoned(world: &World) -> impl Iterator<Item = Seen> {
    let alive: BTreeSet<String> =
        all(world, Kind::Workspace).iter().filter_map(|seen| seen.metadata().uid.clone()).collect();
    let asking = all(world, Kind::NodeClaim).into_iter().chain(all(world, Kind::NodePool));
    let ours =
        asking.filter(move |seen| seen.labels().get(labels::WORKSPACE_UID).is_some_and(|uid| !alive.contains(uid)));
    ours.chain(strays(world))
}

/// NodeClaims of a pool that is not there.
fn strays(world: &World) -> Vec<Seen> {
    let pools = all(world, Kind::NodePool);
    let is_stray = |claim: &Seen| {
        let owners = claim.metadata().owner_references.iter().flatten();
        let mut owners = owners.filter(|owner| owner.kind == Kind::NodePool.name());
        owners.any(|owner| !pools.iter().any(|pool| pool.metadata().uid.as_ref() == Some(&owner.uid)))
    };
    all(world, Kind::NodeClaim).into_iter().filter(is_stray).collect()
}

/// What somebody does to a pool that is not hers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meddling {
    /// Wants so many machines.
    Replicas(i64),
    /// Lets as many be replaced at once as there are.
    Budget,
    /// Takes away a label of ours.
    Label,
}

impl Meddling {
    pub(super) const ALL: &'static [Meddling] = &[
        Meddling::Replicas(0),
        Meddling::Replicas(1),
        Meddling::Replicas(2),
        Meddling::Replicas(5),
        Meddling::Budget,
        Meddling::Label,
    ];

    /// Does it to one of the pools.
    pub(super) fn act(self, world: &mut World) -> Option<String> {
        let mut keys: Vec<ObjectKey> = world
            .cluster()
            .with_store(|store| store.list(Kind::NodePool, None, &Selector::default()))
            .iter()
            .map(Seen::key)
            .collect();
        let dice = world.dice.as_mut()?;
        if keys.is_empty() {
            return None;
        }
        let key = keys.swap_remove(dice.rng().usize(0..keys.len()));
        let mut body = world.cluster().with_store(|store| store.value(&key).cloned())?;
        match self {
            Meddling::Replicas(count) => {
                body["spec"]["replicas"] = json!(count);
                let uid = body["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
                world.resized.insert((uid, count));
            }
            Meddling::Budget => body["spec"]["disruption"]["budgets"] = json!([{"nodes": "100%"}]),
            Meddling::Label => drop(body["metadata"]["labels"].as_object_mut()?.remove(labels::KARPENTER_MANAGED_BY)),
        }
        world.put(&key, &body).ok().map(|()| format!("{key} is edited by somebody: {self:?}"))
    }
}
