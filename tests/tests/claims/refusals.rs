//! What the cloud refuses: told in its own words, asked again when that may help, never paid for.

use super::{NAME, claim_with_sizes, condition, key, stage, stage_with, tried};
use jiff::SignedDuration;
use kaito_core::Kind;
use kaito_core::backend::{BackendError, ErrorKind};
use kaito_provisioner::ClaimPlanner;
use kaito_tests::cloud_by_hand::{CloudByHand, pool};

fn refuse(cloud: &mut CloudByHand, kind: ErrorKind, words: &str) {
    cloud.refusals.push(("create", Kind::AgentPool, BackendError::new(kind, words)));
}

/// How a refusal is told, and after how many seconds the same is asked again.
const REQUESTS: &[(ErrorKind, &str, &str, &str, i64)] = &[
    (ErrorKind::Forbidden, "QuotaExceeded: no cores left", "False", "SubscriptionQuotaReached", 600),
    (ErrorKind::Invalid, "SkuNotAvailable: not here", "False", "SKUNotAvailable", 82_800),
    (ErrorKind::Unavailable, "AllocationFailed: none free", "False", "AllocationFailure", 3600),
    (ErrorKind::Invalid, "InvalidParameter: wrong", "False", "LaunchFailed", 3600),
    (ErrorKind::Forbidden, "AuthorizationFailed: who are you", "Unknown", "NotAuthorized", 300),
    (ErrorKind::Invalid, "ResourceGroupNotFound: no group", "Unknown", "ClusterNotFound", 300),
    (ErrorKind::Unavailable, "InternalServerError: sorry", "Unknown", "LaunchFailed", 60),
    (
        ErrorKind::Unavailable,
        "OperationNotAllowed: Another operation is in progress",
        "Unknown",
        "AwaitingReconciliation",
        30,
    ),
    (ErrorKind::Throttled, "TooManyRequests: slow down", "Unknown", "AwaitingReconciliation", 60),
    (ErrorKind::Unavailable, "PreconditionFailed: etag", "Unknown", "AwaitingReconciliation", 5),
];

#[test]
fn a_request_that_is_refused_is_told_in_the_clouds_words_and_asked_again_in_time() {
    for (kind, words, status, reason, seconds) in REQUESTS {
        let mut cloud = stage();
        refuse(&mut cloud, *kind, words);
        cloud.look(&ClaimPlanner, &key());
        let [told, why, message] = condition(&cloud, "Launched");
        assert_eq!([told.as_str(), why.as_str()], [*status, *reason], "{message}");
        assert!(message.starts_with(words), "{message}");
        let is_awaited = *status == "Unknown";
        assert_eq!(message.contains("; next: asks"), is_awaited, "{message}");
        let before = condition(&cloud, "Launched");
        cloud.wait(SignedDuration::from_secs(seconds - 1));
        cloud.take_tried();
        cloud.look(&ClaimPlanner, &key());
        assert_eq!(cloud.take_tried(), [""; 0], "{words}: nothing new");
        cloud.wait(SignedDuration::from_secs(1));
        cloud.look(&ClaimPlanner, &key());
        assert_eq!(tried(&cloud, "create AgentPool"), 1, "{words}");
        assert_eq!(condition(&cloud, "Launched"), before, "{words}: the same again");
        assert!(!cloud.has(&pool(NAME)));
    }
}

#[test]
fn a_refusal_that_ends_is_forgotten() {
    let mut cloud = stage();
    refuse(&mut cloud, ErrorKind::Forbidden, "QuotaExceeded: no cores left");
    cloud.look(&ClaimPlanner, &key());
    cloud.refusals.clear();
    cloud.pools_succeed = true;
    cloud.node_joins("n1", NAME, super::MACHINE);
    cloud.wait(SignedDuration::from_mins(10));
    cloud.settle(&ClaimPlanner, &key());
    assert_eq!(condition(&cloud, "Ready")[0], "True");
}

#[test]
fn another_size_of_the_claim_is_asked_for_at_once_when_one_is_out_and_all_are_told_when_none_is_left() {
    let mut cloud = stage_with(&claim_with_sizes(&["Standard_NC24ads_A100_v4", "Standard_NC48ads_A100_v4"]));
    refuse(&mut cloud, ErrorKind::Unavailable, "AllocationFailed: none free");
    cloud.look(&ClaimPlanner, &key());
    let [status, reason, message] = condition(&cloud, "Launched");
    assert_eq!([status.as_str(), reason.as_str()], ["Unknown", "AllocationFailure"]);
    assert!(message.ends_with("(size Standard_NC24ads_A100_v4)"), "{message}");
    cloud.look(&ClaimPlanner, &key());
    let [status, _, message] = condition(&cloud, "Launched");
    assert_eq!(status, "False", "{message}");
    assert!(message.contains("all requested instance types were unavailable during launch"), "{message}");
    assert_eq!(tried(&cloud, "create AgentPool"), 2);
    cloud.wait(SignedDuration::from_mins(59));
    cloud.look(&ClaimPlanner, &key());
    assert_eq!(tried(&cloud, "create AgentPool"), 2);
    cloud.refusals.clear();
    cloud.wait(SignedDuration::from_mins(1));
    cloud.look(&ClaimPlanner, &key());
    assert_eq!(cloud.get(&pool(NAME))["spec"]["size"], "Standard_NC24ads_A100_v4");
}

