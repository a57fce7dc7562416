//! A Deployment that upstream made up to 0.7 gives way to a StatefulSet, when that can take its place and not before.

use kaito_core::Kind;
use kaito_tests::manifests;
use kaito_tests::stage::{MemoryStage, Operated, RealStage, Stage, condition, namespace_of};
use serde_json::{Value, json};

const NAME: &str = "phi";

/// A Workspace whose settings are not there yet, with the Deployment of an older version.
fn begin(world: &mut dyn Stage) -> String {
    let mut manifest = manifests::phi_4_mini(NAME);
    manifest["inference"]["config"] = json!("late");
    world.put(&manifest);
    world.until("it waits for its settings", &|world| refused(world));
    let uid = world.get(Kind::Workspace, NAME).unwrap()["metadata"]["uid"].as_str().unwrap().to_owned();
    let labels = json!({"kaito.sh/workspace": NAME});
    let owner = json!([{"apiVersion": "kaito.sh/v1alpha1", "kind": "Workspace", "name": NAME, "uid": uid, "controller": true, "blockOwnerDeletion": true}]);
    world.put(&json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": NAME, "ownerReferences": owner},
        "spec": {
            "replicas": 1, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": NAME, "image": "mcr.microsoft.com/aks/kaito/kaito-phi-3:0.0.1"}]}},
        },
    }));
    // What led to its pods in those versions.
    world.put(&json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": NAME, "ownerReferences": owner},
        "spec": {"selector": labels, "ports": [{"name": "http", "port": 80, "targetPort": 5000}]},
    }));
    uid
}

fn refused(world: &dyn Stage) -> bool {
    condition(world, NAME, "ResourceReady")
        .is_some_and(|(status, reason, _)| status == "False" && reason == "InferenceConfigNotUsable")
}

fn settings() -> Value {
    manifests::settings("late", "vllm: {}\n")
}

/// The Deployment stays, and what leads to it, for as long as nothing can take its place.
fn expect_kept(world: &mut dyn Stage) {
    world.expect_quiet();
    assert!(refused(world) && world.get(Kind::StatefulSet, NAME).is_none());
    assert!(world.get(Kind::Deployment, NAME).unwrap()["metadata"]["deletionTimestamp"].is_null());
    assert_eq!(world.get(Kind::Service, NAME).unwrap()["spec"]["selector"], json!({"kaito.sh/workspace": NAME}));
}

fn expect_moved(world: &mut dyn Stage) {
    world.until_ready(NAME);
    assert!(world.get(Kind::Deployment, NAME).is_none() && world.get(Kind::StatefulSet, NAME).is_some());
    let selector = &world.get(Kind::Service, NAME).unwrap()["spec"]["selector"];
    assert_eq!(selector["statefulset.kubernetes.io/pod-name"], format!("{NAME}-0"));
    assert_eq!((world.list(Kind::NodeClaim).len(), world.list(Kind::Pod).len()), (1, 1));
}

/// There is no Deployment controller in the memory world: its pod is put beside it, and taken away when it has gone.
fn begin_in_memory() -> MemoryStage {
    let mut stage = MemoryStage::new("s-move");
    begin(&mut stage);
    let owner =
        json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "phi-6c9f", "uid": "r", "controller": true}]);
    stage.put(&json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "phi-6c9f-x", "labels": {"kaito.sh/workspace": NAME}, "ownerReferences": owner},
        "spec": {"containers": [{"name": NAME, "image": "mcr.microsoft.com/aks/kaito/kaito-phi-3:0.0.1"}]},
    }));
    stage
}

fn expect_moved_in_memory(stage: &mut MemoryStage) {
    stage.until("the Deployment has gone", &|world| world.get(Kind::Deployment, NAME).is_none());
    assert_eq!(stage.list(Kind::NodeClaim).len(), 1, "its machine is there first");
    stage.remove(Kind::Pod, "phi-6c9f-x");
    expect_moved(stage);
}

#[test]
fn in_memory() {
    let mut stage = begin_in_memory();
    expect_kept(&mut stage);
    stage.put(&settings());
    expect_moved_in_memory(&mut stage);
}

#[test]
fn it_stays_while_a_service_that_its_successor_needs_is_somebody_elses() {
    let mut stage = begin_in_memory();
    stage.put(&json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "phi-headless"},
        "spec": {"clusterIP": "None", "selector": {"app": "theirs"}, "ports": [{"port": 80}]},
    }));
    stage.put(&settings());
    stage.pass_time();
    let (_, reason, words) = condition(&stage, NAME, "InferenceReady").unwrap();
    assert_eq!((reason.as_str(), words.contains("phi-headless")), ("NameTaken", true), "{words}");
    assert!(stage.get(Kind::Deployment, NAME).unwrap()["metadata"]["deletionTimestamp"].is_null());
    stage.remove(Kind::Service, "phi-headless");
    expect_moved_in_memory(&mut stage);
}

#[test]
fn it_stays_when_what_its_successor_needs_is_lost_while_the_machine_comes() {
    let mut stage = begin_in_memory();
    stage.put(&settings());
    stage.until("a machine is asked for", &|world| !world.list(Kind::NodeClaim).is_empty());
    stage.remove(Kind::ConfigMap, "late");
    expect_kept(&mut stage);
    stage.put(&settings());
    expect_moved_in_memory(&mut stage);
}

#[test]
fn a_deployment_that_never_goes_is_overdue_in_the_end() {
    let mut stage = begin_in_memory();
    stage.patch(Kind::Deployment, NAME, &json!({"metadata": {"finalizers": ["example.com/stays"]}}));
    stage.put(&settings());
    stage.until("it is told to go", &|world| {
        !world.get(Kind::Deployment, NAME).unwrap()["metadata"]["deletionTimestamp"].is_null()
    });
    stage.pass_time();
    let (.., words) = condition(&stage, NAME, "InferenceReady").unwrap();
    assert!(words.contains("the pods of Deployment phi are going away; overdue since"), "{words}");
}

#[test]
fn on_a_real_api_server() {
    let Some(operated) = Operated::shared() else { return };
    let namespace = namespace_of("migration");
    let mut stage = RealStage::new(operated, &namespace);
    begin(&mut stage);
    stage.until("its pod is there", &|world| !world.list(Kind::Pod).is_empty());
    expect_kept(&mut stage);
    stage.put(&settings());
    expect_moved(&mut stage);
    let reasons = operated
        .plane()
        .run(&["get", "events", "--namespace", &namespace, "--output=jsonpath={.items[*].reason}"])
        .unwrap();
    assert!(reasons.contains("WorkloadMigration"), "{reasons}");
    stage.clear();
}
