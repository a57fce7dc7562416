//! What an operator is told at start: no secrets, no globals, the same for every decision, recorded for replay.

use crate::cloud::Cloud;
use crate::gates::Gates;
use crate::provisioner::NodeProvisioner;
use kaito_api::vocabulary::ImageFamily;
use serde::{Deserialize, Deserializer, Serialize};

/// The settings that decisions depend on. Read back from a recording, a setting that was not there then has its default, and one that is not known here is an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whose machines (`CLOUD_PROVIDER`).
    #[serde(serialize_with = "cloud_name", deserialize_with = "cloud_named")]
    pub cloud: Cloud,
    /// Who makes the machines (`--node-provisioner`).
    pub provisioner: NodeProvisioner,
    /// Feature gates (`--feature-gates`).
    pub gates: Gates,
    /// Where the runtime images are (`PRESET_REGISTRY_NAME`), without a trailing slash.
    pub registry: String,
    /// The namespace that the operator runs in, which holds the ConfigMap templates.
    pub release_namespace: String,
    /// The mirror of the hub of models that servers download from too (`--model-hub-endpoint`, `HF_ENDPOINT`); Hugging Face itself where none is named.
    pub hub: Option<String>,
    /// The image family of nodes that name none (`--default-node-image-family`).
    pub image_family: ImageFamily,
    /// Whether a node that is not ready for long is replaced with its machine (the provisioner's gate `NodeRepair`).
    pub node_repair: bool,
}

fn cloud_name<S: serde::Serializer>(cloud: &Cloud, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(cloud.as_str())
}

fn cloud_named<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cloud, D::Error> {
    let name = String::deserialize(deserializer)?;
    let known = Cloud::ALL.into_iter().find(|cloud| cloud.as_str() == name);
    known.ok_or_else(|| serde::de::Error::custom(format!("no such cloud: {name:?}")))
}

/// Azure, the published registry, the chart's namespace, repair of nodes.
impl Default for Settings {
    fn default() -> Self {
        Self {
            cloud: Cloud::Azure,
            provisioner: NodeProvisioner::default(),
            gates: Gates::default(),
            registry: kaito_presets::images::DEFAULT_REGISTRY.to_owned(),
            release_namespace: "kaito-workspace".to_owned(),
            hub: None,
            image_family: ImageFamily::Ubuntu,
            node_repair: true,
        }
    }
}
