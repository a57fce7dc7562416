//! What is wrong with pods, in the kubelet's and the scheduler's own words.
//!
//! [`classify`] is a function of pods alone, whatever made them. Pods that carry our label and are not controlled by our workload are somebody else's, and never looked at.

use super::view::View;
use crate::effect::{self, is_dying};
use crate::failure::{self, Reason};
use crate::manifest;
use crate::snapshot::Unread;
use crate::words::{last_line, quoted};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod, PodCondition, PodStatus};
use kaito_api::vocabulary::{containers as known, reasons};

/// What is wrong, and the row of the catalogue that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cause {
    pub(super) row: &'static Reason,
    pub(super) words: String,
}

/// From the most telling sign to the least; each is looked for in all pods before the next.
const CHECKS: [fn(&Pod) -> Option<Cause>; 8] =
    [out_of_memory, cannot_pull, cannot_start, refused_by_hub, crash_loop, evicted, failed, unschedulable];

/// The first sign of trouble. A pod that is ready has none, whatever became of it before.
pub(super) fn classify(pods: &[&Pod]) -> Option<Cause> {
    CHECKS.iter().find_map(|check| pods.iter().filter(|pod| !is_ready(pod)).find_map(|pod| check(pod)))
}

/// The pods of a workload with this uid, by name, without those that are going away. One that cannot be read tells nothing.
pub(super) fn of<'a>(view: &View<'a>, workload_uid: &str) -> Result<Vec<&'a Pod>, Unread> {
    let mut pods = view.pods()?.items;
    pods.retain(|pod| effect::is_controlled_by(&pod.metadata, workload_uid) && !is_dying(&pod.metadata));
    pods.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
    Ok(pods)
}

/// Whether its containers have ended for good.
pub(super) fn is_over(pod: &Pod) -> bool {
    matches!(status(pod).and_then(|status| status.phase.as_deref()), Some("Succeeded" | "Failed"))
}

/// How and when the first container of a pod ended, which the others run beside.
pub(super) fn end_of_first(pod: &Pod) -> Option<(i32, Timestamp)> {
    let first = &pod.spec.as_ref()?.containers.first()?.name;
    let container = containers(pod).find(|container| !container.is_init && container.status.name == *first)?;
    let end = container.status.state.as_ref()?.terminated.as_ref()?;
    Some((end.exit_code, end.finished_at.as_ref()?.0))
}

/// How a pod ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    /// In words that name the pod.
    pub(super) words: String,
    /// Whose log may say more, where the kubelet says no more than a number.
    pub(super) silent: Option<Silent>,
}

/// A container that left no message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Silent {
    pub(super) pod: String,
    pub(super) container: String,
}

/// How the youngest of some pods failed that nobody starts again.
pub(super) fn failure_of_last(pods: &[&Pod]) -> Option<End> {
    let made = |pod: &&&Pod| (pod.metadata.creation_timestamp.clone().map(|time| time.0), pod.metadata.name.clone());
    let last = *pods.iter().max_by_key(made)?;
    let ended = || {
        containers(last).find_map(|container| {
            let end = container.ends().find(|end| end.exit_code != 0)?;
            let said = end.message.as_deref().map(last_line).filter(|said| !said.is_empty());
            let silent = said.is_none().then(|| Silent {
                pod: last.metadata.name.clone().unwrap_or_default(),
                container: container.status.name.clone(),
            });
            Some(End { words: container.says(&exit(end.exit_code), said.as_deref()), silent })
        })
    };
    classify(&[last]).map(|cause| End { words: cause.words, silent: None }).or_else(ended)
}

/// Signals that end programs, by their numbers on Linux.
const SIGNALS: [(i32, &str); 8] = [
    (1, "SIGHUP"),
    (2, "SIGINT"),
    (4, "SIGILL"),
    (6, "SIGABRT"),
    (7, "SIGBUS"),
    (9, "SIGKILL"),
    (11, "SIGSEGV"),
    (15, "SIGTERM"),
];

