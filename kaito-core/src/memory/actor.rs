//! One of the controllers that make up the rest of a cluster: it sees the store itself, and each of its reconciles is one step.

use super::cluster::MemoryCluster;
use crate::cache::Change;
use crate::driver::{Planner, Reconciliation, Report, Schedule, Wish, remaining};
use crate::kinds::Kind;
use crate::object::{ObjectKey, Seen};
use crate::plan::Wake;
use crate::read::Selector;
use crate::settings::Settings;
use jiff::Timestamp;
use std::time::Duration;

pub(super) struct Actor {
    planner: Box<dyn Planner>,
    schedule: Schedule,
}

impl Actor {
    pub(super) fn new(planner: Box<dyn Planner>) -> Self {
        Self { planner, schedule: Schedule::without_safety() }
    }

    pub(super) fn next(&self) -> Option<Duration> {
        self.schedule.next()
    }

    pub(super) fn is_calm(&self) -> bool {
        self.schedule.is_calm()
    }

    /// Hears of a change at once.
    pub(super) fn hear(&mut self, change: &Change, now: Duration) {
        for root in self.schedule.concerned(self.planner.as_ref(), change, Vec::new) {
            self.schedule.heard(&root, change, now);
        }
    }

    /// One reconcile of the root that is due. Waits of the cluster are progress, not deadlines, so that a world with one of them has not settled.
    pub(super) fn turn(
        &mut self,
        cluster: &MemoryCluster,
        settings: &Settings,
        now: Duration,
        clock: Timestamp,
    ) -> Option<(ObjectKey, Report)> {
        let root = self.schedule.take(now)?;
        let mut work = Reconciliation::new(root.clone(), clock).expecting(self.schedule.expected(&root));
        let result = loop {
            match work.next(self.planner.as_ref(), settings) {
                Wish::Read(read) => work.answered(Ok(cluster.answer(&read))),
                Wish::Perform(effect) => work.performed(cluster.carry_out(&effect)),
                Wish::WriteStatus(status) => work.status_written(cluster.put_status(&status)),
                Wish::Publish(_, notice) => cluster.tell(&root, &notice),
                Wish::Done(result) => break *result,
            }
        };
        self.schedule.finished(&root, &result, now, 0.5);
        let report = result.ok()?;
        if let Wake::After(wait) = report.wake {
            self.schedule.look(&root, now.saturating_add(remaining(wait)));
        }
        Some((root, report))
    }

    /// Looks at everything again, also at a pool that is gone and has left claims: the collector of garbage finds these whenever it starts.
    pub(super) fn look_at_all(&mut self, cluster: &MemoryCluster, now: Duration) {
        let roots = cluster.with_store(|store| store.list(self.planner.roots(), None, &Selector::default()));
        let claims = cluster.with_store(|store| store.list(Kind::NodeClaim, None, &Selector::default()));
        let left = claims.iter().filter_map(|claim| self.planner.root_of(claim));
        roots.iter().map(Seen::key).chain(left).for_each(|root| self.schedule.look(&root, now));
    }
}
