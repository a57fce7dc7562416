//! Where an agent pool differs from other objects: its cloud holds it, names it after its claim, and a deletion is an operation, which may fail.

use super::normal::{set, with_metadata};
use kaito_api::vocabulary::labels;
use serde_json::{Value, json};

/// The cloud itself, which is not done with a pool before its machine is gone.
const HOLDER: &str = "cloud.kaito.sh/machine";

/// A pool that was asked for: it is being made.
pub(super) fn begin(value: &mut Value) {
    let stamp = value.pointer("/metadata/labels").and_then(|all| all.get(labels::CREATION_TIMESTAMP)).cloned();
    if let Some(stamp) = stamp.filter(Value::is_string) {
        set(value, "uid", stamp);
    }
    set(value, "finalizers", json!([HOLDER]));
    value["status"] = json!({"state": "Creating"});
}

/// A pool whose deletion was asked for, perhaps once more: it goes.
pub(super) fn go(value: &mut Value) {
    value["status"] = json!({"state": "Deleting"});
}

/// A pool of which its cloud says something: one that is not being deleted (any more) stays.
pub(super) fn tell(value: &mut Value) {
    if value.pointer("/status/state").is_none_or(|state| state != "Deleting") {
        with_metadata(value, |metadata| drop(metadata.remove("deletionTimestamp")));
    }
}
