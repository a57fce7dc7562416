//! A clock that goes backwards, by hours and by years, and forwards again.

use super::{BAD, key, machines, until_ready, world};
use jiff::{SignedDuration, Timestamp};
use kaito_core::driver::{Reconciliation, Report};
use kaito_core::memory::{CloudFate, Fate, PodFate};
use kaito_core::plan::Wake;
use kaito_core::{Kind, ObjectKey};
use kaito_tests::stage::{MemoryStage, Stage, state};
use kaito_tests::{by_hand, manifests};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// One reconcile of a process whose clock says `now`.
pub(super) fn look(stage: &mut MemoryStage, name: &str, now: Timestamp) -> (Reconciliation, Report) {
    let (work, report) = by_hand::reconcile(stage.world().cluster(), &key(name), now);
    (work, report.expect("the cluster can be read"))
}

/// What the conditions say, without their words: an overdue wait says so in words, and only there.
fn conditions(stage: &MemoryStage) -> BTreeMap<String, (Value, Value, Value)> {
    let status = stage.get(kaito_core::Kind::Workspace, BAD).unwrap()["status"].clone();
    let of = |condition: &Value| {
        let field = |name: &str| condition[name].clone();
        (field("type").as_str().unwrap().to_owned(), (field("status"), field("reason"), field("lastTransitionTime")))
    };
    status["conditions"].as_array().into_iter().flatten().map(of).collect()
}

/// Times of clocks that are off, the right one in between.
fn clocks(now: Timestamp) -> Vec<Timestamp> {
    let off = |hours: i64| now.saturating_add(SignedDuration::from_hours(hours)).unwrap();
    let year = 24 * 365;
    let mut all = Vec::new();
    for hours in [-1, -5, 5, -year, year, -30 * year, 50 * year, -56 * year] {
        all.extend([off(hours), now]);
    }
    all.extend([Timestamp::UNIX_EPOCH, "9999-12-30T00:00:00Z".parse().unwrap(), now]);
    all
}

/// Looks with every clock, twice with each.
fn look_with_every_clock(stage: &mut MemoryStage, story: &str) {
    let now = stage.world().now();
    look(stage, BAD, now); // What is still to be done is done with the right clock.
    let before = conditions(stage);
    for clock in clocks(now) {
        let (_, first) = look(stage, BAD, clock);
        let (_, second) = look(stage, BAD, clock);
        assert!(first.errors.is_empty() && first.written.is_empty(), "{story}, {clock}: {:?}", first.written);
        assert!(second.status.is_none(), "{story}, {clock}: said twice: {:?}", second.status);
        assert_eq!(conditions(stage), before, "{story}, {clock}");
        if let Wake::After(wait) = second.wake {
            let longest = SignedDuration::from_mins(90);
            assert!(wait.is_positive() && wait <= longest, "{story}, {clock}: looks again in {wait}");
        }
    }
}

#[test]
fn a_ready_workspace_stays_what_it_is_whatever_the_clock_says() {
    let mut stage = world(&Fate::default());
    stage.put(&manifests::two_nodes(BAD));
    until_ready(&mut stage, BAD);
    stage.pass_time();
    let writes = stage.world().cluster().writes();
    look_with_every_clock(&mut stage, "ready");
    assert_eq!(stage.world().cluster().writes(), writes);
}

#[test]
fn every_wait_is_the_same_wait_whatever_the_clock_says() {
    let cloud = |cloud| Fate { cloud, ..Fate::default() };
    let pods = |pods| Fate { pods, ..Fate::default() };
    let words = || "no network".to_owned();
    for (story, fate) in [
        ("machines", cloud(CloudFate::NeverLaunches)),
        ("nodes", cloud(CloudFate::NodeNeverReady { message: words() })),
        ("devices", cloud(CloudFate::GpusNeverAppear)),
        ("refused", cloud(CloudFate::Refuses { reason: "Quota".to_owned(), message: words() })),
        ("pods", pods(PodFate::NeverReady)),
        ("addresses", pods(PodFate::NeverServes)),
        ("images", pods(PodFate::ImagePull { message: words() })),
    ] {
        let mut stage = world(&fate);
        stage.put(&manifests::two_nodes(BAD));
        stage.pass_time();
        look_with_every_clock(&mut stage, story);
    }
}

