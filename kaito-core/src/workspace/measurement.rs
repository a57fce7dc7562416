//! The result of a benchmark, out of what a container has printed (spec/02 §5.9.5). Anything may stand in a log.

use kaito_api::vocabulary::benchmark::{CONFIG, RESULT, RESULT_FIELD, SETTINGS};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// More than any machine will ever do in a minute: beyond it, a number is none.
const MOST: f64 = 1e15;

/// What was measured, and under which settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Measurement {
    /// Tokens in a minute, in as few digits as say the same number.
    pub(super) value: String,
    /// The settings by their names in a status; none, where the line with them is not there or makes no sense.
    pub(super) settings: BTreeMap<String, String>,
}

/// Why there is no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Flaw {
    /// No line has the tag.
    Missing,
    /// The last line with the tag says this instead of a result.
    Bad(String),
}

/// The last result with the last settings. An earlier result does not count: the program that measures prints another one only when it measures again.
pub(super) fn of(log: &str) -> Result<Measurement, Flaw> {
    let said = last(log, RESULT).ok_or(Flaw::Missing)?;
    let result = fields(said).ok_or_else(|| Flaw::Bad(format!("no JSON object follows {RESULT}")))?;
    let value = match result.get(RESULT_FIELD).map(|value| (value, value.as_f64())) {
        Some((_, Some(value))) if value > 0.0 && value <= MOST => value.to_string(),
        Some((value, _)) => return Err(Flaw::Bad(format!("{RESULT_FIELD} is {value}"))),
        None => return Err(Flaw::Bad(format!("{RESULT_FIELD} is missing"))),
    };
    let config = last(log, CONFIG).and_then(fields).unwrap_or_default();
    let setting =
        |(printed, name): &(&str, &str)| Some(((*name).to_owned(), config.get(*printed)?.as_u64()?.to_string()));
    Ok(Measurement { value, settings: SETTINGS.iter().filter_map(setting).collect() })
}

/// What follows the last occurrence of a tag, up to the end of its line.
fn last<'a>(log: &'a str, tag: &str) -> Option<&'a str> {
    let follows = |line: &'a str| {
        let mut rests = line.rmatch_indices(tag).map(|(at, _)| &line[at + tag.len()..]);
        rests.find(|rest| !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_'))
    };
    log.lines().rev().find_map(follows)
}

/// The JSON object behind the time; what is behind the object (the end of a colour, another program's words) is nobody's business.
fn fields(rest: &str) -> Option<Map<String, Value>> {
    let (_, object) = rest.split_at_checked(rest.find('{')?)?;
    serde_json::Deserializer::from_str(object).into_iter().next()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS_LINE: &str = "KAITO_BENCHMARK_CONFIG 2026-01-01T00:00:00Z {\"duration_sec\":60,\"input_tokens\":2048,\"output_tokens\":256,\"max_concurrency\":523}";

    /// A line with a result, as the base image prints it.
    fn line(number: &str) -> String {
        format!(
            "KAITO_BENCHMARK_RESULT 2026-01-01T00:00:00Z {{\"vllm_total_tpm\":{number},\"ttft_avg_ms\":1.5,\"tpot_avg_ms\":-1.0}}"
        )
    }

    fn bad(words: &str) -> Result<&str, Flaw> {
        Err(Flaw::Bad(words.to_owned()))
    }

    #[test]
    fn the_last_result_counts_whatever_stands_around_it() {
        for (log, wanted) in [
            (line("12345.67"), Ok("12345.67")),
            (line("12345.5"), Ok("12345.5")),
            (line("1000000"), Ok("1000000")),
            (line("1e6"), Ok("1000000")),
            (line("0.5"), Ok("0.5")),
            (format!("{}\n{}", line("-1.0"), line("99999")), Ok("99999")),
            (format!("loading\n\n{}\nINFO: GET /health 200 OK\n", line("500")), Ok("500")),
            (format!("[32m 100%|###| {} [0m", line("500")), Ok("500")),
            (format!("Loading weights: 93% {}", line("500")), Ok("500")),
            ("KAITO_BENCHMARK_RESULT{\"vllm_total_tpm\":7}".to_owned(), Ok("7")),
            (format!("{} {}", line("1"), line("2")), Ok("2")),
        ] {
            assert_eq!(of(&log).map(|found| found.value).as_deref().map_err(Clone::clone), wanted, "{log}");
        }
    }

    #[test]
    fn what_is_no_result_is_told() {
        for (log, wanted) in [
            (String::new(), Err(Flaw::Missing)),
            ("KAITO_BENCHMARK 2026-01-01T00:00:00Z waits for the server".to_owned(), Err(Flaw::Missing)),
            ("KAITO_BENCHMARK_RESULTS {\"vllm_total_tpm\":1}".to_owned(), Err(Flaw::Missing)),
            (line("0"), bad("vllm_total_tpm is 0")),
            (line("-1.0"), bad("vllm_total_tpm is -1.0")),
            (format!("{}\n{}", line("99999"), line("-1.0")), bad("vllm_total_tpm is -1.0")),
            (line("\"500\""), bad("vllm_total_tpm is \"500\"")),
            (line("null"), bad("vllm_total_tpm is null")),
            (line("1000000000000001"), bad("vllm_total_tpm is 1000000000000001")),
            (line("NaN"), bad("no JSON object follows KAITO_BENCHMARK_RESULT")),
            (line("Infinity"), bad("no JSON object follows KAITO_BENCHMARK_RESULT")),
            (line("1e400"), bad("no JSON object follows KAITO_BENCHMARK_RESULT")),
            (line("500")[..60].to_owned(), bad("no JSON object follows KAITO_BENCHMARK_RESULT")),
            (format!("{}\n{}", line("500"), &line("600")[..50]), bad("no JSON object follows KAITO_BENCHMARK_RESULT")),
            ("KAITO_BENCHMARK_RESULT".to_owned(), bad("no JSON object follows KAITO_BENCHMARK_RESULT")),
            ("KAITO_BENCHMARK_RESULT t [500]".to_owned(), bad("no JSON object follows KAITO_BENCHMARK_RESULT")),
            ("KAITO_BENCHMARK_RESULT t {}".to_owned(), bad("vllm_total_tpm is missing")),
        ] {
            assert_eq!(of(&log).map(|found| found.value).as_deref().map_err(Clone::clone), wanted, "{log}");
        }
    }

    #[test]
    fn settings_are_told_as_far_as_they_make_sense() {
        let settings = |lines: &[&str]| -> Vec<(String, String)> {
            let log = lines.iter().copied().chain([line("500").as_str()]).collect::<Vec<_>>().join("\n");
            of(&log).unwrap().settings.into_iter().collect()
        };
        let told = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let all = [("durationSec", "60"), ("inputTokens", "2048"), ("maxConcurrency", "523"), ("outputTokens", "256")];
        assert_eq!(settings(&[SETTINGS_LINE]), told(&all));
        assert_eq!(settings(&["KAITO_BENCHMARK_CONFIG t {\"duration_sec\":30}", SETTINGS_LINE]), told(&all));
        assert_eq!(settings(&[]), told(&[]));
        assert_eq!(settings(&[&SETTINGS_LINE[..60]]), told(&[]));
        let odd =
            "KAITO_BENCHMARK_CONFIG t {\"duration_sec\":-1,\"input_tokens\":\"many\",\"output_tokens\":256,\"new\":1}";
        assert_eq!(settings(&[odd]), told(&[("outputTokens", "256")]));
    }
}
