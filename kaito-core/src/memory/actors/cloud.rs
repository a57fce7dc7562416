//! A NodeClaim becomes a machine, a Node, and GPUs that are advertised; a deleted claim takes them along.

use super::{after, created, empty, root, set_status, wait_until};
use crate::driver::Planner;
use crate::effect::{Effect, MetadataPatch, Owned, WriteMode};
use crate::kinds::{Kind, Typed};
use crate::memory::Pace;
use crate::object::{ObjectKey, Seen};
use crate::plan::{Outcome, Plan};
use crate::read::{Freshness, Selector};
use crate::settings::Settings;
use crate::snapshot::{Snapshot, Unread};
use crate::units::rfc3339;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use kaito_api::karpenter::NodeClaim;
use kaito_api::vocabulary::{labels, names};
use kube_core::ResourceExt;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const FINALIZER: &str = "karpenter.sh/termination";
/// Ties a Node to its claim.
const CLAIM: &str = "simulated.kaito.sh/nodeclaim";

/// A cloud that always has room.
#[derive(Debug, Clone, Copy)]
pub struct Cloud {
    pace: Pace,
}

impl Cloud {
    /// A cloud with this pace.
    pub fn new(pace: Pace) -> Self {
        Self { pace }
    }
}

impl Planner for Cloud {
    fn name(&self) -> &'static str {
        "cloud"
    }

    fn roots(&self) -> Kind {
        Kind::NodeClaim
    }

    fn plan(&self, key: &ObjectKey, snapshot: &Snapshot, settings: &Settings) -> Result<Plan, Unread> {
        let Some(claim) = root::<NodeClaim>(key, snapshot)? else { return Ok(Plan::nothing(Outcome::Gone)) };
        let nodes = snapshot.list::<Node>(None, Selector::of([(CLAIM, key.name.as_str())]), Freshness::Cached)?.items;
        if claim.metadata.deletion_timestamp.is_some() {
            return Ok(self.terminate(key, claim, &nodes, snapshot.now()));
        }
        Ok(self.launch(key, claim, nodes.first().copied(), snapshot.now(), settings))
    }
}

impl Cloud {
    fn launch(
        &self,
        key: &ObjectKey,
        claim: &NodeClaim,
        node: Option<&Node>,
        now: Timestamp,
        settings: &Settings,
    ) -> Plan {
        let mut plan = empty(&claim.metadata);
        hold(&mut plan, key, claim);
        let size = size(claim);
        let known = kaito_presets::sku(settings.cloud, &size);
        let launched = after(created(&claim.metadata), self.pace.launch);
        let joined = after(launched, self.pace.join);
        let complete = after(joined, self.pace.device_plugin);
        let mut status = Status::of(claim);
        let Some(sku) = known else {
            status.set("Launched", "False", "LaunchFailed", &format!("the cloud has no machine of size {size}"), now);
            set_status(&mut plan, key, &claim.metadata, status.old.as_ref(), status.new);
            return plan;
        };
        let name = format!("node-{}", key.name);
        if now >= launched {
            status.set("Launched", "True", "Launched", "", now);
            status.new["providerID"] = json!(format!("simulated:///{}", key.name));
        } else {
            wait_until(&mut plan, now, launched);
        }
        if now >= joined {
            if node.is_none() {
                let body = node_body(&name, key, claim, &size, now);
                plan.push(
                    Effect::Ensure {
                        key: ObjectKey::cluster(Kind::Node, name.clone()),
                        body,
                        mode: WriteMode::CreateOnly,
                        uid: None,
                    },
                    None,
                );
            }
            status.set("Registered", "True", "Registered", "", now);
            status.new["nodeName"] = json!(name);
        } else {
            wait_until(&mut plan, now, joined);
        }
        if now >= complete {
            if let Some(node) = node {
                advertise(&mut plan, node, sku.gpu_count, now);
                status.set("Initialized", "True", "Initialized", "", now);
                status.set("Ready", "True", "Ready", "", now);
            }
        } else {
            wait_until(&mut plan, now, complete);
        }
        set_status(&mut plan, key, &claim.metadata, status.old.as_ref(), status.new);
        plan
    }

