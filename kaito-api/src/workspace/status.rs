//! What the operator reports about a Workspace.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema;
use crate::open_enum::open_enum;

open_enum! {
    /// Where a Workspace stands, in one word. Serving goes from Pending to Ready and then between Ready and NotReady;
    /// tuning goes from Pending over Running to Succeeded or Failed.
    WorkspaceState {
        /// Not ready, and never was.
        Pending = "Pending",
        /// The model serves.
        Ready = "Ready",
        /// The model served before and does not now.
        NotReady = "NotReady",
        /// The tuning is under way.
        Running = "Running",
        /// The tuning is done.
        Succeeded = "Succeeded",
        /// The tuning failed.
        Failed = "Failed",
    }
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
    /// Where it stands in one word: Pending, Ready or NotReady when serving; Pending, Running, Succeeded or Failed when tuning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::string")]
    pub state: Option<WorkspaceState>,
    /// How many nodes the model needs; absent until it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_node_count: Option<i32>,
    /// What the benchmark measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Performance")]
    pub performance: Option<Performance>,
}

/// What the benchmark measured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Performance {
    /// Measurements by name, such as `peakTokensPerMinute`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, Metric>,
}

/// One measurement.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("required" = ["description", "value"]))]
pub struct Metric {
    /// Under which load it was measured, such as `stress/high-concurrency`.
    #[serde(default)]
    pub description: String,
    /// The number, as text.
    #[serde(default)]
    pub value: String,
    /// What the number counts, such as `tokens/min`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unit: String,
    /// Settings of the measurement by name, such as `durationSec: "60"`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub config: BTreeMap<String, String>,
}

impl Performance {
    /// Name of the one metric that is measured today.
    pub const PEAK_TOKENS_PER_MINUTE: &'static str = "peakTokensPerMinute";
    /// Unit of [`Self::PEAK_TOKENS_PER_MINUTE`].
    pub const TOKENS_PER_MINUTE: &'static str = "tokens/min";
    /// Description of [`Self::PEAK_TOKENS_PER_MINUTE`].
    pub const HIGH_CONCURRENCY: &'static str = "stress/high-concurrency";
}
