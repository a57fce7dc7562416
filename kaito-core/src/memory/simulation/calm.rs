//! How the objects would have ended without faults.

use super::judge::all;
use super::node_pools::{given_orphans, whose};
use crate::failure;
use crate::hub::Repository;
use crate::kinds::Kind;
use crate::memory::{Pace, World};
use crate::object::ObjectKey;
use crate::render;
use crate::settings::Settings;
use kaito_api::vocabulary::{annotations, labels};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The end of a calm run.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::memory) struct Calm {
    /// `status.state` of each Workspace.
    pub(super) states: BTreeMap<ObjectKey, String>,
    /// How many machines each Workspace has, or had before it was over.
    pub(super) machines: BTreeMap<ObjectKey, usize>,
    /// Nodes that the user has given, with what they say of themselves.
    pub(super) brought: BTreeMap<ObjectKey, BTreeMap<String, String>>,
    /// Machines of nobody that the user gave, and that the product leaves alone.
    pub(super) orphans: BTreeSet<ObjectKey>,
    /// What the product has made, in comparable form.
    pub(super) objects: BTreeMap<String, Value>,
}

impl Calm {
    /// Runs the objects in a world in which all goes well.
    pub(in crate::memory) fn of(objects: &[(ObjectKey, Value)], models: &[Repository], settings: &Settings) -> Self {
        let mut world = World::with_pace(settings, Pace::instant());
        models.iter().for_each(|model| world.publish_model(model.clone()));
        Self::reached_in(world, objects)
    }

    /// Runs the objects in this world, in which all goes well.
    pub(super) fn reached_in(mut world: World, objects: &[(ObjectKey, Value)]) -> Self {
        for (key, body) in objects {
            // What a server would refuse, the simulated one refuses every time.
            let _ = world.give(key, body);
        }
        render::settle(&mut world);
        Self::end_of(&world)
    }

    /// How a world stands.
    pub(super) fn end_of(world: &World) -> Self {
        let made: Vec<Value> = world.cluster().with_store(|store| {
            let ours = store.iter().filter(|(key, value)| is_made(key, value));
            ours.map(|(_, value)| render::canonical(value)).collect()
        });
        let mut machines = BTreeMap::new();
        for workspace in all(world, Kind::NodeClaim).iter().filter_map(whose) {
            *machines.entry(workspace).or_insert(0) += 1;
        }
        // A training that is over may have given back those that it had.
        for (key, target) in over(world) {
            machines.entry(key).or_insert(target);
        }
        let objects = made.into_iter().map(comparable).collect();
        let nodes = all(world, Kind::Node);
        let given = nodes.iter().filter(|node| world.as_given(node).is_some());
        let brought = given.map(|node| (node.key(), node.labels().into_owned())).collect();
        Self { states: states(world), machines, brought, orphans: given_orphans(world), objects }
    }
}

pub(super) fn states(world: &World) -> BTreeMap<ObjectKey, String> {
    let workspaces = world.workspaces();
    world.cluster().with_store(|store| {
        let state = |key: &ObjectKey| store.value(key)?["status"]["state"].as_str().map(str::to_owned);
        workspaces
            .into_iter()
            .map(|key| {
                let found = state(&key).unwrap_or_default();
                (key, found)
            })
            .collect()
    })
}

/// The Workspaces whose training is over, and how many machines each asked for.
fn over(world: &World) -> Vec<(ObjectKey, usize)> {
    let target = |key: &ObjectKey| {
        world.cluster().with_store(|store| store.value(key)?["status"]["targetNodeCount"].as_u64()?.try_into().ok())
    };
    let over = states(world).into_iter().filter(|(_, state)| is_end(state));
    over.filter_map(|(key, _)| target(&key).map(|target| (key, target))).collect()
}

/// Whether the result of a benchmark is still looked for: a wait that keeps nothing from being Ready, and that says something else when it is over.
pub(super) fn is_measured(world: &World) -> bool {
    let waits = |told: &Value| {
        told["reason"] == failure::BENCHMARK_PENDING.name
            && told["message"].as_str().is_some_and(|words| !words.contains("; overdue since "))
    };
    is_told(world, waits)
}

/// Whether something is waited for: when its deadline comes, that is said. By a clock that was off it may have been said too early.
pub(super) fn is_waited_for(world: &World) -> bool {
    let waits =
        |told: &Value| told["message"].as_str().is_some_and(|words| WAITS.iter().any(|wait| words.contains(wait)));
    is_told(world, waits)
}

