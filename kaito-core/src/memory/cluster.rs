//! The store as a [`ClusterBackend`]: reads are answered at once, cached or live alike, and every write is counted.

use super::azure;
use super::fate::CloudFate;
use super::hub::Hub;
use super::logs;
use super::store::{Change, Store, Verb};
use crate::backend::{BackendError, ClusterBackend, ErrorKind, Written};
use crate::effect::{Effect, WriteMode};
use crate::kinds::Kind;
use crate::object::{ObjectKey, Seen};
use crate::plan::{Notice, StatusWrite};
use crate::read::{Read, Selector};
use crate::snapshot::Answer;
use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// An event that was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// When.
    pub at: Timestamp,
    /// About what.
    pub about: ObjectKey,
    /// What.
    pub notice: Notice,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    hub: Hub,
    events: Vec<Published>,
    writes: BTreeMap<(Verb, Kind), u64>,
    now: Timestamp,
    /// What becomes of requests for agent pools.
    cloud: CloudFate,
}

/// A cluster in memory.
#[derive(Debug)]
pub struct MemoryCluster {
    inner: Mutex<Inner>,
}

impl MemoryCluster {
    /// An empty cluster.
    pub fn new(now: Timestamp) -> Self {
        let (store, hub) = (Store::new(now), Hub::new());
        let (events, writes, cloud) = (Vec::new(), BTreeMap::new(), CloudFate::Well);
        Self { inner: Mutex::new(Inner { store, hub, events, writes, now, cloud }) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic elsewhere cannot leave the store half written: every change is one assignment.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the store, or changes it as a user or a test does.
    pub fn with_store<T>(&self, look: impl FnOnce(&mut Store) -> T) -> T {
        look(&mut self.lock().store)
    }

    /// Looks at the hub of models, or changes it.
    pub(super) fn with_hub<T>(&self, look: impl FnOnce(&mut Hub) -> T) -> T {
        look(&mut self.lock().hub)
    }

    /// What becomes of requests for agent pools from now on: what a cloud refuses at once becomes no object.
    pub fn set_cloud_fate(&self, fate: &CloudFate) {
        self.lock().cloud = fate.clone();
    }

    /// Why the cloud answers nobody, where it does not.
    pub(super) fn silence(&self) -> Option<BackendError> {
        azure::always(&self.lock().cloud)
    }

    /// Moves the clock.
    pub fn set_now(&self, now: Timestamp) {
        let mut inner = self.lock();
        inner.now = now;
        inner.store.set_now(now);
    }

    /// What has changed since the last call.
    pub fn take_changes(&self) -> Vec<Change> {
        self.lock().store.take_changes()
    }

    /// Every event so far.
    pub fn events(&self) -> Vec<Published> {
        self.lock().events.clone()
    }

    /// How often effects and statuses were written, by verb and kind.
    pub fn writes(&self) -> BTreeMap<(Verb, Kind), u64> {
        self.lock().writes.clone()
    }
}

fn written(seen: Option<Seen>) -> Written {
    seen.map_or(Written::Gone, |seen| Written::Now(Box::new(seen)))
}

impl MemoryCluster {
    /// Answers a question from the store itself.
    pub fn answer(&self, read: &Read) -> Answer {
        let inner = self.lock();
        if read.kind().is_some_and(|kind| !inner.store.serves(kind)) {
            return Answer::NoSuchKind;
        }
        match read {
            Read::Object { key, .. } => Answer::Object(inner.store.get(key).cloned()),
            Read::List { kind, namespace, selector, .. } => {
                Answer::List(inner.store.list(*kind, namespace.as_deref(), selector))
            }
            Read::PodsOn { .. } => {
                let pods = inner.store.list(Kind::Pod, None, &Selector::default());
                Answer::List(pods.into_iter().filter(|pod| read.matches(pod)).collect())
            }
            Read::Model(query) => Answer::Model(inner.hub.answer(query)),
            Read::Log(query) => Answer::Log(logs::printed(inner.store.get(&logs::pod(query)), query)),
        }
    }

    /// Carries out one effect.
    pub fn carry_out(&self, effect: &Effect) -> Result<Written, BackendError> {
        let mut inner = self.lock();
        if let Effect::Ensure { key: ObjectKey { kind: Kind::AgentPool, .. }, body, .. } = effect {
            let size = body.pointer("/spec/size").and_then(Value::as_str).unwrap_or_default();
            azure::at_once(&inner.cloud, size).map_or(Ok(()), Err)?;
        }
        let (verb, seen) = match effect {
            Effect::Ensure { key, body, mode: WriteMode::CreateOnly, uid: None } => {
                (Verb::Create, Some(inner.store.create(key, body)?))
            }
            Effect::Ensure { mode: WriteMode::CreateOnly, key, uid: Some(_), .. } => {
                return Err(BackendError::new(ErrorKind::Invalid, format!("{key} is created once and never changed")));
            }
            Effect::Ensure { key, body, mode: WriteMode::Apply, uid: None } => {
                (Verb::Create, Some(inner.store.create_applied(key, body)?))
            }
            Effect::Ensure { key, body, mode: WriteMode::Apply, uid: Some(uid) } => {
                (Verb::Patch, Some(inner.store.apply(key, body, uid)?))
            }
            Effect::Delete { target } => (Verb::Delete, inner.store.delete(target.key(), Some(target.uid()))?),
            // Nothing here is kept from being evicted.
            Effect::Evict { key, uid } => (Verb::Create, inner.store.delete(key, Some(uid))?),
            Effect::Metadata { key, uid, resource_version, patch } => {
                (Verb::Patch, inner.store.patch_metadata(key, uid, resource_version.as_deref(), patch)?)
            }
            Effect::Status { key, uid, status } => {
                (Verb::Patch, Some(inner.store.write_status(key, uid, None, status)?))
            }
        };
        *inner.writes.entry((verb, effect.key().kind)).or_default() += 1;
        Ok(written(seen))
    }

    /// Writes the status of a root, provided that it has not changed since.
    pub fn put_status(&self, write: &StatusWrite) -> Result<Written, BackendError> {
        let mut inner = self.lock();
        let seen = inner.store.write_status(&write.key, &write.uid, Some(&write.resource_version), &write.status)?;
        *inner.writes.entry((Verb::Patch, write.key.kind)).or_default() += 1;
        Ok(written(Some(seen)))
    }

    /// Remembers an event.
    pub fn tell(&self, about: &ObjectKey, notice: &Notice) {
        let mut inner = self.lock();
        let at = inner.now;
        inner.events.push(Published { at, about: about.clone(), notice: notice.clone() });
    }
}

#[async_trait]
impl ClusterBackend for MemoryCluster {
    async fn read(&self, read: &Read) -> Result<Answer, BackendError> {
        Ok(self.answer(read))
    }

    async fn perform(&self, effect: &Effect) -> Result<Written, BackendError> {
        self.carry_out(effect)
    }

    async fn write_status(&self, write: &StatusWrite) -> Result<Written, BackendError> {
        self.put_status(write)
    }

    async fn publish(&self, about: &ObjectKey, _uid: &str, notice: &Notice) {
        self.tell(about, notice);
    }
}
