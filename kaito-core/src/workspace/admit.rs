//! Would this be admitted today? The late verdict: a "no" blocks before the first child exists, and only warns afterwards, for a running model is never stopped by a rule.

use super::adapters;
use super::draft::{Draft, Flow};
use super::facts::{self, Facts, Subject, Task};
use super::own::OwnServer;
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
    match &judged.subject {
        Ok(subject) => {
            describe(view, workspace, draft, subject, &judged);
            draft.subject = Some(subject.clone());
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

fn describe(view: &View<'_>, workspace: &Workspace, draft: &mut Draft, subject: &Subject, judged: &Judgement) {
    match subject {
        Subject::Model(facts) => describe_model(view, workspace, draft, facts),
        Subject::Own(own) => describe_own(draft, own),
    }
    let unused: Vec<String> = judged.unused.iter().cloned().chain(judged.telling()).collect();
    if !unused.is_empty() {
        draft.remark("not used", unused.join("; "));
    }
    for warning in &judged.warnings {
        draft.remark("warning", warning);
    }
}

fn describe_model(view: &View<'_>, workspace: &Workspace, draft: &mut Draft, facts: &Facts) {
    let name = workspace.preset().map_or(&*facts.model.id, |preset| preset.name.as_str());
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
}

fn describe_own(draft: &mut Draft, own: &OwnServer) {
    let gpus = match own.sku.gpu_count {
        1 => "1 GPU".to_owned(),
        count => format!("{count} GPUs"),
    };
    draft.remark("admitted", format!("a pod template of the user's own ({gpus} of {} on a node)", own.sku.gpu_model));
}
