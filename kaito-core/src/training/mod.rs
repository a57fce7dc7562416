//! What the settings of a training say: where its result goes, what the trainer will not take of them, and what a GPU cannot do of it.
//!
//! The text is the user's `training_config.yaml`, or the template that the chart ships. The trainer hands every setting to a command line parser of Python (`HfArgumentParser` of transformers), a class for each section, and ends
//! with an error at whatever that does not take, after the machine has come. So the same is asked here: what is certain to end it is an error, what will be regretted a warning.

mod fit; // GPUs, image and method
mod relations; // settings beside each other, and those that must be there
mod results; // where the result lies
mod settings; // one setting: its name, what it must be
mod values; // one value against what its setting takes

use crate::admission::nearest::nearest;
use crate::findings::{Finding, first};
use crate::settings_file::{self, Node};
use crate::words::{cut, quoted};
use crate::workspace::Facts;
use k8s_openapi::api::core::v1::ConfigMap;
use kaito_api::vocabulary::names;
use kaito_api::workspace::TuningMethod;
use kaito_presets::RuntimeProfile;
use serde_json::{Value, json};
use serde_saphyr::Spanned;

pub use results::{Results, stays_on_machine};

/// The sections of the settings: a class of the trainer each (spec/01 §8, spec/03 §14).
const SECTIONS: [&str; 6] =
    ["ModelConfig", "QuantizationConfig", "LoraConfig", "TrainingArguments", "DatasetConfig", "DataCollator"];

/// Why settings cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrainingError {
    /// The key is not there.
    #[error("has no key {}", names::TRAINING_CONFIG_KEY)]
    NoKey,
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

/// One setting and where it stands. A map in a section is several: the trainer joins the names on the way with `_`.
#[derive(Debug, Clone, PartialEq)]
struct Setting {
    /// As the user spells it.
    key: String,
    /// The setting of the section in which it stands as a part of a map.
    within: Option<String>,
    value: Value,
    line: u64,
}

impl Setting {
    fn finding(&self, section: &str, says: impl Into<String>) -> Finding {
        let key = self.within.as_ref().unwrap_or(&self.key);
        Finding { line: self.line, path: format!("{section}.{}", cut(&quoted(key), 60)), says: says.into() }
    }
}

/// A section and where it begins.
#[derive(Debug, Clone, PartialEq)]
struct Section {
    name: String,
    line: u64,
    /// Nothing stands below its name, not even an empty map.
    is_null: bool,
    settings: Vec<Setting>,
}

/// Settings of a training.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingConfig {
    /// Where `training_config` stands.
    line: u64,
    sections: Vec<Section>,
}

/// What there is to say of settings beside the method and the machine that they are for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judged {
    /// Where the result lies; `None` where that is an error.
    pub results: Option<Results>,
    /// What keeps the trainer from running, or its result from being kept.
    pub errors: Vec<String>,
    /// What is passed on and will probably be regretted.
    pub warnings: Vec<String>,
}

/// Findings on the way to what is told of them.
#[derive(Debug, Default)]
struct Findings {
    errors: Vec<Finding>,
    warnings: Vec<Finding>,
}

impl TrainingConfig {
    /// Reads the ConfigMap of a training.
    ///
    /// # Errors
    /// The key is missing, or its text cannot be read.
    pub fn of(config: &ConfigMap) -> Result<Self, TrainingError> {
        Self::parse(text_of(config).ok_or(TrainingError::NoKey)?)
    }

    /// Reads `training_config.yaml`.
    ///
    /// # Errors
    /// Not YAML, or not sections of settings.
    pub fn parse(yaml: &str) -> Result<Self, TrainingError> {
        let Node::Map(root) = settings_file::read(yaml).map_err(TrainingError::NotYaml)? else {
            return Err(TrainingError::NotSections);
        };
        let found = root.into_iter().find(|(key, _)| key.value == "training_config");
        let Some((key, Node::Map(sections))) = found else { return Err(TrainingError::NotSections) };
        let sections = sections.into_iter().map(|(name, node)| section(&name, node)).collect::<Result<Vec<_>, _>>()?;
        match sections.iter().find(|section| !SECTIONS.contains(&section.name.as_str())) {
            None => Ok(Self { line: key.referenced.line(), sections }),
            Some(Section { name, .. }) => {
                let near = nearest(name, SECTIONS).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
                Err(TrainingError::UnknownSection { section: quoted(name), near })
            }
        }
    }

