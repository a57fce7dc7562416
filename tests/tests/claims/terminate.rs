//! A claim that is deleted gives everything back, in order, and asks the pods first.

use super::{
    MACHINE, NAME, claim, condition, key, looks, node_is, node_key, running, stage_with, takes_its_pool_along, tried,
};
use jiff::SignedDuration;
use kaito_core::backend::{BackendError, ErrorKind};
use kaito_core::plan::Wake;
use kaito_core::snapshot::Answer;
use kaito_core::{Kind, ObjectKey, Read, Seen};
use kaito_provisioner::ClaimPlanner;
use kaito_tests::cloud_by_hand::{CloudByHand, pool};
use serde_json::{Value, json};

fn put_pod(cloud: &mut CloudByHand, name: &str, annotations: &Value) -> ObjectKey {
    cloud.put(&json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default", "annotations": annotations},
        "spec": {"nodeName": "n1", "containers": [{"name": "a"}]}, "status": {"phase": "Running"},
    }))
}

fn refuse_evictions(cloud: &mut CloudByHand) {
    let words = "Cannot evict pod as it would violate the pod's disruption budget.";
    cloud.refusals.push(("evict", Kind::Pod, BackendError::new(ErrorKind::Throttled, words)));
}

#[test]
fn everything_goes_in_order() {
    let mut cloud = running();
    cloud.pools_linger = true;
    put_pod(&mut cloud, "web", &json!({}));
    cloud.delete(&key());
    looks(&mut cloud, 6);
    assert!(cloud.has(&key()) && cloud.has(&node_key()), "the pool is still there");
    cloud.delete(&pool(NAME));
    looks(&mut cloud, 2);
    let order: Vec<&str> = cloud.tried.iter().map(String::as_str).filter(|tried| !tried.contains("status")).collect();
    assert_eq!(
        order,
        [
            "delete Node n1",
            "patch Node n1",
            "evict Pod web",
            "delete AgentPool ws0123456ab",
            "patch Node n1",
            "patch NodeClaim ws0123456ab",
        ]
    );
    assert!(!cloud.has(&key()) && !cloud.has(&node_key()));
}

#[test]
fn a_node_that_is_emptied_takes_no_new_pods_and_no_requests() {
    let mut cloud = running();
    put_pod(&mut cloud, "web", &json!({"karpenter.sh/do-not-disrupt": "true"}));
    cloud.delete(&key());
    looks(&mut cloud, 3);
    let node = cloud.get(&node_key());
    assert_eq!(node["metadata"]["labels"]["node.kubernetes.io/exclude-from-external-load-balancers"], "karpenter");
    let taints = node["spec"]["taints"].as_array().unwrap();
    assert!(taints.iter().any(|taint| taint["key"] == "karpenter.sh/disrupted" && taint["effect"] == "NoSchedule"));
    assert!(taints.iter().any(|taint| taint["key"] == "sku"), "those of others stay");
    assert_eq!(tried(&cloud, "evict"), 0);
    assert!(condition(&cloud, "Drained")[2].contains("Pod default/web must not be disrupted"));
}

#[test]
fn a_budget_that_refuses_is_told_and_ends_with_the_grace_period() {
    for (said, minutes) in [(None, 60), (Some("30m"), 30)] {
        let mut wanted = claim();
        if let Some(said) = said {
            wanted["spec"]["terminationGracePeriod"] = json!(said);
        }
        let mut cloud = stage_with(&wanted);
        cloud.pools_succeed = true;
        cloud.node_joins("n1", NAME, super::MACHINE);
        cloud.settle(&ClaimPlanner, &key());
        put_pod(&mut cloud, "web", &json!({}));
        refuse_evictions(&mut cloud);
        cloud.delete(&key());
        looks(&mut cloud, 6);
        let [status, reason, message] = condition(&cloud, "Drained");
        assert_eq!([status.as_str(), reason.as_str()], ["Unknown", "Draining"]);
        assert!(message.contains("Pod default/web: Cannot evict pod"), "{message}");
        let warnings = cloud.notices.iter().filter(|notice| notice.reason == "FailedDraining").count();
        assert_eq!(warnings, 1, "told once, not at every look");
        cloud.wait(SignedDuration::from_mins(minutes - 2));
        looks(&mut cloud, 1);
        assert!(cloud.has(&pool(NAME)), "{said:?}");
        cloud.wait(SignedDuration::from_mins(2));
        looks(&mut cloud, 3);
        assert!(!cloud.has(&pool(NAME)) && !cloud.has(&key()), "{said:?}");
    }
}

#[test]
fn a_pool_that_the_cloud_does_not_delete_keeps_the_claim_and_says_why() {
    let mut cloud = running();
    cloud.refusals.push(("delete", Kind::AgentPool, BackendError::new(ErrorKind::Forbidden, "ScopeLocked: a lock")));
    cloud.delete(&key());
    looks(&mut cloud, 6);
    assert!(cloud.has(&key()) && cloud.has(&node_key()));
    let message = &condition(&cloud, "InstanceTerminating")[2];
    assert!(message.contains("ScopeLocked: a lock") && message.contains("next: "), "{message}");
    cloud.refusals.clear();
    looks(&mut cloud, 4);
    assert!(!cloud.has(&key()) && !cloud.has(&node_key()));
}

