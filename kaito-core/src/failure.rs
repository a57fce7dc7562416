//! The failure catalogue: every failure and every wait that a planner can speak of.
//!
//! One row holds the condition it shows on, what happens next, by when, and what a person can do. From the rows come condition reasons and messages, the wake-up of a plan,
//! and (later) `kaito explain` and a page of the docs. A wait without a deadline cannot be written down (I8).

use crate::object::ObjectKey;
use crate::plan::{Outcome, Wake};
use crate::units;
use jiff::{SignedDuration, Timestamp};
use kaito_api::vocabulary::ConditionType;

/// A row of the catalogue.
#[derive(Debug, PartialEq, Eq)]
pub struct Reason {
    /// The `reason` of the condition.
    pub name: &'static str,
    /// The condition that shows it.
    pub condition: ConditionType,
    /// Waiting is expected to end by itself; failing is not.
    pub class: Class,
    /// What the controller does next.
    pub next: &'static str,
    /// What a person can do.
    pub remedy: &'static str,
}

impl Class {
    /// The deadline of a wait, the interval of a retry.
    pub const fn minutes(self) -> i64 {
        match self {
            Class::Wait { deadline_minutes: minutes }
            | Class::Failure { retry_minutes: minutes }
            | Class::Warning { retry_minutes: minutes } => minutes,
        }
    }
}

/// Whether a row is a wait, a failure, or a warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Ends by itself, normally within so many minutes.
    Wait {
        /// After so long, the message says that it is overdue and what can be done.
        deadline_minutes: i64,
    },
    /// Ends when somebody changes something; looked at again then, and after so many minutes at the latest. Its condition cannot hold before.
    Failure {
        /// The retry interval.
        retry_minutes: i64,
    },
    /// The same, but only told while its condition does not hold anyway; it never keeps it from holding.
    Warning {
        /// The retry interval.
        retry_minutes: i64,
    },
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $id:ident = $name:literal on $condition:ident, $class:expr, next $next:literal, remedy $remedy:literal;)*) => {
        $($(#[$doc])* pub static $id: Reason =
            Reason { name: $name, condition: ConditionType::$condition, class: $class, next: $next, remedy: $remedy };)*
        /// Every row.
        pub static CATALOGUE: &[&Reason] = &[$(&$id,)*];
    };
}

const fn wait(deadline_minutes: i64) -> Class {
    Class::Wait { deadline_minutes }
}

const fn warns(retry_minutes: i64) -> Class {
    Class::Warning { retry_minutes }
}

const fn fails(retry_minutes: i64) -> Class {
    Class::Failure { retry_minutes }
}

