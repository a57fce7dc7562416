//! Weights on the local disk of a node: the claim of the disk is given up with the node, and with nothing less.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use kaito_core::memory::World;
use kaito_core::{Kind, NodeProvisioner, ObjectKey, Seen, Settings};
use kaito_tests::stage::{Clouds, MemoryStage, Operated, RealStage, Stage, namespace_of};
use kaito_tests::{by_hand, golden, manifests};
use serde_json::{Value, json};

const NAME: &str = "phi";
const CLAIM: &str = "model-weights-volume-phi-0";
const EVENT: &str = "LocalDiskGivenUp";
const SELECTED: &str = "volume.kubernetes.io/selected-node";

/// A model on a machine with local disks.
fn manifest() -> Value {
    manifests::preset(NAME, "phi-4-mini-instruct", "Standard_NC24ads_A100_v4")
}

fn node_of(object: &Value) -> Option<String> {
    object["metadata"]["annotations"][SELECTED].as_str().map(str::to_owned)
}

fn claim(stage: &dyn Stage) -> Option<Value> {
    stage.get(Kind::PersistentVolumeClaim, CLAIM)
}

fn uid(object: &Value) -> String {
    object["metadata"]["uid"].as_str().unwrap().to_owned()
}

/// The machine goes: its NodeClaim is deleted, as a provisioner does with one whose machine is lost.
fn lose_the_machine(stage: &mut MemoryStage, node: &str) {
    let claims = stage.world().cluster().with_store(|store| {
        let claims = store.iter().filter(|(key, _)| key.kind == Kind::NodeClaim);
        claims.map(|(_, value)| value.clone()).collect::<Vec<_>>()
    });
    stage.remove(Kind::NodeClaim, of_node(&claims, node));
    stage.until("it is gone", &|stage| stage.get(Kind::Node, node).is_none());
}

fn of_node<'a>(claims: &'a [Value], node: &str) -> &'a str {
    let found = claims.iter().find(|claim| claim["status"]["nodeName"] == node).unwrap();
    found["metadata"]["name"].as_str().unwrap()
}

/// Another machine is there, and the weights are brought to its disk.
fn expect_served_elsewhere(stage: &mut dyn Stage, before: &Value) {
    let is_another = |stage: &dyn Stage| {
        let after = claim(stage).filter(|after| uid(after) != uid(before));
        after.and_then(|after| node_of(&after)).is_some_and(|node| stage.get(Kind::Node, &node).is_some())
    };
    stage.until("the claim is another one, on a node that is there", &is_another);
    stage.until_ready(NAME);
}

fn world(provisioner: NodeProvisioner) -> MemoryStage {
    let mut stage = MemoryStage::of(World::installed(&Settings { provisioner, ..Settings::default() }));
    stage.put(&manifest());
    (&mut stage as &mut dyn Stage).until_ready(NAME);
    stage
}

fn begin() -> MemoryStage {
    world(NodeProvisioner::default())
}

#[test]
fn the_disk_of_a_node_that_is_gone_is_given_up_and_the_model_is_served_from_another() {
    // One gives the next machine another name, the other the same.
    for provisioner in [golden::karpenter(), NodeProvisioner::default()] {
        let mut stage = world(provisioner);
        let before = claim(&stage).unwrap();
        let lost = node_of(&before).unwrap();
        lose_the_machine(&mut stage, &lost);
        expect_served_elsewhere(&mut stage, &before);
        let told = stage.world().cluster().events();
        let told: Vec<String> =
            told.into_iter().filter(|event| event.notice.reason == EVENT).map(|event| event.notice.note).collect();
        let [note] = told.as_slice() else { panic!("once: {told:?}") };
        assert!(note.contains(CLAIM) && note.contains(&lost), "{note}");
        (&mut stage as &mut dyn Stage).expect_quiet();
    }
}

