//! Sizes, KV bytes and times, exactly: integers only.

use super::data::Shape;

pub const GIB: u64 = 1 << 30;

/// Hundredths of a GiB in `7.12Gi`.
pub fn hundredths(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is not a size such as 7.12Gi");
    let (whole, part) = text.strip_suffix("Gi").and_then(|n| n.split_once('.')).ok_or_else(wrong)?;
    if part.len() != 2 {
        return Err(wrong());
    }
    let (whole, part): (u64, u64) = (whole.parse().map_err(|_| wrong())?, part.parse().map_err(|_| wrong())?);
    Ok(whole * 100 + part)
}

/// Bytes, rounded up.
pub fn weights_bytes(hundredths: u64) -> u64 {
    (hundredths * GIB).div_ceil(100)
}

/// 80 GiB for the system and the weights, rounded down to GiB.
pub fn disk_request_gib(hundredths: u64) -> u64 {
    hundredths / 100 + 80
}

/// 15 minutes and 18 s a GiB, within 30 minutes and 3 hours, rounded up to seconds.
pub fn readiness_seconds(hundredths: u64) -> u64 {
    (15 * 60 + (hundredths * 18).div_ceil(100)).clamp(30 * 60, 180 * 60)
}

pub fn head_dim(shape: &Shape) -> u32 {
    shape.head_dim.unwrap_or(shape.hidden_size / shape.heads)
}

/// Variant of `Attention`, and bytes of KV cache for a token over all layers at 16 bits.
pub fn attention(shape: &Shape) -> (&'static str, u64) {
    let two_bytes = |elements: u32| u64::from(elements) * u64::from(shape.layers) * 2;
    if let Some(rank) = shape.kv_lora_rank {
        return ("Mla", two_bytes(rank + shape.qk_rope_head_dim.unwrap_or_default()));
    }
    let name = match shape.kv_heads {
        heads if heads == shape.heads => "Mha",
        1 => "Mqa",
        _ => "Gqa",
    };
    (name, two_bytes(2 * shape.kv_heads * head_dim(shape)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_exact() {
        assert_eq!(hundredths("7.12Gi"), Ok(712));
        assert!(hundredths("7.1Gi").is_err());
        assert_eq!(weights_bytes(712), 7_645_041_787); // 7.12 × 2^30 = 7645041786.88
        assert_eq!(weights_bytes(2600), 26 * GIB);
        assert_eq!(disk_request_gib(712), 87);
        assert_eq!(readiness_seconds(712), 1800);
        assert_eq!(readiness_seconds(6103), 1999); // 15 min + 1098.54 s
        assert_eq!(readiness_seconds(64_130), 10_800);
    }
}
