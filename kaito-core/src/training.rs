//! What the settings of a training say: where its result goes, and what a GPU cannot do of it.
//!
//! The text is the user's `training_config.yaml`, or the template that the chart ships. The trainer reads it itself; only what the pod's form depends on is looked at here.

use crate::admission::nearest::nearest;
use crate::words::quoted;
use kaito_api::workspace::{TuningMethod, TuningSpec};
use kaito_presets::{RuntimeProfile, paths};
use serde_json::{Value, json};

/// Where every volume of a training is mounted.
const MOUNTS: &str = "/mnt";
/// The trainer's own directory: a relative path is below it.
const TRAINER_HOME: &str = "/workspace/tfs";
/// Where transformers (4.48 and later) writes when nothing is said.
const UNSAID: &str = "trainer_output";

/// The sections of the settings: a class of the trainer each (spec/01 §8, spec/03 §14).
const SECTIONS: [&str; 6] =
    ["ModelConfig", "QuantizationConfig", "LoraConfig", "TrainingArguments", "DatasetConfig", "DataCollator"];

/// Why settings cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrainingError {
    /// Not YAML.
    #[error("key training_config.yaml is not YAML: {0}")]
    NotYaml(String),
    /// No map of sections below `training_config`.
    #[error("key training_config.yaml: expected a map `training_config` of sections, each a map of settings")]
    NotSections,
    /// A section that the trainer does not know, and refuses after the machine has come.
    #[error("training_config.{section}: unknown section; the trainer knows {}{near}", SECTIONS.join(", "))]
    UnknownSection {
        /// Its name.
        section: String,
        /// The nearest that it knows, in words; empty where none is near.
        near: String,
    },
    /// The result would be lost, or lie over something else.
    #[error("TrainingArguments.output_dir is {0}: expected a directory of its own below /mnt, such as /mnt/results")]
    Output(String),
    /// Cannot be written as YAML again.
    #[error("cannot be written: {0}")]
    Unwritable(String),
}

/// Volumes whose content goes with the machine or with the pod.
const OF_THE_MACHINE: [&str; 4] = ["csi", "emptyDir", "ephemeral", "hostPath"];

/// The kind of the volume on which the result of a training stays, where that goes with the machine; an image is pushed before the Job succeeds.
pub fn stays_on_machine(tuning: &TuningSpec) -> Option<&'static str> {
    let volume = tuning.output.as_ref()?.volume_source.as_ref()?;
    OF_THE_MACHINE.into_iter().find(|kind| volume.0.get(kind).is_some_and(|source| !source.is_null()))
}

/// Where the result lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Results {
    /// Where its volume is mounted, below `/mnt`.
    pub directory: String,
    /// Where the trainer itself writes, when the settings do not say it by a full path: the volume is mounted there too.
    pub written: Option<String>,
}

/// Settings of a training.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingConfig {
    root: Value,
}

impl TrainingConfig {
    /// Reads `training_config.yaml`.
    ///
    /// # Errors
    /// Not YAML, or not sections of settings.
    pub fn parse(yaml: &str) -> Result<Self, TrainingError> {
        let root: Value = serde_saphyr::from_str(yaml).map_err(|error| TrainingError::NotYaml(error.to_string()))?;
        let is_section = |value: &Value| value.is_object() || value.is_null();
        let sections = root.get("training_config").and_then(Value::as_object);
        let sections =
            sections.filter(|sections| sections.values().all(is_section)).ok_or(TrainingError::NotSections)?;
        match sections.keys().find(|section| !SECTIONS.contains(&section.as_str())) {
            None => Ok(Self { root }),
            Some(unknown) => {
                let near = nearest(unknown, SECTIONS).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
                Err(TrainingError::UnknownSection { section: quoted(unknown), near })
            }
        }
    }

    fn setting(&self, section: &str, key: &str) -> Option<&Value> {
        self.root.get("training_config")?.get(section)?.get(key).filter(|value| !value.is_null())
    }

