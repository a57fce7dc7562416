//! The kinds that can be read from a file, and how each is held to its type.

use kaito_api::k8s_openapi::api::{core::v1 as core, storage::v1 as storage};
use kaito_api::{FieldError, FieldErrorKind, FieldPath, NodeClaim};
use kaito_core::Kind;
use kaito_core::admission::nearest::nearest;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use serde_path_to_error::Segment as Step;

/// A kind that can be read, its `apiVersion`s with the one to write first, and its check.
#[derive(Debug)]
pub struct Readable {
    /// The kind.
    pub kind: Kind,
    /// What may stand in `apiVersion`; the first is suggested.
    pub versions: &'static [&'static str],
    /// Fields beside `apiVersion`, `kind` and `metadata`.
    pub fields: &'static [&'static str],
    check: fn(&Value, &[&'static str]) -> Vec<FieldError>,
}

/// Every kind that can be read.
pub const READABLE: &[Readable] = &[
    Readable {
        kind: Kind::Workspace,
        versions: &["kaito.sh/v1beta1", "kaito.sh/v1alpha1"],
        fields: &["resource", "inference", "tuning", "status"],
        check: workspace,
    },
    Readable {
        kind: Kind::ConfigMap,
        versions: &["v1"],
        fields: &["data", "binaryData", "immutable"],
        check: typed::<core::ConfigMap>,
    },
    Readable {
        kind: Kind::Secret,
        versions: &["v1"],
        fields: &["data", "stringData", "type", "immutable"],
        check: secret,
    },
    Readable { kind: Kind::Node, versions: &["v1"], fields: &["spec", "status"], check: typed::<core::Node> },
    Readable {
        kind: Kind::StorageClass,
        versions: &["storage.k8s.io/v1"],
        fields: &[
            "allowVolumeExpansion",
            "allowedTopologies",
            "mountOptions",
            "parameters",
            "provisioner",
            "reclaimPolicy",
            "volumeBindingMode",
        ],
        check: typed::<storage::StorageClass>,
    },
    Readable { kind: Kind::NodeClaim, versions: &["karpenter.sh/v1"], fields: &["spec", "status"], check: node_claim },
    Readable { kind: Kind::Namespace, versions: &["v1"], fields: &["spec", "status"], check: typed::<core::Namespace> },
    Readable { kind: Kind::Service, versions: &["v1"], fields: &["spec", "status"], check: typed::<core::Service> },
];

/// Kinds that stand in one file with a Workspace that names them, and that nothing here depends on: what is said of one, which is passed over.
pub const PASSED_OVER: &[(&str, &str, &str)] = &[
    ("v1", "PersistentVolumeClaim", "is not looked at: a volume is taken to be there and to fit"),
    ("v1", "PersistentVolume", "is not looked at: a volume is taken to be there and to fit"),
    ("apps/v1", "DaemonSet", "is not looked at: a machine is taken to offer its GPUs"),
    ("v1", "ServiceAccount", "is not looked at: an account is taken to be there"),
];

/// The row of a kind by its name.
pub fn readable(kind: &str) -> Option<&'static Readable> {
    READABLE.iter().find(|row| row.kind.name() == kind)
}

impl Readable {
    /// What is wrong with the form of a value of this kind; not whether it makes sense.
    pub fn check(&self, value: &Value) -> Vec<FieldError> {
        (self.check)(value, self.fields)
    }
}

/// `Workspace, ConfigMap, …`, as messages list them.
pub fn listed() -> String {
    READABLE.iter().map(|row| row.kind.name()).collect::<Vec<_>>().join(", ")
}

/// The kind that was probably meant.
pub fn nearest_kind(kind: &str) -> Option<&'static str> {
    nearest(kind, READABLE.iter().map(|row| row.kind.name()))
}

