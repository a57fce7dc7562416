//! What the planner's own look-ups say, as statements about fields.

use crate::failure::{self, Failure, Reason};
use crate::settings::Settings;
use crate::workspace::resolve;
use kaito_api::vocabulary::annotations;
use kaito_api::{FieldError, FieldErrorKind, FieldPath, Workspace};

/// Where a failure belongs whose cause does not begin with a field.
const PLACES: &[(&Reason, &str)] = &[
    (&failure::UNKNOWN_PRESET, "inference.preset.name"),
    (&failure::UNKNOWN_INSTANCE_TYPE, "resource.instanceType"),
    (&failure::NO_RUNTIME, "resource.instanceType"),
    (&failure::MODEL_TOO_LARGE, "resource.instanceType"),
];

/// Fields that a cause may begin with.
const ROOTS: &[&str] = &["resource", "inference", "tuning", "metadata"];

/// Why a Workspace that can be read would not be admitted: the rules of the object by itself, and when none is broken, whether its model, size and runtime exist.
pub fn judge(workspace: &Workspace, settings: &Settings) -> Vec<FieldError> {
    let shape = workspace.shape_errors();
    if !shape.is_empty() {
        return shape;
    }
    resolve(workspace, settings).err().map(|failure| field_error(&failure)).into_iter().collect()
}

/// `inference.preset.name: no model …` becomes an error at that field; `tuning is not served` one at `tuning`.
fn field_error(failure: &Failure) -> FieldError {
    let cause = failure.cause.as_str();
    let word = cause.split([' ', ':']).next().unwrap_or_default();
    let (path, detail) = if ROOTS.contains(&word.split('.').next().unwrap_or_default()) {
        (FieldPath::from(word), cause[word.len()..].trim_start_matches([':', ' ']))
    } else if cause.contains(annotations::RUNTIME) {
        (FieldPath::from("metadata.annotations").key(annotations::RUNTIME), cause)
    } else {
        let place = PLACES.iter().find(|(reason, _)| *reason == failure.reason).map_or("", |(_, path)| path);
        (FieldPath::from(place), cause)
    };
    let kind = if detail.starts_with("missing") { FieldErrorKind::Missing } else { FieldErrorKind::Value };
    FieldError::new(path, kind, detail)
}
