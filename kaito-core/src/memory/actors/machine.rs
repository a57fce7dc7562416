//! What a machine shows of itself as a Node, whichever cloud it is of.

use crate::effect::Effect;
use crate::kinds::Kind;
use crate::object::ObjectKey;
use crate::plan::Plan;
use crate::units::rfc3339;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use kaito_api::vocabulary::{labels, names};
use kube_core::ResourceExt;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A machine that registers.
pub(super) struct Machine<'a> {
    /// The name of its Node.
    pub(super) name: &'a str,
    /// Its size.
    pub(super) size: &'a str,
    /// What it is in its cloud's words.
    pub(super) provider_id: String,
    /// Labels beyond those that every kubelet gives its node.
    pub(super) labels: BTreeMap<String, String>,
    /// Its taints.
    pub(super) taints: Value,
    /// Why it is not ready, if it is not.
    pub(super) trouble: Option<&'a str>,
}

impl Machine<'_> {
    /// Its Node as a kubelet registers it, its GPUs not advertised yet. kwok keeps it alive where there is one.
    pub(super) fn node(self, now: Timestamp) -> Value {
        let mut all = self.labels;
        for (key, value) in [
            (labels::INSTANCE_TYPE, self.size),
            (labels::OS, "linux"),
            ("kubernetes.io/arch", "amd64"),
            ("kubernetes.io/hostname", self.name),
        ] {
            all.insert(key.to_owned(), value.to_owned());
        }
        json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": self.name, "labels": all, "annotations": {"kwok.x-k8s.io/node": "fake"}},
            "spec": {"taints": self.taints, "providerID": self.provider_id},
            "status": status_of(self.trouble, now),
        })
    }
}

/// What the kubelet of a machine without trouble says, its GPUs not advertised yet.
pub(super) fn status(now: Timestamp) -> Value {
    status_of(None, now)
}

fn status_of(trouble: Option<&str>, now: Timestamp) -> Value {
    let room = json!({"cpu": "24", "memory": "220Gi", "pods": "110", "ephemeral-storage": "1Ti"});
    json!({"capacity": room.clone(), "allocatable": room, "conditions": [ready(trouble, now)]})
}

/// The condition that tells whether a node is ready.
fn ready(trouble: Option<&str>, now: Timestamp) -> Value {
    let time = rfc3339(now);
    let (holds, reason) = if trouble.is_some() { ("False", "KubeletNotReady") } else { ("True", "KubeletReady") };
    json!({"type": "Ready", "status": holds, "reason": reason, "message": trouble.unwrap_or_default(), "lastTransitionTime": time, "lastHeartbeatTime": time})
}

/// Whether the kubelet says that the node is ready.
pub(super) fn is_ready(node: &Node) -> bool {
    let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// The kubelet has all that it waited for.
pub(super) fn become_ready(plan: &mut Plan, node: &Node, now: Timestamp) {
    change_status(plan, node, |status| status["conditions"] = json!([ready(None, now)]));
}

/// The device plugin has found the GPUs.
pub(super) fn advertise(plan: &mut Plan, node: &Node, gpus: u32) {
    let there = node
        .status
        .as_ref()
        .and_then(|status| status.allocatable.as_ref())
        .is_some_and(|room| room.contains_key(names::NVIDIA_GPU));
    if there || gpus == 0 {
        return;
    }
    change_status(plan, node, |status| {
        for room in ["capacity", "allocatable"] {
            status[room][names::NVIDIA_GPU] = json!(gpus.to_string());
        }
    });
}

fn change_status(plan: &mut Plan, node: &Node, change: impl FnOnce(&mut Value)) {
    let status = node.status.as_ref().and_then(|status| serde_json::to_value(status).ok());
    if let (Some(uid), Some(mut status)) = (node.uid(), status) {
        change(&mut status);
        plan.push(Effect::Status { key: ObjectKey::cluster(Kind::Node, node.name_any()), uid, status }, None);
    }
}