/// What is deleted in a cluster with these objects.
fn deleted(objects: &[Seen]) -> Vec<String> {
    let root = ObjectKey::new(Kind::Workspace, "default", NAME);
    let now = "2026-01-02T00:00:00Z".parse().unwrap();
    let plan = by_hand::plan(objects, &root, now, &Settings::default());
    let effects = plan.steps.iter().map(|step| &step.effect).filter(|effect| effect.verb() == "delete");
    effects.map(|effect| effect.key().name.clone()).collect()
}

fn contents(stage: &mut MemoryStage) -> Vec<(Kind, Value)> {
    stage.world().cluster().with_store(|store| store.iter().map(|(key, value)| (key.kind, value.clone())).collect())
}

fn objects(there: &[(Kind, Value)]) -> Vec<Seen> {
    there.iter().map(|(kind, value)| Seen::decode(*kind, value.clone())).collect()
}

/// No pod has a node.
fn unscheduled(there: &mut [(Kind, Value)]) {
    let waits = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/0 nodes are available"});
    for (_, pod) in there.iter_mut().filter(|(kind, _)| *kind == Kind::Pod) {
        pod["spec"].as_object_mut().unwrap().remove("nodeName");
        pod["status"] = json!({"phase": "Pending", "conditions": [waits]});
    }
}

#[test]
fn a_disk_is_kept_while_its_machine_is_claimed_however_long_its_node_is_not_seen() {
    let mut stage = begin();
    let mut there = contents(&mut stage);
    // A cluster that wakes up has no Nodes for a while (kaito#2075), and its pods are taken away.
    there.retain(|(kind, _)| *kind != Kind::Node);
    unscheduled(&mut there);
    assert_eq!(deleted(&objects(&there)), [""; 0]);
    there.retain(|(kind, _)| *kind != Kind::NodeClaim);
    assert_eq!(deleted(&objects(&there)), [CLAIM]);
}

#[test]
fn the_disk_of_a_node_that_another_pod_of_the_set_has_is_given_up() {
    // Both machines were lost, the next ones have the names of the former, and the other pod was first.
    let mut stage = MemoryStage::new("default");
    stage.put(&manifests::preset(NAME, "mistralai/Mistral-Small-4-119B-2603-NVFP4", "Standard_NC24ads_A100_v4"));
    (&mut stage as &mut dyn Stage).until_ready(NAME);
    let taken = node_of(&stage.get(Kind::PersistentVolumeClaim, "model-weights-volume-phi-1").unwrap());
    stage.patch(Kind::PersistentVolumeClaim, CLAIM, &json!({"metadata": {"annotations": {SELECTED: taken}}}));
    let before = claim(&stage).unwrap();
    stage.remove(Kind::Pod, "phi-0");
    expect_served_elsewhere(&mut stage, &before);
    assert_ne!(node_of(&claim(&stage).unwrap()), taken);
}

#[test]
fn the_disks_of_all_machines_that_are_gone_are_given_up_in_one_look_however_many_there_are() {
    let mut stage = begin();
    let mut there = contents(&mut stage);
    there.retain(|(kind, _)| ![Kind::Node, Kind::NodeClaim].contains(kind));
    unscheduled(&mut there);
    // As if the set had many more pods.
    for (kind, name) in [(Kind::Pod, "phi-0"), (Kind::PersistentVolumeClaim, CLAIM)] {
        let (_, first) = there.iter().find(|(of, value)| *of == kind && value["metadata"]["name"] == name).unwrap();
        let mut first = first.clone();
        for index in 1..9 {
            first["metadata"]["name"] = json!(name.replace("-0", &format!("-{index}")));
            first["metadata"]["annotations"][SELECTED] = json!(format!("gone-{index}"));
            there.push((kind, first.clone()));
        }
    }
    assert_eq!(deleted(&objects(&there)).len(), 9);
}

/// What is done to a world.
type Change = fn(&mut MemoryStage);