/// `exit code 1`, `exit code 139 (SIGSEGV)`: a shell and a container runtime add 128 to the signal that ended a program.
fn exit(code: i32) -> String {
    match SIGNALS.iter().find(|(signal, _)| signal + 128 == code) {
        Some((_, signal)) => format!("exit code {code} ({signal})"),
        None => format!("exit code {code}"),
    }
}

/// Whether a pod answers, by its kubelet's word.
pub(super) fn is_ready(pod: &Pod) -> bool {
    condition(pod, "Ready").is_some_and(|ready| ready.status == "True")
}

/// Since when a pod is ready.
pub(super) fn ready_since(pod: &Pod) -> Option<Timestamp> {
    let ready = condition(pod, "Ready").filter(|_| is_ready(pod))?;
    ready.last_transition_time.as_ref().map(|time| time.0)
}

/// How the first pod stands that is not ready, where nothing is wrong that has a name.
pub(super) fn standing(pods: &[&Pod]) -> Option<String> {
    let Some(pod) = pods.iter().find(|pod| !is_ready(pod)) else {
        return pods.is_empty().then(|| "no pod is there; see the events of its StatefulSet".to_owned());
    };
    let waiting = containers(pod).find_map(|container| {
        let waiting = container.status.state.as_ref()?.waiting.as_ref()?;
        Some(container.says(waiting.reason.as_deref().unwrap_or("waiting"), waiting.message.as_deref()))
    });
    let ready = || {
        let message = condition(pod, "Ready")?.message.as_deref().filter(|message| !message.is_empty())?;
        Some(format!("{}: {}", told(pod), quoted(message)))
    };
    let phase = || format!("{} is {}", told(pod), status(pod).and_then(|s| s.phase.as_deref()).unwrap_or("Pending"));
    Some(waiting.or_else(ready).unwrap_or_else(phase))
}

fn status(pod: &Pod) -> Option<&PodStatus> {
    pod.status.as_ref()
}

fn condition<'a>(pod: &'a Pod, type_: &str) -> Option<&'a PodCondition> {
    status(pod)?.conditions.as_ref()?.iter().find(|condition| condition.type_ == type_)
}

fn told(pod: &Pod) -> String {
    format!("pod {}", pod.metadata.name.as_deref().unwrap_or_default())
}

/// One container of a pod, with what the kubelet says of it.
struct Container<'a> {
    pod: &'a Pod,
    status: &'a ContainerStatus,
    is_init: bool,
}

/// Those that run before come first, then the others as the pod names them: a kubelet tells of them by name, and what runs beside the first ends because that has.
fn containers(pod: &Pod) -> impl Iterator<Item = Container<'_>> {
    let init = status(pod).and_then(|status| status.init_container_statuses.as_deref());
    let main = status(pod).and_then(|status| status.container_statuses.as_deref());
    let named = pod.spec.as_ref().map_or(&[][..], |spec| &spec.containers);
    let place = |status: &&ContainerStatus| {
        named.iter().position(|container| container.name == status.name).unwrap_or(named.len())
    };
    let mut main: Vec<&ContainerStatus> = main.unwrap_or_default().iter().collect();
    main.sort_by_key(place);
    let container = move |is_init| move |status| Container { pod, status, is_init };
    let init = init.unwrap_or_default().iter().map(container(true));
    init.chain(main.into_iter().map(container(false)))
}

