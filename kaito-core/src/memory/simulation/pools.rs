//! What must hold of agent pools, at every write, at rest, and at the end: nobody pays for a machine that nobody wants, and nobody loses one that runs.

use super::RECOVERY;
use super::judge::{Judge, all};
use crate::effect::is_dying;
use crate::kinds::{Kind, Typed};
use crate::memory::World;
use crate::memory::ledger::{Deed, Request};
use crate::object::{ObjectKey, Seen};
use kaito_api::cloud::AgentPool;
use kaito_api::vocabulary::labels;
use kaito_api::{NodeClaim, Workspace};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Never more pools than machines that a living Workspace wants; none for a slot that it does not have; each asked for after a live look at the Workspace and at the claim.
const SURPLUS: &str = "no surplus pools";
/// When a Workspace is deleted, nothing is left of it that is paid for, provided that the cloud answers at last.
const ORPHANS: &str = "no orphan pools";
/// No pool that works, and no claim of one, is deleted by us because its Node is not seen (kaito#2075); none because its Node is sick or dying while something is done to the pool, or while the cloud says nothing of it.
const SWEPT: &str = "no live pool swept";
/// No pool stays whose claim is gone (gpu-provisioner#181).
const KEPT: &str = "no pool kept without its claim";

/// What is promised of agent pools.
pub const PROMISES: &[&str] = &[SURPLUS, ORPHANS, SWEPT, KEPT];

/// A machine that has no Node for so long, and will register none, may be given up: no Node that comes back is away for longer.
const BARE: Duration = Duration::from_secs(3600);
/// A pool without a claim is looked at again within this.
const SOON: Duration = Duration::from_secs(600);

/// What is known of the pools of one run.
#[derive(Debug, Default)]
pub(in crate::memory) struct Pools {
    judged: BTreeMap<&'static str, u64>,
    /// How many requests are judged.
    read: usize,
    /// By pool: until when there was a ground to delete it, and to give its claim up. [`Duration::MAX`] while there is.
    pool: BTreeMap<String, Duration>,
    claim: BTreeMap<String, Duration>,
    /// Pools whose Node was being deleted when it was last seen: who deletes a Node means its machine, unless the machine registers another.
    unwanted: BTreeSet<String>,
    /// Since when a pool that had Nodes has none.
    bare: BTreeMap<String, Duration>,
}

impl Pools {
    fn count(&mut self, promise: &'static str) {
        *self.judged.entry(promise).or_default() += 1;
    }
}

/// A pool, as far as a judge looks at it.
struct Pool {
    name: String,
    labels: BTreeMap<String, String>,
    state: String,
}

impl Pool {
    fn of(seen: &Seen) -> Option<Pool> {
        let Seen::Decoded(object) = seen else { return None };
        let pool = AgentPool::of(object)?;
        let state = pool.status.as_ref().map(|status| status.state.clone()).unwrap_or_default();
        let labels = pool.metadata.labels.clone().unwrap_or_default();
        Some(Pool { name: pool.metadata.name.clone()?, labels, state })
    }

    fn label(&self, key: &str) -> &str {
        self.labels.get(key).map(String::as_str).unwrap_or_default()
    }

    /// Whether a claim is the one that it was made for.
    fn is_of(&self, claim: &Seen) -> bool {
        let made = claim.metadata().creation_timestamp.as_ref().map(|time| crate::units::rfc3339(time.0));
        made.is_some_and(|made| made.replace(':', "-") == self.label(labels::CREATION_TIMESTAMP))
    }
}

fn pools(world: &World) -> Vec<Pool> {
    all(world, Kind::AgentPool).iter().filter_map(Pool::of).collect()
}

/// The claim that a pool was made for, where it is there.
fn claim_of(world: &World, pool: &Pool) -> Option<Seen> {
    world.get(&ObjectKey::cluster(Kind::NodeClaim, pool.name.clone())).filter(|claim| pool.is_of(claim))
}

