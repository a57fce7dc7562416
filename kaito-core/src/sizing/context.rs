//! How long a context may be, and how much of a GPU the engine is told to take.

use crate::hardware::Hardware;
use crate::units::Bytes;
use kaito_presets::{ASSUMED_TOKENS, GpuMemoryRule, MaxModelLenRule, Model, RuntimeProfile};

/// `--gpu-memory-utilization`, in hundredths.
pub fn gpu_memory_hundredths(profile: &RuntimeProfile, hardware: &Hardware) -> u32 {
    match profile.gpu_memory {
        GpuMemoryRule::Fixed { default_hundredths, overrides } => {
            overrides.iter().find(|(model, _)| *model == hardware.gpu_model).map_or(default_hundredths, |(_, own)| *own)
        }
        GpuMemoryRule::ReserveThenCap { reserve_bytes, cap_hundredths } => {
            let each = hardware.gpu_memory_bytes_each().max(1);
            let share = each.saturating_sub(reserve_bytes) * 100 / each;
            cap_hundredths.min(u32::try_from(share).unwrap_or(cap_hundredths))
        }
    }
}

/// A share of so many bytes, rounded down; a share below nothing is nothing, one above all is all.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "memory of a GPU stays far below 2^53"
)]
pub fn part(bytes: u64, share: f64) -> u64 {
    (bytes as f64 * share.clamp(0.0, 1.0)) as u64
}

/// `--max-model-len` where the user names none: `Ok(None)` lets the engine measure; `Err` says how much is missing on a GPU.
/// `tensor` is the number of GPUs that share weights and KV cache.
pub fn max_model_len(
    profile: &RuntimeProfile,
    model: &Model,
    hardware: &Hardware,
    tensor: u32,
) -> Result<Option<u64>, Bytes> {
    let MaxModelLenRule::Computed { non_torch_bytes, activation_bytes_per_token, safety_hundredths, round_tokens } =
        profile.max_model_len
    else {
        return Ok(None);
    };
    let tensor = u64::from(tensor.max(1));
    let visible = hardware.visible_bytes_per_gpu.unwrap_or(hardware.gpu_memory_bytes_each());
    let usable = visible / 100 * u64::from(gpu_memory_hundredths(profile, hardware));
    let taken = (model.weights_bytes / tensor).saturating_add(non_torch_bytes);
    let left = usable.checked_sub(taken).ok_or_else(|| Bytes(taken.saturating_sub(usable)))?;
    let each = (model.kv_bytes_per_token / tensor).saturating_add(activation_bytes_per_token).max(1);
    let tokens = (left / each).saturating_mul(u64::from(safety_hundredths)) / 100;
    let rounded = tokens / round_tokens * round_tokens;
    let limit = model.token_limit.unwrap_or(ASSUMED_TOKENS);
    if rounded == 0 { Err(Bytes(taken)) } else { Ok(Some(rounded.min(limit))) }
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
            let hardware = Hardware::from(sku(Cloud::Azure, size).unwrap());
            assert_eq!(gpu_memory_hundredths(volta, &hardware), 90);
            assert_eq!(max_model_len(volta, model(name).unwrap(), &hardware, 1), Ok(tokens), "{name} on {size}");
        }
    }
}
