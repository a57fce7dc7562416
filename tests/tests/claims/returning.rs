//! Nodes that were deleted, and those that come after them under the same name.

use super::{MACHINE, NAME, claim, condition, is_going, key, looks, node_is, node_key, nodes, running, stage, tried};
use jiff::SignedDuration;
use kaito_core::backend::{BackendError, ErrorKind};
use kaito_core::memory::Right;
use kaito_core::snapshot::Answer;
use kaito_core::{Kind, ObjectKey, Read, Seen};
use kaito_provisioner::ClaimPlanner;
use kaito_tests::cloud_by_hand::{CloudByHand, pool};
use serde_json::json;

/// A cloud in which somebody deletes a silent Node while its pool is started.
fn silent_and_deleted() -> CloudByHand {
    let mut cloud = running();
    cloud.pool_is(NAME, "Starting", None);
    node_is(&mut cloud, &node_key(), "Unknown");
    cloud.delete(&node_key());
    cloud
}

/// The same, when that Node is gone.
fn deleted_while_starting() -> CloudByHand {
    let mut cloud = silent_and_deleted();
    cloud.settle(&ClaimPlanner, &key());
    assert!(!cloud.has(&node_key()));
    cloud
}

/// From the moment at which its pool is well, a machine has 65 minutes twice to register its Node.
fn is_replaced_in_time(cloud: &mut CloudByHand) {
    cloud.pool_is(NAME, "Succeeded", None);
    cloud.settle(&ClaimPlanner, &key());
    goes_in_time(cloud);
}

fn goes_in_time(cloud: &mut CloudByHand) {
    for _ in 0..2 {
        assert!(!is_going(cloud));
        cloud.wait(SignedDuration::from_mins(64));
        cloud.settle(&ClaimPlanner, &key());
        assert!(!is_going(cloud));
        cloud.wait(SignedDuration::from_mins(1));
        cloud.look(&ClaimPlanner, &key());
    }
    assert!(is_going(cloud));
}

#[test]
fn a_clock_that_is_set_hours_ahead_at_any_moment_leaves_a_machine_an_hour_for_its_node() {
    for (before, in_all) in [(0, 65), (64, 129), (66, 66), (129, 129)] {
        let mut cloud = deleted_while_starting();
        cloud.pool_is(NAME, "Succeeded", None);
        cloud.settle(&ClaimPlanner, &key());
        let mut minutes = 0;
        while !is_going(&cloud) && minutes < 200 {
            if minutes == before {
                cloud.wait(SignedDuration::from_hours(3));
                cloud.look(&ClaimPlanner, &key());
            }
            if !is_going(&cloud) {
                minutes += 1;
                cloud.wait(SignedDuration::from_mins(1));
                cloud.look(&ClaimPlanner, &key());
            }
        }
        assert_eq!(minutes, in_all, "set after {before} minutes");
    }
}

#[test]
fn another_process_whose_clock_is_right_puts_no_moment_back_that_one_ahead_has_written_down() {
    let mut cloud = deleted_while_starting();
    cloud.pool_is(NAME, "Succeeded", None);
    cloud.settle(&ClaimPlanner, &key());
    let ahead = SignedDuration::from_hours(3);
    for minute in 0..64 {
        for off in [ahead, -ahead] {
            cloud.wait(off);
            cloud.look(&ClaimPlanner, &key());
            assert!(!is_going(&cloud), "{minute}");
        }
        cloud.wait(SignedDuration::from_mins(1));
    }
    cloud.take_tried();
    cloud.look(&ClaimPlanner, &key());
    assert_eq!(cloud.take_tried(), [""; 0], "neither of the two writes for the other");
    cloud.wait(ahead + SignedDuration::from_mins(2));
    cloud.look(&ClaimPlanner, &key());
    assert!(is_going(&cloud));
}

#[test]
fn a_node_that_was_deleted_while_its_pool_was_started_and_never_comes_back_takes_its_machine_along() {
    let mut cloud = deleted_while_starting();
    let [status, reason, message] = condition(&cloud, "NodeHealthy");
    assert_eq!([status.as_str(), reason.as_str()], ["Unknown", "NodeReturning"]);
    assert!(message.contains("Starting") && message.contains("; next: "), "{message}");
    cloud.wait(SignedDuration::from_hours(30));
    cloud.settle(&ClaimPlanner, &key());
    assert!(!is_going(&cloud), "nothing is decided while its pool is started");
    is_replaced_in_time(&mut cloud);
}

