//! The things that go wrong at a moment, and how each is done to a world.

use super::machines::Mishap;
use super::node_pools::Meddling;
use crate::kinds::{Kind, Typed};
use crate::memory::replica::Replica;
use crate::memory::{Fate, World};
use crate::object::{ObjectKey, Seen};
use crate::read::Selector;
use crate::units::rfc3339;
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::{Node, Pod};
use kaito_api::vocabulary::names;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// How a user changes a Workspace without changing what it comes to in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Asks for a load balancer, or not any more.
    LoadBalancer,
    /// Adds an adapter, or takes it away.
    Adapter,
    /// Adds a label of her own.
    Label,
    /// Adds a setting to the ConfigMap that the Workspace names, or takes it away.
    Setting,
}

impl Change {
    pub(super) const ALL: &'static [Change] = &[Change::LoadBalancer, Change::Adapter, Change::Label, Change::Setting];
}

/// One thing that goes wrong, or that a person does in the middle. A replica that is not there means the first.
#[derive(Debug, Clone)]
pub(super) enum Upset {
    Put { key: ObjectKey, body: Value },
    Crash { replica: usize },
    Relist { replica: usize, kind: Kind },
    Join,
    Pause { replica: usize, lasts: Duration },
    Fate { fate: Fate, lasts: Duration },
    Recovery,
    Lose(Kind),
    Evict,
    NodeNotReady { lasts: Duration },
    NodeReady,
    Edit { workspace: ObjectKey, change: Change },
    Spoil { workspace: ObjectKey, body: Value, lasts: Duration },
    StripStatus { workspace: ObjectKey },
    Delete { key: ObjectKey, again: Option<(Duration, Value)> },
    Unlabel { node: ObjectKey, body: Value, lasts: Duration },
    Intrude { service: ObjectKey },
    Withdraw { kind: Kind, lasts: Duration },
    Install { kind: Kind },
    SetClock { replica: usize, by: SignedDuration },
    Machines(Mishap),
    Meddle(Meddling),
}

impl Upset {
    /// What follows from it, and after how long.
    pub(super) fn follows(&self) -> Option<(Duration, Upset)> {
        match self {
            Upset::Fate { lasts, .. } => Some((*lasts, Upset::Recovery)),
            Upset::NodeNotReady { lasts } => Some((*lasts, Upset::NodeReady)),
            Upset::Withdraw { kind, lasts } => Some((*lasts, Upset::Install { kind: *kind })),
            Upset::Spoil { workspace, body, lasts } => {
                Some((*lasts, Upset::Put { key: workspace.clone(), body: body.clone() }))
            }
            Upset::Delete { key, again: Some((wait, body)) } => {
                Some((*wait, Upset::Put { key: key.clone(), body: body.clone() }))
            }
            Upset::Unlabel { node, body, lasts } => {
                Some((*lasts, Upset::Put { key: node.clone(), body: body.clone() }))
            }
            Upset::Machines(mishap) => mishap.follows().map(|(wait, next)| (wait, Upset::Machines(next))),
            _ => None,
        }
    }

    /// Whether it must happen even when nothing goes wrong any more.
    pub(super) fn mends(&self) -> bool {
        match self {
            Upset::Put { .. } | Upset::NodeReady | Upset::Recovery | Upset::Install { .. } => true,
            Upset::Machines(mishap) => mishap.mends(),
            _ => false,
        }
    }

