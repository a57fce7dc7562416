//! A set becomes pods: created together, replaced one at a time from the highest ordinal, counted in the status.

use super::kubelet::is_over;
use super::{delete_dependant, empty, root, set_status};
use crate::compat;
use crate::driver::Planner;
use crate::effect::{Effect, WriteMode, is_controlled_by};
use crate::hash;
use crate::kinds::Kind;
use crate::memory::PodFate;
use crate::object::ObjectKey;
use crate::plan::{Outcome, Plan};
use crate::read::{Freshness, Selector};
use crate::settings::Settings;
use crate::snapshot::{Lookup, Snapshot, Unread};
use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kaito_api::vocabulary::labels;
use kube_core::ResourceExt;
use serde_json::{Value, json};

/// The StatefulSet controller.
#[derive(Debug, Clone, Copy)]
pub struct StatefulSetController {
    makes: bool,
    replaces: bool,
}

impl StatefulSetController {
    /// One whose pods have this fate. What a node has evicted or turned away is made anew when the node is well again; before, it would not be taken either.
    pub fn with_fate(fate: &PodFate) -> Self {
        Self {
            makes: *fate != PodFate::NeverMade,
            replaces: !matches!(fate, PodFate::Evicted { .. } | PodFate::Rejected { .. }),
        }
    }
}

impl Planner for StatefulSetController {
    fn name(&self) -> &'static str {
        "statefulset"
    }

    fn roots(&self) -> Kind {
        Kind::StatefulSet
    }

    fn plan(&self, key: &ObjectKey, snapshot: &Snapshot, _: &Settings) -> Result<Plan, Unread> {
        let Some(set) = root::<StatefulSet>(key, snapshot)? else { return Ok(Plan::nothing(Outcome::Gone)) };
        let mut plan = empty(&set.metadata);
        let Some(spec) = compat::stateful_set_spec(set).filter(|_| set.metadata.deletion_timestamp.is_none()) else {
            return Ok(plan);
        };
        let selector = Selector(spec.selector.match_labels.clone().unwrap_or_default());
        let uid = set.uid().unwrap_or_default();
        let all = snapshot.list::<Pod>(Some(key.namespace()), selector, Freshness::Cached)?.items;
        let pods: Vec<&Pod> = all.into_iter().filter(|pod| is_controlled_by(&pod.metadata, &uid)).collect();
        let template = serde_json::to_value(&spec.template).unwrap_or_default();
        let revision = format!("{}-{}", key.name, hash::short(&[&template.to_string()], 10));
        let wanted = usize::try_from(spec.replicas.unwrap_or(1)).unwrap_or_default();
        let name = |ordinal: usize| format!("{}-{ordinal}", key.name);

        self.claim_disks(&mut plan, set, spec, wanted, snapshot)?;
        let is_there = |ordinal: usize| pods.iter().any(|pod| pod.name_any() == name(ordinal));
        // One after the other, each when those before it are ready, unless the set asks for all at once.
        let in_turn = spec.pod_management_policy.as_deref() != Some("Parallel");
        let before = |ordinal: usize| {
            (0..ordinal).all(|lower| pods.iter().any(|pod| pod.name_any() == name(lower) && is_ready(pod)))
        };
        let is_due = |ordinal: &usize| !is_there(*ordinal) && (!in_turn || before(*ordinal));
        for ordinal in (0..wanted).filter(|ordinal| self.makes && is_due(ordinal)) {
            let pod_key = ObjectKey::new(Kind::Pod, key.namespace(), name(ordinal));
            plan.push(
                Effect::Ensure {
                    body: pod_body(set, spec, &template, &pod_key, ordinal, &revision),
                    key: pod_key,
                    mode: WriteMode::CreateOnly,
                    uid: None,
                },
                None,
            );
        }
        let surplus = pods.iter().filter(|pod| !(0..wanted).any(|ordinal| pod.name_any() == name(ordinal)));
        surplus.for_each(|pod| delete_dependant(&mut plan, *pod, &uid));
        // A pod that has failed as a whole never comes back by itself.
        let failed = pods.iter().filter(|pod| self.replaces && is_over(pod));
        failed.for_each(|pod| delete_dependant(&mut plan, *pod, &uid));
        let is_old = |pod: &&&Pod| pod.labels().get(labels::POD_REVISION) != Some(&revision);
        // One at a time, and only while every pod that was replaced already is ready; in turn, only while every pod is (kubernetes#67250).
        let calm = pods.len() >= wanted && pods.iter().all(|pod| is_ready(pod) || (!in_turn && is_old(&pod)));
        if let Some(pod) = pods.iter().filter(is_old).max_by_key(|pod| pod.name_any()).filter(|_| calm) {
            delete_dependant(&mut plan, *pod, &uid);
        }
        let status = status(set, &pods, wanted, &revision);
        let old = set.status.as_ref().and_then(|status| serde_json::to_value(status).ok());
        set_status(&mut plan, key, &set.metadata, old.as_ref(), status);
        Ok(plan)
    }
}

