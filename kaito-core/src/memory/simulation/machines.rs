//! What goes wrong with machines that are made of agent pools: Nodes that are not seen for a while, pools that somebody works on, claims that are torn out.

use super::upset::{set_nodes, told_of_readiness};
use crate::effect::MetadataPatch;
use crate::kinds::Kind;
use crate::memory::World;
use crate::object::{ObjectKey, Seen};
use crate::read::Selector;
use crate::units::rfc3339;
use kaito_api::vocabulary::labels;
use serde_json::{Value, json};
use std::time::Duration;

/// One such thing.
#[derive(Debug, Clone)]
pub(super) enum Mishap {
    /// The API server does not have a Node for a while; its machine runs (kaito#2075).
    Vanish { lasts: Duration },
    /// Every Node that vanished registers again, where its machine is still there.
    Reappear,
    /// Azure says this of a pool that was well; nobody of ours asked for it.
    Busy { word: &'static str, lasts: Duration },
    /// Whatever was done to pools has succeeded.
    Done,
    /// A pool is stopped: its kubelet is silent meanwhile, and the Node may be deleted.
    Stop { deletes: bool, lasts: Duration },
    /// What was stopped has started: Nodes are ready, and machines whose Node is gone register another.
    Start,
    /// AKS upgrades a pool: a second machine joins, and the Node of the first may be deleted, which is made anew.
    Surge { reimages: bool, lasts: Duration },
    /// The upgrade is done: a first machine that was made anew registers, and the second goes.
    Settle,
    /// Somebody takes the finalizer of a claim away, and deletes it.
    Strip,
}

impl Mishap {
    pub(super) fn follows(&self) -> Option<(Duration, Mishap)> {
        match self {
            Mishap::Vanish { lasts } => Some((*lasts, Mishap::Reappear)),
            Mishap::Busy { lasts, .. } => Some((*lasts, Mishap::Done)),
            Mishap::Stop { lasts, .. } => Some((*lasts, Mishap::Start)),
            Mishap::Surge { lasts, .. } => Some((*lasts, Mishap::Settle)),
            Mishap::Reappear | Mishap::Done | Mishap::Start | Mishap::Settle | Mishap::Strip => None,
        }
    }

    pub(super) fn mends(&self) -> bool {
        matches!(self, Mishap::Reappear | Mishap::Done | Mishap::Start | Mishap::Settle)
    }

