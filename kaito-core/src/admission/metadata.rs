//! What may stand in `metadata`, for every kind alike.

use super::expect::{OBJECT, TEXT, mismatch};
use super::nearest::nearest;
use kaito_api::{FieldError, FieldErrorKind, FieldPath};
use serde_json::Value;

/// What a field of metadata must be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    /// Names with texts.
    Texts,
    List,
    Whole,
}

/// Every field of `ObjectMeta`.
const FIELDS: &[(&str, Form)] = &[
    ("annotations", Form::Texts),
    ("creationTimestamp", Form::Text),
    ("deletionGracePeriodSeconds", Form::Whole),
    ("deletionTimestamp", Form::Text),
    ("finalizers", Form::List),
    ("generateName", Form::Text),
    ("generation", Form::Whole),
    ("labels", Form::Texts),
    ("managedFields", Form::List),
    ("name", Form::Text),
    ("namespace", Form::Text),
    ("ownerReferences", Form::List),
    ("resourceVersion", Form::Text),
    ("selfLink", Form::Text),
    ("uid", Form::Text),
];

/// What is wrong with the `metadata` of any object, with paths from the object's root. A field without a value (`creationTimestamp: null`) is as good as absent.
pub fn check(metadata: &Value) -> Vec<FieldError> {
    let root = FieldPath::from("metadata");
    let Some(fields) = metadata.as_object() else {
        return vec![FieldError::new(root, FieldErrorKind::Type, mismatch(OBJECT, metadata))];
    };
    let mut errors = Vec::new();
    for (name, value) in fields {
        let at = root.clone().key(name);
        match FIELDS.iter().find(|(known, _)| known == name) {
            Some((_, form)) => errors.extend(field(*form, value, &at)),
            None => {
                let error = FieldError::new(at, FieldErrorKind::Unknown, "no such field");
                errors.push(match nearest(name, FIELDS.iter().map(|(known, _)| *known)) {
                    Some(near) => error.suggest(near),
                    None => error,
                });
            }
        }
    }
    errors
}

fn field(form: Form, value: &Value, at: &FieldPath) -> Vec<FieldError> {
    let wrong =
        |at: FieldPath, wanted: &str, value: &Value| FieldError::new(at, FieldErrorKind::Type, mismatch(wanted, value));
    match (form, value) {
        (_, Value::Null) | (Form::Text, Value::String(_)) | (Form::List, Value::Array(_)) => Vec::new(),
        (Form::Whole, Value::Number(number)) if number.is_i64() => Vec::new(),
        (Form::Texts, Value::Object(entries)) => {
            let bad = entries.iter().filter(|(_, value)| !value.is_string());
            bad.map(|(key, value)| wrong(at.clone().key(key), TEXT, value)).collect()
        }
        (Form::Text, other) => vec![wrong(at.clone(), TEXT, other)],
        (Form::List, other) => vec![wrong(at.clone(), "a list", other)],
        (Form::Whole, other) => vec![wrong(at.clone(), "a whole number", other)],
        (Form::Texts, other) => vec![wrong(at.clone(), OBJECT, other)],
    }
}
