//! Which labels a machine that is yet to be made can carry: one that asks for others would be paid for, and its pods would find no node.

use super::rules::Case;
use crate::NodeProvisioner;
use crate::cloud::Cloud;
use crate::words::quoted;
use kaito_api::vocabulary::{aks, labels};

/// Why no machine that is made for this Workspace will carry a label that it is chosen by.
pub(super) fn never_carried(case: &Case<'_>) -> Option<String> {
    case.new.match_labels().iter().find_map(|(key, value)| Some(format!("{key} {}", objection(case, key, value)?)))
}

fn objection(case: &Case<'_>, key: &str, value: &str) -> Option<String> {
    let (size, cloud) = (case.new.resource().instance_type.as_str(), case.settings.cloud);
    // Claims carry the name of the catalogue, however the user spells it.
    let known = kaito_presets::sku(cloud, size);
    let size = known.map_or(size, |sku| sku.name);
    // Beside Karpenter, nodes that are there count as well.
    let is_made = case.settings.provisioner == NodeProvisioner::AzureGpuProvisioner;
    let of_aks = is_made && cloud == Cloud::Azure;
    let is = |has: &str| {
        (value != has).then(|| format!("is {has} on every machine that is made here, not {}", quoted(value)))
    };
    match key {
        "kubernetes.io/hostname" if is_made => {
            Some("is the name of one node, and the machine is yet to be made; choose by a label of your own".to_owned())
        }
        labels::OS | "beta.kubernetes.io/os" => is("linux"),
        // No size of the catalogue has another.
        "kubernetes.io/arch" | "beta.kubernetes.io/arch" if known.is_some() => is("amd64"),
        labels::INSTANCE_TYPE | labels::INSTANCE_TYPE_BETA if !size.is_empty() => is(size),
        labels::ACCELERATOR if of_aks => is(labels::ACCELERATOR_NVIDIA),
        _ if of_aks => aks::refusal_of_label(key).map(str::to_owned),
        _ => None,
    }
}