impl StatefulSetController {
    /// Makes the claims of the pods that shall be there, where they are not: they outlive their pods, and one that somebody has deleted is made anew.
    fn claim_disks(
        &self,
        plan: &mut Plan,
        set: &StatefulSet,
        spec: &StatefulSetSpec,
        wanted: usize,
        snapshot: &Snapshot,
    ) -> Result<(), Unread> {
        let (set_name, namespace) = (set.name_any(), set.namespace().unwrap_or_default());
        for template in spec.volume_claim_templates.iter().flatten().filter(|_| self.makes) {
            for ordinal in 0..wanted {
                let name = format!("{}-{set_name}-{ordinal}", template.name_any());
                if snapshot.get::<PersistentVolumeClaim>(&namespace, &name)? == Lookup::Absent {
                    let key = ObjectKey::new(Kind::PersistentVolumeClaim, namespace.clone(), name);
                    let body = claim_body(set, template, &key);
                    plan.push(Effect::Ensure { key, body, mode: WriteMode::CreateOnly, uid: None }, None);
                }
            }
        }
        Ok(())
    }
}

/// The claim of one pod. It goes with the set, as our sets ask for.
fn claim_body(set: &StatefulSet, template: &PersistentVolumeClaim, key: &ObjectKey) -> Value {
    let owner = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "name": set.name_any(), "uid": set.uid(), "controller": true});
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": key.name, "namespace": key.namespace, "labels": template.labels(), "ownerReferences": [owner]},
        "spec": template.spec, "status": {"phase": "Pending"},
    })
}

pub(super) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

fn status(set: &StatefulSet, pods: &[&Pod], wanted: usize, revision: &str) -> Value {
    let is_new = |pod: &&&Pod| pod.labels().get(labels::POD_REVISION).map(String::as_str) == Some(revision);
    let (ready, updated) = (pods.iter().filter(|pod| is_ready(pod)).count(), pods.iter().filter(is_new).count());
    let before = set.status.as_ref().and_then(|status| status.current_revision.clone());
    let current = if updated >= wanted && ready >= wanted {
        revision.to_owned()
    } else {
        before.unwrap_or_else(|| revision.to_owned())
    };
    let mut status = json!({
        "observedGeneration": set.metadata.generation.unwrap_or_default(),
        "replicas": pods.len(),
        "currentRevision": current,
        "updateRevision": revision,
    });
    for (field, count) in [("readyReplicas", ready), ("availableReplicas", ready), ("updatedReplicas", updated)] {
        if count > 0 {
            status[field] = json!(count);
        }
    }
    status
}

fn pod_body(
    set: &StatefulSet,
    spec: &StatefulSetSpec,
    template: &Value,
    key: &ObjectKey,
    ordinal: usize,
    revision: &str,
) -> Value {
    let mut pod_labels =
        spec.template.metadata.as_ref().and_then(|metadata| metadata.labels.clone()).unwrap_or_default();
    let own = [
        (labels::STATEFUL_SET_POD_NAME, key.name.clone()),
        (labels::POD_INDEX, ordinal.to_string()),
        (labels::POD_REVISION, revision.to_owned()),
    ];
    pod_labels.extend(own.map(|(key, value)| (key.to_owned(), value)));
    let owner = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "name": set.name_any(), "uid": set.uid(), "controller": true, "blockOwnerDeletion": true,
    });
    let mut pod_spec = template.get("spec").cloned().unwrap_or_default();
    for claim in spec.volume_claim_templates.iter().flatten() {
        let volume = json!({"name": claim.name_any(), "persistentVolumeClaim": {"claimName": format!("{}-{}", claim.name_any(), key.name)}});
        match &mut pod_spec["volumes"] {
            Value::Array(volumes) => volumes.push(volume),
            none => *none = json!([volume]),
        }
    }
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": key.name, "namespace": key.namespace, "labels": pod_labels, "annotations": template["metadata"]["annotations"], "ownerReferences": [owner]},
        "spec": pod_spec,
        "status": {"phase": "Pending"},
    })
}
