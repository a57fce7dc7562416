//! The cloud cannot be asked: no credential, no right, too many requests, or it is away. That is told, and nothing is bought or let go.

use super::*;
use jiff::SignedDuration;
use kaito_core::backend::{BackendError, ErrorKind};

fn silence(kind: ErrorKind, words: &str) -> Option<BackendError> {
    Some(BackendError::new(kind, words))
}

#[test]
fn a_cloud_that_cannot_be_read_is_told_with_code_words_and_what_comes_next() {
    for (kind, words, reason) in [
        (ErrorKind::Forbidden, "AuthorizationFailed: The client does not have authorization", "NotAuthorized"),
        (ErrorKind::Forbidden, "the token file cannot be read", "NotAuthorized"),
        (ErrorKind::Throttled, "HTTP 429 Too Many Requests", "Throttled"),
        (ErrorKind::Unavailable, "ResourceGroupNotFound: Resource group 'rg' could not be found.", "ClusterNotFound"),
        (ErrorKind::Timeout, "Azure gave no answer within 60s", "LaunchFailed"),
    ] {
        let mut cloud = stage();
        cloud.silence = silence(kind, words);
        let report = cloud.settle(&ClaimPlanner, &key());
        let [status, told, message] = condition(&cloud, "Launched");
        assert_eq!((status.as_str(), told.as_str()), ("Unknown", reason), "{words}: {message}");
        assert!(message.starts_with(words) && message.contains("; next: "), "{message}");
        assert!(!report.unknown.is_empty(), "it is asked again with patience");
        assert!(cloud.take_tried().iter().all(|tried| !tried.contains("AgentPool")), "nothing is bought");
        cloud.silence = None;
        cloud.pools_succeed = true;
        cloud.node_joins("n1", NAME, MACHINE);
        cloud.settle(&ClaimPlanner, &key());
        assert_eq!(condition(&cloud, "Ready")[0], "True", "{words}");
    }
}

#[test]
fn a_claim_is_held_until_the_cloud_says_that_its_machine_is_gone() {
    let mut cloud = running();
    cloud.silence = silence(ErrorKind::Unavailable, "Azure cannot be reached: no route");
    cloud.delete(&key());
    cloud.settle(&ClaimPlanner, &key());
    let [_, _, message] = condition(&cloud, "InstanceTerminating");
    assert!(message.starts_with("Azure cannot be reached: no route") && message.contains("; next: "), "{message}");
    assert!(cloud.has(&key()), "it is held");
    cloud.silence = None;
    for _ in 0..9 {
        cloud.settle(&ClaimPlanner, &key());
        cloud.wait(SignedDuration::from_hours(1));
    }
    assert!(!cloud.has(&key()));
}

#[test]
fn a_machine_that_runs_is_not_lost_because_the_cloud_is_silent() {
    let mut cloud = running();
    cloud.silence = silence(ErrorKind::Unavailable, "away");
    cloud.settle(&ClaimPlanner, &key());
    assert_eq!(cloud.take_tried(), [""; 0]);
    assert_eq!(condition(&cloud, "Ready")[0], "True");
}

#[test]
fn what_was_refused_before_the_silence_is_not_forgotten_in_it() {
    let mut cloud = stage();
    let quota = BackendError::new(ErrorKind::Invalid, "QuotaExceeded: no cores");
    cloud.refusals.push(("create", Kind::AgentPool, quota));
    cloud.settle(&ClaimPlanner, &key());
    assert_eq!(condition(&cloud, "Launched")[1], "SubscriptionQuotaReached");
    cloud.silence = silence(ErrorKind::Unavailable, "away");
    cloud.settle(&ClaimPlanner, &key());
    cloud.take_tried();
    cloud.silence = None;
    cloud.settle(&ClaimPlanner, &key());
    assert_eq!(condition(&cloud, "Launched")[1], "SubscriptionQuotaReached");
    assert!(cloud.take_tried().iter().all(|tried| !tried.contains("AgentPool")), "its time has not come");
}

/// How a Node comes to be no proof that its machine is well.
const TROUBLES: [&str; 3] = ["deleted", "deleted while it is silent", "silent"];

fn trouble(cloud: &mut CloudByHand, what: &str) {
    if what.ends_with("silent") {
        node_is(cloud, &node_key(), "Unknown");
    }
    if what.starts_with("deleted") {
        cloud.delete(&node_key());
    }
}

