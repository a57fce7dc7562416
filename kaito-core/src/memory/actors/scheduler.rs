//! Which node takes a pod: one with the labels, the tolerated taints and the GPUs that it asks for.

use super::kubelet::is_over;
use crate::taints;
use crate::units::parse_quantity;
use k8s_openapi::api::core::v1::{Container, Node, NodeSelectorTerm, Pod, PodSpec};
use kaito_api::vocabulary::names;
use kube_core::ResourceExt;
use std::collections::BTreeMap;

/// Whether a node has the labels, the tolerated taints, and the free GPUs.
pub(super) fn fits(spec: &PodSpec, node: &Node, pods: &[&Pod]) -> bool {
    let terms = spec
        .affinity
        .as_ref()
        .and_then(|affinity| {
            affinity.node_affinity.as_ref()?.required_during_scheduling_ignored_during_execution.as_ref()
        })
        .map(|required| required.node_selector_terms.as_slice());
    let placed: Vec<BTreeMap<String, i128>> = pods
        .iter()
        .filter(|pod| !is_over(pod))
        .filter_map(|pod| pod.spec.as_ref())
        .filter(|other| other.node_name.as_deref() == Some(&node.name_any()))
        .map(gpus)
        .collect();
    let has_room = |(resource, asked): (&String, &i128)| {
        let taken: i128 = placed.iter().filter_map(|other| other.get(resource)).sum();
        let room = node.status.as_ref().and_then(|status| status.allocatable.as_ref()?.get(resource));
        room.and_then(|quantity| parse_quantity(&quantity.0)).unwrap_or_default() - taken >= *asked
    };
    let is_closed = node.spec.as_ref().and_then(|spec| spec.unschedulable).unwrap_or_default();
    let is_chosen =
        spec.node_selector.iter().flatten().all(|(key, value)| node.labels().get(key.as_str()) == Some(value));
    !is_closed
        && is_chosen
        && terms.is_none_or(|terms| terms.iter().any(|term| matches(term, node)))
        && taints::untolerated(node, spec.tolerations.as_deref().unwrap_or_default()).next().is_none()
        && gpus(spec).iter().all(has_room)
}

/// GPUs and slices of GPUs that a pod asks for, in thousandths.
fn gpus(spec: &PodSpec) -> BTreeMap<String, i128> {
    let mut asked = BTreeMap::new();
    let limits = |container: &Container| container.resources.as_ref().and_then(|resources| resources.limits.clone());
    for (resource, quantity) in spec.containers.iter().filter_map(limits).flatten() {
        if resource == names::NVIDIA_GPU || resource.starts_with(names::NVIDIA_MIG_PREFIX) {
            *asked.entry(resource).or_default() += parse_quantity(&quantity.0).unwrap_or_default();
        }
    }
    asked
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
