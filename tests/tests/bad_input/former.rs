//! Trainings that are asked for anew, or begin anew: what is said of the former Job, and since when a wait goes on.

use super::{BAD, world};
use jiff::SignedDuration;
use kaito_core::memory::{Fate, Pace, World};
use kaito_core::{Kind, Settings};
use kaito_tests::manifests;
use kaito_tests::stage::{MemoryStage, Stage, condition, state};
use serde_json::{Value, json};

fn training() -> Value {
    manifests::training_on_volume(BAD)
}

/// The same training with settings of another name.
fn with_settings(name: &str) -> Value {
    json!({"tuning": {"config": name}})
}

fn told(stage: &dyn Stage, type_: &str) -> String {
    condition(stage, BAD, type_).map(|(.., words)| words).unwrap_or_default()
}

#[test]
fn a_former_job_that_nothing_replaces_is_said_to_run_and_what_stands_in_the_way_is_told() {
    let mut stage = world(&Fate::default());
    stage.put(&training());
    (&mut stage as &mut dyn Stage).until_state(BAD, "Running");
    let job = stage.get(Kind::Job, BAD).unwrap()["metadata"]["uid"].clone();
    stage.patch(Kind::Workspace, BAD, &with_settings("nowhere"));
    (&mut stage as &mut dyn Stage)
        .until("it is told", &|stage| told(stage, "JobStarted").contains("an earlier request"));
    let words = told(&stage, "JobStarted");
    assert!(words.contains("the Job of an earlier request still runs"), "{words}");
    assert!(words.contains("ConfigMap nowhere does not exist"), "{words}");
    assert_eq!(state(&stage, BAD), "Running");
    stage.pass_time();
    let words = told(&stage, "JobStarted");
    assert!(words.contains("the Job of an earlier request is still there"), "{words}");
    assert_eq!(
        (stage.get(Kind::Job, BAD).unwrap()["metadata"]["uid"].clone(), state(&stage, BAD).as_str()),
        (job, "Pending")
    );
    (&mut stage as &mut dyn Stage).expect_quiet();
}

/// Runs a while and fails when a wait is told to be overdue.
fn expect_nothing_overdue(stage: &mut MemoryStage, story: &str, duration: SignedDuration) {
    let mut overdue = None;
    stage.world().run(duration, |world: &World| {
        let found =
            world.cluster().with_store(|store| store.value(&super::key(BAD)).map(|found| found["status"].to_string()));
        overdue = overdue.take().or(found.filter(|status| status.contains("overdue since")));
        overdue.is_some()
    });
    assert!(overdue.is_none(), "{story}: {overdue:?}");
}

#[test]
fn a_training_that_is_asked_for_anew_a_week_later_is_not_overdue_at_birth() {
    let mut stage = world(&Fate::default());
    stage.put(&training());
    (&mut stage as &mut dyn Stage).until_state(BAD, "Succeeded");
    stage.world().advance(SignedDuration::from_hours(24 * 7));
    stage.patch(Kind::Workspace, BAD, &with_settings("qlora-params-template-volta-turing"));
    expect_nothing_overdue(&mut stage, "anew", SignedDuration::from_mins(20));
    (&mut stage as &mut dyn Stage).until_state(BAD, "Succeeded");
}

#[test]
fn a_second_attempt_has_its_own_time_to_start() {
    let pace = Pace { train: SignedDuration::from_hours(6), ..Pace::default() };
    let mut stage = MemoryStage::of(World::with_fate(&Settings::default(), pace, &Fate::default()));
    stage.put(&training());
    (&mut stage as &mut dyn Stage).until_state(BAD, "Running");
    stage.world().advance(SignedDuration::from_hours(3));
    let pod = stage.list(Kind::Pod).remove(0);
    stage.remove(Kind::Pod, pod["metadata"]["name"].as_str().unwrap());
    expect_nothing_overdue(&mut stage, "second attempt", SignedDuration::from_mins(20));
    assert_eq!(state(&stage, BAD), "Running");
    assert_ne!(stage.list(Kind::Pod).remove(0)["metadata"]["uid"], pod["metadata"]["uid"]);
}
