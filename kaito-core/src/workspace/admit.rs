//! Would this be admitted today? The late verdict: a "no" blocks before the first child exists, and only warns afterwards, for a running model is never stopped by a rule.

use super::adapters;
use super::draft::{Draft, Flow};
use super::facts::{self, Facts, Looked, LookedModel, Subject, Task};
use super::machines;
use super::models;
use super::own::OwnServer;
use super::view::View;
use crate::admission::{self, Case, Judgement};
use crate::failure::{self, Failure, Waiting};
use crate::hash::sha256_hex;
use crate::snapshot::Unread;
use crate::words::quoted;
use kaito_api::Workspace;
use kaito_api::vocabulary::{ConditionType, annotations};

pub(super) fn step(view: &View<'_>, draft: &mut Draft) -> Result<Flow, Unread> {
    let workspace = match view.workspace {
        Ok(workspace) => workspace,
        Err(error) => {
            return Ok(
                draft.stop(Failure::new(&failure::INVALID_WORKSPACE, format!("the Workspace cannot be read: {error}")))
            );
        }
    };
    let model = models::look(view, workspace)?;
    let looked = Looked { model, machine: machines::of(view.settings).look(view, workspace)? };
    let case = Case { new: workspace, version: None, old: None, settings: view.settings, looked: &looked };
    let judged = admission::judge(&case);
    draft.model_is_unknown =
        facts::asked_of_hub(workspace).is_some() && !matches!(looked.model, LookedModel::Found { .. });
    let blocking = judged.blocking();
    if !blocking.is_empty() {
        let failure = Failure::new(&failure::INVALID_WORKSPACE, blocking.join("; "));
        if !view.has_children()? {
            return Ok(draft.stop(failure));
        }
        draft.remark("warning", failure.cause.as_str());
        draft.refused = Some(failure);
    }
    if let LookedModel::Found { repository, .. } = looked.model {
        draft.repository = Some(repository);
    }
    match &judged.subject {
        Ok(Subject::Unseen(unseen)) => {
            // What is missing of machines is told where they are looked at.
            let Some(id) = &unseen.model else { return Ok(Flow::Next) };
            let what = format!("{} is in no catalogue, and the hub is asked what it is", quoted(id));
            if runs_as_asked(view, workspace)? {
                draft.remark("waiting", what);
                return Ok(Flow::Next);
            }
            let since = view.not_since(ConditionType::ResourceReady);
            draft.waits.push(Waiting::new(&failure::MODEL_METADATA_PENDING, what, since));
            Ok(if view.has_children()? { Flow::Next } else { Flow::Stop })
        }
        Ok(subject) => {
            describe(view, workspace, draft, subject, &judged);
            draft.subject = Some(subject.clone());
            Ok(Flow::Next)
        }
        Err(failures) if draft.model_is_unknown && runs_as_asked(view, workspace)? => {
            draft.remark("warning", failures.first().map(|failure| failure.cause.as_str()).unwrap_or_default());
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

/// Whether what runs is what is asked for. Then it does not matter that a hub is silent: nothing is to be made, and the model is as ready as it was. Only what nobody has recorded of it, such as a
/// revision of the Go operator's, is asked again.
fn runs_as_asked(view: &View<'_>, workspace: &Workspace) -> Result<bool, Unread> {
    let hash = sha256_hex(&kaito_api::workspace::revision_bytes(workspace));
    Ok(view.annotation(annotations::WORKSPACE_HASH) == Some(hash.as_str()) && view.workload_revision()?.is_some())
}

fn describe(view: &View<'_>, workspace: &Workspace, draft: &mut Draft, subject: &Subject, judged: &Judgement) {
    match subject {
        Subject::Model(facts) => describe_model(view, workspace, draft, facts),
        Subject::Own(own) => describe_own(draft, own),
        Subject::Unseen(_) => {}
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
    let commit =
        facts.model.revision.as_ref().map(|commit| format!(" at commit {}", quoted(commit))).unwrap_or_default();
    draft.remark(
        "admitted",
        format!(
            "{work} {name}{commit}, {dtype} ({}, compute capability {})",
            facts.hardware.gpu_model, facts.capability
        ),
    );
    if facts.engine().is_some_and(|engine| engine != facts::engine(workspace, view.settings)) {
        draft.remark("admitted", adapters::remark(facts.profile));
    }
}

fn describe_own(draft: &mut Draft, own: &OwnServer) {
    let gpus = own.hardware.as_ref().map(|hardware| match hardware.gpu_count {
        1 => format!(" (1 GPU of {} on a node)", hardware.gpu_model),
        count => format!(" ({count} GPUs of {} on a node)", hardware.gpu_model),
    });
    draft.remark("admitted", format!("a pod template of the user's own{}", gpus.unwrap_or_default()));
}
