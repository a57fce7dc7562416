//! NodePools of Karpenter in the memory world: how many machines a pool asks for, what else covers them, whose a pool is, and how it goes.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use jiff::SignedDuration;
use kaito_api::vocabulary::{annotations, labels};
use kaito_core::effect::Effect;
use kaito_core::memory::{Fate, PodFate, World};
use kaito_core::node_classes::{self, ClassKind, NodeClasses};
use kaito_core::{Kind, NodeProvisioner, ObjectKey, Settings, render};
use kaito_tests::{by_hand, golden, manifests, value};
use serde_json::{Value, json};

const SIZE: &str = "Standard_NV72ads_A10_v5";

/// A world with Karpenter.
fn world() -> World {
    World::installed(&Settings { provisioner: golden::karpenter(), ..Settings::default() })
}

fn root() -> ObjectKey {
    ObjectKey::new(Kind::Workspace, "default", "two")
}

fn pool() -> ObjectKey {
    ObjectKey::cluster(Kind::NodePool, "default-two")
}

fn ask(world: &mut World) {
    world.put(&root(), &manifests::two_nodes("two")).unwrap();
}

fn state(world: &World) -> Value {
    value(world, &root()).map_or(Value::Null, |found| found["status"]["state"].clone())
}

fn condition(world: &World, type_: &str) -> Value {
    let status = value(world, &root()).unwrap()["status"].clone();
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    conditions.into_iter().find(|found| found["type"] == type_).unwrap_or_default()
}

fn replicas(world: &World) -> Option<u64> {
    value(world, &pool()).and_then(|found| found["spec"]["replicas"].as_u64())
}

fn count(world: &World, kind: Kind) -> usize {
    world.cluster().with_store(|store| store.iter().filter(|(key, _)| key.kind == kind).count())
}

/// A Node that somebody has brought along, with the user's labels.
fn bring(world: &mut World, name: &str, size: &str, more: &[(&str, &str)]) {
    let mut all = json!({"apps": "two", labels::INSTANCE_TYPE: size});
    for (key, value) in more {
        all[*key] = json!(value);
    }
    let room = json!({"nvidia.com/gpu": "2", "cpu": "72", "pods": "110"});
    let node = json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": all},
        "status": {"capacity": room, "allocatable": room, "conditions": [{"type": "Ready", "status": "True"}]},
    });
    world.put(&ObjectKey::cluster(Kind::Node, name), &node).unwrap();
}

#[test]
fn a_pool_asks_for_what_nothing_else_covers() {
    let other = [(labels::KARPENTER_WORKSPACE_NAME, "other"), (labels::KARPENTER_WORKSPACE_NAMESPACE, "default")];
    let one_by_one = [(labels::WORKSPACE, "other"), (labels::WORKSPACE_NAMESPACE, "default")];
    let of_an_engine = [(labels::RAG_ENGINE, "other"), (labels::RAG_ENGINE_NAMESPACE, "default")];
    for (nodes, wanted) in [
        (&[][..], Some(2)),
        (&[(SIZE, &[][..])][..], Some(1)),
        (&[(SIZE, &[]), (SIZE, &[])], None),
        (&[("Standard_NV36ads_A10_v5", &[])], Some(2)),
        (&[(SIZE, &other)], Some(2)),
        (&[(SIZE, &one_by_one)], Some(2)),
        (&[(SIZE, &of_an_engine)], Some(2)),
    ] {
        let mut world = world();
        for (index, (size, more)) in nodes.iter().enumerate() {
            bring(&mut world, &format!("brought-{index}"), size, more);
        }
        ask(&mut world);
        render::settle(&mut world);
        assert_eq!((replicas(&world), state(&world)), (wanted, json!("Ready")), "{nodes:?}");
        world.delete(&root()).unwrap();
        render::settle(&mut world);
        assert_eq!((value(&world, &root()), replicas(&world), count(&world, Kind::NodeClaim)), (None, None, 0));
        assert_eq!(count(&world, Kind::Node), nodes.len(), "what was brought along stays");
        for index in 0..nodes.len() {
            let node = value(&world, &ObjectKey::cluster(Kind::Node, format!("brought-{index}"))).unwrap();
            let ours = &node["metadata"]["labels"][labels::KARPENTER_WORKSPACE_NAME];
            assert!(ours.is_null() || ours == "other", "and is free again: {node}");
        }
    }
}

