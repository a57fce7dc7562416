//! What follows from the size and the shape of a model, exactly: integers only. The generator of the catalogue computes with these functions, and whoever describes a model of a hub.
//!
//! Source: KAITO v0.12.0 `generator.go` and `vllm_model.go`.

use crate::{Attention, GIB, Shape};

/// A size with two decimals, as it stands in manifests: `7.12Gi`.
#[must_use]
pub fn weights_text(bytes: u64) -> String {
    let hundredths = (u128::from(bytes) * 100 + u128::from(GIB) / 2) / u128::from(GIB);
    format!("{}.{:02}Gi", hundredths / 100, hundredths % 100)
}

/// Disk of a node, in GiB: the weights and 80 GiB for the system, rounded down.
#[must_use]
pub const fn disk_request_gib(bytes: u64) -> u64 {
    bytes / GIB + 80
}

/// How long a start may take, in seconds: 15 minutes and 18 s a GiB, within 30 minutes and 3 hours, rounded up.
#[must_use]
pub fn readiness_timeout_seconds(bytes: u64) -> u64 {
    let loading = bytes.saturating_mul(18).div_ceil(GIB);
    (15 * 60 + loading).clamp(30 * 60, 180 * 60)
}

/// Hidden size by heads, rounded down; 0 without heads.
#[must_use]
pub fn head_dim(hidden_size: u32, heads: u32) -> u32 {
    hidden_size.checked_div(heads).unwrap_or_default()
}

/// How heads share keys and values, and the bytes of KV cache for a token over all layers at 16 bits, each layer counted as full attention.
#[must_use]
pub fn attention(shape: &Shape) -> (Attention, u64) {
    let two_bytes = |elements: u64| elements.saturating_mul(u64::from(shape.layers)).saturating_mul(2);
    if let Some(rank) = shape.kv_lora_rank {
        return (Attention::Mla, two_bytes(u64::from(rank) + u64::from(shape.qk_rope_head_dim.unwrap_or_default())));
    }
    let kind = match shape.kv_heads {
        _ if shape.heads == 0 || shape.head_dim == 0 => Attention::Unknown,
        0 => Attention::Unknown,
        heads if heads == shape.heads => Attention::Mha,
        1 => Attention::Mqa,
        _ => Attention::Gqa,
    };
    let elements = if kind == Attention::Unknown { 0 } else { u64::from(shape.kv_heads) * u64::from(shape.head_dim) };
    let elements = elements.saturating_mul(2);
    (kind, two_bytes(elements))
}

/// `--dtype` for vLLM: what the weights say where they are quantised, else bfloat16.
#[must_use]
pub const fn dtype(quantised: bool) -> &'static str {
    if quantised { "auto" } else { "bfloat16" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_exact() {
        let gib = |hundredths: u64| (hundredths * GIB).div_ceil(100);
        assert_eq!((weights_text(gib(712)), weights_text(gib(2600))), ("7.12Gi".into(), "26.00Gi".into()));
        assert_eq!((weights_text(1), weights_text(u64::MAX)), ("0.00Gi".into(), "17179869184.00Gi".into()));
        assert_eq!((disk_request_gib(gib(712)), disk_request_gib(0)), (87, 80));
        assert_eq!(readiness_timeout_seconds(gib(712)), 1800);
        assert_eq!(readiness_timeout_seconds(gib(6103)), 1999); // 15 min + 1098.54 s
        assert_eq!(readiness_timeout_seconds(u64::MAX), 10_800);
    }

    #[test]
    fn a_model_without_heads_has_no_cache_that_anybody_knows() {
        let shape = |heads, kv_heads, head_dim| Shape {
            hidden_size: 0,
            layers: 32,
            heads,
            kv_heads,
            head_dim,
            kv_lora_rank: None,
            qk_rope_head_dim: None,
        };
        assert_eq!(attention(&shape(32, 32, 96)), (Attention::Mha, 393_216));
        assert_eq!(attention(&shape(71, 1, 64)), (Attention::Mqa, 8192));
        for unknown in [shape(0, 8, 128), shape(8, 0, 128), shape(8, 8, 0)] {
            assert_eq!(attention(&unknown), (Attention::Unknown, 0));
        }
        // What a repository says may be anything.
        assert_eq!(attention(&shape(u32::MAX, u32::MAX, u32::MAX)), (Attention::Mha, u64::MAX));
        assert_eq!(head_dim(4096, 0), 0);
    }
}
