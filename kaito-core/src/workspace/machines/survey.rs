//! Which of the Nodes that somebody brought along a Workspace can use, and why not the others.
//!
//! What is looked for is in the labels: those of `resource.labelSelector`, then those that tell which GPUs a Node has. All Nodes that are used have the same: a model is laid out for one kind of
//! machine, and its pods go to any of them.

use crate::effect::is_dying;
use crate::failure::{self, Failure, Reason};
use crate::hardware::{Advertised, Hardware};
use crate::taints;
use crate::workspace::LookedMachine;
use k8s_openapi::api::core::v1::{Node, Taint, Toleration};
use kaito_api::Workspace;
use kaito_api::vocabulary::labels;
use kaito_api::workspace::{PartitionMode, PartitionSpec};
use kube_core::ResourceExt;
use std::collections::BTreeSet;

/// So many Nodes that cannot be used are named; after them, only their number.
const MOST_NAMED: usize = 5;

/// What the Nodes of a cluster are to a Workspace.
#[derive(Debug)]
pub(crate) struct Survey<'a> {
    /// The labels that are looked for: `gpu=a100,team=blue`.
    wanted: String,
    /// Nodes that can be used, ready or not: those first that are in use, then those that are preferred, then by name.
    pub(super) fit: Vec<&'a Node>,
    /// What each of them has for this Workspace.
    hardware: Option<Hardware>,
    /// Nodes with the labels that cannot be used.
    unfit: Vec<Unfit>,
    /// Whether pods run on one of them already.
    is_in_use: bool,
}

/// A Node with the labels that cannot be used.
#[derive(Debug)]
struct Unfit {
    node: String,
    /// Why not; names no Node.
    why: String,
    what: Lack,
}

/// In what way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lack {
    /// It is leaving, or takes no pods.
    Closed,
    /// Its GPUs are being divided.
    Dividing,
    /// Nothing tells which GPUs it has.
    Labels,
    /// It does not have the part that is asked for.
    Part,
    /// It is another machine than the others.
    Other,
}

/// The labels of the Nodes that a Workspace asks for: the user's, also where expressions say them. Empty where it asks for none; then no Node is meant, and not all of them.
pub(crate) fn wanted_labels(workspace: &Workspace) -> Vec<(String, String)> {
    let selector = workspace.resource().label_selector.as_ref();
    let expressions = selector.and_then(|selector| selector.match_expressions.as_deref()).unwrap_or_default();
    let stated = expressions.iter().filter_map(|expression| match expression.values.as_deref()? {
        [value] if expression.operator == "In" && !labels::is_reserved(&expression.key) => {
            Some((expression.key.clone(), value.clone()))
        }
        _ => None,
    });
    workspace.match_labels().into_iter().chain(stated).collect()
}

impl<'a> Survey<'a> {
    /// Looks at all Nodes, for pods that tolerate this. `in_use` names those on which pods of this Workspace run.
    pub(crate) fn of(
        workspace: &Workspace,
        nodes: impl IntoIterator<Item = &'a Node>,
        in_use: &BTreeSet<String>,
        tolerated: &[Toleration],
    ) -> Self {
        let wanted = wanted_labels(workspace);
        let has_labels = |node: &&Node| {
            !wanted.is_empty() && wanted.iter().all(|(key, value)| node.labels().get(key) == Some(value))
        };
        let mut there: Vec<&Node> = nodes.into_iter().filter(has_labels).collect();
        let preferred = &workspace.resource().preferred_nodes;
        there.sort_by_key(|node| {
            let name = node.name_any();
            (!in_use.contains(&name), !preferred.contains(&name), name)
        });
        let words: Vec<String> = wanted.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let mut survey = Self {
            wanted: words.join(","),
            fit: Vec::new(),
            hardware: None,
            unfit: Vec::new(),
            is_in_use: there.iter().any(|node| in_use.contains(&node.name_any())),
        };
        let is_template = workspace.inference().is_some_and(|served| served.template.is_some());
        let mut found = Vec::new();
        for node in there {
            match closed(node, in_use, tolerated).map_or_else(|| machine(workspace, node, is_template), Err) {
                Ok(hardware) => found.push((node, hardware)),
                Err((what, why)) => survey.unfit.push(Unfit { node: node.name_any(), why, what }),
            }
        }
        survey.compare(found, in_use);
        survey
    }

