//! Clock, processes, actors: a whole cluster that runs until something is true or nothing happens any more.
//!
//! Here is what a user of a world sees; what happens next is in `turn`.

use super::actor::Actor;
use super::actors::Machines;
use super::cluster::MemoryCluster;
use super::faults::{Dice, Fault};
use super::installed::installed;
use super::ledger::Ledger;
use super::replica::Replica;
use super::rights::Right;
use super::{Fate, Pace, Timeline, actors};
use crate::backend::BackendError;
use crate::driver::Planner;
use crate::effect::Effect;
use crate::hub::Repository;
use crate::kinds::Kind;
use crate::object::{ObjectKey, Seen};
use crate::record::Recorder;
use crate::settings::Settings;
use crate::workspace::WorkspacePlanner;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Steps that one run may take: far above what thousands of Workspaces need.
const MOST_STEPS: u64 = 200_000;
/// 2026-01-01T00:00:00Z: a world begins at a fixed time, so that a run repeats.
const START: Timestamp = Timestamp::constant(1_767_225_600, 0);

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Halt {
    /// What was waited for is true.
    Reached,
    /// Nothing will change any more by itself; only periodic looks are left.
    Settled,
    /// The time given is over.
    OutOfTime,
}

/// A cluster in memory, everything that runs in it, and its clock.
pub struct World {
    pub(super) cluster: Arc<MemoryCluster>,
    settings: Settings,
    /// The processes of the product.
    pub(super) replicas: Vec<Replica>,
    /// The rest of the cluster.
    pub(super) actors: Vec<Actor>,
    /// Since the start.
    pub(super) now: Duration,
    pub(super) timeline: Timeline,
    pub(super) steps: u64,
    pub(super) created: BTreeMap<ObjectKey, usize>,
    /// Effects until the product crashes, where that was ordered.
    pub(super) crash: Option<u64>,
    pub(super) product_writes: u64,
    /// What goes wrong; `None` in a world in which all goes well and every reconcile is one step.
    pub(super) dice: Option<Dice>,
    /// Requests that nobody waits for any more, and that the server carries out late.
    pub(super) late: Vec<(Duration, Effect)>,
    pace: Pace,
    /// Who makes machines.
    machines: Machines,
    fate: Fate,
    /// Takes down every reconcile of the product, where it is wanted.
    pub(super) recorder: Option<Recorder>,
    /// Objects that a user wants back as soon as their namesakes are gone.
    pub(super) later: Vec<(ObjectKey, Value)>,
    /// What a user has given, as she gave it, by uid.
    pub(super) given: BTreeMap<String, Value>,
    /// Nodes that are not seen for a while, each with its pool and the uid of that.
    pub(super) away: Vec<(ObjectKey, Value, ObjectKey, String)>,
    /// NodePools of which somebody else has said how many machines they have, by uid, with that number.
    pub(super) resized: BTreeSet<(String, i64)>,
    /// What was asked of the cloud, where somebody judges it.
    pub(super) ledger: Option<Ledger>,
    /// Rights that the roles of the processes lack, by the name of their planner.
    pub(super) withheld: BTreeSet<(&'static str, Right)>,
}

impl World {
    /// A fresh cluster with the chart installed, the Workspace controller, and all actors.
    pub fn installed(settings: &Settings) -> World {
        Self::with_pace(settings, Pace::default())
    }

    /// The same at another pace.
    pub fn with_pace(settings: &Settings, pace: Pace) -> World {
        Self::with_fate(settings, pace, &Fate::default())
    }

    /// The same, where something goes wrong and stays so.
    pub fn with_fate(settings: &Settings, pace: Pace, fate: &Fate) -> World {
        Self::with_planner(settings, pace, fate, Arc::new(WorkspacePlanner))
    }

