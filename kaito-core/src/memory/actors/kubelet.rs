//! A pod is placed on a node; its image is pulled, its weights are loaded, it is ready, unless its fate says otherwise. One that is not to be restarted is ready at once, and succeeds
//! when its work is done.

use super::claimed::Disks;
use super::containers::{self, Progress};
use super::{after, delete_dependant, empty, root, scheduler, set_status, wait_until};
use crate::driver::Planner;
use crate::effect::{Effect, WriteMode};
use crate::kinds::Kind;
use crate::memory::{PRINTS, Pace, PodFate};
use crate::object::{ObjectKey, SecretFacts};
use crate::plan::{Outcome, Plan};
use crate::read::{Freshness, Selector};
use crate::settings::Settings;
use crate::snapshot::{Lookup, Snapshot, Unread};
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::{ConfigMap, Node, Pod, PodSpec};
use kube_core::ResourceExt;
use serde_json::{Value, json};

/// For so long the controller of orphaned pods believes that a node may still come (kube-controller-manager, `quarantineTime`).
const QUARANTINE: SignedDuration = SignedDuration::from_secs(40);

/// Scheduler and kubelets in one.
#[derive(Debug, Clone)]
pub struct Kubelet {
    pace: Pace,
    fate: PodFate,
}

impl Kubelet {
    /// Kubelets with this pace, on which all goes well.
    pub fn new(pace: Pace) -> Self {
        Self::with_fate(pace, PodFate::Well)
    }

    /// Kubelets with this pace, and this fate of every pod.
    pub fn with_fate(pace: Pace, fate: PodFate) -> Self {
        Self { pace, fate }
    }
}

impl Planner for Kubelet {
    fn name(&self) -> &'static str {
        "kubelet"
    }

    fn roots(&self) -> Kind {
        Kind::Pod
    }

    fn plan(&self, key: &ObjectKey, snapshot: &Snapshot, _: &Settings) -> Result<Plan, Unread> {
        let Some(pod) = root::<Pod>(key, snapshot)? else { return Ok(Plan::nothing(Outcome::Gone)) };
        let mut plan = empty(&pod.metadata);
        let alive = pod.metadata.deletion_timestamp.is_none() && !is_over(pod);
        let Some(spec) = pod.spec.as_ref().filter(|_| alive) else { return Ok(plan) };
        let Some(node) = &spec.node_name else {
            self.place(&mut plan, key, pod, spec, snapshot)?;
            return Ok(plan);
        };
        let now = snapshot.now();
        if snapshot.get::<Node>("", node)? == Lookup::Absent {
            // A pod of a node that is gone is gone too; its set makes another one. One that names such a node itself is left for a while.
            let goes = pod.metadata.creation_timestamp.as_ref().map_or(now, |made| after(made.0, QUARANTINE));
            if now < goes {
                wait_until(&mut plan, now, goes);
            } else if let Some(owner) =
                pod.metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))
            {
                delete_dependant(&mut plan, pod, &owner.uid);
            }
            return Ok(plan);
        }
        let start = pod.status.as_ref().and_then(|status| status.start_time.as_ref()).map_or(now, |time| time.0);
        let pulled = after(start, self.pace.pull);
        let ends = spec.restart_policy.as_deref() == Some("Never");
        let (ready, next) = if ends {
            (pulled, after(pulled, self.pace.train))
        } else {
            let ready = after(pulled, self.pace.load);
            (ready, ready)
        };
        wait_until(&mut plan, now, if now < pulled { pulled } else { next });
        let is_mounted = is_mounted(spec, key.namespace(), snapshot)?;
        let progress = Progress {
            start,
            pulled: Some(pulled).filter(|at| now >= *at && is_mounted),
            ready: Some(ready).filter(|at| now >= *at),
            done: Some(next).filter(|at| ends && now >= *at),
            now,
            turn: self.pace.load / 2,
        };
        if !ends
            && self.fate.ends_again()
            && let Some(turn) = progress.next_turn()
        {
            wait_until(&mut plan, now, turn);
        }
        let missing = missing_key(spec, key.namespace(), snapshot)?;
        let new = containers::status(pod, spec, &progress, &self.fate, missing.as_deref());
        set_status(&mut plan, key, &pod.metadata, status_of(pod).as_ref(), new);
        Ok(plan)
    }
}

