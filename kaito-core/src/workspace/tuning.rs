//! The Job.
//!
//! It is made when the machine is ready and every Secret that it mounts is there, and it is never changed: a Workspace that asks for something else gets another Job in its
//! place, when the former one and its pods are gone. A Job that is over stays, with its pods' logs, for as long as nothing else is asked for.

use super::draft::{Draft, Flow};
use super::facts::Task;
use super::former;
use super::last_words;
use super::machines;
use super::pods;
use super::release;
use super::secrets::{self, Need};
use super::training::Training;
use super::view::View;
use crate::effect::{self, Effect, Owned, Step, WriteMode, is_dying};
use crate::failure::{self, Failure, Waiting};
use crate::kinds::{Kind, Typed};
use crate::manifest::{self, Input, Output, Tuning};
use crate::object::{ObjectKey, Seen};
use crate::provisioner::NodeProvisioner;
use crate::snapshot::{Lookup, Unread};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::{Job, JobStatus};
use k8s_openapi::api::core::v1::Pod;
use kaito_api::syntax::ImageReference;
use kaito_api::vocabulary::{ConditionType, names};
use kaito_api::workspace::{DataSource, TuningSpec};
use kaito_presets::TuningRuntime;

/// After so long, a training that still runs is worth a look: most adapters take minutes to hours.
const LONG: SignedDuration = SignedDuration::from_hours(24);

/// After so long, a result that is still being pushed is worth a look: an adapter has some hundred megabytes.
const PUSH: SignedDuration = SignedDuration::from_mins(30);

/// How far the training of the current revision is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Progress {
    /// It has no Job.
    #[default]
    Nothing,
    /// It has no Job, but that of an earlier request is there, and nothing takes its place.
    Former {
        /// Whether that one is still at work.
        works: bool,
    },
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
        self.end().is_some()
    }

    /// The state of a Workspace whose training is over.
    pub(super) fn end(self) -> Option<&'static str> {
        match self {
            Progress::Succeeded => Some("Succeeded"),
            Progress::Failed => Some("Failed"),
            Progress::Nothing | Progress::Former { .. } | Progress::Created | Progress::Started => None,
        }
    }
}