/// What keeps a claim although its pod finds no node.
#[test]
fn a_disk_is_not_given_up_that_is_there_or_is_none_of_ours() {
    let stories: [(&str, Change); 4] = [
        ("the node is there, and takes no pods", |_| {}),
        ("the claim is somebody else's", |stage| {
            let patch =
                json!({"metadata": {"labels": {"kaito.sh/workspace": null}, "annotations": {SELECTED: "gone"}}});
            stage.patch(Kind::PersistentVolumeClaim, CLAIM, &patch);
        }),
        ("the disk is not of the class of local ones", |stage| {
            let patch =
                json!({"metadata": {"annotations": {SELECTED: "gone"}}, "spec": {"storageClassName": "managed-csi"}});
            stage.patch(Kind::PersistentVolumeClaim, CLAIM, &patch);
        }),
        ("no node was chosen for it yet", |stage| {
            stage.patch(Kind::PersistentVolumeClaim, CLAIM, &json!({"metadata": {"annotations": {SELECTED: null}}}));
        }),
    ];
    for (story, change) in stories {
        let mut stage = begin();
        let node = node_of(&claim(&stage).unwrap()).unwrap();
        change(&mut stage);
        let kept = uid(&claim(&stage).unwrap());
        stage.patch(Kind::Node, &node, &json!({"spec": {"unschedulable": true}}));
        stage.remove(Kind::Pod, "phi-0");
        stage.pass_time();
        let pod = stage.get(Kind::Pod, "phi-0").unwrap();
        assert_eq!(pod["status"]["conditions"][0]["reason"], "Unschedulable", "{story}");
        assert_eq!(claim(&stage).map(|claim| uid(&claim)), Some(kept), "{story}");
    }
}

/// What the driver of local disks does: the disk comes to be on the node that the scheduler has chosen.
fn bring_the_disk(operated: &Operated, stage: &mut RealStage, but: Option<&str>) -> Value {
    let chosen = |stage: &dyn Stage| claim(stage).filter(|found| node_of(found).is_some_and(|node| but != Some(&node)));
    stage.until("the scheduler has chosen a node for the disk", &|stage| chosen(stage).is_some());
    let found = chosen(stage).unwrap();
    let reach = json!([{"key": "kubernetes.io/hostname", "operator": "In", "values": [node_of(&found)]}]);
    let disk = json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": format!("disk-{}", uid(&found))},
        "spec": {
            "capacity": found["spec"]["resources"]["requests"], "accessModes": ["ReadWriteOnce"], "storageClassName": found["spec"]["storageClassName"],
            "persistentVolumeReclaimPolicy": "Retain", "local": {"path": "/mnt/nvme"},
            "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": stage.namespace(), "name": CLAIM, "uid": uid(&found)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": reach}]}},
        },
    });
    operated.plane().apply_text(&disk.to_string()).expect("the API server takes it");
    found
}

#[test]
fn on_a_real_api_server_the_disk_is_given_up_with_its_node_under_the_generated_role() {
    let settings = Settings { provisioner: golden::karpenter(), ..Settings::default() };
    let Some(operated) = Operated::in_clouds(Clouds::new(), &settings) else { return };
    let operated: &'static Operated = Box::leak(Box::new(operated));
    let mut stage = RealStage::new(operated, &namespace_of("local disks"));
    stage.put(&manifest());
    let before = bring_the_disk(operated, &mut stage, None);
    (&mut stage as &mut dyn Stage).until_ready(NAME);
    let lost = node_of(&before).unwrap();
    let kubectl = |arguments: &[&str]| operated.plane().run(arguments).expect("the API server takes it");
    let claims: Value = serde_json::from_str(&kubectl(&["get", "nodeclaims", "--output=json"])).unwrap();
    kubectl(&["delete", "nodeclaim", of_node(claims["items"].as_array().unwrap(), &lost)]);
    stage.until("its node is gone", &|stage| stage.get(Kind::Node, &lost).is_none());
    // A cluster takes away the pods of a node that is gone, after a minute; so long nobody waits here.
    let namespace = stage.namespace().to_owned();
    kubectl(&["delete", "pod", "phi-0", "--namespace", &namespace, "--force", "--grace-period=0"]);
    bring_the_disk(operated, &mut stage, Some(&lost));
    expect_served_elsewhere(&mut stage, &before);
    stage.clear();
}
