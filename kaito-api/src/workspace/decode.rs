//! JSON of either version to the hub.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{Workspace, v1alpha1, v1beta1};
use crate::field_error::{FieldError, FieldErrorKind, FieldPath};
use crate::vocabulary::GROUP;

/// A served version of the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// The older one.
    V1alpha1,
    /// The stored one.
    V1beta1,
}

impl Version {
    /// All of them, oldest first.
    pub const ALL: [Self; 2] = [Self::V1alpha1, Self::V1beta1];

    /// Without the group: `v1beta1`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1alpha1 => "v1alpha1",
            Self::V1beta1 => "v1beta1",
        }
    }

    /// With the group, as in a manifest: `kaito.sh/v1beta1`.
    pub const fn api_version(self) -> &'static str {
        match self {
            Self::V1alpha1 => "kaito.sh/v1alpha1",
            Self::V1beta1 => "kaito.sh/v1beta1",
        }
    }

    /// From the text in a manifest.
    pub fn from_api_version(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|v| v.api_version() == text)
    }
}

/// Why a value is no Workspace.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// It is not a JSON object.
    #[error("a Workspace is an object with the fields apiVersion, kind and metadata")]
    NotAnObject,
    /// It is an object of another kind or group.
    #[error("this is {found}, and not a Workspace of {GROUP}")]
    NotAWorkspace {
        /// What it says it is, as `kind apiVersion`.
        found: String,
    },
    /// It is a Workspace of a version that is not served.
    #[error("{found} is not served; write kaito.sh/v1beta1 (or kaito.sh/v1alpha1 for old manifests)")]
    UnservedVersion {
        /// What it says.
        found: String,
    },
    /// A field cannot be read.
    #[error("{0}")]
    Field(FieldError),
}

impl DecodeError {
    /// The same as a statement about a field.
    pub fn field_error(&self) -> FieldError {
        let (path, kind) = match self {
            Self::Field(error) => return error.clone(),
            Self::NotAnObject => (FieldPath::root(), FieldErrorKind::Type),
            Self::NotAWorkspace { .. } => (FieldPath::from("kind"), FieldErrorKind::Value),
            Self::UnservedVersion { .. } => (FieldPath::from("apiVersion"), FieldErrorKind::Value),
        };
        FieldError::new(path, kind, self.to_string())
    }
}

/// Reads a Workspace of either version into the hub.
///
/// Optional fields may be absent; fields that the version does not have are dropped, as the API server does. The error says which field.
/// Of the status, what cannot be read is as good as absent: it is written by controllers, who see anew what it should say, and must not stand in the way of the wish.
///
/// ```
/// use kaito_api::workspace;
/// use serde_json::json;
///
/// let bad = json!({
///     "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "metadata": { "name": "a" },
///     "inference": { "adapters": [{ "source": { "name": "a" }, "strength": 0.5 }] }
/// });
/// let error = workspace::decode(bad).unwrap_err().field_error();
/// assert_eq!(error.path.to_string(), "inference.adapters[0].strength");
/// ```
pub fn decode(value: Value) -> Result<(Version, Workspace), DecodeError> {
    let Value::Object(mut object) = value else {
        return Err(DecodeError::NotAnObject);
    };
    let version = version(&object)?;
    let metadata: ObjectMeta = part(&mut object, "metadata")?;
    // Each part is read on its own: the root type flattens its spec, and flattening forgets where an error is.
    let workspace = match version {
        Version::V1alpha1 => {
            let spec = v1alpha1::WorkspaceSpec {
                resource: part(&mut object, "resource")?,
                inference: part(&mut object, "inference")?,
                tuning: part(&mut object, "tuning")?,
            };
            v1alpha1::Workspace { metadata, spec, status: status(&mut object) }.into()
        }
        Version::V1beta1 => {
            let spec = v1beta1::WorkspaceSpec {
                resource: part(&mut object, "resource")?,
                inference: part(&mut object, "inference")?,
                tuning: part(&mut object, "tuning")?,
            };
            v1beta1::Workspace { metadata, spec, status: status(&mut object) }
        }
    };
    Ok((version, workspace))
}

fn version(object: &Map<String, Value>) -> Result<Version, DecodeError> {
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
    let (kind, api_version) = (text("kind"), text("apiVersion"));
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    if kind != "Workspace" || group != GROUP {
        let name = |text: &str, absent: &str| if text.is_empty() { absent.to_owned() } else { text.to_owned() };
        let found = format!("{} of {}", name(kind, "an object without kind"), name(api_version, "no apiVersion"));
        return Err(DecodeError::NotAWorkspace { found });
    }
    Version::from_api_version(api_version).ok_or_else(|| DecodeError::UnservedVersion { found: api_version.to_owned() })
}

