//! Clock, queue, planners: a whole cluster that runs until something is true or nothing happens any more.

use super::cluster::MemoryCluster;
use super::fuse::Fuse;
use super::installed::installed;
use super::queue::Queue;
use super::{Fate, Pace, Timeline, actors};
use crate::ReadIndex;
use crate::backend::BackendError;
use crate::driver::{self, Backoff, Planner, Report};
use crate::kinds::Kind;
use crate::object::{ObjectKey, Seen};
use crate::plan::Wake;
use crate::settings::Settings;
use crate::workspace::WorkspacePlanner;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// Reconciles that one run may take: far above what thousands of Workspaces need.
const MOST_STEPS: u64 = 200_000;

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

/// One planner with what it needs to be woken.
struct Runner {
    planner: Box<dyn Planner>,
    index: ReadIndex,
    failures: BTreeMap<ObjectKey, u32>,
    /// The actors' own waits are progress of the world; the product's waits are deadlines and retries.
    is_actor: bool,
}

/// A cluster in memory, everything that runs in it, and its clock.
pub struct World {
    cluster: Arc<MemoryCluster>,
    settings: Settings,
    runners: Vec<Runner>,
    now: Timestamp,
    start: Timestamp,
    queue: Queue,
    timeline: Timeline,
    steps: u64,
    created: BTreeMap<ObjectKey, usize>,
    crash: Option<u64>,
    product_writes: u64,
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
        let start = Timestamp::constant(1_767_225_600, 0); // 2026-01-01T00:00:00Z: a world begins at a fixed time, so that a run repeats.
        let cluster = Arc::new(MemoryCluster::new(start));
        let runner =
            |planner, is_actor| Runner { planner, index: ReadIndex::default(), failures: BTreeMap::new(), is_actor };
        let product: Box<dyn Planner> = Box::new(WorkspacePlanner);
        let runners = std::iter::once(runner(product, false))
            .chain(actors::all(pace, fate).into_iter().map(|actor| runner(actor, true)))
            .collect();
        let mut world = World {
            cluster,
            settings: settings.clone(),
            runners,
            now: start,
            start,
            queue: Queue::default(),
            timeline: Timeline::default(),
            steps: 0,
            created: BTreeMap::new(),
            crash: None,
            product_writes: 0,
        };
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
        self.now.duration_since(self.start)
    }

    /// The simulated time.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Lets the product crash once, after so many of its effects from now: the reconcile ends there, and a new process starts with nothing in memory.
    pub fn crash_after(&mut self, effects: u64) {
        self.crash = Some(effects);
    }

    /// Whether the crash that was ordered has happened.
    pub fn has_crashed(&self) -> bool {
        self.crash.is_none()
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

    /// Runs until `reached`, until the world has settled, or for so long.
    pub fn run(&mut self, limit: SignedDuration, mut reached: impl FnMut(&World) -> bool) -> Halt {
        let end = self.now.saturating_add(limit).unwrap_or(Timestamp::MAX);
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

    /// One reconcile: the next that is due, however far away. `false` when nothing is left to look at.
    pub fn step(&mut self) -> bool {
        self.step_before(Timestamp::MAX)
    }

    /// Runs for so long, whatever happens.
    pub fn advance(&mut self, duration: SignedDuration) {
        let end = self.now.saturating_add(duration).unwrap_or(Timestamp::MAX);
        while self.step_before(end) {}
        self.move_clock(end);
    }

    /// Whether only periodic looks are left.
    pub fn is_settled(&self) -> bool {
        self.queue.is_calm()
    }

    /// The earliest that is due before `end`.
    fn step_before(&mut self, end: Timestamp) -> bool {
        let Some((at, (index, root))) = self.queue.pop(end) else { return false };
        self.move_clock(at.max(self.now));
        self.reconcile(index, &root);
        self.spread();
        true
    }

    fn move_clock(&mut self, now: Timestamp) {
        self.now = now;
        self.cluster.set_now(now);
    }

    fn reconcile(&mut self, index: usize, root: &ObjectKey) {
        self.steps += 1;
        let runner = &self.runners[index];
        let fuse = Fuse::new(&self.cluster, self.crash.filter(|_| !runner.is_actor));
        let done = run_now(driver::reconcile(&fuse, &*runner.planner, root, &self.settings, self.now));
        let left = fuse.left();
        match done {
            None if left == Some(0) => return self.restart(index),
            _ => self.crash = left.or(self.crash),
        }
        match done {
            Some(Ok(report)) => self.settle(index, root, &report),
            Some(Err(_)) | None => {
                let failures = self.runners[index].failures.entry(root.clone()).or_default();
                *failures += 1;
                let wait = Backoff::default().wait(*failures, 0.5, None);
                self.schedule(
                    index,
                    root,
                    SignedDuration::try_from(wait).unwrap_or(SignedDuration::from_secs(1)),
                    true,
                );
            }
        }
    }

    /// A new process: no memory of reads, failures or waits; every root is looked at again.
    fn restart(&mut self, index: usize) {
        self.crash = None;
        let runner = &mut self.runners[index];
        (runner.index, runner.failures) = (ReadIndex::default(), BTreeMap::new());
        let kind = runner.planner.roots();
        self.queue.forget(index);
        let roots: Vec<ObjectKey> = self
            .cluster
            .with_store(|store| store.iter().map(|(key, _)| key.clone()).filter(|key| key.kind == kind).collect());
        roots.iter().for_each(|root| self.schedule(index, root, SignedDuration::ZERO, true));
    }

    fn settle(&mut self, index: usize, root: &ObjectKey, report: &Report) {
        self.timeline.record(self.now, root, report);
        if !self.runners[index].is_actor {
            self.product_writes += report.written.len() as u64 + u64::from(report.status.is_some());
            for effect in report.written.iter().filter(|effect| effect.verb() == "create") {
                let order = self.created.len();
                self.created.entry(effect.key().clone()).or_insert(order);
            }
        }
        let runner = &mut self.runners[index];
        runner.failures.remove(root);
        if report.outcome == crate::plan::Outcome::Gone {
            runner.index.forget(root);
        } else {
            runner.index.record(root, report.reads.clone());
        }
        if report.again {
            self.schedule(index, root, SignedDuration::from_millis(10), true);
        } else if let Wake::After(wait) = report.wake {
            self.schedule(index, root, wait, false);
        }
    }

    /// Asks for a look at a root. An actor's wait is progress of the world; one of the product is a deadline or a retry, and no reason to go on.
    fn schedule(&mut self, index: usize, root: &ObjectKey, wait: SignedDuration, happened: bool) {
        let at = self.now.saturating_add(wait).unwrap_or(Timestamp::MAX);
        self.queue.at((index, root.clone()), at, happened || self.runners[index].is_actor);
    }

    /// Hands changes to everybody whom they concern.
    fn spread(&mut self) {
        for change in self.cluster.take_changes() {
            let (old, new) = (change.old.as_ref(), change.new.as_ref());
            for index in 0..self.runners.len() {
                let kind = self.runners[index].planner.roots();
                let own = [old, new].into_iter().flatten().find(|seen| seen.kind() == kind).map(Seen::key);
                let woken = self.runners[index].index.wakes(old, new);
                for root in woken.into_iter().chain(own) {
                    self.schedule(index, &root, SignedDuration::ZERO, true);
                }
            }
        }
    }
}

/// Drives a future that never waits: everything in this world answers at once.
fn run_now<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// The roots of the product in this world.
impl World {
    /// Keys of all Workspaces, sorted.
    pub fn workspaces(&self) -> Vec<ObjectKey> {
        self.cluster.with_store(|store| {
            store.iter().map(|(key, _)| key.clone()).filter(|key| key.kind == Kind::Workspace).collect()
        })
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
