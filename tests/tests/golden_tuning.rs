//! Trainings: what the reference made of a manifest is what we make of it, and every tunable model is started on every machine size as the reference starts it; differences are
//! listed with a reason. Scripts are our own: compared is what they are told.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kaito_api::raw::RawVolumeSource;
use kaito_core::cloud::Cloud;
use kaito_core::manifest::{self, Input, Output, Tuning};
use kaito_core::memory::World;
use kaito_core::training::Results;
use kaito_core::workspace::{Task, resolve};
use kaito_core::{Kind, ObjectKey, Seen, Settings, render};
use kaito_tests::allowed::{Allowed, Comparison};
use kaito_tests::{manifests, normal, shared};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The manifests that the reference could tune, by folder of the goldens and folder of the corpus.
const MANIFESTS: &[(Cloud, &str, &str, &str)] = &[
    (Cloud::Azure, "azure", "variants/azure", "tune-lora-urls-volume"),
    (Cloud::Azure, "azure", "variants/azure", "tune-lora-volume-volume-config"),
    (Cloud::Azure, "azure", "variants/azure", "tune-qlora-image-volume"),
    (Cloud::Azure, "azure", "variants/azure", "step-tuning-output.1"),
    (Cloud::Azure, "azure", "variants/azure", "step-tuning-output.2"),
    (Cloud::Azure, "azure", "examples/fine-tuning", "kaito_workspace_tuning_phi_3"),
    (Cloud::Aws, "aws", "variants/aws", "tune-g6"),
];

/// Where we differ on purpose.
const DIFFERENCES: &[Allowed] = &[
    Allowed {
        file: "*",
        path: "NodeClaim.metadata.labels.kaito.sh/workspace-uid",
        reason: "claims carry uid, slot and incarnation (Δ6)",
    },
    Allowed { file: "*", path: "NodeClaim.metadata.labels.kaito.sh/node-slot", reason: "as above" },
    Allowed { file: "*", path: "NodeClaim.metadata.labels.kaito.sh/node-incarnation", reason: "as above" },
    Allowed {
        file: "*",
        path: "Job.spec.template.spec.affinity",
        reason: "bound to the Workspace's own machine too: another one with the same user labels may have other GPUs",
    },
    Allowed {
        file: "*",
        path: "Job.spec.template.spec.tolerations",
        reason: "the taint nvidia.com/gpu too, which clusters beside AKS put on GPU nodes; the pods that serve tolerate it as well",
    },
    Allowed {
        file: "step-tuning-output.2",
        path: "Job.metadata.annotations.workspace.kaito.io/revision",
        reason: "played alone here, so it is the first revision; the scenario an_edited_tuning_makes_a_new_job plays both",
    },
    Allowed { file: "step-tuning-output.2", path: "ControllerRevision.revision", reason: "as above" },
    Allowed {
        file: "step-tuning-output.2",
        path: "ControllerRevision: theirs only",
        reason: "as above: the revision of the first step",
    },
    Allowed {
        file: "kaito_workspace_tuning_phi_3",
        path: "ControllerRevision: ours only",
        reason: "its placeholders are replaced, so its hash is another: they are refused in words",
    },
    Allowed { file: "kaito_workspace_tuning_phi_3", path: "ControllerRevision: theirs only", reason: "as above" },
];

#[test]
fn what_the_reference_makes_of_a_training_is_what_we_make_of_it() {
    let (Some(golden), Some(corpus)) = (shared::path("golden"), shared::path("corpus")) else { return };
    let mut comparison = Comparison::allowing(DIFFERENCES);
    for (cloud, folder, from, name) in MANIFESTS {
        let read = |path: std::path::PathBuf| -> String {
            let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            // Settings for another method, which the reference's own webhook refuses too; no object depends on it.
            let of_method =
                if *name == "tune-lora-volume-volume-config" { "load_in_4bit: false" } else { "load_in_4bit: true" };
            text.replace("ACR_REPO_HERE.azurecr.io/IMAGE_NAME_HERE", "registry.example.com/out/image")
                .replace("ACR_REGISTRY_SECRET_HERE", "push-secret")
                .replace("load_in_4bit: true", of_method)
        };
        let golden: Value = serde_saphyr::from_str(&read(golden.join(folder).join(format!("{name}.yaml")))).unwrap();
        let documents: Vec<Value> =
            serde_saphyr::from_multiple(&read(corpus.join(from).join(format!("{name}.yaml")))).unwrap();
        comparison.compare(name, &ours(*cloud, &documents), &theirs(&golden));
    }
    comparison.conclude();
}

/// What we make of the documents.
fn ours(cloud: Cloud, documents: &[Value]) -> BTreeMap<String, Value> {
    let mut world = World::installed(&Settings { cloud, ..Settings::default() });
    for document in documents.iter().filter(|document| !document.is_null()) {
        let text = |field: &str| document[field].as_str().unwrap_or_default();
        let Some(kind) = Kind::named(text("apiVersion"), text("kind")) else { continue };
        let key = ObjectKey::new(kind, "NS", document["metadata"]["name"].as_str().unwrap());
        if let Some(secret) = document["tuning"]["output"]["imagePushSecret"].as_str() {
            world.put(&ObjectKey::new(Kind::Secret, "NS", secret), &manifests::registry_secret(secret)).unwrap();
        }
        world.put(&key, document).unwrap();
    }
    comparable(render::render(&mut world))
}

