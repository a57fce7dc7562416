//! Pieces that have the same shape in both versions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use validator::Validate;

use super::{checks, schema};
use crate::open_enum::open_enum;
use crate::raw::RawVolumeSource;

open_enum! {
    /// Who can pull the image with the model.
    AccessMode {
        /// Everybody. The default.
        Public = "public",
        /// Those with a pull secret; the image is named in presetOptions.
        Private = "private",
    }
}

open_enum! {
    /// How the GPUs of a node are divided.
    PartitionMode {
        /// Slices of one GPU, by a MIG profile.
        Mig = "mig",
        /// A number of whole GPUs.
        Accelerator = "accelerator",
    }
}

/// How a model is tuned. On the wire it is a text without fixed case; see `TuningSpec::tuning_method`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TuningMethod {
    /// Low-rank adapters on the model as it is.
    Lora,
    /// Low-rank adapters on the model in four bits.
    Qlora,
}

impl TuningMethod {
    /// The method with this name, in any case.
    ///
    /// ```
    /// use kaito_api::workspace::TuningMethod;
    /// assert_eq!(TuningMethod::parse("QLoRA"), Some(TuningMethod::Qlora));
    /// assert_eq!(TuningMethod::parse("full"), None);
    /// ```
    pub fn parse(word: &str) -> Option<Self> {
        match word.to_ascii_lowercase().as_str() {
            "lora" => Some(Self::Lora),
            "qlora" => Some(Self::Qlora),
            _ => None,
        }
    }

    /// The name in lower case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lora => "lora",
            Self::Qlora => "qlora",
        }
    }
}

/// Where data comes from: exactly one of urls, volumeSource and image.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DataSource {
    /// A name for the data. For an adapter it is the name by which requests choose it, such as `my-adapter`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Addresses to download from (http or https), such as `https://example.com/train.parquet`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// A volume that has the data: any volume source of a pod, such as `{persistentVolumeClaim: {claimName: data}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::opaque")]
    pub volume_source: Option<RawVolumeSource>,
    /// A container image with the data in its folder /data, such as `registry.example.com/adapter:0.0.1`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub image: String,
    /// Secrets for pulling the image, in the namespace of the Workspace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub image_pull_secrets: Vec<String>,
}

/// The ways in which a data source can name its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SourceKind {
    /// Downloaded.
    Urls,
    /// Mounted.
    Volume,
    /// From a container image.
    Image,
}

impl DataSource {
    /// What is filled in; a valid source has exactly one.
    pub fn kinds(&self) -> Vec<SourceKind> {
        let mut kinds = Vec::new();
        if !self.urls.is_empty() {
            kinds.push(SourceKind::Urls);
        }
        if self.volume_source.is_some() {
            kinds.push(SourceKind::Volume);
        }
        if !self.image.is_empty() {
            kinds.push(SourceKind::Image);
        }
        kinds
    }
}

/// Where a result goes: exactly one of volumeSource and image.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DataDestination {
    /// A volume that receives the result: any volume source of a pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::opaque")]
    pub volume_source: Option<RawVolumeSource>,
    /// A container image to push, such as `registry.example.com/my-adapter:0.0.1`. It needs imagePushSecret.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub image: String,
    /// The Secret for pushing the image, in the namespace of the Workspace.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub image_push_secret: String,
}

/// A LoRA adapter that is loaded beside the model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[validate(schema(function = "checks::adapter", skip_on_field_errors = false))]
pub struct AdapterSpec {
    /// Where the adapter is, and its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<DataSource>,
    /// How strongly it acts: a decimal from 0 to 1 as text, such as "0.5"; 1.0 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strength: Option<String>,
}

impl AdapterSpec {
    /// The name by which requests choose it; empty when it has none.
    pub fn name(&self) -> &str {
        self.source.as_ref().map_or("", |s| s.name.as_str())
    }

    /// The strength as a number: 1 when absent, `None` when it is no plain decimal (digits with an optional point and minus; neither exponents nor words).
    ///
    /// ```
    /// use kaito_api::workspace::AdapterSpec;
    /// let factor = |text: &str| AdapterSpec { strength: Some(text.to_owned()), ..AdapterSpec::default() }.factor();
    /// assert_eq!((factor("1.00"), factor(".5"), factor("5e-1"), factor("NaN")), (Some(1.0), Some(0.5), None, None));
    /// assert_eq!(AdapterSpec::default().factor(), Some(1.0));
    /// ```
    pub fn factor(&self) -> Option<f64> {
        let Some(text) = &self.strength else { return Some(1.0) };
        let digits = text.strip_prefix('-').unwrap_or(text);
        let plain =
            digits.bytes().all(|b| b.is_ascii_digit() || b == b'.') && digits.bytes().any(|b| b.is_ascii_digit());
        if plain { text.parse().ok() } else { None }
    }
}
