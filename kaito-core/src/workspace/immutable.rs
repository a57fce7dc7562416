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
    (Kind::NodePool, &["/spec/template/spec/nodeClassRef/group", "/spec/template/spec/nodeClassRef/kind"]),
];

/// Copies the live object's immutable fields into what is to be applied, and what follows from them.
pub(super) fn keep(kind: Kind, desired: &mut Value, live: &Value) {
    let fixed = IMMUTABLE.iter().filter(|(row, _)| *row == kind).flat_map(|(_, pointers)| pointers.iter());
    for pointer in fixed {
        if let (Some(wanted), Some(there)) = (desired.pointer_mut(pointer), live.pointer(pointer)) {
            *wanted = there.clone();
        }
    }
    follow_selector(desired);
}

/// The pods of a template are those that its selector selects: another label than it asks for would be refused.
pub(super) fn follow_selector(desired: &mut Value) {
    let selected = desired.pointer("/spec/selector/matchLabels").and_then(Value::as_object).cloned();
    let labels = desired.pointer_mut("/spec/template/metadata/labels").and_then(Value::as_object_mut);
    if let (Some(selected), Some(labels)) = (selected, labels) {
        labels.extend(selected);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_pods_keep_the_labels_that_the_live_selector_asks_for() {
        let set = |selected: Value, labels: Value| json!({"spec": {"selector": {"matchLabels": selected}, "template": {"metadata": {"labels": labels}}}});
        let live = set(json!({"set": "a", "app": "x"}), json!({"set": "a", "app": "x"}));
        let mut desired = set(json!({"set": "b"}), json!({"set": "b", "team": "blue"}));
        keep(Kind::StatefulSet, &mut desired, &live);
        assert_eq!(desired, set(json!({"set": "a", "app": "x"}), json!({"set": "a", "app": "x", "team": "blue"})));
    }

    #[test]
    fn a_service_keeps_its_address_and_its_selector_follows_what_is_wanted() {
        let mut desired = json!({"spec": {"clusterIP": "None", "selector": {"a": "new"}}});
        keep(Kind::Service, &mut desired, &json!({"spec": {"clusterIP": "10.0.0.1", "selector": {"a": "old"}}}));
        assert_eq!(desired, json!({"spec": {"clusterIP": "10.0.0.1", "selector": {"a": "new"}}}));
    }
}
