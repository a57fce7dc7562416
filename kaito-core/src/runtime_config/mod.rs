//! What a user's `inference_config.yaml` tells the server, and what is wrong with it.
//!
//! Read as the images read it (spec/03 §12.1 and §12.2, and their wrapper's own source): a map, whose section `vllm` holds an option of the server a line. Each is put behind the operator's command line
//! as two words, `--<key>` and the value as text, and so wins there; of the wrapper's own options the operator's win. What is certain to keep the server from starting or from being asked is an error;
//! what will be regretted, or is not known to this release of vLLM, is a warning, and passed on.

mod groups; // the groups of GPUs that the user sizes
mod options; // one option of the server against the machine and the image that will run it
mod read; // the text as settings with their lines
mod whole; // a whole number as the server reads one

use crate::findings::TOLD;
pub(crate) use crate::findings::first;
pub use crate::findings::{Finding, told};
use crate::hash;
use crate::manifest::{Arg, Layout};
use crate::settings_file;
use crate::words::{cut, quoted};
use crate::workspace::Facts;
use k8s_openapi::api::core::v1::ConfigMap;
use kaito_api::vocabulary::names;
use kaito_presets::paths;
use serde_json::Value;
use std::collections::BTreeMap;

/// Why a ConfigMap holds no settings of a runtime.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// The key is not there.
    #[error("has no key {}", names::INFERENCE_CONFIG_KEY)]
    NoKey,
    /// The key is there as bytes.
    #[error("has key {} as binaryData: it is read as text only, below `data`", names::INFERENCE_CONFIG_KEY)]
    Binary,
    /// Not YAML.
    #[error("key {key} is not YAML: {0}", key = names::INFERENCE_CONFIG_KEY)]
    NotYaml(String),
    /// Nothing, or no map of sections, or `vllm` is none: the server's wrapper ends with a stack trace.
    #[error("key {key}{}: expected a map with a section `vllm`, itself a map of options and values", at(*.0), key = names::INFERENCE_CONFIG_KEY)]
    NotSections(u64),
}

/// `, line 3`; nothing where no line is known.
fn at(line: u64) -> String {
    if line == 0 { String::new() } else { format!(", line {line}") }
}

/// What there is to say of settings beside the machine that they are for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judged {
    /// Tokens of context, where a length is named.
    pub context: Option<u32>,
    /// What keeps the server from starting, from being asked, or from being ready.
    pub errors: Vec<Finding>,
    /// What is passed on and will probably be regretted.
    pub warnings: Vec<Finding>,
}

/// A setting and where it stands.
#[derive(Debug, Clone, PartialEq)]
struct Setting {
    /// As the user spells it.
    spelled: String,
    value: Value,
    line: u64,
}

impl Setting {
    /// The name as vLLM takes it: `_` is `-` before the first dot.
    fn name(&self) -> String {
        match self.spelled.split_once('.') {
            Some((option, below)) => format!("{}.{below}", option.replace('_', "-")),
            None => self.spelled.replace('_', "-"),
        }
    }

    /// The value as the wrapper hands it on.
    fn text(&self) -> String {
        settings_file::word(&self.value)
    }

    fn finding(&self, says: impl Into<String>) -> Finding {
        Finding { line: self.line, path: format!("vllm.{}", cut(&quoted(&self.spelled), 60)), says: says.into() }
    }
}

/// Settings of a runtime.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RuntimeConfig {
    /// Options of the server, in the order of the file: of two the last wins.
    vllm: Vec<Setting>,
    /// What stands beside the section `vllm`.
    beside: Vec<Setting>,
}

impl RuntimeConfig {
    /// Reads `inference_config.yaml`.
    ///
    /// # Errors
    /// Not YAML, or not what the wrapper of the server can read.
    pub fn read(yaml: &str) -> Result<Self, Unreadable> {
        read::settings(yaml)
    }

    /// Reads the ConfigMap that `inference.config` names.
    ///
    /// # Errors
    /// The key is missing or binary, or its text cannot be read.
    pub fn of(config: &ConfigMap) -> Result<Self, Unreadable> {
        let text = config.data.as_ref().and_then(|data| data.get(names::INFERENCE_CONFIG_KEY));
        let is_binary =
            || config.binary_data.as_ref().is_some_and(|data| data.contains_key(names::INFERENCE_CONFIG_KEY));
        match text {
            Some(yaml) => Self::read(yaml),
            None if is_binary() => Err(Unreadable::Binary),
            None => Err(Unreadable::NoKey),
        }
    }