#[test]
fn a_machine_that_is_there_is_not_given_back_because_another_one_would_do() {
    let mut world = world();
    ask(&mut world);
    render::settle(&mut world);
    bring(&mut world, "brought", SIZE, &[]);
    world.advance(SignedDuration::from_hours(1));
    assert_eq!((replicas(&world), count(&world, Kind::NodeClaim)), (Some(2), 2));
}

/// What a kubelet says of a Node from now on.
fn node_is_ready(world: &mut World, name: &str, ready: bool) {
    let key = ObjectKey::cluster(Kind::Node, name);
    let node = value(world, &key).unwrap();
    let (says, at) = (if ready { "True" } else { "False" }, world.now().to_string());
    let mut status = node["status"].clone();
    status["conditions"] = json!([{"type": "Ready", "status": says, "lastTransitionTime": at}]);
    let uid = node["metadata"]["uid"].as_str().unwrap();
    world.cluster().with_store(|store| store.write_status(&key, uid, None, &status)).unwrap();
    let changed = value(world, &key).unwrap();
    world.put(&key, &changed).unwrap();
}

/// A Workspace that runs on two Nodes that were brought along.
fn covered() -> World {
    let mut world = world();
    (0..2).for_each(|index| bring(&mut world, &format!("brought-{index}"), SIZE, &[]));
    ask(&mut world);
    render::settle(&mut world);
    assert_eq!((replicas(&world), state(&world)), (None, json!("Ready")));
    world
}

#[test]
fn a_taken_node_that_is_not_ready_for_a_moment_buys_no_machine_and_one_that_stays_so_does() {
    let mut world = covered();
    node_is_ready(&mut world, "brought-0", false);
    world.advance(SignedDuration::from_mins(9));
    assert_eq!(replicas(&world), None, "it may come back");
    assert_eq!(condition(&world, "NodesReady")["status"], "False");
    node_is_ready(&mut world, "brought-0", true);
    world.advance(SignedDuration::from_mins(30));
    assert_eq!((replicas(&world), state(&world)), (None, json!("Ready")));
    node_is_ready(&mut world, "brought-0", false);
    world.advance(SignedDuration::from_mins(11));
    assert_eq!(replicas(&world), Some(1), "it is given up for lost, at its time and not first at the next look");
}

/// Cordons a Node, as the control plane writes it down: `None` says since when before it has done so; or takes pods again.
fn cordon(world: &mut World, name: &str, taint: Option<Value>) {
    let key = ObjectKey::cluster(Kind::Node, name);
    let mut node = value(world, &key).unwrap();
    node["spec"]["unschedulable"] = json!(true);
    node["spec"]["taints"] = taint.into_iter().collect();
    world.put(&key, &node).unwrap();
}

fn uncordon(world: &mut World, name: &str) {
    let key = ObjectKey::cluster(Kind::Node, name);
    let mut node = value(world, &key).unwrap();
    node["spec"]["unschedulable"] = json!(false);
    node["spec"]["taints"] = json!([]);
    world.put(&key, &node).unwrap();
}

