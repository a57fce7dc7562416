//! Kinds as the API server knows them: URLs, and wire forms on their way to becoming [`Seen`](kaito_core::Seen).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kaito_core::{Kind, ObjectKey};
use kube_core::{ApiResource, DynamicResourceScope, Resource};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::borrow::Cow;

/// The kind in kube's words.
pub(super) fn resource(kind: Kind) -> ApiResource {
    ApiResource {
        group: kind.group().to_owned(),
        version: kind.version().to_owned(),
        api_version: kind.api_version(),
        kind: kind.name().to_owned(),
        plural: kind.plural().to_owned(),
    }
}

/// The URL of all objects of a kind, in one namespace or in all.
pub(super) fn collection(kind: Kind, namespace: Option<&str>) -> String {
    Raw::url_path(&resource(kind), namespace)
}

/// The URL of one object.
pub(super) fn object(key: &ObjectKey) -> String {
    format!("{}/{}", collection(key.kind, key.namespace.as_deref()), key.name)
}

/// `nodeclaims.karpenter.sh`, the name of the definition of a custom kind.
pub(super) fn definition(kind: Kind) -> String {
    format!("{}.{}", kind.plural(), kind.group())
}

/// An object off a watch, not decoded yet: whatever its fields hold, it never stops the others.
#[derive(Debug, Clone)]
pub(super) struct Raw {
    /// The version, for the watcher to go on from; nothing else.
    meta: ObjectMeta,
    /// The whole object.
    pub(super) value: Value,
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let text =
            |field: &str| value.pointer(&format!("/metadata/{field}")).and_then(Value::as_str).map(str::to_owned);
        let meta = ObjectMeta {
            name: text("name"),
            namespace: text("namespace"),
            resource_version: text("resourceVersion"),
            ..ObjectMeta::default()
        };
        Ok(Raw { meta, value })
    }
}

impl Resource for Raw {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;
    fn kind(of: &ApiResource) -> Cow<'_, str> {
        of.kind.as_str().into()
    }
    fn group(of: &ApiResource) -> Cow<'_, str> {
        of.group.as_str().into()
    }
    fn version(of: &ApiResource) -> Cow<'_, str> {
        of.version.as_str().into()
    }
    fn plural(of: &ApiResource) -> Cow<'_, str> {
        of.plural.as_str().into()
    }
    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.meta
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn urls_are_those_of_the_api() {
        assert_eq!(object(&ObjectKey::cluster(Kind::NodeClaim, "ws1")), "/apis/karpenter.sh/v1/nodeclaims/ws1");
        assert_eq!(object(&ObjectKey::new(Kind::Service, "a", "web")), "/api/v1/namespaces/a/services/web");
        assert_eq!(collection(Kind::Service, None), "/api/v1/services");
        assert_eq!(definition(Kind::NodeClaim), "nodeclaims.karpenter.sh");
    }

    #[test]
    fn an_object_with_strange_metadata_still_comes_off_the_watch() {
        let raw: Raw =
            serde_json::from_value(json!({"metadata": {"name": "a", "resourceVersion": "7", "labels": 5}})).unwrap();
        assert_eq!(raw.meta().resource_version.as_deref(), Some("7"));
    }
}
