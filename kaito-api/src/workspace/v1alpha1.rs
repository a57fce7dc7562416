//! `kaito.sh/v1alpha1` Workspace: the older version.
//!
//! The same JSON as [`super::v1beta1`] without `resource.partition`, `presetOptions.modelAccessSecret` and the newer part of the status, and with a
//! default instance type. Code works on the hub; these types are here for the schema and for whoever must speak the old version.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector};
use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::parts::{AccessMode, AdapterSpec, DataDestination, DataSource};
use super::schema;
use crate::raw::RawPodTemplate;

/// What a Workspace is for: the nodes, and either a model to serve or one to tune.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "kaito.sh",
    version = "v1alpha1",
    kind = "Workspace",
    plural = "workspaces",
    singular = "workspace",
    shortname = "wk",
    shortname = "wks",
    category = "workspace",
    namespaced,
    no_spec,
    storage = false,
    status = "WorkspaceStatus",
    derive = "Default",
    derive = "PartialEq",
    doc = "One model to serve or to tune, and the nodes for it.",
    crates(kube_core = "::kube_core")
)]
#[serde(rename_all = "camelCase")]
pub struct WorkspaceSpec {
    /// The nodes that the model runs on.
    #[serde(default, skip_serializing_if = "ResourceSpec::is_empty")]
    pub resource: ResourceSpec,
    /// The model to serve. Exactly one of inference and tuning is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inference: Option<InferenceSpec>,
    /// The model to tune. Exactly one of inference and tuning is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuning: Option<TuningSpec>,
}

/// The nodes that a model runs on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["labelSelector"]))]
pub struct ResourceSpec {
    /// How many GPU nodes are wanted; 1 when absent. Cannot change after creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::integer", extend("default" = 1))]
    pub count: Option<i64>,
    /// The size of the machines in the cloud's words, such as `Standard_NC6s_v3`. Cannot change after creation.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(schema_with = "schema::string", extend("default" = super::DEFAULT_INSTANCE_TYPE_V1ALPHA1))]
    pub instance_type: String,
    /// The labels of the nodes, such as `{matchLabels: {apps: phi-3}}`. Cannot change after creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::label_selector")]
    pub label_selector: Option<LabelSelector>,
    /// Names of nodes. Kept for old manifests; nothing reads it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub preferred_nodes: Vec<String>,
}

impl ResourceSpec {
    /// True when nothing is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The model to serve.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InferenceSpec {
    /// A known model with known settings. Exactly one of preset and template is set. Cannot change after creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<PresetSpec>,
    /// A pod of the user's own making: a pod template of Kubernetes. Exactly one of preset and template is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::opaque")]
    pub template: Option<RawPodTemplate>,
    /// The ConfigMap with settings of the server, in the same namespace, under the key inference_config.yaml. The operator's own settings when empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub config: String,
    /// LoRA adapters that are loaded beside the model; at most 10, with different names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adapters: Vec<AdapterSpec>,
}

/// A known model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["name"]))]
pub struct PresetSpec {
    /// The model, such as `phi-3-mini-4k-instruct`.
    #[serde(default)]
    pub name: String,
    /// Who can pull the model's image: `public` (the default), or `private`, which needs presetOptions.image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::access_mode", extend("default" = "public"))]
    pub access_mode: Option<AccessMode>,
    /// Where the model comes from.
    #[serde(default, skip_serializing_if = "PresetOptions::is_empty")]
    pub preset_options: PresetOptions,
}

/// Where a model comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PresetOptions {
    /// A container image with the model, such as `registry.example.com/phi-3:1`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub image: String,
    /// Secrets for pulling that image, in the namespace of the Workspace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub image_pull_secrets: Vec<String>,
}

impl PresetOptions {
    /// True when nothing is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The model to tune.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["input", "output"]))]
pub struct TuningSpec {
    /// The model that is tuned. Cannot change after creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<PresetSpec>,
    /// How it is tuned: `lora` or `qlora`, in any case. Cannot change after creation.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub method: String,
    /// The ConfigMap with settings of the training, in the same namespace, under the key training_config.yaml. Settings for the method when empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub config: String,
    /// The training data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "DataSource")]
    pub input: Option<DataSource>,
    /// Where the adapter that comes out goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "DataDestination")]
    pub output: Option<DataDestination>,
}

/// What the operator reports.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkspaceStatus {
    /// Names of the nodes that belong to the Workspace, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub worker_nodes: Vec<String>,
    /// How things stand, one statement for each subject.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
}
