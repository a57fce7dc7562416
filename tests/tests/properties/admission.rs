//! What is admitted can be served: the verdict and the planner never disagree.

use super::anything;
use jiff::SignedDuration;
use kaito_core::memory::World;
use kaito_core::{Kind, ObjectKey, Settings, admission};
use kaito_tests::{arbitrary, cases, manifests};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

const NAME: &str = "w";

fn good() -> impl Strategy<Value = Value> {
    let mut config = manifests::phi_4_mini(NAME);
    config["inference"]["config"] = json!("settings");
    let mut soft = manifests::preset(NAME, "phi-3.5-mini-instruct", "Standard_NC24ads_A100_v4");
    soft["inference"]["adapters"] =
        json!([{"source": {"name": "tone", "image": "r.example.com/a:1"}, "strength": "0.5"}]);
    soft["metadata"]["annotations"] = json!({"kaito.sh/runtime": "transformers", "kaito.sh/enablelb": "True"});
    let own = manifests::own_template(NAME);
    select(vec![manifests::phi_3_mini(NAME), manifests::two_nodes(NAME), manifests::adapters(NAME), config, soft, own])
}

/// A good Workspace with some odd values, and its name as it was: a server has checked that before anybody else is asked.
fn workspace() -> impl Strategy<Value = Value> {
    (good(), arbitrary::damage()).prop_map(|(value, damage)| {
        let mut value = arbitrary::hurt(value, &damage);
        if value["metadata"].is_object() {
            value["metadata"]["name"] = json!(NAME);
        }
        value
    })
}

fn key() -> ObjectKey {
    ObjectKey::new(Kind::Workspace, "default", NAME)
}

/// A world with everything that these Workspaces refer to.
fn world() -> World {
    let mut world = World::installed(&Settings::default());
    for (kind, name, body) in [
        (Kind::ConfigMap, "settings", json!({"data": {"inference_config.yaml": "vllm: {}\n"}})),
        (
            Kind::Secret,
            "my-registry",
            json!({"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": ""}}),
        ),
    ] {
        world.put(&ObjectKey::new(kind, "default", name), &body).unwrap();
    }
    world
}

/// The reasons that the conditions show after a day.
fn reasons(world: &mut World) -> Vec<(String, String)> {
    world.run(SignedDuration::from_hours(24), |_| false);
    let status = world.cluster().with_store(|store| store.value(&key()).map(|found| found["status"].clone())).unwrap();
    let text = |condition: &Value, field: &str| condition[field].as_str().unwrap_or_default().to_owned();
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    conditions.iter().map(|condition| (text(condition, "reason"), text(condition, "message"))).collect()
}

/// What a Workspace never is that was admitted.
const NEVER: &[&str] = &[
    "InvalidWorkspace",
    "UnknownPreset",
    "UnknownInstanceType",
    "NoRuntimeForGpu",
    "NotSupported",
    "WriteRefused",
    "MalformedObject",
];

fn never(world: &mut World) -> Result<(), TestCaseError> {
    for (reason, message) in reasons(world) {
        prop_assert!(!NEVER.contains(&reason.as_str()), "{reason}: {message}");
    }
    Ok(())
}

fn admitted(new: &Value, old: Option<&Value>) -> bool {
    admission::review(new, old, &Settings::default()).allowed
}

proptest! {
    #![proptest_config(cases::config(60))]

    #[test]
    fn what_is_admitted_can_be_reconciled(value in workspace()) {
        prop_assume!(admitted(&value, None));
        let mut world = world();
        prop_assume!(world.put(&key(), &value).is_ok());
        never(&mut world)?;
    }

    #[test]
    fn a_change_that_is_admitted_can_be_reconciled(old in good(), new in workspace()) {
        prop_assume!(admitted(&old, None) && admitted(&new, Some(&old)));
        let mut world = world();
        prop_assume!(world.put(&key(), &old).is_ok());
        world.run(SignedDuration::from_hours(1), |_| false);
        prop_assume!(world.put(&key(), &new).is_ok());
        never(&mut world)?;
    }
}

proptest! {
    #![proptest_config(cases::config(500))]

    #[test]
    fn any_two_objects_are_judged(new in prop_oneof![workspace(), anything()], old in prop_oneof![workspace(), anything()]) {
        for verdict in [admission::review(&new, Some(&old), &Settings::default()), admission::review(&new, None, &Settings::default())] {
            prop_assert_eq!(verdict.allowed, verdict.errors.is_empty());
            prop_assert_eq!(verdict.allowed, verdict.message.is_empty());
        }
        // What changes nothing is never refused.
        if new["kind"] == "Workspace" && admitted(&new, None) {
            prop_assert!(admitted(&new, Some(&new)));
        }
    }

    #[test]
    fn anything_is_answered_that_asks_for_a_review(object in prop_oneof![workspace(), anything()], old in anything(), operation in select(vec!["CREATE", "UPDATE", "DELETE", "CONNECT", "x"])) {
        let asked = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "u", "operation": operation, "object": object, "oldObject": old}});
        let answer = admission::answer(&asked, &Settings::default());
        let is_told_of = object.is_object() || !["CREATE", "UPDATE"].contains(&operation);
        prop_assert_eq!(answer.is_ok(), is_told_of, "{:?}", answer);
        if let Ok(answer) = answer {
            prop_assert!(answer["response"]["allowed"].is_boolean() && answer["response"]["uid"] == "u");
        }
        let _ = admission::answer(&object, &Settings::default());
    }
}
