//! The Job.
//!
//! It is made when the machine is ready and every Secret that it mounts is there, and it is never changed: a Workspace that asks for something else gets another Job in its
//! place, when the former one and its pods are gone. A Job that is over stays, with its pods' logs, for as long as nothing else is asked for.

use super::draft::{Draft, Flow, is_dying};
use super::facts::Task;
use super::training::Training;
use super::view::View;
use super::workload;
use crate::conditions;
use crate::effect::{self, Effect, Owned, Step, WriteMode};
use crate::failure::{self, Failure, Waiting};
use crate::image_reference::normalised;
use crate::kinds::{Kind, Typed};
use crate::manifest::{self, Input, Output, Tuning};
use crate::object::{ObjectKey, SecretFacts, Seen};
use crate::snapshot::{Lookup, Unread};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::{Job, JobStatus};
use kaito_api::vocabulary::{ConditionType, annotations, names};
use kaito_api::workspace::{DataSource, TuningSpec};
use kaito_presets::TuningRuntime;

/// After so long, a training that still runs is worth a look: most adapters take minutes to hours.
const LONG: SignedDuration = SignedDuration::from_hours(24);

/// How far the training of the current revision is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Progress {
    /// It has no Job.
    #[default]
    Nothing,
    /// The Job has made no pod.
    Created,
    /// A pod is there, or Kubernetes is about to try again.
    Started,
    /// The result is where it was asked for.
    Succeeded,
    /// The Job has given up.
    Failed,
}

impl Progress {
    /// Whether nothing more will happen.
    pub(super) fn is_over(self) -> bool {
        matches!(self, Progress::Succeeded | Progress::Failed)
    }
}

/// Reads the progress off the Job, as far as it is the one that is wanted.
pub(super) fn progress(view: &View<'_>, draft: &Draft, found: Lookup<'_, Job>) -> Progress {
    let wanted = draft.revision.as_ref().map(|revision| revision.number.to_string());
    let Some(job) = found.found().filter(|job| is_ours(view, job) && revision_of(job) == wanted.as_deref()) else {
        return Progress::Nothing;
    };
    let Some(status) = &job.status else { return Progress::Created };
    let some = |count: Option<i32>| count.is_some_and(|count| count > 0);
    if condition(status, "Complete").is_some() || some(status.succeeded) {
        Progress::Succeeded
    } else if condition(status, "Failed").is_some() {
        Progress::Failed
    } else if some(status.active) || some(status.ready) || some(status.failed) {
        Progress::Started
    } else {
        Progress::Created
    }
}

/// The words of a condition that holds.
fn condition<'a>(status: &'a JobStatus, type_: &str) -> Option<&'a str> {
    let mut holding = status.conditions.iter().flatten().filter(|found| found.status == "True");
    holding.find(|found| found.type_ == type_).map(|found| found.message.as_deref().unwrap_or_default())
}

fn is_ours(view: &View<'_>, job: &Job) -> bool {
    effect::is_controlled_by(&job.metadata, view.uid()) && !is_dying(&job.metadata)
}

fn revision_of(job: &Job) -> Option<&str> {
    job.metadata.annotations.as_ref()?.get(annotations::WORKSPACE_REVISION).map(String::as_str)
}

pub(super) fn step(view: &View<'_>, draft: &mut Draft) -> Result<Flow, Unread> {
    let Some(tuning) = view.tuning() else { return Ok(Flow::Next) };
    let found = view.job()?;
    if let Lookup::Malformed(malformed) = found {
        let cause = format!("Job {} cannot be read: {}", view.name(), malformed.error);
        draft.failures.push(Failure::new(&failure::MALFORMED_OBJECT, cause));
        return Ok(Flow::Next);
    }
    if let Some(training) = draft.training.clone()
        && secrets(view, draft, tuning)?
    {
        make(view, draft, tuning, &training, found);
    }
    observe(view, draft, found);
    Ok(Flow::Next)
}