reasons! {
    /// The Workspace itself cannot be understood or contradicts itself.
    INVALID_WORKSPACE = "InvalidWorkspace" on ResourceReady, fails(60), next "looks again when the Workspace changes", remedy "correct the fields that are named";
    /// The preset is not in the registry.
    UNKNOWN_PRESET = "UnknownPreset" on ResourceReady, fails(60), next "looks again when the Workspace changes", remedy "name a supported model: `kaito models` lists them";
    /// The machine size is not in the table of this cloud.
    UNKNOWN_INSTANCE_TYPE = "UnknownInstanceType" on ResourceReady, fails(60), next "looks again when the Workspace changes; no machine is asked for", remedy "name a size with GPUs that the cloud offers: `kaito skus` lists them";
    /// No runtime image has kernels for this GPU that can serve this model.
    NO_RUNTIME = "NoRuntimeForGpu" on ResourceReady, fails(60), next "looks again when the Workspace changes; no machine is asked for", remedy "choose a machine size with a newer GPU, or another model";
    /// The model does not fit the machine size in any number.
    MODEL_TOO_LARGE = "ModelDoesNotFit" on ResourceReady, fails(60), next "looks again when the Workspace changes; no machine is asked for", remedy "choose a machine size with more memory per GPU, or a shorter context";
    /// A kind of work that this version does not do yet.
    NOT_SUPPORTED = "NotSupported" on ResourceReady, fails(60), next "looks again when the Workspace changes; no machine is asked for", remedy "see the release notes for what this version serves";
    /// The ConfigMap with the runtime's settings is missing or cannot be used.
    CONFIG_NOT_USABLE = "InferenceConfigNotUsable" on ResourceReady, fails(5), next "looks again when the ConfigMap changes; no machine is asked for", remedy "create or correct the ConfigMap in the namespace of the Workspace";
    /// The model has no parameters for tuning.
    NOT_TUNABLE = "ModelNotTunable" on ResourceReady, fails(60), next "looks again when the Workspace changes; no machine is asked for", remedy "name a model that can be tuned";
    /// The ConfigMap with the settings of a training is missing or cannot be used.
    TRAINING_CONFIG = "TuningConfigNotUsable" on ResourceReady, fails(5), next "looks again when the ConfigMap changes; no machine is asked for", remedy "create or correct the ConfigMap in the namespace that is named";
    /// A Secret that the Job mounts does not exist: its pod would wait for it without a word.
    SECRET_NOT_FOUND = "SecretNotFound" on JobStarted, fails(1), next "looks again every minute, and starts the Job when the Secret is there", remedy "create it with `kubectl create secret docker-registry` in that namespace";
    /// A Secret that the Job mounts lacks the key that is mounted.
    SECRET_NOT_USABLE = "SecretNotUsable" on JobStarted, fails(1), next "looks again every minute, and starts the Job when the Secret has the key", remedy "create it anew with `kubectl create secret docker-registry` in that namespace";
    /// The Job has given up.
    JOB_FAILED = "WorkspaceTuningJobStatusFailed" on JobStarted, fails(60), next "leaves the Job as it is, for its pods' logs", remedy "see the logs of the Job's pods; then correct the Workspace, or delete the Job to try again";
    /// The Job is not there, or has no pod.
    JOB_PENDING = "WorkspaceTuningJobStatusPending" on JobStarted, wait(30), next "waits for the Job's pod", remedy "see the events of the Job: a quota or an admission policy may keep it from making its pod";
    /// The training goes on.
    TRAINING = "workspacePending" on WorkspaceSucceeded, wait(30), next "waits for the training to end", remedy "see the pod's events and logs";
    /// A name that we need is taken by an object that is not ours.
    NAME_TAKEN = "NameTaken" on InferenceReady, fails(5), next "looks again when that object changes", remedy "rename or delete that object, or choose another name for the Workspace";
    /// An object of ours is there and cannot be read.
    MALFORMED_OBJECT = "MalformedObject" on ResourceReady, fails(5), next "leaves it alone, and looks again when it changes", remedy "repair or delete that object";
    /// A CRD that we need is not installed.
    KIND_NOT_INSTALLED = "KindNotInstalled" on NodeClaimReady, fails(1), next "looks again every minute", remedy "install the CRD, or the provisioner that brings it";
    /// The API server refused a write.
    WRITE_REFUSED = "WriteRefused" on ResourceReady, fails(1), next "tries again", remedy "see the server's words; usually a permission, a quota or an admission policy";
    /// The Secret that gives access to the model's weights is missing or lacks its key.
    MODEL_SECRET = "ModelAccessSecretNotUsable" on InferenceReady, warns(1), next "looks again every minute; the pods start without it", remedy "create the Secret with the key HF_TOKEN in the namespace of the Workspace";
    /// The provisioner refuses, in its own words and with its own reason.
    CLAIM_REFUSED = "NodeClaimNotLaunched" on NodeClaimReady, fails(5), next "the provisioner tries again by itself", remedy "see the provisioner's words: quota, stock, or the name of the size";
    /// Machines are asked for and have not come.
    CLAIMS_PENDING = "NodeClaimNotReady" on NodeClaimReady, wait(30), next "waits for the provisioner", remedy "see the NodeClaim's own conditions and the provisioner's log";
    /// Machines have come and their nodes are not ready.
    NODES_PENDING = "NodeNotReady" on NodesReady, wait(20), next "waits for the node to join and become Ready", remedy "see the node's conditions; a node that never joins is usually a network or image fault";
    /// Nodes are ready and show no GPUs.
    GPUS_PENDING = "NodePluginsNotReady" on NodesReady, wait(15), next "waits for the device plugin to advertise the GPUs", remedy "see the device plugin's pods on that node; the driver may have failed to install";
    /// The pods are not ready.
    WORKLOAD_PENDING = "WorkspaceInferenceStatusPending" on InferenceReady, wait(60), next "waits for the model server to answer", remedy "see the pods' events and logs";
    /// Children are going away before the Workspace may.
    TERMINATING = "workspaceDeleted" on WorkspaceDeleting, wait(30), next "waits for the NodeClaims to go, then lets the Workspace go", remedy "see the NodeClaim's own conditions and the provisioner's log";
}

/// Something that cannot go on, with its cause in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The row.
    pub reason: &'static Reason,
    /// A more exact reason for the condition, in the provisioner's own word; else the row's.
    pub own_reason: Option<String>,
    /// What is wrong, in the cause's own words.
    pub cause: String,
}