    /// Takes those that are like the first that is in use or ready; the others are told.
    fn compare(&mut self, found: Vec<(&'a Node, Option<Hardware>)>, in_use: &BTreeSet<String>) {
        let first = found
            .iter()
            .find(|(node, _)| in_use.contains(&node.name_any()) || super::joined::is_ready(node))
            .or(found.first());
        let Some((model, hardware)) = first.map(|(node, hardware)| (node.name_any(), hardware.clone())) else { return };
        for (node, other) in found {
            match difference(hardware.as_ref(), other.as_ref()) {
                None => self.fit.push(node),
                Some((ours, its)) => self.unfit.push(Unfit {
                    node: node.name_any(),
                    why: format!("has {its}, and {model} has {ours}"),
                    what: Lack::Other,
                }),
            }
        }
        self.hardware = hardware;
    }

    /// How many Nodes have the labels.
    pub(crate) fn matching(&self) -> usize {
        self.fit.len() + self.unfit.len()
    }

    /// How many of them can be used, ready or not.
    pub(crate) fn usable(&self) -> usize {
        self.fit.len()
    }

    /// How many of those are ready.
    pub(crate) fn ready(&self) -> usize {
        self.fit.iter().filter(|node| super::joined::is_ready(node)).count()
    }

    /// What is known of the machine: what the Nodes have, or why they cannot be used as they are. A server of the user's own takes them as they are.
    pub(crate) fn machine(&self) -> LookedMachine {
        let named = |what: Lack| self.unfit.iter().filter(move |unfit| unfit.what == what);
        let failure = |row: &'static Reason, what: Lack| {
            let words: Vec<String> = named(what).take(MOST_NAMED).map(Unfit::words).collect();
            LookedMachine::Failed(Failure::new(row, words.join("; ")))
        };
        match &self.hardware {
            Some(_) if !self.is_in_use && named(Lack::Other).next().is_some() => {
                failure(&failure::NODES_DIFFER, Lack::Other)
            }
            Some(hardware) => LookedMachine::Found(hardware.clone()),
            None if named(Lack::Part).next().is_some() && self.fit.is_empty() => {
                failure(&failure::PART_NOT_POSSIBLE, Lack::Part)
            }
            None => LookedMachine::NotYet,
        }
    }

