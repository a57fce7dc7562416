//! Conditions, state and numbers, from what was seen; one place for all of them.

mod benchmark; // of what its start has measured
mod inference; // of a model that is served
mod tuning; // of a training

use super::draft::Draft;
use super::machines;
use super::release;
use super::view::View;
use crate::backend::{BackendError, ErrorKind};
use crate::conditions::{self, Finding};
use crate::effect::{self, EffectError};
use crate::failure::{self, Failure, Reason, Waiting};
use crate::kinds::Kind;
use crate::object::ObjectKey;
use crate::plan::{Notice, Outcome, Plan, StatusWrite, Wake};
use crate::read::{Freshness, Read};
use crate::snapshot::Unread;
use kaito_api::vocabulary::{ConditionType, annotations, events, reasons};
use serde_json::{Value, json};

/// The conditions that this planner speaks for.
const OURS: &[ConditionType] = &[
    ConditionType::BenchmarkCompleted,
    ConditionType::InferenceReady,
    ConditionType::JobStarted,
    ConditionType::NodeClaimReady,
    ConditionType::NodesReady,
    ConditionType::ResourceReady,
    ConditionType::WorkspaceDeleting,
    ConditionType::WorkspaceSucceeded,
];

/// Turns the draft into a plan: effects as drafted, the status from what was observed.
pub(super) fn finish(view: &View<'_>, mut draft: Draft) -> Result<Plan, Unread> {
    for (refused, failure) in refused_writes(view)? {
        draft.notices.extend(claim_refused(view, refused, &failure));
        if draft.released && refused.key == *view.key {
            // Our finalizer is still there, and so is the Workspace.
            draft.released = false;
            // A server that is unwell for a moment refuses nothing.
            let is_refusal = !refused.kind.is_transient();
            draft.notices.extend(told_once(view, events::RELEASE_REFUSED, &failure).filter(|_| is_refusal));
        }
        draft.failures.push(failure);
    }
    let status = if draft.released { None } else { status(view, &draft) };
    let overdue = draft.waits.iter().map(|wait| wait.wake(view.now()));
    let again = draft.again.map(Wake::After);
    let wake =
        draft.failures.iter().map(Failure::wake).chain(overdue).chain(again).fold(Wake::OnChange, Wake::or_earlier);
    let outcome = if draft.released { Outcome::Gone } else { failure::outcome(&draft.failures, &draft.waits) };
    Ok(Plan {
        steps: draft.steps,
        status,
        notices: draft.notices,
        remarks: draft.remarks,
        wake,
        outcome,
        root_uid: view.metadata.uid.clone(),
    })
}

/// What is told where something that must be known is refused: all else that the status says stays as it was seen last.
pub(super) fn unanswered(view: &View<'_>, (read, error): (&Read, &BackendError)) -> Plan {
    let failure = Failure::new(&failure::READ_REFUSED, format!("cannot read {read}: {}", error.message));
    let notice = told_once(view, events::READ_REFUSED, &failure);
    let findings = if effect::is_dying(view.metadata) {
        deleting(view, &Draft { failures: vec![failure], ..Draft::default() })
    } else {
        // Of a model that serves, or a training that is over, nothing is known but what it was when it could be looked at last.
        let succeeded = ConditionType::WorkspaceSucceeded.as_str();
        let shown = view.conditions().iter().find(|told| told.type_ == succeeded);
        let is_judged = shown.is_some_and(|told| told.reason != reasons::WORKSPACE_PENDING);
        let words = format!("{}: {}", failure::READ_REFUSED.name, failure.message());
        let succeeded = Finding::no(ConditionType::WorkspaceSucceeded, reasons::WORKSPACE_PENDING, words);
        let resource = Finding::no(ConditionType::ResourceReady, failure.reason(), failure.message());
        [resource].into_iter().chain((!is_judged).then_some(succeeded)).collect()
    };
    let ours: Vec<ConditionType> = findings.iter().map(|finding| finding.condition).collect();
    let mut status = if view.status.is_object() { view.status.clone() } else { json!({}) };
    put_conditions(view, &findings, &ours, &mut status);
    Plan {
        status: write(view, status),
        notices: notice.into_iter().collect(),
        root_uid: view.metadata.uid.clone(),
        ..Plan::nothing(Outcome::Failed { reason: failure::READ_REFUSED.name })
    }
}

/// An event for a person who looks at these, until a condition says the same: then it was told.
fn told_once(view: &View<'_>, reason: &'static str, failure: &Failure) -> Option<Notice> {
    let words = failure.message();
    let shown = view.conditions().iter().any(|told| told.message.contains(&words));
    (!shown).then_some(Notice { warning: true, reason, note: words, after: None })
}