#[test]
fn a_clock_that_was_an_hour_slow_takes_no_time_from_a_machine_whose_node_is_waited_for() {
    let mut cloud = silent_and_deleted();
    let off = SignedDuration::from_hours(1);
    cloud.wait(-off);
    cloud.settle(&ClaimPlanner, &key());
    assert!(!cloud.has(&node_key()));
    cloud.pool_is(NAME, "Succeeded", None);
    cloud.settle(&ClaimPlanner, &key());
    assert_eq!(condition(&cloud, "NodeHealthy")[0], "False");
    cloud.wait(off);
    goes_in_time(&mut cloud);
}

#[test]
fn a_clock_that_was_far_ahead_keeps_no_machine_without_a_node_for_as_long() {
    for (moving, done) in [
        (SignedDuration::from_hours(400), SignedDuration::ZERO),
        (SignedDuration::ZERO, SignedDuration::from_hours(400)),
    ] {
        let mut cloud = silent_and_deleted();
        cloud.wait(moving);
        cloud.settle(&ClaimPlanner, &key());
        cloud.wait(done - moving);
        cloud.pool_is(NAME, "Succeeded", None);
        cloud.settle(&ClaimPlanner, &key());
        cloud.wait(-done);
        cloud.settle(&ClaimPlanner, &key());
        assert!(!is_going(&cloud), "{moving} {done}");
        for _ in 0..2 {
            cloud.wait(SignedDuration::from_mins(66));
            cloud.look(&ClaimPlanner, &key());
        }
        assert!(is_going(&cloud), "{moving} {done}");
    }
}

#[test]
fn a_node_that_comes_back_ends_the_wait_and_is_not_given_up_when_it_is_not_seen_later() {
    let mut cloud = deleted_while_starting();
    cloud.pool_is(NAME, "Succeeded", None);
    cloud.settle(&ClaimPlanner, &key());
    cloud.wait(SignedDuration::from_mins(60));
    let back = cloud.node_joins("n1", NAME, MACHINE);
    cloud.settle(&ClaimPlanner, &key());
    assert_eq!(condition(&cloud, "NodeHealthy")[0], "True");
    // Nobody has deleted it: it is gone, as it is after an accident of the API server's.
    cloud.edit(&back, |value| value["metadata"]["finalizers"] = json!([]));
    cloud.delete(&back);
    for _ in 0..5 {
        cloud.wait(SignedDuration::from_hours(1));
        cloud.look(&ClaimPlanner, &key());
    }
    assert!(!is_going(&cloud) && cloud.has(&pool(NAME)));
}

#[test]
fn a_node_of_an_earlier_claim_says_nothing_of_the_machine_of_this_one_and_is_let_go() {
    let earlier = json!([{"apiVersion": "karpenter.sh/v1", "kind": "NodeClaim", "name": NAME, "uid": "earlier"}]);
    for (owners, made) in [(earlier, ""), (json!([]), "2025-12-31T00-00-00Z")] {
        let mut cloud = stage();
        cloud.pools_succeed = true;
        let former = cloud.node_joins("n1", NAME, MACHINE);
        cloud.edit(&former, |value| {
            value["metadata"]["ownerReferences"] = owners.clone();
            value["metadata"]["finalizers"] = json!(["karpenter.sh/termination"]);
            value["metadata"]["labels"]["karpenter.sh/registered"] = json!("true");
            value["metadata"]["labels"]["kaito.sh/workspace"] = json!("w");
            value["metadata"]["labels"]["kaito.sh/creation-timestamp"] = json!(made);
        });
        cloud.look(&ClaimPlanner, &key());
        cloud.look(&ClaimPlanner, &key());
        assert_eq!(tried(&cloud, "create"), 0, "no machine before its kubelet would make a Node of its own");
        cloud.settle(&ClaimPlanner, &key());
        assert!(!is_going(&cloud), "{owners} {made}");
        assert_eq!(condition(&cloud, "Launched")[0], "Unknown", "its pool has no node of its own yet");
        assert!(!cloud.has(&former), "nobody else would let it go: {owners} {made}");
        cloud.node_joins("n1", NAME, MACHINE);
        cloud.settle(&ClaimPlanner, &key());
        assert_eq!(condition(&cloud, "Ready")[0], "True");
        assert_eq!((tried(&cloud, "create AgentPool"), tried(&cloud, "delete AgentPool")), (1, 0));
    }
}