/// What the control plane writes to a Node that is cordoned now.
fn taint_of_now(world: &World) -> Value {
    json!({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule", "timeAdded": world.now().to_string()})
}

/// The pods on a Node go, as they do when it is drained.
fn empty(world: &mut World, name: &str) {
    let pods = world.cluster().with_store(|store| {
        let is_on = |value: &Value| value["spec"]["nodeName"] == name;
        let found = store.iter().filter(|(key, value)| key.kind == Kind::Pod && is_on(value));
        found.map(|(key, _)| key.clone()).collect::<Vec<_>>()
    });
    let [pod] = &pods[..] else { panic!("{pods:?}") };
    world.delete(pod).unwrap();
}

#[test]
fn a_taken_node_that_is_cordoned_counts_as_long_as_a_pod_of_ours_is_on_it() {
    let mut world = covered();
    let taint = taint_of_now(&world);
    cordon(&mut world, "brought-0", Some(taint));
    world.advance(SignedDuration::from_mins(30));
    assert_eq!((replicas(&world), state(&world)), (None, json!("Ready")));
    empty(&mut world, "brought-0");
    world.advance(SignedDuration::from_mins(30));
    assert_eq!((replicas(&world), state(&world)), (Some(1), json!("Ready")));
}

#[test]
fn a_taken_node_that_is_drained_for_a_moment_buys_no_machine_and_one_that_stays_cordoned_does() {
    let mut world = covered();
    cordon(&mut world, "brought-0", None);
    empty(&mut world, "brought-0");
    world.advance(SignedDuration::from_secs(10));
    assert_eq!(replicas(&world), None, "nobody has said yet since when it is cordoned");
    let taint = taint_of_now(&world);
    cordon(&mut world, "brought-0", Some(taint));
    world.advance(SignedDuration::from_mins(9));
    assert_eq!(replicas(&world), None, "its pods may come back");
    uncordon(&mut world, "brought-0");
    world.advance(SignedDuration::from_mins(30));
    assert_eq!((replicas(&world), state(&world)), (None, json!("Ready")));
    let taint = taint_of_now(&world);
    cordon(&mut world, "brought-0", Some(taint));
    empty(&mut world, "brought-0");
    world.advance(SignedDuration::from_mins(11));
    assert_eq!(replicas(&world), Some(1), "it is given up, at its time and not first at the next look");
}

#[test]
fn what_was_given_up_before_nodes_were_brought_along_keeps_nothing_from_being_ready() {
    let mut world = world();
    (0..2).for_each(|index| bring(&mut world, &format!("brought-{index}"), SIZE, &[]));
    let mut manifest = manifests::two_nodes("two");
    let record =
        json!({"times": 3, "first": "2025-12-31T20:00:00Z", "last": "2025-12-31T21:00:00Z", "said": "no machine"});
    manifest["metadata"]["annotations"]["kaito.sh/nodeclaims-given-up"] = json!(record.to_string());
    world.put(&root(), &manifest).unwrap();
    render::settle(&mut world);
    assert_eq!((replicas(&world), state(&world)), (None, json!("Ready")), "{}", condition(&world, "NodeClaimReady"));
    let annotations = &value(&world, &root()).unwrap()["metadata"]["annotations"];
    assert_eq!(annotations["kaito.sh/nodeclaims-given-up"], Value::Null);
}

fn standing_pods(world: &World) -> usize {
    world.cluster().with_store(|store| {
        let pods = store.iter().filter(|(key, _)| key.kind == Kind::Pod);
        pods.filter(|(_, pod)| pod["metadata"]["deletionTimestamp"].is_null()).count()
    })
}

#[test]
fn more_machines_and_fewer_are_asked_for_as_the_number_that_was_settled_on_changes() {
    let mut world = world();
    let mut manifest = manifests::own_template("two");
    manifest["resource"]["count"] = json!(1);
    world.put(&root(), &manifest).unwrap();
    for target in [1, 3, 1] {
        let mut status = value(&world, &root()).unwrap()["status"].clone();
        status["targetNodeCount"] = json!(target);
        let uid = world.get(&root()).unwrap().metadata().uid.clone().unwrap();
        world.cluster().with_store(|store| store.write_status(&root(), &uid, None, &status)).unwrap();
        let told = value(&world, &root()).unwrap();
        world.put(&root(), &told).unwrap();
        // Karpenter could take the machine of the one pod that stays.
        world.run(SignedDuration::from_hours(1), |world| {
            let machines = replicas(world).unwrap_or_default() as usize;
            assert!(target > 1 || machines >= standing_pods(world), "machines go before their pods");
            false
        });
        assert_eq!((replicas(&world), count(&world, Kind::NodeClaim)), (Some(target), target as usize));
        assert_eq!((count(&world, Kind::Node), state(&world)), (target as usize, json!("Ready")));
    }
}

#[test]
fn what_somebody_edits_of_a_pool_is_as_it_was_and_a_pool_that_is_deleted_is_made_anew() {
    let mut world = world();
    ask(&mut world);
    render::settle(&mut world);
    let before = value(&world, &pool()).unwrap();
    let mut edited = before.clone();
    edited["spec"]["disruption"]["budgets"] = json!([{"nodes": "100%"}]);
    edited["spec"]["replicas"] = json!(0);
    world.put(&pool(), &edited).unwrap();
    render::settle(&mut world);
    assert_eq!(value(&world, &pool()).unwrap()["spec"], before["spec"]);

    world.delete(&pool()).unwrap();
    render::settle(&mut world);
    let after = value(&world, &pool()).unwrap();
    assert_eq!(after["spec"], before["spec"]);
    assert_ne!(after["metadata"]["uid"], before["metadata"]["uid"]);
    assert_eq!((count(&world, Kind::NodeClaim), state(&world)), (2, json!("Ready")));
}

#[test]
fn how_many_machines_of_a_set_are_renewed_at_once_is_left_to_whoever_looks_after_the_set() {
    let mut world = world();
    let mut member = manifests::two_nodes("two");
    member["metadata"]["labels"][labels::INFERENCE_SET_CREATED_BY] = json!("set");
    world.put(&root(), &member).unwrap();
    render::settle(&mut world);
    let mut found = value(&world, &pool()).unwrap();
    let budgets = |pool: &Value| pool["spec"]["disruption"]["budgets"].clone();
    assert_eq!(budgets(&found), json!([{"nodes": "0", "reasons": ["Drifted"]}]));
    found["spec"]["disruption"]["budgets"][0]["nodes"] = json!("1");
    found["spec"]["replicas"] = json!(1);
    world.put(&pool(), &found).unwrap();
    render::settle(&mut world);
    assert_eq!((budgets(&value(&world, &pool()).unwrap()), replicas(&world)), (budgets(&found), Some(2)));
}

#[test]
fn the_pool_of_a_training_that_is_over_is_lowered_and_never_raised() {
    let fails = PodFate::Ends { exit_code: 1, text: String::new() };
    for (pods, end) in [(PodFate::Well, "Succeeded"), (fails, "Failed")] {
        let mut world = world();
        world.set_fate(&Fate { pods, ..Fate::default() });
        let mut training = manifests::training_on_volume("two");
        training["metadata"]["namespace"] = json!("default");
        world.put(&root(), &training).unwrap();
        render::settle(&mut world);
        assert_eq!((replicas(&world), state(&world)), (Some(1), json!(end)));
        assert!(end == "Succeeded" || count(&world, Kind::Pod) > 1, "pods of former attempts are kept");
        for (edited, stays) in [(5, 1), (0, 0)] {
            let mut pool_now = value(&world, &pool()).unwrap();
            pool_now["spec"]["replicas"] = json!(edited);
            world.put(&pool(), &pool_now).unwrap();
            world.advance(SignedDuration::from_hours(1));
            assert_eq!(
                (replicas(&world), count(&world, Kind::NodeClaim)),
                (Some(stays), stays as usize),
                "{edited} {end}"
            );
        }
    }
}

#[test]
fn pods_of_somebody_else_that_bear_our_label_keep_no_machines() {
    let mut world = world();
    ask(&mut world);
    render::settle(&mut world);
    for name in ["a", "b"] {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default", "labels": {labels::WORKSPACE: "two"}},
            "spec": {"containers": [{"name": "c", "image": "i"}]},
        });
        world.put(&ObjectKey::new(Kind::Pod, "default", name), &pod).unwrap();
    }
    let mut raised = value(&world, &pool()).unwrap();
    raised["spec"]["replicas"] = json!(4);
    world.put(&pool(), &raised).unwrap();
    world.advance(SignedDuration::from_hours(1));
    assert_eq!((replicas(&world), count(&world, Kind::NodeClaim)), (Some(2), 2));
}

