//! Nodes that somebody brought along: what runs on them, what is waited for, and that they stay their owner's.

use jiff::SignedDuration;
use kaito_core::gates::Gates;
use kaito_core::memory::{Fate, Pace, PodFate, World};
use kaito_core::{Kind, NodeProvisioner, ObjectKey, Settings};
use kaito_tests::manifests::{brought_node, on_brought_nodes, training_on_volume};
use kaito_tests::stage::{MemoryStage, Stage, condition, state};
use serde_json::{Value, json};

fn stage() -> MemoryStage {
    let gates = Gates::parse("enableMIG=true,enableAccelerator=true").unwrap();
    MemoryStage::of(World::installed(&Settings { provisioner: NodeProvisioner::Byo, gates, ..Settings::default() }))
}

/// A stage with so many nodes of one A100 each: `gpu-0`, `gpu-1`, …
fn with_nodes(count: usize) -> MemoryStage {
    let mut stage = stage();
    (0..count).for_each(|number| stage.put(&brought_node(&format!("gpu-{number}"), &json!({}))));
    stage
}

fn until_ready(stage: &mut MemoryStage, name: &'static str) {
    stage.until("it is ready", &|stage| state(stage, name) == "Ready");
}

/// The nodes with the label by which device plugins of older charts find them.
fn marked(stage: &MemoryStage) -> Vec<String> {
    let names = (0..4).map(|number| format!("gpu-{number}"));
    let is_marked = |name: &String| {
        stage.get(Kind::Node, name).is_some_and(|node| node["metadata"]["labels"]["accelerator"] == "nvidia")
    };
    names.filter(is_marked).collect()
}

fn pod_spec(stage: &MemoryStage, kind: Kind, name: &str) -> Value {
    stage.get(kind, name).unwrap()["spec"]["template"]["spec"].clone()
}

#[test]
fn a_model_runs_on_nodes_that_were_brought_and_they_stay_when_it_goes() {
    let mut stage = with_nodes(3);
    stage.put(&on_brought_nodes("phi", "a100"));
    until_ready(&mut stage, "phi");
    assert!(condition(&stage, "phi", "NodeClaimReady").is_none() && stage.list(Kind::NodeClaim).is_empty());
    assert_eq!(marked(&stage), ["gpu-0"], "only the node that is used is marked");
    let status = stage.get(Kind::Workspace, "phi").unwrap()["status"].clone();
    assert_eq!(status["workerNodes"], json!(["gpu-0", "gpu-1", "gpu-2"]));
    let before = stage.writes();
    stage.pass_time();
    assert_eq!(stage.writes(), before, "nothing is written any more");
    stage.remove(Kind::Workspace, "phi");
    stage.until("it is gone", &|stage| stage.get(Kind::Workspace, "phi").is_none());
    stage.pass_time();
    let nodes = ["gpu-0", "gpu-1", "gpu-2"].map(|name| stage.get(Kind::Node, name).is_some());
    assert_eq!((nodes, stage.list(Kind::StatefulSet).len()), ([true; 3], 0));
}

#[test]
fn what_is_missing_is_waited_for_and_its_arrival_ends_the_wait_by_itself() {
    let dividing = |state: &str| json!({"nvidia.com/mig.config": "all-disabled", "nvidia.com/mig.config.state": state});
    let unlabelled =
        json!({"nvidia.com/gpu.product": null, "nvidia.com/gpu.count": null, "nvidia.com/gpu.memory": null});
    for (before, reason) in [
        (json!({"gpu": "another"}), "NotEnoughNodes"),
        (unlabelled, "GpuLabelsMissing"),
        (dividing("pending"), "MigConfigPending"),
    ] {
        let mut stage = stage();
        stage.world().without_safety();
        let mut node = brought_node("gpu-0", &before);
        let ready = json!({"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"});
        node["status"] = json!({"conditions": [ready], "allocatable": {"nvidia.com/gpu": "1"}});
        stage.put(&node);
        stage.put(&on_brought_nodes("phi", "a100"));
        let is_told = |stage: &dyn Stage| condition(stage, "phi", "NodesReady").is_some_and(|told| told.1 == reason);
        stage.until(reason, &is_told);
        stage.pass_time();
        assert!(stage.get(Kind::StatefulSet, "phi").is_none() && marked(&stage).is_empty(), "{reason}");
        let mut better = stage.get(Kind::Node, "gpu-0").unwrap();
        better["metadata"]["labels"] = brought_node("gpu-0", &dividing("success"))["metadata"]["labels"].clone();
        stage.put(&better);
        until_ready(&mut stage, "phi");
    }
}

