//! Runs one planner: changes wake roots, the queue says which is next, the driver does the rest.

use super::cluster::KubeCluster;
use super::queue::Queue;
use super::readiness::Readiness;
use super::stores::Change;
use crate::metrics::Metrics;
use jiff::Timestamp;
use kaito_core::backend::BackendError;
use kaito_core::driver::{self, Backoff, Planner, Report, remaining};
use kaito_core::plan::{Outcome, Wake};
use kaito_core::read::Read;
use kaito_core::{ObjectKey, ReadIndex, Seen, Settings};
use std::collections::{BTreeMap, BTreeSet};
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
/// Between looks that find each time that something has changed in between; the first comes at once.
const RACING: Backoff = Backoff { first: Duration::from_millis(100), cap: Duration::from_secs(10) };

type Done = (ObjectKey, Result<Report, BackendError>, Duration);

/// One planner with its queue.
pub(super) struct Controller {
    pub(super) planner: Arc<dyn Planner>,
    pub(super) cluster: KubeCluster,
    pub(super) settings: Arc<Settings>,
    pub(super) concurrency: usize,
    pub(super) metrics: Metrics,
    pub(super) readiness: Readiness,
    pub(super) changes: mpsc::Receiver<Change>,
}

/// What the loop knows of the roots.
#[derive(Default)]
struct Roots {
    queue: Queue,
    index: ReadIndex,
    /// Roots that are being looked at, with what has changed meanwhile: their reads of this time are not in the index yet.
    running: BTreeMap<ObjectKey, Vec<Change>>,
    failures: BTreeMap<ObjectKey, u32>,
    races: BTreeMap<ObjectKey, u32>,
}

impl Controller {
    /// Runs until `stop`. Fails only when a reconcile panicked.
    pub(super) async fn run(mut self, stop: CancellationToken) -> Result<(), JoinError> {
        let name = self.planner.name();
        let mut roots = Roots::default();
        let mut tasks: JoinSet<Done> = JoinSet::new();
        let mut beat = tokio::time::interval(BEAT);
        let mut settled = false;
        loop {
            // Until every kind has been listed once, a plan would take for absent what has only not been seen.
            settled = settled || self.cluster.stores().settled();
            let now = Instant::now();
            while settled && tasks.len() < self.concurrency {
                let Some(root) = roots.queue.take(now, |root| roots.running.contains_key(root)) else { break };
                roots.running.insert(root.clone(), Vec::new());
                tasks.spawn(self.reconcile(root));
            }
            self.metrics.depth(name, roots.queue.due(now));
            let next = (settled && tasks.len() < self.concurrency)
                .then(|| roots.queue.next(|root| roots.running.contains_key(root)))
                .flatten();
            tokio::select! {
                () = stop.cancelled() => break,
                change = self.changes.recv() => match change {
                    Some(change) => self.woken(&mut roots, &change),
                    None => break, // the watches are gone: shutting down
                },
                Some(done) = tasks.join_next() => self.finished(&mut roots, done?),
                () = until(next) => {}
                _ = beat.tick() => self.readiness.beat(name),
            }
        }
        let _ = tokio::time::timeout(GRACE, async { while tasks.join_next().await.is_some() {} }).await;
        Ok(())
    }

    fn reconcile(&self, root: ObjectKey) -> impl Future<Output = Done> + Send + use<> {
        let (planner, cluster, settings) =
            (Arc::clone(&self.planner), self.cluster.clone(), Arc::clone(&self.settings));
        let span = tracing::info_span!("reconcile", planner = planner.name(), kind = %root.kind, namespace = root.namespace(), name = root.name);
        let work = async move {
            let start = Instant::now();
            let result = driver::reconcile(&cluster, planner.as_ref(), &root, &settings, Timestamp::now()).await;
            let took = start.elapsed();
            log(&result, took);
            (root, result, took)
        };
        work.instrument(span)
    }

    fn woken(&self, roots: &mut Roots, change: &Change) {
        let now = Instant::now();
        match change {
            Change::Kind(_) => {
                // Rare: a definition was installed or removed, and every plan that read the kind may differ.
                for root in self.cluster.stores().keys(self.planner.roots()) {
                    roots.queue.at_latest(&root, now);
                }
            }
            Change::Object { old, new } => {
                let mut woken = roots.index.wakes(old.as_ref(), new.as_ref());
                woken.extend(
                    [old, new].into_iter().flatten().map(Seen::key).filter(|key| key.kind == self.planner.roots()),
                );
                for root in &woken {
                    roots.queue.at_latest(root, now);
                }
                for meanwhile in roots.running.values_mut() {
                    meanwhile.push(change.clone());
                }
            }
        }
    }

