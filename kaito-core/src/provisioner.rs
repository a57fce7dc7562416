//! Who makes the machines.

use crate::gates::Gates;
use crate::node_classes::NodeClasses;
use serde::{Deserialize, Serialize};

/// Where machines come from (`--node-provisioner`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeProvisioner {
    /// NodeClaims, one for each machine, which the azure-gpu-provisioner answers.
    #[default]
    AzureGpuProvisioner,
    /// A NodePool for each Workspace, which Karpenter answers, with machines of these classes.
    Karpenter(NodeClasses),
    /// Nobody: somebody has brought Nodes along, and labelled them.
    Byo,
}

impl NodeProvisioner {
    /// The names of all that this version knows.
    pub const NAMES: [&str; 3] = ["azure-gpu-provisioner", "karpenter", "byo"];

    /// The name that the flag has for it.
    pub fn as_str(&self) -> &'static str {
        match self {
            NodeProvisioner::AzureGpuProvisioner => "azure-gpu-provisioner",
            NodeProvisioner::Karpenter(_) => "karpenter",
            NodeProvisioner::Byo => "byo",
        }
    }

    /// The classes of Karpenter's machines, where it makes them.
    pub fn node_classes(&self) -> Option<&NodeClasses> {
        match self {
            NodeProvisioner::Karpenter(classes) => Some(classes),
            NodeProvisioner::AzureGpuProvisioner | NodeProvisioner::Byo => None,
        }
    }

    /// Whether machines are made on request; else they are there, or are not.
    pub fn makes_machines(&self) -> bool {
        match self {
            NodeProvisioner::AzureGpuProvisioner | NodeProvisioner::Karpenter(_) => true,
            NodeProvisioner::Byo => false,
        }
    }

    /// The one that is meant: by its name, or by the gate `disableNodeAutoProvisioning`. The two are one wish, and must not contradict each other. Of Karpenter's classes nothing is known yet: they are those of a simulation.
    pub fn choose(name: Option<&str>, gates: &Gates) -> Result<Self, String> {
        let name = name.map(str::trim).filter(|name| !name.is_empty());
        match name.unwrap_or(if gates.disables_provisioning() { "byo" } else { Self::NAMES[0] }) {
            "byo" => Ok(NodeProvisioner::Byo),
            other if !Self::NAMES.contains(&other) => {
                Err(format!("{other}: no such provisioner; known: {}", Self::NAMES.join(", ")))
            }
            other if gates.disables_provisioning() => Err(format!(
                "{other}: contradicts the feature gate disableNodeAutoProvisioning=true, which means byo; leave out one of them"
            )),
            "karpenter" => Ok(NodeProvisioner::Karpenter(NodeClasses::default())),
            _ => Ok(NodeProvisioner::AzureGpuProvisioner),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_means_nodes_that_are_brought_along_and_a_contradiction_is_said() {
        let off = Gates::parse("disableNodeAutoProvisioning=true").unwrap();
        let chosen = |name, gates: &Gates| NodeProvisioner::choose(name, gates);
        assert_eq!(chosen(None, &off), Ok(NodeProvisioner::Byo));
        assert_eq!(chosen(Some("byo"), &off), Ok(NodeProvisioner::Byo));
        assert_eq!(chosen(Some("byo"), &Gates::default()), Ok(NodeProvisioner::Byo));
        assert_eq!(chosen(None, &Gates::default()), Ok(NodeProvisioner::AzureGpuProvisioner));
        assert!(chosen(Some("azure-gpu-provisioner"), &off).unwrap_err().contains("disableNodeAutoProvisioning=true"));
        assert_eq!(chosen(Some("karpenter"), &Gates::default()).map(|chosen| chosen.as_str()), Ok("karpenter"));
        assert!(chosen(Some("karpenter"), &off).is_err());
        assert!(chosen(Some("magic"), &off).unwrap_err().contains("known: azure-gpu-provisioner"));
    }
}
