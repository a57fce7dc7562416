//! Machines that are lost, or not well: their claims go, so that others are asked for; and none goes for what only looks so.

use super::{MACHINE, NAME, condition, is_going, key, looks, node_is, node_key, running, tried};
use jiff::SignedDuration;
use kaito_core::memory::Right;
use kaito_core::snapshot::Answer;
use kaito_core::{Kind, ObjectKey, Read};
use kaito_provisioner::ClaimPlanner;
use kaito_tests::cloud_by_hand::{CloudByHand, pool};
use serde_json::json;

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
fn a_pool_whose_node_goes_while_it_is_started_is_kept_and_its_next_node_is_taken() {
    for machine in [MACHINE, "azure:///machine/1"] {
        let mut cloud = running();
        cloud.pool_is(NAME, "Starting", None);
        node_is(&mut cloud, &node_key(), "Unknown");
        cloud.delete(&node_key());
        cloud.settle(&ClaimPlanner, &key());
        assert!(!cloud.has(&node_key()), "its machine registers it anew");
        for state in ["Starting", "Starting", "Succeeded", "Succeeded"] {
            cloud.pool_is(NAME, state, None);
            cloud.wait(SignedDuration::from_hours(1));
            cloud.look(&ClaimPlanner, &key());
        }
        assert!(cloud.has(&pool(NAME)) && !is_going(&cloud));
        let joined = cloud.node_joins("n2", NAME, machine);
        cloud.settle(&ClaimPlanner, &key());
        assert_eq!(cloud.get(&joined)["metadata"]["labels"]["karpenter.sh/registered"], "true");
        let status = cloud.get(&key())["status"].clone();
        assert_eq!([&status["nodeName"], &status["providerID"]], ["n2", machine]);
        assert_eq!(tried(&cloud, "delete"), 0);
    }
}

#[test]
fn a_ready_node_that_is_deleted_while_its_pool_is_changed_takes_its_machine_along_when_that_is_done() {
    let mut cloud = running();
    cloud.pool_is(NAME, "Updating", None);
    cloud.delete(&node_key());
    cloud.settle(&ClaimPlanner, &key());
    assert!(!is_going(&cloud) && cloud.has(&node_key()));
    let [status, reason, message] = condition(&cloud, "NodeHealthy");
    assert_eq!([status.as_str(), reason.as_str()], ["Unknown", "NodeDeleted"]);
    assert!(message.contains("while its agent pool is Updating; next: "), "{message}");
    cloud.wait(SignedDuration::from_mins(61));
    cloud.settle(&ClaimPlanner, &key());
    let message = &condition(&cloud, "NodeHealthy")[2];
    assert!(message.contains("; overdue since ") && message.contains("; remedy: "), "{message}");
    cloud.pool_is(NAME, "Succeeded", None);
    cloud.look(&ClaimPlanner, &key());
    assert!(is_going(&cloud));
}

#[test]
fn nothing_is_repaired_while_a_pool_is_started_nor_in_the_ten_minutes_after() {
    for state in ["Starting", "Stopping", "Stopped", "Updating", "UpgradingNodeImageVersion"] {
        let mut cloud = running();
        cloud.pool_is(NAME, state, None);
        node_is(&mut cloud, &node_key(), "Unknown");
        for _ in 0..4 {
            cloud.wait(SignedDuration::from_mins(25));
            cloud.look(&ClaimPlanner, &key());
        }
        assert!(!is_going(&cloud), "{state}");
        let [status, reason, message] = condition(&cloud, "NodeHealthy");
        assert_eq!([status.as_str(), reason.as_str()], ["Unknown", "PoolBusy"]);
        assert!(message.contains(state) && message.contains("; next: ") && message.contains("remedy: "), "{message}");
        cloud.pool_is(NAME, "Succeeded", None);
        for minutes in [0, 9] {
            cloud.wait(SignedDuration::from_mins(minutes));
            cloud.look(&ClaimPlanner, &key());
            assert!(!is_going(&cloud), "{state}: its node has to come up");
        }
        cloud.wait(SignedDuration::from_mins(1));
        cloud.look(&ClaimPlanner, &key());
        assert!(is_going(&cloud), "{state}");
    }
}

