//! A node that is short of something.

use super::{BAD, GOOD, is_ready, until_ready, world};
use kaito_core::memory::{Fate, PodFate};
use kaito_core::{Kind, ObjectKey};
use kaito_tests::manifests;
use kaito_tests::stage::{MemoryStage, Stage, condition};
use serde_json::json;

/// The only node says that it is short of something, or that it is not.
fn press(stage: &mut MemoryStage, type_: &str, status: &str) {
    let node = stage.list(Kind::Node).remove(0);
    let mut said = node["status"].clone();
    let conditions = said["conditions"].as_array_mut().unwrap();
    conditions.retain(|condition| condition["type"] != type_);
    conditions.push(
        json!({"type": type_, "status": status, "reason": "Kubelet", "message": "kubelet has insufficient room"}),
    );
    let key = ObjectKey::cluster(Kind::Node, node["metadata"]["name"].as_str().unwrap());
    let uid = node["metadata"]["uid"].as_str().unwrap().to_owned();
    let cluster = std::sync::Arc::clone(stage.world().cluster());
    cluster.with_store(|store| store.write_status(&key, &uid, None, &said).map(drop)).unwrap();
    // A write beside the world is heard of with the next one in it.
    stage.put(
        &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "touched"}, "data": {"by": status}}),
    );
    stage.remove(Kind::ConfigMap, "touched");
}

fn told(stage: &MemoryStage, workspace: &str) -> (String, String) {
    let (_, reason, words) = condition(stage, workspace, "InferenceReady").unwrap();
    (reason, words)
}

#[test]
fn pods_that_do_not_start_on_a_node_that_is_short_of_something_are_told_with_its_words() {
    for (type_, reason) in [("MemoryPressure", "NodeMemoryPressure"), ("DiskPressure", "NodeDiskPressure")] {
        let mut stage = world(&Fate { pods: PodFate::NeverReady, ..Fate::default() });
        stage.put(&manifests::phi_4_mini(BAD));
        let started = |stage: &dyn Stage| stage.get(Kind::Pod, "bad-0").is_some();
        (&mut stage as &mut dyn Stage).until("the pods are made", &started);
        assert_eq!(told(&stage, BAD).0, "WorkspaceInferenceStatusPending");
        press(&mut stage, type_, "True");
        (&mut stage as &mut dyn Stage).until_refused(BAD, "InferenceReady", reason, "insufficient room");
        press(&mut stage, type_, "False");
        let is_over = |stage: &dyn Stage| {
            condition(stage, BAD, "InferenceReady").is_some_and(|(_, why, _)| why == "WorkspaceInferenceStatusPending")
        };
        (&mut stage as &mut dyn Stage).until("it is gone when the cause is gone", &is_over);
    }
}

#[test]
fn a_model_that_answers_stays_ready_whatever_its_node_is_short_of() {
    let mut stage = world(&Fate::default());
    stage.put(&manifests::phi_4_mini(GOOD));
    until_ready(&mut stage, GOOD);
    press(&mut stage, "MemoryPressure", "True");
    (&mut stage as &mut dyn Stage).expect_quiet();
    assert!(is_ready(&stage, GOOD));
}
