//! Trainings: every tunable model is started on every machine size as the reference starts it.
//!
//! Elsewhere: what it makes of whole manifests (`golden_memory.rs`).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kaito_api::raw::RawVolumeSource;
use kaito_core::failure::{self, Failure, Reason};
use kaito_core::manifest::{self, Input, Output, Placement, Tuning};
use kaito_core::memory::World;
use kaito_core::training::Results;
use kaito_core::workspace::{Facts, Looked, Task, resolve};
use kaito_core::{Kind, ObjectKey, Seen, Settings, admission, render};
use kaito_presets::{GpuVendor, sku};
use kaito_tests::allowed::Rows;
use kaito_tests::golden::{self, Launch};
use kaito_tests::{manifests, normal, shared};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What is told otherwise than the reference tells it: (beginning of the preset, variable, value, reason).
const TOLD_OTHERWISE: &[(&str, &str, &str, &str)] = &[(
    "microsoft/phi-3",
    "DEFAULT_TARGET_MODULES",
    "k_proj,q_proj,v_proj,o_proj,gate_proj,down_proj,up_proj",
    "the reference names the layers of Phi-3 only where the preset is written as `phi-3-…`; to us a model is the same in every spelling",
)];

#[test]
fn every_tunable_model_is_started_on_every_size_as_the_reference_starts_it() {
    let Some(rows) = golden::launches("tuning-commands.csv") else { return };
    let (mut tally, mut wrong, mut meant) = (BTreeMap::new(), Vec::new(), Rows::of(TOLD_OTHERWISE));
    for row in rows {
        for size in row.sizes() {
            let (kind, difference) = compared(&row, size, &mut meant);
            *tally.entry(kind).or_insert(0) += 1;
            wrong.extend(difference.map(|difference| format!("{} on {size}: {difference}", row.text("preset"))));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong[..wrong.len().min(5)].join("\n"));
    let wanted = [("started", 860), ("refused: not of NVIDIA", 280), ("refused where the reference panics", 4)];
    assert_eq!(tally, BTreeMap::from(wanted));
    meant.expect_needed();
}

/// What becomes of a training on a machine, and how that differs from the reference.
fn compared(
    row: &Launch,
    size: &str,
    meant: &mut Rows<'_, (&str, &str, &str, &str)>,
) -> (&'static str, Option<String>) {
    let settings = row.settings();
    let machine = sku(settings.cloud, size).unwrap_or_else(|| panic!("{size} is not known"));
    let mut manifest = manifests::tuning("ws");
    manifest["metadata"]["namespace"] = json!("default");
    manifest["resource"]["instanceType"] = json!(size);
    manifest["tuning"]["preset"]["name"] = json!(row.text("preset"));
    manifest["tuning"]["method"] = json!(row.text("method"));
    let (_, workspace) = kaito_api::workspace::decode(manifest).unwrap();
    let found =
        resolve(&workspace, &settings, &Looked::default()).map(|subject| subject.model().expect("a model").clone());
    let refused_for = |failure: Failure, wanted: &Reason| (*failure.reason != *wanted).then(|| failure.message());
    match (found, row.text("error").is_empty()) {
        // No published image serves these machines: refused in words, and no machine is paid for.
        (Err(failure), true) if machine.gpu_vendor != GpuVendor::Nvidia => {
            ("refused: not of NVIDIA", refused_for(failure, &failure::NO_RUNTIME))
        }
        (Err(failure), true) => ("refused", Some(failure.message())),
        (Err(failure), false) => ("refused where the reference panics", refused_for(failure, &failure::NOT_TUNABLE)),
        (Ok(_), false) => ("started", Some("the reference panics, and it is not refused".to_owned())),
        (Ok(facts), true) => ("started", start_differs(row, &settings, &facts, meant)),
    }
}

fn start_differs(
    row: &Launch,
    settings: &Settings,
    facts: &Facts,
    meant: &mut Rows<'_, (&str, &str, &str, &str)>,
) -> Option<String> {
    let Task::Tuning { params, weights, .. } = facts.task else { return Some("is not tuned".to_owned()) };
    let (nothing, results) =
        (RawVolumeSource(json!({"emptyDir": {}})), Results { directory: "/mnt/results".into(), written: None });
    let job = manifest::job(&Tuning {
        name: "ws",
        namespace: "default",
        owner: OwnerReference::default(),
        revision: 1,
        facts,
        params,
        weights,
        preset: row.text("preset"),
        placement: Placement::default(),
        config_map: "lora-params-template",
        results: &results,
        input: Input::Volume(&nothing),
        output: Output::Volume(&nothing),
        registry: &settings.registry,
        azure_spot: true,
        on_karpenter: false,
    })
    .unwrap();
    let spec = &job["spec"]["template"]["spec"];
    let (trainer, puller) = (&spec["containers"][0], &spec["initContainers"][0]);
    let env: BTreeMap<&str, &str> = trainer["env"]
        .as_array()
        .unwrap()
        .iter()
        .map(|variable| (variable["name"].as_str().unwrap(), variable["value"].as_str().unwrap()))
        .collect();
    let pulled: Vec<&str> = puller["command"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let mut wanted = row.environment();
    for (preset, variable, value, _) in TOLD_OTHERWISE {
        let is_for = row.text("preset").starts_with(preset) && wanted[variable] != *value;
        if is_for && meant.allow(|(_, name, ..)| name == variable) {
            wanted[variable] = json!(value);
        }
    }
    let ours = json!([trainer["command"][2], env, pulled.join(" ")]);
    let theirs = json!([row.text("command"), wanted, row.text("puller")]);
    (ours != theirs).then(|| format!("\n  ours   {ours}\n  theirs {theirs}"))
}

#[test]
fn a_gpu_without_bfloat16_gets_settings_of_its_own_and_the_image_that_has_kernels_for_it() {
    let mut world = World::installed(&Settings::default());
    world
        .put(&ObjectKey::new(Kind::Secret, "default", "my-push-secret"), &manifests::registry_secret("my-push-secret"))
        .unwrap();
    let key = ObjectKey::new(Kind::Workspace, "default", "tune");
    world.put(&key, &manifests::tuning("tune")).unwrap();
    let made = normal::by_name(render::render(&mut world));
    let settings: Value = serde_saphyr::from_str(
        made["ConfigMap qlora-params-template-volta-turing"]["data"]["training_config.yaml"].as_str().unwrap(),
    )
    .unwrap();
    let settings = &settings["training_config"];
    assert_eq!(
        settings["ModelConfig"],
        json!({"torch_dtype": "float16", "local_files_only": true, "device_map": "auto", "pretrained_model_name_or_path": "/workspace/weights"})
    );
    assert_eq!(settings["QuantizationConfig"]["bnb_4bit_compute_dtype"], "float16");
    assert_eq!(settings["TrainingArguments"]["save_strategy"], "no");
    let pod = &made["Job tune"]["spec"]["template"]["spec"];
    assert_eq!(pod["containers"][0]["image"], "mcr.microsoft.com/aks/kaito/kaito-base:0.0.2");
    assert_eq!(pod["volumes"][2]["configMap"]["name"], "qlora-params-template-volta-turing");
    let Some(Seen::Decoded(kaito_core::Object::Workspace(workspace))) = world.get(&key) else { panic!("it is there") };
    assert_eq!(workspace.state().map(|state| state.as_str().to_owned()).as_deref(), Some("Succeeded"));
}

#[test]
fn a_failed_job_is_told() {
    let mut world = World::installed(&Settings::default());
    let key = ObjectKey::new(Kind::Workspace, "default", "tune");
    world.put(&key, &manifests::training_on_volume("tune")).unwrap();
    let status =
        |world: &World| world.cluster().with_store(|store| store.value(&key).cloned()).unwrap()["status"].clone();
    let told = |world: &World, type_: &str| {
        let status = status(world);
        let found = status["conditions"].as_array().into_iter().flatten().find(|found| found["type"] == type_).cloned();
        found.map(|found| format!("{} {} {}", found["status"], found["reason"], found["message"])).unwrap_or_default()
    };
    let mut retried = false;
    for _ in 0..20_000 {
        let running = world.cluster().with_store(|store| {
            let pods =
                store.iter().filter(|(key, value)| key.kind == Kind::Pod && value["status"]["phase"] == "Running");
            pods.map(|(key, value)| (key.clone(), value["metadata"]["uid"].as_str().unwrap().to_owned())).next()
        });
        if let Some((pod, uid)) = running {
            world
                .cluster()
                .with_store(|store| store.write_status(&pod, &uid, None, &json!({"phase": "Failed"})))
                .unwrap();
        }
        let words = told(&world, "WorkspaceSucceeded");
        retried |= words.contains("2 attempts failed, Kubernetes tries again") && status(&world)["state"] == "Running";
        if status(&world)["state"] == "Failed" || !world.step() {
            break;
        }
    }
    assert!(retried, "a failed attempt is told, and is no failure yet");
    assert_eq!(status(&world)["state"], "Failed");
    let job = told(&world, "JobStarted");
    assert!(
        job.starts_with("\"False\" \"WorkspaceTuningJobStatusFailed\"")
            && job.contains("reached the specified backoff limit (7 attempts failed)"),
        "{job}"
    );
    assert!(told(&world, "WorkspaceSucceeded").starts_with("\"False\" \"workspaceFailed\""));
}

/// Files below a folder, by name.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() { files(&entry, found) } else { found.push(entry) }
    }
    found.sort();
}

