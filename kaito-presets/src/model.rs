//! What a model is: facts of its repository, and how the engines want it served.
//!
//! Source of every number of the catalogue: the catalogue of KAITO v0.12.0 (`model_catalog.yaml`), which took it from the files and `config.json` of each Hugging Face repository.
//! Sizes are those of the reference even where it counts files twice (gpt-oss): what really fits is for the sizing to say.
//! A model that the catalogue does not name is described in the same words from its own files (`kaito_core::hub`), which is why some of them may be owned.

use crate::Image;
use std::borrow::Cow;
use std::ops::Deref;
use std::sync::Arc;

/// Words that stand in a table, or were read.
pub type Text = Cow<'static, str>;

/// Tokens of context that a model has at least of which nothing is said, as the engines and the reference assume.
pub const ASSUMED_TOKENS: u64 = 2048;

/// A command-line flag without its dashes, and its value where it takes one.
///
/// The spelling is the image's: `load_format` is not `load-format`. A value is bare; quoting for a shell is the caller's.
pub type Flag = (&'static str, Option<&'static str>);

/// An entry of the catalogue, or a repository of a hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// The Hugging Face repository in its own spelling: `microsoft/Phi-3-mini-4k-instruct`.
    pub id: Text,
    /// The key of the catalogue: the id in lower case.
    pub key: Text,
    /// The last segment of the key: the default served model name, and what prefix tables look at.
    pub short_name: Text,
    /// Older names that mean this model, lower case.
    pub aliases: &'static [&'static str],
    /// The data file the entry comes from: `phi`, `qwen`, …; `hub` for what is in none.
    pub family: &'static str,
    /// License as the repository names it; empty where nobody has looked.
    pub license: Text,
    /// Whether the repository asks for a token; `None` where nobody has established it.
    pub gated: Option<bool>,
    /// Takes images or sound too.
    pub multimodal: bool,
    /// `architectures` of `config.json`.
    pub architectures: Cow<'static, [Text]>,
    /// Size of the weight files in bytes; of the catalogue's, [`Self::weights_text`] × 2^30, rounded up.
    pub weights_bytes: u64,
    /// The same with two decimals, as it stands in manifests: `7.12Gi`.
    pub weights_text: Text,
    /// Node disk to ask for, in GiB: the weights and 80 GiB for the system, rounded down.
    pub disk_request_gib: u64,
    /// Bytes of KV cache that one token takes over all layers at 16 bits, each layer counted as full attention.
    pub kv_bytes_per_token: u64,
    /// How heads share keys and values.
    pub attention: Attention,
    /// Longest context, in tokens; `None` where the repository does not say.
    pub token_limit: Option<u64>,
    /// `--dtype` for vLLM where the profile forces nothing: `auto` for quantised weights, else `bfloat16`.
    pub dtype: &'static str,
    /// How the weights are quantised, if they are.
    pub quantization: Option<Quantization>,
    /// The numbers of `config.json`.
    pub shape: Shape,
    /// `load_format`, `config_format`, `tokenizer_mode`.
    pub formats: Formats,
    /// `--tool-call-parser` of vLLM 0.25 (and with it `--enable-auto-tool-choice`).
    pub tool_call_parser: Option<&'static str>,
    /// `--reasoning-parser` of vLLM 0.25.
    pub reasoning_parser: Option<&'static str>,
    /// File below [`crate::paths::CHAT_TEMPLATES_DIR`] for vLLM.
    pub chat_template: Option<&'static str>,
    /// What else vLLM 0.25 is told, sorted by flag.
    pub vllm_flags: &'static [Flag],
    /// What the model needs or forbids.
    pub features: Features,
    /// Parameters for the transformers runtime; without them it cannot serve the model.
    pub transformers: Option<TransformersParams>,
    /// Parameters for tuning; without them the model cannot be tuned.
    pub tuning: Option<TuningParams>,
    /// The published OCI artefact with the weights, where there is one: a flat copy of the repository at [`Self::pinned_revision`].
    pub weights_artifact: Option<Image>,
    /// The commit that releases up to v0.10 pinned. The current catalogue follows `main`.
    pub pinned_revision: Option<&'static str>,
    /// The commit that all of this was read at, and that is served; without one, `main` is.
    pub revision: Option<Text>,
    /// How long a start may take, in seconds: 15 minutes and 18 s a GiB, within 30 minutes and 3 hours, rounded up.
    pub readiness_timeout_seconds: u64,
}

impl Model {
    /// The name a user would type: the first alias, else the id.
    #[must_use]
    pub fn preferred_name(&self) -> &str {
        self.aliases.first().copied().unwrap_or(&self.id)
    }

