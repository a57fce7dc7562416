//! Kinds as the API server knows them: URLs, and wire forms on their way to becoming [`Seen`].

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kaito_core::{Kind, ObjectKey, Seen};
use kube_core::{ApiResource, DynamicResourceScope, Resource};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use std::borrow::Cow;

/// Holds a copy of the whole object, which nobody here reads.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

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

/// Drops what no decision reads and what is large: the record of field owners, the copy of the object that kubectl leaves, the images of a node, the addresses of a slice.
pub(super) fn lean(kind: Kind, value: &mut Value) {
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove(LAST_APPLIED);
        }
    }
    match kind {
        Kind::Node => {
            value.get_mut("status").and_then(Value::as_object_mut).map(|status| status.remove("images"));
        }
        Kind::EndpointSlice => {
            for endpoint in value.get_mut("endpoints").and_then(Value::as_array_mut).into_iter().flatten() {
                *endpoint = json!({"addresses": [], "conditions": endpoint["conditions"]});
            }
        }
        _ => {}
    }
}

/// A lean object of a known kind.
pub(super) fn seen(kind: Kind, mut value: Value) -> Seen {
    lean(kind, &mut value);
    Seen::decode(kind, value)
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

    #[test]
    fn urls_are_those_of_the_api() {
        assert_eq!(object(&ObjectKey::cluster(Kind::NodeClaim, "ws1")), "/apis/karpenter.sh/v1/nodeclaims/ws1");
        assert_eq!(object(&ObjectKey::new(Kind::Service, "a", "web")), "/api/v1/namespaces/a/services/web");
        assert_eq!(collection(Kind::Service, None), "/api/v1/services");
        assert_eq!(definition(Kind::NodeClaim), "nodeclaims.karpenter.sh");
    }

    #[test]
    fn what_nobody_reads_is_not_kept() {
        let node = json!({
            "metadata": {"name": "n", "managedFields": [{}], "annotations": {LAST_APPLIED: "{}", "own": "1"}},
            "status": {"images": [{"names": ["a"]}], "nodeInfo": null},
        });
        let mut lean_node = node;
        lean(Kind::Node, &mut lean_node);
        assert_eq!(
            lean_node,
            json!({"metadata": {"name": "n", "annotations": {"own": "1"}}, "status": {"nodeInfo": null}})
        );
    }

    #[test]
    fn of_a_slice_only_what_is_said_of_its_endpoints_is_kept() {
        let conditions = json!({"ready": true, "serving": false});
        let mut slice = json!({"metadata": {"name": "web-x"}, "endpoints": [{"addresses": ["10.0.0.1"], "conditions": conditions, "nodeName": "n"}, "odd"]});
        lean(Kind::EndpointSlice, &mut slice);
        assert_eq!(slice["endpoints"][0], json!({"addresses": [], "conditions": {"ready": true, "serving": false}}));
    }

    #[test]
    fn an_object_with_strange_metadata_still_comes_off_the_watch() {
        let raw: Raw =
            serde_json::from_value(json!({"metadata": {"name": "a", "resourceVersion": "7", "labels": 5}})).unwrap();
        assert_eq!(raw.meta().resource_version.as_deref(), Some("7"));
    }
}
