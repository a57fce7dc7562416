//! What is known before any cluster is looked at: models, machine sizes, runtime images.
//!
//! Every table is `&'static`, sorted, and found by binary search; nothing is read at run time. The tables are generated from the files in `data/` by
//! `cargo xtask gen-presets` and committed under `generated/`.
//!
//! Not here: how much memory a model needs on a GPU, which layout it gets, what a manifest looks like (`kaito-core`), and models of Hugging Face that the
//! catalogue does not name: those are described from their own `config.json` (`kaito_core::hub`), with [`numbers`] and the tables of [`parsers`].

pub mod images; // side containers, the registry, how an image reference is put together
pub mod numbers; // what follows from size and shape: disk, KV cache, time to start
pub mod parsers; // tool-call and reasoning parsers, templates, flags: by name prefix and architecture
pub mod paths; // where things lie inside the containers
pub mod ports; // who listens where

mod capability; // CUDA compute capability
mod catalogue; // find a model by any of its names; say what was meant when there is none
mod generated; // the tables
mod mig; // into which slices a GPU can be divided
mod model; // what a model is
mod nearest; // names that look alike
mod options; // what a server of vLLM can be told
mod removed; // names that once were presets
mod runtime; // which image serves which GPU, and how it wants to be spoken to
mod sku; // machine sizes by cloud
mod trainer; // what the trainer of an image can be told

pub use capability::ComputeCapability;
pub use catalogue::{UnknownModel, aliases, is_hub_id, model, models, nearest};
pub use images::Image;
pub use mig::{MIG_FAMILIES, MigFamily, is_mig_profile, mig_family};
pub use model::{
    ASSUMED_TOKENS, Attention, Features, Flag, Formats, Model, ModelRef, Quantization, Shape, Text, TransformersParams,
    TuningMethod, TuningParams,
};
pub use options::{Takes, VllmOption};
pub use removed::{Removed, removed, removed_presets};
pub use runtime::{
    Confidence, Dtypes, FallbackImage, GpuMemoryRule, Lora, MaxModelLenRule, QuantizationSupport, RuntimeProfile,
    Supports, TransformersDialect, TransformersRuntime, TuningRuntime, Versions, VllmDialect, WeightsSource, profile,
    profile_for, profiles,
};
pub use sku::{Cloud, GpuVendor, Retirement, Sku, nearest_skus, sku, skus};
pub use trainer::{TrainerSetting, TrainerTakes};

/// One GiB in bytes.
pub const GIB: u64 = 1 << 30;
/// One KiB in bytes.
pub const KIB: u64 = 1 << 10;
