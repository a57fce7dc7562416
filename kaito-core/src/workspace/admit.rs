//! Would this be admitted today? The late verdict: a "no" blocks before the first child exists, and only warns afterwards, for a running model is never stopped by a rule.

use super::draft::{Draft, Flow};
use super::facts::{self, Facts};
use super::view::View;
use crate::failure::{self, Failure};
use crate::snapshot::Unread;

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
    draft.remark(
        "admitted",
        format!("preset {name}, {dtype} ({}, compute capability {})", facts.sku.gpu_model, facts.capability),
    );
    if let Some(warning) = retirement(facts) {
        draft.remark("warning", warning);
    }
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
