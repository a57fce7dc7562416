//! The Node is emptied before its machine goes (spec/05 §3.7): no new pods, no requests from load balancers, and pods are asked to leave, as far as their budgets let them.
//!
//! Pods that the cluster needs leave after all others. A budget that refuses is a wait, told once, and asked again at the next look. At the end of the grace period the machine goes with what is left. Pods are never deleted from here: they are not ours (I6). Volumes are detached by the cloud with the machine; nobody waits for them.

use super::conditions::DRAINED;
use super::draft::Draft;
use super::managed::annotation;
use super::view::View;
use super::waits::{self, Waiting};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Node, Pod, Taint, Toleration};
use kaito_api::vocabulary::{annotations, labels, names};
use kaito_core::effect::{Effect, MetadataPatch, is_dying};
use kaito_core::kinds::Typed;
use kaito_core::object::Malformed;
use kaito_core::snapshot::Unread;
use kaito_core::{Kind, ObjectKey, words};

/// A pod that should be gone for so long does not keep its machine: its kubelet is not there any more.
const STUCK: SignedDuration = SignedDuration::from_mins(1);
/// Between two looks at pods that leave.
const POLL: SignedDuration = SignedDuration::from_secs(5);
/// Pods that are told by name.
const MOST_TOLD: usize = 5;
/// Priorities of what the cluster cannot do without.
const CRITICAL: [&str; 2] = ["system-cluster-critical", "system-node-critical"];
/// Warning, on a NodeClaim: pods may not leave.
const FAILED_DRAINING: &str = "FailedDraining";
const NO_SCHEDULE: &str = "NoSchedule";

/// Whether the Node is empty; else the next step to that is in the draft.
pub(super) fn is_empty(view: &View<'_>, draft: &mut Draft, node: &Node, since: Timestamp) -> Result<bool, Unread> {
    if close(draft, node) {
        draft.look_again(POLL);
        return Ok(false);
    }
    let name = node.metadata.name.as_deref().unwrap_or_default();
    let pods = view.snapshot.pods_on(name)?;
    let mut left: Vec<&Pod> = pods.items.iter().copied().filter(|pod| leaves(pod, view.now())).collect();
    if left.is_empty() && pods.malformed.is_empty() {
        return Ok(true);
    }
    // What the cluster needs serves the others until they are gone.
    if left.iter().any(|pod| !is_critical(pod)) {
        left.retain(|pod| !is_critical(pod));
    }
    let mut kept: Vec<String> =
        pods.malformed.iter().map(|pod| format!("{} cannot be read: {}", key_of_malformed(pod), pod.error)).collect();
    for pod in &left {
        let key = (*pod).clone().into_object().key();
        if is_dying(&pod.metadata) {
            continue;
        }
        if annotation(&pod.metadata, annotations::KARPENTER_DO_NOT_DISRUPT) == Some("true") {
            kept.push(format!("{key} must not be disrupted ({})", annotations::KARPENTER_DO_NOT_DISRUPT));
            continue;
        }
        let refused = view.snapshot.mishaps().iter().find(|error| error.key == key);
        kept.extend(refused.map(|error| format!("{key}: {}", error.message)));
        if let Some(uid) = pod.metadata.uid.clone() {
            draft.plan.push(Effect::Evict { key, uid }, None);
        }
    }
    tell(view, draft, name, left.len(), &kept, since);
    draft.look_again(POLL);
    Ok(false)
}

fn key_of_malformed(pod: &Malformed) -> String {
    let metadata = &pod.metadata;
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    format!("{} {}/{}", pod.kind, part(&metadata.namespace), part(&metadata.name))
}

/// Keeps new pods and requests away; whether that was still to do.
fn close(draft: &mut Draft, node: &Node) -> bool {
    let there = node.spec.as_ref().and_then(|spec| spec.taints.clone()).unwrap_or_default();
    let is_tainted = there.iter().any(|taint| taint.key == names::DISRUPTED_TAINT_KEY && taint.effect == NO_SCHEDULE);
    let is_excluded =
        node.metadata.labels.as_ref().and_then(|all| all.get(labels::EXCLUDE_FROM_LOAD_BALANCERS)).is_some();
    let (Some(name), Some(uid)) = (node.metadata.name.clone(), node.metadata.uid.clone()) else { return false };
    if is_tainted && is_excluded {
        return false;
    }
    let taint =
        Taint { key: names::DISRUPTED_TAINT_KEY.to_owned(), effect: NO_SCHEDULE.to_owned(), ..Taint::default() };
    let excluded = (labels::EXCLUDE_FROM_LOAD_BALANCERS.to_owned(), labels::EXCLUDED_BY_KARPENTER.to_owned());
    let patch = MetadataPatch {
        labels: [excluded].into(),
        taints: (!is_tainted).then(|| there.into_iter().chain([taint]).collect()),
        ..MetadataPatch::default()
    };
    let resource_version = node.metadata.resource_version.clone();
    draft.plan.push(Effect::Metadata { key: ObjectKey::cluster(Kind::Node, name), uid, resource_version, patch }, None);
    true
}

