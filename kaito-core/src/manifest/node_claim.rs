//! The request for one machine, in the form that gpu-provisioner answers.

use crate::cloud::{self, Requirement as ProviderRequirement};
use crate::hash;
use crate::settings::Settings;
use crate::units::gib_quantity;
use k8s_openapi::api::core::v1::Taint;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kaito_api::karpenter::{NodeClaim, NodeClaimResources, NodeClaimSpec, NodeClassRef, Requirement};
use kaito_api::vocabulary::{ImageFamily, annotations, labels, names};
use std::collections::BTreeMap;

/// What a NodeClaim is made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine<'a> {
    /// Its name, made of uid, slot and incarnation.
    pub name: String,
    /// The Workspace's name.
    pub workspace: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// Its uid.
    pub uid: &'a str,
    /// The slot that the machine fills.
    pub slot: u32,
    /// How often the slot was filled before.
    pub incarnation: u32,
    /// Its size.
    pub size: &'a str,
    /// The disk to ask for, in GiB.
    pub disk_gib: u64,
    /// Labels that the user wants on the node.
    pub user_labels: BTreeMap<String, String>,
    /// The image family of the node.
    pub image_family: ImageFamily,
    /// Cloud.
    pub settings: &'a Settings,
}

/// `ws` and nine hex digits: the same for the same Workspace, slot and incarnation.
pub fn claim_name(uid: &str, slot: u32, incarnation: u32) -> String {
    format!("ws{}", hash::short(&[uid, &slot.to_string(), &incarnation.to_string()], 9))
}

/// A NodeClaim that is never disrupted and never expires: a model server is not moved for the price of a machine.
pub fn node_claim(machine: &Machine<'_>) -> NodeClaim {
    let text = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let mut all_labels: BTreeMap<String, String> = machine.user_labels.clone();
    all_labels.extend([
        text(labels::NODE_POOL, labels::NODE_POOL_KAITO),
        text(labels::WORKSPACE, machine.workspace),
        text(labels::WORKSPACE_NAMESPACE, machine.namespace),
        text(labels::WORKSPACE_UID, machine.uid),
        text(labels::NODE_SLOT, &machine.slot.to_string()),
        text(labels::NODE_INCARNATION, &machine.incarnation.to_string()),
    ]);
    let metadata = ObjectMeta {
        name: Some(machine.name.clone()),
        labels: Some(all_labels),
        annotations: Some(
            [
                text(annotations::KARPENTER_DO_NOT_DISRUPT, "true"),
                text(annotations::NODE_IMAGE_FAMILY, machine.image_family.as_str()),
            ]
            .into(),
        ),
        ..ObjectMeta::default()
    };
    NodeClaim { metadata, spec: spec(machine), status: None }
}

fn spec(machine: &Machine<'_>) -> NodeClaimSpec {
    let size = machine.size;
    let row = cloud::row(machine.settings.cloud);
    let (group, kind, name) = row.node_class;
    let is = |key: &str, value: &str| requirement(key, "In", value);
    let own = row.requirement.map(|own| match own {
        ProviderRequirement::SizeUnder(key) => is(key, size),
        ProviderRequirement::MoreThanNone(key) => requirement(key, "Gt", "0"),
    });
    let fixed =
        [is(labels::NODE_POOL, labels::NODE_POOL_KAITO), is(labels::INSTANCE_TYPE, size), is(labels::OS, "linux")];
    // What the user asks for by a label that the cloud writes itself is asked of the cloud.
    let asked = [labels::ZONE, labels::CAPACITY_TYPE];
    let asked = asked.iter().filter_map(|key| Some(is(key, machine.user_labels.get(*key)?)));
    let storage = Quantity(gib_quantity(machine.disk_gib));
    NodeClaimSpec {
        node_class_ref: NodeClassRef { group: group.to_owned(), kind: kind.to_owned(), name: name.to_owned() },
        requirements: fixed.into_iter().chain(own).chain(asked).collect(),
        resources: NodeClaimResources { requests: [("storage".to_owned(), storage)].into() },
        taints: vec![gpu_taint()],
        expire_after: Some("Never".to_owned()),
        ..NodeClaimSpec::default()
    }
}

/// What keeps pods from machines with GPUs that do not ask for them.
pub(super) fn gpu_taint() -> Taint {
    Taint {
        key: names::GPU_TAINT_KEY.to_owned(),
        value: Some(names::GPU_TAINT_VALUE.to_owned()),
        effect: names::GPU_TAINT_EFFECT.to_owned(),
        time_added: None,
    }
}

fn requirement(key: &str, operator: &str, value: &str) -> Requirement {
    Requirement { key: key.to_owned(), operator: operator.to_owned(), values: vec![value.to_owned()], min_values: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_or_a_kind_of_capacity_that_the_user_asks_for_by_a_label_is_asked_of_the_cloud() {
        let settings = Settings::default();
        let asked = |user_labels: &[(&str, &str)]| {
            let claim = node_claim(&Machine {
                name: claim_name("u", 0, 0),
                workspace: "phi",
                namespace: "default",
                uid: "u",
                slot: 0,
                incarnation: 0,
                size: "Standard_NC24ads_A100_v4",
                disk_gib: 100,
                user_labels: user_labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
                image_family: ImageFamily::default(),
                settings: &settings,
            });
            claim.spec.requirements.iter().skip(4).map(|asked| asked.values.join(",")).collect::<Vec<_>>()
        };
        assert_eq!(asked(&[("gpu", "a100")]), [""; 0]);
        assert_eq!(asked(&[(labels::CAPACITY_TYPE, "spot"), (labels::ZONE, "eastus-1")]), ["eastus-1", "spot"]);
    }
}