/// How a condition tells of a wait.
const WAITS: [&str; 2] = [", until ", "; overdue since "];

/// Whether a condition of some Workspace is such.
fn is_told(world: &World, is_such: impl Fn(&Value) -> bool) -> bool {
    world.workspaces().iter().any(|key| {
        world.cluster().with_store(|store| {
            let conditions = store.value(key).and_then(|value| value["status"]["conditions"].as_array());
            conditions.into_iter().flatten().any(&is_such)
        })
    })
}

/// Whether a Workspace of this state is done.
pub(super) fn is_end(state: &str) -> bool {
    matches!(state, "Succeeded" | "Failed")
}

impl Calm {
    /// Where another world ends with more machines than this one, or with fewer; a training that is over needs none.
    pub(super) fn other_machines(&self, end: &Calm) -> Vec<String> {
        let is_over = |workspace: &ObjectKey| end.states.get(workspace).is_some_and(|state| is_end(state));
        let mut others = Vec::new();
        for (workspace, wished) in &self.machines {
            let found = end.machines.get(workspace).copied().unwrap_or_default();
            if found > *wished || (found < *wished && !is_over(workspace)) {
                others.push(format!("{workspace} ends with {found} machines, and {wished} in a calm world"));
            }
        }
        others
    }

    /// Whether every Node that was brought along is there, and says what it has: without that it may run pods, and is none of those that are chosen.
    pub(super) fn has_its_nodes(&self, world: &World) -> bool {
        self.brought.iter().all(|(key, said)| {
            let Some(node) = world.get(key) else { return false };
            said.iter().all(|(label, value)| *label == labels::ACCELERATOR || node.labels().get(label) == Some(value))
        })
    }

    /// Whether the object of this name belongs to a training that is over.
    pub(super) fn is_over(&self, name: &str) -> bool {
        let over = self.states.iter().filter(|(_, state)| is_end(state));
        over.map(|(key, _)| &key.name).any(|workspace| name.split(' ').next_back() == Some(workspace))
    }
}

/// Whether the product makes objects like this one.
fn is_made(key: &ObjectKey, value: &Value) -> bool {
    let owner = || value.pointer("/metadata/ownerReferences/0/kind").and_then(Value::as_str);
    match key.kind {
        // Those of a pool are Karpenter's.
        Kind::NodeClaim => owner() != Some(Kind::NodePool.name()),
        Kind::NodePool => true,
        Kind::Job | Kind::Service | Kind::StatefulSet => owner() == Some(Kind::Workspace.name()),
        _ => false,
    }
}

/// The pool of a training that is over may ask for fewer machines than are wished: it needs none any more.
pub(super) fn asks_for_fewer(wished: &Value, found: &Value) -> bool {
    let replicas = |pool: &Value| pool["spec"]["replicas"].as_u64();
    let with = |replicas: &Value| {
        let mut pool = wished.clone();
        pool["spec"]["replicas"] = replicas.clone();
        pool
    };
    wished["kind"] == Kind::NodePool.name()
        && replicas(found) < replicas(wished)
        && with(&found["spec"]["replicas"]) == *found
}

/// Keyed by kind and name; without what a history leaves behind: the number of the revision, the mark of an edit of the settings, and what others add.
fn comparable(mut value: Value) -> (String, Value) {
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let named = |label: &str| text(&format!("/metadata/labels/{}", label.replace('/', "~1")));
    let owner = match text("/kind").as_str() {
        "NodePool" => named(labels::KARPENTER_WORKSPACE_NAME),
        _ => named(labels::WORKSPACE),
    };
    let key = format!("{} {} {} {owner}", text("/kind"), text("/metadata/namespace"), text("/metadata/name"));
    for pointer in ["/metadata/annotations", "/spec/template/metadata/annotations"] {
        if let Some(found) = value.pointer_mut(pointer).and_then(Value::as_object_mut) {
            found.remove(annotations::WORKSPACE_REVISION);
        }
    }
    if let Some(template) = value.pointer_mut("/spec/template/metadata").and_then(Value::as_object_mut)
        && let Some(found) = template.get_mut("annotations").and_then(Value::as_object_mut)
    {
        found.remove(annotations::INFERENCE_CONFIG_DIGEST);
        if found.is_empty() {
            template.remove("annotations");
        }
    }
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("finalizers");
        // A provisioner writes when the claim was made.
        if let Some(found) = metadata.get_mut("labels").and_then(Value::as_object_mut) {
            found.remove(labels::CREATION_TIMESTAMP);
        }
    }
    (key, value)
}
