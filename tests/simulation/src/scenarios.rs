//! What is simulated: small sets of objects, one set a run.

use crate::corpus;
use crate::environment::parsed;
use kaito_core::cloud::Cloud;
use kaito_core::gates::Gates;
use kaito_core::memory::EXAMPLE_MODEL;
use kaito_core::node_classes::{self, ClassKind, NodeClasses};
use kaito_core::{Kind, NodeProvisioner, ObjectKey, Settings};
use serde_json::{Value, json};

/// Objects by key.
pub type Objects = Vec<(ObjectKey, Value)>;

/// The namespace of everything.
pub const NAMESPACE: &str = "default";

/// A preset on a machine size.
pub fn preset(name: &str, model: &str, size: &str, selector: &str) -> (ObjectKey, Value) {
    let body = json!({
        "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "metadata": {"name": name, "namespace": NAMESPACE},
        "resource": {"instanceType": size, "labelSelector": {"matchLabels": {"apps": selector}}},
        "inference": {"preset": {"name": model}},
    });
    (ObjectKey::new(Kind::Workspace, NAMESPACE, name), body)
}

/// The value of every Secret; it must never be seen again.
pub const PLANTED: &str = "ThisValueMustNeverBeSeen";

/// A Secret with one key.
pub fn secret(name: &str, type_: &str, key: &str) -> (ObjectKey, Value) {
    let body = json!({
        "apiVersion": "v1", "kind": "Secret", "type": type_, "stringData": {key: PLANTED},
        "metadata": {"name": name, "namespace": NAMESPACE, "annotations": {"kubectl.kubernetes.io/last-applied-configuration": PLANTED}},
    });
    (ObjectKey::new(Kind::Secret, NAMESPACE, name), body)
}

/// A preset with settings of its own.
fn with_settings() -> Objects {
    let mut workspace = preset("set", "phi-4-mini-instruct", "Standard_NV36ads_A10_v5", "set");
    workspace.1["inference"]["config"] = json!("settings");
    let data = json!({"inference_config.yaml": "vllm:\n  max-model-len: 2048\n"});
    let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": NAMESPACE}, "data": data});
    vec![(ObjectKey::new(Kind::ConfigMap, NAMESPACE, "settings"), config), workspace]
}

/// A preset whose weights need a token.
fn gated() -> Objects {
    let mut workspace = preset("gated", "phi-4-mini-instruct", "Standard_NV36ads_A10_v5", "gated");
    workspace.1["inference"]["preset"]["presetOptions"] = json!({"modelAccessSecret": "hub"});
    vec![secret("hub", "Opaque", "HF_TOKEN"), workspace]
}

/// A training that pushes its result.
pub fn training() -> Objects {
    let body = json!({
        "apiVersion": "kaito.sh/v1alpha1", "kind": "Workspace", "metadata": {"name": "tuned", "namespace": NAMESPACE},
        "resource": {"instanceType": "Standard_NC6s_v3", "labelSelector": {"matchLabels": {"apps": "tuned"}}},
        "tuning": {
            "preset": {"name": "phi-3-mini-4k-instruct"}, "method": "qlora",
            "input": {"urls": ["https://example.com/data.parquet"]},
            "output": {"image": "registry.example/adapters/tuned:1", "imagePushSecret": "registry"},
        },
    });
    let workspace = (ObjectKey::new(Kind::Workspace, NAMESPACE, "tuned"), body);
    vec![secret("registry", "kubernetes.io/dockerconfigjson", ".dockerconfigjson"), workspace]
}

/// The same, which gives its machine back when it is over.
fn released() -> Objects {
    let mut objects = training();
    for (_, body) in objects.iter_mut().filter(|(key, _)| key.kind == Kind::Workspace) {
        body["metadata"]["annotations"] = json!({"kaito.sh/release-nodes-when-done": "true"});
    }
    objects
}

/// A server of the user's own, with a field that is newer than the types of this build.
fn own_template() -> Objects {
    let mut workspace = preset("own", "", "Standard_NV36ads_A10_v5", "own");
    let container = json!({
        "name": "server", "image": "registry.example.com/llm/server:1", "resources": {"limits": {"nvidia.com/gpu": 1}},
    });
    workspace.1["inference"] = json!({"template": {"spec": {"hostnameOverride": "server", "containers": [container]}}});
    vec![workspace]
}

/// What is simulated, and whose machines it runs on.
pub struct Scenario {
    /// What is special about it, or the file that it comes from.
    pub name: String,
    /// The cloud.
    pub cloud: Cloud,
    /// Who makes the machines.
    pub provisioner: NodeProvisioner,
    /// What the user applies.
    pub objects: Objects,
}

/// Where machines are asked for one by one: our own, and every Workspace of the published manifests in the cloud that it was written for.
pub fn all() -> Vec<Scenario> {
    let own = builtin().into_iter().map(|(name, objects)| Scenario::of(name, objects));
    let published = corpus::manifests().into_iter().map(|manifest| {
        let cloud = manifest.cloud();
        Scenario { cloud, ..Scenario::of(manifest.name, manifest.objects) }
    });
    own.chain(published).collect()
}

