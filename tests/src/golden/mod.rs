//! What the reference made of manifests: each with the manifest, in the order in which steps were applied.
//!
//! - [`cases`]: the manifests of which the reference made what it meant to make.
//! - [`DIFFERENCES`]: what we do otherwise, with the reason; one table for every place where ours is made.
//! - [`former`]: the same as objects of a cluster in which the reference has run until now.
//! - [`launches`]: the tables of what models are launched with.
//! - [`Cluster`]: all of them on one real API server.
//! - [`ours`], [`theirs`]: objects in a form in which the two can be compared.

mod cluster;
mod differences;
mod form;
pub mod former;
mod launches;

pub use cluster::{Cluster, There};
pub use differences::DIFFERENCES;
pub use form::{ours, theirs};
pub use launches::{Launch, launches};

use crate::{brought, shared};
use kaito_core::cloud::Cloud;
use kaito_core::driver::Planner;
use kaito_core::gates::Gates;
use kaito_core::kinds::Scope;
use kaito_core::memory::{Fate, Pace, World};
use kaito_core::node_classes::{self, ClassKind, NodeClasses};
use kaito_core::{Kind, NodeProvisioner, ObjectKey, Settings};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Folders of captures, with what the reference ran as. Captures of other controllers belong to other issues.
const FOLDERS: [(Cloud, &str); 5] = [
    (Cloud::Azure, "azure"),
    (Cloud::Aws, "aws"),
    (Cloud::Arc, "arc"),
    (Cloud::Azure, "byo"),
    (Cloud::Azure, "karpenter"),
];

/// The classes that the reference was given (`fixtures/karpenter-nodeclasses.yaml`), as its flag has them.
pub const NODE_CLASSES: &str = r#"[{"name":"image-family-ubuntu","default":true},{"name":"image-family-azure-linux"}]"#;

/// Karpenter, with the classes that the reference was given.
///
/// # Panics
/// Never: the list is a good one.
pub fn karpenter() -> NodeProvisioner {
    let wishes = node_classes::parse(NODE_CLASSES).expect("a list of classes");
    NodeProvisioner::Karpenter(NodeClasses::of(ClassKind::default(), &wishes))
}

/// Where the manifests lie.
const MANIFESTS: [&str; 10] = [
    "seed",
    "examples/inference",
    "examples/inference/arc-examples",
    "examples/fine-tuning",
    "examples/custom-model-integration",
    "variants/azure",
    "variants/aws",
    "variants/arc",
    "variants/byo",
    "variants/karpenter",
];

/// What is not compared, and why: a file, or a kind of which a manifest has one.
pub const LEFT_OUT: &[(&str, &str)] = &[
    ("InferenceSet", "InferenceSets come with the issue of that name"),
    ("MultiRoleInference", "MultiRoleInferences come with the issue of that name"),
];

/// Placeholders that a person has to replace: as they stand they are refused in words (Δ10). Replaced on both sides, so that what follows can be compared.
const PLACEHOLDERS: &[(&str, &str)] = &[
    ("ACR_REPO_HERE.azurecr.io/IMAGE_NAME_HERE", "registry.example.com/out/image"),
    ("ACR_REGISTRY_SECRET_HERE", "push-secret"),
];

/// A manifest that is applied, with what the reference had made when it was at rest.
#[derive(Debug, Clone)]
pub struct Step {
    /// The file, such as `step-runtime.2.yaml`.
    pub file: String,
    /// The documents of the manifest.
    pub documents: Vec<Value>,
    /// The capture.
    pub golden: Value,
}

/// One manifest, or several that were applied one after the other.
#[derive(Debug, Clone)]
pub struct Case {
    /// Where the reference ran.
    pub cloud: Cloud,
    /// The namespace that it ran in: hashes are made of it.
    pub namespace: String,
    /// In order.
    pub steps: Vec<Step>,
}