#[test]
fn a_deletion_that_fails_is_begun_again_and_told_in_the_clouds_words_meanwhile() {
    let mut cloud = running();
    cloud.pools_linger = true;
    cloud.delete(&key());
    looks(&mut cloud, 6);
    cloud.pool_is(NAME, "Failed", Some(("ScopeLocked", "the group is locked")));
    for _ in 0..3 {
        looks(&mut cloud, 1);
        let message = &condition(&cloud, "InstanceTerminating")[2];
        assert!(message.contains("ScopeLocked: the group is locked") && message.contains("next: "), "{message}");
    }
    assert_eq!(cloud.get(&pool(NAME))["status"]["state"], "Deleting");
    assert_eq!(tried(&cloud, "delete AgentPool"), 2);
}

#[test]
fn a_claim_that_is_deleted_while_its_pool_is_being_made_takes_the_pool_along() {
    let mut cloud = stage_with(&claim());
    cloud.look(&ClaimPlanner, &key());
    takes_its_pool_along(&mut cloud);
}

#[test]
fn an_old_cache_of_a_claim_that_is_gone_takes_nothing_from_the_next_one_of_its_name() {
    let mut cloud = running();
    cloud.delete(&key());
    let dying = Seen::decode(Kind::NodeClaim, cloud.get(&key()));
    cloud.settle(&ClaimPlanner, &key());
    cloud.wait(SignedDuration::from_mins(1));
    cloud.put(&claim());
    cloud.node_joins("n1", NAME, MACHINE);
    cloud.settle(&ClaimPlanner, &key());
    assert_eq!(condition(&cloud, "Ready")[0], "True");
    cloud.take_tried();
    cloud.cached.insert(Read::object(key()), Answer::Object(Some(dying)));
    looks(&mut cloud, 4);
    assert_eq!(cloud.take_tried(), [""; 0]);
}

#[test]
fn a_budget_that_refuses_is_waited_for_and_slows_nothing_down() {
    let mut cloud = running();
    put_pod(&mut cloud, "web", &json!({}));
    refuse_evictions(&mut cloud);
    cloud.delete(&key());
    looks(&mut cloud, 4);
    let report = cloud.look(&ClaimPlanner, &key());
    assert_eq!((report.errors, report.wake), (Vec::new(), Wake::After(SignedDuration::from_secs(5))));
    // Another kind of refusal is a failure like any other.
    cloud.refusals = vec![("evict", Kind::Pod, BackendError::new(ErrorKind::Forbidden, "no"))];
    assert_eq!(cloud.look(&ClaimPlanner, &key()).errors.len(), 1);
}

#[test]
fn pods_that_the_cluster_needs_leave_after_the_others() {
    let mut cloud = running();
    let critical = put_pod(&mut cloud, "dns", &json!({}));
    cloud.edit(&critical, |value| value["spec"]["priorityClassName"] = json!("system-cluster-critical"));
    put_pod(&mut cloud, "web", &json!({}));
    refuse_evictions(&mut cloud);
    cloud.delete(&key());
    looks(&mut cloud, 4);
    assert_eq!(tried(&cloud, "evict Pod dns"), 0, "{:?}", cloud.tried);
    cloud.refusals.clear();
    looks(&mut cloud, 4);
    let order: Vec<String> = cloud.take_tried().into_iter().filter(|tried| tried.starts_with("evict")).collect();
    assert_eq!(order.last().map(String::as_str), Some("evict Pod dns"), "{order:?}");
}

#[test]
fn a_repair_that_did_not_happen_takes_no_time_from_the_pods_when_the_claim_goes_later() {
    let mut cloud = running();
    node_is(&mut cloud, &node_key(), "Unknown");
    cloud.wait(SignedDuration::from_mins(10));
    assert!(cloud.look_until(&ClaimPlanner, &key(), 1).is_none(), "the process dies before it deletes the claim");
    node_is(&mut cloud, &node_key(), "True");
    cloud.wait(SignedDuration::from_hours(24));
    cloud.settle(&ClaimPlanner, &key());
    put_pod(&mut cloud, "web", &json!({"karpenter.sh/do-not-disrupt": "true"}));
    cloud.delete(&key());
    for minutes in [30, 29] {
        looks(&mut cloud, 4);
        assert!(cloud.has(&pool(NAME)), "pods have an hour: {:?}", cloud.tried);
        cloud.wait(SignedDuration::from_mins(minutes));
    }
    cloud.wait(SignedDuration::from_mins(1));
    looks(&mut cloud, 4);
    assert!(!cloud.has(&pool(NAME)));
}

#[test]
fn a_pool_that_only_the_cache_has_lost_is_given_back_before_the_claim_is_let_go() {
    let mut cloud = running();
    cloud.pools_linger = true;
    cloud.cached.insert(Read::object(pool(NAME)), Answer::Object(None));
    cloud.delete(&key());
    looks(&mut cloud, 6);
    assert!(cloud.has(&key()) && cloud.has(&node_key()), "its pool is there");
    assert_eq!(cloud.get(&pool(NAME))["status"]["state"], "Deleting");
}

#[test]
fn a_pod_that_cannot_be_read_is_waited_for_as_any_other() {
    let mut cloud = running();
    let odd = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "odd", "namespace": "default"},
        "spec": {"nodeName": "n1", "containers": "x"},
    });
    let odd = Answer::List(vec![Seen::decode(Kind::Pod, odd)]);
    cloud.cached.insert(Read::PodsOn { node: "n1".into() }, odd);
    cloud.delete(&key());
    looks(&mut cloud, 6);
    assert!(cloud.has(&pool(NAME)));
    let [.., told] = condition(&cloud, "Drained");
    assert!(told.contains("cannot be read"), "{told}");
    cloud.wait(SignedDuration::from_hours(1));
    looks(&mut cloud, 3);
    assert!(!cloud.has(&pool(NAME)));
}
