//! A machine is asked for, comes, and is the claim's.

use super::{MACHINE, NAME, claim, condition, key, looks, node_key, nodes, running, stage, stage_with, tried};
use jiff::SignedDuration;
use kaito_core::Kind;
use kaito_core::backend::{BackendError, ErrorKind};
use kaito_core::plan::Wake;
use kaito_provisioner::ClaimPlanner;
use kaito_tests::cloud_by_hand::pool;
use serde_json::json;

const RECORD: &str = "kaito.sh/agent-pool-launch";

#[test]
fn a_claim_is_held_and_written_down_before_its_pool_is_asked_for() {
    let mut cloud = stage();
    let report = cloud.look(&ClaimPlanner, &key());
    assert_eq!(
        cloud.take_tried(),
        [
            format!("patch NodeClaim {NAME}"),
            format!("create AgentPool {NAME}"),
            format!("patch status NodeClaim {NAME}")
        ]
    );
    let claim = cloud.get(&key());
    assert_eq!(claim["metadata"]["finalizers"], json!(["karpenter.sh/termination"]));
    let record = claim["metadata"]["annotations"][RECORD].as_str().unwrap();
    assert!(record.contains("\"startedAt\":\"2026-01-01T00:00:00Z\"") && !record.contains("http"), "{record}");
    assert_eq!(cloud.get(&pool(NAME))["spec"]["size"], "Standard_NC24ads_A100_v4");
    let [status, reason, message] = condition(&cloud, "Launched");
    assert_eq!([status.as_str(), reason.as_str()], ["Unknown", "AwaitingReconciliation"]);
    assert!(message.contains("is being made; next: ") && message.ends_with("until 2026-01-01T00:30:00Z"), "{message}");
    assert_eq!(report.wake, Wake::After(SignedDuration::from_secs(10)));
}

