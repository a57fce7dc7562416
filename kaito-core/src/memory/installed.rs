//! What a fresh cluster with the chart holds: test clusters and the simulator start with the same objects.

use crate::kinds::Kind;
use crate::object::ObjectKey;
use crate::settings::Settings;
use kaito_api::vocabulary::names;
use serde_json::{Value, json};

/// The default settings of the vLLM runtime that the chart ships.
const INFERENCE_TEMPLATE: &str =
    "max_probe_steps: 6\nvllm:\n  cpu-offload-gb: 0\n  gpu-memory-utilization: 0.84\n  swap-space: 4\n";

/// The default settings of trainings that the chart ships.
const LORA_TEMPLATE: &str = include_str!("lora_params_template.yaml");
const QLORA_TEMPLATE: &str = include_str!("qlora_params_template.yaml");

/// Namespaces, ConfigMap templates, StorageClass of local disks.
pub fn installed(settings: &Settings) -> Vec<(ObjectKey, Value)> {
    let release = settings.release_namespace.as_str();
    let namespace = |name: &str| {
        (
            ObjectKey::cluster(Kind::Namespace, name),
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}),
        )
    };
    let config_map = |name: &str, key: &str, text: &str| {
        let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": release}, "data": {key: text}});
        (ObjectKey::new(Kind::ConfigMap, release, name), body)
    };
    let storage = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": names::LOCAL_NVME_CLASS},
        "provisioner": "localdisk.csi.acstor.io", "reclaimPolicy": "Delete", "volumeBindingMode": "WaitForFirstConsumer", "allowVolumeExpansion": true,
    });
    vec![
        namespace("default"),
        namespace(names::SYSTEM_NAMESPACE),
        namespace(release),
        config_map(names::INFERENCE_PARAMS_TEMPLATE, names::INFERENCE_CONFIG_KEY, INFERENCE_TEMPLATE),
        config_map(names::LORA_PARAMS_TEMPLATE, names::TRAINING_CONFIG_KEY, LORA_TEMPLATE),
        config_map(names::QLORA_PARAMS_TEMPLATE, names::TRAINING_CONFIG_KEY, QLORA_TEMPLATE),
        (ObjectKey::cluster(Kind::StorageClass, names::LOCAL_NVME_CLASS), storage),
    ]
}
