//! The objects that a wish comes to, in the order in which they are made.
//!
//! An ideal world is run to its fix-point, and what *we* wrote is printed in canonical form; that is what a cluster ends up with, by construction (I13).

use crate::memory::{Halt, World};
use jiff::SignedDuration;
use kaito_api::vocabulary::{annotations, labels};
use serde_json::{Value, json};

/// What stands in canonical form where a uid would.
pub const UID: &str = "UID";

/// Runs the world until nothing happens any more. Answers what was written by the product, in order, in canonical form.
pub fn render(world: &mut World) -> Vec<Value> {
    settle(world);
    objects(world)
}

/// Runs the world to its fix-point.
pub fn settle(world: &mut World) -> Halt {
    world.run(SignedDuration::from_hours(24), |_| false)
}

/// What the product has written and is still there, in the order of creation, in canonical form.
pub fn objects(world: &World) -> Vec<Value> {
    let values = world
        .cluster()
        .with_store(|store| world.created().iter().filter_map(|key| store.value(key).cloned()).collect::<Vec<_>>());
    values.iter().map(canonical).collect()
}

/// The wire form without what only a server knows: uid, versions, times, status; names that are made of a uid are replaced. Two clusters with the same wishes print the same.
pub fn canonical(value: &Value) -> Value {
    let mut value = value.clone();
    if let Some(map) = value.as_object_mut() {
        map.remove("status");
    }
    let slot = value
        .pointer("/metadata/labels")
        .and_then(|all| all.get(labels::NODE_SLOT))
        .and_then(Value::as_str)
        .map(str::to_owned);
    let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) else { return value };
    for field in
        ["uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "deletionTimestamp", "selfLink"]
    {
        metadata.remove(field);
    }
    if let Some(found) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        found.remove(annotations::PODS_CHANGED_AT);
    }
    for owner in metadata.get_mut("ownerReferences").and_then(Value::as_array_mut).into_iter().flatten() {
        owner["uid"] = json!(UID);
    }
    if let Some(uid) = metadata.get_mut("labels").and_then(|all| all.get_mut(labels::WORKSPACE_UID)) {
        *uid = json!(UID);
    }
    if let Some(slot) = slot {
        metadata.insert("name".into(), json!(claim_placeholder(&slot)));
    }
    value
}

/// A NodeClaim's name in canonical form: its slot in place of the hash.
fn claim_placeholder(slot: &str) -> String {
    format!("ws{slot:0>9}")
}
