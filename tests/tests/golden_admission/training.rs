//! The settings of trainings: what the reference's webhook refuses for a ConfigMap, our controller refuses with that very ConfigMap in the cluster, before a machine is paid for.

use super::{cases, settings};
use kaito_api::vocabulary::names;
use kaito_core::memory::World;
use kaito_core::{Kind, ObjectKey, render};
use kaito_tests::allowed::Rows;
use kaito_tests::manifests;
use kaito_tests::stage::{MemoryStage, Stage, condition};
use serde_json::{Value, json};

/// Where we differ on purpose: (case, what becomes of it here, reason).
const DIFFERENCES: &[(&str, Becomes, &str)] = &[
    ("tu-tc-lora-nullq", Becomes::Refused, "the trainer ends with a stack trace where a section is empty"),
    (
        "tu-tc-null4",
        Becomes::Refused,
        "the trainer's parser takes an empty value for the word None, which is neither true nor false",
    ),
    (
        "tu-od-mntslash",
        Becomes::Refused,
        "data and weights lie below /mnt: the volume with the result gets a directory of its own",
    ),
];

/// What becomes of a training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Becomes {
    /// Its settings are refused, and no machine is paid for.
    Refused,
    /// It is trained.
    Trained,
}

#[test]
fn settings_that_the_reference_refuses_at_the_door_are_refused_before_a_machine_is_paid_for() {
    let all = cases();
    if all.is_empty() {
        return;
    }
    let is_about_settings = |case: &&Value| {
        let name = case["id"].as_str().unwrap().trim_start_matches("a1-");
        let starts = ["tu-tc-", "tu-od", "tu-unknown-section", "tu-notmpl", "tu-norelease"];
        starts.iter().any(|start| name.starts_with(start))
    };
    let (mut wrong, mut meant, mut played) = (Vec::new(), Rows::of(DIFFERENCES), [0, 0]);
    for case in all.iter().filter(is_about_settings) {
        let name = case["id"].as_str().unwrap();
        let is_wrong_there = case.get("reference_bug").is_some();
        let is_taken = case["allowed"].as_bool().unwrap() != is_wrong_there;
        let wanted = if is_taken { Becomes::Trained } else { Becomes::Refused };
        let (ours, words) = played_out(case);
        if ours == Some(wanted) || meant.allow(|(id, becomes, _)| *id == name && Some(*becomes) == ours) {
            played[usize::from(is_taken)] += 1;
        } else {
            wrong.push(format!("{name}: {ours:?} and not {wanted:?}: {words}; the reference says {}", case["message"]));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(played, [34, 12], "refused and taken");
    meant.expect_needed();
}

/// What becomes of a case in a cluster with its ConfigMaps, and what is said about it; nothing where it stops for another reason.
fn played_out(case: &Value) -> (Option<Becomes>, String) {
    let settings = settings(&case["mode"]).expect("a mode that we run in");
    let mut world = World::installed(&settings);
    // Without a namespace of the release, or in one without the chart, there are no templates.
    if case["mode"]["releaseNamespace"] != settings.release_namespace.as_str() {
        for template in [names::LORA_PARAMS_TEMPLATE, names::QLORA_PARAMS_TEMPLATE] {
            let key = ObjectKey::new(Kind::ConfigMap, settings.release_namespace.as_str(), template);
            world.delete(&key).expect("the chart brings it");
        }
    }
    let object = &case["object"];
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    for config in case["cluster"].as_array().into_iter().flatten() {
        let key =
            ObjectKey::new(Kind::ConfigMap, text(&config["metadata"]["namespace"]), text(&config["metadata"]["name"]));
        world.put(&key, &with_collator(config)).unwrap();
    }
    let namespace = text(&object["metadata"]["namespace"]);
    let secret = text(&object["tuning"]["output"]["imagePushSecret"]);
    let key = ObjectKey::new(Kind::Secret, namespace.as_str(), secret.as_str());
    world.put(&key, &manifests::registry_secret(&secret)).unwrap();
    let name = text(&object["metadata"]["name"]);
    world.put(&ObjectKey::new(Kind::Workspace, namespace, name.as_str()), object).unwrap();
    render::settle(&mut world);
    let stage = MemoryStage::of(world);
    let (_, reason, words) = condition(&stage, &name, "ResourceReady").unwrap_or_default();
    let is_paid_for = !stage.list(Kind::NodeClaim).is_empty();
    let becomes = match kaito_tests::stage::state(&stage, &name).as_str() {
        "Succeeded" => Some(Becomes::Trained),
        _ if reason == "TuningConfigNotUsable" && !is_paid_for => Some(Becomes::Refused),
        _ => None,
    };
    (becomes, format!("{reason}: {words}"))
}

/// Settings with what the reference does not ask for and its trainer does not run without.
fn with_collator(config: &Value) -> Value {
    let mut config = config.clone();
    let text = config["data"]["training_config.yaml"].as_str().unwrap_or_default();
    let read = serde_saphyr::from_str::<Value>(text).unwrap_or_default();
    if let Some(mut sections) = read["training_config"].as_object().cloned() {
        sections.entry("DataCollator").or_insert_with(|| json!({"mlm": true}));
        config["data"]["training_config.yaml"] = json!({"training_config": sections}).to_string().into();
    }
    config
}
