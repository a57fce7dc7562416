//! What is simulated: small sets of objects, one set a run.

use kaito_core::{Kind, ObjectKey};
use serde_json::{Value, json};
use std::path::Path;

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

/// Workspaces of the published examples, where the corpus lies beside the project; the file names are theirs.
const CORPUS: &[&str] = &[
    "seed/inference-phi-3-mini-4k",
    "seed/inference-phi-3-mini-128k-adapters",
    "seed/tuning-phi-3-mini-4k-qlora",
    "seed/tuning-phi-3-mini-128k-qlora",
    "examples/inference/kaito_workspace_deepseek_r1_distill_llama_8b",
    "examples/inference/kaito_workspace_deepseek_r1_distill_qwen_14b",
    "examples/inference/kaito_workspace_gemma_3_27b_instruct",
    "examples/inference/kaito_workspace_gemma_3_4b_instruct",
    "examples/inference/kaito_workspace_gpt_oss_120b",
    "examples/inference/kaito_workspace_gpt_oss_20b",
    "examples/inference/kaito_workspace_llama-3.1_8b_instruct",
    "examples/inference/kaito_workspace_ministral_3_14b_instruct",
    "examples/inference/kaito_workspace_ministral_3_3b_instruct",
    "examples/inference/kaito_workspace_mistral_large_3_675b_instruct",
    "examples/inference/kaito_workspace_phi_3_medium_128k",
    "examples/inference/kaito_workspace_phi_3_mini_4k",
    "examples/inference/kaito_workspace_phi_4",
    "examples/inference/kaito_workspace_phi_4_mini",
    "examples/inference/kaito_workspace_qwen_2.5_coder_32b-instruct",
    "examples/inference/kaito_workspace_qwen_2.5_coder_7b-instruct",
    "examples/inference/kaito_workspace_tool_calling",
    "examples/fine-tuning/kaito_workspace_tuning_phi_3",
    "examples/fine-tuning/kaito_workspace_tuning_phi_3_with_pvc_volume",
];

/// The examples of the corpus, each a scenario. None, and a visible line, where there is no corpus; under `CI` that is an error.
///
/// # Panics
/// When `CI` is set and the corpus is absent, and when a file of it cannot be read.
pub fn corpus() -> Vec<(String, Objects)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    if !folder.exists() {
        assert!(std::env::var_os("CI").is_none(), "{} is absent, and CI is set", folder.display());
        eprintln!("SKIPPED: {} is absent", folder.display());
        return Vec::new();
    }
    let read = |name: &&str| {
        let text = std::fs::read_to_string(folder.join(format!("{name}.yaml"))).expect("a file of the corpus");
        let documents = text.split("\n---").filter_map(|text| serde_saphyr::from_str::<Value>(text).ok());
        ((*name).to_owned(), documents.filter_map(placed).collect())
    };
    CORPUS.iter().map(read).collect()
}

/// A document as an object of our namespace; of kinds that the world does not know, nothing.
fn placed(mut document: Value) -> Option<(ObjectKey, Value)> {
    let text = |field: &str| document[field].as_str().unwrap_or_default().to_owned();
    let kind = Kind::named(&text("apiVersion"), &text("kind"))?;
    document["metadata"]["namespace"] = json!(NAMESPACE);
    let name = document["metadata"]["name"].as_str()?.to_owned();
    Some((ObjectKey::new(kind, NAMESPACE, name), document))
}

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
        ("the longest name", vec![preset(long, "phi-4-mini-instruct", a10, "long")]),
    ]
}
