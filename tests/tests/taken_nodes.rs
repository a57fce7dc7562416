//! Nodes that somebody brought along beside Karpenter: which are taken, and what becomes of one that takes none of our pods.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use jiff::SignedDuration;
use kaito_api::vocabulary::labels;
use kaito_core::memory::{Fate, PodFate, World};
use kaito_core::{Kind, ObjectKey, Settings, render};
use kaito_tests::{golden, manifests, value};
use serde_json::{Value, json};

const SIZE: &str = "Standard_NV72ads_A10_v5";

fn world() -> World {
    World::installed(&Settings { provisioner: golden::karpenter(), ..Settings::default() })
}

fn root() -> ObjectKey {
    ObjectKey::new(Kind::Workspace, "default", "two")
}

fn node_key(name: &str) -> ObjectKey {
    ObjectKey::cluster(Kind::Node, name)
}

/// A Node of the size, with the user's labels, that is ready; `more` is laid over it.
fn bring(world: &mut World, name: &str, more: &Value) {
    let room = json!({"nvidia.com/gpu": "2", "cpu": "72", "pods": "110"});
    let mut node = json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": {"apps": "two", labels::INSTANCE_TYPE: SIZE}},
        "status": {"capacity": room, "allocatable": room, "conditions": [{"type": "Ready", "status": "True"}]},
    });
    for (path, part) in more.as_object().into_iter().flatten() {
        *node.pointer_mut(path).unwrap() = part.clone();
    }
    world.put(&node_key(name), &node).unwrap();
}

fn edit(world: &mut World, key: &ObjectKey, edit: impl FnOnce(&mut Value)) {
    let mut object = value(world, key).unwrap();
    edit(&mut object);
    world.put(key, &object).unwrap();
}

fn tainted(taint: &Value) -> Value {
    json!({"/spec": {"taints": [taint]}})
}

fn replicas(world: &World) -> Option<u64> {
    value(world, &ObjectKey::cluster(Kind::NodePool, "default-two")).and_then(|pool| pool["spec"]["replicas"].as_u64())
}

fn state(world: &World) -> Value {
    value(world, &root()).unwrap()["status"]["state"].clone()
}

fn told(world: &World, type_: &str) -> Value {
    let status = value(world, &root()).unwrap()["status"].clone();
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    conditions.into_iter().find(|found| found["type"] == type_).unwrap_or_default()
}

fn is_ours(world: &World, name: &str) -> bool {
    value(world, &node_key(name)).unwrap()["metadata"]["labels"][labels::KARPENTER_WORKSPACE_NAME] == "two"
}

/// The pods of the Workspace, by name, each with its node.
fn pods(world: &World) -> Vec<(String, Value)> {
    world.cluster().with_store(|store| {
        let ours = store.iter().filter(|(key, _)| key.kind == Kind::Pod && key.name.starts_with("two"));
        ours.map(|(key, pod)| (key.name.clone(), pod["spec"]["nodeName"].clone())).collect()
    })
}

fn phase(world: &World, pod: &str) -> Value {
    value(world, &ObjectKey::new(Kind::Pod, "default", pod)).unwrap()["status"]["phase"].clone()
}

/// A pod of somebody else's that holds all GPUs of a Node.
fn occupy(world: &mut World, node: &str) {
    let limits = json!({"limits": {"nvidia.com/gpu": "2"}});
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("of-others-on-{node}"), "namespace": "others"},
        "spec": {"nodeName": node, "containers": [{"name": "works", "image": "works", "resources": limits}]},
        "status": {"phase": "Running"},
    });
    world.put(&ObjectKey::new(Kind::Pod, "others", format!("of-others-on-{node}")), &pod).unwrap();
}

/// A server of the user's own on so many machines.
fn own(count: u32, spec: &Value) -> Value {
    let mut manifest = manifests::own_template("two");
    manifest["resource"]["count"] = json!(count);
    manifest["resource"]["instanceType"] = json!(SIZE);
    manifest["resource"]["labelSelector"] = json!({"matchLabels": {"apps": "two"}});
    manifest["inference"]["template"]["spec"]["tolerations"] = json!([]);
    for (key, part) in spec.as_object().into_iter().flatten() {
        manifest["inference"]["template"]["spec"][key] = part.clone();
    }
    manifest
}

fn minutes(count: i64) -> SignedDuration {
    SignedDuration::from_mins(count)
}