    /// Where the result lies (spec/03 §8.1): below `/mnt`, wherever the trainer writes.
    ///
    /// # Errors
    /// `/mnt` itself, outside of it, or over the data or the settings.
    pub fn results(&self) -> Result<Results, TrainingError> {
        let given = match self.setting("TrainingArguments", "output_dir") {
            None => "",
            Some(Value::String(text)) => text.as_str(),
            Some(other) => return Err(TrainingError::Output(other.to_string())),
        };
        let refuse = || TrainingError::Output(format!("{given:?}"));
        if given.is_empty() {
            let written = format!("{TRAINER_HOME}/{UNSAID}");
            return Ok(Results { directory: paths::OUTPUT_DIR.to_owned(), written: Some(written) });
        }
        let is_absolute = given.starts_with('/');
        let below = if is_absolute { clean(given) } else { clean(&format!("{MOUNTS}/{given}")) };
        let below = below.ok_or_else(refuse)?;
        let inside = |of: &str| below == of || below.starts_with(&format!("{of}/"));
        if below == MOUNTS || !inside(MOUNTS) || inside(paths::DATA_DIR) || inside(paths::CONFIG_DIR) {
            return Err(refuse());
        }
        let written = (!is_absolute).then(|| format!("{TRAINER_HOME}{}", &below[MOUNTS.len()..]));
        Ok(Results { directory: below, written })
    }

    /// What the GPUs of a profile, or its image, cannot do of this.
    pub fn objection(&self, profile: &RuntimeProfile, gpu: &str) -> Option<String> {
        let allows = |dtype: &str| profile.dtypes.allowed.contains(&dtype);
        if !allows("bfloat16") {
            let is_bfloat16 = |value: &Value| value.as_str().is_some_and(|text| text.ends_with("bfloat16"));
            for (section, key) in [("ModelConfig", "torch_dtype"), ("QuantizationConfig", "bnb_4bit_compute_dtype")] {
                if self.setting(section, key).is_some_and(is_bfloat16) {
                    return Some(format!(
                        "{section}.{key} is bfloat16, which {gpu} does not have; use float16, or a GPU with compute capability 8.0 or newer"
                    ));
                }
            }
            if self.setting("TrainingArguments", "bf16") == Some(&json!(true)) {
                return Some(format!("TrainingArguments.bf16 is true, and {gpu} has no bfloat16; leave it out"));
            }
        }
        // Only settings that say where something lies; numeric types were judged above.
        let places = profile.tuning.template_overrides.iter().filter(|(_, _, value)| value.starts_with('/'));
        places.into_iter().find_map(|(section, key, wanted)| {
            let given = self.setting(section, key).and_then(Value::as_str);
            (given != Some(wanted)).then(|| {
                format!("{section}.{key} must be {wanted}: the image for {gpu} looks for the weights nowhere else")
            })
        })
    }

    /// Where the settings say something else than the method of the Workspace: the result would not be what was asked for, and may need another GPU.
    pub fn contradiction(&self, method: TuningMethod) -> Option<String> {
        let on = |key: &&&str| self.setting("QuantizationConfig", key) == Some(&json!(true));
        let quantized: Vec<&str> = ["load_in_4bit", "load_in_8bit"].iter().filter(on).copied().collect();
        match (method, quantized.as_slice()) {
            (TuningMethod::Lora, [first, ..]) => Some(format!(
                "is for another method: QuantizationConfig.{first} is true, and tuning.method is lora; leave it out, or take qlora"
            )),
            (TuningMethod::Qlora, []) => Some(
                "is for another method: QuantizationConfig quantises nothing, and tuning.method is qlora; set load_in_4bit: true, or take lora"
                    .to_owned(),
            ),
            (TuningMethod::Qlora, [_, _, ..]) => Some(
                "sets both QuantizationConfig.load_in_4bit and load_in_8bit; a model is loaded in one of them".to_owned(),
            ),
            (TuningMethod::Lora, []) | (TuningMethod::Qlora, [_]) => None,
        }
    }
}

/// The same settings with a few of them set: (section, key, value). Comments are lost.
///
/// # Errors
/// The text is not what a training's settings look like.
pub fn with_settings(yaml: &str, settings: &[(&str, &str, &str)]) -> Result<String, TrainingError> {
    let mut config = TrainingConfig::parse(yaml)?;
    for (section, key, value) in settings {
        let sections = &mut config.root["training_config"];
        if !sections[*section].is_object() {
            sections[*section] = json!({});
        }
        sections[*section][*key] = json!(value);
    }
    // The trainer reads YAML 1.1, where a bare `no` is false.
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false, yaml_12: false };
    serde_saphyr::to_string_with_options(&config.root, options)
        .map_err(|error| TrainingError::Unwritable(error.to_string()))
}