#[test]
fn nobody_loses_a_machine_for_its_node_while_the_cloud_says_nothing_of_its_pool() {
    for what in TROUBLES {
        for is_silent in [true, false] {
            let mut cloud = running();
            cloud.pool_is(NAME, "Starting", None);
            trouble(&mut cloud, what);
            let pool_was = cloud.get(&pool(NAME))["status"].clone();
            if is_silent {
                cloud.silence = silence(ErrorKind::Throttled, "HTTP 429 Too Many Requests");
            } else {
                cloud.status_is(&pool(NAME), &json!({"state": 7}));
            }
            for _ in 0..5 {
                cloud.wait(SignedDuration::from_mins(20));
                cloud.settle(&ClaimPlanner, &key());
                assert!(!is_going(&cloud) && cloud.has(&node_key()), "{what} {is_silent}");
            }
            let [status, reason, message] = condition(&cloud, "NodeHealthy");
            let row = if what.starts_with("deleted") { "NodeDeleted" } else { "PoolUnknown" };
            assert_eq!([status.as_str(), reason.as_str()], ["Unknown", row], "{what} {is_silent}");
            let words = if is_silent { "HTTP 429 Too Many Requests" } else { "cannot be read" };
            assert!(message.contains(words) && message.contains("; overdue since "), "{what}: {message}");
            assert!(message.contains("; next: ") && message.contains("; remedy: "), "{what}: {message}");
            // The cloud speaks again, and the pool was started meanwhile all the same.
            cloud.silence = None;
            cloud.status_is(&pool(NAME), &pool_was);
            cloud.settle(&ClaimPlanner, &key());
            assert!(!is_going(&cloud), "{what} {is_silent}");
            cloud.pool_is(NAME, "Succeeded", None);
            if what == "silent" {
                node_is(&mut cloud, &node_key(), "True");
                cloud.settle(&ClaimPlanner, &key());
                assert_eq!(condition(&cloud, "NodeHealthy")[0], "True");
            }
        }
    }
}

#[test]
fn a_node_whose_pool_was_stopped_when_the_cloud_fell_silent_has_ten_minutes_from_the_next_word() {
    let mut cloud = running();
    cloud.pool_is(NAME, "Stopping", None);
    node_is(&mut cloud, &node_key(), "Unknown");
    cloud.wait(SignedDuration::from_mins(25));
    cloud.settle(&ClaimPlanner, &key());
    assert_eq!(condition(&cloud, "NodeHealthy")[1], "PoolBusy");
    cloud.silence = silence(ErrorKind::Forbidden, "ExpiredAuthenticationToken: the token is expired");
    for _ in 0..4 {
        cloud.wait(SignedDuration::from_mins(25));
        cloud.settle(&ClaimPlanner, &key());
        assert!(!is_going(&cloud));
    }
    assert_eq!(condition(&cloud, "NodeHealthy")[1], "PoolUnknown");
    cloud.silence = None;
    cloud.pool_is(NAME, "Succeeded", None);
    for minutes in [0, 9] {
        cloud.wait(SignedDuration::from_mins(minutes));
        cloud.settle(&ClaimPlanner, &key());
        assert!(!is_going(&cloud), "its node has to come up");
    }
    cloud.wait(SignedDuration::from_mins(1));
    cloud.look(&ClaimPlanner, &key());
    assert!(is_going(&cloud), "the cloud speaks, and its node is not well");
}

#[test]
fn a_deletion_that_is_written_down_is_not_forgotten_in_a_silence() {
    let mut cloud = running();
    cloud.pool_is(NAME, "Starting", None);
    trouble(&mut cloud, "deleted while it is silent");
    cloud.look(&ClaimPlanner, &key());
    assert_eq!(condition(&cloud, "NodeHealthy")[1], "NodeReturning");
    cloud.silence = silence(ErrorKind::Throttled, "HTTP 429 Too Many Requests");
    cloud.settle(&ClaimPlanner, &key());
    let [_, reason, message] = condition(&cloud, "NodeHealthy");
    assert!(reason == "NodeReturning" && message.contains("HTTP 429 Too Many Requests"), "{reason}: {message}");
    // What was sent before the silence arrives now.
    cloud.edit(&node_key(), |value| value["metadata"]["finalizers"] = json!([]));
    cloud.delete(&node_key());
    cloud.silence = None;
    cloud.pool_is(NAME, "Succeeded", None);
    cloud.settle(&ClaimPlanner, &key());
    for _ in 0..2 {
        cloud.wait(SignedDuration::from_mins(66));
        cloud.look(&ClaimPlanner, &key());
    }
    assert!(is_going(&cloud), "the machine has registered no other");
}

#[test]
fn a_silence_now_and_then_does_not_put_a_repair_off() {
    let mut cloud = running();
    cloud.pool_is(NAME, "Updating", None);
    node_is(&mut cloud, &node_key(), "Unknown");
    cloud.wait(SignedDuration::from_mins(11));
    cloud.settle(&ClaimPlanner, &key());
    cloud.pool_is(NAME, "Succeeded", None);
    cloud.settle(&ClaimPlanner, &key());
    let coming = condition(&cloud, "NodeHealthy");
    assert_eq!(coming[1], "NodeComing");
    cloud.wait(SignedDuration::from_mins(5));
    cloud.silence = silence(ErrorKind::Throttled, "HTTP 429 Too Many Requests");
    cloud.settle(&ClaimPlanner, &key());
    assert_eq!(condition(&cloud, "NodeHealthy"), coming);
    cloud.silence = None;
    cloud.wait(SignedDuration::from_mins(5));
    cloud.look(&ClaimPlanner, &key());
    assert!(is_going(&cloud));
}