#[test]
fn a_cache_that_shows_the_node_of_before_costs_nobody_a_machine() {
    let mut before = running();
    before.delete(&node_key());
    let mut cloud = running();
    cloud.edit(&node_key(), |value| value["metadata"]["finalizers"] = json!([]));
    cloud.delete(&node_key());
    cloud.node_joins("n1", NAME, MACHINE);
    cloud.cached.insert(nodes(), before.answer(&nodes()));
    cloud.look(&ClaimPlanner, &key());
    assert!(!is_going(&cloud));
    before.look(&ClaimPlanner, &key());
    assert!(is_going(&before), "so it is where the cache is right");
}

#[test]
fn a_process_that_stood_still_takes_no_node_from_the_machine_that_another_has_made_meanwhile() {
    let claims = Read::object(key());
    let pools = [Read::object(pool(NAME)), Read::object(pool(NAME)).live()];
    let empty = stage();
    let mut asked = stage();
    let busy = BackendError::new(ErrorKind::Unavailable, "PreconditionFailed: another request was faster");
    asked.refusals.push(("create", Kind::AgentPool, busy));
    asked.look(&ClaimPlanner, &key());
    assert_eq!(tried(&asked, "create AgentPool"), 1);
    let mut cloud = running();
    cloud.cached.insert(claims.clone(), asked.answer(&claims));
    for read in pools.into_iter().chain([nodes()]) {
        cloud.cached.insert(read.clone(), empty.answer(&read));
    }
    // What is told of its deletion would be lost with it.
    cloud.delete(&node_key());
    looks(&mut cloud, 3);
    assert!(cloud.has(&node_key()), "{:?}", cloud.tried);
    assert_eq!(condition(&cloud, "Launched")[0], "True");
    cloud.cached.clear();
    cloud.look(&ClaimPlanner, &key());
    assert!(is_going(&cloud));
}

#[test]
fn no_machine_is_asked_for_while_a_node_of_its_name_is_there_and_one_of_this_claim_is_left_alone() {
    let mut cloud = stage();
    // Another process has just made the pool, and its machine has joined; the cloud was asked before.
    let made = cloud.get(&key())["metadata"]["creationTimestamp"].as_str().unwrap().replace(':', "-");
    let joined = cloud.node_joins("n1", NAME, MACHINE);
    cloud.edit(&joined, |value| value["metadata"]["labels"]["kaito.sh/creation-timestamp"] = json!(made));
    cloud.look(&ClaimPlanner, &key());
    cloud.look(&ClaimPlanner, &key());
    assert_eq!((tried(&cloud, "create"), tried(&cloud, "delete")), (0, 0), "{:?}", cloud.tried);
    let message = &condition(&cloud, "Launched")[2];
    assert!(message.starts_with("node n1 of an agent pool that is gone goes away; next: "), "{message}");
    // Its pool is gone indeed, and somebody deletes it; the status that said that it was launched is lost.
    cloud.edit(&joined, |value| value["metadata"]["finalizers"] = json!(["karpenter.sh/termination"]));
    cloud.delete(&joined);
    cloud.settle(&ClaimPlanner, &key());
    assert!(!cloud.has(&joined) && cloud.has(&pool(NAME)));
}

/// A claim whose pool is asked for while a cache does not show the Node of an earlier claim.
fn asked_for_too_early() -> (CloudByHand, ObjectKey) {
    let mut cloud = stage();
    let former = cloud.node_joins("n1", NAME, MACHINE);
    cloud.edit(&former, |value| {
        value["metadata"]["labels"]["kaito.sh/creation-timestamp"] = json!("2025-12-31T00-00-00Z");
    });
    cloud.cached.insert(nodes(), Answer::List(Vec::new()));
    cloud.look(&ClaimPlanner, &key());
    assert!(cloud.has(&pool(NAME)), "it is asked for at once");
    cloud.cached.remove(&nodes());
    (cloud, former)
}

#[test]
fn a_node_of_an_earlier_claim_that_a_cache_shows_late_goes_while_the_machine_is_made() {
    let (mut cloud, former) = asked_for_too_early();
    cloud.pool_is(NAME, "Creating", None);
    cloud.look(&ClaimPlanner, &key());
    assert!(cloud.has(&former), "that it goes is written down first");
    assert_eq!(condition(&cloud, "NodeHealthy")[1], "NodeReturning");
    cloud.look(&ClaimPlanner, &key());
    assert!(!cloud.has(&former) && cloud.has(&pool(NAME)));
    cloud.pool_is(NAME, "Succeeded", None);
    cloud.node_joins("n1", NAME, MACHINE);
    cloud.settle(&ClaimPlanner, &key());
    assert_eq!([condition(&cloud, "Ready")[0].as_str(), &condition(&cloud, "NodeHealthy")[0]], ["True", "True"]);
}