    /// Does it; says what was done, unless there was nothing to do it to.
    pub(super) fn act(&self, world: &mut World) -> Option<String> {
        match self {
            Upset::Put { key, body } => put(world, key, body),
            Upset::Crash { replica } => {
                let index = world.replica(*replica);
                world.start_process(index);
                Some(format!("process {index} crashes"))
            }
            Upset::Relist { replica, kind } => {
                let index = world.replica(*replica);
                world.replicas[index].watches(*kind)?;
                world.list_again(index, *kind);
                Some(format!("process {index} lists {} again", kind.plural()))
            }
            Upset::Join => join(world),
            Upset::Pause { replica, lasts } => {
                let index = world.replica(*replica);
                world.replicas[index].asleep_until = world.now + *lasts;
                Some(format!("process {index} stands still for {} s", lasts.as_secs()))
            }
            Upset::Fate { fate, .. } => {
                world.set_fate(fate);
                Some(format!("cloud and nodes: {:?}, {:?}", fate.cloud, fate.pods))
            }
            Upset::Recovery => {
                world.set_fate(&Fate::default());
                Some("cloud and nodes are well again".to_owned())
            }
            Upset::Lose(kind) => lose(world, *kind),
            Upset::Evict => evict(world),
            Upset::NodeNotReady { .. } => set_nodes(world, false, 1),
            Upset::NodeReady => set_nodes(world, true, usize::MAX),
            Upset::Edit { workspace, change } => edit(world, workspace, *change),
            Upset::Spoil { workspace, .. } => spoil(world, workspace),
            Upset::StripStatus { workspace } => {
                world.change_status(workspace, &json!({})).then(|| format!("the status of {workspace} is lost"))
            }
            Upset::Delete { key, .. } => world.delete(key).ok().map(|()| format!("{key} is deleted")),
            Upset::Unlabel { node, .. } => unlabel(world, node),
            Upset::Intrude { service } => {
                let body = json!({"apiVersion": "v1", "kind": "Service", "spec": {"clusterIP": "10.1.2.3", "ports": [{"port": 7}]}});
                let free = world.get(service).is_none();
                (free && world.put(service, &body).is_ok()).then(|| format!("somebody makes {service}"))
            }
            Upset::Withdraw { kind, .. } => {
                world.serve(*kind, false);
                Some(format!("the definition of {} goes", kind.plural()))
            }
            Upset::Install { kind } => {
                world.serve(*kind, true);
                Some(format!("the definition of {} comes", kind.plural()))
            }
            Upset::SetClock { replica, by } => {
                let index = world.replica(*replica);
                world.replicas[index].skew = *by;
                Some(format!("the clock of process {index} is off by {by}"))
            }
            Upset::Machines(mishap) => mishap.act(world),
            Upset::Meddle(meddling) => meddling.act(world),
        }
    }
}

/// A user's object; a namesake that is still going away is waited for by the user, as `kubectl` does, and so is a definition that is away.
fn put(world: &mut World, key: &ObjectKey, body: &Value) -> Option<String> {
    if world.must_wait(key) {
        world.later.push((key.clone(), body.clone()));
        return Some(format!("{key} is wished again, and still going away, or its kind is not there"));
    }
    world.give(key, body).ok().map(|()| format!("{key} is put"))
}

/// One process more of each kind, without a lease between them.
fn join(world: &mut World) -> Option<String> {
    let running: Vec<_> =
        world.replicas.iter().map(|replica| (Arc::clone(&replica.planner), replica.settings.clone())).collect();
    let is_alone = |name: &str| running.iter().filter(|(planner, _)| planner.name() == name).count() == 1;
    if !running.iter().all(|(planner, _)| is_alone(planner.name())) {
        return None;
    }
    for (planner, settings) in running {
        world.replicas.push(Replica::new(planner, settings));
        world.start_process(world.replicas.len() - 1);
    }
    Some("a second process starts".to_owned())
}

/// Some object of a kind is deleted by somebody.
fn lose(world: &mut World, kind: Kind) -> Option<String> {
    let all = world.cluster().with_store(|store| store.list(kind, None, &Selector::default()));
    // A Node of a pool that nobody has taken yet is not lost when it is deleted: its kubelet registers it again, as after `Mishap::Vanish`.
    let is_free = matches!(kind, Kind::NodeClaim | Kind::NodePool | Kind::AgentPool)
        || (kind == Kind::Node && world.ledger.is_none());
    // What the user gave stays, and a Node of hers comes back (`Upset::Delete`): whoever takes it away for good has other wishes.
    let is_lost =
        |seen: &&Seen| (is_free || seen.metadata().owner_references.is_some()) && world.as_given(seen).is_none();
    let mut keys: Vec<ObjectKey> = all.iter().filter(is_lost).map(Seen::key).collect();
    let dice = world.dice.as_mut()?;
    if keys.is_empty() {
        return None;
    }
    let key = keys.swap_remove(dice.rng().usize(0..keys.len()));
    world.delete(&key).ok().map(|()| format!("{key} is deleted by somebody"))
}

/// What a kubelet says of a pod that took more disk than it may.
pub(super) const EVICTED: &str = "The node was low on resource: ephemeral-storage.";

/// Some pod that a node has taken is evicted from it.
fn evict(world: &mut World) -> Option<String> {
    let pods = world.cluster().with_store(|store| store.list(Kind::Pod, None, &Selector::default()));
    let runs = |seen: &Seen| match seen {
        Seen::Decoded(object) => Pod::of(object).is_some_and(|pod| {
            let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
            pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some())
                && !matches!(phase, Some("Succeeded" | "Failed"))
        }),
        Seen::Malformed(_) => false,
    };
    let mut keys: Vec<ObjectKey> = pods.iter().filter(|seen| runs(seen)).map(Seen::key).collect();
    let dice = world.dice.as_mut()?;
    if keys.is_empty() {
        return None;
    }
    let key = keys.swap_remove(dice.rng().usize(0..keys.len()));
    let status = json!({"phase": "Failed", "reason": "Evicted", "message": EVICTED});
    world.change_status(&key, &status).then(|| format!("{key} is evicted"))
}

