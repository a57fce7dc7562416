//! What the reference made of a manifest is what we make of it, for every preset it serves on one GPU generation or another, and for templates of the user's own; differences are listed with a reason.
//!
//! Elsewhere: tuning (`golden_tuning.rs`). Left for the issue "Workloads": other update sequences.

use kaito_api::vocabulary::names;
use kaito_core::cloud::Cloud;
use kaito_core::memory::World;
use kaito_core::{Kind, ObjectKey, Settings, render};
use kaito_tests::allowed::{Allowed, Comparison};
use kaito_tests::{normal, shared};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where we differ on purpose, whatever the file.
const EVERYWHERE: &[Allowed] = &[
    Allowed {
        file: "*",
        path: "NodeClaim.metadata.labels.kaito.sh/workspace-uid",
        reason: "claims carry uid, slot and incarnation, so that asking twice asks once (Δ6)",
    },
    Allowed { file: "*", path: "NodeClaim.metadata.labels.kaito.sh/node-slot", reason: "as above" },
    Allowed { file: "*", path: "NodeClaim.metadata.labels.kaito.sh/node-incarnation", reason: "as above" },
];

/// Where we differ on purpose in one file.
const DIFFERENCES: &[Allowed] = &[
    Allowed {
        file: "*",
        path: "Benchmark.performance.metrics.peakTokensPerMinute.config.quantization",
        reason: "how the weights are quantised is told; the reference looks where it does not stand (S3-B15)",
    },
    Allowed {
        file: "amd-v620.yaml",
        path: "*: theirs only",
        reason: "no published image serves AMD: refused in words, and no machine is paid for",
    },
    Allowed {
        file: "trainium.yaml",
        path: "*: theirs only",
        reason: "no published image serves Trainium: refused in words, as for AMD",
    },
    Allowed {
        file: "byo-phi4mini.yaml",
        path: "*: theirs only",
        reason: "nodes that are brought along come with the issue \"Nodes\"",
    },
    Allowed {
        file: "config-absent.yaml",
        path: "*: theirs only",
        reason: "the ConfigMap does not exist: said in words, and no machine is paid for before it does",
    },
    Allowed {
        file: "selector-only-reserved.yaml",
        path: "*: theirs only",
        reason: "reserved labels alone select nothing; the reference's own webhook refuses it (W-13)",
    },
];

/// What the reference forgets of an adapter that is added later.
const FORGOTTEN: &[Allowed] = &[Allowed {
    file: "step-adapter-added.2.yaml",
    path: "StatefulSet.spec.template.spec.imagePullSecrets",
    reason: "the reference forgets the pull secrets of an adapter that is added later (S3-B4)",
}];

/// What the reference does not do with an edit of a template.
const NOT_ROLLED_OUT: &[Allowed] = &[Allowed {
    file: "step-template-image.2.yaml",
    path: "StatefulSet.spec.template.spec.containers",
    reason: "the reference takes an edit of the template and does nothing with it (S3-B5)",
}];

/// Where own templates differ on purpose, whatever the file.
const OF_TEMPLATES: &[Allowed] = &[
    Allowed { file: "*", path: "ControllerRevision: ours only", reason: "its name is made of that hash" },
    Allowed { file: "*", path: "ControllerRevision: theirs only", reason: "as above" },
    Allowed {
        file: "*",
        path: "StatefulSet.metadata.annotations",
        reason: "the set carries its revision, so that an edit of the template rolls out",
    },
];

