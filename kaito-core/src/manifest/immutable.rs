//! Fields that the API server never lets change.
//!
//! An update carries the live object's own values there, so that an object made by an older version never ends in an endless refusal.

use crate::kinds::Kind;
use serde_json::Value;

/// By kind, the JSON pointers of fields that are fixed at creation.
const IMMUTABLE: &[(Kind, &[&str])] = &[
    (
        Kind::StatefulSet,
        &["/spec/selector", "/spec/serviceName", "/spec/podManagementPolicy", "/spec/volumeClaimTemplates"],
    ),
    (Kind::Service, &["/spec/clusterIP"]),
];

/// Copies the live object's immutable fields into what is to be applied.
pub fn keep_immutable(kind: Kind, desired: &mut Value, live: &Value) {
    let fixed = IMMUTABLE.iter().filter(|(row, _)| *row == kind).flat_map(|(_, pointers)| pointers.iter());
    for pointer in fixed {
        if let (Some(wanted), Some(there)) = (desired.pointer_mut(pointer), live.pointer(pointer)) {
            *wanted = there.clone();
        }
    }
}
