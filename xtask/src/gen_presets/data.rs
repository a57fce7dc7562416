//! The shape of the data files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

pub fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|why| format!("{}: {why}", path.display()))
}

pub fn yaml<T: DeserializeOwned>(path: &Path) -> Result<T, String> {
    serde_saphyr::from_str(&read(path)?).map_err(|why| format!("{}: {why}", path.display()))
}

/// File name (without its ending) and entries of each family.
pub fn models(data: &Path) -> Result<BTreeMap<String, Vec<Model>>, String> {
    let folder = data.join("models");
    let entries = fs::read_dir(&folder).map_err(|why| format!("{}: {why}", folder.display()))?;
    let mut families = BTreeMap::new();
    for entry in entries {
        let path = entry.map_err(|why| why.to_string())?.path();
        let family = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        families.insert(family, yaml(&path)?);
    }
    Ok(families)
}

pub fn runtimes(data: &Path) -> Result<Vec<Runtime>, String> {
    yaml(&data.join("runtimes.yaml"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    pub id: String,
    #[serde(default)]
    pub aliases: Vec<String>,
    pub license: String,
    pub gated: Option<bool>,
    pub architectures: Vec<String>,
    pub modality: Modality,
    /// With two decimals: `7.12Gi`.
    pub weights: String,
    pub downloads: Option<String>,
    pub token_limit: u64,
    pub shape: Shape,
    pub quantization: Option<Quantization>,
    #[serde(default)]
    pub formats: Formats,
    pub tool_call_parser: Option<String>,
    pub reasoning_parser: Option<String>,
    pub chat_template: Option<String>,
    #[serde(default)]
    pub vllm_flags: Vec<String>,
    #[serde(default)]
    pub features: Vec<Feature>,
    pub transformers: Option<Transformers>,
    pub tuning: Option<Tuning>,
    pub weights_artifact: Option<Image>,
    pub pinned_revision: Option<String>,
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Modality {
    Text,
    Multimodal,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    pub hidden_size: u32,
    pub layers: u32,
    pub heads: u32,
    pub kv_heads: u32,
    pub head_dim: Option<u32>,
    pub kv_lora_rank: Option<u32>,
    pub qk_rope_head_dim: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantization {
    pub method: String,
    pub bits: Option<u32>,
}

/// `auto` where nothing is said.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct Formats {
    pub load: Option<String>,
    pub config: Option<String>,
    pub tokenizer: Option<String>,
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Feature {
    HybridKv,
    NoKvOffload,
    Deepgemm,
    FlashinferNvcc,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transformers {
    pub torch_dtype: String,
    pub chat_template: Option<String>,
    #[serde(default)]
    pub allow_remote_files: bool,
    #[serde(default)]
    pub trust_remote_code: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tuning {
    pub disk_gib: u64,
    pub former_gpu_memory_gib: u64,
    pub target_modules: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    pub name: String,
    pub tag: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Removed {
    pub name: String,
    pub first_release: String,
    pub last_release: String,
    pub replacement: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parsers {
    pub reasoning_parser_by_prefix: BTreeMap<String, String>,
    pub reasoning_parser_by_architecture: BTreeMap<String, String>,
    pub no_reasoning_parser: Vec<String>,
    pub tool_call_parser_by_prefix: BTreeMap<String, String>,
    pub tool_call_parser_by_architecture: BTreeMap<String, String>,
    pub chat_template_by_prefix: BTreeMap<String, String>,
    pub tokenizer_mode_by_prefix: BTreeMap<String, String>,
    pub vllm_flags_by_prefix: BTreeMap<String, Vec<String>>,
    pub architecture_by_prefix: BTreeMap<String, String>,
    pub hybrid_kv: Vec<String>,
    pub no_kv_offload: Vec<String>,
    pub deepgemm: Vec<String>,
    pub flashinfer_nvcc: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Runtime {
    pub id: String,
    pub capability: CapabilityRange,
    pub image: Image,
    #[serde(default)]
    pub fallback_images: Vec<FallbackImage>,
    pub versions: Versions,
    pub vllm_dialect: VllmDialect,
    pub dtypes: Dtypes,
    pub gpu_memory: GpuMemory,
    pub max_model_len: MaxModelLen,
    pub vllm_flags: Vec<String>,
    pub vllm_env: Vec<String>,
    pub supports: Vec<String>,
    pub lora: Option<Lora>,
    pub architectures: String,
    pub options: String,
    #[serde(default)]
    pub bfloat16_only: Vec<String>,
    #[serde(default)]
    pub from_capability: BTreeMap<String, String>,
    pub quantization: Option<BTreeMap<String, String>>,
    pub tool_call_parsers: Option<Vec<String>>,
    pub reasoning_parsers: Option<Vec<String>>,
    pub weights: Vec<WeightsSource>,
    pub transformers: TransformersRuntime,
    pub tuning: TuningRuntime,
    pub readiness_floor_seconds: u64,
    pub confidence: Confidence,
    pub note: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapabilityRange {
    pub min: String,
    pub below: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FallbackImage {
    pub name: String,
    pub tag: String,
    pub only_for: Option<String>,
    pub weights_inside: bool,
    pub lora: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Versions {
    pub vllm: String,
    pub torch: String,
    pub cuda: String,
    pub transformers: String,
}

#[derive(Deserialize, Debug)]
pub enum VllmDialect {
    #[serde(rename = "vllm-0.25")]
    Vllm025,
    #[serde(rename = "vllm-0.8-v0")]
    Vllm08V0,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dtypes {
    pub allowed: Vec<String>,
    pub forced: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum GpuMemory {
    Fixed { default: u32, overrides: BTreeMap<String, u32> },
    Reserve { gib: f64, cap: u32 },
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MaxModelLen {
    Auto,
    Computed(ComputedLen),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComputedLen {
    pub non_torch_gib: f64,
    pub activation_kib_per_token: u64,
    pub safety: u32,
    pub round: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lora {
    pub max_rank: Option<u32>,
}

#[derive(Deserialize, Debug)]
#[serde(rename_all = "kebab-case")]
pub enum WeightsSource {
    OciArtifact,
    HubDownload,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransformersRuntime {
    pub dialect: TransformersDialect,
    pub torch_dtype: Option<String>,
    #[serde(default)]
    pub trust_remote_code: bool,
    #[serde(default)]
    pub served_model_name: bool,
    #[serde(default)]
    pub openai_api: bool,
}

#[derive(Deserialize, Debug)]
pub enum TransformersDialect {
    #[serde(rename = "tfs-openai")]
    TfsOpenAi,
    #[serde(rename = "tfs-chat")]
    TfsChat,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TuningRuntime {
    pub weights: Vec<WeightsSource>,
    /// `Section.key=value`.
    #[serde(default)]
    pub template_overrides: Vec<String>,
    pub settings: String,
}

#[derive(Deserialize, Debug)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    Certain,
    Likely,
    Unverified,
}
