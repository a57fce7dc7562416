//! What is said of a training (spec/02 §5.9.3). Once its Job has begun, the machines have no say any more.

use super::{Draft, View, trouble};
use crate::conditions::Finding;
use crate::failure;
use crate::workspace::tuning::Progress;
use kaito_api::vocabulary::{ConditionType, reasons};

/// `JobStarted` and `WorkspaceSucceeded`.
pub(super) fn findings(view: &View<'_>, draft: &Draft, resource: &Finding) -> (Finding, Finding) {
    use ConditionType::{JobStarted, WorkspaceSucceeded};
    let started = || Finding::yes(JobStarted, reasons::JOB_STARTED, "Tuning job has started");
    let not_started = || {
        trouble(view, draft, JobStarted).unwrap_or_else(|| {
            let words = format!("Tuning job has not started; waits for the machine: {}", resource.message);
            Finding::no(JobStarted, failure::JOB_PENDING.name, words)
        })
    };
    match draft.progress {
        Progress::Succeeded => {
            (started(), Finding::yes(WorkspaceSucceeded, reasons::WORKSPACE_SUCCEEDED, "workspace succeeds"))
        }
        Progress::Failed => {
            let job = not_started();
            let words = job.message.clone();
            (job, Finding::no(WorkspaceSucceeded, failure::TRAINING_FAILED.name, words))
        }
        Progress::Started => {
            let words = "workspace has not completed yet, tuning job is running";
            // Its pod cannot run: that the Job has made it helps nobody.
            let job = trouble(view, draft, JobStarted).unwrap_or_else(started);
            let goes_on = trouble(view, draft, WorkspaceSucceeded).unwrap_or_else(|| {
                let words = if job.holds {
                    words.to_owned()
                } else {
                    format!("workspace has not completed yet: {}", job.message)
                };
                Finding::no(WorkspaceSucceeded, reasons::WORKSPACE_PENDING, words)
            });
            (job, goes_on)
        }
        Progress::Created | Progress::Former { .. } | Progress::Nothing => {
            let job = not_started();
            let cause = if resource.holds { &job.message } else { &resource.message };
            let words = format!("workspace is initializing, tuning job has not started: {cause}");
            (job, Finding::no(WorkspaceSucceeded, reasons::WORKSPACE_PENDING, words))
        }
    }
}

/// Pending, Running, and one of two ends. A machine at work is never called idle, though it works for an earlier request.
pub(super) fn state(progress: Progress) -> &'static str {
    match progress {
        Progress::Nothing | Progress::Created | Progress::Former { works: false } => "Pending",
        Progress::Started | Progress::Former { works: true } => "Running",
        Progress::Succeeded => "Succeeded",
        Progress::Failed => "Failed",
    }
}
