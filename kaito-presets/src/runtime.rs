//! Which published image serves which GPU, and how it wants to be spoken to.
//!
//! Choose by the smallest compute capability among a Workspace's nodes, and never mix profiles in one workload. Where the capability is not known,
//! [`profile`]`("current")` and a warning.

use crate::generated::runtimes::PROFILES;
use crate::{ComputeCapability, Flag, Image, Quantization, TrainerSetting, VllmOption};

/// A runtime image and everything that depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuntimeProfile {
    /// `current`, `volta-turing`.
    pub id: &'static str,
    /// Smallest compute capability it serves.
    pub min_capability: ComputeCapability,
    /// First capability it does not serve any more; `None`: no upper end.
    pub below_capability: Option<ComputeCapability>,
    /// Serves and tunes.
    pub image: Image,
    /// Images to try if the registry does not have [`Self::image`] any more, in this order.
    pub fallback_images: &'static [FallbackImage],
    /// What is inside.
    pub versions: Versions,
    /// Which flags vLLM understands.
    pub vllm_dialect: VllmDialect,
    /// Numeric types.
    pub dtypes: Dtypes,
    /// How `--gpu-memory-utilization` is chosen.
    pub gpu_memory: GpuMemoryRule,
    /// How `--max-model-len` is chosen where the user gives none.
    pub max_model_len: MaxModelLenRule,
    /// Flags that every vLLM command gets, sorted.
    pub vllm_flags: &'static [Flag],
    /// Environment that every vLLM container gets, in this order. `VLLM_USE_DEEP_GEMM` is not here: it is the model's (see [`Supports::deep_gemm`]).
    pub vllm_env: &'static [(&'static str, &'static str)],
    /// What it can do.
    pub supports: Supports,
    /// Adapters under vLLM.
    pub lora: Option<Lora>,
    /// Architectures that its vLLM knows, sorted. See [`Self::knows_architecture`].
    pub architectures: &'static [&'static str],
    /// What its vLLM can be told, sorted by name. See [`Self::option`].
    pub options: &'static [VllmOption],
    /// Architectures that overflow in float16 and so cannot run here, sorted.
    pub bfloat16_only: &'static [&'static str],
    /// Architectures whose kernels begin at newer GPUs than the others', with the first capability that has them, sorted.
    pub from_capability: &'static [(&'static str, ComputeCapability)],
    /// Quantisation methods.
    pub quantization: QuantizationSupport,
    /// Tool-call parsers its vLLM has, sorted; `None`: all that our tables name.
    pub tool_call_parsers: Option<&'static [&'static str]>,
    /// Reasoning parsers its vLLM has, sorted; `None`: all that our tables name.
    pub reasoning_parsers: Option<&'static [&'static str]>,
    /// Where weights come from for inference, the best first. A source that a model does not have is passed over.
    pub weights: &'static [WeightsSource],
    /// Where weights lie in the container.
    pub weights_dir: &'static str,
    /// The transformers runtime of the same image.
    pub transformers: TransformersRuntime,
    /// Tuning with the same image.
    pub tuning: TuningRuntime,
    /// Shortest time a start must be given, in seconds.
    pub readiness_floor_seconds: u64,
    /// How sure we are that it works.
    pub confidence: Confidence,
    /// Why, in words.
    pub note: &'static str,
}

impl RuntimeProfile {
    /// Whether GPUs of that capability are served.
    #[must_use]
    pub fn serves(&self, capability: ComputeCapability) -> bool {
        capability >= self.min_capability && self.below_capability.is_none_or(|end| capability < end)
    }

    /// Whether its vLLM has a class for the architecture.
    #[must_use]
    pub fn knows_architecture(&self, architecture: &str) -> bool {
        self.architectures.binary_search(&architecture).is_ok()
    }

    /// The first capability that has kernels for the architecture, where it is not that of the others.
    #[must_use]
    pub fn first_capability(&self, architecture: &str) -> Option<ComputeCapability> {
        let rows = self.from_capability;
        rows.binary_search_by(|(name, _)| (*name).cmp(architecture)).ok().map(|index| rows[index].1)
    }

    /// The option of its vLLM with that name, in dashes.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&'static VllmOption> {
        let options = self.options;
        options.binary_search_by(|option| option.name.cmp(name)).ok().map(|index| &options[index])
    }

    /// Whether the architecture needs bfloat16, which this profile's GPUs do not have.
    #[must_use]
    pub fn overflows_in_float16(&self, architecture: &str) -> bool {
        self.bfloat16_only.binary_search(&architecture).is_ok()
    }
}

/// Every profile, newest GPUs first.
#[must_use]
pub fn profiles() -> &'static [RuntimeProfile] {
    PROFILES
}

