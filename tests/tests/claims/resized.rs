//! A claim whose size somebody edits after it was asked for: the machine that there is stays the claim's.

use super::{MACHINE, NAME, condition, key, node_key, running, stage, tried};
use jiff::SignedDuration;
use kaito_core::Read;
use kaito_core::snapshot::Answer;
use kaito_provisioner::ClaimPlanner;
use kaito_tests::cloud_by_hand::{CloudByHand, pool};
use serde_json::{Value, json};

/// Requirements that somebody writes there: another size, none, one that no pool can have.
fn edits() -> [Value; 3] {
    let size = |operator: &str, values: &[&str]| json!([{"key": "node.kubernetes.io/instance-type", "operator": operator, "values": values}]);
    [size("In", &["Standard_NC48ads_A100_v4"]), json!([]), size("NotIn", &["Standard_NC24ads_A100_v4"])]
}

fn resize(cloud: &mut CloudByHand, requirements: &Value) {
    cloud.edit(&key(), |claim| claim["spec"]["requirements"] = requirements.clone());
}

fn judge(cloud: &mut CloudByHand, told: &str) {
    assert_eq!(tried(cloud, "create AgentPool"), 1, "{told}: {:?}", cloud.tried);
    assert_eq!(tried(cloud, "delete"), 0, "{told}: {:?}", cloud.tried);
    assert_eq!(cloud.get(&pool(NAME))["spec"]["size"], "Standard_NC24ads_A100_v4");
    assert_eq!(condition(cloud, "Ready")[0], "True", "{told}");
}

/// So many minutes go by, with a look at the claim in each.
fn pass(cloud: &mut CloudByHand, minutes: usize) {
    for _ in 0..minutes {
        cloud.look(&ClaimPlanner, &key());
        cloud.wait(SignedDuration::from_mins(1));
    }
}

#[test]
fn a_size_that_is_edited_while_the_machine_is_being_made_buys_no_second_one() {
    for requirements in edits() {
        for is_seen in [true, false] {
            let told = format!("{requirements}, the pool is in the cache: {is_seen}");
            let mut cloud = stage();
            cloud.look(&ClaimPlanner, &key());
            if !is_seen {
                cloud.cached.insert(Read::object(pool(NAME)), Answer::Object(None));
            }
            resize(&mut cloud, &requirements);
            pass(&mut cloud, 4);
            cloud.cached.clear();
            cloud.pool_is(NAME, "Succeeded", None);
            pass(&mut cloud, 2);
            cloud.node_joins("n1", NAME, MACHINE);
            pass(&mut cloud, 8);
            judge(&mut cloud, &told);
        }
    }
}

#[test]
fn a_size_that_is_edited_under_a_machine_that_runs_changes_nothing() {
    for requirements in edits() {
        let mut cloud = running();
        let labels = cloud.get(&node_key())["metadata"]["labels"].clone();
        resize(&mut cloud, &requirements);
        pass(&mut cloud, 40);
        // While its node is away for a little, nothing but its pool speaks for the machine.
        for (status, minutes) in [("Unknown", 5), ("True", 5)] {
            let now = cloud.now().to_string();
            cloud.edit(&node_key(), |node| {
                node["status"]["conditions"] = json!([{"type": "Ready", "status": status, "lastTransitionTime": now}]);
            });
            pass(&mut cloud, minutes);
        }
        cloud.tried.push("create AgentPool, when it was asked for".to_owned());
        judge(&mut cloud, &requirements.to_string());
        assert_eq!(cloud.get(&node_key())["metadata"]["labels"], labels, "the node carries what it carried");
    }
}