/// An absolute path without `.`, `..` and doubled slashes; `None` when it climbs above the root or holds what no path of a volume may.
fn clean(path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            // The kubelet's grammar of mount paths has no colon; the rest would need care in a shell for nothing.
            part if part.chars().any(|c| c == ':' || c.is_control()) => return None,
            part => parts.push(part),
        }
    }
    Some(format!("/{}", parts.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kaito_presets::profile;

    fn config(text: &str) -> TrainingConfig {
        TrainingConfig::parse(text).unwrap()
    }

    #[test]
    fn a_section_that_the_trainer_does_not_know_is_named_with_the_nearest() {
        let error = TrainingConfig::parse("training_config: {LoraConfig: {r: 8}, TrainingArgument: {}}").unwrap_err();
        let words = error.to_string();
        assert!(words.contains("training_config.TrainingArgument: unknown section"), "{words}");
        assert!(words.ends_with("did you mean TrainingArguments?"), "{words}");
        assert!(
            TrainingConfig::parse("training_config: {DataCollator: {mlm: true}, ModelConfig: null}\nother: 1").is_ok()
        );
    }

    #[test]
    fn a_result_lies_below_mnt_or_the_settings_are_refused() {
        let table = [
            ("/mnt/results", Some(("/mnt/results", None))),
            ("/mnt//results/./run1/", Some(("/mnt/results/run1", None))),
            ("lora-output", Some(("/mnt/lora-output", Some("/workspace/tfs/lora-output")))),
            ("", Some(("/mnt/output", Some("/workspace/tfs/trainer_output")))),
            ("/mnt/../etc", None),
            ("/mnt", None),
            ("/mntfoo", None),
            ("/srv/out", None),
            ("../out", None),
            (".", None),
            ("/mnt/data", None),
            ("/mnt/config/x", None),
            ("/mnt/a:b", None),
        ];
        for (given, wanted) in table {
            let found = config(&format!("training_config: {{TrainingArguments: {{output_dir: {given:?}}}}}")).results();
            let found = found.ok().map(|found| (found.directory, found.written));
            let wanted = wanted.map(|(at, written): (&str, Option<&str>)| (at.to_owned(), written.map(str::to_owned)));
            assert_eq!(found, wanted, "{given}");
        }
        assert!(config("training_config: {TrainingArguments: {output_dir: [1]}}").results().is_err());
    }

    #[test]
    fn what_is_no_training_config_is_told() {
        for text in ["invalid yaml data", "a: 1", "training_config: [1]", "training_config: {LoraConfig: 8}", "{"] {
            assert!(TrainingConfig::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_gpu_without_bfloat16_refuses_it_wherever_it_stands() {
        let volta = profile("volta-turing").unwrap();
        let at = "pretrained_model_name_or_path: /workspace/weights";
        let table = [
            (format!("ModelConfig: {{torch_dtype: float16, {at}}}"), None),
            (format!("ModelConfig: {{torch_dtype: bfloat16, {at}}}"), Some("ModelConfig.torch_dtype")),
            (
                format!("ModelConfig: {{{at}}}, QuantizationConfig: {{bnb_4bit_compute_dtype: bfloat16}}"),
                Some("bnb_4bit_compute_dtype"),
            ),
            (format!("ModelConfig: {{{at}}}, TrainingArguments: {{bf16: true}}"), Some("bf16")),
            ("ModelConfig: {torch_dtype: float16}".to_owned(), Some("/workspace/weights")),
        ];
        for (sections, wanted) in table {
            let found = config(&format!("training_config: {{{sections}}}")).objection(volta, "NVIDIA V100");
            assert_eq!(found.is_some(), wanted.is_some(), "{sections}: {found:?}");
            assert!(found.unwrap_or_default().contains(wanted.unwrap_or_default()));
        }
        let new = config("training_config: {ModelConfig: {torch_dtype: bfloat16}}");
        assert_eq!(new.objection(profile("current").unwrap(), "NVIDIA A100"), None);
    }

    #[test]
    fn settings_are_set_and_words_stay_words() {
        let text = "training_config:\n  TrainingArguments:\n    save_strategy: \"no\"\n    batch: 1\n";
        let made = with_settings(text, &[("ModelConfig", "torch_dtype", "float16")]).unwrap();
        let back = config(&made);
        assert_eq!(back.setting("ModelConfig", "torch_dtype"), Some(&json!("float16")));
        assert_eq!(back.setting("TrainingArguments", "save_strategy"), Some(&json!("no")));
        assert!(made.contains("\"no\"") || made.contains("'no'"), "{made}");
    }
}