/// A world in which the Workspace runs on two Nodes that were brought along.
fn on_two_brought_nodes() -> World {
    let mut world = world();
    (0..2).for_each(|index| bring(&mut world, &format!("brought-{index}"), &json!({})));
    world.put(&root(), &manifests::two_nodes("two")).unwrap();
    render::settle(&mut world);
    world
}

#[test]
fn a_node_is_taken_only_where_our_pods_tolerate_its_taints_and_it_has_the_gpus() {
    let taint = |key: &str, value: &str, effect: &str| tainted(&json!({"key": key, "value": value, "effect": effect}));
    for (node, wanted) in [
        (taint("team", "b", "NoSchedule"), 2),
        (taint("team", "b", "NoExecute"), 2),
        (tainted(&json!({"key": "karpenter.sh/disrupted", "effect": "NoSchedule"})), 2),
        (json!({"/status/allocatable": {"nvidia.com/gpu": "1", "cpu": "72", "pods": "110"}}), 2),
        (json!({"/status/allocatable": {"cpu": "72", "pods": "110"}}), 2),
        (taint("team", "b", "PreferNoSchedule"), 1),
        (taint("sku", "gpu", "NoSchedule"), 1),
        (tainted(&json!({"key": "nvidia.com/gpu", "effect": "NoSchedule"})), 1),
    ] {
        let mut world = world();
        let mut node = node.clone();
        let spec = node["/spec"].take();
        node.as_object_mut().unwrap().retain(|_, part| !part.is_null());
        bring(&mut world, "brought", &node);
        if !spec.is_null() {
            edit(&mut world, &node_key("brought"), |node| node["spec"] = spec.clone());
        }
        world.put(&root(), &manifests::two_nodes("two")).unwrap();
        render::settle(&mut world);
        assert_eq!((replicas(&world), state(&world)), (Some(wanted), json!("Ready")), "{node} {spec}");
        assert_eq!(is_ours(&world, "brought"), wanted == 1, "{node} {spec}");
    }
}

#[test]
fn what_the_users_own_pods_tolerate_counts_too() {
    let blue = json!({"key": "team", "value": "blue", "effect": "NoSchedule"});
    let tolerates = json!({"tolerations": [{"key": "team", "operator": "Exists"}]});
    for (spec, wanted) in [(tolerates, None), (json!({}), Some(1))] {
        let mut world = world();
        bring(&mut world, "brought", &json!({}));
        edit(&mut world, &node_key("brought"), |node| node["spec"]["taints"] = json!([blue]));
        world.put(&root(), &own(1, &spec)).unwrap();
        render::settle(&mut world);
        assert_eq!((replicas(&world), state(&world)), (wanted, json!("Ready")), "{spec}");
    }
}

#[test]
fn a_node_that_takes_no_pod_for_long_is_let_go_and_a_machine_comes_in_its_place() {
    let mut world = world();
    for name in ["full", "well"] {
        bring(&mut world, name, &json!({}));
    }
    occupy(&mut world, "full");
    world.put(&root(), &manifests::two_nodes("two")).unwrap();
    world.advance(minutes(9));
    assert_eq!((is_ours(&world, "full"), is_ours(&world, "well"), replicas(&world)), (true, true, None));
    assert_eq!(told(&world, "InferenceReady")["reason"], "Unschedulable");
    world.advance(minutes(30));
    assert_eq!((is_ours(&world, "full"), is_ours(&world, "well"), replicas(&world)), (false, true, Some(1)));
    assert_eq!(state(&world), "Ready", "{}", told(&world, "InferenceReady"));
    world.delete(&ObjectKey::new(Kind::Pod, "others", "of-others-on-full")).unwrap();
    world.advance(SignedDuration::from_hours(24));
    let now = (is_ours(&world, "full"), is_ours(&world, "well"), replicas(&world), state(&world));
    assert_eq!(now, (false, true, Some(1), json!("Ready")), "what was bought stays, and nothing goes to and fro");
}

#[test]
fn for_a_pod_that_no_node_would_take_one_machine_is_bought_and_no_more() {
    let mut world = world();
    for name in ["one", "other"] {
        bring(&mut world, name, &json!({}));
    }
    let nowhere = json!({"nodeSelector": {"disk": "of-another-world"}});
    world.put(&root(), &own(2, &nowhere)).unwrap();
    world.advance(SignedDuration::from_hours(1));
    assert_eq!(replicas(&world), Some(1), "pods {:?}", pods(&world));
    let (one, other) = (is_ours(&world, "one"), is_ours(&world, "other"));
    assert!(one != other, "one pod waits, and one Node is let go for it");
    let version =
        |world: &World, name: &str| value(world, &node_key(name)).unwrap()["metadata"]["resourceVersion"].clone();
    let before = [version(&world, "one"), version(&world, "other")];
    world.advance(SignedDuration::from_hours(48));
    assert_eq!(replicas(&world), Some(1));
    assert_eq!([version(&world, "one"), version(&world, "other")], before, "no Node is written again");
    assert_eq!(told(&world, "InferenceReady")["reason"], "Unschedulable");
}