/// Reads the progress off the Job, as far as it is the one that is wanted.
pub(super) fn progress(view: &View<'_>, draft: &Draft, found: Lookup<'_, Job>) -> Progress {
    let is_wanted = |job: &&Job| draft.revision.as_ref().is_some_and(|revision| former::is_of(&job.metadata, revision));
    let Some(job) = found.found().filter(|job| is_ours(view, job)).filter(is_wanted) else {
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

pub(super) fn step(view: &View<'_>, draft: &mut Draft) -> Result<Flow, Unread> {
    let Some(tuning) = view.tuning() else { return Ok(Flow::Next) };
    let found = view.job()?;
    if matches!(found, Lookup::Malformed(_)) {
        return Ok(Flow::Next); // Told before a machine was looked at.
    }
    let training = draft.training.clone();
    match training {
        Some(training) if secrets::check(view, draft, secrets(tuning))? => make(view, draft, tuning, &training, found),
        _ => {
            if let Some(job) = found.found().filter(|job| draft.progress == Progress::Nothing && is_ours(view, job)) {
                let active = job.status.as_ref().and_then(|status| status.active);
                draft.progress = Progress::Former { works: active.is_some_and(|active| active > 0) };
            }
        }
    }
    observe(view, draft, found)?;
    Ok(Flow::Next)
}

/// The Secrets that the Job mounts: a pod that mounts one that is not there waits without a word.
pub(super) fn secrets(tuning: &TuningSpec) -> impl Iterator<Item = Need<'_>> {
    let output = tuning.output.iter().filter(|output| output.volume_source.is_none() && !output.image.is_empty());
    let pushes = output.map(|output| Need {
        field: "tuning.output.imagePushSecret".to_owned(),
        name: &output.image_push_secret,
        key: names::DOCKER_CONFIG_KEY,
        absent: &failure::SECRET_NOT_FOUND,
        unusable: &failure::SECRET_NOT_USABLE,
    });
    let input = tuning.input.iter().filter(|input| !input.image.is_empty());
    pushes.chain(input.flat_map(|input| {
        secrets::for_pulling(
            "tuning.input".to_owned(),
            input,
            (&failure::SECRET_NOT_FOUND, &failure::SECRET_NOT_USABLE),
        )
    }))
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
    let (Some(facts), Some(revision)) = (draft.model(), &draft.revision) else {
        return Err(invalid("tuning: nothing is known of it".to_owned()));
    };
    let (Task::Tuning { params, weights, .. }, Some(input), Some(output)) =
        (facts.task, tuning.input.as_ref(), tuning.output.as_ref())
    else {
        return Err(invalid("tuning: input and output must be set".to_owned()));
    };
    let reference = |field: &str, text: &str| match text.parse::<ImageReference>() {
        Ok(image) => Ok(image.to_pull()),
        Err(_) if text.is_empty() => Ok(String::new()),
        Err(error) => Err(invalid(format!("{field}: {error}"))),
    };
    let pulled = reference("tuning.input.image", &input.image)?;
    let pushed = reference("tuning.output.image", &output.image)?;
    let made = Tuning {
        name: view.name(),
        namespace: view.namespace(),
        owner: view.owner(),
        revision: revision.number,
        facts: &facts,
        params,
        weights,
        preset: tuning.preset.as_ref().map_or(&*facts.model.short_name, |preset| preset.name.as_str()),
        placement: machines::placement(view),
        config_map: &training.config_map,
        results: &training.results,
        input: source(input, &pulled),
        output: match &output.volume_source {
            Some(volume) => Output::Volume(volume),
            None => Output::Image { image: &pushed, secret: &output.image_push_secret },
        },
        registry: &view.settings.registry,
        azure_spot: crate::cloud::row(view.settings.cloud).azure_spot_taint,
        on_karpenter: matches!(view.settings.provisioner, NodeProvisioner::Karpenter(_)),
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

/// What is waited for, and what has failed. What keeps a pod from running is told in the words of the kubelet or the scheduler.
fn observe(view: &View<'_>, draft: &mut Draft, found: Lookup<'_, Job>) -> Result<(), Unread> {
    let job = found.found();
    let made = job.and_then(|job| job.metadata.creation_timestamp.as_ref()).map_or(view.now(), |time| time.0);
    let Attempts { failed, alive } = attempts(view, draft, job)?;
    if let Some(cause) = pods::classify(&alive).filter(|_| !draft.progress.is_over()) {
        draft.failures.push(Failure::new(cause.row, cause.words));
        return Ok(());
    }
    match draft.progress {
        Progress::Succeeded if release::is_wanted(view) => draft.remark("succeeded", "the machine is given back"),
        Progress::Succeeded => draft.remark("succeeded", "the machine stays until the Workspace is deleted"),
        Progress::Failed => {
            let words = job.and_then(|job| condition(job.status.as_ref()?, "Failed")).unwrap_or_default();
            let cause = format!("tuning job failed: {words} ({}){}", counted(job), last(view, &failed)?);
            draft.failures.push(Failure::new(&failure::JOB_FAILED, cause));
        }
        Progress::Started => {
            let again = match job.and_then(|job| job.status.as_ref()?.failed) {
                Some(1..) => format!("; {}, Kubernetes tries again{}", counted(job), last(view, &failed)?),
                _ => String::new(),
            };
            draft.waits.push(training(job, &again, &alive, made));
        }
        Progress::Former { works } => {
            let does = if works { "still runs" } else { "is still there" };
            let refusal = draft.failures.iter().find(|failure| failure.forbids_machines());
            let why = refusal.map(|failure| format!(": {}", failure.cause)).unwrap_or_default();
            let what = format!(
                "Tuning job has not started: the Job of an earlier request {does}, and is not replaced as long as this one cannot be fulfilled{why}"
            );
            draft.waits.push(Waiting::new(&failure::JOB_PENDING, what, ready_since(view, draft, job)));
        }
        Progress::Created => {
            let what = "Tuning job has not started: it has made no pod";
            let since = view.stopped(ConditionType::JobStarted).map_or(made, |stopped| stopped.max(made));
            draft.waits.push(Waiting::new(&failure::JOB_PENDING, what, since));
        }
        Progress::Nothing => {
            let what = match job {
                Some(job) if !effect::is_controlled_by(&job.metadata, view.uid()) => return Ok(()), // Its name is taken, and that is told.
                Some(_) => "Tuning job has not started: the former Job and its pods are going away",
                // Machines come first, and their own wait is told.
                None if !draft.machines.nodes_ready => return Ok(()),
                None => "Tuning job has not started",
            };
            draft.waits.push(Waiting::new(&failure::JOB_PENDING, what, ready_since(view, draft, job)));
        }
    }
    Ok(())
}

/// The pods of a training: each is one attempt.
#[derive(Default)]
struct Attempts<'a> {
    failed: Vec<&'a Pod>,
    alive: Vec<&'a Pod>,
}

/// Those of the Job that is wanted, as far as anybody still wants to know of them.
fn attempts<'a>(view: &View<'a>, draft: &Draft, job: Option<&Job>) -> Result<Attempts<'a>, Unread> {
    let uid = match draft.progress {
        Progress::Nothing | Progress::Former { .. } | Progress::Succeeded => None,
        Progress::Created | Progress::Started | Progress::Failed => job.and_then(|job| job.metadata.uid.as_deref()),
    };
    let Some(uid) = uid else { return Ok(Attempts::default()) };
    let (over, alive): (Vec<&Pod>, Vec<&Pod>) = pods::of(view, uid)?.into_iter().partition(|pod| pods::is_over(pod));
    Ok(Attempts { failed: over, alive })
}

