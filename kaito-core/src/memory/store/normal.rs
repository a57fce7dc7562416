//! The form in which objects are stored, and what of their metadata a server alone writes.

use super::{Outcome, refuse};
use crate::backend::ErrorKind;
use crate::effect::MetadataPatch;
use crate::kinds::Kind;
use crate::object::ObjectKey;
use kaito_api::raw::quantities_as_text;
use kaito_api::workspace;
use serde_json::{Map, Value, json};

/// Metadata that a server gives and no body ever changes.
const OF_THE_SERVER: &[&str] = &["uid", "creationTimestamp", "generation", "deletionTimestamp"];

/// The wire form as it is stored: names in place, defaults of our own schema filled in. A Secret keeps its values, as on a cluster: they go where it is seen (`Seen::decode`).
pub(super) fn normalised(key: &ObjectKey, body: &Value) -> Outcome<Value> {
    let mut value = body.clone();
    let Some(map) = value.as_object_mut() else { return refuse(ErrorKind::Invalid, format!("{key}: not an object")) };
    map.insert("apiVersion".into(), map.get("apiVersion").cloned().unwrap_or_else(|| json!(key.kind.api_version())));
    map.insert("kind".into(), json!(key.kind.name()));
    if key.kind == Kind::Workspace
        && let Ok((version, mut decoded)) = workspace::decode(value.clone())
    {
        workspace::fill_defaults(version, &mut decoded);
        value = serde_json::to_value(&decoded).unwrap_or(value);
    }
    set(&mut value, "name", json!(key.name));
    if let Some(namespace) = &key.namespace {
        set(&mut value, "namespace", json!(namespace));
    }
    Ok(value)
}

/// Amounts of resources are stored as text, however they are written; but in a template that a Workspace only carries.
pub(super) fn amounts(kind: Kind, value: &mut Value) {
    if matches!(kind, Kind::StatefulSet | Kind::Job | Kind::Pod)
        && let Some(spec) = value.get_mut("spec")
    {
        quantities_as_text(spec);
    }
}

/// Changes the metadata of an object; makes it an object first, where it is none.
pub(super) fn with_metadata(value: &mut Value, change: impl FnOnce(&mut Map<String, Value>)) {
    let Some(map) = value.as_object_mut() else { return };
    let metadata = map.entry("metadata").or_insert_with(|| json!({}));
    if !metadata.is_object() {
        *metadata = json!({});
    }
    if let Some(metadata) = metadata.as_object_mut() {
        change(metadata);
    }
}

/// Sets one field of the metadata.
pub(super) fn set(value: &mut Value, field: &str, to: Value) {
    with_metadata(value, |metadata| drop(metadata.insert(field.to_owned(), to)));
}

/// Gives a new body what the stored object has and no body changes. Finalizers stay where the body names none.
pub(super) fn keep_system_metadata(old: &Value, value: &mut Value) {
    let kept = |field: &str| old.pointer(&format!("/metadata/{field}")).cloned();
    with_metadata(value, |metadata| {
        for field in OF_THE_SERVER {
            match kept(field) {
                Some(kept) => drop(metadata.insert((*field).to_owned(), kept)),
                None => drop(metadata.remove(*field)),
            }
        }
        if let Some(kept) = kept("finalizers") {
            metadata.entry("finalizers").or_insert(kept);
        }
    });
}

/// Changes an object as a patch says: RFC 7396, as an API server does it.
pub(super) fn patch(value: &mut Value, patch: &MetadataPatch) {
    merge(value, patch.to_value());
}

fn merge(into: &mut Value, patch: Value) {
    let Value::Object(fields) = patch else {
        *into = patch;
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    let Some(map) = into.as_object_mut() else { return };
    for (key, field) in fields {
        if field.is_null() {
            map.remove(&key);
        } else {
            merge(map.entry(key).or_insert(Value::Null), field);
        }
    }
}

/// What the generation counts: everything but metadata and status.
pub(super) fn substance(value: &Value) -> Vec<(&String, &Value)> {
    value.as_object().into_iter().flatten().filter(|(key, _)| !matches!(key.as_str(), "metadata" | "status")).collect()
}
