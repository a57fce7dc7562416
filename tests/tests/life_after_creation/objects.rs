//! What is edited, and what lies beside it.

use kaito_tests::manifests;
use serde_json::{Value, json};

pub(crate) fn phi() -> Value {
    manifests::phi_4_mini("x")
}

pub(crate) fn own() -> Value {
    manifests::own_template("x")
}

pub(crate) fn own_on_two() -> Value {
    let mut manifest = own();
    manifest["resource"]["count"] = json!(2);
    manifest
}

pub(crate) fn on_transformers() -> Value {
    let mut manifest = manifests::preset("x", "phi-4", "Standard_NC24ads_A100_v4");
    manifest["metadata"]["annotations"] = json!({"kaito.sh/runtime": "transformers"});
    manifest
}

pub(crate) fn training() -> Value {
    manifests::training_on_volume("x")
}

pub(crate) fn nothing() -> Vec<Value> {
    Vec::new()
}

pub(crate) fn adapted() -> Value {
    let mut manifest = phi();
    manifest["inference"]["adapters"] = json!([adapter("law")]);
    manifest
}

pub(crate) fn adapter(name: &str) -> Value {
    json!({"source": {"name": name, "image": format!("registry.example.com/adapters/{name}:1")}})
}

pub(crate) fn configured() -> Value {
    let mut manifest = phi();
    manifest["inference"]["config"] = json!("settings");
    manifest
}

pub(crate) fn settings(length: u32) -> Value {
    manifests::settings("settings", &format!("vllm:\n  max-model-len: {length}\n"))
}

pub(crate) fn trained() -> Value {
    let mut manifest = training();
    manifest["tuning"]["config"] = json!("settings");
    manifest
}

pub(crate) fn training_settings(epochs: u32) -> Value {
    let text = format!(
        "training_config:\n  ModelConfig:\n    torch_dtype: float16\n    pretrained_model_name_or_path: /workspace/weights\n  QuantizationConfig:\n    load_in_4bit: true\n  TrainingArguments:\n    output_dir: /mnt/results\n    num_train_epochs: {epochs}\n  DataCollator:\n    mlm: true\n"
    );
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"training_config.yaml": text}})
}