/// The wait for a training that has begun: each attempt has its own time.
fn training(job: Option<&Job>, again: &str, alive: &[&Pod], made: Timestamp) -> Waiting {
    let status = job.and_then(|job| job.status.as_ref());
    let started = status.and_then(|status| status.start_time.as_ref()).map_or(made, |time| time.0);
    let attempt = alive.iter().filter_map(|pod| pod.metadata.creation_timestamp.as_ref()).map(|time| time.0).max();
    let started = attempt.map_or(started, |attempt| attempt.max(started));
    let is_ready = status.and_then(|status| status.ready).unwrap_or_default() > 0;
    let end = alive.iter().find_map(|pod| pods::end_of_first(pod));
    let (what, since, deadline) = match end {
        _ if is_ready => ("tuning job is running".to_owned(), started, LONG),
        // What pushes it runs on beside the trainer that has ended, and so the pod is not ready any more.
        Some((0, ended)) => ("the training is done, and its result is being pushed".to_owned(), ended, PUSH),
        Some((code, ended)) => {
            (format!("the training has ended with exit code {code}, and its pod is about to"), ended, PUSH)
        }
        None => {
            let seconds = i64::try_from(TuningRuntime::READINESS_TIMEOUT_SECONDS).unwrap_or(1800);
            ("the pod of the tuning job is not ready".to_owned(), started, SignedDuration::from_secs(seconds))
        }
    };
    let mut wait = Waiting::new(&failure::TRAINING, format!("workspace has not completed yet, {what}{again}"), since);
    wait.deadline = Some(deadline);
    wait
}

/// `; the last: pod tune-x: container tune: exit code 1: no such file`, where that is known.
fn last(view: &View<'_>, failed: &[&Pod]) -> Result<String, Unread> {
    let end = pods::failure_of_last(failed).map(|end| last_words::of(view, end)).transpose()?;
    Ok(end.map(|words| format!("; the last: {words}")).unwrap_or_default())
}

/// `1 attempt failed`, `2 attempts failed`.
fn counted(job: Option<&Job>) -> String {
    let attempts = job.and_then(|job| job.status.as_ref()?.failed).unwrap_or_default();
    format!("{attempts} attempt{} failed", if attempts == 1 { "" } else { "s" })
}

/// Since when a Job could have been there: the machine was, this very training was asked for, the Job of another was told to go, and its own had not begun.
fn ready_since(view: &View<'_>, draft: &Draft, former: Option<&Job>) -> Timestamp {
    let asked = draft.revision.as_ref().and_then(|revision| revision.recorded);
    let deleted = former.and_then(|job| job.metadata.deletion_timestamp.as_ref()).map(|time| time.0);
    let begins = [draft.machines.ready_since, asked, deleted, view.stopped(ConditionType::JobStarted)];
    begins.into_iter().flatten().max().unwrap_or(view.now())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn the_end_of_a_long_training_is_no_start_that_is_overdue() {
        let made: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let now = made + SignedDuration::from_hours(9);
        let job: Job = serde_json::from_value(json!({"status": {"active": 1, "ready": 0}})).unwrap();
        let told = |state: Value| {
            let status = |name: &str, state: &Value| json!({"name": name, "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state});
            let pod: Pod = serde_json::from_value(json!({
                "spec": {"containers": [{"name": "tune"}, {"name": "pusher"}]},
                "status": {"containerStatuses": [status("pusher", &json!({"running": {}})), status("tune", &state)]},
            }))
            .unwrap();
            training(Some(&job), "", &[&pod], made).message(now)
        };
        let ended = |code: i32| json!({"terminated": {"exitCode": code, "finishedAt": "2026-01-01T08:50:00Z"}});
        let pushes = told(ended(0));
        assert!(
            pushes.contains("its result is being pushed; next: ") && pushes.contains("until 2026-01-01T09:20:00Z"),
            "{pushes}"
        );
        assert!(told(ended(1)).contains("has ended with exit code 1"));
        assert!(told(json!({"waiting": {"reason": "PodInitializing"}})).contains("is not ready; overdue since"));
    }
}