/// The profile of that id.
#[must_use]
pub fn profile(id: &str) -> Option<&'static RuntimeProfile> {
    PROFILES.iter().find(|profile| profile.id == id)
}

/// The profile that serves GPUs of that capability; `None` below 7.0.
#[must_use]
pub fn profile_for(capability: ComputeCapability) -> Option<&'static RuntimeProfile> {
    PROFILES.iter().find(|profile| profile.serves(capability))
}

/// What is inside an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    /// vLLM.
    pub vllm: &'static str,
    /// PyTorch.
    pub torch: &'static str,
    /// The CUDA that PyTorch is built with.
    pub cuda: &'static str,
    /// transformers.
    pub transformers: &'static str,
}

/// An image that can stand in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FallbackImage {
    /// The image.
    pub image: Image,
    /// Key of the only model it serves; `None`: all.
    pub only_for: Option<&'static str>,
    /// The weights are inside, at the weights directory: no volume may be mounted over it.
    pub weights_inside: bool,
    /// Can serve adapters under vLLM.
    pub lora: bool,
}

/// Which flags vLLM understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VllmDialect {
    /// vLLM 0.25: `max-model-len=auto`, dotted config flags, the project's KV-cache flags.
    Vllm025,
    /// vLLM 0.8, engine V0: numbers only; boolean flags come in pairs (`--no-…`) and never take a value.
    Vllm08V0,
}

impl VllmDialect {
    /// `vllm-0.25`, `vllm-0.8-v0`.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Vllm025 => "vllm-0.25",
            Self::Vllm08V0 => "vllm-0.8-v0",
        }
    }
}

/// Numeric types of a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dtypes {
    /// What a user may ask for.
    pub allowed: &'static [&'static str],
    /// Passed whatever the model says, unless the user asks for another allowed one.
    pub forced: Option<&'static str>,
}

/// How `--gpu-memory-utilization` is chosen. Fractions are in hundredths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GpuMemoryRule {
    /// One number, other ones for some GPU models.
    Fixed {
        /// For all others.
        default_hundredths: u32,
        /// By [`crate::Sku::gpu_model`], exactly.
        overrides: &'static [(&'static str, u32)],
    },
    /// 1 - reserve / advertised memory of one GPU, rounded down to hundredths, at most the cap.
    ReserveThenCap {
        /// Left to what does not count: CUDA context, graphs.
        reserve_bytes: u64,
        /// Never more.
        cap_hundredths: u32,
    },
}

/// How `--max-model-len` is chosen where the user gives none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxModelLenRule {
    /// `auto`: the engine measures.
    Auto,
    /// (utilisation × visible bytes - weights - non-torch) / (KV bytes + activation bytes of a token) × safety, rounded down, at most the model's limit.
    Computed {
        /// Taken by CUDA and libraries.
        non_torch_bytes: u64,
        /// Taken by the one long prefill that start-up profiles.
        activation_bytes_per_token: u64,
        /// Factor on the result, in hundredths.
        safety_hundredths: u32,
        /// The result is a multiple of this many tokens.
        round_tokens: u64,
    },
}

/// What a profile can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Supports {
    /// Pipelines over several nodes (Ray).
    pub multi_node: bool,
    /// Several replicas in one machine.
    pub data_parallel: bool,
    /// The image has the benchmark that a startup probe runs.
    pub benchmark_probe: bool,
    /// Publishes KV-cache events.
    pub kv_events: bool,
    /// `--performance-mode`.
    pub performance_mode: bool,
    /// A switch in the user's config file, which the image always passes with a value: here its vLLM takes the value of one of them for something else, and it is on whatever the value says.
    /// Where not, the server does not start.
    pub config_booleans: bool,
    /// `VLLM_USE_DEEP_GEMM` is understood: 1 where [`crate::Features::deepgemm`], else 0.
    pub deep_gemm: bool,
    /// `--kv-cache-dtype=fp8`.
    pub fp8_kv_cache: bool,
    /// KV cache in host memory (LMCache) and the project's flag for it.
    pub kv_offload: bool,
    /// Models with multi-head latent attention.
    pub mla: bool,
    /// Weights streamed from object storage.
    pub model_streaming: bool,
    /// Prefill and decode in different pods.
    pub prefill_decode_roles: bool,
    /// `--model` must be given even when the weights lie in the weights directory: the image has no links to it.
    pub explicit_model_path: bool,
    /// `--reasoning-parser` works only together with `--enable-reasoning`.
    pub enable_reasoning_switch: bool,
}

impl Supports {
    /// Where a profile begins: it names what it can.
    pub(crate) const NOTHING: Self = Self {
        multi_node: false,
        data_parallel: false,
        benchmark_probe: false,
        kv_events: false,
        performance_mode: false,
        config_booleans: false,
        deep_gemm: false,
        fp8_kv_cache: false,
        kv_offload: false,
        mla: false,
        model_streaming: false,
        prefill_decode_roles: false,
        explicit_model_path: false,
        enable_reasoning_switch: false,
    };
}