#[test]
fn a_machine_that_took_the_node_of_an_earlier_claim_and_registers_no_other_is_replaced() {
    let (mut cloud, former) = asked_for_too_early();
    cloud.pool_is(NAME, "Succeeded", None);
    cloud.settle(&ClaimPlanner, &key());
    assert!(!cloud.has(&former) && !is_going(&cloud));
    goes_in_time(&mut cloud);
}

#[test]
fn a_held_node_of_an_earlier_claim_beside_the_own_one_is_let_go_and_looked_at_no_more() {
    let mut cloud = running();
    let former = cloud.node_joins("n0", NAME, "azure:///machine/9");
    cloud.edit(&former, |value| {
        value["metadata"]["finalizers"] = json!(["karpenter.sh/termination"]);
        value["metadata"]["labels"]["kaito.sh/creation-timestamp"] = json!("2025-12-31T00-00-00Z");
    });
    looks(&mut cloud, 4);
    assert!(!cloud.has(&former), "{:?}", cloud.tried);
    cloud.take_tried();
    cloud.settle(&ClaimPlanner, &key());
    assert_eq!(cloud.take_tried(), [""; 0]);
    assert!(cloud.has(&node_key()) && !is_going(&cloud));
}

#[test]
fn what_an_old_claim_waits_for_is_not_overdue_from_its_first_moment() {
    for of_pool in [true, false] {
        let mut cloud = stage();
        cloud.wait(SignedDuration::from_hours(5));
        if of_pool {
            cloud.put(&json!({
                "apiVersion": "cloud.kaito.sh/v1", "kind": "AgentPool",
                "metadata": {"name": NAME, "labels": {"kaito.sh/workspace": "phi", "karpenter.sh/nodepool": "kaito", "kaito.sh/creation-timestamp": "2025-12-31T00-00-00Z"}},
                "spec": {"size": "Standard_NC24ads_A100_v4"}, "status": {"state": "Deleting"},
            }));
        } else {
            let left = cloud.node_joins("n1", NAME, MACHINE);
            cloud.edit(&left, |value| {
                value["metadata"]["finalizers"] = json!(["example.com/somebody"]);
                value["metadata"]["labels"]["kaito.sh/creation-timestamp"] = json!("2025-12-31T00-00-00Z");
            });
        }
        cloud.settle(&ClaimPlanner, &key());
        let message = condition(&cloud, "Launched")[2].clone();
        assert!(message.ends_with(", until 2026-01-01T06:00:00Z"), "{of_pool}: {message}");
        assert!(of_pool || message.contains("node n1"), "{message}");
        cloud.wait(SignedDuration::from_mins(59));
        cloud.settle(&ClaimPlanner, &key());
        assert_eq!(condition(&cloud, "Launched")[2], message, "it is written once");
        cloud.wait(SignedDuration::from_mins(1));
        cloud.settle(&ClaimPlanner, &key());
        let message = condition(&cloud, "Launched")[2].clone();
        assert!(message.contains("; overdue since 2026-01-01T06:00:00Z; next: "), "{of_pool}: {message}");
        let remedy = message.split("remedy: ").nth(1).unwrap();
        assert_eq!(remedy.contains("node"), !of_pool, "what a person can do is about what is in the way: {remedy}");
        cloud.wait(SignedDuration::from_hours(1));
        cloud.settle(&ClaimPlanner, &key());
        assert_eq!(condition(&cloud, "Launched")[2], message, "{of_pool}");
    }
}

/// A claim whose Node went while its pool was changed, and what a cache still shows of that Node.
fn gone_while_changed() -> (CloudByHand, Answer) {
    let mut cloud = running();
    cloud.pool_is(NAME, "Scaling", None);
    node_is(&mut cloud, &node_key(), "Unknown");
    let before = cloud.answer(&nodes());
    cloud.wait(SignedDuration::from_mins(11));
    cloud.delete(&node_key());
    cloud.settle(&ClaimPlanner, &key());
    assert!(!cloud.has(&node_key()));
    assert_eq!(condition(&cloud, "NodeHealthy")[1], "NodeReturning");
    (cloud, before)
}

