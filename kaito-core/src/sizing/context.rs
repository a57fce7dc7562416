//! How long a context may be, and how much of a GPU the engine is told to take.

use crate::units::Bytes;
use crate::words::quoted;
use kaito_presets::{GpuMemoryRule, MaxModelLenRule, Model, RuntimeProfile, Sku};
use serde_json::Value;

/// Why a user's runtime configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContextError {
    /// Not YAML.
    #[error("key inference_config.yaml is not YAML: {0}")]
    NotYaml(String),
    /// Not a map of sections, or `vllm` is none.
    #[error("key inference_config.yaml: expected a map with a section `vllm`, itself a map of flags and values")]
    NotSections,
    /// `vllm.max-model-len` is neither a positive number nor `auto`.
    #[error("vllm.max-model-len is {0}: expected a positive whole number")]
    NotANumber(String),
}

/// The context length that a user's `inference_config.yaml` names, if it names one.
pub fn user_context(yaml: &str) -> Result<Option<u32>, ContextError> {
    let config: Value = serde_saphyr::from_str(yaml).map_err(|error| ContextError::NotYaml(first_line(&error)))?;
    let is_section = |value: &Value| value.is_object() || value.is_null();
    if !is_section(&config) || !config.get("vllm").is_none_or(is_section) {
        return Err(ContextError::NotSections);
    }
    let named = config.get("vllm").and_then(|vllm| vllm.get("max-model-len").or_else(|| vllm.get("max_model_len")));
    match named {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(auto)) if auto == "auto" => Ok(None),
        Some(value) => {
            let number = value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
            let in_range = number.and_then(|tokens| u32::try_from(tokens).ok()).filter(|tokens| *tokens > 0);
            in_range.map(Some).ok_or_else(|| ContextError::NotANumber(quoted(&value.to_string())))
        }
    }
}

/// What a parser says first; below it shows the lines of the file, which may be long and are nobody else's business.
fn first_line(error: &impl std::fmt::Display) -> String {
    let said = error.to_string();
    let first = said.lines().next().unwrap_or_default();
    quoted(first.strip_prefix("error: ").unwrap_or(first))
}

/// `--gpu-memory-utilization`, in hundredths.
pub fn gpu_memory_hundredths(profile: &RuntimeProfile, sku: &Sku) -> u32 {
    match profile.gpu_memory {
        GpuMemoryRule::Fixed { default_hundredths, overrides } => {
            overrides.iter().find(|(model, _)| *model == sku.gpu_model).map_or(default_hundredths, |(_, own)| *own)
        }
        GpuMemoryRule::ReserveThenCap { reserve_bytes, cap_hundredths } => {
            let each = sku.gpu_memory_bytes_each().max(1);
            let share = each.saturating_sub(reserve_bytes) * 100 / each;
            cap_hundredths.min(u32::try_from(share).unwrap_or(cap_hundredths))
        }
    }
}

/// `--max-model-len` where the user names none: `Ok(None)` lets the engine measure; `Err` says how much is missing on a GPU.
/// `tensor` is the number of GPUs that share weights and KV cache.
pub fn max_model_len(profile: &RuntimeProfile, model: &Model, sku: &Sku, tensor: u32) -> Result<Option<u64>, Bytes> {
    let MaxModelLenRule::Computed { non_torch_bytes, activation_bytes_per_token, safety_hundredths, round_tokens } =
        profile.max_model_len
    else {
        return Ok(None);
    };
    let tensor = u64::from(tensor.max(1));
    let visible = sku.visible_bytes_per_gpu.unwrap_or(sku.gpu_memory_bytes_each());
    let usable = visible / 100 * u64::from(gpu_memory_hundredths(profile, sku));
    let taken = model.weights_bytes / tensor + non_torch_bytes;
    let left = usable.checked_sub(taken).ok_or_else(|| Bytes(taken.saturating_sub(usable)))?;
    let tokens =
        left / (model.kv_bytes_per_token / tensor + activation_bytes_per_token) * u64::from(safety_hundredths) / 100;
    let rounded = tokens / round_tokens * round_tokens;
    if rounded == 0 { Err(Bytes(taken)) } else { Ok(Some(rounded.min(model.token_limit))) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kaito_presets::{Cloud, model, profile, sku};

    #[test]
    fn the_lengths_of_the_volta_profile_are_those_of_its_description() {
        let volta = profile("volta-turing").unwrap();
        let table = [
            ("phi-3-mini-4k-instruct", "Standard_NC6s_v3", Some(4096)),
            ("phi-3-mini-128k-instruct", "Standard_NC6s_v3", Some(12_288)),
            ("phi-3-mini-128k-instruct", "Standard_NC4as_T4_v3", Some(10_240)),
        ];
        for (name, size, tokens) in table {
            let sku = sku(Cloud::Azure, size).unwrap();
            assert_eq!(gpu_memory_hundredths(volta, sku), 90);
            assert_eq!(max_model_len(volta, model(name).unwrap(), sku, 1), Ok(tokens), "{name} on {size}");
        }
    }

    #[test]
    fn a_users_length_is_read_and_nonsense_is_refused() {
        assert_eq!(user_context("vllm:\n  max-model-len: 8192 # short\n"), Ok(Some(8192)));
        assert_eq!(user_context("vllm:\n  max-model-len: auto\n"), Ok(None));
        assert_eq!(user_context("max_probe_steps: 6\n"), Ok(None));
        assert_eq!(user_context("vllm:\n  max-model-len: -1\n"), Err(ContextError::NotANumber("-1".into())));
        assert!(matches!(user_context("vllm: [\n"), Err(ContextError::NotYaml(_))));
    }
}