    fn finished(&self, roots: &mut Roots, (root, result, took): Done) {
        let now = Instant::now();
        let meanwhile = roots.running.remove(&root).unwrap_or_default();
        let label = result.as_ref().map_or_else(|error| error.kind.label(), |report| report.outcome.label());
        self.metrics.reconciled(self.planner.name(), label, took);
        let entropy = entropy(&root);
        let wait = match result {
            Err(error) => {
                let attempts = count(&mut roots.failures, &root);
                Some(Backoff::default().wait(attempts, entropy, error.retry_after))
            }
            Ok(report) => {
                if touched(&report.reads, &meanwhile) {
                    roots.queue.at_latest(&root, now);
                }
                let wait = next_look(roots, &root, &report, entropy);
                match report.outcome {
                    Outcome::Gone => roots.index.forget(&root),
                    Outcome::Converged | Outcome::Waiting { .. } | Outcome::Failed { .. } => {
                        roots.index.record(&root, report.reads);
                    }
                }
                wait
            }
        };
        if let Some(wait) = wait {
            roots.queue.at_latest(&root, now + wait);
        }
    }
}

/// How long until the next look, if nothing happens before; `None` for a root that is gone.
fn next_look(roots: &mut Roots, root: &ObjectKey, report: &Report, entropy: f64) -> Option<Duration> {
    let wake = match report.wake {
        Wake::After(after) => Some(remaining(after)),
        Wake::OnChange => None,
    };
    if report.errors.is_empty() {
        roots.failures.remove(root);
    } else {
        let paced = Backoff::default().wait(count(&mut roots.failures, root), entropy, None);
        return Some(wake.map_or(paced, |wake| wake.max(paced)));
    }
    if report.again {
        let races = count(&mut roots.races, root);
        return Some(if races == 1 { Duration::ZERO } else { RACING.wait(races - 1, entropy, None) });
    }
    roots.races.remove(root);
    if report.outcome == Outcome::Gone && wake.is_none() {
        return None;
    }
    // Even where a change is all that is waited for: a watch may lose one.
    let safety = Backoff::safety(entropy);
    Some(wake.map_or(safety, |wake| wake.min(safety)))
}

fn count(counts: &mut BTreeMap<ObjectKey, u32>, root: &ObjectKey) -> u32 {
    let count = counts.entry(root.clone()).or_default();
    *count = count.saturating_add(1);
    *count
}

/// Whether something that was read has changed while the plan was being made and carried out.
fn touched(reads: &BTreeSet<Read>, meanwhile: &[Change]) -> bool {
    meanwhile.iter().any(|change| match change {
        Change::Object { old, new } => {
            [old, new].into_iter().flatten().any(|seen| reads.iter().any(|read| read.matches(seen)))
        }
        Change::Kind(kind) => reads.iter().any(|read| read.kind() == *kind),
    })
}

/// Spreads waits; this is the edge, where chance is allowed.
fn entropy(root: &ObjectKey) -> f64 {
    f64::from(u32::try_from(RandomState::new().hash_one(root) >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

async fn until(time: Option<Instant>) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use kaito_core::Kind;
    use kaito_core::backend::ErrorKind;
    use kaito_core::effect::EffectError;

    fn report(outcome: Outcome, wake: Wake) -> Report {
        Report {
            outcome,
            wake,
            reads: BTreeSet::new(),
            written: Vec::new(),
            status: None,
            errors: Vec::new(),
            remarks: Vec::new(),
            again: false,
        }
    }

    #[test]
    fn the_next_look_is_soon_after_a_race_later_after_a_refusal_and_rare_when_quiet() {
        let (mut roots, root) = (Roots::default(), ObjectKey::new(Kind::Workspace, "a", "b"));
        let quiet = report(Outcome::Converged, Wake::OnChange);
        assert_eq!(next_look(&mut roots, &root, &quiet, 0.0), Some(Duration::from_secs(600)));
        assert_eq!(next_look(&mut roots, &root, &report(Outcome::Gone, Wake::OnChange), 0.0), None);
        let soon = report(Outcome::Waiting { reason: "X" }, Wake::After(jiff::SignedDuration::from_secs(3)));
        assert_eq!(next_look(&mut roots, &root, &soon, 0.0), Some(Duration::from_secs(3)));

        let race = Report { again: true, ..quiet.clone() };
        let waits: Vec<u128> =
            (0..3).filter_map(|_| next_look(&mut roots, &root, &race, 1.0)).map(|wait| wait.as_millis()).collect();
        assert_eq!(waits, [0, 100, 200]);

        let key = root.clone();
        let refused = Report {
            errors: vec![EffectError {
                key,
                verb: "create",
                kind: ErrorKind::Forbidden,
                message: String::new(),
                retry_after: None,
            }],
            ..soon
        };
        let waits: Vec<u64> =
            (0..5).filter_map(|_| next_look(&mut roots, &root, &refused, 1.0)).map(|wait| wait.as_secs()).collect();
        assert_eq!(waits, [3, 3, 4, 8, 16]);
        next_look(&mut roots, &root, &quiet, 0.0);
        assert!(roots.failures.is_empty() && roots.races.is_empty());
    }
}