#[test]
fn a_pool_of_somebody_else_is_never_taken_and_said_whose_it_is() {
    let mut world = world();
    let whose = json!({labels::KARPENTER_WORKSPACE_NAME: "b-two", labels::KARPENTER_WORKSPACE_NAMESPACE: "a"});
    let theirs = json!({
        "apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "default-two", "labels": whose},
        "spec": {
            "replicas": 1,
            "template": {"metadata": {"labels": whose}, "spec": {"nodeClassRef": {"group": "g", "kind": "k", "name": "n"}, "requirements": []}},
        },
    });
    world.put(&pool(), &theirs).unwrap();
    ask(&mut world);
    render::settle(&mut world);
    let told = condition(&world, "NodeClaimReady");
    assert_eq!((told["status"].as_str(), told["reason"].as_str()), (Some("False"), Some("NodePoolNameTaken")));
    assert!(told["message"].as_str().unwrap().contains("NodePool default-two exists and is of Workspace a/b-two"));
    world.delete(&root()).unwrap();
    render::settle(&mut world);
    assert!(value(&world, &root()).is_none() && value(&world, &pool()).is_some());
    assert_eq!(count(&world, Kind::NodeClaim), 1, "nor is its machine");
}

#[test]
fn the_pool_of_a_namesake_that_is_gone_goes_and_ours_comes() {
    let mut world = world();
    let whose = json!({
        labels::KARPENTER_WORKSPACE_NAME: "two", labels::KARPENTER_WORKSPACE_NAMESPACE: "default", labels::WORKSPACE_UID: "former",
    });
    let former = json!({
        "apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "default-two", "labels": whose},
        "spec": {"replicas": 7, "template": {"spec": {"nodeClassRef": {"group": "g", "kind": "k", "name": "n"}, "requirements": []}}},
    });
    world.put(&pool(), &former).unwrap();
    render::settle(&mut world);
    assert!(value(&world, &pool()).is_none(), "nobody has that name: it is found by its labels");
    world.put(&pool(), &former).unwrap();
    ask(&mut world);
    render::settle(&mut world);
    assert_eq!((replicas(&world), state(&world)), (Some(2), json!("Ready")));
}

