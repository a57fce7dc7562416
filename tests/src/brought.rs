//! The Nodes that stood there while the reference was captured where nodes are brought along. Compiled into the simulations too, which stand without this crate.

use serde_json::{Value, json};

/// The Nodes of a mode, out of the text that tells of them: ready, with the room that is told.
///
/// # Panics
/// When the text is not that.
pub fn nodes(text: &str, mode: &str) -> Vec<Value> {
    let all: Value = serde_saphyr::from_str(text).expect("the Nodes are YAML");
    all[mode].as_array().into_iter().flatten().map(node).collect()
}

fn node(told: &Value) -> Value {
    let name = told["name"].as_str().expect("a name");
    let (mut labels, mut room) = (told["labels"].clone(), told["allocatable"].clone());
    for (key, value) in
        [("kubernetes.io/hostname", name), ("kubernetes.io/os", "linux"), ("kubernetes.io/arch", "amd64")]
    {
        labels[key] = json!(value);
    }
    for (resource, amount) in [("cpu", "96"), ("memory", "880Gi"), ("pods", "110")] {
        room[resource] = json!(amount);
    }
    let ready = json!({"type": "Ready", "status": "True", "reason": "KubeletReady", "lastTransitionTime": "2026-01-01T00:00:00Z"});
    json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels},
        "status": {"capacity": room, "allocatable": room, "conditions": [ready]},
    })
}