    /// Tokens of context, where a length is named; of two the last counts.
    ///
    /// # Errors
    /// Neither a positive whole number nor `auto`, which is `-1` too.
    pub fn context(&self) -> Result<Option<u32>, Finding> {
        let Some(length) = self.vllm.iter().rfind(|setting| setting.name() == "max-model-len") else { return Ok(None) };
        match &length.value {
            Value::Null => Ok(None),
            value if is_auto(&settings_file::word(value)) => Ok(None),
            value => {
                let number = value.as_u64().map(i128::from).or_else(|| value.as_str().and_then(whole::read));
                let in_range = number.and_then(|tokens| u32::try_from(tokens).ok()).filter(|tokens| *tokens > 0);
                let says = || format!("is {}: expected a positive whole number", quoted(&value.to_string()));
                in_range.map(Some).ok_or_else(|| length.finding(says()))
            }
        }
    }

    /// Everything that can be said of it for this model on this machine.
    pub fn judge(&self, facts: &Facts) -> Judged {
        let mut judged = Judged::default();
        match self.context() {
            Ok(context) => judged.context = context,
            Err(finding) => judged.errors.push(finding),
        }
        options::judge(&self.vllm, facts, &mut judged);
        options::beside(&self.beside, facts, &mut judged);
        judged
    }

    /// Why the GPUs do not suffice for the groups that it asks for, beside those that the operator chooses.
    pub fn beyond(&self, layout: &Layout, facts: &Facts) -> Option<Finding> {
        groups::beyond(&self.vllm, layout, facts)
    }

    /// Where it wins over the operator's own command line, in words: `gpu-memory-utilization 0.95 for 0.84`.
    pub fn overrules(&self, told: &[Arg]) -> Vec<String> {
        let ours = |name: &str| told.iter().find(|arg| arg.flag.replace('_', "-") == name);
        let wins = |setting: &Setting| {
            let (name, theirs) = (setting.name(), setting.text());
            let ours = ours(&name)?.value.as_deref().unwrap_or("nothing");
            (ours != theirs).then(|| format!("{} {} for {}", quoted(&name), quoted(&theirs), quoted(ours)))
        };
        self.vllm.iter().filter_map(wins).collect()
    }

    /// What the server is told, as a word that is the same as long as it is told the same: comments, spelling and what the wrapper does not read do not count; other files of the ConfigMap do where a setting
    /// names them.
    pub fn digest(&self, config: &ConfigMap) -> String {
        let beside = self.beside.iter().filter(|setting| options::OF_THE_WRAPPER.contains(&setting.spelled.as_str()));
        let mut told: Vec<(String, String)> = beside.map(|setting| (setting.spelled.clone(), setting.text())).collect();
        let first = told.len();
        told.extend(self.vllm.iter().map(|setting| (setting.name(), setting.text())));
        told[..first].sort();
        // Of two with one name the last wins: they stay in their order.
        told[first..].sort_by(|a, b| a.0.cmp(&b.0));
        let named = |file: &&String| {
            let path = format!("{}/{file}", paths::CONFIG_DIR);
            **file != names::INFERENCE_CONFIG_KEY && told.iter().any(|(_, value)| value.contains(&path))
        };
        let texts: BTreeMap<&String, &String> = config.data.iter().flatten().filter(|(file, _)| named(file)).collect();
        let bytes: BTreeMap<&String, &[u8]> = config
            .binary_data
            .iter()
            .flatten()
            .filter(|(file, _)| named(file))
            .map(|(file, bytes)| (file, bytes.0.as_slice()))
            .collect();
        let all = serde_json::to_vec(&(&told, texts, bytes)).unwrap_or_default();
        hash::sha256_hex(&all).chars().take(DIGITS).collect()
    }
}

/// Whether a length is left to the server (`-1 or 'auto'`, as vLLM's own help has it).
fn is_auto(length: &str) -> bool {
    matches!(length, "auto" | "-1")
}

/// Hex digits of a digest.
const DIGITS: usize = 16;

#[cfg(test)]
mod tests;