    /// The row of a wait for more of them.
    pub(super) fn awaited(&self) -> &'static Reason {
        let only = |what: Lack| self.fit.is_empty() && self.unfit.iter().any(|unfit| unfit.what == what);
        if only(Lack::Dividing) {
            &failure::GPUS_BEING_DIVIDED
        } else if only(Lack::Labels) {
            &failure::GPU_LABELS_PENDING
        } else {
            &failure::NODES_NOT_BROUGHT
        }
    }

    /// `no node has the labels gpu=a100`, or which Nodes cannot be used and why. Empty where nothing is to be said.
    pub(crate) fn words(&self) -> String {
        if self.wanted.is_empty() {
            return "resource.labelSelector names no label, and nodes are chosen by it".to_owned();
        }
        if self.matching() == 0 {
            return format!("no node has the labels {}", self.wanted);
        }
        let mut words: Vec<String> = self.unfit.iter().take(MOST_NAMED).map(Unfit::words).collect();
        if self.unfit.len() > MOST_NAMED {
            words.push(format!("and {} more cannot be used", self.unfit.len() - MOST_NAMED));
        }
        words.join("; ")
    }

    /// What keeps more of them from being used: the words about those that cannot be, or that there are no others.
    pub(super) fn shortage(&self) -> String {
        let words = self.words();
        if words.is_empty() { format!("no other node has the labels {}", self.wanted) } else { words }
    }

    /// What is told beside a machine that can be used, of those that cannot.
    pub(crate) fn remark(&self) -> Option<String> {
        let words = self.words();
        (self.matching() > 0 && !words.is_empty()).then(|| format!("nodes that are not used: {words}"))
    }

    /// Nodes that are used and give each of their GPUs to several pods (`time-slicing`, MPS): what a model is laid out for may be taken by others.
    pub(crate) fn shared(&self) -> Option<String> {
        let replicas =
            |node: &Node| node.labels().get(labels::GPU_REPLICAS)?.parse::<u32>().ok().filter(|count| *count > 1);
        let shared = self.fit.iter().filter_map(|node| Some(format!("{} ({} pods)", node.name_any(), replicas(node)?)));
        let shared: Vec<String> = shared.take(MOST_NAMED).collect();
        (!shared.is_empty()).then(|| {
            format!("nodes that share each GPU out among several pods: {}; a model takes the memory of whole GPUs, and finds none where another has it", shared.join(", "))
        })
    }

    /// Nodes that the user prefers and that are none of those that can be used, each once, by name.
    pub(crate) fn preferred_in_vain<'w>(&self, workspace: &'w Workspace) -> Vec<&'w str> {
        let is_fit = |name: &str| self.fit.iter().any(|node| node.name_any() == name);
        let preferred = workspace.resource().preferred_nodes.iter().map(String::as_str);
        let in_vain: BTreeSet<&str> = preferred.filter(|name| !name.is_empty() && !is_fit(name)).collect();
        in_vain.into_iter().collect()
    }
}

impl Unfit {
    fn words(&self) -> String {
        format!("node {} {}", self.node, self.why)
    }
}

/// What Kubernetes itself says by taints: that a Node is not ready, cordoned or short of something. Each has its own words, and most of them pass.
const OF_KUBERNETES: &str = "node.kubernetes.io/";

/// Why a Node takes no pods, whatever it has. One on which pods run already is left alone when it is cordoned, or has a taint more.
fn closed(node: &Node, in_use: &BTreeSet<String>, tolerated: &[Toleration]) -> Option<(Lack, String)> {
    let is_cordoned = node.spec.as_ref().and_then(|spec| spec.unschedulable).unwrap_or_default();
    let is_said_otherwise = |taint: &&Taint| taint.key.starts_with(OF_KUBERNETES);
    let why = if is_dying(&node.metadata) {
        "is being deleted".to_owned()
    } else if in_use.contains(&node.name_any()) {
        return None;
    } else if is_cordoned {
        "is cordoned (spec.unschedulable)".to_owned()
    } else {
        let taint = taints::untolerated(node, tolerated).find(|taint| !is_said_otherwise(taint))?;
        format!("has the taint {}, which its pods do not tolerate", taints::words(taint))
    };
    Some((Lack::Closed, why))
}

/// What a Node has for a Workspace. Nothing is looked for where a template of the user's own runs.
fn machine(workspace: &Workspace, node: &Node, is_template: bool) -> Result<Option<Hardware>, (Lack, String)> {
    if is_template {
        return Ok(None);
    }
    if let Some(why) = dividing(node) {
        return Err((Lack::Dividing, why));
    }
    let whole = Hardware::of_node(node).map_err(|why| (Lack::Labels, unnamed(node, &why)))?;
    let part = workspace.resource().partition.as_ref();
    let asked = match part {
        None => whole,
        Some(part) => whole.part(part).map_err(|why| (Lack::Part, format!("does not do: {why}")))?,
    };
    match not_advertised(node, part) {
        Some(why) => Err((Lack::Part, why)),
        None => Ok(Some(asked)),
    }
}