#[test]
fn nothing_is_let_go_while_a_machine_for_the_pod_that_waits_is_there_or_on_its_way() {
    let mut world = world();
    bring(&mut world, "brought", &json!({}));
    world.put(&root(), &own(2, &json!({"nodeSelector": {"disk": "of-another-world"}}))).unwrap();
    world.advance(SignedDuration::from_hours(12));
    assert_eq!((replicas(&world), is_ours(&world, "brought")), (Some(1), true));
}

#[test]
fn a_pod_of_somebody_else_that_bears_our_label_buys_no_machine() {
    let mut world = world();
    (0..2).for_each(|index| bring(&mut world, &format!("brought-{index}"), &json!({})));
    world.put(&root(), &own(2, &json!({}))).unwrap();
    render::settle(&mut world);

    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "stranger", "namespace": "default", "labels": {"kaito.sh/workspace": "two"}},
        "spec": {"nodeSelector": {"disk": "of-another-world"}, "containers": [{"name": "a", "image": "a"}]},
    });
    world.put(&ObjectKey::new(Kind::Pod, "default", "stranger"), &pod).unwrap();
    world.advance(SignedDuration::from_hours(1));
    assert_eq!((replicas(&world), is_ours(&world, "brought-0"), is_ours(&world, "brought-1")), (None, true, true));
}

#[test]
fn a_taken_node_with_a_new_taint_counts_as_long_as_a_pod_of_ours_is_on_it_and_ten_minutes_more() {
    let mut world = on_two_brought_nodes();
    assert_eq!((replicas(&world), state(&world)), (None, json!("Ready")));
    let taint = json!({"key": "team", "value": "b", "effect": "NoSchedule", "timeAdded": world.now().to_string()});
    edit(&mut world, &node_key("brought-0"), |node| node["spec"]["taints"] = json!([taint]));
    world.advance(minutes(30));
    assert_eq!((replicas(&world), state(&world)), (None, json!("Ready")), "its pod is not disturbed");
    let (pod, _) = pods(&world).into_iter().find(|(_, node)| node == "brought-0").unwrap();
    edit(&mut world, &node_key("brought-0"), |node| node["spec"]["taints"][0]["timeAdded"] = json!(null));
    world.delete(&ObjectKey::new(Kind::Pod, "default", pod.clone())).unwrap();
    world.advance(minutes(1));
    let taint = json!({"key": "team", "value": "b", "effect": "NoSchedule", "timeAdded": world.now().to_string()});
    edit(&mut world, &node_key("brought-0"), |node| node["spec"]["taints"] = json!([taint]));
    world.advance(minutes(8));
    assert_eq!(replicas(&world), None, "the taint may go again");
    world.advance(minutes(3));
    assert_eq!(replicas(&world), Some(1));
    world.advance(minutes(30));
    assert_eq!(state(&world), "Ready");
}

#[test]
fn a_taint_that_does_not_say_since_when_is_judged_by_the_pod_that_waits() {
    let mut world = on_two_brought_nodes();
    let taint = json!({"key": "karpenter.sh/disrupted", "effect": "NoSchedule"});
    edit(&mut world, &node_key("brought-0"), |node| node["spec"]["taints"] = json!([taint]));
    let (pod, _) = pods(&world).into_iter().find(|(_, node)| node == "brought-0").unwrap();
    world.delete(&ObjectKey::new(Kind::Pod, "default", pod)).unwrap();
    world.advance(minutes(14));
    assert_eq!((replicas(&world), is_ours(&world, "brought-0")), (None, true));
    world.advance(minutes(30));
    assert_eq!((replicas(&world), is_ours(&world, "brought-0"), state(&world)), (Some(1), false, json!("Ready")));
}

#[test]
fn where_the_user_asks_for_no_labels_no_node_is_taken() {
    let mut world = world();
    bring(&mut world, "theirs", &json!({"/metadata/labels": {labels::INSTANCE_TYPE: SIZE}}));
    let mut manifest = manifests::two_nodes("two");
    manifest["resource"]["labelSelector"] = json!({});
    world.put(&root(), &manifest).unwrap();
    render::settle(&mut world);
    assert_eq!((replicas(&world), is_ours(&world, "theirs"), state(&world)), (Some(2), false, json!("Ready")));
}

