//! Objects, versions, finalizers: the rules of an API server's store, as far as controllers can tell.

mod apply; // what an apply changes
mod normal; // the stored form
mod pools; // what a cloud does with its agent pools

use super::laws;
use crate::backend::{BackendError, ErrorKind};
use crate::effect::MetadataPatch;
use crate::kinds::Kind;
use crate::object::{ObjectKey, Seen};
use crate::read::Selector;
use crate::units;
use jiff::Timestamp;
use normal::{normalised, set, substance, with_metadata};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// One change of one object.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// As it was; `None` for a creation.
    pub old: Option<Seen>,
    /// As it is; `None` for a deletion.
    pub new: Option<Seen>,
}

/// What a write did, in the words of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// A new object.
    Create,
    /// A changed one.
    Patch,
    /// One that goes.
    Delete,
}

/// One object with all that the store knows of it.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) value: Value,
    pub(super) seen: Seen,
    /// What was applied last; what is left out next time is removed.
    pub(super) applied: Value,
}

/// The objects of a cluster.
#[derive(Debug, Clone)]
pub struct Store {
    objects: BTreeMap<ObjectKey, Entry>,
    version: u64,
    uids: u64,
    now: Timestamp,
    changes: Vec<Change>,
    /// Kinds that are not served: their definition is not installed.
    unserved: BTreeSet<Kind>,
    /// Kinds of which none is created, and what is said instead.
    refused: BTreeMap<Kind, (ErrorKind, String)>,
}

type Outcome<T> = Result<T, BackendError>;

fn refuse<T>(kind: ErrorKind, message: String) -> Outcome<T> {
    Err(BackendError::new(kind, message))
}

impl Store {
    /// An empty store.
    pub fn new(now: Timestamp) -> Self {
        Self {
            objects: BTreeMap::new(),
            version: 0,
            uids: 0,
            now,
            changes: Vec::new(),
            unserved: BTreeSet::new(),
            refused: BTreeMap::new(),
        }
    }

