//! Objects: whatever stands in one, it is decoded or refused at a place that is there.

use super::anything;
use kaito_api::FieldErrorKind;
use kaito_api::workspace::{self, DecodeError};
use kaito_core::{Kind, Seen, Settings, admission};
use kaito_tests::{arbitrary, cases, manifests};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

fn workspaces() -> impl Strategy<Value = Value> {
    let tuning = json!({
        "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "metadata": {"name": "tune", "labels": {"a": "b"}},
        "resource": {"instanceType": "Standard_NC24ads_A100_v4", "labelSelector": {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}, "preferredNodes": ["n"]},
        "tuning": {"preset": {"name": "phi-3-mini-4k-instruct"}, "method": "qlora", "input": {"urls": ["https://example.com/a"]}, "output": {"image": "r.example.com/a:b", "imagePushSecret": "s"}},
        "status": {"conditions": [{"type": "ResourceReady", "status": "True", "reason": "x", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}], "workerNodes": ["n"], "targetNodeCount": 1},
    });
    select(vec![manifests::phi_3_mini("a"), manifests::two_nodes("b"), manifests::adapters("c"), tuning])
}

/// Whether a path leads somewhere: to the field, or for one that is missing to the object that lacks it.
fn leads(value: &Value, path: &kaito_api::FieldPath, kind: FieldErrorKind) -> bool {
    let pointer = path.to_pointer();
    let parent = || pointer.rsplit_once('/').is_none_or(|(parent, _)| value.pointer(parent).is_some());
    value.pointer(&pointer).is_some() || (matches!(kind, FieldErrorKind::Missing) && parent())
}

proptest! {
    #![proptest_config(cases::config(1500))]

    #[test]
    fn anything_is_decoded_or_refused_in_words(value in anything()) {
        if let Err(error) = workspace::decode(value.clone()) {
            prop_assert!(!error.to_string().is_empty());
            prop_assert!(!matches!(error, DecodeError::NotAnObject) || !value.is_object());
        }
        for kind in Kind::ALL {
            let seen = Seen::decode(*kind, value.clone());
            prop_assert_eq!(seen.kind(), *kind);
        }
        let mut dressed = value;
        if let Some(fields) = dressed.as_object_mut() {
            fields.insert("apiVersion".into(), json!("kaito.sh/v1beta1"));
            fields.insert("kind".into(), json!("Workspace"));
            if let Err(error) = workspace::decode(dressed) {
                prop_assert!(!error.field_error().path.is_root(), "{error}");
            }
        }
    }

    #[test]
    fn a_workspace_that_was_damaged_is_refused_at_the_place_of_the_damage(value in workspaces(), damage in arbitrary::damage()) {
        let value = arbitrary::hurt(value, &damage);
        if let Err(error) = workspace::decode(value.clone()) {
            let error = error.field_error();
            prop_assert!(leads(&value, &error.path, error.kind), "{error} is nowhere in {value}");
        }
        for error in admission::check(&value, &Settings::default()) {
            prop_assert!(!error.detail.is_empty());
            prop_assert!(error.to_string().len() < 4000, "{error}");
        }
    }

    #[test]
    fn what_is_decoded_is_the_same_when_it_is_written_and_read_again(value in workspaces(), damage in arbitrary::damage()) {
        let value = arbitrary::hurt(value, &damage);
        if let Ok((_, first)) = workspace::decode(value) {
            let written = serde_json::to_value(&first).unwrap();
            let (_, second) = workspace::decode(written.clone()).unwrap();
            prop_assert_eq!(serde_json::to_value(&second).unwrap(), written);
        }
    }

    #[test]
    fn whatever_a_status_is_the_wish_is_read(value in workspaces(), status in anything()) {
        let mut value = value;
        value["status"] = status;
        prop_assert!(workspace::decode(value).is_ok(), "a status is ours to write, and never in the way of what a user asks for");
    }
}