#[test]
fn a_pool_that_fails_is_given_back_and_the_next_size_asked_for_when_it_is_gone() {
    let mut cloud = stage_with(&claim_with_sizes(&["Standard_NC24ads_A100_v4", "Standard_NC48ads_A100_v4"]));
    cloud.pools_linger = true;
    cloud.look(&ClaimPlanner, &key());
    cloud.pool_is(NAME, "Failed", Some(("ZonalAllocationFailed", "none free")));
    cloud.look(&ClaimPlanner, &key());
    let [status, reason, message] = condition(&cloud, "Launched");
    assert_eq!([status.as_str(), reason.as_str()], ["Unknown", "ZonalAllocationFailure"]);
    assert!(message.starts_with("ZonalAllocationFailed: none free"), "{message}");
    assert_eq!(cloud.get(&pool(NAME))["status"]["state"], "Deleting");
    cloud.look(&ClaimPlanner, &key());
    assert_eq!(tried(&cloud, "create AgentPool"), 1, "it is not gone yet");
    cloud.delete(&pool(NAME));
    cloud.look(&ClaimPlanner, &key());
    assert_eq!(cloud.get(&pool(NAME))["spec"]["size"], "Standard_NC48ads_A100_v4");
}

#[test]
fn a_pool_that_failed_for_good_is_not_paid_for_and_its_words_stay() {
    let mut cloud = stage();
    cloud.look(&ClaimPlanner, &key());
    cloud.pool_is(NAME, "Failed", Some(("QuotaExceeded", "no cores left")));
    cloud.settle(&ClaimPlanner, &key());
    assert!(!cloud.has(&pool(NAME)));
    let [status, reason, message] = condition(&cloud, "Launched");
    assert_eq!([status.as_str(), reason.as_str()], ["False", "SubscriptionQuotaReached"]);
    assert!(message.starts_with("QuotaExceeded: no cores left"), "{message}");
    assert_eq!(tried(&cloud, "create AgentPool"), 1);
}

#[test]
fn a_request_that_never_arrived_is_sent_again() {
    let mut cloud = stage();
    cloud.look(&ClaimPlanner, &key());
    // Nobody has refused it, and there is no pool.
    cloud.delete(&pool(NAME));
    cloud.wait(SignedDuration::from_secs(29));
    cloud.look(&ClaimPlanner, &key());
    assert_eq!(tried(&cloud, "create AgentPool"), 1);
    cloud.wait(SignedDuration::from_secs(1));
    for _ in 0..4 {
        cloud.look(&ClaimPlanner, &key());
        cloud.wait(SignedDuration::from_secs(10));
    }
    assert_eq!(tried(&cloud, "create AgentPool"), 2);
}

#[test]
fn what_is_refused_for_long_says_what_can_be_done() {
    for (words, remedy) in [
        ("AuthorizationFailed: who are you", "identity"),
        ("ResourceGroupNotFound: no group", "AZURE_"),
        ("InternalServerError: sorry", "the cloud's words"),
        ("TooManyRequests: slow down", "the cloud's words"),
    ] {
        let mut cloud = stage();
        refuse(&mut cloud, ErrorKind::Unavailable, words);
        for _ in 0..14 {
            cloud.look(&ClaimPlanner, &key());
            cloud.wait(SignedDuration::from_mins(5));
        }
        let message = &condition(&cloud, "Launched")[2];
        assert!(message.starts_with(words), "{message}");
        let (_, told) = message.split_once("; remedy: ").unwrap_or_else(|| panic!("{message}"));
        assert!(message.contains("; overdue since 2026-01-01T01:00:00Z; next: ") && told.contains(remedy), "{message}");
    }
}

#[test]
fn a_claim_whose_pools_fail_and_fail_gets_another_ever_more_rarely_and_tells_the_last_words_meanwhile() {
    let mut cloud = stage();
    // Some fourteen hours: three in the first two, then after one, two, four.
    for _ in 0..150 {
        cloud.look(&ClaimPlanner, &key());
        if cloud.get(&pool(NAME))["status"]["state"] == "Creating" {
            cloud.wait(SignedDuration::from_mins(20));
            cloud.pool_is(NAME, "Failed", Some(("NodesNotReady", "1 node is not ready")));
        }
        cloud.wait(SignedDuration::from_mins(5));
    }
    assert_eq!(tried(&cloud, "create AgentPool"), 6);
    assert!(!cloud.has(&pool(NAME)));
    let [status, _, message] = condition(&cloud, "Launched");
    assert_eq!(status, "False", "{message}");
    assert!(message.starts_with("NodesNotReady: 1 node is not ready"), "{message}");
    assert!(message.contains("3 agent pools") && message.contains("; remedy: "), "{message}");
    assert_eq!(cloud.notices.len(), 6, "one a pool: {:?}", cloud.notices);
}
