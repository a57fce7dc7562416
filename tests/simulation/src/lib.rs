//! The promises of the product, tried in simulated worlds.

use kaito_core::{Kind, ObjectKey};
use serde_json::{Value, json};

/// Presets on machine sizes: one and two machines, both runtimes, all of them sound.
pub fn builtin() -> Vec<(ObjectKey, Value)> {
    let key = ObjectKey::new(Kind::Workspace, "default", "phi-3");
    let body = json!({
        "apiVersion": "kaito.sh/v1alpha1", "kind": "Workspace", "metadata": {"name": "phi-3", "namespace": "default"},
        "resource": {"instanceType": "Standard_NC6s_v3", "labelSelector": {"matchLabels": {"apps": "phi-3"}}},
        "inference": {"preset": {"name": "phi-3-mini-4k-instruct"}},
    });
    vec![(key, body)]
}