#[test]
fn a_node_whose_taint_our_pods_do_not_tolerate_is_not_used_and_it_is_said_why() {
    let mut stage = stage();
    let mut node = brought_node("gpu-0", &json!({}));
    node["spec"]["taints"] = json!([{"key": "team", "value": "b", "effect": "NoSchedule"}]);
    stage.put(&node);
    stage.put(&on_brought_nodes("phi", "a100"));
    stage.pass_time();
    let (holds, reason, words) = condition(&stage, "phi", "NodesReady").unwrap();
    assert_eq!((holds.as_str(), reason.as_str()), ("False", "NotEnoughNodes"), "{words}");
    assert!(words.contains("node gpu-0 has the taint team=b:NoSchedule, which its pods do not tolerate"), "{words}");
    assert!(stage.get(Kind::StatefulSet, "phi").is_none() && marked(&stage).is_empty());
    stage.put(&brought_node("gpu-1", &json!({})));
    until_ready(&mut stage, "phi");
    assert_eq!(marked(&stage), ["gpu-1"]);
    let mut tolerated = stage.get(Kind::Node, "gpu-0").unwrap();
    tolerated["spec"]["taints"] = json!([
        {"key": "sku", "value": "gpu", "effect": "NoSchedule"}, {"key": "team", "value": "b", "effect": "PreferNoSchedule"},
        {"key": "node.kubernetes.io/memory-pressure", "effect": "NoSchedule"},
    ]);
    stage.put(&tolerated);
    let mut later = stage.get(Kind::Node, "gpu-1").unwrap();
    later["spec"]["taints"] = json!([{"key": "team", "value": "b", "effect": "NoSchedule"}]);
    stage.put(&later);
    stage.pass_time();
    assert_eq!(state(&stage, "phi"), "Ready");
    let workers = stage.get(Kind::Workspace, "phi").unwrap()["status"]["workerNodes"].clone();
    assert_eq!(workers, json!(["gpu-0", "gpu-1"]), "where a pod runs already, a taint more changes nothing");
}

#[test]
fn gpus_that_are_not_advertised_leave_no_node_ready() {
    let mut stage = stage();
    let mut node = brought_node("gpu-0", &json!({}));
    let ready = json!({"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"});
    node["status"] = json!({"conditions": [ready], "allocatable": {"cpu": "8"}});
    stage.put(&node);
    stage.put(&on_brought_nodes("phi", "a100"));
    stage.pass_time();
    let (holds, reason, words) = condition(&stage, "phi", "NodesReady").unwrap();
    assert_eq!((holds.as_str(), reason.as_str()), ("False", "NodePluginsNotReady"));
    assert!(words.contains("node gpu-0 shows 0 of 1 in nvidia.com/gpu"), "{words}");
}

#[test]
fn a_node_that_comes_with_other_gpus_keeps_what_is_new_from_starting_and_stops_nothing_that_runs() {
    let other = json!({"nvidia.com/gpu.count": "8"});
    let mut stage = with_nodes(1);
    stage.put(&on_brought_nodes("first", "a100"));
    until_ready(&mut stage, "first");
    stage.put(&brought_node("other", &other));
    stage.put(&on_brought_nodes("second", "a100"));
    stage.pass_time();
    assert_eq!(state(&stage, "first"), "Ready");
    let (_, reason, words) = condition(&stage, "second", "NodesReady").unwrap();
    assert_eq!(reason, "NodesDiffer");
    assert!(words.contains("node other has 8 × NVIDIA-A100-SXM4-80GB") && words.contains("gpu-0 has 1 ×"), "{words}");
    assert!(stage.get(Kind::StatefulSet, "second").is_none());
}