/// What the API server refused of this very plan, in its own words.
fn refused_writes<'a>(view: &View<'a>) -> Result<Vec<(&'a EffectError, Failure)>, Unread> {
    let mut told = Vec::new();
    for error in view.snapshot.mishaps() {
        let failure = match error.kind {
            ErrorKind::AlreadyExists => is_taken(view, &error.key)?.then(|| {
                let cause = format!("{} exists and does not carry the labels of this Workspace", error.key);
                Failure::new(&failure::NAME_TAKEN, cause)
            }),
            _ => {
                let cause = format!("cannot {} {}: {}", error.verb, error.key, error.message);
                Some(Failure::new(row_of(error), cause))
            }
        };
        told.extend(failure.map(|failure| (error, failure)));
    }
    Ok(told)
}

/// Whether a name is somebody else's. Of other kinds the next look shows it, when the cache has caught up.
fn is_taken(view: &View<'_>, key: &ObjectKey) -> Result<bool, Unread> {
    match key.kind {
        // Claims were listed live in this round, by labels that all of ours carry.
        Kind::NodeClaim => Ok(true),
        // Nothing watches it when it lacks our label, and the cache may lag when it has it.
        Kind::ControllerRevision => {
            let found = view.snapshot.seen(key.clone(), Freshness::Live)?;
            Ok(found.is_some_and(|found| !effect::is_controlled_by(found.metadata(), view.uid())))
        }
        _ => Ok(false),
    }
}

/// What a refused write is told as.
fn row_of(error: &EffectError) -> &'static Reason {
    match (error.key.kind, error.verb) {
        _ if error.kind == ErrorKind::Forbidden && error.message.contains("exceeded quota") => &failure::QUOTA_EXCEEDED,
        // A label for charts of others, and a history that is longer than it should be.
        (Kind::Node, _) | (Kind::ControllerRevision, "delete") => &failure::UPKEEP_REFUSED,
        _ => &failure::WRITE_REFUSED,
    }
}

/// A person who looks at events is told that a machine could not be asked for: once, until something else is said.
fn claim_refused(view: &View<'_>, error: &EffectError, failure: &Failure) -> Option<Notice> {
    let shown =
        view.conditions().iter().any(|told| told.reason == failure.reason() && told.message == failure.message());
    (error.key.kind == Kind::NodeClaim && error.verb == "create" && !shown).then(|| Notice {
        warning: true,
        reason: events::NODE_CLAIM_CREATION_FAILED,
        note: failure.message(),
        after: None,
    })
}

/// The whole status, where it says something new.
fn status(view: &View<'_>, draft: &Draft) -> Option<StatusWrite> {
    let findings = if draft.deleting { deleting(view, draft) } else { findings(view, draft) };
    let mut status = if view.status.is_object() { view.status.clone() } else { json!({}) };
    let ours = if draft.deleting { &[ConditionType::WorkspaceDeleting][..] } else { OURS };
    put_conditions(view, &findings, ours, &mut status);
    let fields = status.as_object_mut()?;
    if !draft.deleting {
        let before = fields.get("state").and_then(Value::as_str);
        let state = match view.tuning() {
            None => inference::state(before, &findings),
            Some(_) => tuning::state(draft.progress),
        };
        fields.insert("state".into(), json!(state));
        match draft.machines.workers.is_empty() {
            true => drop(fields.remove("workerNodes")),
            false => drop(fields.insert("workerNodes".into(), json!(draft.machines.workers))),
        }
        if let Some(target) = draft.target {
            fields.insert("targetNodeCount".into(), json!(target));
        }
        benchmark::performance(&draft.benchmark, fields);
    }
    write(view, status)
}

/// Puts findings among the conditions of a status.
fn put_conditions(view: &View<'_>, findings: &[Finding], ours: &[ConditionType], status: &mut Value) {
    let merged = conditions::merge(view.conditions(), findings, ours, view.generation(), view.now());
    status["conditions"] = serde_json::to_value(merged).unwrap_or_default();
}

/// The write of a status that says something new.
fn write(view: &View<'_>, status: Value) -> Option<StatusWrite> {
    (status != view.status).then(|| StatusWrite {
        key: view.key.clone(),
        uid: view.uid().to_owned(),
        resource_version: view.resource_version().to_owned(),
        status,
    })
}