#[test]
fn no_node_is_taken_for_what_is_refused() {
    let mut world = world();
    bring(&mut world, "brought", &json!({}));
    let (app, pod) = (json!({"app": "theirs"}), json!({"containers": [{"name": "c", "image": "i"}]}));
    let set = ObjectKey::new(Kind::StatefulSet, "default", "two");
    let theirs = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "two", "namespace": "default"},
        "spec": {"replicas": 0, "serviceName": "t", "selector": {"matchLabels": app}, "template": {"metadata": {"labels": app}, "spec": pod}},
    });
    world.put(&set, &theirs).unwrap();
    world.put(&root(), &manifests::two_nodes("two")).unwrap();
    world.advance(minutes(30));
    assert_eq!((is_ours(&world, "brought"), replicas(&world)), (false, None));
    world.delete(&set).unwrap();
    world.advance(minutes(90));
    assert_eq!((is_ours(&world, "brought"), replicas(&world)), (true, Some(1)));
}

/// A training beside a Node for it that somebody has brought along, with one GPU.
fn training_on_brought_node(manifest: &Value) -> World {
    let mut world = world();
    let room = json!({"nvidia.com/gpu": "1", "cpu": "6", "pods": "110"});
    let brought = json!({
        "/metadata/labels": {"app": "two", "apps": "two", labels::INSTANCE_TYPE: manifest["resource"]["instanceType"]},
        "/status/allocatable": room, "/status/capacity": room,
    });
    bring(&mut world, "brought", &brought);
    world
        .put(&ObjectKey::new(Kind::Secret, "default", "my-push-secret"), &manifests::registry_secret("my-push-secret"))
        .unwrap();
    world.put(&root(), manifest).unwrap();
    world
}

#[test]
fn a_training_whose_node_is_full_gets_a_machine_too() {
    let mut world = training_on_brought_node(&manifests::training_on_volume("two"));
    occupy(&mut world, "brought");
    world.advance(minutes(9));
    assert_eq!((is_ours(&world, "brought"), replicas(&world)), (true, None));
    world.advance(minutes(150));
    assert_eq!((is_ours(&world, "brought"), replicas(&world), state(&world)), (false, Some(1), json!("Succeeded")));
}

#[test]
fn a_node_that_was_taken_from_a_training_between_two_attempts_is_let_go() {
    let mut world = training_on_brought_node(&manifests::training_on_volume("two"));
    world.set_fate(&Fate { pods: PodFate::Ends { exit_code: 1, text: String::new() }, ..Fate::default() });
    world.run(minutes(60), |world| pods(world).iter().any(|(name, _)| phase(world, name) == "Failed"));
    occupy(&mut world, "brought");
    world.set_fate(&Fate::default());
    world.advance(minutes(150));
    assert_eq!((is_ours(&world, "brought"), replicas(&world), state(&world)), (false, Some(1), json!("Succeeded")));
}

#[test]
fn a_node_of_a_training_that_is_over_is_let_go_where_the_user_asks_for_that() {
    let mut manifest = manifests::tuning("two");
    for (release, stays) in [("false", true), ("true", false)] {
        manifest["metadata"]["annotations"] = json!({"kaito.sh/release-nodes-when-done": release});
        let mut world = training_on_brought_node(&manifest);
        world.advance(minutes(300));
        assert_eq!((is_ours(&world, "brought"), replicas(&world), state(&world)), (stays, None, json!("Succeeded")));
    }
}

#[test]
fn a_model_that_runs_on_taken_nodes_is_told_of_while_nobody_knows_what_is_asked_for() {
    let mut world = on_two_brought_nodes();
    let before = told(&world, "NodesReady");
    let served = value(&world, &root()).unwrap()["status"]["workerNodes"].clone();
    assert_eq!((replicas(&world), &served), (None, &json!(["brought-0", "brought-1"])));
    edit(&mut world, &root(), |root| root["inference"]["preset"]["name"] = json!("no-such-model"));
    world.advance(minutes(30));
    let now = value(&world, &root()).unwrap()["status"]["workerNodes"].clone();
    assert_eq!((now, told(&world, "NodesReady")["status"].clone()), (served, before["status"].clone()));
    assert_eq!(told(&world, "NodeClaimReady")["status"], "True", "{}", told(&world, "NodeClaimReady"));
}