/// Nodes whose kubelet is silent, or speaks again: it says that its Node is ready, or what the user gave as its words.
pub(super) fn set_nodes(world: &mut World, ready: bool, most: usize) -> Option<String> {
    let nodes = world.cluster().with_store(|store| store.list(Kind::Node, None, &Selector::default()));
    let mut touched = Vec::new();
    for seen in nodes.iter().take(most) {
        let Seen::Decoded(object) = seen else { continue };
        let mut status = Node::of(object).and_then(|node| serde_json::to_value(&node.status).ok()).unwrap_or_default();
        let Some(condition) = told_of_readiness(&mut status) else { continue };
        let mut given = world.as_given(seen).and_then(|node| node.get("status")).cloned().unwrap_or_default();
        match told_of_readiness(&mut given) {
            Some(words) if ready => *condition = words.take(),
            _ => {
                condition["status"] = json!(if ready { "True" } else { "Unknown" });
                condition["reason"] = json!(if ready { "KubeletReady" } else { "NodeStatusUnknown" });
                condition["message"] = json!(if ready { "" } else { "Kubelet stopped posting node status." });
            }
        }
        condition["lastTransitionTime"] = json!(rfc3339(world.now()));
        if world.change_status(&seen.key(), &status) {
            touched.push(seen.key().name);
        }
    }
    let state = if ready { "heard again" } else { "silent" };
    (!touched.is_empty()).then(|| format!("{} {state}", touched.join(", ")))
}

/// The condition of a Node's status that says whether it is ready; others may stand before it.
pub(super) fn told_of_readiness(status: &mut Value) -> Option<&mut Value> {
    status.get_mut("conditions")?.as_array_mut()?.iter_mut().find(|condition| condition["type"] == "Ready")
}

/// A stored object that a newer schema does not allow any more.
fn spoil(world: &mut World, key: &ObjectKey) -> Option<String> {
    let mut body = world.cluster().with_store(|store| store.value(key).cloned())?;
    body["resource"]["count"] = json!("one");
    world.put(key, &body).ok().map(|()| format!("{key} cannot be read any more"))
}

/// A Node that was brought along does not say any more what it has.
fn unlabel(world: &mut World, key: &ObjectKey) -> Option<String> {
    let mut body = world.cluster().with_store(|store| store.value(key).cloned())?;
    let found = body["metadata"]["labels"].as_object_mut()?;
    found.retain(|label, _| !label.starts_with("nvidia.com/"));
    world.put(key, &body).ok().map(|()| format!("{key} does not say what it has"))
}

fn edit(world: &mut World, key: &ObjectKey, change: Change) -> Option<String> {
    let mut body = world.cluster().with_store(|store| store.value(key).cloned())?;
    let toggle = |map: &mut Value, key: &str, on: Value| {
        if !map.is_object() {
            *map = json!({});
        }
        if let Some(map) = map.as_object_mut()
            && map.remove(key).is_none()
        {
            map.insert(key.to_owned(), on);
        }
    };
    match change {
        Change::LoadBalancer => toggle(&mut body["metadata"]["annotations"], "kaito.sh/enablelb", json!("True")),
        Change::Label => toggle(&mut body["metadata"]["labels"], "team", json!("blue")),
        Change::Adapter if body.get("inference").is_some_and(Value::is_object) => {
            let ours = json!([{"source": {"name": "blue", "image": "registry.example/adapters/blue:1"}}]);
            // Adapters that somebody else wants stay: without them the Workspace may come to something else.
            if body["inference"].get("adapters").is_some_and(|there| !there.to_string().contains("adapters/blue")) {
                return None;
            }
            toggle(&mut body["inference"], "adapters", ours);
        }
        Change::Adapter => return None,
        Change::Setting => {
            let config = body["inference"]["config"].as_str().filter(|name| !name.is_empty())?;
            return set(world, &ObjectKey::new(Kind::ConfigMap, key.namespace(), config));
        }
    }
    world.put(key, &body).ok().map(|()| format!("{key} is edited: {change:?}"))
}

/// One setting more in a ConfigMap, or one less.
fn set(world: &mut World, key: &ObjectKey) -> Option<String> {
    /// One that no manifest of ours has: what is left without it can be used.
    const SETTING: &str = "  seed: 1966\n";
    let mut body = world.cluster().with_store(|store| store.value(key).cloned())?;
    let text = body["data"].get_mut(names::INFERENCE_CONFIG_KEY)?;
    let there = text.as_str().filter(|yaml| yaml.starts_with("vllm:\n"))?;
    let edited = if there.contains(SETTING) { there.replace(SETTING, "") } else { format!("{there}{SETTING}") };
    *text = json!(edited);
    world.put(key, &body).ok().map(|()| format!("{key} is edited"))
}
