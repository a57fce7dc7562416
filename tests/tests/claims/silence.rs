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