impl Case {
    /// The settings that the reference ran with.
    ///
    /// # Panics
    /// When it ran in a way that is not known here.
    pub fn settings(&self) -> Settings {
        let environment = self.steps.first().map_or(&Value::Null, |step| &step.golden["environment"]);
        let of_gates = environment.as_object().into_iter().flatten();
        let gates =
            of_gates.filter_map(|(key, on)| Some(format!("{}={}", key.strip_prefix("featureGates/")?, on.as_str()?)));
        let gates = Gates::parse(&gates.collect::<Vec<_>>().join(",")).expect("gates that are known");
        let provisioner = NodeProvisioner::choose(environment["provisioner"].as_str(), &gates).expect("a provisioner");
        let provisioner = if provisioner.node_classes().is_some() { karpenter() } else { provisioner };
        Settings { cloud: self.cloud, gates, provisioner, ..Settings::default() }
    }

    /// The Nodes that stood there; none where machines are made.
    ///
    /// # Panics
    /// When they cannot be read.
    pub fn nodes(&self) -> Vec<Value> {
        let path =
            shared::path("golden/fixtures/byo-nodes.yaml").filter(|_| !self.settings().provisioner.makes_machines());
        let Some(path) = path else { return Vec::new() };
        brought::nodes(&read(&path), if self.cloud == Cloud::Arc { "arc" } else { "byo" })
    }

    /// The file of the first step without number and ending.
    pub fn name(&self) -> &str {
        let file = self.steps.first().map_or("", |step| step.file.as_str());
        file.trim_end_matches(".yaml").trim_end_matches(".1")
    }

    /// Whether the cluster has no class for fast local disks.
    pub fn lacks_local_disks(&self) -> bool {
        self.name() == "nvme-class-absent"
    }

    /// A fresh cluster in memory for it.
    pub fn world(&self) -> World {
        self.in_world(World::installed(&self.settings()))
    }

    /// The same with another planner in the place of the product's.
    pub fn world_with(&self, planner: Arc<dyn Planner>) -> World {
        self.in_world(World::with_planner(&self.settings(), Pace::default(), &Fate::default(), planner))
    }

    /// Without what the case's cluster lacks.
    fn in_world(&self, mut world: World) -> World {
        if self.lacks_local_disks() {
            let class = kaito_api::vocabulary::names::LOCAL_NVME_CLASS;
            world.delete(&ObjectKey::cluster(Kind::StorageClass, class)).expect("the chart brings it");
        }
        put(&mut world, &self.namespace, &self.nodes());
        world
    }
}

