//! What a Workspace needs next.
//!
//! [`WorkspacePlanner`] runs `STEPS` from top to bottom. A step looks at the `View` and adds to the `Draft`; it does no IO, knows no clock,
//! and cannot fail. A step that cannot go on leaves a `Failure` or a `Waiting` in the draft; what does not depend on it goes on. Whether a machine may be paid for
//! follows from the failures that are in the draft then (`Draft::may_buy`): what forbids one is a row of the catalogue, and every step that can find such a failure runs before `machines`.
//!
//! Not here: how objects look (`crate::manifest`), how much memory a model takes (`crate::sizing`), who calls us (`crate::driver`).

mod adapters; // LoRA adapters beside the model
mod admit; // would this be admitted today? late validation, in words
mod asked; // what is asked for by annotation
mod benchmark; // what a start has measured
mod config; // the user's ConfigMap
mod deletion; // give everything back, then let go
mod disks; // local disks go with their nodes
mod draft; // what the steps have found and want
mod facts; // model, machine and runtime that the Workspace names, or its own server
mod former; // what an older operator has made is taken over as it is
mod immutable; // fields that a live object keeps
mod last_words; // what a container printed before it ended
mod machines; // ask for machines, read what came, give them back
mod measurement; // the result of a benchmark, out of a log
mod migration; // from a Deployment of an older version to the set of pods
mod models; // what is recorded of models that are in no catalogue, or a hub says
mod network; // the Services
mod own; // a server of the user's own making
mod placement; // which nodes a set of pods asks for
mod pods; // what is wrong with pods, in the kubelet's words
mod release; // machines of a training that is over
mod revision; // number what was asked for
mod secrets; // Secrets that are named
mod serving; // whether a client can use the model, and if not, why
mod size; // how many machines
mod stamp; // finalizer and revision annotations, in one patch
mod status; // conditions from what was seen
mod stuck; // pods of an earlier request that keep the next one from its pods
mod training; // settings of a training, before a machine is paid for
mod tuning; // the Job
mod view; // the Workspace and its children, as read
mod workload; // the pods that serve

#[cfg(test)]
pub(crate) mod testing; // what Workspaces of tests name

pub(crate) use facts::objections;
pub use facts::{
    Engine, Facts, Looked, LookedMachine, LookedModel, Subject, Task, Unseen, asked_of_hub, resolve, unknown_size,
};
pub(crate) use machines::{Survey, tolerated, wanted_labels};
pub use own::{Asks, OwnServer};
pub(crate) use own::{doubts as doubts_about_template, unused as unused_beside_template};
pub(crate) use size::{bought_otherwise, forecast, forecast_with};
pub(crate) use workload::local_weights;

use crate::backend::BackendError;
use crate::driver::Planner;
use crate::kinds::{self, Kind, KindUse};
use crate::object::{ObjectKey, Seen};
use crate::plan::Plan;
use crate::read::Read;
use crate::settings::Settings;
use crate::snapshot::{Snapshot, Unread};
use draft::{Draft, Flow};
use view::View;

/// One step of a plan.
enum Step {
    /// Decides something; not asked any more after one that stops.
    Decides(fn(&View<'_>, &mut Draft) -> Result<Flow, Unread>),
    /// Looks at what is there, whatever became of the others: a wish that cannot be fulfilled does not undo what an earlier one has brought.
    Observes(fn(&View<'_>, &mut Draft) -> Result<(), Unread>),
}

/// The steps, in the order in which they run.
const STEPS: &[Step] = &[
    Step::Decides(orphans),
    Step::Decides(deletion::step),
    Step::Decides(admit::step),
    Step::Decides(revision::step),
    Step::Decides(stamp::step),
    Step::Decides(size::step),
    Step::Decides(network::step),
    Step::Decides(workload::judge),
    Step::Decides(training::step),
    Step::Observes(machines::step),
    Step::Decides(workload::step),
    Step::Observes(disks::step),
    Step::Observes(stuck::step),
    Step::Decides(benchmark::step),
    Step::Decides(tuning::step),
];

/// Plans Workspaces.
#[derive(Debug, Clone, Copy, Default)]
pub struct WorkspacePlanner;

impl Planner for WorkspacePlanner {
    fn name(&self) -> &'static str {
        "workspace"
    }

    fn roots(&self) -> Kind {
        Kind::Workspace
    }

    fn kinds(&self, settings: &Settings) -> &'static [KindUse] {
        kinds::of(&settings.provisioner)
    }

    fn plan(&self, root: &ObjectKey, snapshot: &Snapshot, settings: &Settings) -> Result<Plan, Unread> {
        let Some(view) = View::new(root, snapshot, settings)? else {
            return machines::of(settings).left_behind(root, snapshot);
        };
        let mut draft = Draft::default();
        let mut flow = Flow::Next;
        for step in STEPS {
            match step {
                Step::Decides(step) if flow == Flow::Next => flow = step(&view, &mut draft)?,
                Step::Decides(_) => {}
                Step::Observes(look) => look(&view, &mut draft)?,
            }
        }
        status::finish(&view, draft)
    }

    fn unanswered(
        &self,
        root: &ObjectKey,
        snapshot: &Snapshot,
        settings: &Settings,
        refused: (&Read, &BackendError),
    ) -> Option<Plan> {
        let view = View::of_root(root, snapshot, settings).ok()??;
        Some(status::unanswered(&view, refused))
    }

    fn root_of(&self, object: &Seen) -> Option<ObjectKey> {
        machines::root_of(object)
    }
}

/// What an earlier Workspace of this name has left goes before anything is asked for.
fn orphans(view: &View<'_>, draft: &mut Draft) -> Result<Flow, Unread> {
    machines::of(view.settings).take_back_strangers(view, draft)?;
    Ok(Flow::Next)
}
