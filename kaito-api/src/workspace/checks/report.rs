//! The bridge to `validator`: many findings in one of its errors, and back.

use std::borrow::Cow;

use validator::{ValidationError, ValidationErrors, ValidationErrorsKind};

use crate::field_error::{FieldError, FieldErrorKind, FieldPath};

/// Under this parameter an error of `validator` carries our findings, with paths relative to what was checked.
const FINDINGS: &str = "findings";

/// Collects findings of one function.
#[derive(Default)]
pub(super) struct Report(Vec<FieldError>);

impl Report {
    pub(super) fn add(&mut self, rule: &'static str, path: FieldPath, kind: FieldErrorKind, detail: impl Into<String>) {
        self.0.push(FieldError::new(path, kind, detail).rule(rule));
    }

    pub(super) fn findings(self) -> Vec<FieldError> {
        self.0
    }

    pub(super) fn end(self) -> Result<(), ValidationError> {
        let Some(first) = self.0.first() else {
            return Ok(());
        };
        let mut error = ValidationError::new("shape").with_message(Cow::Owned(first.to_string()));
        error.add_param(Cow::Borrowed(FINDINGS), &self.0);
        Err(error)
    }
}

/// Adds everything that `errors` says about the value at `place`.
pub(super) fn flatten(errors: &ValidationErrors, place: &FieldPath, out: &mut Vec<FieldError>) {
    for (field, kind) in errors.errors() {
        let place = if field == "__all__" { place.clone() } else { place.clone().key(wire_name(field)) };
        match kind {
            ValidationErrorsKind::Struct(inner) => flatten(inner, &place, out),
            ValidationErrorsKind::List(items) => {
                for (index, inner) in items {
                    flatten(inner, &place.clone().index(*index), out);
                }
            }
            ValidationErrorsKind::Field(found) => found.iter().for_each(|error| out.extend(findings(error, &place))),
        }
    }
}

fn findings(error: &ValidationError, place: &FieldPath) -> Vec<FieldError> {
    let ours =
        error.params.get(FINDINGS).and_then(|value| serde_json::from_value::<Vec<FieldError>>(value.clone()).ok());
    let ours = ours.unwrap_or_else(|| {
        // Not from a Report: a built-in validator, or one that an embedder added.
        vec![FieldError::new(FieldPath::root(), FieldErrorKind::Value, error.to_string())]
    });
    ours.into_iter().map(|finding| finding.under(place)).collect()
}

/// `label_selector` as `labelSelector`; all fields of the API are written that way.
fn wire_name(field: &str) -> String {
    let mut name = String::with_capacity(field.len());
    let mut upper = false;
    for c in field.chars() {
        if c == '_' {
            upper = true;
        } else {
            name.push(if upper { c.to_ascii_uppercase() } else { c });
            upper = false;
        }
    }
    name
}
