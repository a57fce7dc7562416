//! How many cases a property tries, and which.

use proptest::prelude::ProptestConfig;
use proptest::test_runner::RngSeed;

/// So many cases, the same every time, so that a check is no lottery; `KAITO_CASES=100000 KAITO_SEED=7` looks further.
pub fn config(usual: u32) -> ProptestConfig {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let cases = number("KAITO_CASES").and_then(|cases| u32::try_from(cases).ok()).unwrap_or(usual);
    let rng_seed = RngSeed::Fixed(number("KAITO_SEED").unwrap_or(20_261_121));
    ProptestConfig {
        cases,
        rng_seed,
        failure_persistence: None,
        max_global_rejects: u32::MAX,
        ..ProptestConfig::default()
    }
}