/// Adapters under vLLM: `--enable-lora`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lora {
    /// `--max-lora-rank`, passed with `--max-loras`; `None`: pass neither.
    pub max_rank: Option<u32>,
}

/// Which quantisation methods a profile can serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuantizationSupport {
    /// All that its vLLM knows.
    Any,
    /// These, sorted, from these capabilities on.
    Only(&'static [(&'static str, ComputeCapability)]),
}

impl QuantizationSupport {
    /// Whether weights quantised so can be served on GPUs of that capability.
    #[must_use]
    pub fn allows(&self, quantization: &Quantization, capability: ComputeCapability) -> bool {
        self.allows_method(&quantization.method, capability)
    }

    /// The same for a method by its name.
    #[must_use]
    pub fn allows_method(&self, name: &str, capability: ComputeCapability) -> bool {
        match self {
            Self::Any => true,
            Self::Only(rows) => rows.iter().any(|(method, min)| *method == name && capability >= *min),
        }
    }
}

/// Where weights come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WeightsSource {
    /// [`crate::Model::weights_artifact`], pulled by an init container.
    OciArtifact,
    /// Hugging Face, when the server starts.
    HubDownload,
}

/// How the transformers server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransformersDialect {
    /// The API of OpenAI.
    TfsOpenAi,
    /// `POST /chat`; unknown flags end in the model's arguments.
    TfsChat,
}

impl TransformersDialect {
    /// `tfs-openai`, `tfs-chat`.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::TfsOpenAi => "tfs-openai",
            Self::TfsChat => "tfs-chat",
        }
    }
}

/// The transformers runtime of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransformersRuntime {
    /// How it speaks.
    pub dialect: TransformersDialect,
    /// `--torch_dtype`, whatever the model says.
    pub torch_dtype: Option<&'static str>,
    /// Pass `--trust_remote_code` where the model wants it. Not with transformers 4.49 to 4.x: phi-3's own code fails there at the first request.
    pub trust_remote_code: bool,
    /// It knows `--served_model_name`.
    pub served_model_name: bool,
    /// It serves `/v1/…`.
    pub openai_api: bool,
}

impl TransformersRuntime {
    /// Start of its command, the same in every image.
    pub const LAUNCHER: &'static str = "accelerate launch";
    /// Flags of the launcher, in this order.
    pub const ACCELERATE_PARAMS: &'static [(&'static str, &'static str)] =
        &[("num_processes", "1"), ("num_machines", "1"), ("machine_rank", "0"), ("gpu_ids", "all")];
    /// The program that is launched.
    pub const MAIN_FILE: &'static str = crate::paths::TRANSFORMERS_SERVER;
    /// Flags that every model gets.
    pub const RUN_PARAMS: &'static [Flag] = &[("pipeline", Some("text-generation"))];
}

/// Tuning with an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TuningRuntime {
    /// Where weights come from, the best first.
    pub weights: &'static [WeightsSource],
    /// What differs in the templates of the config: (section, key, value).
    pub template_overrides: &'static [(&'static str, &'static str, &'static str)],
    /// What its trainer can be told, sorted by section and key. See [`Self::setting`].
    pub settings: &'static [TrainerSetting],
}

impl TuningRuntime {
    /// The setting of that name, in underscores.
    #[must_use]
    pub fn setting(&self, section: &str, key: &str) -> Option<&'static TrainerSetting> {
        let settings = self.settings;
        let found = settings.binary_search_by(|setting| (setting.section, setting.key).cmp(&(section, key)));
        found.ok().map(|index| &settings[index])
    }

    /// Start of its command, the same in every image; `--num_processes=<GPUs>` comes next.
    pub const LAUNCHER: &'static str = "cd /workspace/tfs/ && python3 metrics_server.py & accelerate launch";
    /// The program that is launched.
    pub const MAIN_FILE: &'static str = crate::paths::TUNING_PROGRAM;
    /// Environment of every tuning container.
    pub const ENV: &'static [(&'static str, &'static str)] = &[("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")];
    /// Variable for [`crate::TuningParams::target_modules`].
    pub const TARGET_MODULES_ENV: &'static str = "DEFAULT_TARGET_MODULES";
    /// How long a start may take, in seconds.
    pub const READINESS_TIMEOUT_SECONDS: u64 = 1800;
}

/// How sure we are that a profile works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Confidence {
    /// It follows from files we have read, or it runs.
    Certain,
    /// All we have read says so; nobody has run it.
    Likely,
    /// Needs the hardware.
    Unverified,
}
