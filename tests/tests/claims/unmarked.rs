//! A pool whose labels somebody has replaced in Azure, so that nothing says any more for whom it was made.

use super::{NAME, condition, is_going, key, node_is, node_key, running_on, tried};
use jiff::SignedDuration;
use kaito_core::ObjectKey;
use kaito_provisioner::ClaimPlanner;
use kaito_tests::cloud_by_hand::{CloudByHand, pool};
use serde_json::{Value, json};

/// A machine that says of which pool it is.
const MACHINE: &str = "azure:///subscriptions/s/resourceGroups/MC/providers/Microsoft.Compute/virtualMachineScaleSets/aks-ws0123456ab-20562481-vmss/virtualMachines/0";
const MISSING: [&str; 3] =
    ["karpenter.sh/nodepool=kaito", "kaito.sh/workspace=phi", "kaito.sh/creation-timestamp=2026"];

fn labelled(cloud: &mut CloudByHand, labels: &Value) {
    cloud.edit(&pool(NAME), |value| value["metadata"]["labels"] = labels.clone());
}

/// A claim that runs, and whose pool has other labels now; and those that it had.
fn unmarked() -> (CloudByHand, Value) {
    let mut cloud = running_on(MACHINE);
    let labels = cloud.get(&pool(NAME))["metadata"]["labels"].clone();
    labelled(&mut cloud, &json!({"team": "a"}));
    cloud.settle(&ClaimPlanner, &key());
    cloud.take_tried();
    (cloud, labels)
}

fn is_explained(cloud: &CloudByHand, type_: &str, reason: &str) {
    let [_, told, message] = condition(cloud, type_);
    assert_eq!(told, reason);
    for words in MISSING {
        assert!(message.contains(words), "{message}");
    }
    assert!(message.contains("; next: "), "{message}");
}

#[test]
fn a_launched_claim_whose_pool_has_lost_its_labels_keeps_what_it_has_and_says_which_to_put_back() {
    type Trouble = fn(&mut CloudByHand);
    let nothing: Trouble = |_| ();
    let silent: Trouble = |cloud| node_is(cloud, &node_key(), "Unknown");
    let deleted: Trouble = |cloud| cloud.delete(&node_key());
    for (what, trouble) in [("nothing", nothing), ("silent", silent), ("deleted", deleted)] {
        let (mut cloud, labels) = unmarked();
        is_explained(&cloud, "NodeHealthy", "PoolUnmarked");
        trouble(&mut cloud);
        for _ in 0..4 {
            cloud.wait(SignedDuration::from_mins(25));
            cloud.settle(&ClaimPlanner, &key());
        }
        assert!(!is_going(&cloud) && cloud.has(&pool(NAME)) && cloud.has(&node_key()), "{what}");
        assert_eq!((tried(&cloud, "create"), tried(&cloud, "delete")), (0, 0), "{what}");
        is_explained(&cloud, "NodeHealthy", "PoolUnmarked");
        let message = &condition(&cloud, "NodeHealthy")[2];
        assert!(message.contains("; remedy: ") && message.contains("az aks nodepool update"), "{message}");
        labelled(&mut cloud, &labels);
        cloud.look(&ClaimPlanner, &key());
        match what {
            "nothing" => assert_eq!(condition(&cloud, "NodeHealthy")[0], "True"),
            "silent" => assert_eq!(condition(&cloud, "NodeHealthy")[1], "NodeComing"),
            _ => assert!(is_going(&cloud), "who deletes the node means the machine"),
        }
    }
}

#[test]
fn a_claim_whose_pool_has_lost_its_labels_is_replaced_when_that_pool_is_gone() {
    let (mut cloud, _) = unmarked();
    node_is(&mut cloud, &node_key(), "Unknown");
    cloud.delete(&pool(NAME));
    cloud.look(&ClaimPlanner, &key());
    assert!(is_going(&cloud));
}

#[test]
fn a_claim_that_is_deleted_is_drained_and_waits_until_the_labels_are_back_or_the_pool_is_gone() {
    for comes_back in [true, false] {
        let (mut cloud, labels) = unmarked();
        let pod = ObjectKey::new(kaito_core::Kind::Pod, "default", "p");
        cloud.put(&json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"}, "spec": {"nodeName": "n1", "containers": []}}));
        cloud.delete(&key());
        for _ in 0..3 {
            cloud.look(&ClaimPlanner, &key());
            cloud.wait(SignedDuration::from_secs(10));
        }
        assert!(tried(&cloud, "evict Pod p") > 0, "{:?}", cloud.tried);
        if cloud.has(&pod) {
            cloud.delete(&pod);
        }
        for _ in 0..4 {
            cloud.settle(&ClaimPlanner, &key());
            cloud.wait(SignedDuration::from_mins(25));
        }
        assert_eq!(tried(&cloud, "delete AgentPool"), 0, "it may be somebody else's");
        assert!(cloud.has(&key()) && cloud.has(&node_key()) && cloud.has(&pool(NAME)));
        is_explained(&cloud, "InstanceTerminating", "InstanceTerminating");
        let message = &condition(&cloud, "InstanceTerminating")[2];
        assert!(message.contains("; overdue since ") && message.contains("; remedy: "), "{message}");
        if comes_back {
            labelled(&mut cloud, &labels);
        } else {
            cloud.delete(&pool(NAME));
        }
        for _ in 0..3 {
            cloud.look(&ClaimPlanner, &key());
        }
        assert_eq!([key(), node_key(), pool(NAME)].map(|key| cloud.has(&key)), [false; 3], "{comes_back}");
    }
}

#[test]
fn the_machine_of_whoever_has_taken_the_name_is_never_taken_for_ours() {
    let (mut cloud, _) = unmarked();
    cloud.free(&node_key());
    cloud.delete(&node_key());
    let theirs = cloud.node_joins("theirs", NAME, &MACHINE.replace("20562481", "99999999"));
    let before = cloud.get(&theirs);
    cloud.settle(&ClaimPlanner, &key());
    assert_eq!(cloud.get(&key())["status"]["providerID"], MACHINE);
    cloud.delete(&key());
    for _ in 0..6 {
        cloud.look(&ClaimPlanner, &key());
    }
    assert_eq!((cloud.get(&theirs), tried(&cloud, "delete Node")), (before, 0));
}