/// What is not as it should be when all has come to rest and nothing goes wrong any more.
pub(super) fn amiss(world: &World) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let pools = pools(world);
    for pool in &pools {
        if claim_of(world, pool).is_none() {
            found.push((KEPT, format!("agent pool {} is {}, and its claim is gone", place(pool), pool.state)));
        }
    }
    let nodes = all(world, Kind::Node);
    let is_of = |node: &&Seen, pool: &Pool| node.labels().get(labels::AGENT_POOL[0]) == Some(&pool.name);
    let has_node = |pool: &Pool| nodes.iter().any(|node| is_of(&node, pool));
    // What somebody has done to a pool in vain leaves its machine as it was.
    let has_machine = |pool: &Pool| match pool.state.as_str() {
        "Succeeded" => true,
        "Failed" => nodes.iter().any(|node| is_of(&node, pool) && is_ready(node) && !is_dying(node.metadata())),
        _ => false,
    };
    for claim in all(world, Kind::NodeClaim) {
        let own = pools.iter().find(|pool| pool.name == claim.key().name && pool.is_of(&claim));
        let is_ready = matches!(&claim, Seen::Decoded(object) if NodeClaim::of(object).is_some_and(|claim| claim.is_true("Ready")));
        if is_ready && !own.is_some_and(has_machine) {
            let state = own.map_or("missing", |pool| pool.state.as_str());
            found.push((SWEPT, format!("a claim is Ready, and its pool is {state}")));
        } else if own.is_some_and(|pool| pool.state == "Succeeded" && !has_node(pool)) {
            found.push(("I5", "the pool of a claim has no node".to_owned()));
        }
    }
    for node in &nodes {
        let pool = node.labels().get(labels::AGENT_POOL[0]).cloned().unwrap_or_default();
        if !pool.is_empty() && !pools.iter().any(|there| there.name == pool) {
            found.push((ORPHANS, "a node is left of an agent pool that is gone".to_owned()));
        }
    }
    found
}

/// Whose pool it is, without names that change from run to run.
fn place(pool: &Pool) -> String {
    format!(
        "{} of {}/{}",
        pool.label(labels::NODE_SLOT),
        pool.label(labels::WORKSPACE_NAMESPACE),
        pool.label(labels::WORKSPACE)
    )
}

