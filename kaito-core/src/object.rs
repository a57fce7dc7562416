//! Objects as decisions see them: decoded once, addressed by [`ObjectKey`], and malformed ones kept apart so that one bad object never stops the others.

mod lean; // what is dropped before decoding

use crate::kinds::{Kind, Scope};
use crate::words::quoted;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

pub use crate::kinds::Object;

/// Names one object of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectKey {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace; `None` for cluster-scoped kinds.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl ObjectKey {
    /// The key of an object in a namespace; the namespace is dropped for cluster-scoped kinds, so that both spellings are one key.
    pub fn new(kind: Kind, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        let namespace = (kind.scope() == Scope::Namespaced).then(|| namespace.into());
        Self { kind, namespace, name: name.into() }
    }

    /// The key of a cluster-scoped object.
    pub fn cluster(kind: Kind, name: impl Into<String>) -> Self {
        Self { kind, namespace: None, name: name.into() }
    }

    /// The namespace, or the empty string.
    pub fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or_default()
    }
}

/// `StatefulSet default/phi-3`, as people say it.
impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

/// An object that the cluster holds and this program cannot read.
#[derive(Debug, Clone, PartialEq)]
pub struct Malformed {
    /// What could be told of it: name, uid, labels.
    pub metadata: Box<ObjectMeta>,
    /// Its kind.
    pub kind: Kind,
    /// Its status as raw JSON, so that conditions can be kept and written; null where there is none.
    pub status: Value,
    /// Its spec as raw JSON, where it is a NodeClaim: what of it can be read says whose it is, and how its machine goes. Null for every other kind, whose spec may be large and hold secrets.
    pub spec: Value,
    /// The decoder's words.
    pub error: String,
}

/// An object of the cluster, readable or not.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    /// Readable.
    Decoded(Object),
    /// Not readable.
    Malformed(Malformed),
}

impl Seen {
    /// Decodes the wire form of any known kind, without what no decision reads. What is seen can be written down and read again, and is then the same: times are of whole seconds.
    pub fn decode(kind: Kind, mut value: Value) -> Seen {
        if kind == Kind::Secret {
            SecretFacts::forget_values(&mut value);
        }
        lean::strip(kind, &mut value);
        let fine = lean::has_fine_time(&value);
        match Self::decode_lean(kind, &value) {
            Seen::Decoded(object) if fine => Self::decode_lean(kind, &object.to_value()),
            Seen::Malformed(mut malformed) if fine => {
                let written = serde_json::to_value(&malformed.metadata).and_then(serde_json::from_value);
                malformed.metadata = written.unwrap_or(malformed.metadata);
                Seen::Malformed(malformed)
            }
            seen => seen,
        }
    }

    fn decode_lean(kind: Kind, value: &Value) -> Seen {
        let metadata = || {
            let found = value.get("metadata").cloned().unwrap_or_default();
            serde_json::from_value::<ObjectMeta>(found).unwrap_or_default()
        };
        match Object::decode_as(kind, value) {
            Ok(object) => Seen::Decoded(object),
            Err(error) => {
                let status = value.get("status").cloned().unwrap_or_default();
                let spec = if kind == Kind::NodeClaim { value.get("spec").cloned() } else { None };
                // A decoder repeats what it stumbled over, however long it is.
                let (spec, error) = (spec.unwrap_or_default(), quoted(&error));
                Seen::Malformed(Malformed { metadata: Box::new(metadata()), kind, status, spec, error })
            }
        }
    }

    /// Name, labels and version only: what a watch of metadata tells. Annotations of kinds whose content nobody watches are only weight.
    pub fn bare(&self) -> Seen {
        let metadata = self.metadata();
        let value = json!({"metadata": {
            "name": metadata.name, "namespace": metadata.namespace, "uid": metadata.uid,
            "resourceVersion": metadata.resource_version, "labels": metadata.labels,
        }});
        Seen::decode(self.kind(), value)
    }

