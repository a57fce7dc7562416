//! What nobody claims: pools and Nodes of claims that are gone.

use super::{MACHINE, NAME, claim, key, node_key, running, tried, workspace};
use jiff::SignedDuration;
use kaito_core::driver::Planner;
use kaito_core::snapshot::Answer;
use kaito_core::{Kind, ObjectKey, Read, Seen};
use kaito_provisioner::ClaimPlanner;
use kaito_tests::cloud_by_hand::{CloudByHand, pool};
use serde_json::{Value, json};

fn left_behind(labels: &Value) -> CloudByHand {
    let mut cloud = CloudByHand::new("2026-01-01T00:00:00Z".parse().unwrap());
    cloud.put(&json!({
        "apiVersion": "cloud.kaito.sh/v1", "kind": "AgentPool", "metadata": {"name": NAME, "labels": labels},
        "spec": {"size": "Standard_NC24ads_A100_v4"}, "status": {"state": "Succeeded"},
    }));
    cloud
}

fn ours() -> Value {
    json!({"kaito.sh/workspace": "phi", "karpenter.sh/nodepool": "kaito", "kaito.sh/creation-timestamp": "2025-12-31T00-00-00Z"})
}

#[test]
fn a_pool_whose_claim_is_gone_goes_and_others_stay() {
    for (labels, goes) in [
        (ours(), true),
        (json!({"kaito.sh/kaitonodeclass": "default", "karpenter.sh/nodepool": "kaito"}), true),
        (json!({"karpenter.sh/nodepool": "kaito"}), false),
        (json!({"kaito.sh/workspace": "phi"}), false),
        (json!({}), false),
    ] {
        let mut cloud = left_behind(&labels);
        cloud.settle(&ClaimPlanner, &key());
        assert_eq!(cloud.has(&pool(NAME)), !goes, "{labels}");
    }
}

#[test]
fn a_pool_whose_claim_the_cache_does_not_show_yet_stays() {
    let mut cloud = running();
    cloud.cached.insert(Read::object(key()), Answer::Object(None));
    cloud.wait(SignedDuration::from_hours(1));
    cloud.look(&ClaimPlanner, &key());
    assert_eq!(tried(&cloud, "delete"), 0);
}

#[test]
fn a_node_that_only_our_finalizer_holds_is_freed_when_its_pool_is_gone() {
    let mut cloud = running();
    cloud.edit(&key(), |value| value["metadata"]["finalizers"] = json!([]));
    cloud.delete(&key());
    assert!(!cloud.has(&key()));
    cloud.wait(SignedDuration::from_mins(1));
    cloud.settle(&ClaimPlanner, &key());
    assert!(!cloud.has(&pool(NAME)) && !cloud.has(&node_key()));
    let order: Vec<&str> = cloud.tried.iter().map(String::as_str).collect();
    assert_eq!(order, ["delete AgentPool ws0123456ab", "delete Node n1", "patch Node n1"]);
}

#[test]
fn a_node_of_another_provisioner_is_not_freed() {
    let mut cloud = CloudByHand::new("2026-01-01T00:00:00Z".parse().unwrap());
    let mut other = claim();
    other["metadata"]["labels"] = json!({});
    other["spec"]["nodeClassRef"] = json!({"group": "karpenter.azure.com", "kind": "AKSNodeClass", "name": "default"});
    cloud.put(&other);
    let node = cloud.node_joins("n1", NAME, MACHINE);
    cloud.edit(&node, |value| value["metadata"]["finalizers"] = json!(["karpenter.sh/termination"]));
    cloud.settle(&ClaimPlanner, &key());
    assert_eq!(cloud.tried, [""; 0]);
}

#[test]
fn what_belongs_to_a_claim_leads_to_it() {
    let mut cloud = running();
    let seen = |cloud: &CloudByHand, key: &ObjectKey| Seen::decode(key.kind, cloud.get(key));
    for found in [seen(&cloud, &pool(NAME)), seen(&cloud, &node_key())] {
        assert_eq!(ClaimPlanner.root_of(&found), Some(key()));
    }
    let stranger = cloud.node_joins("stranger", "nodepool1", "azure:///other/0");
    assert_eq!(ClaimPlanner.root_of(&seen(&cloud, &stranger)), None);
    assert_eq!(ClaimPlanner.root_of(&Seen::decode(Kind::Workspace, workspace())), None);
}