    /// The same with another planner in the place of the product's.
    pub fn with_planner(settings: &Settings, pace: Pace, fate: &Fate, planner: Arc<dyn Planner>) -> World {
        let machines = Machines::of(settings);
        let mut world = World {
            cluster: Arc::new(MemoryCluster::new(START)),
            settings: settings.clone(),
            replicas: vec![Replica::new(planner, settings.clone())],
            actors: actors::all(machines, pace, fate).into_iter().map(Actor::new).collect(),
            machines,
            fate: fate.clone(),
            now: Duration::ZERO,
            timeline: Timeline::default(),
            steps: 0,
            created: BTreeMap::new(),
            crash: None,
            product_writes: 0,
            dice: None,
            late: Vec::new(),
            pace,
            recorder: None,
            later: Vec::new(),
            given: BTreeMap::new(),
            away: Vec::new(),
            resized: BTreeSet::new(),
            ledger: None,
            withheld: BTreeSet::new(),
        };
        world.cluster.with_hub(|hub| hub.set_fate(fate.hub.clone()));
        world.cluster.set_cloud_fate(&fate.cloud);
        world.start_process(0);
        for (key, body) in installed(settings) {
            // A fresh store takes each of the fixed objects once.
            let _ = world.put(&key, &body);
        }
        world
    }

    /// The cluster.
    pub fn cluster(&self) -> &Arc<MemoryCluster> {
        &self.cluster
    }

    /// The settings that everything runs under.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What happened so far.
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// Simulated time since the beginning.
    pub fn elapsed(&self) -> SignedDuration {
        SignedDuration::try_from(self.now).unwrap_or(SignedDuration::MAX)
    }

    /// The simulated time.
    pub fn now(&self) -> Timestamp {
        START.saturating_add(self.elapsed()).unwrap_or(Timestamp::MAX)
    }

    /// Steps so far: news that arrived, requests that were answered, reconciles of actors.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The product starts again, with nothing in memory: as after an update of its image, or where another operator was before.
    pub fn start_again(&mut self) {
        (0..self.replicas.len()).for_each(|index| self.start_process(index));
    }

    /// Lets the product crash once, after so many of its effects from now: the reconcile ends there, and a new process starts with nothing in memory.
    pub fn crash_after(&mut self, effects: u64) {
        self.crash = Some(effects);
    }

    /// Whether the crash that was ordered has happened.
    pub fn has_crashed(&self) -> bool {
        self.crash.is_none()
    }

    /// From now on the product looks at nothing only because time has passed.
    pub fn without_safety(&mut self) {
        self.replicas.iter_mut().for_each(Replica::without_safety);
        (0..self.replicas.len()).for_each(|index| self.wake_all(index));
    }

    /// From now on changes of a kind wake nobody, as if its watch had been forgotten.
    pub fn ignore(&mut self, kind: Kind) {
        for replica in &mut self.replicas {
            replica.deaf.insert(kind);
        }
    }

    /// From now on no process has this right: its role is older, or somebody has narrowed it.
    pub fn withhold(&mut self, right: Right) {
        self.withheld.extend(self.replicas.iter().map(|replica| (replica.planner.name(), right)));
    }

    /// The same of the processes of one planner.
    pub fn withhold_from(&mut self, planner: &dyn Planner, right: Right) {
        self.withheld.insert((planner.name(), right));
    }

    /// How often the product has written anything, statuses included.
    pub fn product_writes(&self) -> u64 {
        self.product_writes
    }

    /// What the product has created, in order.
    pub fn created(&self) -> Vec<ObjectKey> {
        let mut all: Vec<(&ObjectKey, &usize)> = self.created.iter().collect();
        all.sort_by_key(|(_, order)| **order);
        all.into_iter().map(|(key, _)| key.clone()).collect()
    }

    /// Puts a user's object into the world, as `kubectl replace` does; creates it when absent.
    pub fn put(&mut self, key: &ObjectKey, body: &Value) -> Result<(), BackendError> {
        self.cluster.with_store(|store| store.replace(key, body))?;
        self.spread();
        Ok(())
    }

    /// Adds a line to the timeline.
    pub fn note(&mut self, about: &ObjectKey, topic: &str, message: &str) {
        self.timeline.note(self.now(), about, topic, message);
    }