/// Whoever makes the machines.
pub fn everywhere() -> Vec<Scenario> {
    [all(), of_node_pools(), of_brought_nodes()].into_iter().flatten().collect()
}

/// Those alone whose name holds the words of `KAITO_ONLY`, such as `by Karpenter` or `brought`.
///
/// # Panics
/// Where no name does.
pub fn chosen(mut all: Vec<Scenario>) -> Vec<Scenario> {
    let only = parsed::<String>("KAITO_ONLY").unwrap_or_default();
    all.retain(|scenario| scenario.name.contains(&only));
    assert!(!all.is_empty(), "KAITO_ONLY={only}: no scenario has such a name");
    all
}

/// Where Karpenter makes machines of pools: our own, and the manifests that were written for it.
pub fn of_node_pools() -> Vec<Scenario> {
    let own = builtin().into_iter().map(|(name, objects)| (format!("{name}, by Karpenter"), objects));
    let published = corpus::manifests().into_iter().filter(|manifest| manifest.name.starts_with("variants/karpenter/"));
    let published = published.map(|manifest| (manifest.name + ", by Karpenter", manifest.objects));
    let made = |(name, objects)| Scenario { provisioner: karpenter(), ..Scenario::of(name, objects) };
    own.chain(published).map(made).collect()
}

/// Where nodes are brought along: the manifests that were written for that, with those Nodes of the captures that they choose.
pub fn of_brought_nodes() -> Vec<Scenario> {
    let brought = |manifest: corpus::Manifest| {
        let nodes = corpus::brought().into_iter().filter(|(_, node)| is_chosen(node, &manifest.objects));
        let objects = nodes.chain(manifest.objects.clone()).collect();
        Scenario { provisioner: NodeProvisioner::Byo, ..Scenario::of(manifest.name + ", brought", objects) }
    };
    let published = corpus::manifests().into_iter().filter(|manifest| manifest.name.contains("/byo"));
    published.map(brought).collect()
}

/// Whether a Workspace among these asks for a label that the Node has.
fn is_chosen(node: &Value, objects: &Objects) -> bool {
    let asked = objects.iter().filter_map(|(_, body)| body.pointer("/resource/labelSelector/matchLabels")?.as_object());
    asked.flatten().any(|(label, value)| node["metadata"]["labels"].get(label) == Some(value))
}

/// Karpenter, with the classes that the reference was given (`golden/fixtures/karpenter-nodeclasses.yaml`).
///
/// # Panics
/// Never: the list is a good one.
pub fn karpenter() -> NodeProvisioner {
    const CLASSES: &str = r#"[{"name":"image-family-ubuntu","default":true},{"name":"image-family-azure-linux"}]"#;
    let wishes = node_classes::parse(CLASSES).expect("a list of classes");
    NodeProvisioner::Karpenter(NodeClasses::of(ClassKind::default(), &wishes))
}

/// The gates of whoever brings nodes along that are divided.
///
/// # Panics
/// Never: they are gates of this version.
pub fn gates_of_brought() -> Gates {
    Gates::parse("enableMIG=true,enableAccelerator=true").expect("gates of this version")
}

impl Scenario {
    /// One in Azure, where machines are asked for one by one.
    pub fn of(name: impl Into<String>, objects: Objects) -> Self {
        Self { name: name.into(), cloud: Cloud::Azure, provisioner: NodeProvisioner::default(), objects }
    }

    /// What an operator there is told.
    pub fn settings(&self) -> Settings {
        let gates = if self.provisioner == NodeProvisioner::Byo { gates_of_brought() } else { Gates::default() };
        Settings { cloud: self.cloud, provisioner: self.provisioner.clone(), gates, ..Settings::default() }
    }
}

/// A table of scenarios: what is special about each, and its objects.
pub fn builtin() -> Vec<(&'static str, Objects)> {
    let (v100, a10, two_a10) = ("Standard_NC6s_v3", "Standard_NV36ads_A10_v5", "Standard_NV72ads_A10_v5");
    let long = "a-name-of-the-greatest-length-that-a-workspace-can-h";
    vec![
        ("one machine, the oldest GPU", vec![preset("phi-3", "phi-3-mini-4k-instruct", v100, "phi-3")]),
        ("two machines with two GPUs each", vec![preset("qwen", "qwen2.5-coder-32b-instruct", two_a10, "qwen")]),
        (
            "siblings that ask for nodes with the same label",
            vec![
                preset("one", "phi-4-mini-instruct", a10, "shared"),
                preset("two", "phi-4-mini-instruct", a10, "shared"),
            ],
        ),
        ("a token for the weights", gated()),
        ("a training", training()),
        ("a training that gives its machine back", released()),
        ("settings of the runtime", with_settings()),
        ("a template of the user's own", own_template()),
        ("a model of a hub", vec![preset("hub", EXAMPLE_MODEL, a10, "hub")]),
        ("the longest name", vec![preset(long, "phi-4-mini-instruct", a10, "long")]),
    ]
}