#[test]
fn what_is_written_down_of_a_node_that_went_is_not_forgotten_for_what_an_old_cache_shows_or_a_refusal_says() {
    let (mut cloud, before) = gone_while_changed();
    cloud.cached.insert(nodes(), before);
    cloud.settle(&ClaimPlanner, &key());
    assert_eq!(condition(&cloud, "NodeHealthy")[1], "NodeReturning", "a cache that is old, and a node that is sick");
    cloud.cached.clear();
    is_replaced_in_time(&mut cloud);
    let (mut cloud, ..) = gone_while_changed();
    cloud.withheld.push(Right::on("list", Kind::Node));
    cloud.look_in_vain(&ClaimPlanner, &key());
    let [_, reason, message] = condition(&cloud, "NodeHealthy");
    assert!(reason == "NodeReturning" && message.contains("cannot list resource \"nodes\""), "{reason}: {message}");
    cloud.withheld.clear();
    is_replaced_in_time(&mut cloud);
}

#[test]
fn a_ready_node_whose_deletion_was_told_and_that_somebody_frees_by_hand_is_not_forgotten() {
    let mut cloud = running();
    cloud.pool_is(NAME, "Updating", None);
    cloud.delete(&node_key());
    cloud.settle(&ClaimPlanner, &key());
    assert_eq!(condition(&cloud, "NodeHealthy")[1], "NodeDeleted");
    cloud.free(&node_key());
    assert!(!cloud.has(&node_key()));
    is_replaced_in_time(&mut cloud);
}

#[test]
fn a_process_that_still_knows_the_claim_of_before_takes_no_node_from_the_next_one_of_its_name() {
    let (mut cloud, ..) = gone_while_changed();
    let old = [key(), pool(NAME)].map(|key| (Read::object(key.clone()), Seen::decode(key.kind, cloud.get(&key))));
    cloud.pool_is(NAME, "Succeeded", None);
    cloud.delete(&key());
    for _ in 0..9 {
        cloud.look(&ClaimPlanner, &key());
        cloud.wait(SignedDuration::from_mins(2));
    }
    assert!(!cloud.has(&key()) && !cloud.has(&pool(NAME)));
    cloud.put(&claim());
    cloud.settle(&ClaimPlanner, &key());
    let next = cloud.node_joins("n1", NAME, MACHINE);
    let stamp = cloud.get(&pool(NAME))["metadata"]["labels"]["kaito.sh/creation-timestamp"].clone();
    cloud.edit(&next, |node| node["metadata"]["labels"]["kaito.sh/creation-timestamp"] = stamp.clone());
    cloud.cached.extend(old.map(|(read, seen)| (read, Answer::Object(Some(seen)))));
    cloud.look(&ClaimPlanner, &key());
    assert!(cloud.has(&next));
}

#[test]
fn a_node_that_has_come_back_is_not_missed_later_where_nothing_is_repaired() {
    let mut cloud = deleted_while_starting();
    cloud.settings.node_repair = false;
    cloud.pool_is(NAME, "Succeeded", None);
    cloud.settle(&ClaimPlanner, &key());
    cloud.node_joins("n1", NAME, MACHINE);
    cloud.settle(&ClaimPlanner, &key());
    assert_eq!(condition(&cloud, "NodeHealthy")[0], "True");
    cloud.free(&node_key());
    cloud.delete(&node_key());
    for _ in 0..5 {
        cloud.wait(SignedDuration::from_hours(1));
        cloud.look(&ClaimPlanner, &key());
    }
    assert!(!is_going(&cloud), "it only is not seen");
}

#[test]
fn what_was_missed_in_an_earlier_wait_shortens_no_later_one() {
    let mut cloud = deleted_while_starting();
    cloud.pool_is(NAME, "Succeeded", None);
    cloud.settle(&ClaimPlanner, &key());
    cloud.wait(SignedDuration::from_mins(66));
    cloud.look(&ClaimPlanner, &key());
    cloud.node_joins("n1", NAME, MACHINE);
    cloud.settle(&ClaimPlanner, &key());
    cloud.wait(SignedDuration::from_mins(5));
    cloud.pool_is(NAME, "Starting", None);
    node_is(&mut cloud, &node_key(), "Unknown");
    cloud.delete(&node_key());
    cloud.settle(&ClaimPlanner, &key());
    is_replaced_in_time(&mut cloud);
}
