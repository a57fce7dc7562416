//! One option of the server against the machine and the image that will run it. A rule is a row of [`RULES`]; what holds of every option stands below them.

use super::{Finding, Judged, Setting, TOLD, is_auto, whole};
use crate::admission::nearest::nearest;
use crate::words::quoted;
use crate::workspace::Facts;
use kaito_presets::{MaxModelLenRule, Takes, VllmOption, ports};
use serde_json::Value;
use std::collections::BTreeMap;

/// What stands beside the section `vllm` and is read by the wrapper (spec/03 §12.2).
pub(super) const OF_THE_WRAPPER: [&str; 2] = ["kv_cache_cpu_memory_utilization", "max_probe_steps"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Weight {
    Refused,
    Warned,
}
use Weight::{Refused, Warned};

/// What a value of one option means here: `None` where it is fine.
struct Rule {
    option: &'static str,
    weight: Weight,
    broken: fn(&str, &Facts) -> Option<String>,
}

/// By option. The value is the text that the server gets.
#[rustfmt::skip] // one rule a row
const RULES: &[Rule] = &[
    Rule { option: "port", weight: Refused, broken: |value, _| (value != ports::INFERENCE.to_string()).then(|| format!("is {}, and the Service and the probes ask port {}; leave it out", quoted(value), ports::INFERENCE)) },
    Rule { option: "uds", weight: Refused, broken: |_, _| Some(format!("takes the server off port {}, which the Service and the probes ask; leave it out", ports::INFERENCE)) },
    Rule { option: "host", weight: Refused, broken: |value, _| matches!(value, "localhost" | "127.0.0.1" | "::1").then(|| "is an address that only the container itself reaches; leave it out".to_owned()) },
    Rule { option: "ssl-certfile", weight: Refused, broken: encrypted },
    Rule { option: "ssl-keyfile", weight: Refused, broken: encrypted },
    Rule { option: "grpc", weight: Refused, broken: |_, _| Some(UNASKED.to_owned()) },
    Rule { option: "headless", weight: Refused, broken: |_, _| Some(UNASKED.to_owned()) },
    Rule { option: "dtype", weight: Refused, broken: dtype },
    Rule { option: "quantization", weight: Refused, broken: quantization },
    Rule { option: "kv-cache-dtype", weight: Refused, broken: |value, facts| (value.starts_with("fp8") && !facts.profile.supports.fp8_kv_cache).then(|| format!("is {value}, which {} does not have; leave it out", gpu(facts))) },
    Rule { option: "load-format", weight: Refused, broken: |value, facts| (value.starts_with("runai_streamer") && !facts.profile.supports.model_streaming).then(|| format!("is {value}, which the image for {} does not have; leave it out", gpu(facts))) },
    Rule { option: "max-model-len", weight: Refused, broken: length },
    Rule { option: "gpu-memory-utilization", weight: Refused, broken: |value, _| value.parse::<f64>().ok().filter(|share| !(*share > 0.0 && *share <= 1.0)).map(|_| format!("is {value}: expected a share of the memory, above 0 and at most 1")) },
    Rule { option: "tensor-parallel-size", weight: Refused, broken: at_least_one },
    Rule { option: "pipeline-parallel-size", weight: Refused, broken: at_least_one },
    Rule { option: "data-parallel-size", weight: Refused, broken: at_least_one },
    Rule { option: "max-num-seqs", weight: Refused, broken: at_least_one },
    Rule { option: "max-num-batched-tokens", weight: Refused, broken: at_least_one },
    Rule { option: "model", weight: Warned, broken: |_, facts| Some(format!("makes the server load something else than {}, for which machines and memory are chosen", facts.model.id)) },
    Rule { option: "config", weight: Warned, broken: |_, _| Some("names a file of options that nobody looks at before the server does".to_owned()) },
    Rule { option: "lora-modules", weight: Warned, broken: |_, _| Some("takes the place of inference.adapters: none of them is loaded".to_owned()) },
    Rule { option: "api-key", weight: Warned, broken: |_, _| Some("is a secret, and everybody who may read the ConfigMap reads it".to_owned()) },
    Rule { option: "hf-token", weight: Warned, broken: |_, _| Some("is a secret, and everybody who may read the ConfigMap reads it; name a Secret in presetOptions.modelAccessSecret".to_owned()) },
];

const UNASKED: &str = "makes a server that the probes cannot ask; leave it out";

fn encrypted(_: &str, _: &Facts) -> Option<String> {
    Some("makes the server speak TLS, and the probes ask it in plain HTTP: no pod would become ready".to_owned())
}

fn dtype(value: &str, facts: &Facts) -> Option<String> {
    let allowed = facts.profile.dtypes.allowed;
    let says = |short: &str| match short {
        "half" => "float16".to_owned(),
        "float" => "float32".to_owned(),
        other => other.to_owned(),
    };
    if allowed.contains(&says(value).as_str()) || (value == "auto" && facts.model.dtype != "bfloat16") {
        return None;
    }
    let words = if value == "auto" { "auto, which for this model is bfloat16".to_owned() } else { quoted(value) };
    Some(format!("is {words}; {} takes {}", gpu(facts), allowed.join(", ")))
}

fn quantization(value: &str, facts: &Facts) -> Option<String> {
    let allows = value == "None" || facts.profile.quantization.allows_method(value, facts.capability);
    let words = || format!("is {}, which is not available on {} with vLLM {}", quoted(value), gpu(facts), vllm(facts));
    (!allows).then(words)
}

fn length(value: &str, facts: &Facts) -> Option<String> {
    if is_auto(value) && matches!(facts.profile.max_model_len, MaxModelLenRule::Computed { .. }) {
        return Some(format!(
            "is {value}, and vLLM {} takes a number only; leave it out, or name a length",
            vllm(facts)
        ));
    }
    let limit = facts.model.token_limit?;
    let tokens = whole::read(value).filter(|tokens| *tokens > i128::from(limit))?;
    Some(format!("asks for a context of {tokens} tokens; the model ends at {limit}"))
}

fn at_least_one(value: &str, _: &Facts) -> Option<String> {
    value.parse::<i64>().ok().filter(|size| *size < 1).map(|size| format!("is {size}: expected 1 or more"))
}

fn gpu(facts: &Facts) -> String {
    format!("{} (compute capability {})", facts.hardware.gpu_model, facts.capability)
}

fn vllm(facts: &Facts) -> &'static str {
    facts.profile.versions.vllm
}

