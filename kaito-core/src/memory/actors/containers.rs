//! What a kubelet says of the containers of a pod: the `status` of the pod, from how far it has come and from its fate.

use super::after;
use crate::memory::PodFate;
use crate::units::rfc3339;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, PodStatus};
use serde_json::{Value, json};

/// How far a pod has come on its node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Progress {
    pub(super) start: Timestamp,
    /// When its images are there; `None` while they are not.
    pub(super) pulled: Option<Timestamp>,
    /// When it answers; `None` while it does not.
    pub(super) ready: Option<Timestamp>,
    /// When its work is done; `None` while it is not, and where it serves.
    pub(super) done: Option<Timestamp>,
    pub(super) now: Timestamp,
    /// How long one runs that ends with an error, and how long it is not started again then.
    pub(super) turn: SignedDuration,
}

/// The restarts after which nothing new is said of a container that ends again and again.
const RESTARTS: i32 = 5;

impl Progress {
    /// How many turns have passed of a container that ends again and again: it runs, is started again at once, and from then on after a pause each time.
    fn turns(&self, since: Timestamp) -> i32 {
        let passed = self.now.duration_since(since);
        (0..2 * RESTARTS).find(|turns| passed < self.turn * (turns + 1)).unwrap_or(2 * RESTARTS)
    }

    /// When something else is to be said of such a container.
    pub(super) fn next_turn(&self) -> Option<Timestamp> {
        let since = self.pulled?;
        Some(self.turns(since)).filter(|turns| *turns < 2 * RESTARTS).map(|turns| after(since, self.turn * (turns + 1)))
    }
}

/// The status of a pod that a node has taken. `missing` is what a kubelet says when it cannot make a container.
pub(super) fn status(pod: &Pod, spec: &PodSpec, progress: &Progress, fate: &PodFate, missing: Option<&str>) -> Value {
    let ends = spec.restart_policy.as_deref() == Some("Never");
    let here = Here { pod, progress, fate, missing, ends };
    let init: Vec<Value> = spec.init_containers.iter().flatten().map(|container| here.before(container)).collect();
    let starts = here.starts(spec);
    let mut main: Vec<Value> = (spec.containers.iter().enumerate())
        .map(|(index, container)| here.main(container, index == 0, starts, !init.is_empty()))
        .collect();
    // As a kubelet tells of them.
    main.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
    let ready = main.iter().all(|container| container["ready"] == true);
    let unready: Vec<&str> = main
        .iter()
        .filter(|container| container["ready"] != true)
        .filter_map(|container| container["name"].as_str())
        .collect();
    let since = if ready { progress.ready.unwrap_or(progress.start) } else { progress.start };
    let condition = |type_: &str, holds: bool, since: Timestamp| json!({"type": type_, "status": if holds { "True" } else { "False" }, "lastTransitionTime": rfc3339(since)});
    let answers = |type_: &str| {
        let mut condition = condition(type_, ready, since);
        if !ready {
            condition["reason"] = json!("ContainersNotReady");
            condition["message"] = json!(format!("containers with unready status: [{}]", unready.join(" ")));
        }
        condition
    };
    let running = main.iter().any(|container| container.pointer("/state/waiting").is_none());
    let has_run = main.iter().any(|container| container.get("lastState").is_some());
    let exits = |all: &[Value]| -> Vec<Option<i64>> {
        all.iter().map(|container| container.pointer("/state/terminated/exitCode").and_then(Value::as_i64)).collect()
    };
    let has_failed = |exit: &Option<i64>| exit.is_some_and(|code| code != 0);
    let phase = if ends && exits(&init).iter().chain(&exits(&main)).any(has_failed) {
        "Failed"
    } else if ends && exits(&main).iter().all(Option::is_some) {
        "Succeeded"
    } else if running || has_run {
        "Running"
    } else {
        "Pending"
    };
    let mut status = json!({
        "phase": phase,
        "startTime": rfc3339(progress.start),
        "podIP": address(pod),
        "conditions": [condition("PodScheduled", true, progress.start), answers("ContainersReady"), answers("Ready")],
        "containerStatuses": main,
    });
    if !init.is_empty() {
        status["initContainerStatuses"] = json!(init);
    }
    let whole = match fate {
        PodFate::Evicted { message } if progress.pulled.is_some() => Some(("Evicted", message)),
        PodFate::Rejected { reason, message } => Some((reason.as_str(), message)),
        _ => None,
    };
    if let Some((reason, message)) = whole {
        status = json!({"phase": "Failed", "reason": reason, "message": message, "startTime": rfc3339(progress.start)});
    }
    canonical(status)
}

/// The form in which it will be read back, so that what is said again is not written again.
pub(super) fn canonical(status: Value) -> Value {
    let typed = serde_json::from_value::<PodStatus>(status.clone()).and_then(serde_json::to_value);
    typed.unwrap_or(status)
}