impl Container<'_> {
    /// Why it waits, where the kubelet's reason is one of these.
    fn waits(&self, row: &'static Reason, for_reasons: &[&str]) -> Option<Cause> {
        let waiting = self.status.state.as_ref()?.waiting.as_ref()?;
        let reason = waiting.reason.as_deref().filter(|reason| for_reasons.contains(reason))?;
        Some(Cause { row, words: self.says(reason, waiting.message.as_deref()) })
    }

    /// How it ended, in this run, and in the one before as long as this one has not got further.
    fn ends(&self) -> impl Iterator<Item = &ContainerStateTerminated> {
        let before = self.status.last_state.as_ref().filter(|_| !self.status.ready);
        [self.status.state.as_ref(), before].into_iter().flatten().filter_map(|state| state.terminated.as_ref())
    }

    /// `pod phi-0: container phi: ErrImagePull: not found`.
    fn says(&self, reason: &str, message: Option<&str>) -> String {
        let message = message.filter(|message| !message.is_empty()).map(|message| format!(": {message}"));
        let words = format!("{reason}{}", message.unwrap_or_default());
        format!("{}: {}: {}", told(self.pod), self.name(), quoted(&words))
    }

    /// `init container puller-a, which pulls r.example.com/a:1`: the image of an adapter is pulled by a program of its own, and the kubelet does not know of it.
    fn name(&self) -> String {
        let (kind, name) = (if self.is_init { "init container" } else { "container" }, &self.status.name);
        match self.pulls() {
            Some(image) => format!("{kind} {name}, which pulls {}", quoted(image)),
            None => format!("{kind} {name}"),
        }
    }

    /// The image that an init container of ours pulls.
    fn pulls(&self) -> Option<&str> {
        let spec = self.pod.spec.as_ref().filter(|_| self.is_init && known::is_puller(&self.status.name))?;
        let puller = spec.init_containers.iter().flatten().find(|container| container.name == self.status.name)?;
        manifest::pulled_image(puller)
    }
}

fn out_of_memory(pod: &Pod) -> Option<Cause> {
    containers(pod).find_map(|container| {
        let end = container.ends().find(|end| end.reason.as_deref() == Some("OOMKilled"))?;
        let words = format!("OOMKilled (exit code {}): it took more main memory than there is", end.exit_code);
        Some(Cause { row: &failure::CONTAINER_OOM_KILLED, words: container.says(&words, None) })
    })
}

fn cannot_pull(pod: &Pod) -> Option<Cause> {
    containers(pod).find_map(|each| each.waits(&failure::IMAGE_PULL_ERROR, &reasons::WAITING_IMAGE_PULL))
}

fn cannot_start(pod: &Pod) -> Option<Cause> {
    containers(pod).find_map(|each| each.waits(&failure::CONTAINER_START_ERROR, &reasons::WAITING_CONTAINER_START))
}

/// What the client of the hub says where it is not let in, in small letters (huggingface_hub: `utils/_http.py`, `errors.py`).
const REFUSALS: [&str; 7] = [
    "gatedrepoerror",
    "cannot access gated repo",
    "401 client error",
    "403 client error",
    "invalid credentials in authorization header",
    "invalid user token",
    "is restricted. you must have access to it",
];

/// Whether words of a server say that the hub has not let it in.
pub(super) fn is_refusal_of_hub(words: &str) -> bool {
    let lower = words.to_lowercase();
    REFUSALS.iter().any(|refusal| lower.contains(refusal))
}

/// A server that ended because the hub did not give it the weights. Only what the container left as its last words is known here.
fn refused_by_hub(pod: &Pod) -> Option<Cause> {
    containers(pod).filter(|container| !container.is_init).find_map(|container| {
        let end = container.ends().find(|end| end.exit_code != 0)?;
        let said = end.message.as_deref().filter(|said| is_refusal_of_hub(said))?;
        // The line that says it; after it come advice and the end of a stack trace.
        let line = said.lines().find(|line| is_refusal_of_hub(line)).unwrap_or(said);
        let words = container.says(&format!("exit code {}", end.exit_code), Some(line));
        Some(Cause { row: &failure::MODEL_ACCESS_DENIED, words })
    })
}

const LOOPS: &str = "CrashLoopBackOff";

/// A kubelet starts a container again at once when it ends for the first time, and pauses from the second time on: one that runs for the third time is in a loop.
const RESTARTS_OF_A_LOOP: i32 = 2;

/// A container that ends again and again, in words that stay the same whether it waits, runs or has just ended. A pod that is over has no loop left, and says itself why.
fn crash_loop(pod: &Pod) -> Option<Cause> {
    containers(pod).find_map(|container| {
        let end = container.ends().next();
        let waits = container.waits(&failure::CONTAINER_CRASH_LOOP, &[LOOPS]);
        let is_again = || container.status.restart_count >= RESTARTS_OF_A_LOOP && !is_over(pod);
        match (end, waits) {
            (Some(end), waits) if waits.is_some() || (end.exit_code != 0 && is_again()) => {
                let last = end.message.as_deref().map(last_line);
                let words = container.says(&format!("{LOOPS} (exit code {})", end.exit_code), last.as_deref());
                Some(Cause { row: &failure::CONTAINER_CRASH_LOOP, words })
            }
            (_, waits) => waits,
        }
    })
}