/// Whether a pod is waited for: not one that belongs to the Node, that has ended, that may stay, or that nobody will ever see go.
fn leaves(pod: &Pod, now: Timestamp) -> bool {
    let owners = pod.metadata.owner_references.as_deref().unwrap_or_default();
    let is_of_node = owners.iter().any(|owner| ["Node", "DaemonSet"].contains(&owner.kind.as_str()));
    let is_mirror = annotation(&pod.metadata, "kubernetes.io/config.mirror").is_some();
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    let has_ended = matches!(phase, Some("Succeeded" | "Failed"));
    let is_stuck = pod.metadata.deletion_timestamp.as_ref().is_some_and(|time| now.duration_since(time.0) > STUCK);
    let tolerations = pod.spec.as_ref().and_then(|spec| spec.tolerations.as_deref()).unwrap_or_default();
    !(is_of_node || is_mirror || has_ended || is_stuck || tolerations.iter().any(tolerates))
}

/// Whether a pod may stay on a Node that is being emptied.
fn tolerates(toleration: &Toleration) -> bool {
    let exists = toleration.operator.as_deref() == Some("Exists");
    let key = toleration.key.as_deref().unwrap_or_default();
    let is_key = key == names::DISRUPTED_TAINT_KEY || (key.is_empty() && exists);
    let is_effect = matches!(toleration.effect.as_deref(), None | Some("" | NO_SCHEDULE));
    is_key && is_effect && (exists || toleration.value.as_deref().unwrap_or_default().is_empty())
}

fn is_critical(pod: &Pod) -> bool {
    let class = pod.spec.as_ref().and_then(|spec| spec.priority_class_name.as_deref());
    class.is_some_and(|class| CRITICAL.contains(&class))
}

fn tell(view: &View<'_>, draft: &mut Draft, node: &str, left: usize, kept: &[String], since: Timestamp) {
    let mut what = format!("node {node} is being emptied");
    if !kept.is_empty() {
        let told = kept.iter().take(MOST_TOLD).cloned().collect::<Vec<_>>().join("; ");
        what = format!("{what}; pods that do not go: {told}");
        // Told when others are kept, or for another reason, not at every look.
        let said = view.claim.condition(DRAINED).map_or("", |condition| condition.message.as_str());
        if kept.iter().take(MOST_TOLD).any(|one| !said.contains(&words::clean(one))) {
            draft.warn(FAILED_DRAINING, format!("Failed to drain node, {left} pods are waiting: {told}"));
        }
    }
    draft.wait_as(view, "Draining", Waiting::new(&waits::DRAINING, what, since));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn pods_that_belong_to_the_node_or_have_ended_are_not_waited_for() {
        let now: Timestamp = "2026-01-01T00:02:00Z".parse().unwrap();
        let tolerates = |toleration: Value| json!({"spec": {"tolerations": [toleration]}});
        for (pod, is_awaited) in [
            (json!({}), true),
            (json!({"metadata": {"ownerReferences": [{"kind": "StatefulSet"}]}}), true),
            (json!({"metadata": {"ownerReferences": [{"kind": "DaemonSet"}]}}), false),
            (json!({"metadata": {"ownerReferences": [{"kind": "Node"}]}}), false),
            (json!({"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}}}), false),
            (json!({"status": {"phase": "Running"}}), true),
            (json!({"status": {"phase": "Succeeded"}}), false),
            (json!({"metadata": {"deletionTimestamp": "2026-01-01T00:01:30Z"}}), true),
            (json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:30Z"}}), false),
            (tolerates(json!({"operator": "Exists"})), false),
            (tolerates(json!({"operator": "Exists", "effect": "NoExecute"})), true),
            (tolerates(json!({"key": "karpenter.sh/disrupted", "operator": "Exists"})), false),
            (tolerates(json!({"key": "karpenter.sh/disrupted", "effect": "NoSchedule"})), false),
            (tolerates(json!({"key": "karpenter.sh/disrupted", "value": "x"})), true),
            (tolerates(json!({"key": "sku", "operator": "Exists"})), true),
        ] {
            let mut whole = json!({"metadata": {"name": "a"}, "spec": {"containers": []}});
            for (field, value) in pod.as_object().unwrap() {
                for (inner, value) in value.as_object().unwrap() {
                    whole[field][inner] = value.clone();
                }
            }
            for owner in whole["metadata"]["ownerReferences"].as_array_mut().into_iter().flatten() {
                owner["apiVersion"] = json!("v1");
                owner["name"] = json!("x");
                owner["uid"] = json!("x");
            }
            let decoded: Pod = serde_json::from_value(whole).unwrap();
            assert_eq!(leaves(&decoded, now), is_awaited, "{pod}");
        }
    }
}