/// An address for each pod, made of its uid.
fn address(pod: &Pod) -> String {
    let digits: String =
        pod.metadata.uid.as_deref().unwrap_or_default().chars().filter(char::is_ascii_hexdigit).collect();
    let tail = digits.get(digits.len().saturating_sub(4)..).and_then(|tail| u16::from_str_radix(tail, 16).ok());
    let [high, low] = tail.unwrap_or_default().to_be_bytes();
    format!("10.244.{high}.{low}")
}

struct Here<'a> {
    pod: &'a Pod,
    progress: &'a Progress,
    fate: &'a PodFate,
    missing: Option<&'a str>,
    /// Whether a container that has ended is not started again.
    ends: bool,
}

impl Here<'_> {
    /// Whether the main containers are reached: the init containers have ended well.
    fn starts(&self, spec: &PodSpec) -> bool {
        let has_init = spec.init_containers.iter().flatten().next().is_some();
        self.progress.pulled.is_some() && !(has_init && matches!(self.fate, PodFate::InitCrashLoop { .. }))
    }

    fn before(&self, container: &Container) -> Value {
        match (self.progress.pulled, self.fate) {
            (None, _) => said(container, false, &waiting("PodInitializing", None)),
            (Some(at), PodFate::InitCrashLoop { exit_code, message }) => {
                self.failing(container, at, *exit_code, "Error", message)
            }
            (Some(at), _) => said(container, true, &terminated(self.progress.start, at, 0, "Completed", "")),
        }
    }

    fn main(&self, container: &Container, is_first: bool, starts: bool, has_init: bool) -> Value {
        let Some(at) = self.progress.pulled.filter(|_| starts) else {
            return said(
                container,
                false,
                &waiting(if has_init { "PodInitializing" } else { "ContainerCreating" }, None),
            );
        };
        let image = container.image.as_deref().unwrap_or_default();
        match self.fate {
            PodFate::ImagePull { message } if is_first => {
                let words = format!("Back-off pulling image {image:?}: ErrImagePull: {message}");
                said(container, false, &waiting("ImagePullBackOff", Some(&words)))
            }
            PodFate::CreateConfigError { message } if is_first => {
                said(container, false, &waiting("CreateContainerConfigError", Some(message)))
            }
            PodFate::CrashLoop { exit_code, message } if is_first => {
                self.failing(container, at, *exit_code, "Error", message)
            }
            PodFate::Ends { exit_code, .. } if is_first => self.failing(container, at, *exit_code, "Error", ""),
            PodFate::OutOfMemory if is_first => self.failing(container, at, 137, "OOMKilled", ""),
            _ => match self.missing {
                Some(missing) => said(container, false, &waiting("CreateContainerConfigError", Some(missing))),
                None => {
                    let answers = *self.fate != PodFate::NeverReady;
                    match self.progress.done.filter(|_| answers) {
                        Some(done) => said(container, false, &terminated(at, done, 0, "Completed", "")),
                        None => {
                            let ready = self.progress.ready.is_some() && answers;
                            said(container, ready, &json!({"running": {"startedAt": rfc3339(at)}}))
                        }
                    }
                }
            },
        }
    }

    /// It ends with an error: for good, or again and again.
    fn failing(&self, container: &Container, at: Timestamp, exit_code: i32, reason: &str, message: &str) -> Value {
        if self.ends {
            return said(container, false, &terminated(at, at, exit_code, reason, message));
        }
        let turns = self.progress.turns(at);
        let begin_of = |turns: i32| after(at, self.progress.turn * turns);
        let runs = turns == 0 || turns % 2 == 1;
        let mut said = if runs {
            said(container, false, &json!({"running": {"startedAt": rfc3339(begin_of(turns))}}))
        } else {
            let name = self.pod.metadata.name.as_deref().unwrap_or_default();
            let words = format!("back-off 5m0s restarting failed container={} pod={name}", container.name);
            said(container, false, &waiting("CrashLoopBackOff", Some(&words)))
        };
        said["restartCount"] = json!((turns + 1) / 2);
        if turns > 0 {
            // Before a run that is not the second comes a pause.
            let end = if runs && turns > 1 { turns - 1 } else { turns };
            said["lastState"] = terminated(begin_of(end - 1), begin_of(end), exit_code, reason, message);
        }
        said
    }
}

fn terminated(started: Timestamp, finished: Timestamp, exit_code: i32, reason: &str, message: &str) -> Value {
    let mut end = json!({"exitCode": exit_code, "reason": reason, "startedAt": rfc3339(started), "finishedAt": rfc3339(finished)});
    if !message.is_empty() {
        end["message"] = json!(message);
    }
    json!({"terminated": end})
}

fn waiting(reason: &str, message: Option<&str>) -> Value {
    json!({"waiting": {"reason": reason, "message": message}})
}

fn said(container: &Container, ready: bool, state: &Value) -> Value {
    json!({
        "name": container.name, "image": container.image.as_deref().unwrap_or_default(), "imageID": "", "restartCount": 0,
        "ready": ready, "started": state.get("running").is_some(), "state": state,
    })
}
