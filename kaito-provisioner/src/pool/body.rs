//! The JSON that is sent, property by property (spec/05 §2.3). What is left out is AKS's to choose.

use super::request::{OsSku, PoolRequest, Priority};
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Serialize)]
struct Body<'a> {
    properties: Properties<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Properties<'a> {
    count: u32,
    vm_size: &'a str,
    os_type: &'static str,
    #[serde(rename = "osSKU")]
    os_sku: OsSku,
    #[serde(rename = "osDiskSizeGB")]
    os_disk_size_gb: u32,
    #[serde(rename = "type")]
    type_: &'static str,
    node_labels: &'a BTreeMap<String, String>,
    node_taints: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    availability_zones: &'a [String],
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    spot: Option<Spot>,
}

/// What a machine that may be taken away is asked for with; without these AKS takes `Regular`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Spot {
    scale_set_priority: Priority,
    scale_set_eviction_policy: &'static str,
    /// -1: up to the price of one that stays.
    spot_max_price: i32,
}

impl PoolRequest {
    /// The body of the request.
    pub fn body(&self) -> Vec<u8> {
        let spot = Spot { scale_set_priority: Priority::Spot, scale_set_eviction_policy: "Delete", spot_max_price: -1 };
        let body = Body {
            properties: Properties {
                count: 1,
                vm_size: &self.size,
                os_type: "Linux",
                os_sku: self.os_sku,
                os_disk_size_gb: self.disk_gib,
                type_: "VirtualMachineScaleSets",
                node_labels: &self.labels,
                node_taints: &self.taints,
                availability_zones: &self.zones,
                spot: (self.priority == Priority::Spot).then_some(spot),
            },
        };
        // Texts, numbers and maps of texts: there is nothing in it that JSON cannot hold.
        serde_json::to_vec(&body).unwrap_or_default()
    }
}
