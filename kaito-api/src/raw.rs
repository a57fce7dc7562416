//! Parts of an object that belong to somebody else, kept as they came.
//!
//! A pod template may hold fields that are newer than the Kubernetes version this was built with. A typed struct would drop them on the
//! way through, so these parts are plain JSON, with a typed view for whoever wants to look inside.

use k8s_openapi::api::core::v1::{PodTemplateSpec, Volume};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::field_error::{FieldError, FieldErrorKind, FieldPath};
use crate::syntax;

/// A pod template as the user wrote it; nothing in it is ever dropped or reordered in meaning.
///
/// ```
/// use kaito_api::raw::RawPodTemplate;
/// use serde_json::json;
///
/// let template = RawPodTemplate(json!({ "spec": { "containers": [{ "name": "server" }], "newerThanUs": true } }));
/// let typed = template.as_pod_template()?;
/// assert_eq!(typed.spec.map(|s| s.containers.len()), Some(1));
/// assert_eq!(template.0["spec"]["newerThanUs"], true);
/// # Ok::<(), kaito_api::FieldError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RawPodTemplate(pub Value);

impl RawPodTemplate {
    /// The typed view. Fields unknown to this build are not in it; the path of an error starts inside the template.
    pub fn as_pod_template(&self) -> Result<PodTemplateSpec, FieldError> {
        let mut value = self.0.clone();
        quantities_as_text(&mut value);
        view(&value)
    }
}

impl RawPodTemplate {
    /// Fields that this build does not know: newer than it, or misspelt. None where the template cannot be read at all.
    ///
    /// ```
    /// use kaito_api::raw::RawPodTemplate;
    /// use serde_json::json;
    ///
    /// let template = RawPodTemplate(json!({ "spec": { "containers": [{ "name": "server", "imagePullPolcy": "Always" }] } }));
    /// let unknown: Vec<String> = template.unknown_fields().iter().map(ToString::to_string).collect();
    /// assert_eq!(unknown, ["spec.containers[0].imagePullPolcy"]);
    /// ```
    pub fn unknown_fields(&self) -> Vec<FieldPath> {
        let typed = self.as_pod_template().ok().and_then(|typed| serde_json::to_value(typed).ok());
        let mut unknown = Vec::new();
        if let Some(typed) = typed {
            lost(&self.0, &typed, &FieldPath::root(), &mut unknown);
        }
        unknown
    }

    /// Words in the commands of its containers that an example left for its reader to replace, with where they stand; the paths start inside the template. Brackets that shells, Kubernetes and chat
    /// templates use for something else do not count.
    ///
    /// ```
    /// use kaito_api::raw::RawPodTemplate;
    /// use serde_json::json;
    ///
    /// let args = json!(["--model", "<MODEL_ID>", "--stop", "<eos>", "--host", "$(POD_IP)"]);
    /// let template = RawPodTemplate(json!({ "spec": { "containers": [{ "name": "server", "args": args }] } }));
    /// let left: Vec<String> = template.placeholders().iter().map(|(at, word)| format!("{at}: {word}")).collect();
    /// assert_eq!(left, ["spec.containers[0].args[1]: <MODEL_ID>"]);
    /// ```
    pub fn placeholders(&self) -> Vec<(FieldPath, String)> {
        let Some(spec) = self.as_pod_template().ok().and_then(|typed| typed.spec) else { return Vec::new() };
        let at = FieldPath::root().key("spec");
        let before = spec.init_containers.unwrap_or_default();
        let mut found = Vec::new();
        for (list, containers) in [("initContainers", before), ("containers", spec.containers)] {
            for (index, container) in containers.iter().enumerate() {
                for (field, words) in [("command", &container.command), ("args", &container.args)] {
                    for (number, text) in words.iter().flatten().enumerate() {
                        let at = at.clone().key(list).index(index).key(field).index(number);
                        let left = syntax::placeholders(text).into_iter().filter(|word| is_left(word));
                        found.extend(left.map(|word| (at.clone(), word.to_owned())));
                    }
                }
            }
        }
        found
    }
}

/// Whether a placeholder can mean nothing else in a command: `MODEL_HERE`, or `<MODEL_ID>` in capitals.
fn is_left(word: &str) -> bool {
    let is_capital = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_' || c == '-';
    match word.strip_prefix('<').and_then(|word| word.strip_suffix('>')) {
        Some(inside) => inside.len() > 1 && inside.chars().all(is_capital),
        None => word.chars().all(is_capital),
    }
}

/// Fields of a value that another one, read from it, does not have.
fn lost(written: &Value, read: &Value, at: &FieldPath, out: &mut Vec<FieldPath>) {
    match (written, read) {
        (Value::Object(written), Value::Object(read)) => {
            for (key, value) in written.iter().filter(|(_, value)| !value.is_null()) {
                let at = at.clone().key(key);
                match read.get(key) {
                    Some(read) => lost(value, read, &at, out),
                    None => out.push(at),
                }
            }
        }
        (Value::Array(written), Value::Array(read)) => {
            for (index, (value, read)) in written.iter().zip(read).enumerate() {
                lost(value, read, &at.clone().index(index), out);
            }
        }
        _ => {}
    }
}