#[test]
fn at_every_moment_of_a_start_the_clock_may_jump_and_the_end_is_the_same() {
    let mut calm = world(&Fate::default());
    calm.put(&manifests::two_nodes(BAD));
    until_ready(&mut calm, BAD);
    let calm = (&calm as &dyn Stage).ending();
    let back = SignedDuration::from_hours(-24 * 365);
    for hours in [back, SignedDuration::from_hours(-3), SignedDuration::from_hours(3)] {
        let mut stage = world(&Fate::default());
        stage.put(&manifests::two_nodes(BAD));
        for _ in 0..400 {
            let now = stage.world().now().saturating_add(hours).unwrap();
            let (_, report) = look(&mut stage, BAD, now);
            assert!(report.errors.is_empty(), "{:?}", report.errors);
            if !stage.world().step() {
                break;
            }
        }
        until_ready(&mut stage, BAD);
        assert_eq!((&stage as &dyn Stage).ending(), calm, "{hours}");
    }
}

#[test]
fn a_workspace_that_goes_is_let_go_whatever_the_clock_says() {
    let mut stage = world(&Fate { cloud: CloudFate::NeverTerminates, ..Fate::default() });
    stage.put(&manifests::phi_4_mini(BAD));
    until_ready(&mut stage, BAD);
    stage.remove(kaito_core::Kind::Workspace, BAD);
    stage.pass_time();
    look_with_every_clock(&mut stage, "going");
}

#[test]
fn what_a_clock_that_was_ahead_has_written_of_lost_machines_keeps_nobody_waiting() {
    let mut stage = world(&Fate::default());
    let ahead = stage.world().now() + SignedDuration::from_hours(24 * 365);
    let record = json!({"times": 1, "first": ahead.to_string(), "last": ahead.to_string()});
    let mut manifest = manifests::phi_4_mini(BAD);
    manifest["metadata"]["annotations"] = json!({"kaito.sh/nodeclaims-given-up": record.to_string()});
    stage.put(&manifest);
    stage.world().advance(SignedDuration::from_hours(2));
    assert_eq!((machines(&stage, BAD).len(), state(&stage, BAD).as_str()), (1, "Ready"));
}

#[test]
fn a_claim_that_was_deleted_when_a_clock_was_ahead_is_counted_once() {
    let refuses = CloudFate::Refuses { reason: "Quota".to_owned(), message: "8 of 8".to_owned() };
    let mut stage = world(&Fate { cloud: refuses, ..Fate::default() });
    stage.put(&manifests::phi_4_mini(BAD));
    stage.until("it is asked for", &|stage| !stage.list(Kind::NodeClaim).is_empty());
    let claim = stage.list(Kind::NodeClaim).remove(0);
    let key = ObjectKey::cluster(Kind::NodeClaim, claim["metadata"]["name"].as_str().unwrap());
    let now = stage.world().now();
    stage.world().cluster().with_store(|store| {
        let mut held = claim.clone();
        held["metadata"]["finalizers"] = json!(["somebody/holds-it"]);
        store.replace(&key, &held).unwrap();
        store.set_now(now + SignedDuration::from_hours(24 * 365));
        store.delete(&key, None).unwrap();
        store.set_now(now);
    });
    for _ in 0..5 {
        stage.world().advance(SignedDuration::from_mins(10));
    }
    let carried =
        stage.get(Kind::Workspace, BAD).unwrap()["metadata"]["annotations"]["kaito.sh/nodeclaims-given-up"].clone();
    let carried: Value = serde_json::from_str(carried.as_str().unwrap()).unwrap();
    assert_eq!(carried["times"], 1, "{carried}");
}
