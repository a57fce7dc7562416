//! What happened, in words: one line for each thing that a person would want to see.

use crate::driver::Report;
use crate::effect::Effect;
use crate::kinds::Kind;
use crate::object::ObjectKey;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// Since the beginning of the simulation.
    #[serde(skip)]
    pub at: SignedDuration,
    /// The Workspace that it is about.
    #[serde(skip)]
    pub about: ObjectKey,
    /// What changed: a condition, a kind, a step.
    pub topic: String,
    /// The state before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The state after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// UpperCamelCase, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// In words.
    pub message: String,
}

/// The lines so far, and what is needed to tell news from repetition.
#[derive(Debug, Clone, Default)]
pub struct Timeline {
    moments: Vec<Moment>,
    start: Option<Timestamp>,
    /// The remarks on each topic of the last look that had any.
    said: BTreeMap<(ObjectKey, &'static str), BTreeSet<String>>,
    conditions: BTreeMap<(ObjectKey, String), (String, String)>,
}

impl Timeline {
    /// All lines, in order.
    pub fn moments(&self) -> &[Moment] {
        &self.moments
    }

    /// Adds a line that somebody outside the world has to say.
    pub(super) fn note(&mut self, now: Timestamp, about: &ObjectKey, topic: &str, message: &str) {
        let at = now.duration_since(*self.start.get_or_insert(now));
        let (about, topic, message) = (about.clone(), topic.to_owned(), message.to_owned());
        self.moments.push(Moment { at, about, topic, from: None, to: None, reason: None, message });
    }

    /// Adds what one reconcile of a root brought.
    pub(super) fn record(&mut self, now: Timestamp, root: &ObjectKey, report: &Report) {
        let start = *self.start.get_or_insert(now);
        let at = now.duration_since(start);
        let line = |topic: &str, message: String| Moment {
            at,
            about: root.clone(),
            topic: topic.to_owned(),
            from: None,
            to: None,
            reason: None,
            message,
        };
        if root.kind == Kind::Workspace {
            let mut said: BTreeMap<&'static str, BTreeSet<String>> = BTreeMap::new();
            for remark in &report.remarks {
                let was_said =
                    self.said.get(&(root.clone(), remark.topic)).is_some_and(|all| all.contains(&remark.text));
                let is_first = said.entry(remark.topic).or_default().insert(remark.text.clone());
                if is_first && !was_said {
                    self.moments.push(line(remark.topic, remark.text.clone()));
                }
            }
            // What a look does not come to lasts.
            self.said.extend(said.into_iter().map(|(topic, all)| ((root.clone(), topic), all)));
        }
        for effect in &report.written {
            if let Some((about, topic, message)) = told(root, effect) {
                self.moments.push(Moment { about, ..line(topic, message) });
            }
        }
        if let Some(status) = report.status.as_ref().filter(|_| root.kind == Kind::Workspace) {
            self.record_conditions(at, root, &status.status);
        }
    }

    fn record_conditions(&mut self, at: SignedDuration, root: &ObjectKey, status: &Value) {
        for condition in status.get("conditions").and_then(Value::as_array).into_iter().flatten() {
            let text = |field: &str| condition.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
            let (type_, state, reason) = (text("type"), text("status"), text("reason"));
            let before = self.conditions.insert((root.clone(), type_.clone()), (state.clone(), reason.clone()));
            if before.as_ref() != Some(&(state.clone(), reason.clone())) {
                let from = before.map(|(state, _)| state);
                self.moments.push(Moment {
                    at,
                    about: root.clone(),
                    topic: type_,
                    from,
                    to: Some(state),
                    reason: Some(reason),
                    message: text("message"),
                });
            }
        }
    }
}

/// The effects that a person would want to see, and the Workspace they belong to.
fn told(root: &ObjectKey, effect: &Effect) -> Option<(ObjectKey, &'static str, String)> {
    let key = effect.key();
    let owner = || workspace_of(root, effect);
    match (effect, key.kind) {
        (Effect::Ensure { uid: None, .. }, Kind::NodeClaim) => {
            Some((owner()?, "NodeClaim", format!("{} created", key.name)))
        }
        (Effect::Ensure { uid: None, body, .. }, Kind::NodePool) => {
            Some((owner()?, "NodePool", format!("{} created, with {} replica(s)", key.name, body["spec"]["replicas"])))
        }
        (Effect::Ensure { uid: Some(_), body, .. }, Kind::NodePool) => {
            Some((owner()?, "NodePool", format!("{} changed, with {} replica(s)", key.name, body["spec"]["replicas"])))
        }
        (Effect::Ensure { uid: None, .. }, Kind::Node) => Some((owner()?, "Node", format!("{} joined", key.name))),
        (Effect::Status { .. }, Kind::Node) => {
            Some((root.clone(), "Node", format!("{} advertises its GPUs", key.name)))
        }
        (Effect::Ensure { uid: None, .. }, Kind::StatefulSet) => {
            Some((owner()?, "StatefulSet", format!("{} created", key.name)))
        }
        (Effect::Ensure { uid: None, .. }, Kind::Job) => Some((owner()?, "Job", format!("{} created", key.name))),
        (Effect::Ensure { uid: None, .. }, Kind::ConfigMap) => {
            Some((owner()?, "ConfigMap", format!("{} created", key.name)))
        }
        (Effect::Ensure { uid: None, .. }, Kind::Service) => {
            Some((owner()?, "Service", format!("{} created", key.name)))
        }
        (Effect::Delete { .. }, Kind::NodePool | Kind::NodeClaim | Kind::Node | Kind::StatefulSet | Kind::Job) => {
            Some((owner()?, key.kind.name(), format!("{} deleted", key.name)))
        }
        _ => None,
    }
}

/// The root itself, or the Workspace that the labels of what is written name.
fn workspace_of(root: &ObjectKey, effect: &Effect) -> Option<ObjectKey> {
    if root.kind == Kind::Workspace {
        return Some(root.clone());
    }
    let Effect::Ensure { body, .. } = effect else { return Some(root.clone()) };
    let label = |key: &str| body.pointer("/metadata/labels")?.get(key)?.as_str().map(str::to_owned);
    use kaito_api::vocabulary::labels;
    let namespace = label(labels::WORKSPACE_NAMESPACE).or_else(|| label(labels::KARPENTER_WORKSPACE_NAMESPACE));
    let name = label(labels::WORKSPACE).or_else(|| label(labels::KARPENTER_WORKSPACE_NAME));
    Some(ObjectKey::new(Kind::Workspace, namespace?, name?))
}
