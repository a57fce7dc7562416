//! What is left of a claim that is gone: a pool that nobody asked to be kept, and Nodes that only our finalizer holds (spec/05 §3.10).
//!
//! The main way of a pool is the termination of its claim; what is found here is what a request that came late, a finalizer that somebody took away, or a program that died have left. A pool is read
//! before the claims are listed, both live: a claim that is made in between asks for a pool of its own, and the one that was read carries another claim's time. And a pool goes only when something in
//! this very cluster proves that it is its own ([`is_of_this_cluster`]): with a wrong name in the settings, in a cluster that was built anew, or before a backup is back, every pool looks like one
//! without a claim (S5-B20).

use super::cluster;
use super::conditions::REGISTERED;
use super::launch::POLL;
use super::managed::{is_held, is_managed, is_managed_node};
use super::terminate::free_nodes;
use super::view::{nodes_of, owned_pool, pool_key};
use crate::pool::{PoolSeen, PoolState};
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Node;
use kaito_api::cloud::AgentPool;
use kaito_api::vocabulary::labels;
use kaito_api::{NodeClaim, Workspace};
use kaito_core::effect::Effect;
use kaito_core::kinds::Typed;
use kaito_core::plan::{Outcome, Remark, Wake};
use kaito_core::read::{Freshness, Selector};
use kaito_core::snapshot::{Lookup, Snapshot, Unread};
use kaito_core::{Kind, ObjectKey, Plan, Seen};

/// A pool whose own record says that its claim was made just now is left alone for so long.
const YOUNG: SignedDuration = SignedDuration::from_mins(10);
/// Between two looks at a pool of which nothing proves that it is this cluster's.
const UNPROVEN: SignedDuration = SignedDuration::from_mins(10);

pub(super) fn plan(key: &ObjectKey, snapshot: &Snapshot) -> Result<Plan, Unread> {
    let mut plan = Plan::nothing(Outcome::Gone);
    let nodes = snapshot.list::<Node>(None, nodes_of(&key.name), Freshness::Cached)?.items;
    let is_ours = |node: &&Node| is_held(&node.metadata) && is_managed_node(&node.metadata);
    let held: Vec<&Node> = nodes.iter().copied().filter(is_ours).collect();
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
    let claims = snapshot.list::<NodeClaim>(None, Selector::default(), Freshness::Live)?;
    let is_named = |name: &Option<String>| name.as_deref() == Some(key.name.as_str());
    // While the name has a claim, nothing of that name is collected: neither that of one which the cache does not show yet, or that cannot be read, nor that of one which another provisioner answers.
    if claims.no_such_kind || claims.malformed.iter().any(|claim| is_named(&claim.metadata.name)) {
        plan.wake = Wake::After(POLL);
        return Ok(plan);
    }
    if let Some(claim) = claims.items.iter().find(|claim| is_named(&claim.metadata.name)) {
        plan.wake = Wake::After(if is_managed(claim) { POLL } else { UNPROVEN });
        return Ok(plan);
    }
    let Some((pool, seen)) = live else {
        let (_, is_left) = free_nodes(&mut plan, held.into_iter(), &key.name);
        if is_left {
            plan.wake = Wake::After(SignedDuration::from_secs(1));
        }
        return Ok(plan);
    };
    plan.wake = Wake::After(POLL);
    let age = pool.claim_created().map(|created| snapshot.now().duration_since(created));
    if pool.state == PoolState::Deleting || age.is_some_and(|age| age < YOUNG) {
        return Ok(plan);
    }
    if !is_of_this_cluster(&pool, &nodes, &claims.items, snapshot)? {
        plan.wake = Wake::After(UNPROVEN);
        let text = format!(
            "agent pool {} has no claim here, and is kept: nothing proves that it is this cluster's, it does not say so itself, there is no node of it, no Workspace it was made for, no machine that has joined out of the same cloud",
            pool.name
        );
        plan.remarks.push(Remark { topic: "gone", text });
        return Ok(plan);
    }
    if let Some(target) = owned_pool(&pool, seen) {
        plan.push(Effect::Delete { target }, None);
    }
    Ok(plan)
}

/// Whether something proves that a pool is of this cluster, and not of one that only the settings name. What the pool says itself decides. One that was made before pools said it is this cluster's where a
/// Node of it has joined, where the very Workspace that it was made for is there, by its uid, or where a machine of the same cloud has joined as that of a claim of ours, by name and time.
fn is_of_this_cluster(
    pool: &PoolSeen,
    nodes: &[&Node],
    claims: &[&NodeClaim],
    snapshot: &Snapshot,
) -> Result<bool, Unread> {
    if let Some(said) = cluster::says(pool, snapshot)? {
        return Ok(said);
    }
    if !nodes.is_empty() || is_its_workspace_here(pool, snapshot)? {
        return Ok(true);
    }
    let pools = snapshot.list::<AgentPool>(None, Selector::default(), Freshness::Cached)?.items;
    let pools: Vec<PoolSeen> = pools.into_iter().filter_map(PoolSeen::of_object).filter(PoolSeen::is_ours).collect();
    let is_of = |pool: &PoolSeen, claim: &NodeClaim| pool.claim_created().is_some() && pool.is_of(claim);
    // A pool that was only asked for there is no proof: with a wrong name in the settings it is asked for in another's cluster.
    let mut joined = claims.iter().filter(|claim| is_managed(claim) && claim.is_true(REGISTERED));
    Ok(joined.any(|claim| pools.iter().any(|pool| is_of(pool, claim))))
}

fn is_its_workspace_here(pool: &PoolSeen, snapshot: &Snapshot) -> Result<bool, Unread> {
    let said = |key: &str| pool.labels.get(key).filter(|text| !text.is_empty());
    let named = [labels::WORKSPACE_NAMESPACE, labels::WORKSPACE, labels::WORKSPACE_UID].map(said);
    let [Some(namespace), Some(name), Some(uid)] = named else { return Ok(false) };
    let key = ObjectKey::new(Kind::Workspace, namespace, name);
    let found = snapshot.object::<Workspace>(key, Freshness::Live)?;
    Ok(matches!(found, Lookup::Found(workspace) if workspace.metadata.uid.as_ref() == Some(uid)))
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
