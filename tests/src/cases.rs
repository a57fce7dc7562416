//! How many cases a property tries, and which.

use crate::environment::parsed;
use proptest::prelude::ProptestConfig;
use proptest::test_runner::RngSeed;

/// So many cases, the same every time, so that a check is no lottery; `KAITO_CASES=100000 KAITO_SEED=7` looks further.
///
/// # Panics
/// When one of the two is set to what is no number.
pub fn config(usual: u32) -> ProptestConfig {
    ProptestConfig {
        cases: parsed("KAITO_CASES").unwrap_or(usual),
        rng_seed: RngSeed::Fixed(parsed("KAITO_SEED").unwrap_or(20_261_121)),
        failure_persistence: None,
        max_global_rejects: u32::MAX,
        ..ProptestConfig::default()
    }
}
