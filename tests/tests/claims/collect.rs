//! What nobody claims: pools and Nodes of claims that are gone.

use super::{MACHINE, NAME, claim, key, node_key, running, stage_with, tried, workspace};
use jiff::SignedDuration;
use kaito_core::backend::{BackendError, ErrorKind};
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
        cloud.node_joins("n1", NAME, MACHINE);
        cloud.settle(&ClaimPlanner, &key());
        assert_eq!(cloud.has(&pool(NAME)), !goes, "{labels}");
    }
}

/// A claim with its pool, beside the one that is looked at.
fn put_another(cloud: &mut CloudByHand, stamp: &str, has_joined: bool) {
    let mut other = claim();
    other["metadata"]["name"] = json!("wsother");
    let registered = json!({"type": "Registered", "status": "True", "reason": "Registered", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"});
    other["status"] = json!({"conditions": if has_joined { json!([registered]) } else { json!([]) }});
    cloud.put(&other);
    let mut labels = ours();
    labels["kaito.sh/creation-timestamp"] = json!(stamp);
    cloud.put(&json!({
        "apiVersion": "cloud.kaito.sh/v1", "kind": "AgentPool", "metadata": {"name": "wsother", "labels": labels},
        "spec": {"size": "Standard_NC24ads_A100_v4"}, "status": {"state": "Succeeded"},
    }));
}

/// The pool says of which cluster it is: of this one, or another.
fn bear(cloud: &mut CloudByHand, other: Option<&str>) {
    let system = cloud.put(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system"}}));
    let uid = other.map_or_else(|| cloud.get(&system)["metadata"]["uid"].clone(), |uid| json!(uid));
    cloud.edit(&pool(NAME), |value| value["metadata"]["labels"]["kaito.sh/cluster-uid"] = uid);
}

/// What is said of the pool, and what else there is.
type Change = fn(&mut CloudByHand);

#[test]
fn a_pool_of_which_nothing_proves_that_it_is_this_clusters_stays() {
    let nothing: Change = |_| ();
    let node: Change = |cloud| drop(cloud.node_joins("n1", NAME, MACHINE));
    let workspace_of_the_pool: Change = |cloud| {
        let key = cloud.put(&workspace());
        let uid = cloud.get(&key)["metadata"]["uid"].clone();
        cloud.edit(&pool(NAME), |value| {
            value["metadata"]["labels"]["kaito.sh/workspacenamespace"] = json!("default");
            value["metadata"]["labels"]["kaito.sh/workspace-uid"] = uid;
        });
    };
    let workspace_of_its_name: Change = |cloud| {
        cloud.put(&workspace());
        cloud.edit(&pool(NAME), |value| {
            value["metadata"]["labels"]["kaito.sh/workspacenamespace"] = json!("default");
            value["metadata"]["labels"]["kaito.sh/workspace-uid"] = json!("of-another-cluster");
        });
    };
    let own_word: Change = |cloud| bear(cloud, None);
    let word_of_another: Change = |cloud| bear(cloud, Some("of-another-cluster"));
    let claim_with_its_machine: Change = |cloud| put_another(cloud, "2026-01-01T00-00-00Z", true);
    let claim_with_its_pool: Change = |cloud| put_another(cloud, "2026-01-01T00-00-00Z", false);
    let claim_with_the_pool_of_another: Change = |cloud| put_another(cloud, "2025-11-11T00-00-00Z", true);
    let everything_and_the_word_of_another: Change = |cloud| {
        put_another(cloud, "2026-01-01T00-00-00Z", true);
        cloud.node_joins("n1", NAME, MACHINE);
        bear(cloud, Some("of-another-cluster"));
    };
    for (what, change, goes) in [
        ("nothing", nothing, false),
        ("that it says so", own_word, true),
        ("that it names another cluster", word_of_another, false),
        ("a Node of it", node, true),
        ("its Workspace", workspace_of_the_pool, true),
        ("a Workspace of the name", workspace_of_its_name, false),
        ("that it names another cluster, whatever else there is", everything_and_the_word_of_another, false),
        ("a claim whose machine came out of the same cloud", claim_with_its_machine, true),
        ("a claim whose pool was only asked for there", claim_with_its_pool, false),
        ("a claim whose pool is not", claim_with_the_pool_of_another, false),
    ] {
        let mut cloud = left_behind(&ours());
        change(&mut cloud);
        for _ in 0..5 {
            cloud.settle(&ClaimPlanner, &key());
            cloud.wait(SignedDuration::from_hours(5));
        }
        assert_eq!(cloud.has(&pool(NAME)), !goes, "{what}");
    }
}

#[test]
fn a_pool_that_is_young_by_its_own_record_is_left_for_ten_minutes() {
    let mut labels = ours();
    labels["kaito.sh/creation-timestamp"] = json!("2026-01-01T00-00-00Z");
    let mut cloud = left_behind(&labels);
    cloud.node_joins("n1", NAME, MACHINE);
    cloud.wait(SignedDuration::from_secs(599));
    cloud.settle(&ClaimPlanner, &key());
    assert!(cloud.has(&pool(NAME)));
    cloud.wait(SignedDuration::from_secs(1));
    cloud.settle(&ClaimPlanner, &key());
    assert!(!cloud.has(&pool(NAME)));
}

#[test]
fn a_claim_whose_labels_are_edited_away_stays_ours_until_it_is_deleted() {
    for group in ["", "kaito.sh"] {
        let mut wanted = claim();
        wanted["spec"]["nodeClassRef"]["group"] = json!(group);
        let mut cloud = stage_with(&wanted);
        cloud.pools_succeed = true;
        cloud.node_joins("n1", NAME, MACHINE);
        cloud.settle(&ClaimPlanner, &key());
        cloud.edit(&key(), |value| value["metadata"]["labels"] = json!({}));
        cloud.wait(SignedDuration::from_hours(1));
        cloud.settle(&ClaimPlanner, &key());
        assert!(cloud.has(&pool(NAME)) && cloud.has(&key()), "{group:?}");
        cloud.delete(&key());
        cloud.settle(&ClaimPlanner, &key());
        assert_eq!([key(), node_key(), pool(NAME)].map(|key| cloud.has(&key)), [false; 3], "{group:?}");
    }
}

#[test]
fn a_pool_stays_while_any_claim_has_its_name() {
    let mut cloud = left_behind(&ours());
    let mut other = claim();
    other["metadata"]["labels"] = json!({});
    other["spec"]["nodeClassRef"] = json!({"group": "karpenter.azure.com", "kind": "AKSNodeClass", "name": "default"});
    cloud.put(&other);
    cloud.node_joins("n1", NAME, MACHINE);
    for _ in 0..3 {
        cloud.settle(&ClaimPlanner, &key());
        cloud.wait(SignedDuration::from_hours(1));
    }
    assert_eq!(cloud.tried, [""; 0]);
}

#[test]
fn a_node_that_only_karpenters_finalizer_marks_is_not_ours_to_free() {
    let mut cloud = CloudByHand::new("2026-01-01T00:00:00Z".parse().unwrap());
    let node = cloud.node_joins("n1", NAME, MACHINE);
    cloud.edit(&node, |value| value["metadata"]["finalizers"] = json!(["karpenter.sh/termination"]));
    cloud.settle(&ClaimPlanner, &key());
    assert_eq!(cloud.tried, [""; 0]);
    assert_eq!(ClaimPlanner.root_of(&Seen::decode(Kind::Node, cloud.get(&node))), None);
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
    cloud.wait(SignedDuration::from_mins(11));
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

#[test]
fn nothing_of_a_claim_that_was_torn_out_is_let_go_while_azure_does_not_answer() {
    let mut cloud = running();
    cloud.edit(&key(), |claim| claim["metadata"]["finalizers"] = json!([]));
    cloud.delete(&key());
    cloud.wait(SignedDuration::from_mins(11));
    cloud.silence = Some(BackendError::new(ErrorKind::Throttled, "HTTP 429"));
    cloud.settle(&ClaimPlanner, &key());
    assert!(cloud.has(&pool(NAME)) && cloud.has(&node_key()));
    cloud.silence = None;
    cloud.settle(&ClaimPlanner, &key());
    assert!(!cloud.has(&pool(NAME)) && !cloud.has(&node_key()));
}
