//! What the steps have found and want. The draft is a step's only output: no early status, no logging, no counters.

use super::config::Settled;
use super::facts::{Facts, Subject};
use super::immutable;
use super::pods::Cause;
use super::size::Room;
use super::training::Training;
use super::tuning::Progress;
use crate::diff;
use crate::effect::{self, Effect, EffectId, Owned, Step, WriteMode, is_dying};
use crate::failure::{self, Failure, Waiting};
use crate::hub::Repository;
use crate::kinds::{Kind, Typed};
use crate::object::{Malformed, ObjectKey, Seen};
use crate::plan::{Notice, Remark};
use crate::snapshot::Lookup;
use jiff::SignedDuration;
use kaito_api::workspace::Metric;
use kube_core::ResourceExt;
use serde_json::Value;
use std::sync::Arc;

/// Whether the next step runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Next,
    Stop,
}

/// The revision that the Workspace is at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Revision {
    pub(super) hash: String,
    pub(super) number: i64,
    /// The numbers of other requests that differ from it only in what nothing is made from.
    pub(super) alike: Vec<i64>,
    /// Whether it, or one that is alike, is the first that is recorded.
    pub(super) first: bool,
    /// When it was asked for first, as far as the cluster remembers.
    pub(super) recorded: Option<jiff::Timestamp>,
}

/// How the machines stand, as observed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Machines {
    /// Names of the Nodes that belong to the Workspace, ready or not, sorted.
    pub(super) workers: Vec<String>,
    /// Names of the Nodes that what was asked for says are its own, there or not; `None` where nothing is known of that.
    pub(super) claimed: Option<Vec<String>>,
    pub(super) claims_ready: bool,
    pub(super) nodes_ready: bool,
    /// When the last of them became ready.
    pub(super) ready_since: Option<jiff::Timestamp>,
    /// When the first of the claims in a row went away before its machine came: a wait for machines goes on since then, however often one is asked for anew.
    pub(super) given_up_since: Option<jiff::Timestamp>,
    /// What the kubelet of one of them says it is short of.
    pub(super) pressure: Option<Cause>,
}

/// How the workload stands, as observed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Workload {
    pub(super) ready: bool,
}

/// What is known of the benchmark.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Benchmark {
    /// Nothing new: what the status says stays.
    #[default]
    AsBefore,
    /// There is none, and nothing is said of one.
    None,
    /// It has no result; a failure or a wait of the draft says why.
    Unknown,
    /// It has this one, with the words of the condition.
    Measured(Box<Metric>, String),
}

#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) steps: Vec<Step>,
    pub(super) notices: Vec<Notice>,
    pub(super) remarks: Vec<Remark>,
    pub(super) failures: Vec<Failure>,
    pub(super) waits: Vec<Waiting>,
    /// Being deleted: only that condition is written.
    pub(super) deleting: bool,
    /// The finalizer is off, or about to be: no status any more.
    pub(super) released: bool,
    pub(super) subject: Option<Subject>,
    /// What is known of its model, where that is in no catalogue: kept with the revision.
    pub(super) repository: Option<Arc<Repository>>,
    /// The model is in no catalogue, and what it is is not known.
    pub(super) model_is_unknown: bool,
    /// Why it would not be admitted today, where children are there already: they stay, and nothing is begun anew.
    pub(super) refused: Option<Failure>,
    pub(super) revision: Option<Revision>,
    /// The write of the finalizer, where one is needed: nothing that costs money happens before it.
    pub(super) stamp: Option<EffectId>,
    pub(super) target: Option<u32>,
    /// The user's settings of the runtime, where they are named and can be used.
    pub(super) config: Option<Settled>,
    /// Whether this round makes the pods of the set anew: what is seen of it is of the past then.
    pub(super) rolls: bool,
    /// How a model that is served lies on them; `None` where it does not fit.
    pub(super) room: Option<Room>,
    pub(super) machines: Machines,
    pub(super) workload: Workload,
    /// The settings of a training that is still to begin.
    pub(super) training: Option<Training>,
    /// How far the training of this revision is.
    pub(super) progress: Progress,
    pub(super) benchmark: Benchmark,
    /// When to look again although nothing has happened, where that is sooner than failures and waits want it.
    pub(super) again: Option<SignedDuration>,
}

