//! A pod is placed on a node with the labels, the tolerated taints and the GPUs that it asks for; its image is pulled, its weights are loaded, it is ready. One that is not to be
//! restarted is ready at once, and succeeds when its work is done.

use super::{after, delete_dependant, empty, root, set_status, wait_until};
use crate::driver::Planner;
use crate::effect::{Effect, WriteMode};
use crate::kinds::Kind;
use crate::memory::Pace;
use crate::object::ObjectKey;
use crate::plan::{Outcome, Plan};
use crate::read::{Freshness, Selector};
use crate::settings::Settings;
use crate::snapshot::{Lookup, Snapshot, Unread};
use crate::units::{parse_quantity, rfc3339};
use k8s_openapi::api::core::v1::{Node, NodeSelectorTerm, Pod, PodSpec, Taint, Toleration};
use kaito_api::vocabulary::names;
use kube_core::ResourceExt;
use serde_json::{Value, json};

/// Scheduler and kubelets in one.
#[derive(Debug, Clone, Copy)]
pub struct Kubelet {
    pace: Pace,
}

impl Kubelet {
    /// Kubelets with this pace.
    pub fn new(pace: Pace) -> Self {
        Self { pace }
    }
}

impl Planner for Kubelet {
    fn name(&self) -> &'static str {
        "kubelet"
    }

    fn roots(&self) -> Kind {
        Kind::Pod
    }

    fn plan(&self, key: &ObjectKey, snapshot: &Snapshot, _: &Settings) -> Result<Plan, Unread> {
        let Some(pod) = root::<Pod>(key, snapshot)? else { return Ok(Plan::nothing(Outcome::Gone)) };
        let mut plan = empty(&pod.metadata);
        let alive = pod.metadata.deletion_timestamp.is_none() && !is_over(pod);
        let Some(spec) = pod.spec.as_ref().filter(|_| alive) else { return Ok(plan) };
        let old = pod.status.as_ref().and_then(|status| serde_json::to_value(status).ok());
        let Some(node) = &spec.node_name else {
            let nodes = snapshot.list::<Node>(None, Selector::default(), Freshness::Cached)?.items;
            let pods = snapshot.list::<Pod>(None, Selector::default(), Freshness::Cached)?.items;
            match nodes.iter().find(|node| fits(spec, node, &pods)) {
                Some(node) => {
                    let body = json!({"spec": {"nodeName": node.name_any()}});
                    plan.push(Effect::Ensure { key: key.clone(), body, mode: WriteMode::Apply, uid: pod.uid() }, None);
                }
                None => {
                    let why = format!("0/{} nodes are available", nodes.len());
                    let waiting =
                        json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": why});
                    set_status(
                        &mut plan,
                        key,
                        &pod.metadata,
                        old.as_ref(),
                        json!({"phase": "Pending", "conditions": [waiting]}),
                    );
                }
            }
            return Ok(plan);
        };
        if snapshot.get::<Node>("", node)? == Lookup::Absent {
            // A pod of a node that is gone is gone too; its set makes another one.
            if let Some(owner) =
                pod.metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))
            {
                delete_dependant(&mut plan, pod, &owner.uid);
            }
            return Ok(plan);
        }
        let now = snapshot.now();
        let start = pod.status.as_ref().and_then(|status| status.start_time.as_ref()).map_or(now, |time| time.0);
        let started = after(start, self.pace.pull);
        let ends = spec.restart_policy.as_deref() == Some("Never");
        let next = after(started, if ends { self.pace.train } else { self.pace.load });
        let phase = match (now >= started, now >= next) {
            (false, _) => "Pending",
            (true, true) if ends => "Succeeded",
            (true, _) => "Running",
        };
        let is_ready = if ends { phase == "Running" } else { now >= next };
        wait_until(&mut plan, now, if now < started { started } else { next });
        set_status(&mut plan, key, &pod.metadata, old.as_ref(), status(start, phase, is_ready));
        Ok(plan)
    }
}

/// Whether its containers have ended for good.
pub(super) fn is_over(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

fn status(start: jiff::Timestamp, phase: &str, ready: bool) -> Value {
    let condition = |type_: &str, holds: bool| json!({"type": type_, "status": if holds { "True" } else { "False" }});
    json!({
        "phase": phase,
        "startTime": rfc3339(start),
        "conditions": [condition("PodScheduled", true), condition("ContainersReady", ready), condition("Ready", ready)],
    })
}

/// Whether a node has the labels, the tolerated taints, and the free GPUs.
fn fits(spec: &PodSpec, node: &Node, pods: &[&Pod]) -> bool {
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
    let terms = spec
        .affinity
        .as_ref()
        .and_then(|affinity| {
            affinity.node_affinity.as_ref()?.required_during_scheduling_ignored_during_execution.as_ref()
        })
        .map(|required| required.node_selector_terms.as_slice());
    let placed = pods
        .iter()
        .filter(|pod| !is_over(pod))
        .filter_map(|pod| pod.spec.as_ref())
        .filter(|other| other.node_name.as_deref() == Some(&node.name_any()));
    let taken: i128 = placed.map(gpus).sum();
    let room = node
        .status
        .as_ref()
        .and_then(|status| status.allocatable.as_ref()?.get(names::NVIDIA_GPU))
        .and_then(|quantity| parse_quantity(&quantity.0));
    terms.is_none_or(|terms| terms.iter().any(|term| matches(term, node)))
        && taints.iter().all(|taint| spec.tolerations.iter().flatten().any(|toleration| tolerates(toleration, taint)))
        && room.unwrap_or_default() - taken >= gpus(spec)
}

fn gpus(spec: &PodSpec) -> i128 {
    let asked = |container: &k8s_openapi::api::core::v1::Container| {
        container
            .resources
            .as_ref()
            .and_then(|resources| resources.limits.as_ref()?.get(names::NVIDIA_GPU))
            .and_then(|quantity| parse_quantity(&quantity.0))
    };
    spec.containers.iter().filter_map(asked).sum()
}

fn matches(term: &NodeSelectorTerm, node: &Node) -> bool {
    term.match_expressions.iter().flatten().all(|wanted| {
        let value = node.labels().get(&wanted.key);
        match wanted.operator.as_str() {
            "In" => value.is_some_and(|value| wanted.values.iter().flatten().any(|one| one == value)),
            "NotIn" => value.is_none_or(|value| !wanted.values.iter().flatten().any(|one| one == value)),
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            _ => false,
        }
    })
}

fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let key = toleration.key.as_ref().is_none_or(|key| *key == taint.key);
    let effect = toleration.effect.as_ref().is_none_or(|effect| *effect == taint.effect);
    let value = toleration.operator.as_deref() == Some("Exists") || toleration.value == taint.value;
    key && effect && value
}
