//! The Nodes that came, and whether they can be used: ready, with as many GPUs as the size has.

use super::super::draft::Draft;
use super::super::facts::Subject;
use super::super::own::{Asks, OwnServer};
use super::super::pods::Cause;
use super::super::view::View;
use super::{Awaited, Came};
use crate::effect::is_dying;
use crate::failure::{self, Reason, Waiting};
use crate::units;
use crate::words::quoted;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, NodeCondition};
use kaito_api::vocabulary::{ConditionType, names};
use kube_core::ResourceExt;
use std::borrow::Cow;

pub(super) fn observe(view: &View<'_>, draft: &mut Draft, came: &Came<'_>) {
    let Came { workers, used, awaited, target, short, .. } = came;
    let target = *target;
    draft.machines.workers = workers.iter().map(|node| node.name_any()).collect();
    draft.machines.claimed = Some(awaited.iter().filter_map(|machine| machine.node.map(str::to_owned)).collect());
    let needs = draft.subject.as_ref().map_or(Needs { resource: names::NVIDIA_GPU.into(), count: 0 }, Needs::of);
    let (ready, unready): (Vec<&Node>, Vec<&Node>) = workers.iter().copied().partition(|node| is_ready(node));
    let (complete, without): (Vec<&Node>, Vec<&Node>) = ready.iter().copied().partition(|node| needs.are_met(node));
    // Of Nodes that somebody brought along, those that no pod of ours goes to tell nothing of the pods.
    let carries = |node: &&&Node| used.is_empty() || used.iter().any(|used| used.name_any() == node.name_any());
    draft.machines.pressure = workers.iter().filter(carries).find_map(|node| pressure(node));
    if let Some(pressure) = &draft.machines.pressure {
        let words = pressure.words.clone();
        draft.remark("warning", words);
    }
    draft.machines.nodes_ready = complete.len() >= target as usize;
    draft.machines.ready_since = complete.iter().filter(carries).filter_map(|node| changed(node)).max();
    if draft.machines.nodes_ready {
        return;
    }
    draft.waits.push(if ready.len() >= target as usize {
        // Only our own condition records when GPUs went away that were there.
        let since = without.iter().filter_map(|node| changed(node)).max();
        let since = since.max(view.lost(ConditionType::NodesReady)).unwrap_or(view.now());
        let what = format!("{} of {target} ready nodes advertise their GPUs", complete.len());
        Waiting::new(&failure::GPUS_PENDING, what, since)
            .overdue_because(view.now(), || without.first().map(|node| needs.lacking(node)))
    } else {
        let since = draft.machines.given_up_since.or_else(|| since(awaited, &ready, &unready));
        let since = since.unwrap_or_else(|| view.not_since(ConditionType::NodesReady));
        let complaint = unready.iter().find_map(|node| complaint(node));
        let stands = complaint.as_ref().map(|(stands, _)| stands).into_iter().chain(&short.words);
        let stands: String = stands.map(|words| format!(": {words}")).collect();
        let what = format!("{} of {target} nodes are ready{stands}", ready.len());
        let says = complaint.and_then(|(_, says)| says);
        Waiting::new(short.row, what, since).overdue_because(view.now(), || {
            says.or_else(|| awaited.iter().find_map(|machine| machine.standing.clone()))
        })
    });
}

/// Since when the youngest machine has no ready node: since the Node lost it, or, before there is one, since the machine made progress.
fn since(awaited: &[Awaited<'_>], ready: &[&Node], unready: &[&Node]) -> Option<Timestamp> {
    let machine = |machine: &Awaited<'_>| {
        let is_its = |node: &&&Node| machine.node == Some(&node.name_any());
        if ready.iter().any(|node| is_its(&node)) {
            return None;
        }
        unready.iter().find(is_its).and_then(|node| changed(node)).or(machine.progressed)
    };
    awaited.iter().filter_map(machine).max()
}

