//! The published manifests, where they lie beside the project: every file with a Workspace.

use crate::scenarios::{NAMESPACE, Objects, secret};
use crate::{brought, environment};
use kaito_core::cloud::Cloud;
use kaito_core::{Kind, ObjectKey};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What a user puts in the place of a placeholder. A file that has one is here as it is, and filled in.
const FILLED: &[(&str, &str)] = &[
    ("ACR_REPO_HERE.azurecr.io/IMAGE_NAME_HERE", "registry.example.com/out/image"),
    ("ACR_REPO_HERE.azurecr.io/ADAPTER_HERE", "registry.example.com/adapters/tone"),
    ("ACR_REGISTRY_SECRET_HERE", "push-secret"),
    ("<your-vm-sku>", "Standard_NC32_A16"),
    ("<your-arc-node-name>", "arc-node-1"),
];

/// One file, in our namespace, after the Secrets that its Workspaces name.
pub struct Manifest {
    /// Its path below the corpus, without the ending; `+filled` behind it where placeholders were filled in.
    pub name: String,
    /// What the user applies.
    pub objects: Objects,
}

impl Manifest {
    /// The cloud that it was written for.
    pub fn cloud(&self) -> Cloud {
        match self.name.as_str() {
            name if name.contains("/aws/") => Cloud::Aws,
            name if name.contains("/arc/") || name.contains("/arc-examples/") => Cloud::Arc,
            _ => Cloud::Azure,
        }
    }

    /// What must be applied before it: the earlier steps of a story whose steps are numbered, as in `step-runtime.2`.
    pub fn earlier(&self) -> Vec<String> {
        let (story, number) = self.name.rsplit_once('.').unwrap_or_default();
        (1..number.parse().unwrap_or_default()).map(|step| format!("{story}.{step}")).collect()
    }
}

/// All of them, by name. None, and a visible line, where there is no corpus; under `CI` that is an error.
///
/// # Panics
/// When `CI` is set and the corpus is absent, and when a file of it cannot be read.
pub fn manifests() -> Vec<Manifest> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    if !root.exists() {
        environment::skipped(&format!("{} is absent", root.display()));
        return Vec::new();
    }
    let mut files = Vec::new();
    ["seed", "examples", "variants"].iter().for_each(|folder| walk(&root.join(folder), &mut files));
    let mut all: Vec<Manifest> = files.iter().flat_map(|file| read(&root, file)).collect();
    all.retain(|manifest| manifest.objects.iter().any(|(key, _)| key.kind == Kind::Workspace));
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

/// The Nodes that stood there while the reference was captured where nodes are brought along.
///
/// # Panics
/// When the text that tells of them cannot be read.
pub fn brought() -> Objects {
    let text = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/golden/fixtures/byo-nodes.yaml");
    let all = brought::nodes(&std::fs::read_to_string(text).expect("the Nodes are there"), "byo");
    let name = |node: &Value| node["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    all.into_iter().map(|node| (ObjectKey::cluster(Kind::Node, name(&node)), node)).collect()
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of the corpus") {
        let path = entry.expect("an entry of the corpus").path();
        if path.is_dir() {
            walk(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
}

fn read(root: &Path, file: &Path) -> impl Iterator<Item = Manifest> {
    let text = std::fs::read_to_string(file).expect("a file of the corpus");
    let filled = FILLED.iter().fold(text.clone(), |text, (from, to)| text.replace(from, to));
    let name = file.strip_prefix(root).unwrap_or(file).with_extension("").to_string_lossy().into_owned();
    let second = (filled != text).then(|| Manifest { name: format!("{name}+filled"), objects: objects(&filled) });
    [Manifest { name, objects: objects(&text) }].into_iter().chain(second)
}

fn objects(text: &str) -> Objects {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).expect("YAML of the corpus");
    let placed: Objects = documents.into_iter().filter_map(placed).collect();
    let mut wanted = BTreeSet::new();
    let workspaces = placed.iter().filter(|(key, _)| key.kind == Kind::Workspace);
    workspaces.for_each(|(_, body)| secrets(body, &mut wanted));
    let made = wanted.into_iter().filter(|(name, _)| kaito_api::syntax::dns_subdomain(name).is_ok());
    let made = made.map(|(name, for_registry)| match for_registry {
        true => secret(&name, "kubernetes.io/dockerconfigjson", ".dockerconfigjson"),
        false => secret(&name, "Opaque", "HF_TOKEN"),
    });
    made.filter(|(key, _)| !placed.iter().any(|(there, _)| there == key)).chain(placed.clone()).collect()
}

/// A document as an object of our namespace; of kinds that the world does not know, nothing.
fn placed(mut document: Value) -> Option<(ObjectKey, Value)> {
    let text = |field: &str| document[field].as_str().unwrap_or_default().to_owned();
    let kind = Kind::named(&text("apiVersion"), &text("kind"))?;
    document["metadata"]["namespace"] = json!(NAMESPACE);
    let name = document["metadata"]["name"].as_str()?.to_owned();
    Some((ObjectKey::new(kind, NAMESPACE, name), document))
}

/// The Secrets that a Workspace names, wherever it does, and whether they are for a registry.
fn secrets(value: &Value, found: &mut BTreeSet<(String, bool)>) {
    match value {
        Value::Object(map) => {
            for (field, below) in map {
                let names = || below.as_array().into_iter().flatten().chain([below]).filter_map(Value::as_str);
                match field.as_str() {
                    "imagePushSecret" | "imagePullSecrets" => found.extend(names().map(|name| (name.to_owned(), true))),
                    "modelAccessSecret" => found.extend(names().map(|name| (name.to_owned(), false))),
                    _ => {}
                }
                secrets(below, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| secrets(item, found)),
        _ => {}
    }
}