    /// What a downloader is told: as upstream the key; where a commit is named, the repository's own spelling, for a mirror may insist on it.
    #[must_use]
    pub fn download_id(&self) -> &str {
        if self.revision.is_some() { &self.id } else { &self.key }
    }
}

/// A model, wherever it is described. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelRef {
    /// In the catalogue.
    Catalogue(&'static Model),
    /// On a hub.
    Hub(Arc<Model>),
}

impl Deref for ModelRef {
    type Target = Model;

    fn deref(&self) -> &Model {
        match self {
            ModelRef::Catalogue(model) => model,
            ModelRef::Hub(model) => model,
        }
    }
}

/// How attention heads share keys and values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Attention {
    /// Multi-head: a key-value head for each head.
    Mha,
    /// Grouped-query: some heads share one.
    Gqa,
    /// Multi-query: all heads share one.
    Mqa,
    /// Multi-head latent: a compressed cache, the same on every GPU.
    Mla,
    /// The repository names no heads: a model without attention, or one that says so in words nobody knows. Its cache counts as nothing.
    Unknown,
}

impl Attention {
    /// `MHA`, `GQA`, `MQA`, `MLA`, `Unknown`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mha => "MHA",
            Self::Gqa => "GQA",
            Self::Mqa => "MQA",
            Self::Mla => "MLA",
            Self::Unknown => "Unknown",
        }
    }
}

/// How weights are quantised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quantization {
    /// `quant_method`, or the `format` below it: `fp8`, `awq`, `mxfp4`, `pack-quantized`, …
    pub method: Text,
    /// Bits of one weight, where the repository says.
    pub bits: Option<u32>,
}

/// The numbers of `config.json` that sizes are computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// `hidden_size`.
    pub hidden_size: u32,
    /// `num_hidden_layers`, whatever their kind.
    pub layers: u32,
    /// `num_attention_heads`; tensor parallelism must divide it.
    pub heads: u32,
    /// `num_key_value_heads`.
    pub kv_heads: u32,
    /// `head_dim`, else hidden size by heads, rounded down.
    pub head_dim: u32,
    /// `kv_lora_rank`: only multi-head latent attention has it.
    pub kv_lora_rank: Option<u32>,
    /// `qk_rope_head_dim`.
    pub qk_rope_head_dim: Option<u32>,
}

/// In which format files are read: `auto`, `mistral`, …
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Formats {
    /// `--load_format`.
    pub load: &'static str,
    /// `--config_format`.
    pub config: &'static str,
    /// `--tokenizer_mode`.
    pub tokenizer: &'static str,
}

/// What a model needs from a machine, or forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Features {
    /// Layers of several kinds share the KV cache.
    pub hybrid_kv: bool,
    /// The KV cache must stay on the GPU (hybrid ones, and gpt-oss): `--kaito-kv-cache-cpu-memory-utilization=0`.
    pub kv_offload_disabled: bool,
    /// `VLLM_USE_DEEP_GEMM=1`.
    pub deepgemm: bool,
    /// Kernels are compiled at start with nvcc.
    pub flashinfer_nvcc: bool,
    /// The node needs the CUDA toolkit: for one of the two above.
    pub cuda_toolkit: bool,
}

/// How the transformers runtime is told to serve a model; `--pipeline=text-generation` goes with all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransformersParams {
    /// `--torch_dtype`: `auto` or `bfloat16`, where the profile forces nothing.
    pub torch_dtype: &'static str,
    /// File below [`crate::paths::CHAT_TEMPLATES_DIR`].
    pub chat_template: Option<&'static str>,
    /// `--allow_remote_files` (downloading sets it too).
    pub allow_remote_files: bool,
    /// `--trust_remote_code`, where the profile passes it at all.
    pub trust_remote_code: bool,
}

/// What tuning a model takes. All take both methods, one node, and 30 minutes to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TuningParams {
    /// Node disk to ask for, in GiB.
    pub disk_request_gib: u64,
    /// GPU memory in GiB that releases up to v0.6 asked for. Far above the need; nothing reads it since, and nothing should be refused by it.
    pub former_gpu_memory_gib: u64,
    /// `DEFAULT_TARGET_MODULES`: the layers to adapt where the user names none.
    pub target_modules: Option<&'static str>,
}

impl TuningParams {
    /// Methods every tunable model takes.
    pub const METHODS: [TuningMethod; 2] = [TuningMethod::Lora, TuningMethod::Qlora];
}

/// How a model is tuned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TuningMethod {
    /// Low-rank adapters on weights as they are.
    Lora,
    /// Low-rank adapters on weights quantised to four bits.
    Qlora,
}

impl TuningMethod {
    /// As in a manifest: `lora`, `qlora`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lora => "lora",
            Self::Qlora => "qlora",
        }
    }
}