#[test]
fn what_karpenter_has_against_a_pool_is_told_in_its_own_words() {
    let mut world = world();
    ask(&mut world);
    world.run(SignedDuration::from_mins(1), |world| value(world, &pool()).is_some());
    let refused = json!({"type": "NodeClassReady", "status": "False", "reason": "SubnetsNotFound", "message": "no subnet matches"});
    let status = json!({"conditions": [refused]});
    let uid = world.get(&pool()).unwrap().metadata().uid.clone().unwrap();
    world.cluster().with_store(|store| store.write_status(&pool(), &uid, None, &status)).unwrap();
    world.advance(SignedDuration::from_secs(30));
    let told = condition(&world, "NodeClaimReady");
    assert_eq!(told["reason"], "SubnetsNotFound", "{told}");
    let said = "NodePool default-two: NodeClassReady (AKSNodeClass image-family-ubuntu): no subnet matches";
    assert!(told["message"].as_str().unwrap().contains(said), "{told}");
}

#[test]
fn without_the_definitions_of_karpenter_it_is_said_and_a_deletion_ends_all_the_same() {
    let mut world = world();
    for kind in [Kind::NodePool, Kind::NodeClaim] {
        world.serve(kind, false);
    }
    ask(&mut world);
    world.advance(SignedDuration::from_mins(10));
    assert_eq!(condition(&world, "NodeClaimReady")["reason"], "KindNotInstalled");
    world.delete(&root()).unwrap();
    render::settle(&mut world);
    assert!(value(&world, &root()).is_none());
}