    /// Deletes a user's object.
    pub fn delete(&mut self, key: &ObjectKey) -> Result<(), BackendError> {
        self.cluster.with_store(|store| store.delete(key, None))?;
        self.spread();
        Ok(())
    }

    /// One object, as it is now.
    pub fn get(&self, key: &ObjectKey) -> Option<Seen> {
        self.cluster.with_store(|store| store.get(key).cloned())
    }

    /// Keys of all Workspaces, sorted.
    pub fn workspaces(&self) -> Vec<ObjectKey> {
        self.cluster.with_store(|store| {
            store.iter().map(|(key, _)| key.clone()).filter(|key| key.kind == Kind::Workspace).collect()
        })
    }

    /// Runs until `reached`, until the world has settled, or for so long.
    pub fn run(&mut self, limit: SignedDuration, mut reached: impl FnMut(&World) -> bool) -> Halt {
        let end = self.now.saturating_add(limit.unsigned_abs());
        // A world that spins is a defect of a planner; it ends as "out of time" and never hangs.
        let most = self.steps + MOST_STEPS;
        while self.steps < most {
            if reached(self) {
                return Halt::Reached;
            }
            if self.is_settled() {
                return Halt::Settled;
            }
            if !self.step_before(end) {
                return Halt::OutOfTime;
            }
        }
        Halt::OutOfTime
    }

    /// The next thing that happens, however far away. `false` when nothing is left to look at.
    pub fn step(&mut self) -> bool {
        self.step_before(Duration::MAX)
    }

    /// Runs for so long, whatever happens.
    pub fn advance(&mut self, duration: SignedDuration) {
        let end = self.now.saturating_add(duration.unsigned_abs());
        let most = self.steps + MOST_STEPS;
        while self.steps < most && self.step_before(end) {}
        self.move_clock(end);
    }

    /// Whether only periodic looks are left.
    pub fn is_settled(&self) -> bool {
        self.late.is_empty()
            && self.later.is_empty()
            && self.replicas.iter().all(Replica::is_calm)
            && self.actors.iter().all(Actor::is_calm)
    }

    /// Whether a user cannot put such an object yet.
    pub(super) fn must_wait(&self, key: &ObjectKey) -> bool {
        let is_going = self.get(key).is_some_and(|seen| seen.metadata().deletion_timestamp.is_some());
        is_going || !self.cluster.with_store(|store| store.serves(key.kind))
    }

    /// Puts a model on the hub of this world.
    pub fn publish_model(&mut self, repository: Repository) {
        self.cluster.with_hub(|hub| hub.publish(repository));
    }

    /// From now on machines, pods and questions have another fate.
    pub fn set_fate(&mut self, fate: &Fate) {
        self.fate = fate.clone();
        self.cluster.with_hub(|hub| hub.set_fate(fate.hub.clone()));
        self.cluster.set_cloud_fate(&fate.cloud);
        self.actors = actors::all(self.machines, self.pace, fate).into_iter().map(Actor::new).collect();
        self.actors.iter_mut().for_each(|actor| actor.look_at_all(&self.cluster, self.now));
    }

    /// From now on machines are made so; for a world with a provisioner of its own, [`Machines::OfPools`].
    pub fn set_machines(&mut self, machines: Machines) {
        self.machines = machines;
        self.set_fate(&self.fate.clone());
    }

    /// From now on the product is started with these settings, every process anew. A Karpenter that was there before answers for its pools as long as there is one.
    pub fn run_with(&mut self, settings: &Settings) {
        let had_pools = self.machines == Machines::OfNodePools;
        self.settings = settings.clone();
        self.replicas.iter_mut().for_each(|replica| replica.settings = settings.clone());
        self.set_machines(Machines::of(settings));
        if had_pools && self.machines != Machines::OfNodePools {
            let mut karpenter = Actor::new(Box::new(actors::Karpenter));
            karpenter.look_at_all(&self.cluster, self.now);
            self.actors.push(karpenter);
        }
        self.start_again();
    }

