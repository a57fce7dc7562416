//! Bugs of provisioners, put back: the product's planner of NodeClaims, of whose plan each makes what a program with that bug does.

use kaito_core::driver::Planner;
use kaito_core::effect::{Effect, Owned, WriteMode};
use kaito_core::kinds::KindUse;
use kaito_core::object::Seen;
use kaito_core::plan::{Outcome, Plan};
use kaito_core::read::{Freshness, Read, Selector};
use kaito_core::snapshot::{Snapshot, Unread};
use kaito_core::{Kind, ObjectKey, Settings};
use kaito_provisioner::ClaimPlanner;
use serde_json::json;

/// One bug.
#[derive(Clone, Copy)]
pub struct PoolBug {
    /// Where it was reported.
    pub upstream: &'static str,
    /// What a provisioner with it does.
    pub what: &'static str,
    /// The promises that it breaks.
    pub expected: &'static [&'static str],
    plan: fn(&ObjectKey, &Snapshot, Plan) -> Result<Plan, Unread>,
}

/// The bugs.
pub const POOL_BUGS: &[PoolBug] = &[
    PoolBug {
        upstream: "kaito#2075",
        what: "a pool whose Node is not seen is swept",
        expected: &["no live pool swept"],
        plan: sweeps,
    },
    PoolBug {
        upstream: "gpu-provisioner#181",
        what: "a pool whose claim is gone is nobody's",
        expected: &["no orphan pools", "no pool kept without its claim"],
        plan: keeps,
    },
    PoolBug {
        upstream: "kaito#1300 (the provisioner's half)",
        what: "a machine is paid for because a cache says so",
        expected: &["no surplus pools"],
        plan: pays_by_cache,
    },
];

impl Planner for PoolBug {
    fn name(&self) -> &'static str {
        ClaimPlanner.name()
    }

    fn roots(&self) -> Kind {
        ClaimPlanner.roots()
    }

    fn kinds(&self, settings: &Settings) -> &'static [KindUse] {
        ClaimPlanner.kinds(settings)
    }

    fn plan(&self, root: &ObjectKey, snapshot: &Snapshot, settings: &Settings) -> Result<Plan, Unread> {
        let plan = ClaimPlanner.plan(root, snapshot, settings)?;
        (self.plan)(root, snapshot, plan)
    }

    fn root_of(&self, object: &Seen) -> Option<ObjectKey> {
        ClaimPlanner.root_of(object)
    }
}

fn sweeps(root: &ObjectKey, snapshot: &Snapshot, mut plan: Plan) -> Result<Plan, Unread> {
    let pool = ObjectKey::cluster(Kind::AgentPool, root.name.clone());
    let of_pool = Selector::of([("agentpool", root.name.as_str())]);
    snapshot.need([Read::object(pool.clone()), Read::list(Kind::Node, None, of_pool.clone())])?;
    let nodes = snapshot.list::<k8s_openapi::api::core::v1::Node>(None, of_pool, Freshness::Cached)?;
    if let (true, Some(seen)) = (nodes.items.is_empty(), snapshot.seen(pool, Freshness::Cached)?)
        && let Some(target) = Owned::by_names(seen, &[("karpenter.sh/nodepool", "kaito")])
    {
        plan.push(Effect::Delete { target }, None);
    }
    Ok(plan)
}

fn keeps(root: &ObjectKey, snapshot: &Snapshot, plan: Plan) -> Result<Plan, Unread> {
    let is_gone = snapshot.seen(root.clone(), Freshness::Cached)?.is_none();
    Ok(if is_gone { Plan::nothing(Outcome::Gone) } else { plan })
}

fn pays_by_cache(root: &ObjectKey, snapshot: &Snapshot, mut plan: Plan) -> Result<Plan, Unread> {
    let key = ObjectKey::cluster(Kind::AgentPool, root.name.clone());
    let (claim, pool) =
        (snapshot.seen(root.clone(), Freshness::Cached)?, snapshot.seen(key.clone(), Freshness::Cached)?);
    let Some(claim) = claim.filter(|_| pool.is_none()) else { return Ok(plan) };
    let mut labels = claim.labels().into_owned();
    labels.insert("karpenter.sh/nodepool".to_owned(), "kaito".to_owned());
    let body = json!({
        "apiVersion": "cloud.kaito.sh/v1", "kind": "AgentPool", "metadata": {"name": key.name, "labels": labels},
        "spec": {"size": "Standard_NC24ads_A100_v4"},
    });
    plan.push(Effect::Ensure { key, body, mode: WriteMode::CreateOnly, uid: None }, None);
    Ok(plan)
}
