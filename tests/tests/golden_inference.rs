//! What the reference made of a manifest is what we make of it, for every preset it serves on one GPU generation or another, and for templates of the user's own; differences are listed with a reason.
//!
//! Elsewhere: tuning (`golden_tuning.rs`). Left for the issue "Workloads": other update sequences.

use kaito_api::vocabulary::names;
use kaito_core::cloud::Cloud;
use kaito_core::memory::World;
use kaito_core::{Kind, ObjectKey, Settings, render};
use kaito_tests::{normal, shared};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where we differ on purpose: (file or `*`, path or its end, reason).
const DIFFERENCES: &[(&str, &str, &str)] = &[
    (
        "*",
        "NodeClaim.metadata.labels.kaito.sh/workspace-uid",
        "claims carry uid, slot and incarnation, so that asking twice asks once (Δ6)",
    ),
    ("*", "NodeClaim.metadata.labels.kaito.sh/node-slot", "as above"),
    ("*", "NodeClaim.metadata.labels.kaito.sh/node-incarnation", "as above"),
    (
        "sku-lower-case.yaml",
        "NodeClaim.spec.requirements",
        "the size is spelled as the cloud spells it, so that the machine really comes",
    ),
    ("amd-v620.yaml", "theirs only", "no published image serves AMD: refused in words, and no machine is paid for"),
    ("trainium.yaml", "theirs only", "no published image serves Trainium: refused in words, as for AMD"),
    ("byo-phi4mini.yaml", "theirs only", "nodes that are brought along come with the issue \"Nodes\""),
    (
        "config-absent.yaml",
        "theirs only",
        "the ConfigMap does not exist: said in words, and no machine is paid for before it does",
    ),
    (
        "selector-only-reserved.yaml",
        "theirs only",
        "reserved labels alone select nothing; the reference's own webhook refuses it (W-13)",
    ),
    (
        "step-template-image.2.yaml",
        "StatefulSet.spec.template.spec.containers",
        "the reference takes an edit of the template and does nothing with it (S3-B5)",
    ),
    (
        "step-adapter-added.2.yaml",
        "imagePullSecrets",
        "the reference forgets the pull secrets of an adapter that is added later (S3-B4)",
    ),
];

/// Where own templates differ on purpose, whatever the file.
const OF_TEMPLATES: &[(&str, &str)] = &[
    (
        "ControllerRevision",
        "the hash is that of the template as it was written; the reference's is of its own types, which drop and add fields",
    ),
    ("StatefulSet.metadata.annotations", "the set carries its revision, so that an edit of the template rolls out"),
];

#[test]
fn what_the_reference_makes_of_a_preset_or_a_template_is_what_we_make_of_it() {
    let (mut compared, mut wrong) = (Vec::new(), Vec::new());
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
        let differences = compare(cloud, &name, &documents, &golden);
        compared.push(name.clone());
        wrong.extend(differences.into_iter().map(|difference| format!("{name}: {difference}")));
    }
    println!("{} files compared with the reference: {}", compared.len(), compared.join(" "));
    if compared.is_empty() {
        return;
    }
    assert!(compared.len() >= 50, "only {} files were comparable", compared.len());
    for name in ["custom-model-deployment.yaml", "template-plain.yaml", "old-api-template-adapter-tfs.yaml"] {
        assert!(compared.iter().any(|compared| compared == name), "{name} was not compared");
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
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

fn compare(cloud: Cloud, name: &str, documents: &[Value], golden: &Value) -> Vec<String> {
    let mut world = World::installed(&Settings { cloud, ..Settings::default() });
    if name == "nvme-class-absent.yaml" {
        world.delete(&ObjectKey::cluster(Kind::StorageClass, names::LOCAL_NVME_CLASS)).unwrap();
    }
    put(&mut world, documents);
    compare_world(&mut world, name, golden)
}

/// An adapter that is added later: two revisions, the second of which the pods are made from.
#[test]
fn an_adapter_that_is_added_becomes_what_the_reference_makes_of_it_and_what_it_forgets() {
    let Some(folder) = shared::path("golden/azure") else { return };
    let mut world = World::installed(&Settings::default());
    for name in ["step-adapter-added.1.yaml", "step-adapter-added.2.yaml"] {
        put(&mut world, &documents(&manifest_of(name).unwrap()));
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        let mut golden: Value = serde_saphyr::from_str(&text).unwrap();
        if name.ends_with(".2.yaml") {
            add_forgotten_flag(&mut golden);
        }
        let differences = compare_world(&mut world, name, &golden);
        assert!(differences.is_empty(), "{name}:\n{}", differences.join("\n"));
    }
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
    for (number, name) in [(1, "step-template-image.1.yaml"), (2, "step-template-image.2.yaml")] {
        put(&mut world, &documents(&manifest_of(name).unwrap()));
        let golden: Value = serde_saphyr::from_str(&std::fs::read_to_string(folder.join(name)).unwrap()).unwrap();
        let differences = compare_world(&mut world, name, &golden);
        assert!(differences.is_empty(), "{name}:\n{}", differences.join("\n"));
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

fn compare_world(world: &mut World, name: &str, golden: &Value) -> Vec<String> {
    let ours: Vec<Value> = render::render(world).into_iter().map(normal::pullers_by_their_job).collect();
    let ours: BTreeMap<String, Value> = normal::by_name(ours);
    let kinds = ["ControllerRevision", "NodeClaim", "Service", "StatefulSet"];
    let theirs: Vec<Value> = golden["objects"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|object| kinds.iter().any(|kind| object["kind"] == *kind))
        .cloned()
        .map(normal::pullers_by_their_job)
        .collect();
    let theirs = normal::by_name(theirs);
    let mut found: Vec<String> = Vec::new();
    for key in ours.keys().chain(theirs.keys().filter(|key| !ours.contains_key(*key))) {
        match (ours.get(key), theirs.get(key)) {
            (Some(ours), Some(theirs)) => normal::differences(ours, theirs, key, &mut found),
            (Some(_), None) => found.push(format!("{key}: ours only")),
            (None, _) => found.push(format!("{key}: theirs only")),
        }
    }
    let is_template = golden["objects"].as_array().unwrap().iter().any(is_own_template);
    let of_templates =
        |difference: &str| is_template && OF_TEMPLATES.iter().any(|(path, _)| difference.starts_with(path));
    found.retain(|difference| {
        !of_templates(difference)
            && !DIFFERENCES.iter().any(|(file, path, _)| (*file == "*" || *file == name) && difference.contains(path))
    });
    found
}
