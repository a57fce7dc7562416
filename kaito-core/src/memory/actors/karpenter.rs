//! Karpenter's static capacity: a NodePool with replicas has so many NodeClaims at any time, and they go with it.
//!
//! As Karpenter 1.10 does it (`pkg/controllers/static`, `pkg/controllers/nodepool`): a pool has no finalizer, and its claims follow it because they are owned by it; too many are given back beginning with those
//! whose machine is not there yet, then those that carry no pods; a claim that was refused counts until it is gone. A limit keeps machines from being made, and takes none away. What becomes of a claim is the cloud's business ([`Cloud`](super::Cloud)).

use super::{created, empty, root, set_status};
use crate::driver::Planner;
use crate::effect::{Effect, Owned, WriteMode, is_dying};
use crate::hash;
use crate::kinds::{Kind, Typed};
use crate::object::{ObjectKey, Seen};
use crate::plan::{Outcome, Plan};
use crate::read::{Freshness, Selector};
use crate::settings::Settings;
use crate::snapshot::{Snapshot, Unread};
use crate::units::rfc3339;
use jiff::Timestamp;
use kaito_api::karpenter::{NodeClaim, NodePool};
use kaito_api::vocabulary::labels;
use kube_core::ResourceExt;
use serde_json::{Value, json};

/// Karpenter, as far as pools are concerned that ask for a number of machines.
#[derive(Debug, Clone, Copy, Default)]
pub struct Karpenter;

impl Planner for Karpenter {
    fn name(&self) -> &'static str {
        "karpenter"
    }

    fn roots(&self) -> Kind {
        Kind::NodePool
    }

    fn plan(&self, key: &ObjectKey, snapshot: &Snapshot, _: &Settings) -> Result<Plan, Unread> {
        let selector = Selector::of([(labels::NODE_POOL, key.name.as_str())]);
        let claims = snapshot.list::<NodeClaim>(None, selector, Freshness::Cached)?.items;
        let pool = root::<NodePool>(key, snapshot)?;
        let mut plan = pool.map_or_else(|| Plan::nothing(Outcome::Gone), |pool| empty(&pool.metadata));
        let uid = pool.and_then(|pool| pool.metadata.uid.as_deref()).unwrap_or_default();
        let (ours, orphans): (Vec<&NodeClaim>, Vec<&NodeClaim>) =
            claims.into_iter().filter(|claim| owner(claim).is_some()).partition(|claim| owner(claim) == Some(uid));
        // The garbage collector of Kubernetes does this, for any owner.
        orphans.iter().for_each(|claim| delete(&mut plan, claim, key));
        let Some(pool) = pool else { return Ok(plan) };
        let counted = ours.iter().filter(|claim| !is_dying(&claim.metadata) || !is_launched(claim)).count();
        let alive: Vec<&NodeClaim> = ours.into_iter().filter(|claim| !is_dying(&claim.metadata)).collect();
        if let Some(replicas) = pool.spec.replicas.and_then(|count| usize::try_from(count).ok()) {
            let most = pool.most_nodes().map_or(replicas, |most| replicas.min(most as usize));
            for number in counted..most {
                create(&mut plan, key, pool, number, snapshot.now());
            }
            for claim in surplus(&alive, counted.saturating_sub(replicas), snapshot)? {
                delete(&mut plan, claim, key);
            }
        }
        report(&mut plan, key, pool, &alive, snapshot.now());
        Ok(plan)
    }

    /// The pool that a claim is owned by, whether or not it is there.
    fn root_of(&self, object: &Seen) -> Option<ObjectKey> {
        let mut owners = object.metadata().owner_references.iter().flatten();
        let pool = owners.find(|owner| owner.kind == Kind::NodePool.name())?;
        (object.kind() == Kind::NodeClaim).then(|| ObjectKey::cluster(Kind::NodePool, pool.name.clone()))
    }
}

