//! Read what a plan asks for, plan, carry it out, write the status last; then decide when to look again.
//!
//! [`Reconciliation`] is one reconcile and [`Schedule`] the time between them; both are machines without IO and without a clock. [`drive`] (and [`reconcile`], which forgets the machine) runs the first on a backend: the only async
//! code of the core. No tasks, no timers: those belong to a runtime, such as tokio or the memory world. Dropping a reconcile between two effects is a crash, and harmless.

mod backoff;
mod news; // what changes during a look
mod patience; // after a refusal
mod queue; // who is next
mod reconciliation; // one look and what follows from it
mod schedule; // when each root is looked at

pub use backoff::Backoff;
pub(crate) use backoff::remaining;
pub use reconciliation::{Carried, Reconciliation, Wish};
pub use schedule::Schedule;

use crate::backend::{BackendError, ClusterBackend};
use crate::effect::{Effect, EffectError};
use crate::kinds::{self, Kind, KindUse};
use crate::object::{ObjectKey, Seen};
use crate::plan::{Outcome, Plan, Remark, StatusWrite, Wake};
use crate::read::Read;
use crate::settings::Settings;
use crate::snapshot::{Snapshot, Unread};
use jiff::Timestamp;
use std::collections::BTreeSet;

/// How often a plan may ask for more before something must be wrong with it. Plans come out in nine at most; a look that fails for ever because one takes a round more would be worse than a slow one.
pub const MAX_ROUNDS: usize = 16;

/// A decision: from facts to a plan, with no clock, no IO, and no way to fail.
pub trait Planner: Send + Sync {
    /// A word for logs and metrics, such as `workspace`.
    fn name(&self) -> &'static str;

    /// The kind of its roots.
    fn roots(&self) -> Kind;

    /// What it needs of each kind: how each is watched, and the rights on it.
    fn kinds(&self, settings: &Settings) -> &'static [KindUse] {
        kinds::of(&settings.provisioner)
    }

    /// What the root needs next; `Err` asks for facts.
    fn plan(&self, root: &ObjectKey, snapshot: &Snapshot, settings: &Settings) -> Result<Plan, Unread>;

    /// What is told where the API server refuses to answer something that a plan asks, for without the answer there is no plan. Of it only notices and status are taken; `None` tells nothing.
    fn unanswered(
        &self,
        _root: &ObjectKey,
        _snapshot: &Snapshot,
        _settings: &Settings,
        _refused: (&Read, &BackendError),
    ) -> Option<Plan> {
        None
    }

    /// The root that an object says it belongs to: it is looked at when the object changes, although nobody may have asked for the object yet, or any more. What outlives its root is
    /// found by this.
    fn root_of(&self, _object: &Seen) -> Option<ObjectKey> {
        None
    }
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
    /// What the cloud did not answer, and the plan was made without.
    pub unknown: Vec<BackendError>,
    /// What the steps found out.
    pub remarks: Vec<Remark>,
    /// Look again at once: something changed between reading and writing.
    pub again: bool,
}

impl Report {
    /// Nothing was done yet.
    fn new() -> Self {
        Self {
            outcome: Outcome::Converged,
            wake: Wake::OnChange,
            reads: BTreeSet::new(),
            written: Vec::new(),
            status: None,
            errors: Vec::new(),
            unknown: Vec::new(),
            remarks: Vec::new(),
            again: false,
        }
    }
}

/// One reconcile of one root: a [`Reconciliation`] whose wishes are calls of a backend. An error means that the cluster could not be read before anything was written: try again later.
pub async fn reconcile(
    cluster: &dyn ClusterBackend,
    planner: &dyn Planner,
    root: &ObjectKey,
    settings: &Settings,
    now: Timestamp,
) -> Result<Report, BackendError> {
    drive(&mut Reconciliation::new(root.clone(), now), cluster, planner, settings).await
}

/// The same with a machine that the caller keeps, to look at afterwards: everything that was read, planned and carried out is still in it.
pub async fn drive(
    work: &mut Reconciliation,
    cluster: &dyn ClusterBackend,
    planner: &dyn Planner,
    settings: &Settings,
) -> Result<Report, BackendError> {
    loop {
        match work.next(planner, settings) {
            Wish::Read(read) => work.answered(cluster.read(&read).await),
            Wish::Perform(effect) => work.performed(cluster.perform(&effect).await),
            Wish::WriteStatus(status) => work.status_written(cluster.write_status(&status).await),
            Wish::Publish(uid, notice) => cluster.publish(work.root(), &uid, &notice).await,
            Wish::Done(result) => return *result,
        }
    }
}