#[test]
fn what_the_reference_makes_of_a_preset_or_a_template_is_what_we_make_of_it() {
    let mut compared = Vec::new();
    let mut presets = Comparison::allowing(EVERYWHERE.iter().chain(DIFFERENCES));
    let mut templates = Comparison::allowing(EVERYWHERE.iter().chain(OF_TEMPLATES));
    for (cloud, path) in
        [(Cloud::Azure, "azure"), (Cloud::Aws, "aws"), (Cloud::Arc, "arc")].into_iter().flat_map(|(cloud, name)| {
            let folder = shared::path("golden").map(|root| root.join(name));
            folder.into_iter().flat_map(|folder| files(&folder)).map(move |path| (cloud, path))
        })
    {
        let golden: Value = serde_saphyr::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if golden["outcome"] != "ok"
            || golden["manifest"].as_str().is_none_or(|manifest| manifest.matches('.').count() > 1)
        {
            continue;
        }
        let Some(manifest) = manifest_of(golden["manifest"].as_str().unwrap()) else { continue };
        let documents = documents(&manifest);
        if !documents.iter().any(|document| is_preset_inference(document) || is_own_template(document))
            || documents.iter().any(|document| document["kind"] == "InferenceSet")
        {
            continue;
        }
        let comparison = if documents.iter().any(is_own_template) { &mut templates } else { &mut presets };
        compare(comparison, cloud, &name, &documents, &golden);
        compared.push(name);
    }
    println!("{} files compared with the reference: {}", compared.len(), compared.join(" "));
    if compared.is_empty() {
        return;
    }
    assert!(compared.len() >= 50, "only {} files were comparable", compared.len());
    for name in ["custom-model-deployment.yaml", "template-plain.yaml", "old-api-template-adapter-tfs.yaml"] {
        assert!(compared.iter().any(|compared| compared == name), "{name} was not compared");
    }
    presets.conclude();
    templates.conclude();
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// The manifest that a golden was made from, wherever in the corpus it lies.
fn manifest_of(name: &str) -> Option<PathBuf> {
    let folders = [
        "seed",
        "examples/inference",
        "examples/fine-tuning",
        "examples/custom-model-integration",
        "variants/azure",
        "variants/aws",
        "variants/arc",
    ];
    folders
        .iter()
        .filter_map(|folder| shared::path("corpus").map(|root| root.join(folder).join(name)))
        .find(|path| path.exists())
}

fn documents(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    let all: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    all.into_iter().filter(|document| !document.is_null()).collect()
}

fn is_preset_inference(document: &Value) -> bool {
    document["kind"] == "Workspace"
        && document["inference"]["preset"].is_object()
        && document["metadata"]["annotations"]["kaito.sh/use-local-weights"] != "true"
}

fn is_own_template(document: &Value) -> bool {
    document["kind"] == "Workspace" && document["inference"]["template"].is_object()
}

fn compare(comparison: &mut Comparison<'_>, cloud: Cloud, name: &str, documents: &[Value], golden: &Value) {
    let mut world = World::installed(&Settings { cloud, ..Settings::default() });
    if name == "nvme-class-absent.yaml" {
        world.delete(&ObjectKey::cluster(Kind::StorageClass, names::LOCAL_NVME_CLASS)).unwrap();
    }
    put(&mut world, documents);
    compare_world(comparison, &mut world, name, golden);
}

/// An adapter that is added later: two revisions, the second of which the pods are made from.
#[test]
fn an_adapter_that_is_added_becomes_what_the_reference_makes_of_it_and_what_it_forgets() {
    let Some(folder) = shared::path("golden/azure") else { return };
    let mut world = World::installed(&Settings::default());
    let mut comparison = Comparison::allowing(EVERYWHERE.iter().chain(FORGOTTEN));
    for name in ["step-adapter-added.1.yaml", "step-adapter-added.2.yaml"] {
        put(&mut world, &documents(&manifest_of(name).unwrap()));
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        let mut golden: Value = serde_saphyr::from_str(&text).unwrap();
        if name.ends_with(".2.yaml") {
            add_forgotten_flag(&mut golden);
        }
        compare_world(&mut comparison, &mut world, name, &golden);
    }
    comparison.conclude();
    let set = render::render(&mut world).into_iter().find(|object| object["kind"] == "StatefulSet").unwrap();
    let pod = &set["spec"]["template"]["spec"];
    assert!(pod["containers"][0]["command"].to_string().contains("--enable-lora"));
    assert_eq!(pod["imagePullSecrets"], serde_json::json!([{"name": "pull-a"}]));
}

/// The reference mounts an adapter that is added later and forgets `--enable-lora` (S3-B4).
fn add_forgotten_flag(golden: &mut Value) {
    let sets = golden["objects"].as_array_mut().unwrap().iter_mut().filter(|object| object["kind"] == "StatefulSet");
    for set in sets {
        let line = set.pointer_mut("/spec/template/spec/containers/0/command/2").unwrap();
        *line = serde_json::json!(format!("{} --enable-lora", line.as_str().unwrap()));
    }
}

/// A template whose image is edited: the reference numbers the request, and leaves the pods as they are.
#[test]
fn an_edited_template_becomes_what_the_reference_makes_of_it_and_rolls_out() {
    let Some(folder) = shared::path("golden/azure") else { return };
    let mut world = World::installed(&Settings::default());
    let rows = EVERYWHERE.iter().chain(OF_TEMPLATES).chain(NOT_ROLLED_OUT);
    let mut comparison = Comparison::allowing(rows);
    for (number, name) in [(1, "step-template-image.1.yaml"), (2, "step-template-image.2.yaml")] {
        put(&mut world, &documents(&manifest_of(name).unwrap()));
        let golden: Value = serde_saphyr::from_str(&std::fs::read_to_string(folder.join(name)).unwrap()).unwrap();
        compare_world(&mut comparison, &mut world, name, &golden);
        let ours = render::render(&mut world);
        let revisions = |objects: &[Value]| -> Vec<Value> {
            let all = objects.iter().filter(|object| object["kind"] == "ControllerRevision");
            all.map(|object| object["revision"].clone()).collect()
        };
        assert_eq!(revisions(&ours), revisions(golden["objects"].as_array().unwrap()));
        let set = ours.iter().find(|object| object["kind"] == "StatefulSet").unwrap();
        let image = &set["spec"]["template"]["spec"]["containers"][0]["image"];
        assert_eq!(*image, format!("registry.example.com/llm/server:{number}"));
        assert_eq!(set["metadata"]["annotations"]["workspace.kaito.io/revision"], number.to_string());
    }
    comparison.conclude();
}

fn put(world: &mut World, documents: &[Value]) {
    for document in documents {
        let Some(kind) = Kind::named(
            document["apiVersion"].as_str().unwrap_or_default(),
            document["kind"].as_str().unwrap_or_default(),
        ) else {
            continue;
        };
        let key = ObjectKey::new(kind, "NS", document["metadata"]["name"].as_str().unwrap());
        world.put(&key, document).unwrap();
    }
}

fn compare_world(comparison: &mut Comparison<'_>, world: &mut World, name: &str, golden: &Value) {
    let ours = normal::by_name(render::render(world).into_iter().map(normal::pullers_by_their_job).collect());
    let kinds = ["ControllerRevision", "NodeClaim", "Service", "StatefulSet"];
    let made = golden["objects"].as_array().unwrap().iter();
    let theirs = made.filter(|object| kinds.iter().any(|kind| object["kind"] == *kind)).cloned();
    let theirs = normal::by_name(theirs.map(normal::pullers_by_their_job).collect());
    comparison.compare(name, &ours, &theirs);
    let workspaces = world.workspaces();
    let statuses = world
        .cluster()
        .with_store(|store| workspaces.iter().filter_map(|key| store.value(key).cloned()).collect::<Vec<_>>());
    comparison.compare(name, &measured(&statuses), &measured(golden["objects"].as_array().unwrap()));
}

/// The first part of a message; ours goes on with the pod that was measured.
fn sentence(message: &Value) -> Option<&str> {
    message.as_str()?.split("; ").next()
}

/// What Workspaces say of their benchmark: the figures, and the condition without its time and generation.
fn measured(objects: &[Value]) -> BTreeMap<String, Value> {
    let workspaces = objects.iter().filter(|object| object["kind"] == "Workspace");
    let said = |workspace: &Value| {
        let conditions = workspace["status"]["conditions"].as_array().into_iter().flatten();
        let told = conditions.filter(|told| told["type"] == "BenchmarkCompleted");
        let told: Vec<Value> =
            told.map(|told| json!([told["status"], told["reason"], sentence(&told["message"])])).collect();
        json!({"condition": told, "performance": workspace["status"]["performance"]})
    };
    let measures = |workspace: &&Value| said(workspace) != json!({"condition": [], "performance": null});
    workspaces
        .filter(measures)
        .map(|workspace| (format!("Benchmark {}", workspace["metadata"]["name"].as_str().unwrap()), said(workspace)))
        .collect()
}