/// Whether its containers have ended for good.
pub(super) fn is_over(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

impl Kubelet {
    /// Gives the pod to a node that takes it, or says that none does.
    fn place(
        &self,
        plan: &mut Plan,
        key: &ObjectKey,
        pod: &Pod,
        spec: &PodSpec,
        snapshot: &Snapshot,
    ) -> Result<(), Unread> {
        let nodes = snapshot.list::<Node>(None, Selector::default(), Freshness::Cached)?.items;
        let pods = snapshot.list::<Pod>(None, Selector::default(), Freshness::Cached)?.items;
        let disks = Disks::of(pod, spec, key.namespace(), snapshot)?;
        let found = match (&self.fate, &disks) {
            (PodFate::Unschedulable { message }, _) => Err(message.clone()),
            (_, Err(missing)) => Err(format!("persistentvolumeclaim \"{missing}\" not found")),
            (_, Ok(disks)) => scheduler::place(spec, &nodes, &pods, disks),
        };
        match found {
            Ok(node) => {
                let mut body = json!({"spec": {"nodeName": node.name_any()}});
                if let PodFate::Prints { text } | PodFate::Ends { text, .. } = &self.fate {
                    body["metadata"] = json!({"annotations": {PRINTS: text}});
                }
                disks.into_iter().for_each(|disks| disks.lie_on(&node.name_any(), plan));
                plan.push(Effect::Ensure { key: key.clone(), body, mode: WriteMode::Apply, uid: pod.uid() }, None);
            }
            Err(why) => {
                let waiting =
                    json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": why});
                let new = containers::canonical(json!({"phase": "Pending", "conditions": [waiting]}));
                set_status(plan, key, &pod.metadata, status_of(pod).as_ref(), new);
            }
        }
        Ok(())
    }
}

fn status_of(pod: &Pod) -> Option<Value> {
    pod.status.as_ref().and_then(|status| serde_json::to_value(status).ok())
}

/// Whether every ConfigMap and Secret is there that a volume must have. A kubelet says no more than that it is creating the containers; the rest is an event.
fn is_mounted(spec: &PodSpec, namespace: &str, snapshot: &Snapshot) -> Result<bool, Unread> {
    for volume in spec.volumes.iter().flatten() {
        if let Some(source) = volume.config_map.as_ref().filter(|source| source.optional != Some(true))
            && snapshot.get::<ConfigMap>(namespace, &source.name)? == Lookup::Absent
        {
            return Ok(false);
        }
        if let Some(source) = volume.secret.as_ref().filter(|source| source.optional != Some(true))
            && snapshot.get::<SecretFacts>(namespace, source.secret_name.as_deref().unwrap_or_default())?
                == Lookup::Absent
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The first Secret or key that an environment variable must have and that is not there, in a kubelet's words.
fn missing_key(spec: &PodSpec, namespace: &str, snapshot: &Snapshot) -> Result<Option<String>, Unread> {
    let variables = spec.containers.iter().flat_map(|container| container.env.iter().flatten());
    let required = variables.filter_map(|variable| variable.value_from.as_ref()?.secret_key_ref.as_ref());
    for wanted in required.filter(|wanted| wanted.optional != Some(true)) {
        match snapshot.get::<SecretFacts>(namespace, &wanted.name)? {
            Lookup::Found(secret) if secret.keys.contains(&wanted.key) => {}
            Lookup::Found(_) => {
                return Ok(Some(format!("couldn't find key {} in Secret {namespace}/{}", wanted.key, wanted.name)));
            }
            Lookup::Absent | Lookup::Malformed(_) => return Ok(Some(format!("secret {:?} not found", wanted.name))),
        }
    }
    Ok(None)
}
