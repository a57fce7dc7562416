//! The catalogue: one file a family, and the tables of names in `models/mod.rs`.

use std::collections::BTreeMap;
use std::fmt::Write;

use kaito_presets::{GIB, Shape, numbers};

use super::Files;
use super::data::{self, Feature, Image, Modality, Model};
use super::rust::{constant, flags, list, module, option, strings, text, texts, wrap};

/// Names and the path of the static they mean.
type Names = BTreeMap<String, String>;

pub fn render(families: &BTreeMap<String, Vec<Model>>, files: &mut Files) -> Result<(), String> {
    let (mut by_key, mut aliases, mut names) = (Names::new(), Names::new(), Names::new());
    for (family, models) in families {
        let mut entries = String::new();
        for model in models {
            let short_name = short_name(&model.id)?;
            let path = format!("{}::{}", module(family), constant(&short_name));
            let key = model.id.to_ascii_lowercase();
            add(&mut by_key, &key, &path)?;
            for alias in &model.aliases {
                add(&mut aliases, alias, &path)?;
            }
            for name in model.aliases.iter().chain([&key, &short_name]) {
                add(&mut names, name, &path)?;
            }
            entries += &entry(family, model)?;
        }
        let uses: Vec<&str> = TYPES.iter().copied().filter(|name| entries.contains(&format!("{name} {{"))).collect();
        let source = format!(
            "//! Models of the family {family}.\n\nuse std::borrow::Cow;\n\nuse crate::{{Attention, {}}};\n\n{entries}",
            uses.join(", ")
        );
        files.insert(format!("models/{}.rs", module(family)), source);
    }
    files.insert("models/mod.rs".into(), index(families, &by_key, &aliases, &names)?);
    Ok(())
}

/// Types that an entry may be made of.
const TYPES: [&str; 8] =
    ["Features", "Formats", "Image", "Model", "Quantization", "Shape", "TransformersParams", "TuningParams"];

/// A name means one model.
fn add(names: &mut Names, name: &str, path: &str) -> Result<(), String> {
    match names.insert(name.to_owned(), path.to_owned()) {
        Some(other) if other != path => Err(format!("{name:?} means both {other} and {path}")),
        _ => Ok(()),
    }
}

fn short_name(id: &str) -> Result<String, String> {
    let (_, name) = id.rsplit_once('/').ok_or_else(|| format!("{id:?} is not owner/name"))?;
    Ok(name.to_ascii_lowercase())
}

fn index(
    families: &BTreeMap<String, Vec<Model>>,
    by_key: &Names,
    aliases: &Names,
    names: &Names,
) -> Result<String, String> {
    let mut out = String::from("//! Models by name; the entries stand in one file a family.\n\n");
    for family in families.keys() {
        writeln!(out, "mod {};", module(family)).map_err(|why| why.to_string())?;
    }
    let pairs = |names: &Names| list(names.iter().map(|(name, path)| format!("({name:?}, &{path})")));
    let models = list(by_key.values().map(|path| format!("&{path}")));
    Ok(format!(
        "{out}\nuse crate::Model;\n\n\
         /// Every model, sorted by key.\npub(crate) static MODELS: &[&Model] = {models};\n\n\
         /// Every alias, sorted.\npub(crate) static ALIASES: &[(&str, &Model)] = {};\n\n\
         /// Every name: aliases, keys, short names; sorted.\npub(crate) static NAMES: &[(&str, &Model)] = {};\n",
        pairs(aliases),
        pairs(names)
    ))
}

fn entry(family: &str, model: &Model) -> Result<String, String> {
    let short_name = short_name(&model.id)?;
    let weights = stated_bytes(&model.weights).map_err(|why| format!("{}: {why}", model.id))?;
    let downloads = model.downloads.as_ref().map_or(Ok(weights), |stated| stated_bytes(stated));
    let downloads = downloads.map_err(|why| format!("{}: {why}", model.id))?;
    let shape = shape(&model.shape);
    let (attention, kv_bytes) = numbers::attention(&shape);
    let dtype = numbers::dtype(model.quantization.is_some());
    Ok(format!(
        "pub(crate) static {}: Model = Model {{
            id: {}, key: {}, short_name: {}, aliases: {}, family: {family:?}, license: {}, gated: {},
            multimodal: {}, architectures: {}, weights_bytes: {weights}, weights_text: {}, disk_request_gib: {},
            kv_bytes_per_token: {kv_bytes}, attention: Attention::{attention:?}, token_limit: Some({}), dtype: {dtype:?},
            {}
            tool_call_parser: {}, reasoning_parser: {}, chat_template: {}, vllm_flags: {},
            {}
            pinned_revision: {}, revision: None, readiness_timeout_seconds: {},
        }};\n\n",
        constant(&short_name),
        text(&model.id),
        text(&model.id.to_ascii_lowercase()),
        text(&short_name),
        strings(&model.aliases),
        text(&model.license),
        option(model.gated.as_ref()),
        model.modality == Modality::Multimodal,
        texts(&model.architectures),
        text(&model.weights),
        numbers::disk_request_gib(downloads),
        model.token_limit,
        config(model, &shape),
        option(model.tool_call_parser.as_ref()),
        option(model.reasoning_parser.as_ref()),
        option(model.chat_template.as_ref()),
        flags(&model.vllm_flags),
        usage(model),
        option(model.pinned_revision.as_ref()),
        numbers::readiness_timeout_seconds(downloads),
    ))
}

