//! How many cases a property tries, and which.

use proptest::prelude::ProptestConfig;
use proptest::test_runner::RngSeed;

/// So many cases, the same every time, so that a check is no lottery; `KAITO_CASES=100000 KAITO_SEED=7` looks further.
///
/// # Panics
/// When one of the two is set to what is no number.
#[expect(clippy::panic, reason = "the kit of tests fails by panic")]
pub fn config(usual: u32) -> ProptestConfig {
    let number = |name: &str| {
        let text = std::env::var(name).ok()?;
        Some(text.parse::<u64>().unwrap_or_else(|error| panic!("{name}={text}: {error}")))
    };
    let cases = number("KAITO_CASES").map_or(usual, |cases| u32::try_from(cases).unwrap_or(u32::MAX));
    let rng_seed = RngSeed::Fixed(number("KAITO_SEED").unwrap_or(20_261_121));
    ProptestConfig {
        cases,
        rng_seed,
        failure_persistence: None,
        max_global_rejects: u32::MAX,
        ..ProptestConfig::default()
    }
}