    pub(super) fn act(&self, world: &mut World) -> Option<String> {
        match self {
            Mishap::Vanish { .. } => vanish(world),
            Mishap::Reappear => reappear(world),
            Mishap::Busy { word, .. } => {
                let pool = some(world, Kind::AgentPool, |world, key| state(world, key) == "Succeeded")?;
                tell(world, &pool, word).then(|| format!("{pool} is {word}"))
            }
            Mishap::Done => {
                let done = |world: &World, key: &ObjectKey| {
                    !matches!(state(world, key).as_str(), "Succeeded" | "Creating" | "Deleting")
                };
                let pools: Vec<ObjectKey> =
                    all(world, Kind::AgentPool).into_iter().filter(|key| done(world, key)).collect();
                // Of one that never came Azure says why.
                let touched =
                    pools.iter().filter(|key| failure(world, key).is_none() && tell(world, key, "Succeeded")).count();
                (touched > 0).then(|| format!("{touched} agent pools are well again"))
            }
            Mishap::Stop { deletes, .. } => stop(world, *deletes),
            Mishap::Start => {
                let done = [Mishap::Done.act(world), set_nodes(world, true, usize::MAX), reappear(world)];
                let done: Vec<String> = done.into_iter().flatten().collect();
                (!done.is_empty()).then(|| done.join("; "))
            }
            Mishap::Surge { reimages, .. } => surge(world, *reimages),
            Mishap::Settle => settle(world),
            Mishap::Strip => {
                let claim = some(world, Kind::NodeClaim, |_, _| true)?;
                tear_out(world, &claim).then(|| format!("{claim} is torn out"))
            }
        }
    }
}

fn all(world: &World, kind: Kind) -> Vec<ObjectKey> {
    world.cluster().with_store(|store| store.list(kind, None, &Selector::default())).iter().map(Seen::key).collect()
}

/// One of those that are so.
fn some(world: &mut World, kind: Kind, is_so: impl Fn(&World, &ObjectKey) -> bool) -> Option<ObjectKey> {
    let mut keys: Vec<ObjectKey> = all(world, kind).into_iter().filter(|key| is_so(world, key)).collect();
    let dice = world.dice.as_mut()?;
    if keys.is_empty() {
        return None;
    }
    Some(keys.swap_remove(dice.rng().usize(0..keys.len())))
}

fn value(world: &World, key: &ObjectKey) -> Option<Value> {
    world.cluster().with_store(|store| store.value(key).cloned())
}

fn state(world: &World, key: &ObjectKey) -> String {
    value(world, key).and_then(|pool| pool["status"]["state"].as_str().map(str::to_owned)).unwrap_or_default()
}

fn failure(world: &World, key: &ObjectKey) -> Option<Value> {
    value(world, key)?["status"].get("failure").cloned()
}

fn tell(world: &mut World, key: &ObjectKey, word: &str) -> bool {
    let Some(mut status) = value(world, key).map(|pool| pool["status"].clone()) else { return false };
    status["state"] = json!(word);
    world.change_status(key, &status)
}

fn uid(value: &Value) -> String {
    value["metadata"]["uid"].as_str().unwrap_or_default().to_owned()
}

/// An object goes at once, whoever holds it.
fn tear_out(world: &mut World, key: &ObjectKey) -> bool {
    let Some(there) = value(world, key) else { return false };
    let freed = MetadataPatch { finalizers: Some(Vec::new()), ..MetadataPatch::default() };
    let left = world.cluster().with_store(|store| store.patch_metadata(key, &uid(&there), None, &freed));
    // One that was going is gone by this.
    if !matches!(left, Ok(None)) {
        return world.delete(key).is_ok();
    }
    world.spread();
    true
}

/// A Node that nobody deletes, with its pool that is well, and the uid of that.
fn pool_of(world: &World, key: &ObjectKey) -> Option<(Value, ObjectKey, String)> {
    let node = value(world, key).filter(|node| node.pointer("/metadata/deletionTimestamp").is_none())?;
    let pool = ObjectKey::cluster(Kind::AgentPool, node["metadata"]["labels"][labels::AGENT_POOL[0]].as_str()?);
    let held = value(world, &pool).filter(|_| state(world, &pool) == "Succeeded")?;
    Some((node, pool, uid(&held)))
}

fn stop(world: &mut World, deletes: bool) -> Option<String> {
    let key = some(world, Kind::Node, |world, key| pool_of(world, key).is_some())?;
    let (node, pool, held) = pool_of(world, &key)?;
    let mut status = node["status"].clone();
    if let Some(condition) = told_of_readiness(&mut status) {
        condition["status"] = json!("Unknown");
        condition["lastTransitionTime"] = json!(rfc3339(world.now()));
    }
    if !tell(world, &pool, "Stopping") || !world.change_status(&key, &status) {
        return None;
    }
    let gone = deletes && world.delete(&key).is_ok();
    if gone {
        world.away.push((key.clone(), node, pool.clone(), held));
    }
    Some(format!("{pool} is stopped, and {key} {}", if gone { "deleted" } else { "silent" }))
}

/// How the names of first and second machine of a pool end.
const FIRST: &str = "000000";
const SECOND: &str = "000001";

fn surge(world: &mut World, reimages: bool) -> Option<String> {
    let key = some(world, Kind::Node, |world, key| key.name.ends_with(FIRST) && pool_of(world, key).is_some())?;
    let (node, pool, held) = pool_of(world, &key)?;
    let second = ObjectKey::cluster(Kind::Node, key.name.replace(FIRST, SECOND));
    let mut body = registered(node.clone());
    body["metadata"]["name"] = json!(second.name);
    let id = body["spec"]["providerID"].as_str()?.strip_suffix("/0")?;
    body["spec"]["providerID"] = json!(format!("{id}/1"));
    if world.put(&second, &body).is_err() || !tell(world, &pool, "UpgradingNodeImageVersion") {
        return None;
    }
    if reimages && world.delete(&key).is_ok() {
        world.away.push((key.clone(), node, pool.clone(), held));
    }
    Some(format!("{pool} is upgraded, and {second} joins{}", if reimages { "; the first is made anew" } else { "" }))
}

fn settle(world: &mut World) -> Option<String> {
    let second: Vec<ObjectKey> = all(world, Kind::Node).into_iter().filter(|key| key.name.ends_with(SECOND)).collect();
    world.away.retain(|(key, ..)| !key.name.ends_with(SECOND));
    let back = reappear(world);
    let done = Mishap::Done.act(world);
    let gone = second.iter().filter(|key| world.delete(key).is_ok()).count();
    let gone = (gone > 0).then(|| format!("{gone} second machines go"));
    let told: Vec<String> = [back, done, gone].into_iter().flatten().collect();
    (!told.is_empty()).then(|| told.join("; "))
}

fn vanish(world: &mut World) -> Option<String> {
    let key = some(world, Kind::Node, |world, key| pool_of(world, key).is_some())?;
    let (node, pool, held) = pool_of(world, &key)?;
    let gone = tear_out(world, &key);
    world.away.push((key.clone(), node, pool, held));
    gone.then(|| format!("{key} vanishes"))
}

fn reappear(world: &mut World) -> Option<String> {
    let mut back = Vec::new();
    for (key, node, pool, held) in std::mem::take(&mut world.away) {
        let is_there = value(world, &pool).is_some_and(|now| uid(&now) == held) && state(world, &pool) != "Deleting";
        if is_there && world.get(&key).is_none() && world.put(&key, &registered(node)).is_ok() {
            back.push(key.name);
        }
    }
    (!back.is_empty()).then(|| format!("{} registers again", back.join(", ")))
}

/// A Node as its kubelet registers it: what others wrote on it is gone, and it is not silent.
fn registered(mut node: Value) -> Value {
    if let Some(metadata) = node["metadata"].as_object_mut() {
        ["uid", "resourceVersion", "creationTimestamp", "finalizers", "ownerReferences"]
            .iter()
            .for_each(|field| drop(metadata.remove(*field)));
    }
    if let Some(condition) = node.get_mut("status").and_then(told_of_readiness) {
        condition["status"] = json!("True");
    }
    if let Some(found) = node["metadata"]["labels"].as_object_mut() {
        [labels::REGISTERED, labels::INITIALIZED].iter().for_each(|label| drop(found.remove(*label)));
    }
    node
}