/// What the reference made of them.
fn theirs(golden: &Value) -> BTreeMap<String, Value> {
    let kinds = ["ConfigMap", "ControllerRevision", "Job", "NodeClaim"];
    let all = golden["objects"].as_array().unwrap().iter();
    comparable(all.filter(|object| kinds.iter().any(|kind| object["kind"] == *kind)).cloned().collect())
}

/// Objects in normal form: YAML in ConfigMaps as what it says, scripts as what they are told.
fn comparable(objects: Vec<Value>) -> BTreeMap<String, Value> {
    let mut named = normal::by_name(objects.into_iter().map(normal::pullers_by_their_job).collect());
    for object in named.values_mut() {
        if let Some(text) = object.pointer("/data/training_config.yaml").and_then(Value::as_str).map(str::to_owned) {
            object["data"]["training_config.yaml"] = serde_saphyr::from_str(&text).unwrap();
        }
        let downloaders = object.pointer_mut("/spec/template/spec/initContainers").and_then(Value::as_array_mut);
        for container in downloaders.into_iter().flatten().filter(|container| container["name"] == "data-downloader") {
            container["command"] = json!("a script");
        }
        let containers = object.pointer_mut("/spec/template/spec/containers").and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            if let Some(script) = container["args"][0].as_str().map(told) {
                container["args"] = json!(script);
            }
        }
    }
    named
}

/// The words `NAME='value'` of a script.
fn told(script: &str) -> BTreeSet<String> {
    let is_name = |c: char| c.is_ascii_uppercase() || c == '_';
    let words = script.split(|c: char| c.is_whitespace());
    words
        .filter(|word| word.split_once("='").is_some_and(|(name, _)| name.chars().all(is_name)))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_tunable_model_is_started_on_every_size_as_the_reference_starts_it() {
    let Some(path) = shared::path("golden/tuning-commands.csv") else { return };
    let (mut compared, mut wrong) = (0, Vec::new());
    for row in csv::Reader::from_path(path).unwrap().into_deserialize::<BTreeMap<String, String>>() {
        let row = row.unwrap();
        let cloud = match row["cloud"].as_str() {
            "aws" => Cloud::Aws,
            "arc" => Cloud::Arc,
            _ => Cloud::Azure,
        };
        let sizes: Vec<&str> =
            if row["sku"] == "*" { vec!["Standard_NC24ads_A100_v4"] } else { row["sku"].split('|').collect() };
        for size in sizes {
            compared += 1;
            if let Some(difference) = difference(&row, cloud, size) {
                wrong.push(format!("{} on {size}: {difference}", row["preset"]));
            }
        }
    }
    println!("{compared} trainings compared with the reference");
    assert!(compared > 500, "only {compared} trainings");
    assert!(wrong.is_empty(), "{} of {compared} differ:\n{}", wrong.len(), wrong[..wrong.len().min(5)].join("\n"));
}

/// What we say otherwise than the row, if anything.
fn difference(row: &BTreeMap<String, String>, cloud: Cloud, size: &str) -> Option<String> {
    let mut manifest = manifests::tuning("ws");
    manifest["metadata"]["namespace"] = json!("default");
    manifest["resource"]["instanceType"] = json!(size);
    manifest["tuning"]["preset"]["name"] = json!(row["preset"]);
    manifest["tuning"]["method"] = json!(row["method"]);
    let (_, workspace) = kaito_api::workspace::decode(manifest).unwrap();
    let settings = Settings { cloud, ..Settings::default() };
    let found = resolve(&workspace, &settings).map(|subject| *subject.model().expect("a model"));
    let facts = match (found, row["error"].is_empty()) {
        // No published image serves these machines: refused in words, and no machine is paid for.
        (Err(failure), _) if failure.reason.name == "NoRuntimeForGpu" => return None,
        // The reference panics; mistral-7b can be tuned, for its artefact is published.
        (Err(failure), false) => return (failure.reason.name != "ModelNotTunable").then(|| failure.message()),
        (Ok(facts), false) => return (facts.model.family != "mistral").then(|| "is not refused".to_owned()),
        (Err(failure), true) => return Some(failure.message()),
        (Ok(facts), true) => facts,
    };
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
        preset: &row["preset"],
        node_labels: BTreeMap::new(),
        config_map: "lora-params-template",
        results: &results,
        input: Input::Volume(&nothing),
        output: Output::Volume(&nothing),
        registry: &settings.registry,
        azure_spot: true,
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
    let mut wanted: Value = serde_json::from_str(&row["env"]).unwrap();
    // The reference names the layers of Phi-3 only where the preset is written as `phi-3-…`; to us a model is the same in every spelling.
    if row["preset"].contains("/phi-3") && env.contains_key("DEFAULT_TARGET_MODULES") {
        wanted["DEFAULT_TARGET_MODULES"] = json!(env["DEFAULT_TARGET_MODULES"]);
    }
    let ours = json!([trainer["command"][2], env, pulled.join(" ")]);
    let theirs = json!([row["command"], wanted, row["puller"]]);
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
    let mut manifest = manifests::tuning("tune");
    manifest["tuning"]["output"] = json!({"volumeSource": {"emptyDir": {}}});
    world.put(&key, &manifest).unwrap();
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