impl Step {
    /// What is applied: the Secrets that the capture was given too, then the documents, all in this namespace.
    pub fn objects(&self, namespace: &str) -> Vec<Value> {
        let secrets = self.golden["dummySecrets"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let replaced = PLACEHOLDERS.iter().map(|(_, secret)| *secret).filter(|secret| self.mentions(secret));
        let secrets = secrets.chain(replaced).map(secret);
        let mut all: Vec<Value> = secrets.chain(self.documents.iter().cloned().map(filled)).collect();
        for object in &mut all {
            object["metadata"]["namespace"] = json!(namespace);
        }
        all
    }

    /// Applies it to a cluster in memory, as far as that knows the kinds.
    ///
    /// # Panics
    /// When the cluster does not take it.
    pub fn put(&self, world: &mut World, namespace: &str) {
        put(world, namespace, &self.objects(namespace));
    }

    /// What it is about, for [`DIFFERENCES`]: its file, and what it has in common with others.
    pub fn about(&self) -> Vec<&str> {
        let has_template = |document: &Value| document["inference"]["template"].is_object();
        let template = self.documents.iter().any(has_template).then_some("inference.template");
        let is_gpt_oss = |document: &Value| {
            document["inference"]["preset"]["name"].as_str().is_some_and(|name| name.contains("gpt-oss"))
        };
        let gpt_oss = self.documents.iter().any(is_gpt_oss).then_some("gpt-oss");
        std::iter::once(self.file.as_str()).chain(template).chain(gpt_oss).collect()
    }

    /// The name of its Workspace.
    pub fn workspace(&self) -> Option<&str> {
        let found = self.documents.iter().find(|document| document["kind"] == "Workspace");
        found.and_then(|found| found["metadata"]["name"].as_str())
    }

    fn mentions(&self, word: &str) -> bool {
        self.documents.iter().any(|document| document["tuning"]["output"]["imagePushSecret"] == word)
    }
}

/// Puts objects into a cluster in memory, as far as that knows their kinds.
///
/// # Panics
/// When the cluster does not take one.
pub fn put(world: &mut World, namespace: &str, objects: &[Value]) {
    for object in objects {
        let text = |field: &str| object[field].as_str().unwrap_or_default();
        let Some(kind) = Kind::named(text("apiVersion"), text("kind")) else { continue };
        let name = object["metadata"]["name"].as_str().expect("a name");
        let key = match kind.scope() {
            Scope::Namespaced => ObjectKey::new(kind, namespace, name),
            Scope::Cluster => ObjectKey::cluster(kind, name),
        };
        world.put(&key, object).expect("the cluster takes it");
    }
}

/// A Secret with what any of the uses of Secrets asks for.
fn secret(name: &str) -> Value {
    let data = json!({".dockerconfigjson": "{\"auths\":{}}", kaito_api::vocabulary::names::HF_TOKEN_KEY: "token"});
    json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson", "metadata": {"name": name}, "stringData": data})
}

/// Secrets in manifests hold placeholders that an API server refuses.
fn filled(document: Value) -> Value {
    let name = document["metadata"]["name"].as_str().unwrap_or_default();
    if document["kind"] == "Secret" { secret(name) } else { document }
}

/// Every case in which the reference came to the end that it means, and that is not [left out](LEFT_OUT), by name.
pub fn cases() -> Vec<Case> {
    with_outcome(|outcome| outcome == "ok")
}

/// Every case of Workspaces in which it did not: it failed, or waits for ever.
pub fn unfinished() -> Vec<Case> {
    with_outcome(|outcome| outcome != "ok")
}

fn with_outcome(wanted: impl Fn(&str) -> bool) -> Vec<Case> {
    let mut found: BTreeMap<(usize, String), Case> = BTreeMap::new();
    let (Some(goldens), Some(corpus)) = (shared::path("golden"), shared::path("corpus")) else { return Vec::new() };
    for (index, (cloud, folder)) in FOLDERS.into_iter().enumerate() {
        for path in files(&goldens.join(folder)) {
            let Some(step) = step(&path, &corpus, folder) else { continue };
            if !wanted(step.golden["outcome"].as_str().unwrap_or_default()) {
                continue;
            }
            let namespace = step.golden["namespace"].as_str().expect("a namespace").to_owned();
            let key = (index, namespace.clone());
            let case = || Case { cloud, namespace, steps: Vec::new() };
            found.entry(key).or_insert_with(case).steps.push(step);
        }
    }
    let mut cases: Vec<Case> = found.into_values().collect();
    cases.sort_by(|a, b| a.name().cmp(b.name()));
    cases
}

/// A capture with its manifest; `None` for one that is left out.
fn step(path: &Path, corpus: &Path, folder: &str) -> Option<Step> {
    let golden: Value = serde_saphyr::from_str(&read(path)).expect("a capture is YAML");
    let file = path.file_name()?.to_string_lossy().into_owned();
    let manifest = golden["manifest"].as_str().expect("a capture names its manifest");
    // Manifests of several provisioners have one name.
    let own = format!("variants/{folder}");
    let folders = [own.as_str()].into_iter().chain(MANIFESTS);
    let manifest = folders.map(|folder| corpus.join(folder).join(manifest)).find(|path| path.exists());
    let manifest = read(&manifest.expect("the manifest is there"));
    let documents: Vec<Value> = serde_saphyr::from_multiple(&manifest).expect("a manifest is YAML");
    let documents: Vec<Value> = documents.into_iter().filter(|document| !document.is_null()).collect();
    let has = |what: &str| file == what || documents.iter().any(|document| document["kind"] == what);
    let left_out = LEFT_OUT.iter().any(|(what, _)| has(what));
    (!left_out).then_some(Step { file, documents, golden })
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder can be read");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

fn read(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    PLACEHOLDERS.iter().fold(text, |text, (placeholder, word)| text.replace(placeholder, word))
}
