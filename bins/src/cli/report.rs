//! The `Simulation` object: what a program reads of a run.

use super::output::Typed;
use super::standing;
use super::then::Applied;
use kaito_core::memory::simulation::Run;
use kaito_core::memory::{Moment, World};
use kaito_core::object::SecretFacts;
use kaito_core::{Kind, ObjectKey};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A run, told to a program.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Simulation {
    /// What chance was drawn from, where anything was left to it.
    seed: u64,
    /// What went wrong; absent in a run in which nothing may.
    #[serde(skip_serializing_if = "Option::is_none")]
    faults: Option<Wrong>,
    /// Simulated seconds.
    duration: i64,
    ready: bool,
    /// What was applied later, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    then: Vec<Applied>,
    resources: Vec<Resource>,
    /// Every object of the world at the end.
    objects: Vec<Value>,
    writes: Writes,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    kind: &'static str,
    namespace: String,
    name: String,
    state: String,
    ready: bool,
    conditions: Value,
    timeline: Vec<Event>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    /// Simulated seconds since the beginning.
    at: i64,
    topic: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    message: String,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Writes {
    by_verb: BTreeMap<String, u64>,
    by_kind: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Wrong {
    /// The faults that played, by their words.
    played: Vec<&'static str>,
    /// What was done to the world, in order.
    upsets: Vec<String>,
    /// The promises that were broken.
    violations: Vec<String>,
    /// News that arrived, requests that were answered, reconciles of the rest of the cluster.
    steps: u64,
}

impl Typed<Simulation> {
    /// The same, with what went wrong on the way.
    pub fn of_run(mut self, run: &Run) -> Self {
        let body = self.body_mut();
        body.seed = run.seed;
        body.faults = Some(Wrong {
            played: run.played.iter().map(|fault| fault.word()).collect(),
            upsets: run.upsets.clone(),
            violations: run.violations.iter().map(ToString::to_string).collect(),
            steps: run.steps,
        });
        self
    }
}

/// Tells a run.
pub fn simulation(world: &World, workspaces: &[ObjectKey], then: Vec<Applied>, ready: bool) -> Typed<Simulation> {
    let body = Simulation {
        seed: 0,
        faults: None,
        duration: world.elapsed().as_secs(),
        ready,
        then,
        resources: workspaces.iter().map(|key| resource(world, key)).collect(),
        objects: world.cluster().with_store(|store| store.iter().map(|(key, value)| shown(key, value)).collect()),
        writes: writes(world),
    };
    Typed::new("Simulation", body)
}

/// An object as it is printed: what a Secret holds is nobody's business.
fn shown(key: &ObjectKey, value: &Value) -> Value {
    let mut value = value.clone();
    if key.kind == Kind::Secret {
        SecretFacts::forget_values(&mut value);
    }
    value
}

fn resource(world: &World, key: &ObjectKey) -> Resource {
    let status = world.cluster().with_store(|store| store.value(key).and_then(|value| value.get("status").cloned()));
    let status = status.unwrap_or_default();
    let moments = world.timeline().moments().iter().filter(|moment| moment.about == *key);
    Resource {
        kind: Kind::Workspace.name(),
        namespace: key.namespace().to_owned(),
        name: key.name.clone(),
        state: status["state"].as_str().unwrap_or("Pending").to_owned(),
        ready: standing::is_ready(world, key),
        conditions: status.get("conditions").cloned().unwrap_or_else(|| json!([])),
        timeline: moments.map(event).collect(),
    }
}

fn event(moment: &Moment) -> Event {
    Event {
        at: moment.at.as_secs(),
        topic: moment.topic.clone(),
        from: moment.from.clone(),
        to: moment.to.clone(),
        reason: moment.reason.clone(),
        message: moment.message.clone(),
    }
}

fn writes(world: &World) -> Writes {
    let mut writes = Writes::default();
    for ((verb, kind), count) in world.cluster().writes() {
        let verb =
            serde_json::to_value(verb).ok().and_then(|verb| verb.as_str().map(str::to_owned)).unwrap_or_default();
        *writes.by_verb.entry(verb).or_default() += count;
        *writes.by_kind.entry(kind.name()).or_default() += count;
    }
    writes
}
