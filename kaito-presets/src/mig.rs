//! Into which slices which GPU can be divided (multi-instance GPU).
//!
//! The profiles are those of NVIDIA's MIG user guide without the variants `+me` and `+gfx`, which name the same slice with other engines; the reference takes the same.

/// A GPU that can be divided, by its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MigFamily {
    /// What it is called.
    pub name: &'static str,
    /// Words of its product's name, such as `A100`; one of them is in it.
    words: &'static [&'static str],
    /// Its memory in GiB is at most this, and more than that of the row before it with the same word.
    most_gib: u64,
    /// What it can be divided into, from the smallest.
    pub profiles: &'static [&'static str],
}

/// Every GPU that can be divided.
pub const MIG_FAMILIES: &[MigFamily] = &[
    family("A30", &["A30"], 24, &["1g.6gb", "2g.12gb", "4g.24gb"]),
    family("A100 with 40 GB", &["A100"], 48, &["1g.5gb", "2g.10gb", "3g.20gb", "4g.20gb", "7g.40gb"]),
    family(
        "A100 or H100 with 80 GB",
        &["A100", "H100"],
        84,
        &["1g.10gb", "1g.20gb", "2g.20gb", "3g.40gb", "4g.40gb", "7g.80gb"],
    ),
    family("H100 with 94 GB", &["H100"], 96, &["1g.12gb", "1g.24gb", "2g.24gb", "3g.47gb", "4g.47gb", "7g.94gb"]),
    family("GH200 with 96 GB", &["GH200"], 96, &["1g.12gb", "1g.24gb", "2g.24gb", "3g.48gb", "4g.48gb", "7g.96gb"]),
    family("H200", &["H200"], 144, &["1g.18gb", "1g.35gb", "2g.35gb", "3g.71gb", "4g.71gb", "7g.141gb"]),
    family("B200", &["B200"], 192, &["1g.23gb", "1g.45gb", "2g.45gb", "3g.90gb", "4g.90gb", "7g.180gb"]),
];

const fn family(
    name: &'static str,
    words: &'static [&'static str],
    most_gib: u64,
    profiles: &'static [&'static str],
) -> MigFamily {
    MigFamily { name, words, most_gib, profiles }
}

/// Whether any GPU can be divided so.
pub fn is_mig_profile(profile: &str) -> bool {
    MIG_FAMILIES.iter().any(|family| family.profiles.contains(&profile))
}

/// What a GPU of this product and memory can be divided into, where that is known.
///
/// ```
/// let family = kaito_presets::mig_family("NVIDIA-A100-SXM4-80GB", 80).unwrap();
/// assert!(family.profiles.contains(&"3g.40gb") && !family.profiles.contains(&"1g.5gb"));
/// assert!(kaito_presets::mig_family("Tesla-T4", 15).is_none());
/// ```
pub fn mig_family(product: &str, memory_gib: u64) -> Option<&'static MigFamily> {
    let has = |word: &&str| product.split(['-', ' ']).any(|part| part == *word);
    MIG_FAMILIES.iter().find(|family| family.words.iter().any(&has) && memory_gib <= family.most_gib)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_is_told_by_its_product_and_its_memory() {
        let name = |product, gib| mig_family(product, gib).map(|family| family.name);
        assert_eq!(name("NVIDIA-A100-PCIE-40GB", 40), Some("A100 with 40 GB"));
        assert_eq!(name("NVIDIA-H100-80GB-HBM3", 80), Some("A100 or H100 with 80 GB"));
        assert_eq!(name("NVIDIA-H100-NVL", 94), Some("H100 with 94 GB"));
        assert_eq!(name("NVIDIA-GH200-480GB", 96), Some("GH200 with 96 GB"));
        assert_eq!(name("NVIDIA A30", 24), Some("A30"));
        assert_eq!(name("NVIDIA-A10", 22), None);
        // What nobody has heard of yet may be divided in a way of its own.
        assert_eq!(name("NVIDIA-H100-MAX", 128), None);
    }

    #[test]
    fn every_profile_is_known_and_nothing_else_is() {
        let known = MIG_FAMILIES.iter().flat_map(|family| family.profiles).count();
        assert!(known > 35 && is_mig_profile("1g.10gb"));
        for none in ["", "5g.50gb", "1g.10gb+me", "1G.10GB", "1g.10.5gb"] {
            assert!(!is_mig_profile(none), "{none}");
        }
    }
}