pub(super) fn judge(settings: &[Setting], facts: &Facts, judged: &mut Judged) {
    let mut switches: Vec<&Setting> = Vec::new();
    for setting in settings {
        let name = setting.name();
        let found = known(&name, facts);
        if found.is_none() {
            // What is not told need not be compared with every known word.
            let says = if judged.warnings.len() < TOLD { unknown(&name, facts) } else { String::new() };
            judged.warnings.push(setting.finding(says));
        }
        let kind = match &setting.value {
            Value::Array(_) => Some("a list"),
            Value::Object(_) => Some("a map"),
            _ => None,
        };
        match (found, kind) {
            // A length has words of its own.
            (Some(option), Some(_)) if option.name == "max-model-len" => {}
            (_, Some(kind)) => {
                judged.errors.push(setting.finding(format!("is {kind}: expected one value; JSON goes in quotes")));
            }
            (Some(option), None) if option.takes == Takes::Nothing => {
                switches.push(setting);
                ask(option, setting, facts, judged);
            }
            (Some(option), None) => ask(option, setting, facts, judged),
            (None, None) => {}
        }
    }
    flip(&switches, facts, judged);
    twice(settings, judged);
}

/// The rules of one option, and what its value must be.
fn ask(option: &VllmOption, setting: &Setting, facts: &Facts, judged: &mut Judged) {
    if setting.value.is_null() {
        nothing(option, setting, facts, judged);
        return;
    }
    let text = setting.text();
    judged.errors.extend(mistyped(option, &setting.value, &text).map(|says| setting.finding(says)));
    for rule in RULES.iter().filter(|rule| rule.option == option.name) {
        let Some(says) = (rule.broken)(&text, facts) else { continue };
        let findings = if rule.weight == Refused { &mut judged.errors } else { &mut judged.warnings };
        findings.push(setting.finding(says));
    }
}

/// Options that vLLM has a number for whatever is said, and that know no `None` (`config/parallel.py`, `config/cache.py`, `entrypoints/openai/cli_args.py`).
const NEVER_NOTHING: [&str; 6] = [
    "cpu-offload-gb",
    "data-parallel-size",
    "gpu-memory-utilization",
    "pipeline-parallel-size",
    "port",
    "tensor-parallel-size",
];

/// An option without a value: the server is handed the word `None`, which most that take a number take for one that is not said, and some for none.
fn nothing(option: &VllmOption, setting: &Setting, facts: &Facts, judged: &mut Judged) {
    if !matches!(option.takes, Takes::Integer | Takes::Number) {
        return;
    }
    if NEVER_NOTHING.contains(&option.name) {
        judged.errors.push(setting.finding("has no value, and must be a number; leave it out"));
    } else {
        let says = format!(
            "has no value: it is handed on as None, with which vLLM {} may not start; leave it out",
            vllm(facts)
        );
        judged.warnings.push(setting.finding(says));
    }
}

/// The option of that name. A parser of Python takes the beginning of a name where only one begins so, the part before a dot where JSON is told in pieces, and `no-` before a switch.
pub(super) fn known(name: &str, facts: &Facts) -> Option<&'static VllmOption> {
    let profile = facts.profile;
    let exact = |name: &str| profile.option(name);
    let piece =
        || name.split_once('.').and_then(|(option, _)| exact(option)).filter(|option| option.takes == Takes::Text);
    let negated = || name.strip_prefix("no-").and_then(exact).filter(|option| option.takes == Takes::Nothing);
    let begun = || {
        let mut begin = profile.options.iter().filter(|option| !name.is_empty() && option.name.starts_with(name));
        begin.next().filter(|_| begin.next().is_none())
    };
    exact(name).or_else(piece).or_else(negated).or_else(begun)
}