#[test]
fn preferred_nodes_are_preferred_by_the_scheduler_and_no_pod_is_kept_from_the_others() {
    let mut stage = with_nodes(2);
    let mut wants = on_brought_nodes("phi", "a100");
    wants["resource"]["preferredNodes"] = json!(["gpu-1", "elsewhere"]);
    stage.put(&wants);
    until_ready(&mut stage, "phi");
    let affinity = pod_spec(&stage, Kind::StatefulSet, "phi")["affinity"]["nodeAffinity"].clone();
    let by_name = |name: &str| {
        let field = json!({"key": "metadata.name", "operator": "In", "values": [name]});
        json!({"weight": 100, "preference": {"matchFields": [field]}})
    };
    let preferred = &affinity["preferredDuringSchedulingIgnoredDuringExecution"];
    assert_eq!(*preferred, json!([by_name("gpu-1"), by_name("elsewhere")]));
    let required = &affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"];
    assert_eq!(required[0]["matchExpressions"], json!([{"key": "gpu", "operator": "In", "values": ["a100"]}]));
    assert!(marked(&stage).contains(&"gpu-1".to_owned()));
}

#[test]
fn a_training_runs_on_a_node_that_was_brought() {
    let mut stage = with_nodes(1);
    let mut training = training_on_volume("tune");
    training["resource"] = json!({"labelSelector": {"matchLabels": {"gpu": "a100"}}});
    stage.put(&training);
    stage.until("it is over", &|stage| state(stage, "tune") == "Succeeded");
    let required = &pod_spec(&stage, Kind::Job, "tune")["affinity"]["nodeAffinity"];
    let terms = &required["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"];
    assert_eq!(terms[0]["matchExpressions"], json!([{"key": "gpu", "operator": "In", "values": ["a100"]}]));
}

#[test]
fn a_slice_is_asked_for_by_its_profile_and_so_many_gpus_by_their_number() {
    let mut stage = stage();
    let mixed = json!({"nvidia.com/mig.config": "all-balanced", "nvidia.com/mig.config.state": "success", "nvidia.com/mig-3g.40gb.count": "1"});
    stage.put(&brought_node("gpu-0", &mixed));
    stage.put(&brought_node("gpu-1", &json!({"gpu": "four", "nvidia.com/gpu.count": "4"})));
    let mut slice = on_brought_nodes("slice", "a100");
    slice["resource"]["partition"] = json!({"mode": "mig", "profile": "3g.40gb"});
    let mut two = on_brought_nodes("two", "four");
    two["resource"]["partition"] = json!({"mode": "accelerator", "count": 2});
    for (workspace, name, resource, amount) in
        [(slice, "slice", "nvidia.com/mig-3g.40gb", "1"), (two, "two", "nvidia.com/gpu", "2")]
    {
        stage.put(&workspace);
        until_ready(&mut stage, name);
        let pod = pod_spec(&stage, Kind::StatefulSet, name);
        assert_eq!(pod["containers"][0]["resources"]["limits"], json!({resource: amount}));
        let tolerates = pod["tolerations"].as_array().unwrap().iter().any(|taint| taint["key"] == resource);
        assert!(tolerates, "{name}");
    }
}