/// What a cluster wrote into the status of one may be more than is known here.
fn node_claim(value: &Value, fields: &[&'static str]) -> Vec<FieldError> {
    let mut wished = value.clone();
    wished.as_object_mut().and_then(|claim| claim.remove("status"));
    typed::<NodeClaim>(&wished, fields)
}

fn workspace(value: &Value, _: &[&str]) -> Vec<FieldError> {
    kaito_core::admission::read(value).err().unwrap_or_default()
}

/// Fields that cannot be read, and fields that reading has lost: those the type does not know.
fn typed<T: DeserializeOwned + Serialize>(value: &Value, fields: &[&'static str]) -> Vec<FieldError> {
    let mut outer = value.get("metadata").map(kaito_core::admission::check_metadata).unwrap_or_default();
    outer.extend(strangers(value, fields));
    if !outer.is_empty() {
        return outer;
    }
    match serde_path_to_error::deserialize::<_, T>(value) {
        Err(error) => vec![FieldError::new(path(error.path()), FieldErrorKind::Type, error.inner().to_string())],
        Ok(read) => {
            let mut errors = Vec::new();
            let kept = serde_json::to_value(read).unwrap_or_default();
            lost(value, &kept, &FieldPath::root(), &mut errors);
            errors
        }
    }
}

/// Nothing of what a Secret holds is ever repeated (I11).
fn secret(value: &Value, fields: &[&'static str]) -> Vec<FieldError> {
    let mut errors = value.get("metadata").map(kaito_core::admission::check_metadata).unwrap_or_default();
    for part in ["data", "stringData"] {
        match value.get(part) {
            None | Some(Value::Null) => {}
            Some(Value::Object(entries)) => {
                let bad = entries.iter().filter(|(_, value)| !value.is_string());
                errors.extend(bad.map(|(key, _)| {
                    FieldError::new(
                        FieldPath::from(part).key(key),
                        FieldErrorKind::Type,
                        "expected text; write it in quotes",
                    )
                }));
            }
            Some(_) => errors.push(FieldError::new(
                FieldPath::from(part),
                FieldErrorKind::Type,
                "expected an object of names with texts",
            )),
        }
    }
    errors.extend(strangers(value, fields));
    errors
}

fn path(steps: &serde_path_to_error::Path) -> FieldPath {
    steps.iter().fold(FieldPath::root(), |path, step| match step {
        Step::Seq { index } => path.index(*index),
        Step::Map { key } => path.key(key),
        Step::Enum { variant } => path.key(variant),
        Step::Unknown => path,
    })
}

/// Fields of the root that the kind does not have.
fn strangers(value: &Value, fields: &[&'static str]) -> Vec<FieldError> {
    let known: Vec<&str> = ["apiVersion", "kind", "metadata"].iter().chain(fields).copied().collect();
    let names = value.as_object().into_iter().flat_map(Map::keys).filter(|name| !known.contains(&name.as_str()));
    names.map(|name| unknown(FieldPath::root().key(name), name, known.iter().copied())).collect()
}

fn unknown<'a>(path: FieldPath, name: &str, known: impl IntoIterator<Item = &'a str>) -> FieldError {
    let error = FieldError::new(path, FieldErrorKind::Unknown, "no such field");
    match nearest(name, known) {
        Some(near) => error.suggest(near),
        None => error,
    }
}

fn lost(given: &Value, kept: &Value, path: &FieldPath, errors: &mut Vec<FieldError>) {
    match (given, kept) {
        (Value::Object(given), Value::Object(kept)) => {
            for (name, value) in given {
                let at = path.clone().key(name);
                match kept.get(name) {
                    Some(kept) => lost(value, kept, &at, errors),
                    None if value.is_null() || value.as_array().is_some_and(Vec::is_empty) => {}
                    None => errors.push(unknown(at, name, kept.keys().map(String::as_str))),
                }
            }
        }
        (Value::Array(given), Value::Array(kept)) => {
            for (index, (given, kept)) in given.iter().zip(kept).enumerate() {
                lost(given, kept, &path.clone().index(index), errors);
            }
        }
        _ => {}
    }
}