impl Judge<'_> {
    /// How often each promise was tried.
    pub(super) fn judged(&self) -> BTreeMap<&'static str, u64> {
        self.pools.as_ref().map(|pools| pools.judged.clone()).unwrap_or_default()
    }

    fn counted(&mut self, promise: &'static str) {
        self.pools.iter_mut().for_each(|pools| pools.count(promise));
    }

    /// After every change: what was asked of the cloud since, and how it stands.
    pub(super) fn watch_pools(&mut self, world: &World) {
        let (Some(ledger), Some(known)) = (&world.ledger, &mut self.pools) else { return };
        let from = std::mem::replace(&mut known.read, ledger.requests.len());
        for request in &ledger.requests[from..] {
            match request.deed {
                Deed::MakesPool => self.may_be_asked_for(world, request),
                Deed::DeletesPool | Deed::DeletesClaim => self.may_be_deleted(world, request),
            }
        }
        self.count_pools(world);
        self.note_grounds(world);
    }

    /// A machine is paid for: for whom, was read live in that very look.
    fn may_be_asked_for(&mut self, world: &World, request: &Request) {
        self.counted(SURPLUS);
        let label = |key: &str| request.labels.get(key).cloned().unwrap_or_default();
        let workspace = ObjectKey::new(Kind::Workspace, label(labels::WORKSPACE_NAMESPACE), label(labels::WORKSPACE));
        let claim = ObjectKey::cluster(Kind::NodeClaim, request.key.name.clone());
        let told = |key: &ObjectKey| request.grounds.told.get(key);
        let wrong = match (told(&workspace), told(&claim)) {
            (None, _) | (_, None) => Some("without a live look at Workspace and claim"),
            (Some(None), _) => Some("for a Workspace that is gone"),
            (_, Some(None)) => Some("for a claim that is gone"),
            (Some(Some(owner)), Some(Some(claim))) => {
                let slot = label(labels::NODE_SLOT).parse::<i32>().unwrap_or_default();
                let target = match owner {
                    Seen::Decoded(object) => Workspace::of(object).and_then(Workspace::target_node_count),
                    Seen::Malformed(_) => None,
                };
                if owner.metadata().uid.as_deref() != Some(label(labels::WORKSPACE_UID).as_str()) {
                    Some("for another Workspace than is there")
                } else if is_dying(owner.metadata()) {
                    Some("for a Workspace that is being deleted")
                } else if is_dying(claim.metadata()) {
                    Some("for a claim that is being deleted")
                } else {
                    target.is_some_and(|target| slot >= target).then_some("for a slot that the Workspace does not have")
                }
            }
        };
        if let Some(wrong) = wrong {
            self.blame(world, SURPLUS, format!("{workspace}: an agent pool is asked for {wrong}"));
        }
    }

    /// A machine is taken away: there was a ground for it, at some moment since the look began.
    fn may_be_deleted(&mut self, world: &World, request: &Request) {
        self.counted(SWEPT);
        let Some(known) = &self.pools else { return };
        // Names come back: that of a claim of before deletes nothing, for the server compares uids.
        let there = world.get(&request.key).and_then(|seen| seen.metadata().uid.clone());
        if request.deed == Deed::DeletesClaim && there.is_some() && there != request.uid {
            return;
        }
        let (grounds, what) = match request.deed {
            // Who takes a claim back for other reasons than its machine is judged elsewhere (I7, I5).
            Deed::DeletesClaim if request.by != "nodeclaim" => return,
            Deed::DeletesClaim => (&known.claim, "claim"),
            _ => (&known.pool, "pool"),
        };
        let pool = ObjectKey::cluster(Kind::AgentPool, request.key.name.clone());
        if request.deed == Deed::DeletesClaim && !request.grounds.told.contains_key(&pool) {
            self.blame(world, SWEPT, "the claim of a machine is deleted without a word of the cloud".to_owned());
            return;
        }
        // Not one that only is not seen: its machine runs, and registers it again.
        let is_away = world.away.iter().any(|(_, _, away, _)| *away == pool);
        let bare = known.bare.get(&request.key.name).filter(|_| !is_away);
        if request.deed == Deed::DeletesClaim && bare.is_some_and(|since| since.saturating_add(BARE) <= world.now) {
            return;
        }
        let until = grounds.get(&request.key.name).copied();
        if until.is_some_and(|until| until < request.grounds.since) {
            self.blame(world, SWEPT, format!("the {what} of a machine that works is deleted"));
        }
    }

    /// Never more pools than machines are wanted, and each in a slot that there is.
    fn count_pools(&mut self, world: &World) {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for pool in pools(world).iter().filter(|pool| pool.state != "Deleting") {
            let uid = pool.label(labels::WORKSPACE_UID).to_owned();
            let Some(workspace) = self.known.get(&uid).cloned() else { continue };
            let wished = self.calm.machines.get(&workspace).copied().unwrap_or_default();
            let count = counts.entry(uid).or_default();
            *count += 1;
            let slot = pool.label(labels::NODE_SLOT).parse::<usize>().unwrap_or_default();
            if *count > wished || slot >= wished {
                let what =
                    format!("{workspace} has agent pool {count} in slot {slot}, and {wished} machines are wished");
                self.blame(world, SURPLUS, what);
            }
        }
    }

    /// Remembers which pools and claims may be deleted just now.
    fn note_grounds(&mut self, world: &World) {
        let now = world.now;
        let nodes = all(world, Kind::Node);
        let mut there = BTreeMap::new();
        for pool in pools(world) {
            let claim = claim_of(world, &pool);
            let is_own = claim.as_ref().is_some_and(|claim| !is_dying(claim.metadata()));
            let is_broken = matches!(pool.state.as_str(), "Failed" | "Canceled" | "Deleting");
            // A machine that is started or changed is not at fault for what its Node says meanwhile.
            let is_moving = !is_broken && pool.state != "Succeeded";
            let own_nodes: Vec<&Seen> =
                nodes.iter().filter(|node| node.labels().get(labels::AGENT_POOL[0]) == Some(&pool.name)).collect();
            // Of two machines of an upgrade one goes, and the other one is the claim's.
            let are = |is_such: fn(&Seen) -> bool| !own_nodes.is_empty() && own_nodes.iter().all(|node| is_such(node));
            let is_sick = are(|node| is_dying(node.metadata()) || !is_ready(node));
            let Some(known) = &mut self.pools else { return };
            if own_nodes.is_empty() {
                known.bare.entry(pool.name.clone()).and_modify(|since| *since = (*since).min(now));
            } else {
                known.bare.insert(pool.name.clone(), Duration::MAX);
            }
            if are(|node| is_dying(node.metadata())) {
                known.unwanted.insert(pool.name.clone());
            } else if !own_nodes.is_empty() {
                known.unwanted.remove(&pool.name);
            }
            let is_unwanted = known.unwanted.contains(&pool.name);
            there.insert(
                pool.name.clone(),
                (!is_own || is_broken, claim.is_none() || (!is_moving && (is_sick || is_unwanted))),
            );
        }
        let Some(known) = &mut self.pools else { return };
        for (name, (pool, claim)) in &there {
            for (grounds, holds) in [(&mut known.pool, *pool), (&mut known.claim, *claim)] {
                let until = grounds.entry(name.clone()).or_insert(now);
                match (holds, *until == Duration::MAX) {
                    (true, false) => *until = Duration::MAX,
                    (false, true) => *until = now,
                    _ => {}
                }
            }
        }
        // A claim without its pool may be given up.
        for (name, until) in &mut known.claim {
            if !there.contains_key(name) {
                *until = Duration::MAX;
            }
        }
    }

    /// Whether every machine that is wished has its claim, and that one a pool that works; so in every world where machines are not made of pools.
    pub(super) fn has_its_pools(&self, world: &World, workspace: &ObjectKey) -> bool {
        if self.pools.is_none() {
            return true;
        }
        let wished = self.calm.machines.get(workspace).copied().unwrap_or_default();
        let works = |pool: &&Pool| {
            let is_its = pool.label(labels::WORKSPACE) == workspace.name
                && pool.label(labels::WORKSPACE_NAMESPACE) == workspace.namespace();
            is_its && pool.state == "Succeeded" && claim_of(world, pool).is_some()
        };
        pools(world).iter().filter(works).count() >= wished
    }

    /// When nobody has anything left to do, no pool waits for nobody: its claim is there, or somebody looks at it again soon.
    pub(super) fn pools_at_rest(&mut self, world: &World) {
        if self.pools.is_none() {
            return;
        }
        self.counted(KEPT);
        for pool in pools(world).iter().filter(|pool| pool.state != "Deleting") {
            let root = ObjectKey::cluster(Kind::NodeClaim, pool.name.clone());
            let looks = world.replicas.iter().filter_map(|replica| replica.schedule.when(&root));
            let is_looked_at = looks.min().is_some_and(|at| at <= world.now + SOON);
            if claim_of(world, pool).is_none() && !is_looked_at {
                self.blame(
                    world,
                    KEPT,
                    format!("agent pool {} is {}, its claim is gone, and nobody looks", place(pool), pool.state),
                );
            }
        }
    }

    /// At the end every pool has its claim, and every claim its pool.
    pub(super) fn pools_at_the_end(&mut self, world: &World) {
        if self.pools.is_some() {
            for (promise, what) in amiss(world) {
                self.blame(world, promise, what);
            }
        }
    }

    /// Every Workspace is deleted, and nothing is left that is paid for.
    pub(super) fn says_farewell(&mut self, world: &mut World) {
        if self.pools.is_none() {
            return;
        }
        self.counted(ORPHANS);
        for key in world.workspaces() {
            // One that is going already goes on.
            let _ = world.delete(&key);
        }
        world.run(RECOVERY, |world| {
            self.watch_pools(world);
            false
        });
        for (kind, what) in
            [(Kind::Workspace, "Workspace"), (Kind::NodeClaim, "NodeClaim"), (Kind::AgentPool, "agent pool")]
        {
            let left = all(world, kind).len();
            if left > 0 {
                self.blame(world, ORPHANS, format!("{left} {what}s are left when everything was deleted"));
            }
        }
        if all(world, Kind::Node).iter().any(|node| node.labels().contains_key(labels::AGENT_POOL[0])) {
            self.blame(world, ORPHANS, "a node is left when everything was deleted".to_owned());
        }
    }
}

fn is_ready(node: &Seen) -> bool {
    let Seen::Decoded(object) = node else { return false };
    let node = k8s_openapi::api::core::v1::Node::of(object);
    let conditions = node.and_then(|node| node.status.as_ref()?.conditions.as_ref());
    conditions.into_iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}