impl Failure {
    /// A failure with its cause.
    pub fn new(reason: &'static Reason, cause: impl Into<String>) -> Self {
        Self { reason, own_reason: None, cause: cause.into() }
    }

    /// The reason as the condition shows it.
    pub fn reason(&self) -> &str {
        self.own_reason.as_deref().unwrap_or(self.reason.name)
    }

    /// Whether a condition cannot hold while this is so.
    pub fn blocks(&self, condition: ConditionType) -> bool {
        self.reason.condition == condition && !self.is_warning()
    }

    /// Whether it is only told.
    pub fn is_warning(&self) -> bool {
        matches!(self.reason.class, Class::Warning { .. })
    }

    /// Cause, next action and remedy, as the condition shows them.
    pub fn message(&self) -> String {
        format!("{}; next: {}; remedy: {}", self.cause, self.reason.next, self.reason.remedy)
    }

    /// When to look again at the latest.
    pub fn wake(&self) -> Wake {
        Wake::After(SignedDuration::from_mins(self.reason.class.minutes()))
    }
}

/// Something that has to happen first, with the moment it began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The row.
    pub reason: &'static Reason,
    /// What is waited for, with numbers.
    pub what: String,
    /// Since when; comes from a recorded fact (a creation time, a transition time), never from the clock.
    pub since: Timestamp,
    /// A deadline of its own, where it depends on the model; else the row's.
    pub deadline: Option<SignedDuration>,
}

impl Waiting {
    /// A wait that began at a recorded time.
    pub fn new(reason: &'static Reason, what: impl Into<String>, since: Timestamp) -> Self {
        Self { reason, what: what.into(), since, deadline: None }
    }

    /// When it is overdue.
    pub fn due(&self) -> Timestamp {
        let deadline = self.deadline.unwrap_or(SignedDuration::from_mins(self.reason.class.minutes()));
        // Up to the full minute: the same wait, seen from facts that lie a second apart, is told in the same words.
        let exact = self.since.saturating_add(deadline).unwrap_or(Timestamp::MAX);
        let to_minute = exact.as_second().rem_euclid(60);
        exact.saturating_add(SignedDuration::from_secs((60 - to_minute) % 60)).unwrap_or(Timestamp::MAX)
    }

    /// What is waited for, and by when; once overdue, what can be done. Changes only at the deadline, so that the status is not written over and over.
    pub fn message(&self, now: Timestamp) -> String {
        let due = units::rfc3339(self.due());
        if now < self.due() {
            format!("{}; next: {}, until {due}", self.what, self.reason.next)
        } else {
            format!("{}; overdue since {due}; next: {}; remedy: {}", self.what, self.reason.next, self.reason.remedy)
        }
    }

    /// When to look again at the latest: at the deadline, or when it has passed, now and then.
    pub fn wake(&self, now: Timestamp) -> Wake {
        let left = self.due().duration_since(now);
        Wake::After(if left.is_positive() { left } else { SignedDuration::from_mins(10) })
    }
}

/// Where a root stands when this is the worst that is known of it. A warning alone is no failure.
pub fn outcome(failures: &[Failure], waits: &[Waiting]) -> Outcome {
    match (failures.iter().find(|failure| !failure.is_warning()), waits.first()) {
        (Some(failure), _) => Outcome::Failed { reason: failure.reason.name },
        (None, Some(wait)) => Outcome::Waiting { reason: wait.reason.name },
        (None, None) => Outcome::Converged,
    }
}

/// `Service default/web exists and is not controlled by this Workspace`.
pub fn name_taken(key: &ObjectKey) -> Failure {
    Failure::new(&NAME_TAKEN, format!("{key} exists and is not controlled by this Workspace"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_says_what_happens_next_and_what_can_be_done() {
        for row in CATALOGUE {
            assert!(!row.next.is_empty() && !row.remedy.is_empty(), "{}", row.name);
            let minutes = row.class.minutes();
            assert!((1..=60).contains(&minutes), "{}: a deadline within the hour", row.name);
        }
        let names: std::collections::BTreeSet<&str> = CATALOGUE.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), CATALOGUE.len(), "one row a reason");
    }

    #[test]
    fn a_wait_changes_its_words_once_at_its_deadline() {
        let start = Timestamp::from_second(1_000_020).unwrap();
        let wait = Waiting::new(&NODES_PENDING, "0 of 1 nodes are ready", start);
        let minute = |m: i64| start + SignedDuration::from_mins(m);
        assert_eq!(wait.message(minute(1)), wait.message(minute(19)));
        assert!(wait.message(minute(20)).contains("overdue"));
        assert_eq!(wait.wake(minute(5)), Wake::After(SignedDuration::from_mins(15)));
    }
}