    /// Starts a further process of the product beside those that run: another planner, or one more of the same.
    pub fn add_process(&mut self, planner: Arc<dyn Planner>) {
        self.replicas.push(Replica::new(planner, self.settings.clone()));
        self.start_process(self.replicas.len() - 1);
    }

    /// Takes down every reconcile of the product from now on.
    pub fn record(&mut self, recorder: Recorder) {
        self.recorder = Some(recorder);
    }

    /// What was taken down.
    pub fn recorder(&self) -> Option<&Recorder> {
        self.recorder.as_ref()
    }

    /// Whether a fault plays in this world.
    pub(super) fn plays(&self, fault: Fault) -> bool {
        self.dice.as_ref().is_some_and(|dice| dice.plays(fault))
    }

    /// The replica of this number, or the first.
    pub(super) fn replica(&self, index: usize) -> usize {
        if index < self.replicas.len() { index } else { 0 }
    }

    /// Whether anybody will look at a root although nothing happens.
    pub(super) fn looks_again_at(&self, root: &ObjectKey) -> bool {
        self.replicas.iter().any(|replica| replica.schedule.when(root).is_some())
    }

    /// Replaces a status, as its owner does.
    pub(super) fn change_status(&mut self, key: &ObjectKey, status: &Value) -> bool {
        let uid = self.get(key).and_then(|seen| seen.metadata().uid.clone()).unwrap_or_default();
        let changed = self.cluster.with_store(|store| store.write_status(key, &uid, None, status)).is_ok();
        self.spread();
        changed
    }

    /// From now on the API server creates no object of a kind, and says this: a quota, a policy, a right that is missing. `None` ends it.
    pub fn refuse(&mut self, kind: Kind, words: Option<&str>) {
        self.cluster.with_store(|store| store.refuse(kind, words));
    }

    /// The same, because of what objects of the kind hold: the schema of its definition takes none of them.
    pub fn reject(&mut self, kind: Kind, words: Option<&str>) {
        self.cluster.with_store(|store| store.reject(kind, words));
    }

    /// Installs the definition of a kind, or takes it away.
    pub fn serve(&mut self, kind: Kind, served: bool) {
        self.cluster.with_store(|store| store.serve(kind, served));
        (0..self.replicas.len()).for_each(|index| self.list_again(index, kind));
        if served {
            self.actors.iter_mut().for_each(|actor| actor.look_at_all(&self.cluster, self.now));
        }
    }

    /// Nothing goes wrong from now on.
    pub(super) fn calm_down(&mut self) {
        self.dice = None;
        for replica in &mut self.replicas {
            replica.skew = SignedDuration::ZERO;
            replica.catch_up(self.now);
        }
    }

    pub(super) fn move_clock(&mut self, now: Duration) {
        self.now = now;
        self.cluster.set_now(self.now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render;
    use serde_json::json;

    #[test]
    fn the_seed_becomes_ready_and_goes_without_a_trace() {
        let mut world = World::installed(&Settings::default());
        let key = ObjectKey::new(Kind::Workspace, "default", "phi-3");
        let body = json!({
            "apiVersion": "kaito.sh/v1alpha1", "kind": "Workspace", "metadata": {"name": "phi-3", "namespace": "default"},
            "resource": {"instanceType": "Standard_NC6s_v3", "labelSelector": {"matchLabels": {"apps": "phi-3"}}},
            "inference": {"preset": {"name": "phi-3-mini-4k-instruct"}},
        });
        world.put(&key, &body).unwrap();
        assert_eq!(render::settle(&mut world), Halt::Settled);
        let status = world.cluster().with_store(|store| store.value(&key).cloned()).unwrap()["status"].clone();
        assert_eq!(status["state"], "Ready", "{status:#}");
        world.delete(&key).unwrap();
        render::settle(&mut world);
        let left: Vec<_> = world.cluster().with_store(|store| store.iter().map(|(key, _)| key.to_string()).collect());
        assert_eq!(left.len(), installed(&Settings::default()).len(), "{left:?}");
    }
}
