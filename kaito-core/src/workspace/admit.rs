//! Would this be admitted today? The late verdict: a "no" blocks before the first child exists, and only warns afterwards, for a running model is never stopped by a rule.

use super::draft::{Draft, Flow};
use super::facts::{self, Facts, Task};
use super::view::View;
use crate::failure::{self, Failure};
use crate::snapshot::Unread;
use kaito_api::Workspace;
use kaito_api::vocabulary::annotations;

pub(super) fn step(view: &View<'_>, draft: &mut Draft) -> Result<Flow, Unread> {
    let workspace = match view.workspace {
        Ok(workspace) => workspace,
        Err(error) => {
            return Ok(
                draft.stop(Failure::new(&failure::INVALID_WORKSPACE, format!("the Workspace cannot be read: {error}")))
            );
        }
    };
    let shape: Vec<String> = workspace.shape_errors().iter().map(ToString::to_string).collect();
    if !shape.is_empty() {
        let failure = Failure::new(&failure::INVALID_WORKSPACE, shape.join("; "));
        if !view.has_children()? {
            return Ok(draft.stop(failure));
        }
        draft.remark("warning", failure.cause);
    }
    match facts::resolve(workspace, view.settings) {
        Ok(facts) => {
            describe(view, draft, &facts);
            draft.facts = Some(facts);
            Ok(Flow::Next)
        }
        // Machines that are there stay looked after; without facts, nothing new is built.
        Err(failure) if view.has_children()? => {
            draft.failures.push(failure);
            Ok(Flow::Next)
        }
        Err(failure) => Ok(draft.stop(failure)),
    }
}

fn describe(view: &View<'_>, draft: &mut Draft, facts: &Facts) {
    let name = view
        .workspace
        .ok()
        .and_then(kaito_api::Workspace::preset)
        .map_or(facts.model.id, |preset| preset.name.as_str());
    let dtype = facts.profile.dtypes.forced.unwrap_or(facts.model.dtype);
    let work = match facts.task {
        Task::Inference { .. } => "preset".to_owned(),
        Task::Tuning { method, .. } => format!("{} of preset", method.as_str()),
    };
    draft.remark(
        "admitted",
        format!("{work} {name}, {dtype} ({}, compute capability {})", facts.sku.gpu_model, facts.capability),
    );
    if let Ok(workspace) = view.workspace {
        let unused = unused(workspace, facts);
        if !unused.is_empty() {
            draft.remark("not used", unused.join("; "));
        }
    }
    if let Some(warning) = retirement(facts) {
        draft.remark("warning", warning);
    }
}

/// What was asked for and has no effect: said, so that nobody waits for it.
fn unused(workspace: &Workspace, facts: &Facts) -> Vec<String> {
    let Some(preset) = workspace.preset() else { return Vec::new() };
    let options = &preset.preset_options;
    let strange = |key: &str, known: &[&str]| {
        let value = workspace.annotation(key).filter(|value| !known.contains(value))?;
        Some(format!("annotation {key}={value}: known are {}", known.join(", ")))
    };
    let serves = facts.engine().is_some();
    let asks_for_token = serves && facts.model.gated == Some(true) && options.model_access_secret.is_empty();
    [
        (!options.image.is_empty()).then(|| "presetOptions.image: the runtime image serves the model".to_owned()),
        (!options.image_pull_secrets.is_empty()).then(|| "presetOptions.imagePullSecrets".to_owned()),
        (!workspace.resource().preferred_nodes.is_empty()).then(|| "resource.preferredNodes".to_owned()),
        strange(annotations::RUNTIME, &[annotations::RUNTIME_VLLM, annotations::RUNTIME_TRANSFORMERS]),
        strange(annotations::PERFORMANCE_MODE, &annotations::PERFORMANCE_MODES),
        asks_for_token
            .then(|| "no modelAccessSecret is named, and the repository of this model asks for a token".to_owned()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What to say about a size that its cloud withdraws.
pub(super) fn retirement(facts: &Facts) -> Option<String> {
    let retirement = facts.sku.retirement?;
    let (cloud, size) = (facts.sku.cloud.as_str(), facts.sku.name);
    Some(format!(
        "{cloud} announced the end of {size} for {}; {} can take its place",
        retirement.date, retirement.replacement
    ))
}
