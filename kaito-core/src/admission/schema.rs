//! A whole value against a whole schema: fields that are missing, fields that are not known, and everything below those that are.

use super::expect;
use super::nearest::nearest;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kaito_api::workspace::Version;
use kaito_api::{FieldError, FieldErrorKind, FieldPath, crd};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// Above so many known fields, a message does not list them.
const LISTED: usize = 12;

/// Fields that people bring along from other kinds of Kubernetes: the place, the word, and what to do instead.
const HABITS: &[(&str, &str, &str)] = &[
    ("", "spec", "a Workspace has no spec; resource, inference and tuning stand beside metadata"),
    ("", "data", "a Workspace has no data; settings of the runtime go into a ConfigMap, which inference.config names"),
    ("resource", "nodeSelector", "write labelSelector.matchLabels"),
    ("resource", "replicas", "write count, the number of nodes"),
    ("inference", "model", "write preset.name"),
];

/// What the schema of a version does not allow in a value. The status is left out, and metadata is not described by it.
pub(super) fn errors(version: Version, value: &Value) -> Vec<FieldError> {
    let mut walk = Walk { version, errors: Vec::new() };
    let Some(schema) = schema_of(version) else { return walk.errors };
    walk.value(schema, value, &FieldPath::root());
    walk.errors
}

/// The schemas are derived once; that the derives agree is held by a test of `kaito-api`.
fn schema_of(version: Version) -> Option<&'static JSONSchemaProps> {
    static SCHEMAS: OnceLock<BTreeMap<Version, JSONSchemaProps>> = OnceLock::new();
    let schemas = SCHEMAS.get_or_init(|| {
        let versions = crd::workspace().map(|crd| crd.spec.versions).unwrap_or_default();
        let of = |wanted: Version| versions.iter().find(|version| version.name == wanted.as_str());
        let found = Version::ALL
            .iter()
            .filter_map(|version| Some((*version, of(*version)?.schema.as_ref()?.open_api_v3_schema.clone()?)));
        found
            .map(|(version, mut schema)| {
                if let Some(status) =
                    schema.properties.iter_mut().flatten().find_map(|(name, below)| (name == "status").then_some(below))
                {
                    *status = JSONSchemaProps {
                        x_kubernetes_preserve_unknown_fields: Some(true),
                        ..JSONSchemaProps::default()
                    };
                }
                (version, schema)
            })
            .collect()
    });
    schemas.get(&version)
}

struct Walk {
    version: Version,
    errors: Vec<FieldError>,
}

impl Walk {
    fn value(&mut self, schema: &JSONSchemaProps, value: &Value, path: &FieldPath) {
        if let Err((kind, detail)) = expect::value(schema, value) {
            self.errors.push(FieldError::new(path.clone(), kind, detail));
            return;
        }
        match value {
            Value::Object(fields) => self.object(schema, fields, path),
            Value::Array(items) => self.list(schema, items, path),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn list(&mut self, schema: &JSONSchemaProps, items: &[Value], path: &FieldPath) {
        if let Some(JSONSchemaPropsOrArray::Schema(below)) = &schema.items {
            for (index, item) in items.iter().enumerate() {
                self.value(below, item, &path.clone().index(index));
            }
        }
    }

    fn object(&mut self, schema: &JSONSchemaProps, fields: &Map<String, Value>, path: &FieldPath) {
        for name in schema.required.iter().flatten().filter(|name| !fields.contains_key(*name)) {
            let known = schema.properties.as_ref().and_then(|all| all.get(name));
            let detail = format!("missing; expected {}", known.map_or("a value", expect::wanted));
            self.errors.push(FieldError::new(path.clone().key(name), FieldErrorKind::Missing, detail));
        }
        for (name, value) in fields {
            let at = path.clone().key(name);
            let known = schema.properties.as_ref().and_then(|all| all.get(name));
            match (known, &schema.additional_properties) {
                // What metadata may hold is the same for every kind and stands in no schema.
                (Some(_), _) if path.is_root() && name == "metadata" => {}
                (Some(below), _) => self.value(below, value, &at),
                (None, Some(JSONSchemaPropsOrBool::Schema(below))) => self.value(below, value, &at),
                (None, Some(JSONSchemaPropsOrBool::Bool(true))) => {}
                (None, _) if schema.x_kubernetes_preserve_unknown_fields == Some(true) => {}
                (None, _) => self.unknown(schema, name, path),
            }
        }
    }

    fn unknown(&mut self, schema: &JSONSchemaProps, name: &str, path: &FieldPath) {
        let mut known: Vec<&str> = schema.properties.iter().flatten().map(|(known, _)| known.as_str()).collect();
        known.sort_unstable();
        let unknown = |detail: String| FieldError::new(path.clone().key(name), FieldErrorKind::Unknown, detail);
        let place = path.to_string();
        let habit = HABITS.iter().find(|(at, word, _)| *at == place && *word == name);
        self.errors.push(if let Some((_, _, instead)) = habit {
            unknown(format!("no such field: {instead}"))
        } else if let Some(other) = self.known_elsewhere(path, name) {
            unknown(format!("no such field in {}; {} has it", self.version.api_version(), other.api_version()))
        } else if let Some(near) = nearest(name, known.iter().copied()) {
            unknown("no such field".to_owned()).suggest(near)
        } else if known.len() <= LISTED && !known.is_empty() {
            unknown(format!("no such field; known here: {}", known.join(", ")))
        } else {
            unknown("no such field".to_owned())
        });
    }

    /// Another served version that has the field at this place.
    fn known_elsewhere(&self, path: &FieldPath, name: &str) -> Option<Version> {
        let at = path.clone().key(name);
        Version::ALL.into_iter().filter(|version| *version != self.version).find(|version| {
            let Some(root) = schema_of(*version) else { return false };
            let below = at.segments().iter().try_fold(root, |schema, segment| match segment {
                kaito_api::field_error::Segment::Key(key) => schema.properties.as_ref()?.get(key),
                kaito_api::field_error::Segment::Index(_) => match schema.items.as_ref()? {
                    JSONSchemaPropsOrArray::Schema(below) => Some(&**below),
                    JSONSchemaPropsOrArray::Schemas(_) => None,
                },
            });
            below.is_some()
        })
    }
}