    /// Its metadata, as far as it could be read.
    pub fn metadata(&self) -> &ObjectMeta {
        match self {
            Seen::Decoded(object) => object.metadata(),
            Seen::Malformed(malformed) => &malformed.metadata,
        }
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Seen::Decoded(object) => object.kind(),
            Seen::Malformed(malformed) => malformed.kind,
        }
    }

    /// Its key.
    pub fn key(&self) -> ObjectKey {
        key_of(self.kind(), self.metadata())
    }

    /// Its labels.
    pub fn labels(&self) -> Cow<'_, BTreeMap<String, String>> {
        self.metadata().labels.as_ref().map_or(Cow::Owned(BTreeMap::new()), Cow::Borrowed)
    }
}

impl Object {
    /// Its key.
    pub fn key(&self) -> ObjectKey {
        key_of(self.kind(), self.metadata())
    }
}

fn key_of(kind: Kind, metadata: &ObjectMeta) -> ObjectKey {
    let namespace = (kind.scope() == Scope::Namespaced).then(|| metadata.namespace.clone().unwrap_or_default());
    ObjectKey { kind, namespace, name: metadata.name.clone().unwrap_or_default() }
}

/// How a type is read off the wire.
pub(crate) trait Wire: Sized {
    fn from_wire(value: &Value) -> Result<Self, String>;
}

macro_rules! plain_wire {
    ($($type:ty),* $(,)?) => { $(impl Wire for $type {
        fn from_wire(value: &Value) -> Result<Self, String> { plain(value) }
    })* };
}

plain_wire!(
    kaito_api::karpenter::NodeClaim,
    kaito_api::karpenter::NodePool,
    kaito_api::cloud::AgentPool,
    k8s_openapi::api::core::v1::Node,
    k8s_openapi::api::core::v1::Pod,
    k8s_openapi::api::core::v1::Service,
    k8s_openapi::api::core::v1::ConfigMap,
    k8s_openapi::api::core::v1::PersistentVolumeClaim,
    k8s_openapi::api::core::v1::Namespace,
    k8s_openapi::api::apps::v1::StatefulSet,
    k8s_openapi::api::apps::v1::Deployment,
    k8s_openapi::api::batch::v1::Job,
    k8s_openapi::api::apps::v1::ControllerRevision,
    k8s_openapi::api::discovery::v1::EndpointSlice,
    k8s_openapi::api::storage::v1::StorageClass,
    SecretFacts,
);

/// Both served versions become the hub type.
impl Wire for kaito_api::Workspace {
    fn from_wire(value: &Value) -> Result<Self, String> {
        kaito_api::workspace::decode(value.clone()).map(|(_, workspace)| workspace).map_err(|error| error.to_string())
    }
}

fn plain<T: DeserializeOwned>(value: &Value) -> Result<T, String> {
    T::deserialize(value).map_err(|error| error.to_string())
}

/// What may be known of a Secret: that it is there, its type, and the names of its keys.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SecretFacts {
    /// Name, namespace, uid; never annotations, which may hold a copy of the values.
    pub metadata: ObjectMeta,
    /// Such as `kubernetes.io/dockerconfigjson`.
    pub type_: String,
    /// The names of the keys.
    pub keys: BTreeSet<String>,
}

impl SecretFacts {
    /// Drops every value, and the annotations, from the wire form of a Secret. Called before anything else looks at it, so that no decoder can quote a value either.
    pub fn forget_values(secret: &mut Value) {
        let Some(fields) = secret.as_object_mut() else {
            *secret = Value::Null;
            return;
        };
        fields.retain(|field, _| {
            ["apiVersion", "kind", "metadata", "type", "data", "stringData"].contains(&field.as_str())
        });
        for (field, value) in fields {
            match (field.as_str(), value) {
                ("metadata", Value::Object(meta)) => {
                    meta.remove("annotations");
                    meta.remove("managedFields");
                }
                ("data" | "stringData", Value::Object(entries)) => {
                    entries.values_mut().for_each(|value| *value = json!(""));
                }
                ("metadata" | "data" | "stringData", other) => *other = Value::Null,
                _ => {}
            }
        }
    }
}