/// Why a Node that advertises GPUs has none as they are asked for: whole ones where all are divided, or a slice where they are not divided so.
fn not_advertised(node: &Node, part: Option<&PartitionSpec>) -> Option<String> {
    let there = Advertised::of(node);
    match part.filter(|part| part.mode == PartitionMode::Mig).map(|part| part.profile.as_str()) {
        None => (there.whole == 0 && !there.slices.is_empty()).then(|| {
            let slices = there.words();
            format!("has no whole GPU, only slices: {slices}; name one of them in resource.partition (mode mig, its profile)")
        }),
        Some(profile) => (there != Advertised::default() && !there.slices.contains_key(profile)).then(|| {
            let has = there.words();
            format!("has no slice {profile}, but {has}; have its GPUs divided (label {}), or ask for what is there", labels::MIG_CONFIG)
        }),
    }
}

/// Whether the GPUs of a Node are being divided, or joined again: what its labels say of them is not true until that is done.
fn dividing(node: &Node) -> Option<String> {
    let label = |key: &str| node.labels().get(key).map(String::as_str).filter(|text| !text.is_empty());
    let (config, state) = (label(labels::MIG_CONFIG)?, label(labels::MIG_CONFIG_STATE));
    match state {
        Some("success") => None,
        None if config == "all-disabled" => None,
        state => Some(format!(
            "has {}={config}, and {} is {}",
            labels::MIG_CONFIG,
            labels::MIG_CONFIG_STATE,
            state.unwrap_or("not there yet")
        )),
    }
}

/// `node gpu-1 has no label x` without the node.
fn unnamed(node: &Node, why: &str) -> String {
    let name = format!("node {} ", node.name_any());
    why.strip_prefix(&name).map_or_else(|| format!("does not say what it has: {why}"), str::to_owned)
}

/// In which way two machines are not the same: what each has.
fn difference(one: Option<&Hardware>, other: Option<&Hardware>) -> Option<(String, String)> {
    let (one, other) = (one?, other?);
    let is_same = one.name == other.name
        && one.gpu_count == other.gpu_count
        && one.gpu_memory_bytes == other.gpu_memory_bytes
        && one.compute_capability == other.compute_capability
        && one.is_sliced == other.is_sliced;
    (!is_same).then(|| (described(one), described(other)))
}