/// The texts of settings in a document, wherever they stand.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("training_config.yaml").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|field| texts(field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        _ => {}
    }
}

#[test]
fn settings_that_are_published_or_made_by_the_reference_are_taken_without_a_word() {
    let (mut found, mut judged) = (Vec::new(), 0);
    for folder in ["corpus", "golden/azure", "golden/karpenter"] {
        let Some(folder) = shared::path(folder) else { return };
        files(&folder, &mut found);
    }
    for file in found.iter().filter(|file| file.extension().is_some_and(|extension| extension == "yaml")) {
        let text = std::fs::read_to_string(file).unwrap();
        if !text.contains("training_config:") {
            continue;
        }
        let mut settings = Vec::new();
        let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
        documents.iter().for_each(|document| texts(document, &mut settings));
        for text in settings {
            let method = if text.contains("load_in_4bit: true") { "qlora" } else { "lora" };
            let mut workspace = manifests::tuning("a");
            workspace["resource"]["instanceType"] = json!("Standard_NC24ads_A100_v4");
            workspace["tuning"]["method"] = json!(method);
            workspace["tuning"]["config"] = json!("mine");
            let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine"}, "data": {"training_config.yaml": text}});
            let verdict =
                admission::training_settings(&workspace, &config, &Settings::default(), &Default::default()).unwrap();
            // One of the corpus climbs out of /mnt, and says so.
            let meant = text.contains("output_dir: /mnt/../etc");
            let only =
                verdict.errors.iter().all(|error| meant && error.detail.starts_with("TrainingArguments.output_dir"));
            assert!(only && verdict.warnings.is_empty() && verdict.allowed != meant, "{}: {verdict:?}", file.display());
            judged += 1;
        }
    }
    assert!(judged >= 7, "only {judged} settings");
}
