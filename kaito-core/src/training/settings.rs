//! One setting: its name, as the trainer's parser finds it, and what it must be.

use super::values::{self, Fault, number};
use super::{Findings, Section, Setting, TrainingConfig};
use crate::admission::nearest::nearest;
use crate::findings::{Finding, TOLD};
use crate::settings_file::word;
use crate::words::quoted;
use kaito_presets::{RuntimeProfile, TrainerSetting, TrainerTakes};
use serde_json::Value;

pub(super) fn judge(config: &TrainingConfig, profile: &RuntimeProfile, found: &mut Findings) {
    for section in &config.sections {
        if section.is_null {
            let says = "is empty, at which the trainer ends: leave the section out, or write {}".to_owned();
            found.errors.push(Finding { line: section.line, path: section.name.clone(), says });
        }
        for setting in &section.settings {
            one(section, setting, profile, found);
        }
    }
}

/// What the trainer's parser makes of a name.
enum Named {
    /// It is this one.
    Exactly(&'static TrainerSetting),
    /// The only one that begins so.
    Begun(&'static TrainerSetting),
    /// Several begin so: these are two of them.
    Several(&'static TrainerSetting, &'static TrainerSetting),
    /// There is none.
    No,
}

fn one(section: &Section, setting: &Setting, profile: &RuntimeProfile, found: &mut Findings) {
    let finding = |says: String| setting.finding(&section.name, says);
    let known = match named(&section.name, &setting.key, profile) {
        Named::Exactly(known) => known,
        Named::Begun(known) => {
            let says = format!("is read as {}, which is the only name that begins so; write it out", known.key);
            found.warnings.push(finding(says));
            known
        }
        Named::Several(a, b) => {
            let says = format!("is no setting: several begin so ({}, {}), and the trainer ends", a.key, b.key);
            return found.errors.push(finding(says));
        }
        Named::No => {
            // What is not told need not be compared with every known name.
            let told = found.errors.len() < TOLD;
            return found.errors.push(finding(if told { unknown(section, setting, profile) } else { String::new() }));
        }
    };
    match values::fault(known.takes, &setting.value) {
        Some(Fault::Wrong(says)) => found.errors.push(finding(says)),
        Some(Fault::Odd(says)) if MUST_SAY.contains(&(known.section, known.key)) => found.errors.push(finding(says)),
        Some(Fault::Odd(says)) => found.warnings.push(finding(says)),
        None => found.errors.extend(beyond(known, &setting.value).map(finding)),
    }
}

/// Of a name, `argparse` takes the beginning where only one begins so; `HfArgumentParser` knows every name with `-` for every `_` too.
fn named(section: &str, key: &str, profile: &RuntimeProfile) -> Named {
    let tuning = &profile.tuning;
    let dashed = key.contains('-') && !key.contains('_');
    let spelled = if dashed { key.replace('-', "_") } else { key.to_owned() };
    if let Some(known) = tuning.setting(section, &spelled) {
        return Named::Exactly(known);
    }
    let mut begin = tuning
        .settings
        .iter()
        .filter(|known| known.section == section && !spelled.is_empty() && known.key.starts_with(spelled.as_str()));
    match (begin.next(), begin.next()) {
        (None, _) => Named::No,
        (Some(only), None) => Named::Begun(only),
        (Some(a), Some(b)) => Named::Several(a, b),
    }
}

/// Why a name is none, with what was probably meant.
fn unknown(section: &Section, setting: &Setting, profile: &RuntimeProfile) -> String {
    let name = section.name.as_str();
    if let Some(outer) = &setting.within {
        let json = profile.tuning.setting(name, outer).filter(|outer| outer.takes == TrainerTakes::Json);
        let hint = if json.is_some() { "write it as JSON in quotes, '{\"a\": 1}'" } else { "it cannot be set here" };
        return format!(
            "is a map, of which the trainer makes settings such as {}, and there is none: {hint}",
            quoted(&setting.key)
        );
    }
    let key = setting.key.replace('-', "_");
    if key.strip_prefix("no_").is_some_and(|on| profile.tuning.setting(name, on).is_some()) {
        return format!("cannot be given a value: write {}: false", &key[3..]);
    }
    let words = format!("is no setting that the trainer knows (transformers {})", profile.versions.transformers);
    let elsewhere = profile.tuning.settings.iter().find(|known| known.key == key);
    if let Some(other) = elsewhere {
        return format!("{words} there; it belongs into {}", other.section);
    }
    let newer = kaito_presets::profiles().iter().find(|other| other.tuning.setting(name, &key).is_some());
    if let Some(other) = newer {
        return format!("{words}, but one of transformers {}", other.versions.transformers);
    }
    let known = profile.tuning.settings.iter().filter(|known| known.section == name).map(|known| known.key);
    match nearest(&setting.key, known) {
        Some(meant) => format!("{words}; did you mean {meant}?"),
        None => words,
    }
}

/// Settings at whose null the trainer ends: a file, a type or a module that is called None is not there.
const MUST_SAY: [(&str, &str); 9] = [
    ("LoraConfig", "target_modules"),
    ("ModelConfig", "chat_template"),
    ("ModelConfig", "pretrained_model_name_or_path"),
    ("ModelConfig", "torch_dtype"),
    ("QuantizationConfig", "bnb_4bit_compute_dtype"),
    ("TrainingArguments", "accelerator_config"),
    ("TrainingArguments", "deepspeed"),
    ("TrainingArguments", "output_dir"),
    ("TrainingArguments", "report_to"),
];

/// What a value of the right kind must be besides, or the trainer ends: a check on its word, which says what is expected.
struct Rule {
    section: &'static str,
    key: &'static str,
    holds: fn(&str) -> bool,
    expected: &'static str,
}

/// From the trainer's own `cli.py` and `dataset.py`, `peft/tuners/lora/layer.py` of 0.11.1, and `training_args.py`, `data_collator.py` and `utils/quantization_config.py` of transformers 4.51.3 and 5.14.1.
const RULES: &[Rule] = &[
    rule("DataCollator", "mask_replace_prob", is_share, "a share from 0 to 1"),
    rule("DataCollator", "random_replace_prob", is_share, "a share from 0 to 1"),
    rule("DatasetConfig", "train_test_split", is_part, "more than 0 and at most 1"),
    rule("LoraConfig", "lora_dropout", |text| number(text).is_none_or(|share| share <= 1.0), "a share from 0 to 1"),
    rule("LoraConfig", "r", is_positive, "1 or more"),
    rule("ModelConfig", "torch_dtype", is_dtype, DTYPE),
    rule("QuantizationConfig", "bnb_4bit_compute_dtype", is_dtype, DTYPE),
    rule("TrainingArguments", "gradient_accumulation_steps", is_positive, "1 or more"),
    rule("TrainingArguments", "per_device_train_batch_size", is_positive, "1 or more"),
    rule("TrainingArguments", "torch_empty_cache_steps", is_positive, "1 or more"),
];

const fn rule(section: &'static str, key: &'static str, holds: fn(&str) -> bool, expected: &'static str) -> Rule {
    Rule { section, key, holds, expected }
}

fn beyond(known: &TrainerSetting, value: &Value) -> Option<String> {
    let rule = RULES.iter().find(|rule| (rule.section, rule.key) == (known.section, known.key))?;
    let one = match value {
        Value::Array(items) => items.first()?,
        value => value,
    };
    (!(rule.holds)(&word(one))).then(|| format!("is {}: expected {}", quoted(&one.to_string()), rule.expected))
}

fn is_share(text: &str) -> bool {
    number(text).is_none_or(|share| (0.0..=1.0).contains(&share))
}

fn is_part(text: &str) -> bool {
    number(text).is_none_or(|part| part > 0.0 && part <= 1.0)
}

fn is_positive(text: &str) -> bool {
    number(text).is_none_or(|count| count >= 1.0)
}

const DTYPE: &str = "a type of torch by its bare name, such as bfloat16, float16 or float32";

/// Types of PyTorch; the trainer looks the word up in `torch`. Of the narrow ones every release has more.
fn is_dtype(text: &str) -> bool {
    const WHOLE: [&str; 16] = [
        "bfloat16",
        "bool",
        "cdouble",
        "cfloat",
        "chalf",
        "complex128",
        "complex32",
        "complex64",
        "double",
        "float",
        "float16",
        "float32",
        "float64",
        "half",
        "long",
        "short",
    ];
    const BEGINNINGS: [&str; 7] = ["bits", "float4", "float8", "int", "qint", "quint", "uint"];
    text.is_empty() || WHOLE.contains(&text) || BEGINNINGS.iter().any(|begin| text.starts_with(begin))
}