    /// Everything that can be said of it for this method, model and machine.
    pub fn judge(&self, method: TuningMethod, facts: &Facts) -> Judged {
        let gpu = format!("{} (compute capability {})", facts.hardware.gpu_model, facts.capability);
        self.judge_for(method, facts.profile, &gpu)
    }

    fn judge_for(&self, method: TuningMethod, profile: &RuntimeProfile, gpu: &str) -> Judged {
        let mut errors: Vec<String> = self.contradiction(method).into_iter().collect();
        errors.extend(self.objection(profile, gpu));
        let results = self.results().map_err(|error| errors.push(error.to_string())).ok();
        let mut found = Findings::default();
        settings::judge(self, profile, &mut found);
        relations::judge(self, &mut found);
        errors.extend(first(&found.errors));
        Judged { results, errors, warnings: first(&found.warnings) }
    }

    /// The setting that the trainer will find under this name: of two the last, and one whose name is only begun.
    fn setting(&self, section: &str, key: &str) -> Option<&Setting> {
        let settings = || self.sections.iter().filter(|found| found.name == section).flat_map(|found| &found.settings);
        let begins = |spelled: &str| spelled.len() > 2 && key.starts_with(spelled);
        let named = |exact: bool| {
            settings().filter(move |setting| {
                let spelled = setting.key.replace('-', "_");
                spelled == key || (!exact && begins(&spelled))
            })
        };
        named(true).next_back().or_else(|| named(false).next_back())
    }

    /// A setting's value as the trainer is handed it.
    fn word(&self, section: &str, key: &str) -> Option<String> {
        self.setting(section, key).map(|setting| settings_file::word(&setting.value))
    }

    /// Whether the trainer takes the setting for true.
    fn is_on(&self, section: &str, key: &str) -> bool {
        self.word(section, key).and_then(|word| values::truth(&word)) == Some(true)
    }
}

/// The text of the settings in a ConfigMap.
pub(crate) fn text_of(config: &ConfigMap) -> Option<&str> {
    config.data.as_ref()?.get(names::TRAINING_CONFIG_KEY).map(String::as_str)
}

fn section(name: &Spanned<String>, node: Node) -> Result<Section, TrainingError> {
    let (is_null, fields) = match node {
        Node::Map(fields) => (false, fields),
        Node::Leaf(Value::Null) => (true, Vec::new()),
        Node::Leaf(_) | Node::List(_) => return Err(TrainingError::NotSections),
    };
    let mut settings = Vec::new();
    for (key, node) in fields {
        flatten(key.value, None, key.referenced.line(), node, &mut settings);
    }
    Ok(Section { name: name.value.clone(), line: name.referenced.line(), is_null, settings })
}

/// The settings that the trainer makes of one: `a: {b: 1}` is told as `a_b`, and an empty map not at all.
fn flatten(key: String, within: Option<&str>, line: u64, node: Node, settings: &mut Vec<Setting>) {
    match node {
        Node::Map(fields) => {
            let outer = within.unwrap_or(&key).to_owned();
            for (below, node) in fields {
                flatten(format!("{key}_{}", below.value), Some(&outer), below.referenced.line(), node, settings);
            }
        }
        node => settings.push(Setting { key, within: within.map(str::to_owned), value: node.into_value(), line }),
    }
}

/// The same settings with a few of them set: (section, key, value). Comments are lost.
///
/// # Errors
/// The text is not what a training's settings look like.
pub fn with_settings(yaml: &str, settings: &[(&str, &str, &str)]) -> Result<String, TrainingError> {
    TrainingConfig::parse(yaml)?;
    let mut root = settings_file::read(yaml).map_err(TrainingError::NotYaml)?.into_value();
    for (section, key, value) in settings {
        let sections = &mut root["training_config"];
        if !sections[*section].is_object() {
            sections[*section] = json!({});
        }
        sections[*section][*key] = json!(value);
    }
    // The trainer reads YAML 1.1, where a bare `no` is false.
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false, yaml_12: false };
    serde_saphyr::to_string_with_options(&root, options).map_err(|error| TrainingError::Unwritable(error.to_string()))
}

#[cfg(test)]
mod tests;