/// Bytes of `7.12Gi`, rounded up.
fn stated_bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is not a size such as 7.12Gi");
    let (whole, part) = text.strip_suffix("Gi").and_then(|n| n.split_once('.')).ok_or_else(wrong)?;
    if part.len() != 2 {
        return Err(wrong());
    }
    let (whole, part): (u64, u64) = (whole.parse().map_err(|_| wrong())?, part.parse().map_err(|_| wrong())?);
    Ok(((whole * 100 + part) * GIB).div_ceil(100))
}

fn shape(stated: &data::Shape) -> Shape {
    let data::Shape { hidden_size, layers, heads, kv_heads, head_dim, kv_lora_rank, qk_rope_head_dim } = *stated;
    let head_dim = head_dim.unwrap_or_else(|| numbers::head_dim(hidden_size, heads));
    Shape { hidden_size, layers, heads, kv_heads, head_dim, kv_lora_rank, qk_rope_head_dim }
}

/// What `config.json` says: quantization, shape, formats.
fn config(model: &Model, shape: &Shape) -> String {
    let formats = &model.formats;
    let quantization = model.quantization.as_ref().map(|quantization| {
        let bits = option(quantization.bits.as_ref());
        format!("Quantization {{ method: {}, bits: {bits} }}", text(&quantization.method))
    });
    let format = |value: &Option<String>| format!("{:?}", value.as_deref().unwrap_or("auto"));
    format!(
        "quantization: {}, shape: Shape {{ hidden_size: {}, layers: {}, heads: {}, kv_heads: {}, head_dim: {}, \
         kv_lora_rank: {}, qk_rope_head_dim: {} }}, formats: Formats {{ load: {}, config: {}, tokenizer: {} }},",
        wrap(quantization),
        shape.hidden_size,
        shape.layers,
        shape.heads,
        shape.kv_heads,
        shape.head_dim,
        option(shape.kv_lora_rank.as_ref()),
        option(shape.qk_rope_head_dim.as_ref()),
        format(&formats.load),
        format(&formats.config),
        format(&formats.tokenizer),
    )
}

/// What the model needs, and what it can be used for.
fn usage(model: &Model) -> String {
    let has = |feature: Feature| model.features.contains(&feature);
    let (hybrid, deepgemm, nvcc) = (has(Feature::HybridKv), has(Feature::Deepgemm), has(Feature::FlashinferNvcc));
    let transformers = model.transformers.as_ref().map(|params| {
        format!(
            "TransformersParams {{ torch_dtype: {:?}, chat_template: {}, allow_remote_files: {}, trust_remote_code: {} }}",
            params.torch_dtype,
            option(params.chat_template.as_ref()),
            params.allow_remote_files,
            params.trust_remote_code
        )
    });
    let tuning = model.tuning.as_ref().map(|params| {
        format!(
            "TuningParams {{ disk_request_gib: {}, former_gpu_memory_gib: {}, target_modules: {} }}",
            params.disk_gib,
            params.former_gpu_memory_gib,
            option(params.target_modules.as_ref())
        )
    });
    format!(
        "features: Features {{ hybrid_kv: {hybrid}, kv_offload_disabled: {}, deepgemm: {deepgemm}, \
         flashinfer_nvcc: {nvcc}, cuda_toolkit: {} }}, transformers: {}, tuning: {}, weights_artifact: {},",
        hybrid || has(Feature::NoKvOffload),
        deepgemm || nvcc,
        wrap(transformers),
        wrap(tuning),
        wrap(model.weights_artifact.as_ref().map(image)),
    )
}

pub fn image(image: &Image) -> String {
    format!("Image {{ name: {:?}, tag: {:?} }}", image.name, image.tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_exact() {
        assert_eq!(stated_bytes("7.12Gi"), Ok(7_645_041_787)); // 7.12 × 2^30 = 7645041786.88
        assert_eq!(stated_bytes("26.00Gi"), Ok(26 * GIB));
        assert!(stated_bytes("7.1Gi").is_err());
    }
}