/// `node gpu-1: KubeletNotReady`, and what the kubelet says of it: with each heartbeat something else (`PLEG was last seen active 3m2s ago`).
fn complaint(node: &Node) -> Option<(String, Option<String>)> {
    let (reason, message) = match ready_condition(node) {
        _ if is_dying(&node.metadata) => ("it is being deleted", None),
        None => return None,
        Some(ready) => (ready.reason.as_deref().unwrap_or_default(), ready.message.as_deref()),
    };
    let message = message.filter(|message| !message.is_empty()).map(quoted);
    if reason.is_empty() && message.is_none() {
        return None;
    }
    let reason = if reason.is_empty() { "not ready".to_owned() } else { quoted(reason) };
    Some((format!("node {}: {reason}", node.name_any()), message))
}

/// Conditions of a Node that a kubelet sets when something runs out (spec/06 row 15).
static PRESSURES: [(&str, &Reason); 2] =
    [("MemoryPressure", &failure::NODE_MEMORY_PRESSURE), ("DiskPressure", &failure::NODE_DISK_PRESSURE)];

/// `node gpu-1: MemoryPressure: kubelet has insufficient memory available`.
fn pressure(node: &Node) -> Option<Cause> {
    let conditions = node.status.as_ref()?.conditions.as_ref()?;
    PRESSURES.iter().find_map(|(type_, row)| {
        let found = conditions.iter().find(|condition| condition.type_ == *type_ && condition.status == "True")?;
        let message = found.message.as_deref().filter(|message| !message.is_empty());
        let said = message.map(|message| format!(": {}", quoted(message))).unwrap_or_default();
        Some(Cause { row, words: format!("node {}: {type_}{said}", node.name_any()) })
    })
}

/// What a pod asks its node for.
pub(super) struct Needs {
    resource: Cow<'static, str>,
    count: u32,
}

impl Needs {
    /// All GPUs of a machine of which it is known what it has; of another, what a template of the user's own asks for.
    pub(super) fn of(subject: &Subject) -> Self {
        match (subject.hardware(), subject) {
            (Some(hardware), _) => Self { resource: hardware.resource(), count: hardware.gpu_count },
            (None, Subject::Own(OwnServer { asks: Asks::Gpus(count), .. })) => {
                Self { resource: names::NVIDIA_GPU.into(), count: *count }
            }
            (None, _) => Self { resource: names::NVIDIA_GPU.into(), count: 0 },
        }
    }

    /// Whether a Node advertises as much.
    pub(super) fn are_met(&self, node: &Node) -> bool {
        self.advertised(node) >= self.count
    }

    fn advertised(&self, node: &Node) -> u32 {
        let quantity = node.status.as_ref().and_then(|status| status.allocatable.as_ref()?.get(&*self.resource));
        let thousandths = quantity.and_then(|quantity| units::parse_quantity(&quantity.0)).unwrap_or_default();
        u32::try_from(thousandths / 1000).unwrap_or_default()
    }

    fn lacking(&self, node: &Node) -> String {
        format!("node {} shows {} of {} in {}", node.name_any(), self.advertised(node), self.count, self.resource)
    }
}

fn ready_condition(node: &Node) -> Option<&NodeCondition> {
    node.status.as_ref()?.conditions.as_ref()?.iter().find(|condition| condition.type_ == "Ready")
}

/// Whether its kubelet is, and nobody takes it away.
pub(super) fn is_ready(node: &Node) -> bool {
    !is_dying(&node.metadata) && ready_condition(node).is_some_and(|condition| condition.status == "True")
}

/// Since when its kubelet is ready, as the Node itself says.
pub(super) fn ready_since(node: &Node) -> Option<Timestamp> {
    let ready = ready_condition(node).filter(|condition| condition.status == "True")?;
    ready.last_transition_time.as_ref().map(|time| time.0)
}

/// Since when its kubelet is not ready, as the Node itself says; `None` where it is, or does not say.
pub(super) fn not_ready_since(node: &Node) -> Option<Timestamp> {
    let ready = ready_condition(node).filter(|condition| condition.status != "True")?;
    ready.last_transition_time.as_ref().map(|time| time.0)
}

/// When a Node became ready, or stopped being so; when it joined, where that is not recorded.
fn changed(node: &Node) -> Option<Timestamp> {
    let changed = ready_condition(node).and_then(|ready| ready.last_transition_time.as_ref());
    changed.or(node.metadata.creation_timestamp.as_ref()).map(|time| time.0)
}
