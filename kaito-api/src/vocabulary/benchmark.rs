//! What the benchmark of the base image prints when a model is loaded, and how its result is called in a status (spec/03 §11.5, §12.8).
//!
//! A line is `<tag> <time> <JSON>`. The settings are printed before the load begins and again just before the result.

/// The program that a startup probe runs, in the base image for vLLM.
pub const SCRIPT: &str = "benchmark_entrypoint.py";
/// The tag of the line with the result: `vllm_total_tpm`, `ttft_avg_ms`, `tpot_avg_ms`, each -1 where the run has failed.
pub const RESULT: &str = "KAITO_BENCHMARK_RESULT";
/// The tag of the line with the settings: `duration_sec`, `input_tokens`, `output_tokens`, `max_concurrency`.
pub const CONFIG: &str = "KAITO_BENCHMARK_CONFIG";
/// The field of the result that is told: tokens read and written in a minute, under as much load as the server takes.
pub const RESULT_FIELD: &str = "vllm_total_tpm";
/// Fields of the settings, and what they are called in a status.
pub const SETTINGS: [(&str, &str); 4] = [
    ("duration_sec", "durationSec"),
    ("input_tokens", "inputTokens"),
    ("output_tokens", "outputTokens"),
    ("max_concurrency", "maxConcurrency"),
];

/// The name of the measurement in `status.performance.metrics`.
pub const METRIC: &str = "peakTokensPerMinute";
/// Its description: under which load.
pub const DESCRIPTION: &str = "stress/high-concurrency";
/// Its unit.
pub const UNIT: &str = "tokens/min";
/// The setting that names the server.
pub const ENGINE: &str = "engine";
/// The setting that names the version of the server.
pub const ENGINE_VERSION: &str = "engineVersion";
/// The setting that names how the weights are quantised; empty where they are not.
pub const QUANTIZATION: &str = "quantization";
