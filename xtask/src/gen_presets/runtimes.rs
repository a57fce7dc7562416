//! Runtime profiles.

use kaito_presets::GIB;

use super::Files;
use super::data::{FallbackImage, GpuMemory, MaxModelLen, Runtime};
use super::models::image;
use super::rust::{capability, constant, flags, list, option, pair, strings, wrap};

pub fn render(runtimes: &[Runtime], files: &mut Files) -> Result<(), String> {
    let profiles: Vec<String> = runtimes.iter().map(profile).collect::<Result<_, _>>()?;
    let source = format!(
        "//! Runtime profiles, newest GPUs first.\n\n\
         use crate::generated::{{architectures, options, training}};\n\
         use crate::{{ComputeCapability, Confidence, Dtypes, FallbackImage, GpuMemoryRule, Image, Lora, MaxModelLenRule, \
         QuantizationSupport, RuntimeProfile, Supports, TransformersDialect, TransformersRuntime, TuningRuntime, Versions, \
         VllmDialect, WeightsSource}};\n\n\
         pub(crate) static PROFILES: &[RuntimeProfile] = {};\n",
        list(profiles)
    );
    files.insert("runtimes.rs".into(), source);
    Ok(())
}

fn profile(runtime: &Runtime) -> Result<String, String> {
    let below = runtime.capability.below.as_deref().map(capability).transpose()?;
    let versions = &runtime.versions;
    let env: Vec<String> = runtime.vllm_env.iter().map(|text| pair(text)).collect::<Result<_, _>>()?;
    let dialect = &runtime.vllm_dialect;
    let lora = runtime.lora.as_ref().map(|lora| format!("Lora {{ max_rank: {} }}", option(lora.max_rank.as_ref())));
    let from = |(name, from): (&String, &String)| capability(from).map(|from| format!("({name:?}, {from})"));
    let from_capability = runtime.from_capability.iter().map(from).collect::<Result<Vec<_>, _>>()?;
    Ok(format!(
        "RuntimeProfile {{ id: {:?}, min_capability: {}, below_capability: {}, image: {}, fallback_images: {}, \
         versions: Versions {{ vllm: {:?}, torch: {:?}, cuda: {:?}, transformers: {:?} }}, \
         vllm_dialect: VllmDialect::{dialect:?}, dtypes: Dtypes {{ allowed: {}, forced: {} }}, \
         gpu_memory: {}, max_model_len: {}, vllm_flags: {}, vllm_env: {}, \
         supports: {}, lora: {}, architectures: architectures::{}, options: options::{}, bfloat16_only: {}, from_capability: {}, {} {} \
         readiness_floor_seconds: {}, confidence: Confidence::{:?}, note: {:?} }}",
        runtime.id,
        capability(&runtime.capability.min)?,
        wrap(below),
        image(&runtime.image),
        list(runtime.fallback_images.iter().map(fallback)),
        versions.vllm,
        versions.torch,
        versions.cuda,
        versions.transformers,
        strings(&runtime.dtypes.allowed),
        option(runtime.dtypes.forced.as_ref()),
        gpu_memory(&runtime.gpu_memory),
        max_model_len(&runtime.max_model_len),
        flags(&runtime.vllm_flags),
        list(env),
        supports(&runtime.supports),
        wrap(lora),
        constant(&runtime.architectures),
        constant(&runtime.options),
        strings(&sorted(&runtime.bfloat16_only)),
        list(from_capability),
        allowed(runtime)?,
        engines(runtime)?,
        runtime.readiness_floor_seconds,
        runtime.confidence,
        runtime.note,
    ))
}

fn sorted(items: &[String]) -> Vec<String> {
    let mut items = items.to_vec();
    items.sort();
    items
}

fn fallback(fallback: &FallbackImage) -> String {
    format!(
        "FallbackImage {{ image: Image {{ name: {:?}, tag: {:?} }}, only_for: {}, weights_inside: {}, lora: {} }}",
        fallback.name,
        fallback.tag,
        option(fallback.only_for.as_ref()),
        fallback.weights_inside,
        fallback.lora
    )
}