/// `8 × NVIDIA-H100-80GB-HBM3 (80 GiB each, compute capability 9.0)`.
fn described(hardware: &Hardware) -> String {
    let capability = hardware.compute_capability.map(|it| format!(", compute capability {it}")).unwrap_or_default();
    let sliced = if hardware.is_sliced { ", in slices" } else { "" };
    let each = hardware.gpu_memory_bytes_each() >> 30;
    format!("{} × {} ({each} GiB each{capability}{sliced})", hardware.gpu_count, hardware.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn node(name: &str, more: &Value) -> Node {
        let mut all = json!({
            "gpu": "a100", "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB", "nvidia.com/gpu.count": "1",
            "nvidia.com/gpu.memory": "81920", "nvidia.com/gpu.compute.major": "8", "nvidia.com/gpu.compute.minor": "0",
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            match value {
                Value::Null => drop(all.as_object_mut().unwrap().remove(key)),
                value => all[key] = value.clone(),
            }
        }
        let status = json!({"conditions": [{"type": "Ready", "status": "True"}]});
        serde_json::from_value(json!({"metadata": {"name": name, "labels": all}, "status": status})).unwrap()
    }

    fn workspace(resource: &Value) -> Workspace {
        let manifest = json!({
            "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "metadata": {"name": "a"},
            "resource": resource, "inference": {"preset": {"name": "phi-4-mini-instruct"}},
        });
        kaito_api::workspace::decode(manifest).unwrap().1
    }

    fn a100() -> Workspace {
        workspace(&json!({"labelSelector": {"matchLabels": {"gpu": "a100"}}}))
    }

    fn survey<'a>(workspace: &Workspace, nodes: &'a [Node]) -> Survey<'a> {
        Survey::of(workspace, nodes, &BTreeSet::new(), &[])
    }

    fn reason(survey: &Survey<'_>) -> Option<&'static str> {
        match survey.machine() {
            LookedMachine::Failed(failure) => Some(failure.reason.name),
            _ => None,
        }
    }

    #[test]
    fn labels_are_looked_for_in_every_spelling_and_without_any_no_node_is_meant() {
        let expression = json!({"key": "gpu", "operator": "In", "values": ["a100"]});
        let nodes = [node("gpu-1", &json!({})), node("gpu-2", &json!({"gpu": "a10"}))];
        for (selector, usable) in [
            (json!({"matchLabels": {"gpu": "a100"}}), 1),
            (json!({"matchLabels": {"gpu": "a100", "kaito.sh/workspace": "other"}}), 1),
            (json!({"matchExpressions": [expression]}), 1),
            (json!({"matchLabels": {"gpu": "a10"}, "matchExpressions": [expression]}), 0),
            (json!({}), 0),
        ] {
            let found = survey(&workspace(&json!({"labelSelector": selector})), &nodes).usable();
            assert_eq!(found, usable, "{selector}");
        }
    }

    #[test]
    fn every_node_that_cannot_be_used_is_named_with_the_reason() {
        let table: [(Node, &str); 5] = [
            (node("n", &json!({"nvidia.com/gpu.product": null})), "node n has no label nvidia.com/gpu.product"),
            (
                node("n", &json!({"nvidia.com/gpu.count": "0"})),
                "node n does not say what it has: label nvidia.com/gpu.count of node n is 0",
            ),
            (
                node("n", &json!({"nvidia.com/mig.config": "all-1g.10gb", "nvidia.com/mig.config.state": "pending"})),
                "node n has nvidia.com/mig.config=all-1g.10gb, and nvidia.com/mig.config.state is pending",
            ),
            (
                node("n", &json!({"nvidia.com/gpu.count": "8"})),
                "node n has 8 × NVIDIA-A100-SXM4-80GB (80 GiB each, compute capability 8.0), and gpu-1 has 1 × NVIDIA-A100-SXM4-80GB (80 GiB each, compute capability 8.0)",
            ),
            (
                Node {
                    spec: Some(k8s_openapi::api::core::v1::NodeSpec {
                        unschedulable: Some(true),
                        ..Default::default()
                    }),
                    ..node("n", &json!({}))
                },
                "node n is cordoned (spec.unschedulable)",
            ),
        ];
        for (other, words) in table {
            let nodes = [node("gpu-1", &json!({})), other];
            let survey = survey(&a100(), &nodes);
            assert_eq!((survey.words().as_str(), survey.usable(), survey.matching()), (words, 1, 2));
        }
        assert_eq!(survey(&a100(), &[]).words(), "no node has the labels gpu=a100");
    }

    #[test]
    fn machines_that_differ_are_refused_before_anything_runs_and_told_afterwards() {
        let nodes = [node("gpu-1", &json!({})), node("gpu-2", &json!({"nvidia.com/gpu.memory": "40960"}))];
        assert_eq!(reason(&survey(&a100(), &nodes)), Some("NodesDiffer"));
        let in_use = BTreeSet::from(["gpu-2".to_owned()]);
        let running = Survey::of(&a100(), &nodes, &in_use, &[]);
        let LookedMachine::Found(hardware) = running.machine() else { panic!("{:?}", running.machine()) };
        assert_eq!(hardware.gpu_memory_bytes, 40 << 30, "what it runs on is what it has");
        assert!(running.remark().unwrap().contains("node gpu-1 has 1 × NVIDIA-A100-SXM4-80GB (80 GiB each"));
    }

    #[test]
    fn machines_of_another_product_another_generation_or_in_slices_differ_too() {
        for more in [
            json!({"nvidia.com/gpu.product": "NVIDIA-A100-PCIE-80GB"}),
            json!({"nvidia.com/gpu.compute.minor": "6"}),
            json!({"nvidia.com/mig.config": "all-1g.10gb", "nvidia.com/mig.config.state": "success"}),
        ] {
            let nodes = [node("gpu-1", &json!({})), node("gpu-2", &more)];
            assert_eq!(reason(&survey(&a100(), &nodes)), Some("NodesDiffer"), "{more}");
        }
    }

    #[test]
    fn gpus_that_nobody_divides_need_no_word_of_it() {
        let nodes = [node("n", &json!({"nvidia.com/mig.config": "all-disabled"}))];
        assert_eq!(survey(&a100(), &nodes).usable(), 1);
    }

    #[test]
    fn what_is_preferred_comes_first_and_what_is_in_use_before_it() {
        let nodes = ["a", "b", "c"].map(|name| node(name, &json!({})));
        let wants = |preferred: &[&str]| {
            workspace(&json!({"labelSelector": {"matchLabels": {"gpu": "a100"}}, "preferredNodes": preferred}))
        };
        let names = |survey: &Survey<'_>| survey.fit.iter().map(|node| node.name_any()).collect::<Vec<_>>();
        let preferring = wants(&["c", "elsewhere"]);
        let found = survey(&preferring, &nodes);
        assert_eq!(names(&found), ["c", "a", "b"]);
        assert_eq!(found.preferred_in_vain(&preferring), ["elsewhere"]);
        assert_eq!(names(&Survey::of(&preferring, &nodes, &BTreeSet::from(["b".to_owned()]), &[])), ["b", "c", "a"]);
    }

    #[test]
    fn a_slice_that_no_gpu_is_divided_into_is_named_and_so_are_gpus_that_pods_share() {
        let asked = |resource: Value| {
            let mut all = json!({"labelSelector": {"matchLabels": {"gpu": "a100"}}});
            all["partition"] = resource;
            workspace(&all)
        };
        let slice = asked(json!({"mode": "mig", "profile": "3g.40gb"}));
        for (room, words) in [
            (
                json!({"nvidia.com/gpu": "8"}),
                Some(
                    "node n has no slice 3g.40gb, but 8 × whole; have its GPUs divided (label nvidia.com/mig.config), or ask for what is there",
                ),
            ),
            (
                json!({"nvidia.com/gpu": "0", "nvidia.com/mig-1g.20gb": "4"}),
                Some("node n has no slice 3g.40gb, but 4 × 1g.20gb;"),
            ),
            (json!({"nvidia.com/gpu": "7", "nvidia.com/mig-3g.40gb": "2"}), None),
            (json!({"cpu": "8"}), None),
        ] {
            let mut one = node("n", &json!({}));
            one.status.as_mut().unwrap().allocatable = serde_json::from_value(room.clone()).unwrap();
            let nodes = [one];
            let found = survey(&slice, &nodes);
            assert_eq!(reason(&found), words.map(|_| "PartNotPossible"), "{room}");
            assert!(found.words().starts_with(words.unwrap_or_default()), "{}", found.words());
        }
        let nodes = [
            node("gpu-1", &json!({"nvidia.com/gpu.replicas": "4"})),
            node("gpu-2", &json!({"nvidia.com/gpu.replicas": "1"})),
        ];
        let told = survey(&a100(), &nodes).shared().unwrap();
        assert!(told.contains(": gpu-1 (4 pods); "), "{told}");
        assert_eq!(survey(&a100(), &nodes[1..]).shared(), None);
    }

    #[test]
    fn a_part_that_no_node_has_is_refused_and_one_that_some_have_is_taken_there() {
        let asked = |count: u32| {
            workspace(&json!({
                "labelSelector": {"matchLabels": {"gpu": "a100"}}, "partition": {"mode": "accelerator", "count": count},
            }))
        };
        let nodes = [node("gpu-1", &json!({})), node("gpu-2", &json!({"nvidia.com/gpu.count": "4"}))];
        assert_eq!(reason(&survey(&asked(9), &nodes)), Some("PartNotPossible"));
        let two = survey(&asked(2), &nodes);
        assert_eq!((two.usable(), reason(&two)), (1, None));
        assert!(two.words().contains("node gpu-1 does not do: partition.count (2) exceeds GPUs available on node (1)"));
    }
}
