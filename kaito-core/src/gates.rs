//! Feature gates: names and defaults are contract; a gate whose feature does not exist yet can only be off.

use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// One row for each gate.
struct Gate {
    name: &'static str,
    default: bool,
    /// Whether this version does what the gate turns on.
    available: bool,
}

const GATES: &[Gate] = &[
    Gate { name: "vLLM", default: true, available: true },
    Gate { name: "disableNodeAutoProvisioning", default: false, available: true },
    Gate { name: "gatewayAPIInferenceExtension", default: false, available: false },
    // On by default upstream; its controller comes with a later version, so being on has no effect yet.
    Gate { name: "enableInferenceSetController", default: true, available: true },
    Gate { name: "enableMIG", default: false, available: true },
    Gate { name: "enableAccelerator", default: false, available: true },
    Gate { name: "enableMultiRoleInferenceController", default: false, available: false },
    Gate { name: "ModelMirror", default: false, available: false },
    Gate { name: "ModelStreaming", default: false, available: false },
    Gate { name: "enableBaseImageAutoUpgrade", default: false, available: false },
];

/// Which gates are on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gates(BTreeMap<&'static str, bool>);

/// As written: gates that are newer than the text have their defaults.
impl<'de> Deserialize<'de> for Gates {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut gates = Gates::default();
        for (name, on) in BTreeMap::<String, bool>::deserialize(deserializer)? {
            let gate = GATES.iter().find(|gate| gate.name == name);
            let gate = gate.ok_or_else(|| serde::de::Error::custom(format!("no such feature gate: {name:?}")))?;
            gates.0.insert(gate.name, on);
        }
        Ok(gates)
    }
}

impl Default for Gates {
    fn default() -> Self {
        Self(GATES.iter().map(|gate| (gate.name, gate.default)).collect())
    }
}

/// Why a `--feature-gates` value was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GateError {
    /// Not `name=true` or `name=false`.
    #[error("feature gate {0:?}: expected name=true or name=false")]
    Malformed(String),
    /// No such gate.
    #[error("invalid feature gate(s) {unknown}; known gates: {known}")]
    Unknown {
        /// The names that are not known.
        unknown: String,
        /// All names that are.
        known: String,
    },
    /// The gate is known and its feature is not there yet.
    #[error("feature gate {0}=true: this version does not have that feature yet; leave the gate off")]
    NotAvailable(&'static str),
}

impl Gates {
    /// Reads `a=true,b=false`; the last of equal names wins, an empty string changes nothing.
    pub fn parse(text: &str) -> Result<Gates, GateError> {
        let mut gates = Gates::default();
        let mut unknown = Vec::new();
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            let malformed = || GateError::Malformed(item.to_owned());
            let (name, value) = item.split_once('=').ok_or_else(malformed)?;
            let on: bool = value.trim().to_ascii_lowercase().parse().map_err(|_| malformed())?;
            match GATES.iter().find(|gate| gate.name == name.trim()) {
                None => unknown.push(name.trim().to_owned()),
                Some(gate) if on && !gate.available => return Err(GateError::NotAvailable(gate.name)),
                Some(gate) => {
                    gates.0.insert(gate.name, on);
                }
            }
        }
        if unknown.is_empty() {
            return Ok(gates);
        }
        let known = GATES.iter().map(|gate| gate.name).collect::<Vec<_>>().join(", ");
        Err(GateError::Unknown { unknown: unknown.join(", "), known })
    }

    /// Whether presets are served by vLLM unless a Workspace says otherwise.
    pub fn vllm(&self) -> bool {
        self.is_on("vLLM")
    }

    /// Whether nobody makes machines: Nodes are brought along.
    pub fn disables_provisioning(&self) -> bool {
        self.is_on("disableNodeAutoProvisioning")
    }

    /// Whether a slice of a GPU may be asked for by its profile.
    pub fn mig(&self) -> bool {
        self.is_on("enableMIG")
    }

    /// Whether some of the GPUs of a node may be asked for.
    pub fn accelerator(&self) -> bool {
        self.is_on("enableAccelerator")
    }

    fn is_on(&self, name: &str) -> bool {
        self.0.get(name).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_are_read_and_refused_in_words() {
        assert!(Gates::parse("").unwrap().vllm() && !Gates::default().mig() && !Gates::default().accelerator());
        let parts = Gates::parse("enableMIG=true,enableAccelerator=true").unwrap();
        assert!(parts.mig() && parts.accelerator());
        assert!(!Gates::parse("vLLM=true, vLLM=False").unwrap().vllm());
        assert!(Gates::parse("vLLM").unwrap_err().to_string().contains("expected name=true"));
        let unknown = Gates::parse("vllm=true,ModelMiror=true").unwrap_err().to_string();
        assert!(unknown.starts_with("invalid feature gate(s) vllm, ModelMiror") && unknown.contains("ModelMirror"));
        assert!(matches!(Gates::parse("ModelMirror=true"), Err(GateError::NotAvailable("ModelMirror"))));
    }
}
