//! One object of the input: what it is, where it stands, and what is wrong with it.

use super::kinds::{self, Readable};
use super::place::{Place, Problem};
use super::tree::{Data, Node};
use kaito_api::{FieldError, FieldErrorKind, FieldPath};
use kaito_core::admission::nearest::nearest;
use kaito_core::{Kind, ObjectKey};
use serde_json::{Value, json};

/// An object of the input.
#[derive(Debug, Clone)]
pub struct Document {
    /// Kind, namespace and name.
    pub key: ObjectKey,
    /// Its wire form, with its namespace filled in.
    pub value: Value,
    /// The file it stands in.
    pub file: String,
    /// What is wrong with its form; empty in everything that [`read`](super::read) answers.
    pub faults: Vec<FieldError>,
    node: Node,
}

impl Document {
    /// Reads an object. What is wrong with its form is in its `faults`; what cannot even be told apart is an error.
    pub(super) fn read(file: &str, node: Node, namespace: &str) -> Result<Document, Vec<Problem>> {
        let one = |error: FieldError| vec![problem(file, &node, &error)];
        let row = identity(&node).map_err(one)?;
        let mut value = node.to_value();
        if row.kind == Kind::Node {
            amounts_as_text(&mut value);
        }
        if row.kind == Kind::Workspace {
            without_nulls(&mut value);
        }
        let mut faults = row.check(&value);
        let metadata = &value["metadata"];
        let text = |field: &str| metadata.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
        let name = text("name").unwrap_or_default().to_owned();
        if name.is_empty() && faults.is_empty() {
            let detail = match text("generateName") {
                Some(_) => {
                    "missing; generateName gives another name each time, and what is shown here must be the same each time"
                }
                None => "missing; every object needs a name",
            };
            faults.push(FieldError::new(FieldPath::from("metadata.name"), FieldErrorKind::Missing, detail));
        }
        let key = ObjectKey::new(row.kind, text("namespace").unwrap_or(namespace), name);
        if let (Some(namespace), Some(metadata)) = (&key.namespace, value["metadata"].as_object_mut()) {
            metadata.insert("namespace".to_owned(), json!(namespace));
        }
        if row.kind == Kind::Workspace
            && let Some(fields) = value.as_object_mut()
        {
            // The API server takes no status from a manifest.
            fields.remove("status");
        }
        Ok(Document { key, value, file: file.to_owned(), faults, node })
    }

    /// Everything that is wrong with its form, with its place.
    pub(super) fn problems(&self) -> Vec<Problem> {
        self.faults.iter().map(|fault| self.problem(fault)).collect()
    }

    /// What is wrong with one of its fields, with the place of the field.
    pub fn problem(&self, error: &FieldError) -> Problem {
        problem(&self.file, &self.node, error)
    }

    /// Where its name stands.
    pub fn place(&self) -> Place {
        self.node.find(&FieldPath::from("metadata.name")).node.place
    }
}

/// An amount may be written as a number (`nvidia.com/gpu: 1`); on the wire it is text.
fn amounts_as_text(node: &mut Value) {
    for part in ["/status/capacity", "/status/allocatable"] {
        for amount in node.pointer_mut(part).and_then(Value::as_object_mut).into_iter().flat_map(|all| all.values_mut())
        {
            if amount.is_number() {
                *amount = json!(amount.to_string());
            }
        }
    }
}

/// What the API server does with a field that is given as nothing, as a template does that has no value for it: it is not there. In a list nothing stays what it is.
fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(without_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(without_nulls),
        _ => {}
    }
}

/// A missing field is shown at what it is missing from, an unknown one at its name, any other at its value.
fn problem(file: &str, node: &Node, error: &FieldError) -> Problem {
    let found = node.find(&error.path);
    let at_key = !found.whole || matches!(error.kind, FieldErrorKind::Unknown | FieldErrorKind::Forbidden);
    let is_empty = matches!(found.node.data, Data::Scalar(Value::Null));
    Problem::at(file, if at_key || is_empty { found.key } else { found.node.place }, error.to_string())
}

/// What is said of an object that is passed over, where it is one of those.
pub(super) fn passed_over(file: &str, node: &Node) -> Option<Problem> {
    let text = |field: &str| node.text(field).unwrap_or_default();
    let row =
        kinds::PASSED_OVER.iter().find(|(version, kind, _)| (text("apiVersion"), text("kind")) == (*version, *kind));
    let (_, kind, said) = row?;
    let name = node.find(&FieldPath::from("metadata.name")).node.to_value();
    Some(Problem::at(file, node.place, format!("{kind} {} {said}", name.as_str().unwrap_or_default())))
}

/// Which kind it is, or why that cannot be told.
fn identity(node: &Node) -> Result<&'static Readable, FieldError> {
    let error = |field: &str, kind, detail: String| FieldError::new(FieldPath::from(field), kind, detail);
    if !matches!(node.data, Data::Map(_)) {
        return Err(error(
            "",
            FieldErrorKind::Type,
            "expected an object with the fields apiVersion, kind and metadata".to_owned(),
        ));
    }
    for field in ["apiVersion", "kind", "metadata"] {
        match node.field(field) {
            None => return Err(error(field, FieldErrorKind::Missing, missing(node, field))),
            Some(_) if field == "metadata" => {}
            Some(_) if node.text(field).is_some_and(|text| !text.is_empty()) => {}
            Some(_) => return Err(error(field, FieldErrorKind::Type, "expected text".to_owned())),
        }
    }
    let (version, kind) = (node.text("apiVersion").unwrap_or_default(), node.text("kind").unwrap_or_default());
    let Some(row) = kinds::readable(kind) else {
        let detail = format!("{kind} cannot be read here; supported: {}", kinds::listed());
        let error = error("kind", FieldErrorKind::Value, detail);
        return Err(match kinds::nearest_kind(kind) {
            Some(near) => error.suggest(near),
            None => error,
        });
    };
    if !row.versions.contains(&version) {
        let detail = format!("{kind} is not served as {version}; expected {}", row.versions.join(" or "));
        return Err(error("apiVersion", FieldErrorKind::Value, detail));
    }
    Ok(row)
}

/// Names the field that was probably meant, where one is there.
fn missing(node: &Node, field: &str) -> String {
    let Data::Map(fields) = &node.data else { return "missing".to_owned() };
    match nearest(field, fields.iter().map(|field| field.key.as_str())) {
        Some(near) => format!("missing; {near} is there, probably meant as {field}"),
        None => "missing; every object says apiVersion, kind and metadata".to_owned(),
    }
}
