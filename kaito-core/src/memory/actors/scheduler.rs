//! Which node takes a pod: one with the labels, the tolerated taints and the GPUs that it asks for.

use super::claimed::Disks;
use super::kubelet::is_over;
use crate::taints;
use crate::units::parse_quantity;
use k8s_openapi::api::core::v1::{Container, Node, NodeSelectorTerm, Pod, PodSpec};
use kaito_api::vocabulary::names;
use kube_core::ResourceExt;
use std::collections::BTreeMap;

/// The first node that takes the pod; else what kube-scheduler says of them all (`0/2 nodes are available: 1 Insufficient nvidia.com/gpu, 1 node(s) were unschedulable`).
pub(super) fn place<'n>(
    spec: &PodSpec,
    nodes: &[&'n Node],
    pods: &[&Pod],
    disks: &Disks<'_>,
) -> Result<&'n Node, String> {
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for node in nodes {
        match misfit(spec, node, pods, disks) {
            None => return Ok(node),
            Some(why) => *reasons.entry(why).or_default() += 1,
        }
    }
    let mut told: Vec<String> = reasons.iter().map(|(why, count)| format!("{count} {why}")).collect();
    told.sort();
    let why = if told.is_empty() { String::new() } else { format!(": {}", told.join(", ")) };
    Err(format!("0/{} nodes are available{why}", nodes.len()))
}

/// Why a node does not take a pod, in the scheduler's words.
fn misfit(spec: &PodSpec, node: &Node, pods: &[&Pod], disks: &Disks<'_>) -> Option<String> {
    if node.spec.as_ref().and_then(|spec| spec.unschedulable).unwrap_or_default() {
        return Some("node(s) were unschedulable".to_owned());
    }
    if let Some(taint) = taints::untolerated(node, spec.tolerations.as_deref().unwrap_or_default()).next() {
        let value = taint.value.as_deref().unwrap_or_default();
        return Some(format!("node(s) had untolerated taint {{{}: {value}}}", taint.key));
    }
    if !is_chosen(spec, node) {
        return Some("node(s) didn't match Pod's node affinity/selector".to_owned());
    }
    if !disks.reach(&node.name_any()) {
        return Some("node(s) didn't match PersistentVolume's node affinity".to_owned());
    }
    let placed: Vec<BTreeMap<String, i128>> = pods
        .iter()
        .filter(|pod| !is_over(pod))
        .filter_map(|pod| pod.spec.as_ref())
        .filter(|other| other.node_name.as_deref() == Some(&node.name_any()))
        .map(gpus)
        .collect();
    let has_room = |resource: &String, asked: i128| {
        let taken: i128 = placed.iter().filter_map(|other| other.get(resource)).sum();
        let room = node.status.as_ref().and_then(|status| status.allocatable.as_ref()?.get(resource));
        room.and_then(|quantity| parse_quantity(&quantity.0)).unwrap_or_default() - taken >= asked
    };
    let short = gpus(spec).into_iter().find(|(resource, asked)| !has_room(resource, *asked));
    short.map(|(resource, _)| format!("Insufficient {resource}"))
}

/// Whether a node has the labels that a pod asks for.
fn is_chosen(spec: &PodSpec, node: &Node) -> bool {
    let affinity = spec.affinity.as_ref().and_then(|affinity| affinity.node_affinity.as_ref());
    let required = affinity.and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution.as_ref());
    let has = |(key, value): (&String, &String)| node.labels().get(key) == Some(value);
    spec.node_selector.iter().flatten().all(has)
        && required.is_none_or(|required| required.node_selector_terms.iter().any(|term| matches(term, node)))
}

/// GPUs of any maker, and slices of GPUs, that a pod asks for, in thousandths.
fn gpus(spec: &PodSpec) -> BTreeMap<String, i128> {
    let mut asked = BTreeMap::new();
    let limits = |container: &Container| container.resources.as_ref().and_then(|resources| resources.limits.clone());
    for (resource, quantity) in spec.containers.iter().filter_map(limits).flatten() {
        if resource.ends_with("/gpu") || resource.starts_with(names::NVIDIA_MIG_PREFIX) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn why_no_node_takes_a_pod_is_said_of_each_of_them() {
        let node = |name: &str, spec: Value, labels: Value| -> Node {
            let status = json!({"allocatable": {"nvidia.com/gpu": "1"}});
            serde_json::from_value(
                json!({"metadata": {"name": name, "labels": labels}, "spec": spec, "status": status}),
            )
            .unwrap()
        };
        let blue = json!({"taints": [{"key": "team", "value": "blue", "effect": "NoSchedule"}]});
        let wish = json!({"taints": [{"key": "team", "effect": "PreferNoSchedule"}]});
        let nodes = [
            node("a", json!({"unschedulable": true}), json!({})),
            node("b", blue, json!({"gpu": "a100"})),
            node("c", json!({}), json!({})),
            node("d", wish, json!({"gpu": "a100"})),
        ];
        let asks = |resource: &str| -> PodSpec {
            serde_json::from_value(json!({
                "nodeSelector": {"gpu": "a100"},
                "containers": [{"name": "m", "resources": {"limits": {resource: "1"}}}],
            }))
            .unwrap()
        };
        let disks = Disks::none();
        let found = |resource: &str, pods: &[&Pod]| {
            let nodes: Vec<&Node> = nodes.iter().collect();
            place(&asks(resource), &nodes, pods, &disks).map(ResourceExt::name_any)
        };
        assert_eq!(found("nvidia.com/gpu", &[]).as_deref(), Ok("d"), "a wish keeps nobody away");
        let others = "1 node(s) didn't match Pod's node affinity/selector, 1 node(s) had untolerated taint {team: blue}, 1 node(s) were unschedulable";
        assert_eq!(
            found("amd.com/gpu", &[]),
            Err(format!("0/4 nodes are available: 1 Insufficient amd.com/gpu, {others}"))
        );
        let mut holder = asks("nvidia.com/gpu");
        holder.node_name = Some("d".to_owned());
        let holder = Pod { spec: Some(holder), ..Pod::default() };
        let full = found("nvidia.com/gpu", &[&holder]);
        assert_eq!(full, Err(format!("0/4 nodes are available: 1 Insufficient nvidia.com/gpu, {others}")));
        assert_eq!(place(&asks("nvidia.com/gpu"), &[], &[], &disks), Err("0/0 nodes are available".to_owned()));
    }
}
