//! Short ways through the hub type.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{InferenceSpec, PresetSpec, ResourceSpec, TuningSpec, Workspace, WorkspaceState};
use crate::vocabulary::{ConditionType, labels};

/// What a Workspace is to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Task<'a> {
    /// Serve a model.
    Inference(&'a InferenceSpec),
    /// Tune a model.
    Tuning(&'a TuningSpec),
    /// Nothing is asked for; admission refuses this.
    Neither,
    /// Two things are asked for; admission refuses this.
    Both(&'a InferenceSpec, &'a TuningSpec),
}

impl Workspace {
    /// The nodes; empty for an object that was written without `resource`.
    pub fn resource(&self) -> &ResourceSpec {
        &self.spec.resource
    }

    /// The model to serve.
    pub fn inference(&self) -> Option<&InferenceSpec> {
        self.spec.inference.as_ref()
    }

    /// The model to tune.
    pub fn tuning(&self) -> Option<&TuningSpec> {
        self.spec.tuning.as_ref()
    }

    /// What it is to do, for a `match` that forgets no case.
    pub fn task(&self) -> Task<'_> {
        match (self.inference(), self.tuning()) {
            (Some(inference), None) => Task::Inference(inference),
            (None, Some(tuning)) => Task::Tuning(tuning),
            (None, None) => Task::Neither,
            (Some(inference), Some(tuning)) => Task::Both(inference, tuning),
        }
    }

    /// The known model that is served, or else tuned.
    pub fn preset(&self) -> Option<&PresetSpec> {
        let served = self.inference().and_then(|i| i.preset.as_ref());
        served.or_else(|| self.tuning().and_then(|t| t.preset.as_ref()))
    }

    /// The name; empty before the API server has given one.
    pub fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    /// The namespace; empty when none is written.
    pub fn namespace(&self) -> &str {
        self.metadata.namespace.as_deref().unwrap_or_default()
    }

    /// The uid; empty before the API server has given one.
    pub fn uid(&self) -> &str {
        self.metadata.uid.as_deref().unwrap_or_default()
    }

    /// The generation; 0 before the API server has given one.
    pub fn generation(&self) -> i64 {
        self.metadata.generation.unwrap_or_default()
    }

    /// Whether a deletion was asked for.
    pub fn is_deleting(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }

    /// The value of an annotation.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.metadata.annotations.as_ref()?.get(key).map(String::as_str)
    }

    /// The value of a label.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.metadata.labels.as_ref()?.get(key).map(String::as_str)
    }

    /// How many nodes are asked for; 1 when nothing is said.
    pub fn count(&self) -> i64 {
        self.resource().count.unwrap_or(super::DEFAULT_COUNT)
    }

    /// The user's `matchLabels` without keys that belong to the operator; statements of `matchExpressions` are not in it.
    pub fn match_labels(&self) -> BTreeMap<String, String> {
        let given = self.resource().label_selector.as_ref().and_then(|s| s.match_labels.as_ref());
        given
            .into_iter()
            .flatten()
            .filter(|(key, _)| !labels::is_reserved(key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }

    /// Conditions of the status.
    pub fn conditions(&self) -> &[Condition] {
        self.status.as_ref().map_or(&[], |s| &s.conditions)
    }

    /// The condition of a type.
    pub fn condition(&self, type_: ConditionType) -> Option<&Condition> {
        self.conditions().iter().find(|c| c.type_ == type_.as_str())
    }

    /// Whether a condition is there and `True`, whatever generation it speaks of.
    pub fn is_true(&self, type_: ConditionType) -> bool {
        self.condition(type_).is_some_and(|c| c.status == "True")
    }

    /// Names of the nodes in the status.
    pub fn worker_nodes(&self) -> &[String] {
        self.status.as_ref().map_or(&[], |s| &s.worker_nodes)
    }

    /// The state in the status.
    pub fn state(&self) -> Option<&WorkspaceState> {
        self.status.as_ref()?.state.as_ref()
    }

    /// The number of nodes in the status; none while it is not known (the wire may also say 0 for that).
    pub fn target_node_count(&self) -> Option<i32> {
        self.status.as_ref()?.target_node_count.filter(|&count| count > 0)
    }
}