/// The Secrets that the Job mounts, with the fields that name them.
pub(super) fn secret_names(tuning: &TuningSpec) -> impl Iterator<Item = (&'static str, &str)> {
    let output = tuning.output.iter().filter(|output| output.volume_source.is_none() && !output.image.is_empty());
    let pushes = output.map(|output| ("tuning.output.imagePushSecret", output.image_push_secret.as_str()));
    let input = tuning.input.iter().filter(|input| !input.image.is_empty());
    let pulls = input.flat_map(|input| &input.image_pull_secrets);
    pushes.chain(pulls.map(|name| ("tuning.input.imagePullSecrets", name.as_str())))
}

/// Whether every Secret that the Job mounts is there: a pod that mounts one that is not waits without a word.
fn secrets(view: &View<'_>, draft: &mut Draft, tuning: &TuningSpec) -> Result<bool, Unread> {
    let before = draft.failures.len();
    for (field, name) in secret_names(tuning) {
        let (row, problem) = match view.snapshot.get::<SecretFacts>(view.namespace(), name)? {
            Lookup::Absent => (&failure::SECRET_NOT_FOUND, format!("does not exist in namespace {}", view.namespace())),
            Lookup::Malformed(malformed) => {
                (&failure::SECRET_NOT_USABLE, format!("cannot be read: {}", malformed.error))
            }
            Lookup::Found(secret) if !secret.keys.contains(names::DOCKER_CONFIG_KEY) => (
                &failure::SECRET_NOT_USABLE,
                format!("in namespace {} has no key {}", view.namespace(), names::DOCKER_CONFIG_KEY),
            ),
            Lookup::Found(_) => continue,
        };
        draft.failures.push(Failure::new(row, format!("{field}: Secret {name} {problem}")));
    }
    Ok(draft.failures.len() == before)
}

/// Makes the Job, or makes room for it.
fn make(view: &View<'_>, draft: &mut Draft, tuning: &TuningSpec, training: &Training, found: Lookup<'_, Job>) {
    match found {
        Lookup::Absent if draft.machines.nodes_ready => match job(view, draft, tuning, training) {
            Ok(effect) => {
                let requires = draft.stamp.into_iter().chain(training.copied).collect();
                draft.steps.push(Step { effect, requires });
            }
            Err(failure) => draft.failures.push(failure),
        },
        // Something else was asked for since. Deleted with its pods before it, so that two trainings never write to one place.
        Lookup::Found(former) if is_ours(view, former) => {
            let seen = Seen::Decoded(former.clone().into_object());
            if let Some(target) = Owned::by_reference(&seen, view.uid()) {
                draft.push_after(Effect::Delete { target }, draft.stamp);
            }
        }
        Lookup::Absent | Lookup::Found(_) | Lookup::Malformed(_) => {}
    }
}

/// The Job as it is to be.
fn job(view: &View<'_>, draft: &Draft, tuning: &TuningSpec, training: &Training) -> Result<Effect, Failure> {
    let invalid = |cause: String| Failure::new(&failure::INVALID_WORKSPACE, cause);
    let (Some(facts), Some(revision)) = (draft.facts, &draft.revision) else {
        return Err(invalid("tuning: nothing is known of it".to_owned()));
    };
    let (Task::Tuning { params, weights, .. }, Some(input), Some(output)) =
        (facts.task, tuning.input.as_ref(), tuning.output.as_ref())
    else {
        return Err(invalid("tuning: input and output must be set".to_owned()));
    };
    // What cannot be read as an image was refused before.
    let pulled = normalised(&input.image).unwrap_or_else(|| input.image.clone());
    let pushed = normalised(&output.image).unwrap_or_else(|| output.image.clone());
    let made = Tuning {
        name: view.name(),
        namespace: view.namespace(),
        owner: view.owner(),
        revision: revision.number,
        facts,
        params,
        weights,
        preset: tuning.preset.as_ref().map_or(facts.model.short_name, |preset| preset.name.as_str()),
        node_labels: workload::user_labels(view),
        config_map: &training.config_map,
        results: &training.results,
        input: source(input, &pulled),
        output: match &output.volume_source {
            Some(volume) => Output::Volume(volume),
            None => Output::Image { image: &pushed, secret: &output.image_push_secret },
        },
        registry: &view.settings.registry,
        azure_spot: crate::cloud::row(view.settings.cloud).azure_spot_taint,
    };
    let body = manifest::job(&made).map_err(|error| invalid(format!("tuning: {error}")))?;
    let key = ObjectKey::new(Kind::Job, view.namespace(), view.name());
    Ok(Effect::Ensure { key, body, mode: WriteMode::CreateOnly, uid: None })
}

