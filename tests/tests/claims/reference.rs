//! Lives of claims that the reference ends badly, and that are held by nothing else here.

use super::{MACHINE, NAME, claim, condition, key, node_key, running, stage_with, tried};
use jiff::SignedDuration;
use kaito_provisioner::ClaimPlanner;
use kaito_tests::cloud_by_hand::{CloudByHand, pool};
use serde_json::{Value, json};

fn joined(wanted: &Value) -> CloudByHand {
    let mut cloud = stage_with(wanted);
    cloud.pools_succeed = true;
    cloud.node_joins("n1", NAME, MACHINE);
    cloud.settle(&ClaimPlanner, &key());
    cloud
}

/// A claim that says for nobody it is: only its class makes it ours.
fn classed() -> CloudByHand {
    let mut wanted = claim();
    wanted["metadata"]["labels"] = json!({});
    joined(&wanted)
}

fn is_left(cloud: &CloudByHand) -> [bool; 3] {
    [key(), node_key(), pool(NAME)].map(|key| cloud.has(&key))
}

#[test]
fn a_claim_that_only_its_class_makes_ours_is_kept_while_its_node_is_away_for_a_while() {
    let mut cloud = classed();
    assert_eq!(condition(&cloud, "Ready")[0], "True");
    assert!(cloud.get(&pool(NAME))["metadata"]["labels"]["kaito.sh/kaitonodeclass"].is_string());
    let now = cloud.now().to_string();
    cloud.edit(&node_key(), |node| {
        node["status"]["conditions"] = json!([{"type": "Ready", "status": "Unknown", "lastTransitionTime": now}]);
    });
    for _ in 0..9 {
        cloud.wait(SignedDuration::from_mins(1));
        cloud.look(&ClaimPlanner, &key());
    }
    assert_eq!((is_left(&cloud), tried(&cloud, "delete")), ([true; 3], 0), "its pool is there: {:?}", cloud.tried);
    cloud.wait(SignedDuration::from_mins(2));
    cloud.settle(&ClaimPlanner, &key());
    assert_eq!(is_left(&cloud), [false; 3], "it is repaired as any other: {:?}", cloud.tried);
}

#[test]
fn a_claim_that_only_its_class_makes_ours_goes_with_its_node_and_its_node_with_it() {
    for doomed in [key(), node_key()] {
        let mut cloud = classed();
        cloud.delete(&doomed);
        cloud.settle(&ClaimPlanner, &key());
        assert_eq!(is_left(&cloud), [false; 3], "{doomed}: {:?}", cloud.tried);
    }
    // Its claim is gone by force, and the pool is found by what it bears.
    let mut cloud = classed();
    cloud.edit(&key(), |claim| claim["metadata"]["finalizers"] = json!([]));
    cloud.delete(&key());
    cloud.wait(SignedDuration::from_mins(10));
    cloud.settle(&ClaimPlanner, &key());
    assert_eq!(is_left(&cloud), [false; 3], "{:?}", cloud.tried);
}

#[test]
fn a_startup_taint_comes_with_the_registration_and_the_claim_waits_until_somebody_takes_it_away() {
    let mut wanted = claim();
    wanted["spec"]["startupTaints"] = json!([{"key": "example.com/agent", "effect": "NoSchedule"}]);
    let mut cloud = joined(&wanted);
    assert_eq!(cloud.get(&pool(NAME))["spec"]["taints"], json!(["sku=gpu:NoSchedule"]), "AKS would put it back");
    let taints = |cloud: &CloudByHand| cloud.get(&node_key())["spec"]["taints"].as_array().unwrap().clone();
    assert!(taints(&cloud).iter().any(|taint| taint["key"] == "example.com/agent"));
    let [status, reason, _] = condition(&cloud, "Initialized");
    assert_eq!([status.as_str(), reason.as_str()], ["Unknown", "StartupTaintsExist"]);
    cloud.edit(&node_key(), |node| node["spec"]["taints"] = json!([]));
    cloud.settle(&ClaimPlanner, &key());
    assert_eq!(condition(&cloud, "Ready")[0], "True");
    cloud.wait(SignedDuration::from_hours(1));
    cloud.settle(&ClaimPlanner, &key());
    assert!(taints(&cloud).is_empty(), "it does not come again");
}

#[test]
fn two_nodes_of_one_machine_are_told_and_forgotten_when_one_of_them_goes() {
    let mut cloud = running();
    let second = cloud.node_joins("n2", NAME, MACHINE);
    cloud.settle(&ClaimPlanner, &key());
    let [status, reason, _] = condition(&cloud, "Registered");
    assert_eq!([status.as_str(), reason.as_str()], ["False", "MultipleNodesFound"]);
    assert_eq!(is_left(&cloud), [true; 3]);
    cloud.delete(&second);
    cloud.settle(&ClaimPlanner, &key());
    assert_eq!([condition(&cloud, "Registered")[0].as_str(), condition(&cloud, "Ready")[0].as_str()], ["True"; 2]);
}

#[test]
fn the_image_of_a_machine_is_told_where_karpenter_tells_it() {
    let mut cloud = stage_with(&claim());
    cloud.look(&ClaimPlanner, &key());
    let image = "AKSUbuntu-2204gen2containerd-202601.01.0";
    cloud.edit(&pool(NAME), |pool| pool["status"] = json!({"state": "Succeeded", "image": image}));
    cloud.node_joins("n1", NAME, MACHINE);
    cloud.settle(&ClaimPlanner, &key());
    assert_eq!(cloud.get(&key())["status"]["imageID"], image);
}