#[test]
fn a_pool_bears_the_uid_of_its_cluster_and_its_claim_does_not() {
    let mut cloud = stage();
    let system = cloud.put(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system"}}));
    let uid = cloud.get(&system)["metadata"]["uid"].clone();
    cloud.look(&ClaimPlanner, &key());
    assert_eq!(cloud.get(&pool(NAME))["metadata"]["labels"]["kaito.sh/cluster-uid"], uid);
    cloud.pool_is(NAME, "Succeeded", None);
    cloud.node_joins("n1", NAME, MACHINE);
    cloud.settle(&ClaimPlanner, &key());
    let claimed = cloud.get(&key())["metadata"]["labels"].clone();
    assert!(claimed["kaito.sh/machine-type"].is_string(), "it has the others: {claimed}");
    assert!(claimed["kaito.sh/cluster-uid"].is_null(), "{claimed}");
}

#[test]
fn nothing_is_written_while_a_pool_is_being_made_and_its_wait_is_told_when_it_is_overdue() {
    let mut cloud = stage();
    cloud.look(&ClaimPlanner, &key());
    cloud.take_tried();
    for state in ["Creating", "Updating", "Creating"] {
        cloud.pool_is(NAME, state, None);
        cloud.wait(SignedDuration::from_mins(9));
        cloud.look(&ClaimPlanner, &key());
    }
    assert_eq!(cloud.take_tried(), [""; 0]);
    cloud.wait(SignedDuration::from_mins(3));
    cloud.look(&ClaimPlanner, &key());
    let [_, reason, message] = condition(&cloud, "Launched");
    assert_eq!(reason, "AwaitingReconciliation");
    assert!(
        message.contains("; overdue since 2026-01-01T00:30:00Z; next: ") && message.contains("remedy: "),
        "{message}"
    );
    assert!(cloud.has(&pool(NAME)));
}

#[test]
fn a_machine_that_comes_makes_the_claim_ready_and_then_nothing_is_written_any_more() {
    let mut cloud = running();
    let claim = cloud.get(&key());
    assert_eq!(claim["status"]["providerID"], MACHINE);
    assert_eq!(claim["status"]["nodeName"], "n1");
    assert_eq!(claim["status"]["allocatable"], json!({"cpu": "24"}));
    assert_eq!(claim["metadata"]["labels"]["node.kubernetes.io/instance-type"], "Standard_NC24ads_A100_v4");
    assert!(claim["metadata"]["annotations"].get(RECORD).is_none());
    let node = cloud.get(&node_key());
    assert_eq!(node["metadata"]["labels"]["karpenter.sh/initialized"], "true");
    assert_eq!(node["metadata"]["ownerReferences"][0]["uid"], claim["metadata"]["uid"]);
    cloud.wait(SignedDuration::from_hours(5));
    let report = cloud.look(&ClaimPlanner, &key());
    assert_eq!((cloud.take_tried(), report.wake), (Vec::<String>::new(), Wake::OnChange));
}

#[test]
fn labels_of_the_machine_are_taken_over_though_their_first_write_fails() {
    let mut cloud = stage();
    cloud.look(&ClaimPlanner, &key());
    cloud.pool_is(NAME, "Succeeded", None);
    cloud.node_joins("n1", NAME, MACHINE);
    let error = BackendError::new(ErrorKind::Unavailable, "etcdserver: request timed out");
    cloud.refusals.push(("patch", Kind::NodeClaim, error));
    cloud.look(&ClaimPlanner, &key());
    assert_eq!(condition(&cloud, "Launched")[0], "True");
    cloud.refusals.clear();
    cloud.settle(&ClaimPlanner, &key());
    let labels = &cloud.get(&key())["metadata"]["labels"];
    assert_eq!(
        (&labels["node.kubernetes.io/instance-type"], &labels["kaito.sh/machine-type"]),
        (&json!("Standard_NC24ads_A100_v4"), &json!("gpu"))
    );
    assert_eq!(condition(&cloud, "Ready")[0], "True");
}

#[test]
fn a_pool_whose_node_does_not_join_stays() {
    let mut cloud = stage();
    cloud.pools_succeed = true;
    for _ in 0..20 {
        cloud.look(&ClaimPlanner, &key());
        cloud.wait(SignedDuration::from_mins(10));
    }
    assert!(cloud.has(&pool(NAME)));
    assert_eq!(tried(&cloud, "delete"), 0);
    let [status, _, message] = condition(&cloud, "Launched");
    assert_eq!(status, "Unknown");
    assert!(message.contains("its node has not joined the cluster; overdue since"), "{message}");
    cloud.node_joins("n1", NAME, MACHINE);
    cloud.settle(&ClaimPlanner, &key());
    assert_eq!(condition(&cloud, "Ready")[0], "True");
}

#[test]
fn a_pool_that_another_program_has_asked_for_is_taken_over() {
    let mut cloud = stage();
    cloud.put(&json!({
        "apiVersion": "cloud.kaito.sh/v1", "kind": "AgentPool",
        "metadata": {"name": NAME, "labels": {"kaito.sh/workspace": "phi", "karpenter.sh/nodepool": "kaito", "kaito.sh/creation-timestamp": "2026-01-01T00-00-00Z"}},
        "spec": {"size": "Standard_NC24ads_A100_v4"},
    }));
    cloud.pool_is(NAME, "Succeeded", None);
    cloud.node_joins("n1", NAME, MACHINE);
    cloud.settle(&ClaimPlanner, &key());
    assert_eq!((tried(&cloud, "create"), tried(&cloud, "delete")), (0, 0));
    assert_eq!(condition(&cloud, "Ready")[0], "True");
}

#[test]
fn a_claim_that_no_pool_can_be_made_of_is_refused_with_its_field_and_nothing_is_asked_for() {
    let mut odd = claim();
    odd["spec"]["resources"]["requests"]["storage"] = json!("3Ti");
    let mut cloud = stage_with(&odd);
    cloud.settle(&ClaimPlanner, &key());
    let [status, reason, message] = condition(&cloud, "Launched");
    assert_eq!([status.as_str(), reason.as_str()], ["False", "InvalidNodeClaim"]);
    assert!(message.starts_with("spec.resources.requests.storage: "), "{message}");
    assert_eq!(tried(&cloud, "create"), 0);
    assert_eq!(cloud.notices.len(), 1, "told once: {:?}", cloud.notices);
}

#[test]
fn what_a_node_has_is_told_when_it_changes() {
    let mut cloud = running();
    cloud.edit(&node_key(), |value| {
        value["status"]["allocatable"]["nvidia.com/gpu"] = json!("1");
        value["status"]["capacity"]["nvidia.com/gpu"] = json!("1");
    });
    cloud.settle(&ClaimPlanner, &key());
    let status = cloud.get(&key())["status"].clone();
    let wanted = json!({"cpu": "24", "nvidia.com/gpu": "1"});
    assert_eq!([&status["allocatable"], &status["capacity"]], [&wanted, &wanted]);
}

#[test]
fn what_could_not_be_written_down_is_not_asked_for() {
    let mut cloud = stage();
    let error = BackendError::new(ErrorKind::Unavailable, "etcdserver: request timed out");
    cloud.refusals.push(("patch", Kind::NodeClaim, error));
    for _ in 0..3 {
        cloud.look(&ClaimPlanner, &key());
    }
    assert_eq!(tried(&cloud, "create AgentPool"), 0, "a claim that nobody holds could go and leave its machine behind");
    cloud.refusals.clear();
    cloud.look(&ClaimPlanner, &key());
    assert_eq!(tried(&cloud, "create AgentPool"), 1);
}

#[test]
fn what_somebody_has_written_to_a_node_meanwhile_is_kept() {
    let mut cloud = stage();
    cloud.pools_succeed = true;
    let node = cloud.node_joins("n1", NAME, MACHINE);
    cloud.look(&ClaimPlanner, &key());
    let before = cloud.answer(&nodes());
    cloud.edit(&node, |node| node["spec"]["taints"] = json!([{"key": "maintenance", "effect": "NoSchedule"}]));
    cloud.cached.insert(nodes(), before);
    looks(&mut cloud, 3);
    cloud.cached.clear();
    cloud.settle(&ClaimPlanner, &key());
    let node = cloud.get(&node);
    assert_eq!(node["metadata"]["labels"]["karpenter.sh/registered"], "true", "it was taken all the same");
    assert!(node["spec"]["taints"].to_string().contains("maintenance"), "{node}");
}