/// Where the data comes from: image before addresses before volume, as upstream; admission lets only one through.
fn source<'a>(input: &'a DataSource, image: &'a str) -> Input<'a> {
    match &input.volume_source {
        _ if !input.image.is_empty() => Input::Image { name: &input.name, image, secrets: &input.image_pull_secrets },
        Some(volume) if input.urls.is_empty() => Input::Volume(volume),
        _ => Input::Urls(&input.urls),
    }
}

/// What is waited for, and what has failed.
fn observe(view: &View<'_>, draft: &mut Draft, found: Lookup<'_, Job>) {
    let job = found.found();
    let status = job.and_then(|job| job.status.as_ref());
    let made = job.and_then(|job| job.metadata.creation_timestamp.as_ref()).map_or(view.now(), |time| time.0);
    match draft.progress {
        Progress::Succeeded => draft.remark("succeeded", "the machine stays until the Workspace is deleted"),
        Progress::Failed => {
            let words = status.and_then(|status| condition(status, "Failed")).unwrap_or_default();
            let attempts = status.and_then(|status| status.failed).unwrap_or_default();
            let cause = format!("tuning job failed: {words} ({})", counted(attempts));
            draft.failures.push(Failure::new(&failure::JOB_FAILED, cause));
        }
        Progress::Started => draft.waits.push(training(status, made)),
        Progress::Created => {
            let what = "Tuning job has not started: it has made no pod";
            draft.waits.push(Waiting::new(&failure::JOB_PENDING, what, made));
        }
        Progress::Nothing => {
            let what = match job {
                Some(_) => "Tuning job has not started: the former Job and its pods are going away",
                // Machines come first, and their own wait is told.
                None if !draft.machines.nodes_ready => return,
                None => "Tuning job has not started",
            };
            draft.waits.push(Waiting::new(&failure::JOB_PENDING, what, ready_since(view)));
        }
    }
}

/// The wait for a training that has begun.
fn training(status: Option<&JobStatus>, made: Timestamp) -> Waiting {
    let started = status.and_then(|status| status.start_time.as_ref()).map_or(made, |time| time.0);
    let failed = status.and_then(|status| status.failed).unwrap_or_default();
    let is_ready = status.and_then(|status| status.ready).unwrap_or_default() > 0;
    let (what, deadline) = if is_ready {
        ("workspace has not completed yet, tuning job is running", LONG)
    } else {
        let seconds = i64::try_from(TuningRuntime::READINESS_TIMEOUT_SECONDS).unwrap_or(1800);
        ("workspace has not completed yet, the pod of the tuning job is not ready", SignedDuration::from_secs(seconds))
    };
    let again = if failed > 0 { format!("; {}, Kubernetes tries again", counted(failed)) } else { String::new() };
    let mut wait = Waiting::new(&failure::TRAINING, format!("{what}{again}"), started);
    wait.deadline = Some(deadline);
    wait
}

/// `1 attempt failed`, `2 attempts failed`.
fn counted(attempts: i32) -> String {
    format!("{attempts} attempt{} failed", if attempts == 1 { "" } else { "s" })
}

/// Since when a Job could have been there.
fn ready_since(view: &View<'_>) -> Timestamp {
    conditions::since(view.conditions(), ConditionType::ResourceReady, true)
        .unwrap_or_else(|| view.not_since(ConditionType::JobStarted))
}
