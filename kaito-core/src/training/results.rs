//! Where the result of a training lies, and how long.

use super::{TrainingConfig, TrainingError};
use kaito_api::workspace::TuningSpec;
use kaito_presets::paths;
use serde_json::Value;

/// Where every volume of a training is mounted.
const MOUNTS: &str = "/mnt";
/// The trainer's own directory: a relative path is below it.
const TRAINER_HOME: &str = "/workspace/tfs";
/// Where transformers (4.48 and later) writes when nothing is said.
const UNSAID: &str = "trainer_output";

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

impl TrainingConfig {
    /// Where the result lies (spec/03 §8.1): below `/mnt`, wherever the trainer writes.
    ///
    /// # Errors
    /// `/mnt` itself, outside of it, or over the data or the settings.
    pub fn results(&self) -> Result<Results, TrainingError> {
        let given = match self.setting("TrainingArguments", "output_dir").map(|setting| &setting.value) {
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
