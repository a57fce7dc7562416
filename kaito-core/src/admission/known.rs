//! What is known beside the object that is judged: models that are in no catalogue, and the Nodes that somebody brought along.

use super::rules::Case;
use crate::failure;
use crate::settings::Settings;
use crate::units::Bytes;
use crate::workspace::{self, Looked, LookedMachine, LookedModel, Subject, Survey};
use k8s_openapi::api::core::v1::Node;
use kaito_api::{FieldError, FieldErrorKind, FieldPath, Workspace};
use std::collections::BTreeSet;

/// What is known beside the object that is judged.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// What is known of a model that is in no catalogue, by its id.
    pub models: &'a dyn Fn(&str) -> LookedModel,
    /// Every Node of the cluster; `None` where no cluster is seen.
    pub nodes: Option<&'a [Node]>,
}

/// Nothing.
impl Default for Known<'_> {
    fn default() -> Self {
        Self { models: &|_| LookedModel::NotYet, nodes: None }
    }
}

impl Known<'_> {
    /// What is known of what a Workspace names.
    pub(super) fn of(&self, workspace: &Workspace, settings: &Settings) -> Looked {
        let model = workspace::asked_of_hub(workspace).map(self.models).unwrap_or_default();
        let looked = Looked::without_cluster(settings, model);
        match self.survey(workspace, settings) {
            // Of a part, the reference looks at no node, nor of a training: what they lack is told, and waited for.
            Some(survey) => Looked { machine: lenient(workspace, survey.machine()), ..looked },
            None => looked,
        }
    }

    fn survey(&self, workspace: &Workspace, settings: &Settings) -> Option<Survey<'_>> {
        let nodes = self.nodes.filter(|_| !settings.provisioner.makes_machines())?;
        Some(Survey::of(workspace, nodes, &BTreeSet::new(), &workspace::tolerated(workspace, settings)))
    }

    /// What is wrong with the Nodes for this Workspace, and what is only told of them.
    pub(super) fn complaints(&self, case: &Case<'_>, subject: Option<&Subject>) -> (Vec<FieldError>, Vec<String>) {
        let workspace = case.new;
        let Some(survey) = self.survey(workspace, case.settings) else { return (Vec::new(), Vec::new()) };
        let is_told = || (Vec::new(), survey.remark().into_iter().collect());
        if !is_held_to_nodes(workspace) || subject.is_none() {
            return is_told();
        }
        let error = |rule: &'static str, words: String| {
            let error = FieldError::new(FieldPath::from("resource.labelSelector"), FieldErrorKind::Value, words);
            (vec![error.rule(rule)], Vec::new())
        };
        if survey.matching() == 0 {
            return error("W-21", survey.words());
        }
        if survey.usable() == 0 {
            return error("W-22", survey.words());
        }
        if let Some(Subject::Model(facts)) = subject {
            let memory = u64::try_from(survey.usable()).unwrap_or(1).saturating_mul(facts.hardware.gpu_memory_bytes);
            let (weights, memory) = (Bytes(facts.model.weights_bytes), Bytes(memory));
            if weights.0 > memory.0 {
                return error(
                    "W-29",
                    format!(
                        "the weights of {} take {weights}, and {memory} is all the GPU memory of the nodes with these labels",
                        facts.model.id
                    ),
                );
            }
        }
        let unready = survey.usable() - survey.ready();
        let waiting =
            (unready > 0).then(|| format!("{unready} of {} nodes with these labels are not ready", survey.usable()));
        (Vec::new(), survey.remark().into_iter().chain(waiting).collect())
    }
}

/// Whether it is refused where the Nodes do not do: a model that is served on whole ones.
fn is_held_to_nodes(workspace: &Workspace) -> bool {
    let serves = workspace.inference().is_some_and(|served| served.preset.is_some() && served.template.is_none());
    serves && workspace.resource().partition.is_none()
}

/// A machine that is only told about where it does not do.
fn lenient(workspace: &Workspace, machine: LookedMachine) -> LookedMachine {
    match machine {
        LookedMachine::Failed(failure)
            if !is_held_to_nodes(workspace) && failure.reason == &failure::PART_NOT_POSSIBLE =>
        {
            LookedMachine::NotYet
        }
        machine => machine,
    }
}