    /// Moves the clock that creation times are taken from.
    pub fn set_now(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// Whether the server knows a kind.
    pub fn serves(&self, kind: Kind) -> bool {
        !self.unserved.contains(&kind)
    }

    /// Installs the definition of a kind, or takes it away; its objects stay in the store, and nobody can see them.
    pub fn serve(&mut self, kind: Kind, served: bool) {
        if served {
            self.unserved.remove(&kind)
        } else {
            self.unserved.insert(kind)
        };
    }

    /// Creates no object of a kind from now on, and says this instead; `None` ends it.
    pub fn refuse(&mut self, kind: Kind, words: Option<&str>) {
        self.set_refusal(kind, ErrorKind::Forbidden, words);
    }

    /// The same in the words of a schema.
    pub fn reject(&mut self, kind: Kind, words: Option<&str>) {
        self.set_refusal(kind, ErrorKind::Invalid, words);
    }

    fn set_refusal(&mut self, kind: Kind, as_: ErrorKind, words: Option<&str>) {
        match words {
            Some(words) => drop(self.refused.insert(kind, (as_, words.to_owned()))),
            None => drop(self.refused.remove(&kind)),
        }
    }

    /// One object.
    pub fn get(&self, key: &ObjectKey) -> Option<&Seen> {
        self.objects.get(key).map(|entry| &entry.seen)
    }

    /// One object in its wire form.
    pub fn value(&self, key: &ObjectKey) -> Option<&Value> {
        self.objects.get(key).map(|entry| &entry.value)
    }

    /// Every object, by kind, namespace and name.
    pub fn iter(&self) -> impl Iterator<Item = (&ObjectKey, &Value)> {
        self.objects.iter().map(|(key, entry)| (key, &entry.value))
    }

    /// One object with all that is known of it, to be laid into another store.
    pub(super) fn lift(&self, key: &ObjectKey) -> Option<Entry> {
        self.objects.get(key).cloned()
    }

    /// Puts an object here as it was lifted elsewhere, uid and version included.
    pub(super) fn lay(&mut self, key: &ObjectKey, entry: Entry) {
        self.version += 1;
        self.changes.push(Change { old: None, new: Some(entry.seen.clone()) });
        self.objects.insert(key.clone(), entry);
    }

    /// The number in the uid of the next object that is created here.
    pub(super) fn count_uids_from(&mut self, number: u64) {
        self.uids = number.saturating_sub(1);
    }

    /// Objects by labels.
    pub fn list(&self, kind: Kind, namespace: Option<&str>, selector: &Selector) -> Vec<Seen> {
        let from = ObjectKey { kind, namespace: None, name: String::new() };
        let of_kind = self.objects.range(from..).take_while(|(key, _)| key.kind == kind);
        let wanted = of_kind.filter(|(key, entry)| {
            namespace.is_none_or(|wanted| key.namespace.as_deref() == Some(wanted))
                && selector.matches(&entry.seen.labels())
        });
        wanted.map(|(_, entry)| entry.seen.clone()).collect()
    }

    /// Grows with every change.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// What has changed since the last call.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Creates an object: gives it uid, version, creation time, and the defaults that the API server fills in.
    pub fn create(&mut self, key: &ObjectKey, body: &Value) -> Outcome<Seen> {
        self.served(key)?;
        if self.objects.contains_key(key) {
            return refuse(ErrorKind::AlreadyExists, format!("{} {:?} already exists", key.kind.plural(), key.name));
        }
        if let Some((as_, words)) = self.refused.get(&key.kind) {
            let how = if *as_ == ErrorKind::Invalid { "invalid" } else { "forbidden" };
            return refuse(*as_, format!("{} {:?} is {how}: {words}", key.kind.plural(), key.name));
        }
        laws::check(key, body)?;
        let mut value = normalised(key, body)?;
        self.uids += 1;
        let (uid, now) = (format!("00000000-0000-4000-8000-{:012x}", self.uids), self.now);
        with_metadata(&mut value, |metadata| {
            metadata.insert("uid".into(), json!(uid));
            metadata.insert("creationTimestamp".into(), json!(units::rfc3339(now)));
            metadata.insert("generation".into(), json!(1));
            metadata.remove("deletionTimestamp");
        });
        if key.kind == Kind::AgentPool {
            pools::begin(&mut value);
        }
        Ok(self.put(key, value, Some(Value::Null)))
    }

    /// Creates, and remembers what was applied. A namesake is told, and left alone.
    pub fn create_applied(&mut self, key: &ObjectKey, body: &Value) -> Outcome<Seen> {
        let seen = self.create(key, body)?;
        if let Some(entry) = self.objects.get_mut(key) {
            entry.applied = body.clone();
        }
        Ok(seen)
    }

    /// Updates by apply: objects are merged, lists of named things by name, other lists are replaced, and what was applied before and is not any more is removed.
    pub fn apply(&mut self, key: &ObjectKey, body: &Value, uid: &str) -> Outcome<Seen> {
        let entry = self.existing(key, Some(uid), None)?;
        let mut value = entry.value.clone();
        apply::remove_dropped(&entry.applied, body, &mut value);
        apply::merge(body, &mut value);
        laws::check(key, &value)?;
        Ok(self.put(key, value, Some(body.clone())))
    }

    /// Replaces a user's object as `kubectl replace` does: status, and the metadata that a server alone writes, stay as they are. Creates it when absent.
    pub fn replace(&mut self, key: &ObjectKey, body: &Value) -> Outcome<Seen> {
        self.served(key)?;
        let Some(old) = self.objects.get(key).map(|entry| entry.value.clone()) else { return self.create(key, body) };
        let mut value = normalised(key, body)?;
        normal::keep_system_metadata(&old, &mut value);
        laws::check(key, &value)?;
        if let Some(map) = value.as_object_mut() {
            map.remove("status");
            map.extend(old.get("status").map(|status| ("status".to_owned(), status.clone())));
        }
        Ok(self.put(key, value, Some(Value::Null)))
    }

    /// Changes metadata; fails when the object has changed since `resource_version`. `None` means that it is gone by this.
    pub fn patch_metadata(
        &mut self,
        key: &ObjectKey,
        uid: &str,
        resource_version: Option<&str>,
        patch: &MetadataPatch,
    ) -> Outcome<Option<Seen>> {
        let mut value = self.existing(key, Some(uid), resource_version)?.value.clone();
        normal::patch(&mut value, patch);
        Ok(self.put_or_finish(key, value))
    }

    /// Replaces the status.
    pub fn write_status(
        &mut self,
        key: &ObjectKey,
        uid: &str,
        resource_version: Option<&str>,
        status: &Value,
    ) -> Outcome<Seen> {
        let mut value = self.existing(key, Some(uid), resource_version)?.value.clone();
        if let Some(map) = value.as_object_mut() {
            map.insert("status".into(), status.clone());
        }
        if key.kind == Kind::AgentPool {
            pools::tell(&mut value);
        }
        Ok(self.put(key, value, None))
    }

    /// Deletes: at once, or marked as going while finalizers hold it. `None` means that it is gone.
    pub fn delete(&mut self, key: &ObjectKey, uid: Option<&str>) -> Outcome<Option<Seen>> {
        let mut value = self.existing(key, uid, None)?.value.clone();
        let now = self.now;
        with_metadata(&mut value, |metadata| {
            metadata.entry("deletionTimestamp").or_insert_with(|| json!(units::rfc3339(now)));
        });
        if key.kind == Kind::AgentPool {
            pools::go(&mut value);
        }
        Ok(self.put_or_finish(key, value))
    }

    fn served(&self, key: &ObjectKey) -> Outcome<()> {
        if self.serves(key.kind) {
            return Ok(());
        }
        refuse(ErrorKind::NotFound, format!("the server could not find the requested resource ({})", key.kind.plural()))
    }

    fn existing(&self, key: &ObjectKey, uid: Option<&str>, resource_version: Option<&str>) -> Outcome<&Entry> {
        self.served(key)?;
        let Some(entry) = self.objects.get(key) else {
            return refuse(ErrorKind::NotFound, format!("{} {:?} not found", key.kind.plural(), key.name));
        };
        let metadata = entry.seen.metadata();
        if uid.is_some_and(|uid| metadata.uid.as_deref() != Some(uid)) {
            return refuse(ErrorKind::Conflict, format!("{key}: the uid in the precondition does not match"));
        }
        if resource_version.is_some_and(|version| metadata.resource_version.as_deref() != Some(version)) {
            return refuse(
                ErrorKind::Conflict,
                format!("{key}: the object has been modified; please apply your changes to the latest version"),
            );
        }
        Ok(entry)
    }

    /// Stores a new state, unless nothing changed; the generation moves when anything but metadata and status did. `applied` is what was applied by this, where anything was.
    fn put(&mut self, key: &ObjectKey, mut value: Value, applied: Option<Value>) -> Seen {
        normal::amounts(key.kind, &mut value);
        let mut last = Value::Null;
        let mut before = None;
        if let Some(old) = self.objects.get_mut(key) {
            let version = old.value.pointer("/metadata/resourceVersion").cloned().unwrap_or_default();
            set(&mut value, "resourceVersion", version);
            last = std::mem::take(&mut old.applied);
            if old.value == value {
                old.applied = applied.unwrap_or(last);
                return old.seen.clone();
            }
            before = Some(old.seen.clone());
            let generation = old.value.pointer("/metadata/generation").and_then(Value::as_u64).unwrap_or(1);
            let moved = u64::from(substance(&old.value) != substance(&value));
            set(&mut value, "generation", json!(generation + moved));
        }
        self.version += 1;
        let version = self.version.to_string();
        set(&mut value, "resourceVersion", json!(version));
        let seen = Seen::decode(key.kind, value.clone());
        self.changes.push(Change { old: before, new: Some(seen.clone()) });
        self.objects.insert(key.clone(), Entry { value, seen: seen.clone(), applied: applied.unwrap_or(last) });
        seen
    }

    /// Stores a new state, or removes the object when it is going and nothing holds it any more.
    fn put_or_finish(&mut self, key: &ObjectKey, value: Value) -> Option<Seen> {
        let going = value.pointer("/metadata/deletionTimestamp").is_some_and(|time| !time.is_null());
        let held =
            value.pointer("/metadata/finalizers").and_then(Value::as_array).is_some_and(|holders| !holders.is_empty());
        if !going || held {
            return Some(self.put(key, value, None));
        }
        if let Some(old) = self.objects.remove(key) {
            self.version += 1;
            self.changes.push(Change { old: Some(old.seen), new: None });
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> ObjectKey {
        ObjectKey::new(Kind::Service, "default", "one")
    }

    fn store() -> Store {
        Store::new(Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_body_never_changes_what_the_server_alone_writes() {
        let mut store = store();
        store.create(&key(), &json!({"spec": {"a": 1}})).unwrap();
        store.set_now("2026-01-01T00:00:00Z".parse().unwrap());
        let mut wanted = store.value(&key()).unwrap().clone();
        let forged = json!({
            "metadata": {
                "uid": "forged", "creationTimestamp": "1999-01-01T00:00:00Z", "generation": 99,
                "deletionTimestamp": "1999-01-01T00:00:00Z", "labels": {"a": "b"},
            },
            "spec": {"a": 1}, "status": {"forged": true},
        });
        store.replace(&key(), &forged).unwrap();
        wanted["metadata"]["labels"] = json!({"a": "b"});
        wanted["metadata"]["resourceVersion"] = json!("2");
        assert_eq!(*store.value(&key()).unwrap(), wanted);
    }

    #[test]
    fn an_object_that_goes_still_goes_after_it_was_replaced() {
        let mut store = store();
        store.create(&key(), &json!({"metadata": {"finalizers": ["a.b/c"]}})).unwrap();
        store.delete(&key(), None).unwrap();
        store.replace(&key(), &json!({"spec": {"a": 1}})).unwrap();
        let metadata = &store.value(&key()).unwrap()["metadata"];
        assert_eq!(metadata["deletionTimestamp"], "1970-01-01T00:00:00Z");
        assert_eq!((&metadata["generation"], &metadata["finalizers"]), (&json!(2), &json!(["a.b/c"])));
    }

    #[test]
    fn a_kind_that_is_not_served_takes_no_writes() {
        let mut store = store();
        store.create(&key(), &json!({})).unwrap();
        store.serve(Kind::Service, false);
        let refused = [
            store.create(&key(), &json!({})).unwrap_err(),
            store.replace(&key(), &json!({"spec": {}})).unwrap_err(),
            store.delete(&key(), None).unwrap_err(),
        ];
        for error in refused {
            assert_eq!(error.kind, ErrorKind::NotFound, "{error}");
        }
    }
}