/// What is not known is passed on; that it is not known is told, with what was probably meant.
fn unknown(name: &str, facts: &Facts) -> String {
    let words = format!("is no option of vLLM {}", vllm(facts));
    if let Some(own) = name.strip_prefix("kaito-") {
        let own = own.replace('-', "_");
        if OF_THE_WRAPPER.contains(&own.as_str()) {
            return format!("{words}, and so its server does not start; {own} stands beside the section vllm");
        }
    }
    let head = name.split('.').next().unwrap_or(name);
    if let Some(other) = kaito_presets::profiles().iter().find(|profile| profile.option(head).is_some()) {
        return format!(
            "{words}, which this machine gets, but of {}; its server will probably not start",
            other.versions.vllm
        );
    }
    match nearest(head, facts.profile.options.iter().map(|option| option.name)) {
        Some(meant) => {
            format!("{words} (did you mean {meant}?); it is passed on, and the server will probably not start")
        }
        None => format!("{words}; it is passed on, and the server will probably not start"),
    }
}

/// Where a value is not of the kind that the option takes.
fn mistyped(option: &VllmOption, value: &Value, text: &str) -> Option<String> {
    let shown = || quoted(&value.to_string());
    match option.takes {
        // `max-model-len` has words of its own.
        Takes::Integer if option.name != "max-model-len" && whole::read(text).is_none() => {
            Some(format!("is {}: expected a whole number", shown()))
        }
        Takes::Number if !text.parse::<f64>().is_ok_and(f64::is_finite) => {
            Some(format!("is {}: expected a number", shown()))
        }
        Takes::Text if text.starts_with('-') && text.parse::<f64>().is_err() => {
            Some("begins with a dash, and so the server takes it for another option".to_owned())
        }
        _ => None,
    }
}

/// Switches take no value, and the wrapper always hands one on. vLLM 0.25.1 takes the first such word for the name of the model on its command line, which the wrapper ignores; a second one ends it, and older
/// ones take none at all (read from the parsers of both wheels).
fn flip(switches: &[&Setting], facts: &Facts, judged: &mut Judged) {
    if !facts.profile.supports.config_booleans {
        let says = || {
            format!(
                "is a switch, which no file can set here: the image for {} hands on every setting with a value, and vLLM {} then does not start; leave it out",
                gpu(facts),
                vllm(facts)
            )
        };
        judged.errors.extend(switches.iter().map(|switch| switch.finding(says())));
        return;
    }
    let Some((first, others)) = switches.split_first() else { return };
    let is_off = matches!(first.text().to_lowercase().as_str(), "false" | "0" | "no" | "off");
    if is_off && !first.name().starts_with("no-") {
        let other = format!("no-{}", first.name());
        judged.warnings.push(first.finding(format!(
            "is switched ON by this: the server gets --{} and takes the word after it for something else; to switch it off, write {other}: true",
            first.name()
        )));
    }
    let says = |first: &Setting| {
        format!(
            "is a second switch after {} in line {}: the server is handed a value with each, takes only one such word, and does not start with two; keep one",
            quoted(&first.spelled),
            first.line
        )
    };
    judged.errors.extend(others.iter().map(|switch| switch.finding(says(first))));
}

fn twice(settings: &[Setting], judged: &mut Judged) {
    let mut seen: BTreeMap<String, &Setting> = BTreeMap::new();
    for setting in settings {
        if let Some(first) = seen.insert(setting.name(), setting) {
            let says =
                format!("says again what {} says in line {}; the last counts", quoted(&first.spelled), first.line);
            judged.warnings.push(setting.finding(says));
        }
    }
}

/// What stands beside the section `vllm`.
pub(super) fn beside(settings: &[Setting], facts: &Facts, judged: &mut Judged) {
    for setting in settings {
        let finding = |says: String| Finding { path: quoted(&setting.spelled), ..setting.finding(says) };
        let is_number = setting.value.is_number() || setting.value.is_null();
        match setting.spelled.as_str() {
            "kv_cache_cpu_memory_utilization" if !is_number => {
                let says = format!(
                    "is {}: expected a share of the main memory, from 0 to 1",
                    quoted(&setting.value.to_string())
                );
                judged.errors.push(finding(says));
            }
            "kv_cache_cpu_memory_utilization" if !facts.profile.supports.kv_offload => {
                judged.warnings.push(finding(format!("is not read by the image for {}", gpu(facts))));
            }
            "kv_cache_cpu_memory_utilization"
                if facts.model.features.kv_offload_disabled && setting.value.as_f64() > Some(0.0) =>
            {
                let says = format!(
                    "has no effect: the cache of {} stays on the GPU, which the operator's own command line says, and of the options of KAITO that wins",
                    facts.model.id
                );
                judged.warnings.push(finding(says));
            }
            known if OF_THE_WRAPPER.contains(&known) => {}
            other => {
                let says = match self::known(&other.replace('_', "-"), facts) {
                    Some(_) => "is not read there; it belongs into the section vllm".to_owned(),
                    None => "is not read by the runtime".to_owned(),
                };
                judged.warnings.push(finding(says));
            }
        }
    }
}
