//! Every combination of what can be there: nothing panics, everything comes to rest, and what is never allowed never happens.

use super::{MACHINE, NAME, claim, key, tried, workspace};
use jiff::SignedDuration;
use kaito_provisioner::ClaimPlanner;
use kaito_tests::cloud_by_hand::{CloudByHand, pool};
use serde_json::{Value, json};

const OWN: &str = "2026-01-01T00-00-00Z";
const EARLIER: &str = "2025-12-31T00-00-00Z";

/// What a claim may carry of its launch.
fn records() -> Vec<Value> {
    let operation = |failure: Value| {
        let mut record = json!({"operation": {"pool": NAME, "doing": "create", "startedAt": "2026-01-01T00:00:00Z"}, "size": "Standard_NC24ads_A100_v4"});
        if !failure.is_null() {
            record["operation"]["failure"] = failure;
        }
        json!({"kaito.sh/agent-pool-launch": record.to_string()})
    };
    vec![
        json!({}),
        json!({"kaito.sh/agent-pool-launch": "{]"}),
        operation(Value::Null),
        operation(json!({"class": "quota", "reason": "SubscriptionQuotaReached", "message": "QuotaExceeded: none"})),
    ]
}

/// What its status may say.
fn statuses() -> Vec<Value> {
    let said = |type_: &str, status: &str| json!({"type": type_, "status": status, "reason": "x", "message": "y"});
    vec![
        Value::Null,
        json!({"conditions": [said("Launched", "False")]}),
        json!({"conditions": [said("Launched", "True"), said("Registered", "Unknown")]}),
        json!({"conditions": [said("Registered", "True"), said("Initialized", "True")], "providerID": MACHINE, "nodeName": "n1"}),
        json!({"conditions": [{}, {"type": "Ready"}]}),
    ]
}

/// What pools of its name there may be: labels and status.
fn pools() -> Vec<Option<(Value, Value)>> {
    let ours = |stamp: &str| json!({"kaito.sh/workspace": "phi", "karpenter.sh/nodepool": "kaito", "kaito.sh/creation-timestamp": stamp});
    let mut all: Vec<Option<(Value, Value)>> = ["Creating", "Succeeded", "Failed", "Canceled", "Deleting", "Upgrading"]
        .iter()
        .map(|state| Some((ours(OWN), json!({"state": state}))))
        .collect();
    all.push(None);
    all.push(Some((ours(EARLIER), json!({"state": "Succeeded"}))));
    all.push(Some((ours("never"), json!({"state": "Succeeded"}))));
    all.push(Some((json!({"team": "a"}), json!({"state": "Failed"}))));
    all
}

/// What Nodes there may be: whether ours, whether somebody deletes them.
const NODES: [&[(&str, bool, bool)]; 7] = [
    &[],
    &[("n1", false, false)],
    &[("n1", true, false)],
    &[("n1", true, true)],
    &[("n1", true, false), ("n2", false, false)],
    &[("n1", true, true), ("n2", false, false)],
    &[("n1", true, true), ("n2", true, true)],
];

fn stage(record: &Value, status: &Value, found: Option<&(Value, Value)>, nodes: &[(&str, bool, bool)]) -> CloudByHand {
    let mut cloud = CloudByHand::new("2026-01-01T00:00:00Z".parse().unwrap());
    cloud.put(&workspace());
    let mut wanted = claim();
    wanted["metadata"]["annotations"] = record.clone();
    wanted["metadata"]["finalizers"] = json!(["karpenter.sh/termination"]);
    if !status.is_null() {
        wanted["status"] = status.clone();
    }
    cloud.put(&wanted);
    if let Some((labels, status)) = found {
        cloud.put(&json!({
            "apiVersion": "cloud.kaito.sh/v1", "kind": "AgentPool", "metadata": {"name": NAME, "labels": labels},
            "spec": {"size": "Standard_NC24ads_A100_v4"}, "status": status,
        }));
    }
    for (name, is_held, is_dying) in nodes {
        let node = cloud.node_joins(name, NAME, MACHINE);
        if *is_held {
            cloud.edit(&node, |value| {
                value["metadata"]["finalizers"] = json!(["karpenter.sh/termination"]);
                value["metadata"]["labels"]["karpenter.sh/registered"] = json!("true");
            });
        }
        if *is_dying {
            cloud.delete(&node);
        }
    }
    cloud
}

fn judge(cloud: &mut CloudByHand, status: &Value, is_foreign: bool, told: &str) {
    for _ in 0..6 {
        cloud.settle(&ClaimPlanner, &key());
        cloud.wait(SignedDuration::from_mins(7));
        // The cloud ends what it has begun.
        if cloud.get(&pool(NAME))["status"]["state"] == "Deleting" {
            cloud.delete(&pool(NAME));
        }
    }
    let had_machine = status["providerID"].is_string()
        || status["conditions"][0] == json!({"type": "Launched", "status": "True", "reason": "x", "message": "y"});
    assert!(!had_machine || tried(cloud, "create") == 0, "{told}: paid for twice");
    assert!(!is_foreign || tried(cloud, "delete AgentPool") == 0, "{told}: not ours");
    assert!(tried(cloud, "create AgentPool") <= 4, "{told}: {:?}", cloud.tried);
}

#[test]
fn whatever_is_there_everything_comes_to_rest_and_nothing_is_paid_for_twice() {
    for record in &records() {
        for status in &statuses() {
            for found in &pools() {
                for nodes in NODES {
                    let is_foreign = found.as_ref().is_some_and(|(labels, _)| labels.get("team").is_some());
                    let told = format!("{record} {status} {found:?} {nodes:?}");
                    let mut cloud = stage(record, status, found.as_ref(), nodes);
                    judge(&mut cloud, status, is_foreign, &told);
                    let mut cloud = stage(record, status, found.as_ref(), nodes);
                    cloud.delete(&key());
                    judge(&mut cloud, status, is_foreign, &told);
                    assert_eq!(tried(&cloud, "create"), 0, "{told}: nobody wants a machine");
                    let is_left = [key(), pool(NAME)].map(|key| cloud.has(&key));
                    assert_eq!(is_left, [false, is_foreign], "{told}: {:?}", cloud.tried);
                }
            }
        }
    }
}
