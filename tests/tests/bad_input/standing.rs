//! A status that was stripped, or says what cannot be: the workload stays, and the status is written anew from what is seen.

use super::{BAD, GOOD, expect_quiet, machines, until_ready, workload, world, write_status};
use kaito_core::Kind;
use kaito_core::memory::Fate;
use kaito_tests::manifests;
use kaito_tests::stage::{MemoryStage, Stage};
use serde_json::{Value, json};

/// A moment in the life of a Workspace.
type Moment = (&'static str, fn(&dyn Stage) -> bool);

const MOMENTS: &[Moment] = &[
    ("it was put", |_| true),
    ("machines are asked for", |stage| !stage.list(Kind::NodeClaim).is_empty()),
    ("nodes have joined", |stage| stage.list(Kind::Node).len() == 2),
    ("the set is made", |stage| stage.get(Kind::StatefulSet, BAD).is_some()),
    ("pods are there", |stage| stage.list(Kind::Pod).len() == 2),
    ("it is ready", |stage| kaito_tests::stage::state(stage, BAD) == "Ready"),
];

/// Statuses that nobody wrote in his right mind.
fn statuses() -> Vec<Value> {
    let condition = |type_: &str, status: &str, time: &str| json!({"type": type_, "status": status, "reason": "x", "message": "", "lastTransitionTime": time});
    let then = "2026-01-01T00:00:00Z";
    vec![
        json!({}),
        Value::Null,
        json!([]),
        json!("Ready"),
        json!({"targetNodeCount": -5}),
        json!({"targetNodeCount": 0}),
        json!({"targetNodeCount": 2_147_483_647}),
        json!({"targetNodeCount": 9_223_372_036_854_775_807_i64}),
        json!({"targetNodeCount": "two"}),
        json!({"targetNodeCount": 2.5}),
        json!({"state": "Ready"}),
        json!({"state": 5}),
        json!({"workerNodes": "all"}),
        json!({"workerNodes": [null, 1, "node-of-nobody"]}),
        json!({"conditions": "none"}),
        json!({"conditions": {}}),
        json!({"conditions": [null, 5, [], {"type": 7}, condition("ResourceReady", "Maybe", then)]}),
        json!({"conditions": [condition("ResourceReady", "True", "yesterday")]}),
        json!({"conditions": [condition("ResourceReady", "True", then), condition("ResourceReady", "False", then)]}),
        json!({"conditions": [condition("InferenceReady", "False", "9999-12-31T23:59:59Z"), condition("WorkspaceDeleting", "True", then)]}),
        json!({"conditions": [condition("ResourceReady", "True", "0001-01-01T00:00:00Z")], "state": "NotReady"}),
        json!({"performance": {"metrics": {"peakTokensPerMinute": 7}}}),
        json!({"performance": null, "conditions": null, "state": null, "workerNodes": null, "targetNodeCount": null}),
    ]
}

fn started() -> MemoryStage {
    let mut stage = world(&Fate::default());
    stage.put(&manifests::two_nodes(BAD));
    stage.put(&manifests::phi_4_mini(GOOD));
    stage
}

#[test]
fn whatever_a_status_says_at_whatever_moment_the_end_is_the_same() {
    let mut calm = started();
    until_ready(&mut calm, BAD);
    until_ready(&mut calm, GOOD);
    expect_quiet(&mut calm);
    let wanted = (&calm as &dyn Stage).ending();
    for (index, (moment, reached)) in MOMENTS.iter().enumerate() {
        // All of them when most is known, a few at every other moment, and other ones each time.
        let (first, step) = if *moment == "it is ready" { (0, 1) } else { (index, 8) };
        for status in statuses().into_iter().skip(first).step_by(step) {
            let mut stage = started();
            stage.until(moment, reached);
            let (machines_before, workload_before) = (machines(&stage, BAD), workload(&stage, BAD));
            write_status(&mut stage, Kind::Workspace, BAD, &status);
            until_ready(&mut stage, GOOD);
            stage.until(&format!("{BAD} is ready, after {status} when {moment}"), &|stage| {
                stage
                    .get(Kind::Workspace, BAD)
                    .is_some_and(|found| found["status"]["state"] == "Ready" && found["status"]["targetNodeCount"] == 2)
            });
            stage.pass_time();
            assert_eq!((&stage as &dyn Stage).ending(), wanted, "{status} when {moment}");
            let now = machines(&stage, BAD);
            assert!(
                machines_before.iter().all(|machine| now.contains(machine)),
                "{status} when {moment}: a machine was bought again"
            );
            assert!(workload_before.is_null() || workload_before == workload(&stage, BAD), "{status} when {moment}");
        }
    }
}

#[test]
fn a_megabyte_of_conditions_of_others_stays_and_keeps_nothing_from_going_on() {
    /// About as much as etcd takes in one object.
    const MANY: usize = 2_200;
    let mut stage = started();
    until_ready(&mut stage, BAD);
    let foreign = |n: usize| json!({"type": format!("example.com/Foreign{n:05}"), "status": "True", "reason": "x", "message": "m".repeat(450), "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let all: Vec<Value> = (0..MANY).map(foreign).collect();
    let status = json!({"conditions": all});
    assert!(status.to_string().len() > 1 << 20);
    write_status(&mut stage, Kind::Workspace, BAD, &status);
    until_ready(&mut stage, BAD);
    let kept = stage.get(Kind::Workspace, BAD).unwrap()["status"]["conditions"].as_array().unwrap().len();
    assert_eq!(kept, MANY + 6);
    expect_quiet(&mut stage);
}

#[test]
fn a_status_that_cannot_be_read_keeps_nobody_from_deleting() {
    for status in statuses().into_iter().step_by(2) {
        let mut stage = started();
        until_ready(&mut stage, BAD);
        write_status(&mut stage, Kind::Workspace, BAD, &status);
        stage.remove(Kind::Workspace, BAD);
        stage.until("it is gone, and its machines are given back", &|stage| {
            stage.get(Kind::Workspace, BAD).is_none() && stage.list(Kind::NodeClaim).len() == 1
        });
    }
}
