//! Would this be admitted today? The late verdict: a "no" blocks before the first child exists, and only warns afterwards, for a running model is never stopped by a rule.

use super::adapters;
use super::draft::{Draft, Flow};
use super::facts::{self, Task};
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
        draft.remark("warning", failure.cause.as_str());
        draft.refused = Some(failure);
    }
    match &judged.facts {
        Ok(facts) => {
            describe(view, workspace, draft, &judged);
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

fn describe(view: &View<'_>, workspace: &Workspace, draft: &mut Draft, judged: &Judgement) {
    let Ok(facts) = &judged.facts else { return };
    let name = workspace.preset().map_or(facts.model.id, |preset| preset.name.as_str());
    let dtype = facts.profile.dtypes.forced.unwrap_or(facts.model.dtype);
    let work = match facts.task {
        Task::Inference { .. } => "preset".to_owned(),
        Task::Tuning { method, .. } => format!("{} of preset", method.as_str()),
    };
    draft.remark(
        "admitted",
        format!("{work} {name}, {dtype} ({}, compute capability {})", facts.sku.gpu_model, facts.capability),
    );
    if facts.engine().is_some_and(|engine| engine != facts::engine(workspace, view.settings)) {
        draft.remark("admitted", adapters::remark(facts.profile));
    }
    let unused: Vec<String> = judged.unused.iter().cloned().chain(judged.telling()).collect();
    if !unused.is_empty() {
        draft.remark("not used", unused.join("; "));
    }
    if let Some(warning) = &judged.retirement {
        draft.remark("warning", warning);
    }
}
