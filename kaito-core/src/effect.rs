//! What a plan wants done.
//!
//! Effects run in order. Each names the earlier ones it requires: when one fails, only its dependants are left out.

use crate::backend::ErrorKind;
use crate::object::{Object, ObjectKey, Seen};
use k8s_openapi::api::core::v1::Taint;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// How an object is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum WriteMode {
    /// Created, and never changed afterwards. "Already there" is a refusal: whose it is, the next look shows.
    CreateOnly,
    /// Created when absent; else applied on the server's side under our one manager, by force. Fields of others stay.
    Apply,
}

/// Proof that an object is ours: it carries the owner's uid, as controller reference or as label, or our finalizer. Only what is ours can be deleted (I6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Owned {
    key: ObjectKey,
    uid: String,
}

impl Owned {
    /// The object, if its controller is the owner with this uid.
    pub fn by_reference(seen: &Seen, owner_uid: &str) -> Option<Owned> {
        is_controlled_by(seen.metadata(), owner_uid).then(|| Self::proven(seen))?
    }

    /// The object, if a label of it holds the owner's uid; for kinds that cannot have an owner reference.
    pub fn by_label(seen: &Seen, label: &str, owner_uid: &str) -> Option<Owned> {
        (seen.labels().get(label).map(String::as_str) == Some(owner_uid)).then(|| Self::proven(seen))?
    }

    /// The object, if labels name its owner; for objects that an older operator made, which carry no uid.
    pub fn by_names(seen: &Seen, labels: &[(&str, &str)]) -> Option<Owned> {
        let found = seen.labels();
        labels
            .iter()
            .all(|(key, value)| found.get(*key).map(String::as_str) == Some(*value))
            .then(|| Self::proven(seen))?
    }

    /// The object, if our finalizer holds it; for objects that others make for us to answer.
    pub fn by_finalizer(seen: &Seen, finalizer: &str) -> Option<Owned> {
        let mut holders = seen.metadata().finalizers.iter().flatten();
        holders.any(|holder| holder == finalizer).then(|| Self::proven(seen))?
    }

    fn proven(seen: &Seen) -> Option<Owned> {
        Some(Owned { key: seen.key(), uid: seen.metadata().uid.clone()? })
    }

    /// Which object.
    pub fn key(&self) -> &ObjectKey {
        &self.key
    }

    /// The uid that a deletion requires, so that a namesake made since is left alone.
    pub fn uid(&self) -> &str {
        &self.uid
    }
}

/// Whether the controller reference of an object points to this uid.
pub fn is_controlled_by(metadata: &ObjectMeta, owner_uid: &str) -> bool {
    metadata.owner_references.iter().flatten().any(|owner| owner.controller == Some(true) && owner.uid == owner_uid)
}

/// Whether somebody has deleted an object that is still there.
pub fn is_dying(metadata: &ObjectMeta) -> bool {
    metadata.deletion_timestamp.is_some()
}

/// A change of metadata, and of what stands on a Node like metadata, sent as one merge patch that fails when the object has changed since it was read.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct MetadataPatch {
    /// All finalizers as they shall be; `None` leaves them.
    pub finalizers: Option<Vec<String>>,
    /// Labels to set.
    pub labels: BTreeMap<String, String>,
    /// Labels to remove.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unlabelled: Vec<String>,
    /// Annotations to set, or with `None` to remove.
    pub annotations: BTreeMap<String, Option<String>>,
    /// All owners as they shall be; `None` leaves them.
    pub owners: Option<Vec<OwnerReference>>,
    /// Of a Node, all taints as they shall be; `None` leaves them. Only with a version, for a Node's taints are everybody's.
    pub taints: Option<Vec<Taint>>,
}

