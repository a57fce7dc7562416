//! What a real API server would refuse because of names, keys and values.

use crate::backend::{BackendError, ErrorKind};
use crate::kinds::Kind;
use crate::object::ObjectKey;
use kaito_api::syntax::{self, Expected};
use serde_json::Value;

/// The grammar of names: Services become host names, everything else is a subdomain.
fn grammar(kind: Kind) -> fn(&str) -> Result<(), Expected> {
    match kind {
        Kind::Service | Kind::Namespace => syntax::dns_label,
        _ => syntax::dns_subdomain,
    }
}

/// Refuses what a server would, in its manner.
pub(super) fn check(key: &ObjectKey, value: &Value) -> Result<(), BackendError> {
    let refuse = |field: &str, found: &str, expected: Expected| {
        let words = format!("{} {:?} is invalid: {field}: Invalid value: {found:?}: {expected}", key.kind, key.name);
        Err(BackendError::new(ErrorKind::Invalid, words))
    };
    if let Err(expected) = grammar(key.kind)(&key.name) {
        return refuse("metadata.name", &key.name, expected);
    }
    let labels = value.pointer("/metadata/labels").and_then(Value::as_object);
    for (name, value) in labels.into_iter().flatten() {
        if let Err(expected) = syntax::label_key(name) {
            return refuse("metadata.labels", name, expected);
        }
        let value = value.as_str().unwrap_or_default();
        if let Err(expected) = syntax::label_value(value) {
            return refuse("metadata.labels", value, expected);
        }
    }
    Ok(())
}