impl Serialize for SecretFacts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let data: BTreeMap<&str, &str> = self.keys.iter().map(|key| (key.as_str(), "")).collect();
        json!({ "metadata": self.metadata, "type": self.type_, "data": data }).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SecretFacts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Wire {
            metadata: ObjectMeta,
            #[serde(default, rename = "type")]
            type_: Option<String>,
            #[serde(default)]
            data: BTreeMap<String, serde::de::IgnoredAny>,
            #[serde(default)]
            string_data: BTreeMap<String, serde::de::IgnoredAny>,
        }
        let wire = Wire::deserialize(deserializer)?;
        let metadata = ObjectMeta { annotations: None, managed_fields: None, ..wire.metadata };
        let keys = wire.data.into_keys().chain(wire.string_data.into_keys()).collect();
        Ok(SecretFacts { metadata, type_: wire.type_.unwrap_or_default(), keys })
    }
}

impl kube_core::Resource for SecretFacts {
    type DynamicType = ();
    type Scope = kube_core::NamespaceResourceScope;
    fn kind(_: &()) -> Cow<'_, str> {
        "Secret".into()
    }
    fn group(_: &()) -> Cow<'_, str> {
        "".into()
    }
    fn version(_: &()) -> Cow<'_, str> {
        "v1".into()
    }
    fn plural(_: &()) -> Cow<'_, str> {
        "secrets".into()
    }
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_known_by_its_keys_and_never_by_its_values() {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": {"name": "hub", "namespace": "default", "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "hunter2"}},
            "data": {"HF_TOKEN": "aHVudGVyMg=="}, "stringData": {"plain": "hunter2"},
        });
        let Seen::Decoded(object) = Seen::decode(Kind::Secret, secret) else { panic!("readable") };
        let text = format!("{object:?}{}", object.to_value());
        assert!(text.contains("HF_TOKEN") && text.contains("plain"));
        assert!(!text.contains("hunter2") && !text.contains("aHVudGVyMg"));
    }

    #[test]
    fn a_secret_that_cannot_be_read_is_not_quoted() {
        for secret in [
            json!("hunter2"),
            json!({"metadata": "hunter2"}),
            json!({"metadata": {"name": "a"}, "data": "hunter2"}),
            json!({"metadata": {"name": "a"}, "stringData": ["hunter2"], "status": "hunter2"}),
        ] {
            let seen = Seen::decode(Kind::Secret, secret);
            assert!(matches!(seen, Seen::Malformed(_)) && !format!("{seen:?}").contains("hunter2"), "{seen:?}");
        }
    }

    #[test]
    fn what_is_seen_can_be_written_and_seen_again() {
        let claim = json!({"metadata": {"name": "a", "creationTimestamp": "2026-01-01T00:00:00.75Z"}, "spec": {}});
        let Seen::Decoded(object) = Seen::decode(Kind::NodeClaim, claim) else { panic!("readable") };
        assert_eq!(Seen::decode(Kind::NodeClaim, object.to_value()), Seen::Decoded(object));
    }

    #[test]
    fn an_unreadable_object_keeps_its_name_and_the_reason() {
        let seen = Seen::decode(
            Kind::Service,
            json!({"metadata": {"name": "web", "namespace": "a"}, "spec": {"ports": "eighty"}}),
        );
        assert_eq!(seen.key(), ObjectKey::new(Kind::Service, "a", "web"));
        assert!(matches!(seen, Seen::Malformed(m) if m.error.contains("eighty") && m.spec.is_null()));
        let spec = json!({"requirements": "A100"});
        let seen = Seen::decode(Kind::NodeClaim, json!({"metadata": {"name": "a"}, "spec": spec}));
        assert!(matches!(seen, Seen::Malformed(m) if m.spec == spec), "whose it is stands there");
    }
}
