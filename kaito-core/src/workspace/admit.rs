//! Would this be admitted today? The late verdict: a "no" blocks before the first child exists, and only warns afterwards, for a running model is never stopped by a rule.

use super::draft::{Draft, Flow};
use super::facts::Facts;
use super::view::View;
use crate::admission::{self, Case, Judgement};
use crate::failure::{self, Failure};
use crate::snapshot::Unread;
use kaito_api::Workspace;

pub(super) fn step(view: &View<'_>, draft: &mut Draft) -> Result<Flow, Unread> {
    let workspace = match view.workspace {
        Ok(workspace) => workspace,
        Err(error) => {
            return Ok(
                draft.stop(Failure::new(&failure::INVALID_WORKSPACE, format!("the Workspace cannot be read: {error}")))
            );
        }
    };
    let judged = admission::judge(&Case { new: workspace, version: None, old: None, settings: view.settings });
    let blocking = judged.blocking();
    if !blocking.is_empty() {
        let failure = Failure::new(&failure::INVALID_WORKSPACE, blocking.join("; "));
        if !view.has_children()? {
            return Ok(draft.stop(failure));
        }
        draft.remark("warning", failure.cause);
    }
    match &judged.facts {
        Ok(facts) => {
            describe(workspace, draft, facts, &judged);
            draft.facts = Some(*facts);
            Ok(Flow::Next)
        }
        // Machines that are there stay looked after; without facts, nothing new is built.
        Err(failures) if view.has_children()? => {
            draft.failures.extend(failures.first().cloned());
            Ok(Flow::Next)
        }
        Err(failures) => {
            draft.failures.extend(failures.first().cloned());
            Ok(Flow::Stop)
        }
    }
}

fn describe(workspace: &Workspace, draft: &mut Draft, facts: &Facts, judged: &Judgement) {
    let name = workspace.preset().map_or(facts.model.id, |preset| preset.name.as_str());
    let dtype = facts.profile.dtypes.forced.unwrap_or(facts.model.dtype);
    draft.remark(
        "admitted",
        format!("preset {name}, {dtype} ({}, compute capability {})", facts.sku.gpu_model, facts.capability),
    );
    let unused: Vec<String> = judged.unused.iter().cloned().chain(judged.telling()).collect();
    if !unused.is_empty() {
        draft.remark("not used", unused.join("; "));
    }
    if let Some(warning) = &judged.retirement {
        draft.remark("warning", warning);
    }
}