impl MetadataPatch {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The merge patch, without uid and version.
    pub fn to_value(&self) -> Value {
        let mut metadata = Map::new();
        let mut set = |field: &str, value: Value| drop(metadata.insert(field.to_owned(), value));
        if let Some(finalizers) = &self.finalizers {
            set("finalizers", json!(finalizers));
        }
        if !self.labels.is_empty() || !self.unlabelled.is_empty() {
            let gone = self.unlabelled.iter().map(|key| (key, Value::Null));
            let labels = self.labels.iter().map(|(key, value)| (key, json!(value))).chain(gone);
            set("labels", labels.map(|(key, value)| (key.clone(), value)).collect::<Map<_, _>>().into());
        }
        if !self.annotations.is_empty() {
            set("annotations", json!(self.annotations));
        }
        if let Some(owners) = &self.owners {
            set("ownerReferences", json!(owners));
        }
        let mut patch = json!({ "metadata": metadata });
        if let Some(taints) = &self.taints {
            patch["spec"] = json!({ "taints": taints });
        }
        patch
    }
}

/// One write.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub enum Effect {
    /// Makes an object be there as described.
    Ensure {
        /// Which.
        key: ObjectKey,
        /// The wire form: only the fields that we own.
        body: Value,
        /// How.
        mode: WriteMode,
        /// The uid of the object to change; `None` creates. Keeps an update from bringing a deleted object back.
        uid: Option<String>,
    },
    /// Deletes an object of ours.
    Delete {
        /// Which, with the proof that it is ours.
        target: Owned,
    },
    /// Asks a pod to go, which budgets of disruption may refuse (*Throttled*, in their words).
    Evict {
        /// Which.
        key: ObjectKey,
        /// Its uid.
        uid: String,
    },
    /// Changes metadata.
    Metadata {
        /// Which.
        key: ObjectKey,
        /// Its uid.
        uid: String,
        /// Its version when it was read; the patch fails when it has changed since. `None` where others write all the time and only labels change: a Node.
        resource_version: Option<String>,
        /// The change.
        patch: MetadataPatch,
    },
    /// Writes the status of an object that is not the root. Only the actors of a simulated world do; a planner of the product owns one status, its root's.
    Status {
        /// Which.
        key: ObjectKey,
        /// Its uid.
        uid: String,
        /// The whole status.
        status: Value,
    },
}

impl Effect {
    /// Creates or updates an object.
    pub fn ensure(object: &Object, mode: WriteMode, uid: Option<String>) -> Effect {
        Effect::Ensure { key: object.key(), body: object.to_value(), mode, uid }
    }

    /// The object that is written.
    pub fn key(&self) -> &ObjectKey {
        match self {
            Effect::Ensure { key, .. }
            | Effect::Evict { key, .. }
            | Effect::Metadata { key, .. }
            | Effect::Status { key, .. } => key,
            Effect::Delete { target } => target.key(),
        }
    }

    /// Every word of [`Effect::verb`].
    pub const VERBS: &[&str] = &["create", "apply", "delete", "evict", "patch", "patch status"];

    /// What is done, in the words of the API's verbs.
    pub fn verb(&self) -> &'static str {
        match self {
            Effect::Ensure { uid: None, .. } => "create",
            Effect::Ensure { .. } => "apply",
            Effect::Delete { .. } => "delete",
            Effect::Evict { .. } => "evict",
            Effect::Metadata { .. } => "patch",
            Effect::Status { .. } => "patch status",
        }
    }
}

/// The place of an effect in its plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct EffectId(pub(crate) usize);

/// An effect with what it requires.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// What is done.
    pub effect: Effect,
    /// Earlier effects that must have succeeded.
    pub requires: Vec<EffectId>,
}

/// An effect that failed, in the cluster's own words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EffectError {
    /// The object that was to be written.
    pub key: ObjectKey,
    /// What was tried.
    pub verb: &'static str,
    /// What class of refusal.
    pub kind: ErrorKind,
    /// The API server's message.
    pub message: String,
    /// How long the server asks to wait.
    pub retry_after: Option<std::time::Duration>,
}
