//! Machines that are lost, or not well: their claims go, so that others are asked for; and none goes for what only looks so.

use super::{NAME, key, node_key, running, tried};
use jiff::SignedDuration;
use kaito_core::snapshot::Answer;
use kaito_core::{ObjectKey, Read};
use kaito_provisioner::ClaimPlanner;
use kaito_tests::cloud_by_hand::{CloudByHand, pool};
use serde_json::json;

fn node_is(cloud: &mut CloudByHand, node: &ObjectKey, ready: &str) {
    let since = cloud.now().to_string();
    cloud.edit(node, |value| {
        value["status"]["conditions"] = json!([{"type": "Ready", "status": ready, "lastTransitionTime": since}]);
    });
}

/// Whether somebody has deleted the claim.
fn is_going(cloud: &CloudByHand) -> bool {
    cloud.get(&key())["metadata"].get("deletionTimestamp").is_some()
}

#[test]
fn a_claim_whose_pool_is_gone_goes_only_when_its_node_is_not_ready_either() {
    for (ready, goes) in [(Some("True"), false), (Some("False"), true), (Some("Unknown"), true), (None, true)] {
        let mut cloud = running();
        cloud.delete(&pool(NAME));
        match ready {
            Some(ready) => node_is(&mut cloud, &node_key(), ready),
            None => {
                cloud.edit(&node_key(), |value| value["metadata"]["finalizers"] = json!([]));
                cloud.delete(&node_key());
            }
        }
        cloud.look(&ClaimPlanner, &key());
        assert_eq!(is_going(&cloud), goes, "{ready:?}");
        assert_eq!(tried(&cloud, "create"), 0, "{ready:?}: for a claim that had a machine none is asked for again");
    }
}

#[test]
fn a_pool_that_only_the_cache_has_lost_is_kept() {
    let mut cloud = running();
    cloud.cached.insert(Read::object(pool(NAME)), Answer::Object(None));
    node_is(&mut cloud, &node_key(), "Unknown");
    cloud.look(&ClaimPlanner, &key());
    assert!(!is_going(&cloud));
}

#[test]
fn a_pool_whose_node_is_absent_is_kept() {
    let mut cloud = running();
    cloud.edit(&node_key(), |value| value["metadata"]["finalizers"] = json!([]));
    cloud.delete(&node_key());
    for _ in 0..12 {
        cloud.look(&ClaimPlanner, &key());
        cloud.wait(SignedDuration::from_hours(1));
    }
    assert!(cloud.has(&pool(NAME)) && !is_going(&cloud));
}

#[test]
fn a_node_that_is_not_ready_for_ten_minutes_is_replaced_at_once_and_not_before() {
    for ready in ["False", "Unknown"] {
        let mut cloud = running();
        node_is(&mut cloud, &node_key(), ready);
        cloud.wait(SignedDuration::from_secs(599));
        cloud.look(&ClaimPlanner, &key());
        assert!(!is_going(&cloud), "{ready}");
        cloud.wait(SignedDuration::from_secs(1));
        cloud.look(&ClaimPlanner, &key());
        assert!(is_going(&cloud), "{ready}");
        let deadline =
            cloud.get(&key())["metadata"]["annotations"]["karpenter.sh/nodeclaim-termination-timestamp"].clone();
        assert_eq!(deadline, cloud.now().to_string(), "{ready}: nothing is waited for");
    }
}

#[test]
fn no_node_is_replaced_where_repair_is_switched_off() {
    let mut cloud = running();
    cloud.settings.node_repair = false;
    node_is(&mut cloud, &node_key(), "False");
    cloud.wait(SignedDuration::from_hours(9));
    cloud.look(&ClaimPlanner, &key());
    assert!(!is_going(&cloud));
}

#[test]
fn when_many_nodes_are_not_ready_none_is_replaced() {
    for (others, sick, goes) in [(0, 0, true), (4, 0, true), (4, 1, false), (9, 1, true), (9, 2, false)] {
        let mut cloud = running();
        for number in 0..others {
            let node = cloud.node_joins(&format!("other{number}"), "other", &format!("azure:///other/{number}"));
            cloud.edit(&node, |value| {
                value["metadata"]["labels"] = json!({"karpenter.sh/registered": "true", "kaito.sh/workspace": "other"});
            });
            if number < sick {
                node_is(&mut cloud, &node, "Unknown");
            }
        }
        node_is(&mut cloud, &node_key(), "Unknown");
        cloud.wait(SignedDuration::from_mins(10));
        cloud.look(&ClaimPlanner, &key());
        assert_eq!(is_going(&cloud), goes, "{sick} of {others} others");
    }
}

#[test]
fn who_deletes_the_node_means_the_machine() {
    let mut cloud = running();
    cloud.delete(&node_key());
    cloud.look(&ClaimPlanner, &key());
    assert!(is_going(&cloud));
    cloud.settle(&ClaimPlanner, &key());
    assert!([key(), node_key(), pool(NAME)].iter().all(|key| !cloud.has(key)));
}