fn part<T: DeserializeOwned + Default>(object: &mut Map<String, Value>, key: &str) -> Result<T, DecodeError> {
    match object.remove(key) {
        None | Some(Value::Null) => Ok(T::default()),
        // serde would read a list as the fields in order.
        Some(value) if !value.is_object() => {
            let detail = format!("must be an object, and is {value}");
            Err(DecodeError::Field(FieldError::new(FieldPath::from(key), FieldErrorKind::Type, detail)))
        }
        Some(value) => serde_path_to_error::deserialize(value)
            .map_err(|error| DecodeError::Field(FieldError::from_serde(&error).under(&FieldPath::from(key)))),
    }
}

/// The status, without what cannot be read in it: whole fields, and of lists the elements.
fn status<T: DeserializeOwned + Default>(object: &mut Map<String, Value>) -> Option<T> {
    let found = object.remove("status").filter(Value::is_object)?;
    if let Ok(whole) = T::deserialize(&found) {
        return Some(whole);
    }
    let Value::Object(mut fields) = found else { return None };
    let is_readable = |name: &str, value: &Value| T::deserialize(json!({ name: value })).is_ok();
    fields.retain(|name, value| {
        if let Value::Array(items) = value {
            items.retain(|item| is_readable(name, &json!([item])));
        }
        is_readable(name, value)
    });
    T::deserialize(Value::Object(fields)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_things_are_told_apart() {
        let error = |value| decode(value).unwrap_err();
        assert_eq!(error(json!([])), DecodeError::NotAnObject);
        assert!(matches!(error(json!({ "apiVersion": "v1", "kind": "Pod" })), DecodeError::NotAWorkspace { .. }));
        assert!(matches!(error(json!({ "kind": "Workspace" })), DecodeError::NotAWorkspace { .. }));
        let later = json!({ "apiVersion": "kaito.sh/v9", "kind": "Workspace" });
        assert_eq!(error(later), DecodeError::UnservedVersion { found: "kaito.sh/v9".into() });
    }

    #[test]
    fn an_object_without_anything_is_read() {
        let (_, ws) = decode(json!({ "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace" })).unwrap();
        assert!(ws.resource().is_empty());
        let wire = serde_json::to_value(&ws).unwrap();
        assert_eq!(wire, json!({ "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "metadata": {} }));
    }

    #[test]
    fn words_of_the_future_are_kept() {
        let wire = json!({
            "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "metadata": {},
            "status": { "state": "Hibernating", "targetNodeCount": 2 }
        });
        let (_, ws) = decode(wire.clone()).unwrap();
        assert_eq!(ws.state(), Some(&super::super::WorkspaceState::Unknown("Hibernating".into())));
        assert_eq!(serde_json::to_value(&ws).unwrap(), wire);
    }

    #[test]
    fn of_a_status_that_cannot_be_read_the_rest_is_kept() {
        let condition = json!({ "type": "ResourceReady", "status": "True", "reason": "x", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z" });
        let of = |status: Value| {
            let (_, ws) =
                decode(json!({ "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "status": status })).unwrap();
            serde_json::to_value(ws.status).unwrap()
        };
        let bad = json!({ "state": 5, "targetNodeCount": "two", "workerNodes": ["a", 7], "conditions": [null, condition, { "type": 1 }] });
        assert_eq!(of(bad), json!({ "workerNodes": ["a"], "conditions": [condition] }));
        assert_eq!(of(json!({ "state": "Ready", "conditions": {} })), json!({ "state": "Ready" }));
        assert_eq!(of(json!("Ready")), Value::Null);
    }

    #[test]
    fn the_place_of_an_error_is_named_in_every_part() {
        let at = |extra: Value| {
            let mut object = json!({ "apiVersion": "kaito.sh/v1alpha1", "kind": "Workspace" });
            if let (Value::Object(object), Value::Object(extra)) = (&mut object, extra) {
                object.extend(extra);
            }
            decode(object).unwrap_err().field_error().path.to_string()
        };
        assert_eq!(at(json!({ "resource": { "count": "two" } })), "resource.count");
        assert_eq!(at(json!({ "metadata": { "labels": { "a": 1 } } })), "metadata.labels.a");
        assert_eq!(
            at(json!({ "resource": { "labelSelector": { "matchLabels": { "a": 1 } } } })),
            "resource.labelSelector.matchLabels.a"
        );
        assert_eq!(at(json!({ "tuning": { "input": { "urls": [1] } } })), "tuning.input.urls[0]");
        assert_eq!(at(json!({ "inference": [] })), "inference");
    }
}