/// `Job default/tune cannot be read: …`.
pub(super) fn malformed_child(malformed: &Malformed) -> Failure {
    let key = Seen::Malformed(malformed.clone()).key();
    Failure::new(&failure::MALFORMED_CHILD, format!("{key} cannot be read: {}", malformed.error))
}

impl Draft {
    /// Adds an effect that nothing else must precede.
    pub(super) fn push(&mut self, effect: Effect) -> EffectId {
        self.push_after(effect, None)
    }

    /// Adds an effect that requires another.
    pub(super) fn push_after(&mut self, effect: Effect, requires: Option<EffectId>) -> EffectId {
        self.steps.push(Step { effect, requires: requires.into_iter().collect() });
        EffectId(self.steps.len() - 1)
    }

    /// Sees to it that the Workspace is looked at again so soon.
    pub(super) fn look_again(&mut self, after: SignedDuration) {
        self.again = Some(self.again.map_or(after, |again| again.min(after)));
    }

    /// Whether a machine may be paid for: something is still to be done with it, and nothing that is known says that it cannot be done.
    pub(super) fn may_buy(&self) -> bool {
        !self.progress.is_over() && !self.is_refused()
    }

    /// Whether something is known that keeps what is asked for from being fulfilled.
    pub(super) fn is_refused(&self) -> bool {
        self.failures.iter().any(Failure::forbids_machines)
    }

    /// The model, where one is served or tuned.
    pub(super) fn model(&self) -> Option<Facts> {
        self.subject.as_ref().and_then(Subject::model).cloned()
    }

    pub(super) fn remark(&mut self, topic: &'static str, text: impl Into<String>) {
        self.remarks.push(Remark { topic, text: text.into() });
    }

    /// Records a failure after which the remaining steps have nothing to stand on.
    pub(super) fn stop(&mut self, failure: Failure) -> Flow {
        self.failures.push(failure);
        Flow::Stop
    }

    /// Makes a child be as desired: created when absent, changed where it differs, left alone when it is not ours or cannot be read.
    pub(super) fn ensure<T: Typed + ResourceExt + Clone>(&mut self, found: Lookup<'_, T>, desired: T, owner_uid: &str) {
        let wanted = desired.into_object();
        self.ensure_body(found, wanted.key(), wanted.to_value(), owner_uid);
    }

    /// The same for a child in its wire form.
    pub(super) fn ensure_body<T: Typed + ResourceExt + Clone>(
        &mut self,
        found: Lookup<'_, T>,
        key: ObjectKey,
        wanted: Value,
        owner_uid: &str,
    ) {
        match found {
            Lookup::Absent => {
                self.push_after(Effect::Ensure { key, body: wanted, mode: WriteMode::Apply, uid: None }, self.stamp);
            }
            Lookup::Malformed(malformed) => self.failures.push(malformed_child(malformed)),
            Lookup::Found(observed) if !effect::is_controlled_by(observed.meta(), owner_uid) => {
                self.failures.push(failure::name_taken(&observed.clone().into_object().key()));
            }
            Lookup::Found(observed) if is_dying(observed.meta()) => {}
            Lookup::Found(observed) => {
                if let Some(body) = self.differing(key.kind, wanted, &observed.to_wire()) {
                    self.apply(key, body, observed.meta().uid.clone());
                }
            }
        }
    }

    /// The wire form to apply, where something that we set differs from what is there.
    pub(super) fn differing(&mut self, kind: Kind, mut wanted: Value, there: &Value) -> Option<Value> {
        immutable::keep(kind, &mut wanted, there);
        let path = diff::first_difference(&wanted, there)?;
        self.remark(
            "drift",
            format!("{kind} {}: {path} differs", there["metadata"]["name"].as_str().unwrap_or_default()),
        );
        Some(wanted)
    }

    /// Applies to the object with this uid.
    pub(super) fn apply(&mut self, key: ObjectKey, body: Value, uid: Option<String>) -> EffectId {
        self.push_after(Effect::Ensure { key, body, mode: WriteMode::Apply, uid }, self.stamp)
    }

    /// Deletes what is proven to be ours.
    pub(super) fn delete(&mut self, target: Owned) {
        self.push(Effect::Delete { target });
    }
}
