//! The only async code of the core: read what a plan asks for, plan, carry it out, write the status last.
//!
//! No tasks, no timers, no queue: those belong to a runtime, such as kube-runtime or the memory world. Dropping the future between two effects is a crash, and harmless.

mod backoff;

pub use backoff::{Backoff, remaining};

use crate::backend::{BackendError, ClusterBackend, ErrorKind};
use crate::effect::{Effect, EffectError};
use crate::kinds::Kind;
use crate::object::ObjectKey;
use crate::plan::{Outcome, Plan, Remark, StatusWrite, Wake};
use crate::read::Read;
use crate::settings::Settings;
use crate::snapshot::{Snapshot, Unread};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;

/// How often a plan may ask for more before something must be wrong with it.
pub const MAX_ROUNDS: usize = 8;

/// A decision: from facts to a plan, with no clock, no IO, and no way to fail.
pub trait Planner: Send + Sync {
    /// A word for logs and metrics, such as `workspace`.
    fn name(&self) -> &'static str;

    /// The kind of its roots.
    fn roots(&self) -> Kind;

    /// What the root needs next; `Err` asks for facts.
    fn plan(&self, root: &ObjectKey, snapshot: &Snapshot, settings: &Settings) -> Result<Plan, Unread>;
}

/// What one reconcile did.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// How the root stands.
    pub outcome: Outcome,
    /// When to look again at the latest.
    pub wake: Wake,
    /// What the plan depended on; feeds the [`ReadIndex`](crate::ReadIndex).
    pub reads: BTreeSet<Read>,
    /// What was written, in order.
    pub written: Vec<Effect>,
    /// The status that was written.
    pub status: Option<StatusWrite>,
    /// What could not be written.
    pub errors: Vec<EffectError>,
    /// What the steps found out.
    pub remarks: Vec<Remark>,
    /// Look again at once: something changed between reading and writing.
    pub again: bool,
}

/// One reconcile of one root. An error means that the cluster could not be read before anything was written: try again later.
pub async fn reconcile(
    cluster: &dyn ClusterBackend,
    planner: &dyn Planner,
    root: &ObjectKey,
    settings: &Settings,
    now: Timestamp,
) -> Result<Report, BackendError> {
    let mut snapshot = Snapshot::new(now);
    let mut plan = look(cluster, planner, root, settings, &mut snapshot).await?;
    let mut report = Report {
        outcome: plan.outcome.clone(),
        wake: plan.wake,
        reads: snapshot.reads(),
        written: Vec::new(),
        status: None,
        errors: Vec::new(),
        remarks: std::mem::take(&mut plan.remarks),
        again: false,
    };
    let root_version = act(cluster, root, &plan, &mut report).await;
    if !report.errors.is_empty() {
        report.wake = report.wake.or_earlier(retry(&report.errors));
        report.errors.iter().for_each(|error| snapshot.mishap(error.clone()));
        // The refusal is a fact like any other: the same planner turns it into words, and only the words are taken. When even looking fails, the next reconcile tells.
        if let Ok(told) = look(cluster, planner, root, settings, &mut snapshot).await {
            plan.status = told.status;
            report.outcome = told.outcome;
        }
    }
    if let Some(mut status) = plan.status.take() {
        if let Some(version) = root_version {
            status.resource_version = version;
        }
        match cluster.write_status(&status).await {
            Ok(_) => report.status = Some(status),
            Err(error) if matches!(error.kind, ErrorKind::Conflict | ErrorKind::NotFound) => report.again = true,
            Err(error) => {
                report.errors.push(refused(&status.key, "patch status", error));
                report.wake = report.wake.or_earlier(retry(&report.errors));
            }
        }
    }
    Ok(report)
}

/// When to try again what was refused: soon where that may help, but never before the server asked to.
fn retry(errors: &[EffectError]) -> Wake {
    let soon = errors.iter().any(|error| error.kind.is_transient() || error.kind == ErrorKind::AlreadyExists);
    let asked =
        errors.iter().filter_map(|error| error.retry_after).max().and_then(|wait| SignedDuration::try_from(wait).ok());
    let own = SignedDuration::from_secs(if soon { 5 } else { 60 });
    Wake::After(asked.map_or(own, |asked| asked.max(own)))
}

fn refused(key: &ObjectKey, verb: &'static str, error: BackendError) -> EffectError {
    EffectError { key: key.clone(), verb, kind: error.kind, message: error.message, retry_after: error.retry_after }
}

/// Reads until the plan has all it asks for.
async fn look(
    cluster: &dyn ClusterBackend,
    planner: &dyn Planner,
    root: &ObjectKey,
    settings: &Settings,
    snapshot: &mut Snapshot,
) -> Result<Plan, BackendError> {
    for _ in 0..MAX_ROUNDS {
        snapshot.start_round();
        match planner.plan(root, snapshot, settings) {
            Ok(plan) => return Ok(plan),
            Err(Unread(reads)) => {
                for read in reads {
                    let answer = cluster.read(&read).await?;
                    snapshot.answer(read, answer);
                }
            }
        }
    }
    let asked: Vec<String> = snapshot.reads().iter().map(ToString::to_string).collect();
    Err(BackendError::new(
        ErrorKind::Invalid,
        format!(
            "planning {root} asked for more in each of {MAX_ROUNDS} rounds; this is a defect of kaito-rs. It asked for: {}",
            asked.join("; ")
        ),
    ))
}

/// Carries out the effects in order. Answers the root's version after our own writes to it: they were conditional on the version that was planned from, so nobody else
/// has been in between, and the status may build on it.
async fn act(cluster: &dyn ClusterBackend, root: &ObjectKey, plan: &Plan, report: &mut Report) -> Option<String> {
    let mut root_version = None;
    let mut done = vec![false; plan.steps.len()];
    for (index, step) in plan.steps.iter().enumerate() {
        if !step.requires.iter().all(|required| done.get(required.0).copied().unwrap_or(false)) {
            continue;
        }
        match cluster.perform(&step.effect).await {
            Ok(written) => {
                done[index] = true;
                report.written.push(step.effect.clone());
                if step.effect.key() == root {
                    root_version = written.resource_version().map(str::to_owned);
                }
            }
            Err(error) if is_fulfilled(&step.effect, error.kind) => done[index] = true,
            // What was planned from is not what is there: the dependants wait for the next look, which comes at once.
            Err(error) if matches!(error.kind, ErrorKind::Conflict | ErrorKind::NotFound) => report.again = true,
            Err(error) => report.errors.push(refused(step.effect.key(), step.effect.verb(), error)),
        }
    }
    for notice in &plan.notices {
        let happened = notice.after.is_none_or(|id| done.get(id.0).copied().unwrap_or(false));
        if let (true, Some(uid)) = (happened, plan.root_uid.as_deref()) {
            cluster.publish(root, uid, notice).await;
        }
    }
    root_version
}

/// Whether a refusal means that the wish is fulfilled already: what was to be deleted is gone. Nothing else is: an object of that name may be somebody else's, and an object
/// that was to be changed and is gone may be the one that the rest depends on.
fn is_fulfilled(effect: &Effect, refusal: ErrorKind) -> bool {
    matches!(effect, Effect::Delete { .. }) && refusal == ErrorKind::NotFound
}
