//! An upgrade of AKS: a second machine joins the pool, the first one is made anew, and one of the two goes.

use super::{MACHINE, NAME, condition, is_going, key, looks, node_is, node_key, nodes, running, tried};
use jiff::SignedDuration;
use kaito_core::Read;
use kaito_core::backend::{BackendError, ErrorKind};
use kaito_provisioner::ClaimPlanner;
use kaito_tests::cloud_by_hand::pool;
use serde_json::json;

const OTHER: &str = "azure:///machine/1";

#[test]
fn a_node_that_goes_while_another_of_its_pool_stays_is_let_go_and_the_other_taken() {
    for (state, ready, is_silent) in [
        ("UpgradingNodeImageVersion", "True", false),
        ("UpgradingNodeImageVersion", "Unknown", true),
        ("Succeeded", "Unknown", false),
        ("Succeeded", "True", true),
    ] {
        let told = format!("{state} {ready} {is_silent}");
        let mut cloud = running();
        cloud.pool_is(NAME, state, None);
        let other = cloud.node_joins("n2", NAME, OTHER);
        cloud.settle(&ClaimPlanner, &key());
        node_is(&mut cloud, &node_key(), ready);
        cloud.delete(&node_key());
        cloud.silence = is_silent.then(|| BackendError::new(ErrorKind::Throttled, "HTTP 429"));
        cloud.settle(&ClaimPlanner, &key());
        assert!(!is_going(&cloud) && cloud.has(&pool(NAME)), "{told}");
        assert!(!cloud.has(&node_key()), "{told}: nobody else would let it go");
        cloud.silence = None;
        cloud.settle(&ClaimPlanner, &key());
        let status = cloud.get(&key())["status"].clone();
        assert_eq!([&status["nodeName"], &status["providerID"]], ["n2", OTHER], "{told}");
        assert_eq!(cloud.get(&other)["metadata"]["labels"]["karpenter.sh/registered"], "true", "{told}");
        assert_eq!(condition(&cloud, "Ready")[0], "True", "{told}");
        assert_eq!(tried(&cloud, "delete"), 0, "{told}");
    }
}

#[test]
fn a_node_that_was_taken_by_a_process_that_died_before_it_said_so_is_let_go_and_the_other_taken() {
    let mut cloud = running();
    cloud.status_is(&key(), &json!({}));
    cloud.node_joins("n2", NAME, OTHER);
    cloud.delete(&node_key());
    cloud.settle(&ClaimPlanner, &key());
    cloud.settle(&ClaimPlanner, &key());
    assert!(!cloud.has(&node_key()) && !is_going(&cloud), "nobody else would let it go");
    assert_eq!(cloud.get(&key())["status"]["providerID"], OTHER);
    assert_eq!(condition(&cloud, "Ready")[0], "True");
    assert_eq!(
        ["create AgentPool", "delete"].map(|what| tried(&cloud, what)),
        [0, 0],
        "none is bought, none given back"
    );
}

#[test]
fn a_node_that_another_process_lets_go_in_the_middle_of_a_look_takes_no_machine() {
    let mut cloud = running();
    let other = cloud.node_joins("n2", NAME, OTHER);
    cloud.delete(&node_key());
    for read in [nodes(), Read::object(node_key()).live()] {
        cloud.cached.insert(read.clone(), cloud.answer(&read));
    }
    cloud.free(&node_key());
    cloud.delete(&other);
    cloud.look(&ClaimPlanner, &key());
    assert!(!is_going(&cloud), "who let it go knows why: it was beside another");
    cloud.cached.clear();
    cloud.settle(&ClaimPlanner, &key());
    assert!(!is_going(&cloud) && cloud.has(&pool(NAME)), "its machine runs");
}

#[test]
fn a_claim_that_was_never_said_to_be_launched_gives_its_machine_back_when_every_node_of_it_is_deleted() {
    let mut cloud = running();
    cloud.status_is(&key(), &json!({}));
    let other = cloud.node_joins("n2", NAME, OTHER);
    let taken = cloud.get(&node_key())["metadata"].clone();
    cloud.edit(&other, |value| {
        for field in ["finalizers", "labels", "ownerReferences"] {
            value["metadata"][field] = taken[field].clone();
        }
    });
    cloud.delete(&node_key());
    cloud.delete(&other);
    looks(&mut cloud, 6);
    assert_eq!([key(), pool(NAME), node_key(), other].map(|one| cloud.has(&one)), [false; 4]);
}