/// What would be written to the pool of a cluster as it is, by an operator with these settings.
fn writes_to_pool(world: &World, settings: &Settings) -> Vec<&'static str> {
    let plan = by_hand::plan(&by_hand::objects(world.cluster()), &root(), world.now(), settings);
    let effects = plan.steps.iter().map(|step| &step.effect).filter(|effect| *effect.key() == pool());
    effects.map(Effect::verb).collect()
}

#[test]
fn another_class_that_is_named_is_followed_and_another_default_is_not() {
    let mut world = world();
    ask(&mut world);
    render::settle(&mut world);
    let class =
        |world: &World| value(world, &pool()).unwrap()["spec"]["template"]["spec"]["nodeClassRef"]["name"].clone();
    let first = class(&world);
    let other = "image-family-azure-linux";
    assert_eq!(first, "image-family-ubuntu");
    let wishes = golden::NODE_CLASSES.replace(",\"default\":true", "");
    let wishes = wishes.replace(r#""image-family-azure-linux""#, r#""image-family-azure-linux","default":true"#);
    let another_default = NodeClasses::of(ClassKind::default(), &node_classes::parse(&wishes).unwrap());
    let settings = Settings { provisioner: NodeProvisioner::Karpenter(another_default), ..Settings::default() };
    assert_eq!(writes_to_pool(&world, &settings), [""; 0]);

    let mut named = value(&world, &root()).unwrap();
    named["metadata"]["annotations"]["kaito.sh/node-class-name"] = json!(other);
    world.put(&root(), &named).unwrap();
    render::settle(&mut world);
    assert_eq!((class(&world), state(&world)), (json!(other), json!("Ready")));
    assert_eq!(replicas(&world), Some(2));
}

#[test]
fn the_kind_of_a_class_never_changes_for_karpenter_refuses_that() {
    let of_kind = |group: &str, kind: &str| {
        let kind = ClassKind { group: group.to_owned(), kind: kind.to_owned(), ..ClassKind::default() };
        let classes = NodeClasses::of(kind, &node_classes::parse(golden::NODE_CLASSES).unwrap());
        Settings { provisioner: NodeProvisioner::Karpenter(classes), ..Settings::default() }
    };
    let mut world = World::installed(&of_kind("karpenter.k8s.aws", "EC2NodeClass"));
    let mut named = manifests::two_nodes("two");
    named["metadata"]["annotations"] = json!({annotations::NODE_CLASS_NAME: "image-family-ubuntu"});
    world.put(&root(), &named).unwrap();
    render::settle(&mut world);
    assert_eq!((replicas(&world), state(&world)), (Some(2), json!("Ready")));
    assert_eq!(writes_to_pool(&world, &of_kind("karpenter.example", "Machine")), [""; 0]);
}

#[test]
fn a_pool_is_not_lowered_while_a_claim_without_a_machine_goes_away() {
    let mut world = world();
    ask(&mut world);
    render::settle(&mut world);
    let settings = Settings { provisioner: golden::karpenter(), ..Settings::default() };
    let mut raised = value(&world, &pool()).unwrap();
    raised["spec"]["replicas"] = json!(5);
    world.put(&pool(), &raised).unwrap();
    assert_eq!(writes_to_pool(&world, &settings), ["apply"]);
    let refused = ObjectKey::cluster(Kind::NodeClaim, "default-two-refused");
    let whose = json!({
        labels::NODE_POOL: "default-two", labels::KARPENTER_WORKSPACE_NAME: "two", labels::KARPENTER_WORKSPACE_NAMESPACE: "default",
    });
    let claim = json!({
        "apiVersion": "karpenter.sh/v1", "kind": "NodeClaim",
        "metadata": {"name": refused.name.clone(), "labels": whose, "finalizers": ["karpenter.sh/termination"]},
        "spec": {"nodeClassRef": {"group": "g", "kind": "k", "name": "n"}, "requirements": []},
    });
    world.put(&refused, &claim).unwrap();
    world.delete(&refused).unwrap();
    assert_eq!(writes_to_pool(&world, &settings), [""; 0], "Karpenter counts it, and would take one that serves");
}