fn deleting(view: &View<'_>, draft: &Draft) -> Vec<Finding> {
    let failures = draft.failures.iter().map(Failure::message);
    let waits = draft.waits.iter().map(|wait| wait.message(view.now()));
    let words: Vec<String> =
        ["workspace is being deleted".to_owned()].into_iter().chain(failures).chain(waits).collect();
    vec![Finding::yes(ConditionType::WorkspaceDeleting, reasons::WORKSPACE_DELETED, words.join("; "))]
}

/// One finding for each condition, each from the first failure or wait that shows on it.
fn findings(view: &View<'_>, draft: &Draft) -> Vec<Finding> {
    let trouble = |condition| trouble(view, draft, condition);
    let refusal = draft.failures.iter().find(|failure| failure.forbids_machines());
    let is_released = draft.progress.is_over() && release::is_wanted(view);
    let nothing =
        if machines::of(view.settings).asks() { "no machine is asked for yet" } else { "no node is chosen yet" };
    let nothing_asked = match refusal {
        _ if is_released => format!(
            "the training is over, and its machines are given back, as the annotation {} asks",
            annotations::RELEASE_NODES_WHEN_DONE
        ),
        _ if draft.progress.is_over() => "the training is over, no machine is waited for".to_owned(),
        Some(refusal) => format!("{nothing}: {}", refusal.message()),
        None => nothing.to_owned(),
    };
    let unasked = |reason| if is_released { reasons::NODES_RELEASED } else { reason };
    let claims = machines::of(view.settings).asks().then(|| {
        trouble(ConditionType::NodeClaimReady).unwrap_or_else(|| match draft.machines.claims_ready {
            true => {
                Finding::yes(ConditionType::NodeClaimReady, reasons::NODE_CLAIMS_READY, "Enough NodeClaims are ready")
            }
            false => Finding::no(ConditionType::NodeClaimReady, unasked(failure::CLAIMS_PENDING.name), &*nothing_asked),
        })
    });
    let nodes = trouble(ConditionType::NodesReady).unwrap_or_else(|| match draft.machines.nodes_ready {
        true => {
            Finding::yes(ConditionType::NodesReady, reasons::NODES_READY, machines::of(view.settings).nodes_are_ready())
        }
        false => Finding::no(ConditionType::NodesReady, unasked(failure::NODES_PENDING.name), &*nothing_asked),
    });
    let lacks = claims.iter().chain([&nodes]).find(|finding| !finding.holds);
    let of_resource = |row: &Reason| row.condition == ConditionType::ResourceReady;
    let is_blocked = draft.failures.iter().any(|failure| failure.blocks(ConditionType::ResourceReady))
        || draft.waits.iter().any(|wait| of_resource(wait.reason));
    let resource = trouble(ConditionType::ResourceReady).filter(|_| is_blocked).unwrap_or_else(|| {
        match lacks {
            // Mirrors the first of the two that does not hold, as upstream; and tells what nothing depends on.
            Some(cause) => {
                let warnings =
                    draft.failures.iter().filter(|failure| of_resource(failure.reason)).map(Failure::message);
                let message = std::iter::once(cause.message.clone()).chain(warnings).collect::<Vec<_>>().join("; ");
                Finding { condition: ConditionType::ResourceReady, message, ..cause.clone() }
            }
            None => {
                Finding::yes(ConditionType::ResourceReady, reasons::RESOURCE_SUCCESS, "workspace resource is ready")
            }
        }
    });
    let (work, succeeded) = match view.tuning() {
        None => inference::findings(view, draft, &resource),
        Some(_) => tuning::findings(view, draft, &resource),
    };
    let of_work = [nodes, resource, work, succeeded].into_iter().chain(benchmark::finding(view, draft));
    claims.into_iter().chain(of_work).collect()
}

/// What is wrong or awaited on a condition: failures before waits, the first of each.
fn trouble(view: &View<'_>, draft: &Draft, condition: ConditionType) -> Option<Finding> {
    // Rows that speak of the workload name the condition of one that serves; where it is a Job, its condition shows them.
    let shows = |row: ConditionType| {
        row == condition || (condition, row) == (ConditionType::JobStarted, ConditionType::InferenceReady)
    };
    let of_it = || draft.failures.iter().filter(|failure| shows(failure.reason.condition));
    let failure = of_it().find(|failure| !failure.is_warning()).or_else(|| of_it().next());
    let wait = || draft.waits.iter().find(|wait: &&Waiting| wait.reason.condition == condition);
    match failure {
        Some(failure) => Some(Finding::no(condition, failure.reason(), failure.message())),
        None => wait().map(|wait| Finding::no(condition, wait.reason.name, wait.message(view.now()))),
    }
}