/// Makes text of the amounts in a pod that were written as numbers (`nvidia.com/gpu: 1`), as an API server does when it stores them; the types of this library read no other.
pub fn quantities_as_text(pod: &mut Value) {
    /// Maps whose values are amounts.
    const MAPS: [&str; 4] = ["limits", "requests", "overhead", "capacity"];
    /// Fields that are amounts.
    const FIELDS: [&str; 2] = ["sizeLimit", "divisor"];
    fn as_text(amount: &mut Value) {
        if let Value::Number(number) = amount {
            *amount = Value::String(number.to_string());
        }
    }
    match pod {
        Value::Array(items) => items.iter_mut().for_each(quantities_as_text),
        Value::Object(fields) => {
            for (name, value) in fields {
                if FIELDS.contains(&name.as_str()) {
                    as_text(value);
                }
                match value {
                    Value::Object(amounts) if MAPS.contains(&name.as_str()) => amounts.values_mut().for_each(as_text),
                    _ => quantities_as_text(value),
                }
            }
        }
        _ => {}
    }
}

impl From<&PodTemplateSpec> for RawPodTemplate {
    fn from(typed: &PodTemplateSpec) -> Self {
        Self(serde_json::to_value(typed).unwrap_or_default())
    }
}

/// A volume source as the user wrote it: a volume of a pod without its name.
///
/// ```
/// use kaito_api::raw::RawVolumeSource;
/// use serde_json::json;
///
/// let source = RawVolumeSource(json!({ "persistentVolumeClaim": { "claimName": "data" } }));
/// let volume = source.as_volume_source("input")?;
/// assert_eq!(volume.name, "input");
/// assert_eq!(volume.persistent_volume_claim.map(|c| c.claim_name), Some("data".to_owned()));
/// # Ok::<(), kaito_api::FieldError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RawVolumeSource(pub Value);

impl RawVolumeSource {
    /// The typed view as a pod volume called `name`: Kubernetes has no other name for the union of volume sources in this library.
    pub fn as_volume_source(&self, name: &str) -> Result<Volume, FieldError> {
        view(&self.named(name)?)
    }

    /// The pod volume called `name` with every field kept, for building objects.
    pub fn named(&self, name: &str) -> Result<Value, FieldError> {
        let Value::Object(fields) = &self.0 else {
            return Err(FieldError::new(
                FieldPath::root(),
                FieldErrorKind::Type,
                "a volume source is an object such as {persistentVolumeClaim: {claimName: data}}",
            ));
        };
        let mut volume = Map::new();
        volume.insert("name".to_owned(), Value::String(name.to_owned()));
        volume.extend(fields.iter().filter(|(key, _)| *key != "name").map(|(key, value)| (key.clone(), value.clone())));
        Ok(Value::Object(volume))
    }
}

fn view<T: DeserializeOwned>(value: &Value) -> Result<T, FieldError> {
    serde_path_to_error::deserialize(value).map_err(|error| FieldError::from_serde(&error))
}

macro_rules! schemaless {
    ($name:ident) => {
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                schemars::json_schema!({ "x-kubernetes-preserve-unknown-fields": true })
            }
        }
    };
}
schemaless!(RawPodTemplate);
schemaless!(RawVolumeSource);

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_field_newer_than_this_build_survives_a_round_trip() {
        let wire = json!({ "spec": { "containers": [{ "name": "a", "fromTheFuture": { "x": [1, 2] } }] } });
        let read: RawPodTemplate = serde_json::from_value(wire.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), wire);
        let wire = json!({ "csi": { "driver": "blob.csi.azure.com" }, "laser": {} });
        let read: RawVolumeSource = serde_json::from_value(wire.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), wire);
        assert_eq!(read.named("v").unwrap()["laser"], json!({}));
    }

    #[test]
    fn an_amount_may_be_a_number_and_nothing_else_becomes_text() {
        let template = RawPodTemplate(json!({ "spec": {
            "containers": [{ "name": "a", "resources": { "limits": { "nvidia.com/gpu": 1, "memory": "1Gi" } }, "ports": [{ "containerPort": 80 }] }],
            "volumes": [{ "name": "v", "emptyDir": { "sizeLimit": 1024 } }],
        } }));
        let spec = template.as_pod_template().unwrap().spec.unwrap();
        let limits = spec.containers[0].resources.as_ref().unwrap().limits.as_ref().unwrap();
        assert_eq!((limits["nvidia.com/gpu"].0.as_str(), limits["memory"].0.as_str()), ("1", "1Gi"));
        assert_eq!(template.0["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"], 1, "kept as it came");
    }

    #[test]
    fn an_error_in_a_template_says_where() {
        let error = RawPodTemplate(json!({ "spec": { "containers": [{ "name": 7 }] } })).as_pod_template().unwrap_err();
        assert_eq!(error.path.to_string(), "spec.containers[0].name");
        assert_eq!(error.kind, FieldErrorKind::Type);
    }
}
