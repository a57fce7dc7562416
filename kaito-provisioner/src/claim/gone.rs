//! What is left of a claim that is gone: a pool that nobody asked to be kept, and Nodes that only our finalizer holds (spec/05 §3.10).
//!
//! The pool is read before the claims are listed, both live: a claim that is made in between asks for a pool of its own, and the one that was read carries another claim's time.

use super::launch::POLL;
use super::managed::{is_held, is_managed};
use super::terminate::free_nodes;
use super::view::{nodes_of, owned_pool, pool_key};
use crate::pool::{PoolSeen, PoolState};
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Node;
use kaito_api::NodeClaim;
use kaito_api::cloud::AgentPool;
use kaito_core::effect::Effect;
use kaito_core::kinds::Typed;
use kaito_core::plan::{Outcome, Wake};
use kaito_core::read::{Freshness, Selector};
use kaito_core::snapshot::{Snapshot, Unread};
use kaito_core::{ObjectKey, Plan, Seen};

/// A pool whose claim was made just now is left alone for so long, as by the program before this one.
const YOUNG: SignedDuration = SignedDuration::from_secs(30);

pub(super) fn plan(key: &ObjectKey, snapshot: &Snapshot) -> Result<Plan, Unread> {
    let mut plan = Plan::nothing(Outcome::Gone);
    let nodes = snapshot.list::<Node>(None, nodes_of(&key.name), Freshness::Cached)?.items;
    let held: Vec<&Node> = nodes.into_iter().filter(|node| is_held(&node.metadata)).collect();
    if !is_told(snapshot, key, Freshness::Cached)? {
        plan.wake = Wake::After(POLL);
        return Ok(plan);
    }
    let cached = ours(snapshot, key, Freshness::Cached)?;
    if cached.is_none() && held.is_empty() {
        return Ok(plan);
    }
    if !is_told(snapshot, key, Freshness::Live)? {
        plan.wake = Wake::After(POLL);
        return Ok(plan);
    }
    let live = ours(snapshot, key, Freshness::Live)?;
    let holder = holder(key, snapshot)?;
    if holder == Holder::Ours {
        // The cache does not show the claim yet.
        plan.wake = Wake::After(POLL);
        return Ok(plan);
    }
    let Some((pool, seen)) = live else {
        // The Node of a claim that another provisioner answers is that provisioner's.
        if holder == Holder::Nobody {
            let (_, is_left) = free_nodes(&mut plan, held.into_iter(), &key.name);
            if is_left {
                plan.wake = Wake::After(SignedDuration::from_secs(1));
            }
        }
        return Ok(plan);
    };
    plan.wake = Wake::After(POLL);
    let age = pool.claim_created().map(|created| snapshot.now().duration_since(created));
    if pool.state == PoolState::Deleting || age.is_some_and(|age| age < YOUNG) {
        return Ok(plan);
    }
    if let Some(target) = owned_pool(&pool, seen) {
        plan.push(Effect::Delete { target }, None);
    }
    Ok(plan)
}

/// Whether the cloud tells how the pool is. Where it does not, nobody's machine is taken for gone.
fn is_told(snapshot: &Snapshot, key: &ObjectKey, freshness: Freshness) -> Result<bool, Unread> {
    if crate::PoolName::parse(&key.name).is_err() {
        return Ok(true);
    }
    Ok(!matches!(snapshot.seen_of_cloud(pool_key(&key.name), freshness)?, Err(_) | Ok(Some(Seen::Malformed(_)))))
}

/// The pool of this name, where it is ours.
fn ours<'a>(
    snapshot: &'a Snapshot,
    key: &ObjectKey,
    freshness: Freshness,
) -> Result<Option<(PoolSeen, &'a Seen)>, Unread> {
    if crate::PoolName::parse(&key.name).is_err() {
        return Ok(None);
    }
    let Some(seen) = snapshot.seen(pool_key(&key.name), freshness)? else { return Ok(None) };
    let Seen::Decoded(object) = seen else { return Ok(None) };
    let pool = AgentPool::of(object).and_then(PoolSeen::of_object).filter(PoolSeen::is_ours);
    Ok(pool.map(|pool| (pool, seen)))
}

/// Who has the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holder {
    Nobody,
    /// A claim that another provisioner answers: it has no agent pool.
    Other,
    Ours,
}

/// Who has the name, as the API server has it now. A claim that cannot be read may be ours.
fn holder(key: &ObjectKey, snapshot: &Snapshot) -> Result<Holder, Unread> {
    let claims = snapshot.list::<NodeClaim>(None, Selector::default(), Freshness::Live)?;
    let is_named = |name: &Option<String>| name.as_deref() == Some(key.name.as_str());
    if claims.no_such_kind || claims.malformed.iter().any(|claim| is_named(&claim.metadata.name)) {
        return Ok(Holder::Ours);
    }
    let found = claims.items.iter().find(|claim| is_named(&claim.metadata.name));
    Ok(match found {
        None => Holder::Nobody,
        Some(claim) if is_managed(claim) => Holder::Ours,
        Some(_) => Holder::Other,
    })
}
