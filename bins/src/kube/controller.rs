//! Runs one planner: changes wake roots, the queue says which is next, the driver does the rest.

use super::readiness::Readiness;
use crate::arm::Routed;
use crate::metrics::Metrics;
use crate::recorder::FlightRecorder;
use jiff::Timestamp;
use kaito_core::backend::BackendError;
use kaito_core::cache::{Change, Stores};
use kaito_core::driver::{self, Planner, Reconciliation, Report, Schedule};
use kaito_core::{ObjectKey, Settings};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

/// How often the loop shows that it is alive when nothing happens.
const BEAT: Duration = Duration::from_secs(5);
/// How long reconciles that are under way may take to end at shutdown; one that is cut off is a crash, and harmless.
const GRACE: Duration = Duration::from_secs(20);
/// How often roots are looked for that nobody waits for.
const SWEEP: Duration = Duration::from_secs(600);

type Done = (ObjectKey, Result<Report, BackendError>, Duration);

/// One planner with its queue.
pub(super) struct Controller {
    pub(super) planner: Arc<dyn Planner>,
    pub(super) backend: Routed,
    pub(super) stores: Arc<Stores>,
    pub(super) settings: Arc<Settings>,
    pub(super) concurrency: usize,
    pub(super) metrics: Metrics,
    pub(super) recorder: FlightRecorder,
    pub(super) readiness: Readiness,
    pub(super) changes: mpsc::Receiver<Change>,
}

impl Controller {
    /// Runs until `stop`. Fails only when a reconcile panicked.
    pub(super) async fn run(mut self, stop: CancellationToken) -> Result<(), JoinError> {
        let name = self.planner.name();
        let start = Instant::now();
        let mut roots = Schedule::default();
        let mut tasks: JoinSet<Done> = JoinSet::new();
        let mut beat = tokio::time::interval(BEAT);
        let mut sweep = tokio::time::interval(SWEEP);
        let mut settled = false;
        loop {
            // Until every kind of the API server has been listed once, a plan would take for absent what has only not been seen.
            settled = settled || self.stores.settled();
            let now = start.elapsed();
            while settled && tasks.len() < self.concurrency {
                let Some(root) = roots.take(now) else { break };
                let expected = roots.expected(&root).filter(|read| self.stores.holds(read));
                let machine = Reconciliation::new(root.clone(), Timestamp::now()).expecting(expected);
                tasks.spawn(self.reconcile(root, machine));
            }
            self.metrics.depth(name, roots.due(now));
            let next = (settled && tasks.len() < self.concurrency).then(|| roots.next()).flatten();
            tokio::select! {
                () = stop.cancelled() => break,
                change = self.changes.recv() => match change {
                    Some(change) => self.woken(&mut roots, &change, start.elapsed()),
                    None => break, // the watches are gone: shutting down
                },
                Some(done) = tasks.join_next() => self.finished(&mut roots, done?, start.elapsed()),
                () = until(next.and_then(|next| start.checked_add(next))) => {}
                _ = beat.tick() => self.readiness.beat(name),
                _ = sweep.tick() => roots.sweep(self.stores.roots(self.planner.as_ref()), start.elapsed(), chance()),
            }
        }
        let _ = tokio::time::timeout(GRACE, async { while tasks.join_next().await.is_some() {} }).await;
        Ok(())
    }

    fn reconcile(&self, root: ObjectKey, mut machine: Reconciliation) -> impl Future<Output = Done> + Send + use<> {
        let (planner, cluster, settings) =
            (Arc::clone(&self.planner), self.backend.clone(), Arc::clone(&self.settings));
        let recorder = self.recorder.clone();
        let span = tracing::info_span!("reconcile", planner = planner.name(), kind = %root.kind, namespace = root.namespace(), name = root.name);
        let work = async move {
            let start = Instant::now();
            let result = driver::drive(&mut machine, &cluster, planner.as_ref(), &settings).await;
            let took = start.elapsed();
            recorder.take(&machine, planner.as_ref(), &settings);
            log(&result, took);
            (root, result, took)
        };
        work.instrument(span)
    }

    fn woken(&self, roots: &mut Schedule, change: &Change, now: Duration) {
        for root in roots.concerned(self.planner.as_ref(), change, || self.stores.keys(self.planner.roots())) {
            roots.heard(&root, change, now);
        }
        roots.meanwhile(change);
    }

    fn finished(&self, roots: &mut Schedule, (root, result, took): Done, now: Duration) {
        let label = result.as_ref().map_or_else(|error| error.kind.label(), |report| report.outcome.label());
        self.metrics.reconciled(self.planner.name(), label, took);
        roots.finished(&root, &result, now, chance());
    }
}

/// Spreads waits; this is the edge, where chance is allowed.
pub(super) fn chance() -> f64 {
    f64::from(u32::try_from(RandomState::new().hash_one(0_u8) >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

pub(super) async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// One line for each change at info, one for each plan at debug; never a body.
fn log(result: &Result<Report, BackendError>, took: Duration) {
    let report = match result {
        Ok(report) => report,
        Err(error) => {
            tracing::warn!(kind = error.kind.label(), %error, "cannot look");
            return;
        }
    };
    for effect in &report.written {
        tracing::info!(object = %effect.key(), "{}", effect.verb());
    }
    for error in &report.unknown {
        tracing::warn!(kind = error.kind.label(), %error, "the cloud does not answer");
    }
    for error in &report.errors {
        tracing::warn!(object = %error.key, kind = error.kind.label(), message = error.message, "{} refused", error.verb);
    }
    let (outcome, reason) = (report.outcome.label(), report.outcome.reason().unwrap_or_default());
    if report.status.is_some() {
        tracing::info!(outcome, reason, "status");
    }
    if report.status.is_some() || !report.written.is_empty() {
        for remark in &report.remarks {
            tracing::debug!(topic = remark.topic, "{}", remark.text);
        }
    }
    tracing::debug!(outcome, reason, wake = ?report.wake, again = report.again, reads = report.reads.len(), took = ?took, "planned");
}