/// The uid of the pool that a claim is owned by.
fn owner(claim: &NodeClaim) -> Option<&str> {
    let owners = claim.metadata.owner_references.iter().flatten();
    owners.into_iter().find(|owner| owner.kind == Kind::NodePool.name()).map(|owner| owner.uid.as_str())
}

/// Whether there is a machine.
fn is_launched(claim: &NodeClaim) -> bool {
    claim.status.as_ref().is_some_and(|status| !status.provider_id.is_empty())
}

/// The claims that are too many.
fn surplus<'a>(alive: &[&'a NodeClaim], count: usize, snapshot: &Snapshot) -> Result<Vec<&'a NodeClaim>, Unread> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let mut ranked = Vec::new();
    for claim in alive {
        let is_launched = is_launched(claim);
        let carries = match claim.node_name() {
            Some(node) => !snapshot.pods_on(node)?.items.is_empty(),
            None => false,
        };
        ranked.push((is_launched, carries, claim.name_any(), *claim));
    }
    ranked.sort_by(|a, b| (a.0, a.1, &a.2).cmp(&(b.0, b.1, &b.2)));
    Ok(ranked.into_iter().take(count).map(|(.., claim)| claim).collect())
}

fn create(plan: &mut Plan, key: &ObjectKey, pool: &NodePool, number: usize, now: Timestamp) {
    let uid = pool.metadata.uid.as_deref().unwrap_or_default();
    // Another name each time, as a generated one is.
    let name = format!("{}-{}", key.name, hash::short(&[uid, &number.to_string(), &rfc3339(now)], 5));
    let template = &pool.spec.template;
    let mut all = template.metadata.labels.clone();
    all.insert(labels::NODE_POOL.to_owned(), key.name.clone());
    let mut spec = json!(template.spec);
    if let Some(requirements) = spec["requirements"].as_array_mut() {
        requirements.push(json!({"key": labels::NODE_POOL, "operator": "In", "values": [key.name]}));
    }
    let body = json!({
        "apiVersion": Kind::NodeClaim.api_version(), "kind": Kind::NodeClaim.name(),
        "metadata": {"name": name, "labels": all, "ownerReferences": [{
            "apiVersion": Kind::NodePool.api_version(), "kind": Kind::NodePool.name(), "name": key.name, "uid": uid, "blockOwnerDeletion": true,
        }]},
        "spec": spec,
    });
    let key = ObjectKey::cluster(Kind::NodeClaim, name);
    plan.push(Effect::Ensure { key, body, mode: WriteMode::CreateOnly, uid: None }, None);
}

fn delete(plan: &mut Plan, claim: &NodeClaim, pool: &ObjectKey) {
    let seen = Seen::Decoded(claim.clone().into_object());
    let target = Owned::by_label(&seen, labels::NODE_POOL, &pool.name).filter(|_| !is_dying(&claim.metadata));
    if let Some(target) = target {
        plan.push(Effect::Delete { target }, None);
    }
}

/// Every class is there and ready, and whoever looks, looks at once.
fn report(plan: &mut Plan, key: &ObjectKey, pool: &NodePool, alive: &[&NodeClaim], now: Timestamp) {
    let old = pool.status.as_ref().and_then(|status| serde_json::to_value(status).ok());
    let since = created(&pool.metadata).min(now);
    let conditions: Vec<Value> = ["ValidationSucceeded", "NodeClassReady", "Ready"]
        .map(|type_| json!({"type": type_, "status": "True", "reason": type_, "message": "", "lastTransitionTime": rfc3339(since)}))
        .into();
    let nodes = alive.iter().filter(|claim| claim.node_name().is_some()).count();
    let known = old.as_ref().and_then(|old| old.get("conditions")).is_some();
    let mut new = old.clone().unwrap_or_else(|| json!({}));
    new["nodes"] = json!(nodes);
    if !known {
        new["conditions"] = json!(conditions);
    }
    set_status(plan, key, &pool.metadata, old.as_ref(), new);
}