    fn terminate(&self, key: &ObjectKey, claim: &NodeClaim, nodes: &[&Node], now: Timestamp) -> Plan {
        let mut plan = empty(&claim.metadata);
        let since = claim.metadata.deletion_timestamp.as_ref().map_or(now, |time| time.0);
        if wait_until(&mut plan, now, after(since, self.pace.terminate)) {
            return plan;
        }
        for node in nodes.iter().filter(|node| node.metadata.deletion_timestamp.is_none()) {
            let seen = Seen::Decoded((*node).clone().into_object());
            if let Some(target) = Owned::by_names(&seen, &[(CLAIM, &key.name)]) {
                plan.push(Effect::Delete { target }, None);
            }
        }
        let rest: Vec<String> = claim.finalizers().iter().filter(|name| *name != FINALIZER).cloned().collect();
        if let (true, true, Some(uid), Some(resource_version)) =
            (nodes.is_empty(), rest.len() < claim.finalizers().len(), claim.uid(), claim.resource_version())
        {
            let patch = MetadataPatch { finalizers: Some(rest), ..MetadataPatch::default() };
            plan.push(
                Effect::Metadata { key: key.clone(), uid, resource_version: Some(resource_version), patch },
                None,
            );
        }
        plan
    }
}

fn hold(plan: &mut Plan, key: &ObjectKey, claim: &NodeClaim) {
    let finalizers = claim.finalizers().to_vec();
    if let (false, Some(uid), Some(resource_version)) =
        (finalizers.iter().any(|name| name == FINALIZER), claim.uid(), claim.resource_version())
    {
        let finalizers = finalizers.into_iter().chain([FINALIZER.to_owned()]).collect();
        let patch = MetadataPatch { finalizers: Some(finalizers), ..MetadataPatch::default() };
        plan.push(Effect::Metadata { key: key.clone(), uid, resource_version: Some(resource_version), patch }, None);
    }
}

fn size(claim: &NodeClaim) -> String {
    let asked = claim.spec.requirements.iter().find(|requirement| requirement.key == labels::INSTANCE_TYPE);
    asked.and_then(|requirement| requirement.values.first().cloned()).unwrap_or_default()
}

/// The status of a claim, as it was and as it is being written.
struct Status {
    old: Option<Value>,
    new: Value,
}

impl Status {
    fn of(claim: &NodeClaim) -> Self {
        let old = claim.status.as_ref().and_then(|status| serde_json::to_value(status).ok());
        Self { new: old.clone().unwrap_or_else(|| json!({})), old }
    }

    fn set(&mut self, type_: &str, status: &str, reason: &str, message: &str, now: Timestamp) {
        let mut conditions: Vec<Value> =
            self.new.get("conditions").and_then(Value::as_array).cloned().unwrap_or_default();
        let unchanged = |condition: &Value| {
            condition["type"] == type_ && condition["status"] == status && condition["reason"] == reason
        };
        if conditions.iter().any(unchanged) {
            return;
        }
        conditions.retain(|condition| condition["type"] != type_);
        conditions.push(json!({"type": type_, "status": status, "reason": reason, "message": message, "lastTransitionTime": rfc3339(now)}));
        self.new["conditions"] = Value::Array(conditions);
    }
}

/// A Node as a kubelet registers it: ready, tainted as the claim says, its GPUs not advertised yet. kwok keeps it alive where there is one.
fn node_body(name: &str, claim: &ObjectKey, source: &NodeClaim, size: &str, now: Timestamp) -> Value {
    let mut all: BTreeMap<String, String> = source.labels().clone();
    for (key, value) in [
        (labels::INSTANCE_TYPE, size),
        (labels::OS, "linux"),
        ("kubernetes.io/arch", "amd64"),
        ("kubernetes.io/hostname", name),
        (CLAIM, &claim.name),
    ] {
        all.insert(key.to_owned(), value.to_owned());
    }
    let room = json!({"cpu": "24", "memory": "220Gi", "pods": "110", "ephemeral-storage": "1Ti"});
    let time = rfc3339(now);
    let ready = json!({"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "", "lastTransitionTime": time, "lastHeartbeatTime": time});
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": all, "annotations": {"kwok.x-k8s.io/node": "fake"}},
        "spec": {"taints": source.spec.taints, "providerID": format!("simulated:///{}", claim.name)},
        "status": {"capacity": room.clone(), "allocatable": room, "conditions": [ready]},
    })
}

/// The device plugin has found the GPUs.
fn advertise(plan: &mut Plan, node: &Node, gpus: u32, _now: Timestamp) {
    let there = node
        .status
        .as_ref()
        .and_then(|status| status.allocatable.as_ref())
        .is_some_and(|room| room.contains_key(names::NVIDIA_GPU));
    if there || gpus == 0 {
        return;
    }
    let (Some(uid), Some(mut status)) =
        (node.uid(), node.status.as_ref().and_then(|status| serde_json::to_value(status).ok()))
    else {
        return;
    };
    for room in ["capacity", "allocatable"] {
        status[room][names::NVIDIA_GPU] = json!(gpus.to_string());
    }
    plan.push(Effect::Status { key: ObjectKey::cluster(Kind::Node, node.name_any()), uid, status }, None);
}
