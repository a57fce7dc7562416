//! What is simulated: small sets of objects, one set a run.

use kaito_core::{Kind, ObjectKey};
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

/// A table of scenarios: what is special about each, and its objects.
pub fn builtin() -> Vec<(&'static str, Objects)> {
    let (v100, a10, two_a10) = ("Standard_NC6s_v3", "Standard_NV36ads_A10_v5", "Standard_NV72ads_A10_v5");
    let long = "a-name-of-the-greatest-length-that-a-workspace-can-hav";
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
        ("the longest name", vec![preset(long, "phi-4-mini-instruct", a10, "long")]),
    ]
}