/// What the message of an eviction mentions, and the row that it stands for.
static PRESSURES: [(&str, &Reason); 3] = [
    ("ephemeral-storage", &failure::NODE_DISK_PRESSURE),
    ("disk", &failure::NODE_DISK_PRESSURE),
    ("memory", &failure::NODE_MEMORY_PRESSURE),
];

/// Why a pod as a whole has failed, and the message: said by a kubelet or a controller, not by a container.
fn verdict(pod: &Pod) -> Option<(&str, &str)> {
    let status = status(pod).filter(|status| status.phase.as_deref() == Some("Failed"))?;
    let reason = status.reason.as_deref().filter(|reason| !reason.is_empty())?;
    Some((reason, status.message.as_deref().unwrap_or_default()))
}

fn evicted(pod: &Pod) -> Option<Cause> {
    let (_, message) = verdict(pod).filter(|(reason, _)| *reason == "Evicted")?;
    let lower = message.to_lowercase();
    let row = PRESSURES.iter().find(|(word, _)| lower.contains(word)).map_or(&failure::POD_EVICTED, |(_, row)| row);
    Some(Cause { row, words: format!("{}: {}", told(pod), quoted(&format!("Evicted: {message}"))) })
}

/// UnexpectedAdmissionError, NodeAffinity, Shutdown, …: the reasons are the kubelet's, and new ones come.
fn failed(pod: &Pod) -> Option<Cause> {
    let (reason, message) = verdict(pod)?;
    let words = if message.is_empty() { reason.to_owned() } else { format!("{reason}: {message}") };
    Some(Cause { row: &failure::POD_FAILED, words: format!("{}: {}", told(pod), quoted(&words)) })
}

/// Whether a scheduler has looked for a node and found none.
pub(super) fn is_unschedulable(pod: &Pod) -> bool {
    let is_pending = status(pod).and_then(|status| status.phase.as_deref()) == Some("Pending");
    is_pending
        && condition(pod, "PodScheduled").is_some_and(|scheduled| {
            scheduled.status == "False" && scheduled.reason.as_deref() == Some("Unschedulable")
        })
}

/// Since when a scheduler finds no node; since the pod was made, where the scheduler does not say.
pub(super) fn unschedulable_since(pod: &Pod) -> Option<Timestamp> {
    let scheduled = condition(pod, "PodScheduled").filter(|_| is_unschedulable(pod))?;
    let since = scheduled.last_transition_time.as_ref().or(pod.metadata.creation_timestamp.as_ref())?;
    Some(since.0)
}

fn unschedulable(pod: &Pod) -> Option<Cause> {
    let scheduled = condition(pod, "PodScheduled")?;
    let message = scheduled.message.as_deref().unwrap_or("no node takes it");
    let words = || format!("{}: {}{}", told(pod), quoted(message), claims(pod, message).unwrap_or_default());
    is_unschedulable(pod).then(|| Cause { row: &failure::UNSCHEDULABLE, words: words() })
}

/// Which claims a scheduler may mean that speaks of claims and names none.
fn claims(pod: &Pod, message: &str) -> Option<String> {
    if !message.to_lowercase().contains("persistentvolumeclaim") {
        return None;
    }
    let volumes = pod.spec.as_ref()?.volumes.as_deref().unwrap_or_default();
    let claims = volumes.iter().filter_map(|volume| Some(volume.persistent_volume_claim.as_ref()?.claim_name.as_str()));
    let names: Vec<&str> = claims.filter(|name| !message.contains(name)).collect();
    (!names.is_empty()).then(|| format!("; its claims: {}", quoted(&names.join(", "))))
}

#[cfg(test)]
#[path = "pods_tests.rs"]
mod tests;
