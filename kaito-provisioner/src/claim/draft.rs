//! What the steps have found and want. The draft is a step's only output.

use super::conditions::Saying;
use super::view::View;
use super::waits::{NODE_RETURNING, Waiting};
use crate::class::Failure;
use jiff::SignedDuration;
use kaito_api::karpenter::NodeClaimStatus;
use kaito_api::vocabulary::reasons;
use kaito_core::Plan;
use kaito_core::effect::{Effect, EffectId, MetadataPatch};
use kaito_core::plan::{Notice, Outcome, Remark, Wake};
use std::collections::BTreeMap;

/// Whether the next step runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Next,
    Stop,
}

#[derive(Debug)]
pub(super) struct Draft {
    pub(super) plan: Plan,
    /// The change of the claim's own metadata: one patch a look.
    pub(super) claim: MetadataPatch,
    pub(super) said: BTreeMap<&'static str, Saying>,
    /// The status but for its conditions.
    pub(super) status: NodeClaimStatus,
    pub(super) waits: Vec<Waiting>,
    pub(super) failed: Option<&'static str>,
    /// The claim is let go: no status any more.
    pub(super) released: bool,
}

impl Draft {
    pub(super) fn new(view: &View<'_>) -> Self {
        let mut plan = Plan::nothing(Outcome::Converged);
        plan.root_uid = view.claim.metadata.uid.clone();
        Self {
            plan,
            claim: MetadataPatch::default(),
            said: BTreeMap::new(),
            status: view.claim.status.clone().unwrap_or_default(),
            waits: Vec::new(),
            failed: None,
            released: false,
        }
    }

    pub(super) fn say(&mut self, condition: &'static str, saying: Saying) {
        self.said.insert(condition, saying);
    }

    /// Says that a condition does not hold yet, and why: in words that mean no refusal.
    pub(super) fn wait(&mut self, view: &View<'_>, wait: Waiting) {
        self.wait_as(view, reasons::AWAITING_RECONCILIATION, wait);
    }

    /// The same with a reason of Karpenter's.
    pub(super) fn wait_as(&mut self, view: &View<'_>, reason: &str, wait: Waiting) {
        self.say(wait.row.condition, Saying::not_yet(reason, wait.message(view.now())));
        self.plan.wake = self.plan.wake.or_earlier(wait.wake(view.now()));
        self.waits.push(wait);
    }

    /// That the Node is not there, in Karpenter's words; and why, where that is known.
    pub(super) fn not_registered(&self) -> String {
        let words = "Node not registered with cluster";
        let why = self.waits.iter().find(|wait| wait.row.name == NODE_RETURNING.name);
        why.map_or_else(|| words.to_owned(), |why| format!("{words}: {}", why.what))
    }

    /// A failure, for metrics and logs.
    pub(super) fn fail(&mut self, failure: &Failure) {
        self.failed = Some(failure.class.label());
    }

    /// Sees to it that the claim is looked at again so soon.
    pub(super) fn look_again(&mut self, after: SignedDuration) {
        self.plan.wake = self.plan.wake.or_earlier(Wake::After(after));
    }

    pub(super) fn warn(&mut self, reason: &'static str, note: String) {
        self.plan.notices.push(Notice { warning: true, reason, note, after: None });
    }

    pub(super) fn remark(&mut self, topic: &'static str, text: impl Into<String>) {
        self.plan.remarks.push(Remark { topic, text: text.into() });
    }

    /// Writes an annotation of the claim, or takes it away; nothing where it is so already.
    pub(super) fn annotate(&mut self, view: &View<'_>, key: &str, value: Option<String>) {
        if view.annotation(key) != value.as_deref() {
            self.claim.annotations.insert(key.to_owned(), value);
        }
    }

    /// The labels of the claim as they will be.
    pub(super) fn labels(&self, view: &View<'_>) -> BTreeMap<String, String> {
        let mut all = view.claim.metadata.labels.clone().unwrap_or_default();
        all.extend(self.claim.labels.clone());
        all
    }

    /// Sends the change of the claim's metadata, where there is one; what stands on it requires what comes back.
    pub(super) fn send_claim(
        &mut self,
        view: &View<'_>,
        requires: impl IntoIterator<Item = EffectId>,
    ) -> Option<EffectId> {
        let patch = std::mem::take(&mut self.claim);
        let metadata = &view.claim.metadata;
        let uid = metadata.uid.clone().filter(|_| !patch.is_empty())?;
        let resource_version = metadata.resource_version.clone();
        Some(self.plan.push(Effect::Metadata { key: view.key.clone(), uid, resource_version, patch }, requires))
    }
}
