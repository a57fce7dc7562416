//! The API server does not let a Node or a claim go: that is told in its words, asked again, and nothing is lost by it.

use super::{NAME, condition, key, looks, node_key, running, tried};
use jiff::SignedDuration;
use kaito_core::Kind;
use kaito_core::backend::{BackendError, ErrorKind};
use kaito_tests::cloud_by_hand::{CloudByHand, pool};

const WORDS: &str = "admission webhook \"finalizers.example.com\" denied the request";

/// A claim that goes, whose pool is still there.
fn going() -> CloudByHand {
    let mut cloud = running();
    cloud.pools_linger = true;
    cloud.delete(&key());
    looks(&mut cloud, 6);
    assert!(cloud.has(&pool(NAME)) && cloud.has(&node_key()));
    cloud
}

#[test]
fn a_finalizer_that_may_not_be_taken_off_is_told_in_the_servers_words_and_asked_for_until_it_may() {
    for error in [ErrorKind::Forbidden, ErrorKind::Invalid] {
        for (kind, name) in [(Kind::Node, "Node n1"), (Kind::NodeClaim, "NodeClaim ws0123456ab")] {
            let mut cloud = going();
            cloud.refusals.push(("patch", kind, BackendError::new(error, WORDS)));
            cloud.delete(&pool(NAME));
            cloud.take_tried();
            looks(&mut cloud, 6);
            let [status, _, message] = condition(&cloud, "InstanceTerminating");
            assert_eq!(status, "True", "{message}");
            assert!(message.contains(&format!("cannot patch {name}: {WORDS}")), "{message}");
            assert!(message.contains("; next: ") && !message.contains("overdue"), "{message}");
            assert!(tried(&cloud, &format!("patch {name}")) >= 6, "{:?}", cloud.tried);
            assert_eq!(tried(&cloud, "patch status"), 1, "told once: {:?}", cloud.tried);
            assert!(cloud.has(&key()), "nothing is left behind by a claim that went before its node");
            assert_eq!(cloud.has(&node_key()), kind == Kind::Node);
            cloud.wait(SignedDuration::from_hours(1));
            looks(&mut cloud, 1);
            let message = &condition(&cloud, "InstanceTerminating")[2];
            assert!(
                message.contains(WORDS) && message.contains("overdue") && message.contains("; remedy: "),
                "{message}"
            );
            cloud.refusals.clear();
            looks(&mut cloud, 3);
            assert!(!cloud.has(&key()) && !cloud.has(&node_key()), "{:?}", cloud.tried);
            assert_eq!(tried(&cloud, "create") + tried(&cloud, "delete AgentPool"), 0, "{:?}", cloud.tried);
        }
    }
}

#[test]
fn a_node_that_may_not_be_deleted_is_told_and_keeps_its_machine_until_it_may() {
    let mut cloud = running();
    cloud.refusals.push(("delete", Kind::Node, BackendError::new(ErrorKind::Forbidden, WORDS)));
    cloud.delete(&key());
    looks(&mut cloud, 4);
    let message = &condition(&cloud, "InstanceTerminating")[2];
    assert!(message.contains(&format!("cannot delete Node n1: {WORDS}")) && message.contains("; next: "), "{message}");
    assert!(cloud.has(&pool(NAME)), "pods run on it");
    cloud.refusals.clear();
    looks(&mut cloud, 6);
    assert!(!cloud.has(&key()) && !cloud.has(&node_key()) && !cloud.has(&pool(NAME)));
}
