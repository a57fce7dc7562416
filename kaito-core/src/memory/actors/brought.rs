//! A Node of which nobody has said how it is: it was brought along as a manifest. It is ready, and advertises what its labels say that it has.

use super::machine;
use super::{empty, root, set_status};
use crate::driver::Planner;
use crate::hardware::Hardware;
use crate::kinds::Kind;
use crate::object::ObjectKey;
use crate::plan::{Outcome, Plan};
use crate::settings::Settings;
use crate::snapshot::{Snapshot, Unread};
use k8s_openapi::api::core::v1::Node;
use kaito_api::vocabulary::names;
use kube_core::ResourceExt;
use serde_json::{Value, json};

/// The kubelets of such Nodes.
#[derive(Debug, Clone, Copy)]
pub struct BroughtNodes;

impl Planner for BroughtNodes {
    fn name(&self) -> &'static str {
        "brought-nodes"
    }

    fn roots(&self) -> Kind {
        Kind::Node
    }

    fn plan(&self, key: &ObjectKey, snapshot: &Snapshot, _: &Settings) -> Result<Plan, Unread> {
        let Some(node) = root::<Node>(key, snapshot)? else { return Ok(Plan::nothing(Outcome::Gone)) };
        let mut plan = empty(&node.metadata);
        let said = node.status.as_ref().and_then(|status| status.conditions.as_ref());
        if said.is_none_or(Vec::is_empty) {
            let mut status = machine::status(snapshot.now());
            let there = node.status.as_ref().and_then(|status| serde_json::to_value(status).ok()).unwrap_or_default();
            for (resource, count) in gpus(node) {
                for room in ["capacity", "allocatable"] {
                    status[room][&resource] = json!(count.to_string());
                }
            }
            merge(&mut status, &there);
            set_status(&mut plan, key, &node.metadata, None, status);
        }
        Ok(plan)
    }
}

/// What the labels say: whole GPUs, or slices that count as such, and slices by their profile (`nvidia.com/mig-1g.10gb.count`, as feature discovery writes it).
fn gpus(node: &Node) -> Vec<(String, u32)> {
    let whole = Hardware::of_node(node).map(|hardware| (names::NVIDIA_GPU.to_owned(), hardware.gpu_count));
    let slices = node.labels().iter().filter_map(|(key, value)| {
        let resource = key.strip_suffix(".count").filter(|resource| resource.starts_with(names::NVIDIA_MIG_PREFIX))?;
        Some((resource.to_owned(), value.parse().ok()?))
    });
    whole.into_iter().chain(slices).collect()
}

/// What is said stays.
fn merge(status: &mut Value, there: &Value) {
    match (status, there) {
        (Value::Object(status), Value::Object(there)) => {
            for (key, value) in there {
                merge(status.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (_, Value::Null) => {}
        (status, there) => *status = there.clone(),
    }
}
