//! Manifests that tests use again and again.

use serde_json::{Value, json};

/// The user's own seed: Phi-3 mini on one V100, in the oldest served version.
pub fn phi_3_mini(name: &str) -> Value {
    json!({
        "apiVersion": "kaito.sh/v1alpha1", "kind": "Workspace", "metadata": {"name": name},
        "resource": {"instanceType": "Standard_NC6s_v3", "labelSelector": {"matchLabels": {"apps": "phi-3"}}},
        "inference": {"preset": {"name": "phi-3-mini-4k-instruct"}},
    })
}

/// A preset on a machine size.
pub fn preset(name: &str, model: &str, size: &str) -> Value {
    json!({
        "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "metadata": {"name": name},
        "resource": {"instanceType": size, "labelSelector": {"matchLabels": {"apps": name}}},
        "inference": {"preset": {"name": model}},
    })
}

/// A model on nodes that somebody brought along, chosen by a label.
pub fn on_brought_nodes(name: &str, gpu: &str) -> Value {
    json!({
        "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "metadata": {"name": name},
        "resource": {"labelSelector": {"matchLabels": {"gpu": gpu}}},
        "inference": {"preset": {"name": "phi-4-mini-instruct"}},
    })
}

/// Such a node, with one A100 and these labels more; one that is `null` is left out. Nothing is said of how it is: in a cluster in memory it is well.
pub fn brought_node(name: &str, more: &Value) -> Value {
    let mut labels = json!({
        "gpu": "a100", "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB", "nvidia.com/gpu.count": "1", "nvidia.com/gpu.memory": "81920",
        "nvidia.com/gpu.compute.major": "8", "nvidia.com/gpu.compute.minor": "0",
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        labels[key] = value.clone();
    }
    labels.as_object_mut().into_iter().for_each(|labels| labels.retain(|_, value| !value.is_null()));
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}})
}

/// A model with an adapter of each kind.
pub fn adapters(name: &str) -> Value {
    let mut manifest = phi_3_mini(name);
    manifest["inference"]["adapters"] = json!([
        {"source": {"name": "tone", "image": "registry.example.com/adapters/tone:1", "imagePullSecrets": ["my-registry"]}, "strength": "1.0"},
        {"source": {"name": "law", "volumeSource": {"persistentVolumeClaim": {"claimName": "law"}}}},
    ]);
    manifest
}

/// A model that takes two machines.
pub fn two_nodes(name: &str) -> Value {
    preset(name, "qwen2.5-coder-32b-instruct", "Standard_NV72ads_A10_v5")
}

/// A model without fast local disks, which runs on the current image.
pub fn phi_4_mini(name: &str) -> Value {
    preset(name, "phi-4-mini-instruct", "Standard_NV36ads_A10_v5")
}

/// A server of the user's own on a machine without fast local disks, with an amount that is a number and a field that is newer than the types of this build.
pub fn own_template(name: &str) -> Value {
    json!({
        "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "metadata": {"name": name},
        "resource": {"instanceType": "Standard_NV36ads_A10_v5", "labelSelector": {"matchLabels": {"apps": name}}},
        "inference": {"template": {
            "metadata": {"labels": {"team": "blue"}},
            "spec": {
                "hostnameOverride": "server",
                "containers": [{
                    "name": "server", "image": "registry.example.com/llm/server:1", "args": ["--port", "5000"],
                    "resources": {"limits": {"nvidia.com/gpu": 1}}, "volumeMounts": [{"name": "shm", "mountPath": "/dev/shm"}],
                }],
                "tolerations": [{"key": "team", "operator": "Exists"}],
                "volumes": [{"name": "shm", "emptyDir": {"medium": "Memory"}}],
            },
        }},
    })
}

/// A training whose result is pushed with the credentials of the Secret `my-push-secret`.
pub fn tuning(name: &str) -> Value {
    json!({
        "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "metadata": {"name": name},
        "resource": {"instanceType": "Standard_NC6s_v3", "labelSelector": {"matchLabels": {"app": name}}},
        "tuning": {
            "preset": {"name": "phi-3-mini-4k-instruct"}, "method": "qlora",
            "input": {"urls": ["https://data.example.com/sets/train.parquet?download=true"]},
            "output": {"image": "registry.example.com/team/adapter:0.0.1", "imagePushSecret": "my-push-secret"},
        },
    })
}

/// A training whose result stays on a volume, and that needs no Secret.
pub fn training_on_volume(name: &str) -> Value {
    let mut manifest = tuning(name);
    manifest["tuning"]["output"] = json!({"volumeSource": {"emptyDir": {}}});
    manifest
}

/// Settings of the vLLM runtime: a ConfigMap of this name with this text.
pub fn settings(name: &str, text: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"inference_config.yaml": text}})
}

/// What a Secret holds; it must never be seen again.
pub const PLANTED: &str = "hf_ThisValueMustNeverBeSeen";

/// A Secret with [`PLANTED`] under each of these keys, and in an annotation, where `kubectl apply` leaves a copy.
pub fn secret(name: &str, type_: &str, keys: &[&str]) -> Value {
    let data: serde_json::Map<String, Value> = keys.iter().map(|key| ((*key).to_owned(), json!(PLANTED))).collect();
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": type_, "stringData": data,
        "metadata": {"name": name, "annotations": {"kubectl.kubernetes.io/last-applied-configuration": PLANTED}},
    })
}

/// Credentials of a registry, which a real API server takes.
pub fn registry_secret(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson", "metadata": {"name": name},
        "stringData": {".dockerconfigjson": "{\"auths\":{}}"},
    })
}
