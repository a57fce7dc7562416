//! The memory world as a stage.

use super::{Stage, belongs};
use kaito_core::memory::World;
use kaito_core::{Kind, ObjectKey, Settings};
use serde_json::{Value, json};

/// A world of its own for each scenario.
pub struct MemoryStage {
    world: World,
    namespace: String,
}

impl MemoryStage {
    /// A fresh cluster with the chart installed.
    pub fn new(namespace: &str) -> Self {
        Self { world: World::installed(&Settings::default()), namespace: namespace.to_owned() }
    }

    /// The default namespace of a world that was made before.
    pub fn of(world: World) -> Self {
        Self { world, namespace: "default".to_owned() }
    }

    /// The world behind it.
    pub fn world(&mut self) -> &mut World {
        &mut self.world
    }

    fn key(&self, kind: Kind, name: &str) -> ObjectKey {
        ObjectKey::new(kind, self.namespace.clone(), name)
    }
}

impl Stage for MemoryStage {
    fn namespace(&self) -> &str {
        &self.namespace
    }

    fn put(&mut self, document: &Value) {
        let text = |field: &str| document[field].as_str().unwrap_or_default();
        let kind = Kind::named(text("apiVersion"), text("kind")).expect("a kind that the world knows");
        let key = self.key(kind, document["metadata"]["name"].as_str().expect("a name"));
        self.world.put(&key, document).expect("the world takes it");
    }

    fn patch(&mut self, kind: Kind, name: &str, patch: &Value) {
        let key = self.key(kind, name);
        let mut value = self.get(kind, name).expect("it is there");
        merge(&mut value, patch);
        self.world.put(&key, &value).expect("the world takes it");
    }

    fn remove(&mut self, kind: Kind, name: &str) {
        let key = self.key(kind, name);
        self.world.delete(&key).expect("it is there");
    }

    fn get(&self, kind: Kind, name: &str) -> Option<Value> {
        self.world.cluster().with_store(|store| store.value(&self.key(kind, name)).cloned())
    }

    fn list(&self, kind: Kind) -> Vec<Value> {
        self.world.cluster().with_store(|store| {
            let of_kind = store.iter().filter(|(key, _)| key.kind == kind);
            of_kind.map(|(_, value)| value.clone()).filter(|value| belongs(value, &self.namespace)).collect()
        })
    }

    fn until(&mut self, what: &str, holds: &dyn Fn(&dyn Stage) -> bool) {
        for _ in 0..20_000 {
            if holds(self) {
                return;
            }
            if !self.world.step() {
                break;
            }
        }
        let statuses: Vec<Value> =
            self.list(Kind::Workspace).into_iter().map(|workspace| workspace["status"].clone()).collect();
        panic!("never: {what}\n{:#}", json!(statuses));
    }

    fn pass_time(&mut self) {
        self.world.advance(jiff::SignedDuration::from_hours(2));
    }

    fn writes(&self) -> u64 {
        self.world.product_writes()
    }
}

/// JSON merge patch (RFC 7386).
fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            into.as_object_mut().expect("an object").remove(key);
        } else {
            merge(&mut into[key], value);
        }
    }
}
