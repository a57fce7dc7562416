//! What is dropped from the wire form of every object before it is decoded, wherever it comes from: what no decision reads and what is large.

use crate::kinds::Kind;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Holds a copy of the whole object, which nobody here reads.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Drops the record of field owners, the copy of the object that kubectl leaves, the images of a node, and of an EndpointSlice all but what is said of its endpoints: a cluster has thousands of
/// addresses.
pub(super) fn strip(kind: Kind, value: &mut Value) {
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove(LAST_APPLIED);
        }
    }
    if let (Kind::Node, Some(status)) = (kind, value.get_mut("status").and_then(Value::as_object_mut)) {
        status.remove("images");
    }
    if kind == Kind::EndpointSlice {
        for endpoint in value.get_mut("endpoints").and_then(Value::as_array_mut).into_iter().flatten() {
            *endpoint = json!({"addresses": [], "conditions": endpoint.get("conditions")});
        }
    }
}

/// Whether a text in it is a time that the types of Kubernetes read and cannot write: they write whole seconds of years after Christ.
pub(super) fn has_fine_time(value: &Value) -> bool {
    match value {
        Value::String(text) => is_fine_time(text),
        Value::Array(items) => items.iter().any(has_fine_time),
        Value::Object(fields) => fields.values().any(has_fine_time),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn is_fine_time(text: &str) -> bool {
    // Few texts are long enough and begin like a time; only those are read as one.
    let begins = text.len() > 20 && text.starts_with(|first: char| first.is_ascii_digit() || first == '-');
    begins && text.parse::<Timestamp>().is_ok_and(|time| time.subsec_nanosecond() != 0 || text.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_reads_is_not_kept() {
        let mut node = json!({
            "metadata": {"name": "n", "managedFields": [{}], "annotations": {LAST_APPLIED: "{}", "own": "1"}},
            "status": {"images": [{"names": ["a"]}], "nodeInfo": null},
        });
        strip(Kind::Node, &mut node);
        assert_eq!(node, json!({"metadata": {"name": "n", "annotations": {"own": "1"}}, "status": {"nodeInfo": null}}));
    }

    #[test]
    fn of_a_slice_only_what_is_said_of_its_endpoints_is_kept() {
        let conditions = json!({"ready": true, "serving": false});
        let mut slice = json!({"metadata": {"name": "web-x"}, "addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"], "conditions": conditions, "nodeName": "n"}, "odd"]});
        strip(Kind::EndpointSlice, &mut slice);
        let kept = [json!({"addresses": [], "conditions": conditions}), json!({"addresses": [], "conditions": null})];
        assert_eq!(slice["endpoints"], json!(kept));
    }

    #[test]
    fn times_that_cannot_be_written_back_are_known() {
        for (text, fine) in [
            ("2026-01-01T00:00:00.25Z", true),
            ("-000001-01-01T00:00:00Z", true),
            ("2026-01-01T00:00:00Z", false),
            ("2026-01-01T02:00:00+02:00", false),
            ("17 words that are no time at all", false),
        ] {
            assert_eq!(has_fine_time(&json!({"deep": [text]})), fine, "{text}");
        }
    }
}
