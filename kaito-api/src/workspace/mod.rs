//! The kind `Workspace`: one model to serve or to tune, and the nodes for it.
//!
//! | file | subject |
//! |---|---|
//! | [`v1beta1`] | the stored version, which is also the *hub*: all other code works on it |
//! | [`v1alpha1`] | the older version; the same JSON with fewer fields |
//! | [`status`] | what the operator reports |
//! | `parts` | pieces with the same shape in both versions: data sources, adapters |
//! | `accessors` | short ways through the hub type: `ws.resource()`, `ws.preset()`, `ws.condition(…)` |
//! | `decode` | JSON of either version to the hub, with the place of an error |
//! | `convert` | v1alpha1 to the hub and back |
//! | `defaults` | what the API server would fill in |
//! | `checks` | rules that need nothing but the object |
//! | `mig` | the small grammar of GPU slices |
//! | `revision` | the bytes whose hash names a revision |
//!
//! A Workspace has no `spec` on the wire: `resource`, `inference` and `tuning` stand beside `metadata`. In Rust they are in the field `spec` of the
//! root type, because that is what kube generates; the accessors make it invisible.
//!
//! Deliberately absent: everything that needs more than the object, such as known presets, sizes, ConfigMaps or the older object (`kaito-core`).

mod accessors;
mod checks;
mod convert;
mod decode;
mod defaults;
mod mig;
mod parts;
mod revision;
mod schema;
pub mod status;
pub mod v1alpha1;
pub mod v1beta1;

pub use accessors::Task;
pub use checks::MOST_NODES;
pub use decode::{DecodeError, Version, decode};
pub use defaults::{DEFAULT_ACCESS_MODE, DEFAULT_COUNT, DEFAULT_INSTANCE_TYPE_V1ALPHA1, fill_defaults};
pub use mig::{MigProfile, MigProfileError};
pub use parts::{AccessMode, AdapterSpec, DataDestination, DataSource, PartitionMode, SourceKind, TuningMethod};
pub use revision::{revision_bytes, revision_data};
pub use status::{Metric, Performance, WorkspaceState, WorkspaceStatus};
pub use v1beta1::{InferenceSpec, PartitionSpec, PresetOptions, PresetSpec, ResourceSpec, TuningSpec, WorkspaceSpec};

/// The hub: what all other code works on, whatever version a manifest is written in.
pub type Workspace = v1beta1::Workspace;

/// How many LoRA adapters a Workspace may have.
pub const MAX_ADAPTERS: usize = 10;
