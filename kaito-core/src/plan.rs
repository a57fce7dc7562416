//! The answer of a planner: what to do, what to say, when to look again.

use crate::effect::{Effect, EffectId, Step};
use crate::object::ObjectKey;
use jiff::SignedDuration;
use serde::Serialize;
use serde_json::Value;

/// How a plan left its root. Feeds metrics and logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Outcome {
    /// As wished; nothing to wait for.
    Converged,
    /// Something outside has to happen first.
    Waiting {
        /// The reason of the failure catalogue.
        reason: &'static str,
    },
    /// Cannot go on without somebody's help.
    Failed {
        /// The reason of the failure catalogue.
        reason: &'static str,
    },
    /// The root is gone, or not ours to look after.
    Gone,
}

impl Outcome {
    /// A word for a metric's label.
    pub fn label(&self) -> &'static str {
        match self {
            Outcome::Converged => "converged",
            Outcome::Waiting { .. } => "waiting",
            Outcome::Failed { .. } => "failed",
            Outcome::Gone => "gone",
        }
    }

    /// The reason of the failure catalogue, where there is one.
    pub fn reason(&self) -> Option<&'static str> {
        match self {
            Outcome::Waiting { reason } | Outcome::Failed { reason } => Some(reason),
            Outcome::Converged | Outcome::Gone => None,
        }
    }
}

/// When to look again although nothing has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Wake {
    /// Only when something that was read changes. The cluster layer adds its long safety interval.
    OnChange,
    /// At the latest after this time.
    After(SignedDuration),
}

impl Wake {
    /// The earlier of the two.
    #[must_use]
    pub fn or_earlier(self, other: Wake) -> Wake {
        match (self, other) {
            (Wake::OnChange, wake) | (wake, Wake::OnChange) => wake,
            (Wake::After(a), Wake::After(b)) => Wake::After(a.min(b)),
        }
    }
}

/// Something a person watching events should see. Planned on edges only, published at best effort.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// Whether it is a `Warning` event.
    pub warning: bool,
    /// UpperCamelCase, stable.
    pub reason: &'static str,
    /// What happened.
    pub note: String,
    /// Published only when this effect succeeded.
    pub after: Option<EffectId>,
}

/// What a step found out, in words. Shown by the CLI and the timeline, logged at debug; decides nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remark {
    /// The step, such as `sized`.
    pub topic: &'static str,
    /// What it found.
    pub text: String,
}

/// The status of the root as it shall be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StatusWrite {
    /// The root.
    pub key: ObjectKey,
    /// Its uid.
    pub uid: String,
    /// The version it was read at; a conflict means: look again.
    pub resource_version: String,
    /// The whole status.
    pub status: Value,
}

/// What a root needs next.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// What to do, in order.
    pub steps: Vec<Step>,
    /// The status, where it differs from the one that was read. Computed from what was observed, never from `steps`.
    pub status: Option<StatusWrite>,
    /// Events.
    pub notices: Vec<Notice>,
    /// What the steps found out.
    pub remarks: Vec<Remark>,
    /// When to look again.
    pub wake: Wake,
    /// How the root stands.
    pub outcome: Outcome,
    /// The uid of the root that was looked at; events are about this one and no namesake.
    pub root_uid: Option<String>,
}

impl Plan {
    /// Nothing to do.
    pub fn nothing(outcome: Outcome) -> Plan {
        Plan {
            steps: Vec::new(),
            status: None,
            notices: Vec::new(),
            remarks: Vec::new(),
            wake: Wake::OnChange,
            outcome,
            root_uid: None,
        }
    }

    /// Adds an effect.
    pub fn push(&mut self, effect: Effect, requires: impl IntoIterator<Item = EffectId>) -> EffectId {
        self.steps.push(Step { effect, requires: requires.into_iter().collect() });
        EffectId(self.steps.len() - 1)
    }

    /// Whether carrying it out would write nothing.
    pub fn is_quiet(&self) -> bool {
        self.steps.is_empty() && self.status.is_none()
    }
}