#[test]
fn a_node_that_is_well_again_is_told_to_be_and_a_blocked_repair_is_told_once() {
    let mut cloud = running();
    for number in 0..3 {
        let node = cloud.node_joins(&format!("other{number}"), "other", &format!("azure:///other/{number}"));
        cloud.edit(&node, |value| {
            value["metadata"]["labels"] = json!({"karpenter.sh/registered": "true", "kaito.sh/workspace": "other"});
        });
        node_is(&mut cloud, &node, "Unknown");
    }
    node_is(&mut cloud, &node_key(), "Unknown");
    for _ in 0..30 {
        cloud.wait(SignedDuration::from_mins(5));
        cloud.look(&ClaimPlanner, &key());
    }
    let told = cloud.notices.iter().filter(|notice| notice.reason == "NodeRepairBlocked").count();
    assert_eq!(told, 1, "{:?}", cloud.notices);
    let [status, reason, message] = condition(&cloud, "NodeHealthy");
    assert_eq!([status.as_str(), reason.as_str()], ["Unknown", "NodeRepairBlocked"]);
    assert!(message.contains("; next: ") && message.contains("; remedy: "), "{message}");
    node_is(&mut cloud, &node_key(), "True");
    cloud.settle(&ClaimPlanner, &key());
    assert_eq!(condition(&cloud, "NodeHealthy")[0], "True");
    assert!(!is_going(&cloud));
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

/// A machine whose pool has failed while it was deleted by somebody, and whose Node went before it was taken; long after that was seen.
fn half_taken_away() -> CloudByHand {
    let mut cloud = running();
    cloud.free(&node_key());
    cloud.delete(&node_key());
    let since = cloud.now().to_string();
    let launched = json!({"type": "Launched", "status": "True", "reason": "Launched", "lastTransitionTime": since});
    cloud.status_is(&key(), &json!({"providerID": MACHINE, "conditions": [launched]}));
    cloud.pool_is(NAME, "Failed", Some(("InternalOperationError", "the machine is held")));
    for _ in 0..26 {
        cloud.settle(&ClaimPlanner, &key());
        let [status, reason, message] = condition(&cloud, "Registered");
        assert_eq!([status.as_str(), reason.as_str()], ["Unknown", "NodeNotFound"]);
        assert!(message.contains("is Failed: InternalOperationError: the machine is held"), "{message}");
        assert!(!is_going(&cloud), "a machine may be away for an hour, by two clocks");
        cloud.wait(SignedDuration::from_mins(5));
    }
    cloud
}

#[test]
fn a_machine_that_was_half_taken_away_before_its_node_was_taken_is_replaced() {
    let mut cloud = half_taken_away();
    looks(&mut cloud, 3);
    assert!(!cloud.has(&pool(NAME)), "who asked for it asks for another");
    for (is_well, state) in [(true, "Failed"), (true, "Succeeded"), (false, "Updating")] {
        let mut cloud = half_taken_away();
        cloud.pool_is(NAME, state, None);
        if is_well {
            cloud.node_joins("n1", NAME, MACHINE);
        }
        cloud.settle(&ClaimPlanner, &key());
        looks(&mut cloud, 3);
        assert!(!is_going(&cloud) && cloud.has(&pool(NAME)), "{is_well} {state}");
        assert_eq!(condition(&cloud, "Registered")[0] == "True", is_well);
    }
}

/// Another Node that has joined, of ours or of somebody else's.
fn another(cloud: &mut CloudByHand, number: usize, is_ours: bool) -> ObjectKey {
    let node = cloud.node_joins(&format!("other-{number}"), "other", &format!("azure:///other/{number}"));
    let whose = if is_ours { ("kaito.sh/workspace", "other") } else { ("karpenter.sh/nodepool", "general") };
    cloud.edit(&node, |node| node["metadata"]["labels"] = json!({"karpenter.sh/registered": "true", whose.0: whose.1}));
    node
}

#[test]
fn nodes_of_others_do_not_count_among_those_of_which_a_fifth_may_be_replaced() {
    for sick_are_ours in [true, false] {
        let mut cloud = running();
        for number in 0..24 {
            let is_ours = number < 4;
            let node = another(&mut cloud, number, is_ours);
            if is_ours == sick_are_ours {
                node_is(&mut cloud, &node, "Unknown");
            }
        }
        node_is(&mut cloud, &node_key(), "Unknown");
        cloud.wait(SignedDuration::from_mins(10));
        cloud.look(&ClaimPlanner, &key());
        assert_eq!(is_going(&cloud), !sick_are_ours, "all five of ours are silent, or one of them is");
    }
}

#[test]
fn a_node_has_its_time_to_become_ready_when_a_right_is_back_that_was_lacking() {
    let mut cloud = running();
    cloud.withheld.push(Right::on("list", Kind::Node));
    cloud.look_in_vain(&ClaimPlanner, &key());
    node_is(&mut cloud, &node_key(), "Unknown");
    cloud.wait(SignedDuration::from_hours(2));
    cloud.withheld.clear();
    cloud.look(&ClaimPlanner, &key());
    assert!(!is_going(&cloud), "its pool may have been stopped and started meanwhile");
    assert_eq!(condition(&cloud, "NodeHealthy")[1], "NodeComing");
    cloud.wait(SignedDuration::from_mins(10));
    cloud.look(&ClaimPlanner, &key());
    assert!(is_going(&cloud));
}
