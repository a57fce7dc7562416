//! Bad input: what is wrong is told in conditions, what is not wrong goes on, and when the cause goes away all is well.
//!
//! Every story has a healthy Workspace in the same cluster, which is ready in the same time as if it were alone.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail as tests do")]

mod addresses; // what a shell would take for more
mod clock; // a clock that goes backwards
mod former; // a training in place of another
mod lost; // machines that go away, and those that stay
mod names; // names at the limits of their length
mod pressure; // nodes that are short of something
mod references; // ConfigMaps, Secrets, StorageClasses, images
mod standing; // a status that was stripped, or is absurd
mod trainings; // settings of a training that its trainer does not take

use jiff::SignedDuration;
use kaito_core::memory::{Fate, Halt, Pace, World};
use kaito_core::{Kind, ObjectKey, Settings};
use kaito_tests::manifests;
use kaito_tests::stage::{MemoryStage, Stage, condition, state};
use serde_json::{Value, json};

/// The Workspace that nothing is wrong with.
const GOOD: &str = "good";
/// The Workspace that something is wrong with.
const BAD: &str = "bad";

fn world(fate: &Fate) -> MemoryStage {
    MemoryStage::of(World::with_fate(&Settings::default(), Pace::default(), fate))
}

/// A Workspace with settings of its own.
fn with_config() -> Value {
    let mut manifest = manifests::phi_4_mini(BAD);
    manifest["inference"]["config"] = json!("my-settings");
    manifest
}

/// Settings that its server takes.
fn good_settings() -> Value {
    manifests::settings("my-settings", "vllm:\n  max-model-len: 4096\n")
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new(Kind::Workspace, "default", name)
}

/// How long the healthy Workspace takes from now on.
fn until_good(stage: &mut MemoryStage) -> SignedDuration {
    let start = stage.world().elapsed();
    let is_ready = |world: &World| {
        let found = world.get(&key(GOOD));
        found.is_some_and(|seen| match seen {
            kaito_core::Seen::Decoded(object) => object.to_value()["status"]["state"] == "Ready",
            kaito_core::Seen::Malformed(_) => false,
        })
    };
    assert_eq!(stage.world().run(SignedDuration::from_hours(2), is_ready), Halt::Reached, "{GOOD} is harmed");
    stage.world().elapsed() - start
}

/// The same in a cluster of its own.
fn alone(fate: &Fate) -> SignedDuration {
    let mut stage = world(fate);
    stage.put(&manifests::phi_4_mini(GOOD));
    until_good(&mut stage)
}

/// Holds that a condition is False for this reason, in words that a person can read.
fn expect_told(stage: &MemoryStage, story: &str, type_: &str, reason: &str, mentions: &[&str]) {
    let (status, why, words) = condition(stage, BAD, type_).unwrap_or_else(|| panic!("{story}: nothing is told"));
    assert_eq!((status.as_str(), why.as_str()), ("False", reason), "{story}: {words}");
    for mention in mentions.iter().chain(&["next:", "remedy:"]) {
        assert!(words.contains(mention), "{story}: {mention:?} is not in: {words}");
    }
    assert!(words.len() < 2000, "{story}: {} bytes are no words", words.len());
    assert!(!words.contains(char::is_control), "{story}: {words:?}");
    let top = condition(stage, BAD, "WorkspaceSucceeded").expect("it is told").2;
    assert!(top.len() < 2500 && !top.contains(char::is_control), "{story}: {top:?}");
}

fn machines(stage: &MemoryStage, workspace: &str) -> Vec<Value> {
    let all = stage.list(Kind::NodeClaim).into_iter();
    all.filter(|claim| claim["metadata"]["labels"]["kaito.sh/workspace"] == workspace)
        .map(|claim| claim["metadata"]["uid"].clone())
        .collect()
}

/// What a set runs, without what the cluster says of it.
fn workload(stage: &MemoryStage, name: &str) -> Value {
    stage.get(Kind::StatefulSet, name).map(|set| json!([set["metadata"]["uid"], set["spec"]])).unwrap_or_default()
}

fn until_ready(stage: &mut MemoryStage, name: &str) {
    (stage as &mut dyn Stage).until_ready(name);
}

fn expect_quiet(stage: &mut MemoryStage) {
    (stage as &mut dyn Stage).expect_quiet();
}

fn is_ready(stage: &MemoryStage, name: &str) -> bool {
    state(stage, name) == "Ready"
}

/// Replaces a status beside the world: nobody hears of it yet.
fn say(stage: &mut MemoryStage, kind: Kind, name: &str, status: &Value) {
    let uid = stage.get(kind, name).expect("it is there")["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    let key = ObjectKey::new(kind, "default", name);
    let cluster = std::sync::Arc::clone(stage.world().cluster());
    cluster.with_store(|store| store.write_status(&key, &uid, None, status).map(drop)).expect("it is written");
}

/// Replaces a status, as somebody with the right to do so does.
fn write_status(stage: &mut MemoryStage, kind: Kind, name: &str, status: &Value) {
    say(stage, kind, name, status);
    // A write beside the world is heard of with the next one in it.
    stage.put(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "touched"}, "data": {"by": name}}));
    stage.remove(Kind::ConfigMap, "touched");
}