#[test]
fn whole_gpus_are_not_waited_for_where_all_are_divided() {
    let divided = |room: Value| {
        let mut node = brought_node("gpu-0", &json!({"nvidia.com/mig.strategy": "mixed"}));
        let ready = json!({"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"});
        node["status"] = json!({"conditions": [ready], "allocatable": room});
        node
    };
    let slices = json!({"cpu": "8", "nvidia.com/gpu": "0", "nvidia.com/mig-1g.20gb": "2", "nvidia.com/mig-2g.20gb": "1", "nvidia.com/mig-7g.80gb": "0"});
    let mut stage = stage();
    stage.put(&divided(slices.clone()));
    stage.put(&on_brought_nodes("phi", "a100"));
    let mut two = on_brought_nodes("two", "a100");
    two["resource"]["partition"] = json!({"mode": "accelerator", "count": 1});
    stage.put(&two);
    stage.pass_time();
    for name in ["phi", "two"] {
        let (_, reason, words) = condition(&stage, name, "NodesReady").unwrap();
        assert_eq!(reason, "PartNotPossible", "{words}");
        assert!(words.contains("node gpu-0 has no whole GPU, only slices: 2 × 1g.20gb, 1 × 2g.20gb"), "{words}");
        assert!(words.contains("resource.partition"), "{words}");
    }
    let mut slice = on_brought_nodes("slice", "a100");
    slice["resource"]["partition"] = json!({"mode": "mig", "profile": "1g.20gb"});
    stage.put(&slice);
    until_ready(&mut stage, "slice");
    let mut some_whole = slices;
    some_whole["nvidia.com/gpu"] = json!("1");
    let mut node = divided(some_whole);
    node["metadata"]["name"] = json!("gpu-1");
    stage.put(&node);
    until_ready(&mut stage, "phi");
}

#[test]
fn a_part_is_refused_where_machines_are_made() {
    let mut stage = MemoryStage::new("default");
    let mut wants = on_brought_nodes("phi", "a100");
    wants["resource"]["instanceType"] = json!("Standard_NC24ads_A100_v4");
    wants["resource"]["partition"] = json!({"mode": "accelerator", "count": 1});
    stage.put(&wants);
    stage.pass_time();
    let (_, reason, words) = condition(&stage, "phi", "ResourceReady").unwrap();
    assert_eq!(reason, "InvalidWorkspace");
    assert!(words.contains("only of nodes that are brought along (--node-provisioner=byo)"), "{words}");
    assert!(stage.list(Kind::NodeClaim).is_empty());
}

/// A model that never starts, on the first of its nodes.
fn stuck_on_brought() -> MemoryStage {
    let settings = Settings { provisioner: NodeProvisioner::Byo, ..Settings::default() };
    let fate = Fate { pods: PodFate::NeverReady, ..Fate::default() };
    let mut stage = MemoryStage::of(World::with_fate(&settings, Pace::default(), &fate));
    stage.put(&brought_node("gpu-0", &json!({})));
    stage.put(&on_brought_nodes("phi", "a100"));
    stage.until("its pod is on gpu-0", &|stage| {
        stage.get(Kind::Pod, "phi-0").is_some_and(|pod| pod["spec"]["nodeName"] == "gpu-0")
    });
    stage
}

#[test]
fn a_node_that_joins_is_no_new_start_of_pods_that_are_elsewhere() {
    let mut stage = stuck_on_brought();
    for number in 1..48 {
        stage.world().advance(SignedDuration::from_mins(5));
        stage.put(&brought_node(&format!("gpu-{number}"), &json!({})));
    }
    stage.world().advance(SignedDuration::from_mins(1));
    let (.., words) = condition(&stage, "phi", "InferenceReady").unwrap();
    assert!(words.contains("overdue since"), "{words}");
}

#[test]
fn what_runs_out_on_a_node_without_a_pod_of_ours_is_no_reason_for_pods_elsewhere() {
    let mut stage = stuck_on_brought();
    let says = |type_: &str| json!({"type": type_, "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let status = json!({"allocatable": {"nvidia.com/gpu": "1"}, "conditions": [says("Ready"), says("DiskPressure")]});
    for (node, reason) in [("gpu-1", "WorkspaceInferenceStatusPending"), ("gpu-0", "NodeDiskPressure")] {
        if stage.get(Kind::Node, node).is_none() {
            stage.put(&brought_node(node, &json!({})));
        }
        let uid = stage.get(Kind::Node, node).unwrap()["metadata"]["uid"].as_str().unwrap().to_owned();
        let key = ObjectKey::cluster(Kind::Node, node);
        stage.world().cluster().with_store(|store| store.write_status(&key, &uid, None, &status)).unwrap();
        stage.world().advance(SignedDuration::from_mins(2));
        assert_eq!(condition(&stage, "phi", "InferenceReady").unwrap().1, reason, "{node}");
    }
}