#[test]
fn a_node_that_is_silent_while_another_of_its_pool_is_well_is_decided_on_when_one_of_the_two_is_gone() {
    let mut cloud = running();
    let surge = cloud.node_joins("n2", NAME, OTHER);
    cloud.settle(&ClaimPlanner, &key());
    node_is(&mut cloud, &node_key(), "Unknown");
    for _ in 0..3 {
        cloud.wait(SignedDuration::from_mins(11));
        cloud.look(&ClaimPlanner, &key());
    }
    assert!(!is_going(&cloud));
    let [_, reason, message] = condition(&cloud, "NodeHealthy");
    assert!(reason == "PoolBusy" && message.contains("and another of agent pool"), "{reason}: {message}");
    cloud.edit(&surge, |value| value["metadata"]["finalizers"] = json!([]));
    cloud.delete(&surge);
    cloud.look(&ClaimPlanner, &key());
    assert!(!is_going(&cloud), "it has its time again");
    cloud.wait(SignedDuration::from_mins(11));
    cloud.look(&ClaimPlanner, &key());
    assert!(is_going(&cloud));
}

#[test]
fn an_upgrade_that_ends_with_the_machine_of_before_keeps_claim_and_model() {
    let mut cloud = running();
    cloud.pool_is(NAME, "Upgrading", None);
    let surge = cloud.node_joins("n2", NAME, OTHER);
    cloud.settle(&ClaimPlanner, &key());
    node_is(&mut cloud, &node_key(), "Unknown");
    cloud.delete(&node_key());
    cloud.settle(&ClaimPlanner, &key());
    assert!(!cloud.has(&node_key()));
    cloud.node_joins("n1", NAME, MACHINE);
    cloud.settle(&ClaimPlanner, &key());
    cloud.pool_is(NAME, "Succeeded", None);
    node_is(&mut cloud, &surge, "Unknown");
    cloud.delete(&surge);
    cloud.settle(&ClaimPlanner, &key());
    assert!(!is_going(&cloud) && !cloud.has(&surge));
    assert_eq!(cloud.get(&key())["status"]["providerID"], MACHINE);
    assert_eq!(condition(&cloud, "Ready")[0], "True");
}

#[test]
fn a_machine_that_registers_no_node_after_the_other_went_before_it_was_taken_is_replaced() {
    for cache_is_old in [false, true] {
        let mut cloud = running();
        cloud.pool_is(NAME, "Upgrading", None);
        let before = cloud.answer(&nodes());
        let surge = cloud.node_joins("n2", NAME, OTHER);
        cloud.settle(&ClaimPlanner, &key());
        cloud.delete(&node_key());
        cloud.look(&ClaimPlanner, &key());
        assert!(cloud.has(&node_key()), "that it goes is written down first");
        assert_eq!(condition(&cloud, "NodeHealthy")[1], "NodeReturning");
        cloud.look(&ClaimPlanner, &key());
        assert!(!cloud.has(&node_key()));
        if cache_is_old {
            cloud.cached.insert(nodes(), before);
            cloud.look(&ClaimPlanner, &key());
            cloud.cached.clear();
        }
        cloud.delete(&surge);
        cloud.pool_is(NAME, "Succeeded", None);
        cloud.settle(&ClaimPlanner, &key());
        assert!(!is_going(&cloud));
        for _ in 0..2 {
            cloud.wait(SignedDuration::from_mins(66));
            cloud.look(&ClaimPlanner, &key());
        }
        assert!(is_going(&cloud), "the cache is old: {cache_is_old}");
    }
}

#[test]
fn a_pool_all_of_whose_nodes_are_deleted_goes() {
    let mut cloud = running();
    let other = cloud.node_joins("n2", NAME, OTHER);
    cloud.edit(&other, |value| value["metadata"]["finalizers"] = serde_json::json!(["karpenter.sh/termination"]));
    cloud.delete(&other);
    cloud.delete(&node_key());
    cloud.look(&ClaimPlanner, &key());
    assert!(is_going(&cloud));
}

#[test]
fn a_pool_that_is_stopped_in_the_middle_of_a_look_keeps_its_machine() {
    let mut cloud = running();
    cloud.delete(&node_key());
    let read = Read::object(pool(NAME)).live();
    cloud.cached.insert(read.clone(), cloud.answer(&read));
    // As it is stopped, the Node goes that has registered last, and is not held yet.
    cloud.pool_is(NAME, "Stopping", None);
    cloud.look(&ClaimPlanner, &key());
    let [_, reason, words] = condition(&cloud, "NodeHealthy");
    assert!(!is_going(&cloud) && reason == "NodeDeleted" && words.contains("is being changed"), "{reason}: {words}");
    cloud.cached.clear();
    cloud.settle(&ClaimPlanner, &key());
    assert!(!is_going(&cloud) && cloud.has(&pool(NAME)), "its other machine starts again with it");
}
