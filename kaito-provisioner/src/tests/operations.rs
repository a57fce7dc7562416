//! Operations: how they end, and what of them survives a restart.

use crate::arm::{ArmError, Progress};
use crate::operation::{Ask, Doing, Verdict};
use crate::pool::PoolState;
use crate::{ErrorClass, Failure, Operation, PoolName, PoolSeen};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

fn name() -> PoolName {
    PoolName::parse("ws0123456ab").unwrap()
}

fn start() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

fn at(minutes: i64) -> Timestamp {
    start() + SignedDuration::from_mins(minutes)
}

fn pool(word: &str, failure: Option<Failure>) -> PoolSeen {
    PoolSeen {
        name: name(),
        state: PoolState::parse(word),
        failure,
        size: String::new(),
        count: 1,
        labels: Default::default(),
        tags: Default::default(),
        image: String::new(),
        etag: None,
        is_spot: false,
    }
}

fn failed(class: ErrorClass, code: &str) -> Progress {
    let failure = Failure::new(class, "Why", &format!("{code}: words"));
    let error = ArmError { failure, code: code.into(), status: None, retry_after: None, request_id: None };
    Progress::Failed(error)
}

#[test]
fn a_pool_decides_how_its_operation_stands() {
    use Doing::{Create, Delete};
    let class = |operation: &Operation| operation.failure.as_ref().map(|failure| failure.class);
    for (doing, word, minutes, verdict, why) in [
        (Create, Some("Creating"), 5, Verdict::Running, None),
        (Create, Some("Updating"), 50, Verdict::Running, None),
        (Create, Some("Succeeded"), 5, Verdict::Done, None),
        (Create, Some("Failed"), 5, Verdict::Failed, Some(ErrorClass::Unknown)),
        (Create, Some("Canceled"), 5, Verdict::Failed, Some(ErrorClass::Superseded)),
        (Create, Some("Deleting"), 5, Verdict::Failed, Some(ErrorClass::Superseded)),
        (Create, None, 0, Verdict::Running, None),
        (Create, None, 1, Verdict::Failed, Some(ErrorClass::Superseded)),
        // Begun by a clock that is ahead.
        (Create, None, -174, Verdict::Failed, Some(ErrorClass::Superseded)),
        (Delete, None, 0, Verdict::Done, None),
        (Delete, Some("deleting"), 50, Verdict::Running, None),
        (Delete, Some("Succeeded"), 1, Verdict::Running, None),
        (Delete, Some("Succeeded"), 2, Verdict::Failed, Some(ErrorClass::Superseded)),
        (Delete, Some("Failed"), 1, Verdict::Running, None),
        (Delete, Some("Failed"), 2, Verdict::Failed, Some(ErrorClass::Unknown)),
    ] {
        let mut operation = Operation::begin(name(), doing, start());
        let seen = word.map(|word| pool(word, None));
        assert_eq!(operation.seen(seen.as_ref(), at(minutes)), verdict, "{doing:?} {word:?} {minutes}");
        assert_eq!(class(&operation), why, "{doing:?} {word:?} {minutes}");
    }
}

#[test]
fn what_an_operation_says_is_believed_when_it_is_bad_and_checked_when_it_is_good() {
    for (doing, progress, verdict) in [
        (Doing::Create, Progress::Running(Duration::ZERO), Verdict::Running),
        (Doing::Create, Progress::Succeeded, Verdict::AskPool),
        (Doing::Create, Progress::Forgotten, Verdict::AskPool),
        (Doing::Create, failed(ErrorClass::Quota, "QuotaExceeded"), Verdict::Failed),
        (Doing::Create, failed(ErrorClass::Superseded, "OperationPreempted"), Verdict::AskPool),
        (Doing::Create, failed(ErrorClass::Unknown, "NotFound"), Verdict::Failed),
        (Doing::Delete, failed(ErrorClass::Unknown, "NotFound"), Verdict::AskPool),
        (Doing::Delete, failed(ErrorClass::Unavailable, "InternalOperationError"), Verdict::Failed),
    ] {
        let mut operation = Operation::begin(name(), doing, start());
        assert_eq!(operation.told(&progress), verdict, "{doing:?} {progress:?}");
        assert_eq!(operation.failure.is_some(), verdict == Verdict::Failed);
    }
}

#[test]
fn the_outcome_of_an_operation_survives_a_restart() {
    // The process that saw the failure wrote it down; the next one reads it, and keeps the words although the pool has none.
    let mut before = Operation::begin(name(), Doing::Create, start());
    assert_eq!(before.told(&failed(ErrorClass::Quota, "QuotaExceeded")), Verdict::Failed);
    let mut after: Operation = serde_json::from_str(&serde_json::to_string(&before).unwrap()).unwrap();
    assert_eq!((&after, after.ask(None)), (&before, Ask::Pool(&name())));
    assert_eq!(after.seen(Some(&pool("Failed", None)), at(9)), Verdict::Failed);
    assert_eq!(after.failure.as_ref().unwrap().message, "QuotaExceeded: words");
    // The process that would have seen it is gone: the pool tells.
    let mut after = Operation::begin(name(), Doing::Create, start());
    let told = Failure::new(ErrorClass::StockOut, "AllocationFailure", "AllocationFailed: none free");
    assert_eq!(after.seen(Some(&pool("Failed", Some(told.clone()))), at(9)), Verdict::Failed);
    assert_eq!(after.failure, Some(told));
    // A pool that came after all is not failed any more.
    assert_eq!((after.seen(Some(&pool("Succeeded", None)), at(20)), &after.failure), (Verdict::Done, &None));
}

#[test]
fn what_is_written_down_is_pool_kind_time_and_error() {
    let mut operation = Operation::begin(name(), Doing::Delete, start());
    let plain = serde_json::to_value(&operation).unwrap();
    assert_eq!(
        plain,
        serde_json::json!({"pool": "ws0123456ab", "doing": "delete", "startedAt": "2026-01-02T03:04:05Z"})
    );
    operation.told(&failed(ErrorClass::Quota, "QuotaExceeded"));
    let error = serde_json::to_value(&operation).unwrap()["failure"].clone();
    assert_eq!(error, serde_json::json!({"class": "quota", "reason": "Why", "message": "QuotaExceeded: words"}));
    for text in ["{}", "null", "{\"pool\":\"../x\",\"doing\":\"create\",\"startedAt\":\"2026-01-02T03:04:05Z\"}"] {
        assert!(serde_json::from_str::<Operation>(text).is_err(), "{text}");
    }
}