fn gpu_memory(rule: &GpuMemory) -> String {
    match rule {
        GpuMemory::Fixed { default, overrides } => format!(
            "GpuMemoryRule::Fixed {{ default_hundredths: {default}, overrides: {} }}",
            list(overrides.iter().map(|pair| format!("{pair:?}")))
        ),
        GpuMemory::Reserve { gib, cap } => {
            format!("GpuMemoryRule::ReserveThenCap {{ reserve_bytes: {}, cap_hundredths: {cap} }}", bytes(*gib))
        }
    }
}

fn max_model_len(rule: &MaxModelLen) -> String {
    match rule {
        MaxModelLen::Auto => "MaxModelLenRule::Auto".into(),
        MaxModelLen::Computed(rule) => format!(
            "MaxModelLenRule::Computed {{ non_torch_bytes: {}, activation_bytes_per_token: {}, safety_hundredths: {}, round_tokens: {} }}",
            bytes(rule.non_torch_gib),
            rule.activation_kib_per_token * 1024,
            rule.safety,
            rule.round
        ),
    }
}

/// Tenths of GiB in bytes, rounded up.
fn bytes(gib: f64) -> u64 {
    ((gib * 10.0).round() as u64 * GIB).div_ceil(10)
}

/// An unknown word does not compile: every field must exist.
fn supports(words: &[String]) -> String {
    let fields: Vec<String> = words.iter().map(|word| format!("{}: true,", word.replace('-', "_"))).collect();
    // Spelled out: a static cannot call `Default::default`.
    format!("Supports {{ {} ..Supports::NOTHING }}", fields.join(" "))
}

/// What may be asked for: quantisation, parsers.
fn allowed(runtime: &Runtime) -> Result<String, String> {
    let quantization = match &runtime.quantization {
        None => "QuantizationSupport::Any".to_owned(),
        Some(rows) => {
            let rows: Vec<String> = rows
                .iter()
                .map(|(method, min)| Ok(format!("({method:?}, {})", capability(min)?)))
                .collect::<Result<_, String>>()?;
            format!("QuantizationSupport::Only({})", list(rows))
        }
    };
    let parsers = |names: &Option<Vec<String>>| wrap(names.as_ref().map(|names| strings(&sorted(names))));
    Ok(format!(
        "quantization: {quantization}, tool_call_parsers: {}, reasoning_parsers: {},",
        parsers(&runtime.tool_call_parsers),
        parsers(&runtime.reasoning_parsers)
    ))
}

/// Weights, the transformers runtime, tuning.
fn engines(runtime: &Runtime) -> Result<String, String> {
    let (transformers, tuning) = (&runtime.transformers, &runtime.tuning);
    let mut overrides = Vec::new();
    for text in &tuning.template_overrides {
        let (place, value) = text.split_once('=').ok_or_else(|| format!("{text:?} is not Section.key=value"))?;
        let (section, key) = place.split_once('.').ok_or_else(|| format!("{text:?} is not Section.key=value"))?;
        overrides.push(format!("({section:?}, {key:?}, {value:?})"));
    }
    let sources = |sources: &[super::data::WeightsSource]| {
        list(sources.iter().map(|source| format!("WeightsSource::{source:?}")))
    };
    Ok(format!(
        "weights: {}, weights_dir: crate::paths::WEIGHTS_DIR, \
         transformers: TransformersRuntime {{ dialect: TransformersDialect::{:?}, torch_dtype: {}, trust_remote_code: {}, \
         served_model_name: {}, openai_api: {} }}, tuning: TuningRuntime {{ weights: {}, template_overrides: {}, settings: training::{} }},",
        sources(&runtime.weights),
        transformers.dialect,
        option(transformers.torch_dtype.as_ref()),
        transformers.trust_remote_code,
        transformers.served_model_name,
        transformers.openai_api,
        sources(&tuning.weights),
        list(overrides),
        constant(&tuning.settings),
    ))
}
