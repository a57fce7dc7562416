//! `kaito.sh/v1beta1` Workspace: the stored version, and the hub.
//!
//! Fields stand in the order in which a revision writes them; keep it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use validator::Validate;

use super::parts::{AccessMode, AdapterSpec, DataDestination, DataSource, PartitionMode, TuningMethod};
use super::status::WorkspaceStatus;
use super::{checks, schema};
use crate::raw::RawPodTemplate;

/// What a Workspace is for: the nodes, and either a model to serve or one to tune.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[kube(
    group = "kaito.sh",
    version = "v1beta1",
    kind = "Workspace",
    plural = "workspaces",
    singular = "workspace",
    shortname = "wk",
    shortname = "wks",
    category = "workspace",
    namespaced,
    no_spec,
    status = "WorkspaceStatus",
    derive = "Default",
    derive = "PartialEq",
    doc = "One model to serve or to tune, and the nodes for it.",
    crates(kube_core = "::kube_core")
)]
#[serde(rename_all = "camelCase")]
#[validate(schema(function = "checks::workspace", skip_on_field_errors = false))]
pub struct WorkspaceSpec {
    /// The nodes that the model runs on.
    #[serde(default, skip_serializing_if = "ResourceSpec::is_empty")]
    #[validate(nested)]
    pub resource: ResourceSpec,
    /// The model to serve. Exactly one of inference and tuning is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub inference: Option<InferenceSpec>,
    /// The model to tune. Exactly one of inference and tuning is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub tuning: Option<TuningSpec>,
}

/// The nodes that a model runs on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["labelSelector"]))]
pub struct ResourceSpec {
    /// How many GPU nodes are wanted; 1 when absent. With vLLM and a preset this is only a hint, because the number that the model needs is computed.
    /// Cannot change after creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::integer", extend("default" = 1))]
    #[validate(custom(function = "checks::count"))]
    pub count: Option<i64>,
    /// The size of the machines in the cloud's words, such as `Standard_NC24ads_A100_v4`. Needed where nodes are provisioned, and empty where they are
    /// brought along.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub instance_type: String,
    /// The labels of the nodes, such as `{matchLabels: {apps: phi-3}}`. New nodes get them; nodes brought along must have them.
    /// Cannot change after creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::label_selector")]
    #[validate(custom(function = "checks::label_selector"))]
    pub label_selector: Option<LabelSelector>,
    /// Names of nodes. Kept for old manifests; nothing reads it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub preferred_nodes: Vec<String>,
    /// A part of a node's GPUs, where nodes are brought along. Cannot change after creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
    pub partition: Option<PartitionSpec>,
}

impl ResourceSpec {
    /// True when nothing is set, as in an object that was written without `resource`.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A part of a node's GPUs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["mode"]))]
#[validate(schema(function = "checks::partition", skip_on_field_errors = false))]
pub struct PartitionSpec {
    /// How GPUs are divided: `mig` for slices of one GPU, `accelerator` for whole ones.
    #[schemars(schema_with = "schema::partition_mode")]
    pub mode: PartitionMode,
    /// The slice, such as `1g.10gb`. Only with mig.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub profile: String,
    /// How many whole GPUs, from 1. Only with accelerator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::positive_integer")]
    pub count: Option<i64>,
}

/// The model to serve.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[validate(schema(function = "checks::inference", skip_on_field_errors = false))]
pub struct InferenceSpec {
    /// A known model with known settings. Exactly one of preset and template is set. Cannot change after creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
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
    #[validate(nested)]
    pub adapters: Vec<AdapterSpec>,
}

/// A known model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["name"]))]
pub struct PresetSpec {
    /// The model: a short name such as `phi-3-mini-4k-instruct`, or an id of Hugging Face such as `microsoft/phi-4`.
    #[serde(default)]
    #[validate(custom(function = "checks::preset_name"))]
    pub name: String,
    /// Who can pull the model's image: `public` (the default) or `private`. Kept for old manifests; not used in this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::access_mode", extend("default" = "public"))]
    pub access_mode: Option<AccessMode>,
    /// Where the model comes from, and how to get at it.
    #[serde(default, skip_serializing_if = "PresetOptions::is_empty")]
    #[validate(custom(function = "checks::preset_options"))]
    pub preset_options: PresetOptions,
}

/// Where a model comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PresetOptions {
    /// A container image with the model. Kept for old manifests; not used in this version.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub image: String,
    /// Secrets for pulling that image. Kept for old manifests; not used in this version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub image_pull_secrets: Vec<String>,
    /// The Secret with a token for Hugging Face under the key HF_TOKEN, in the namespace of the Workspace.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub model_access_secret: String,
}

impl PresetOptions {
    /// True when nothing is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The model to tune.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["input", "output"]))]
#[validate(schema(function = "checks::tuning", skip_on_field_errors = false))]
pub struct TuningSpec {
    /// The model that is tuned. Cannot change after creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[validate(nested)]
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

impl TuningSpec {
    /// The method, if it is one that exists.
    pub fn tuning_method(&self) -> Option<TuningMethod> {
        TuningMethod::parse(&self.method)
    }
}
