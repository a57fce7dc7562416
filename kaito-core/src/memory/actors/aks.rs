//! AKS: an agent pool becomes a machine and its Node; one that is deleted takes its Node along.
//!
//! What AKS does not know is here not known either: no NodeClaim, no Workspace. A state is Azure's word in the status of the pool; how long each lasts is the world's pace.

use super::machine::{self, Machine};
use super::{after, created, empty, root, set_status, wait_until};
use crate::driver::Planner;
use crate::effect::{Effect, MetadataPatch, Owned, WriteMode};
use crate::kinds::{Kind, Typed};
use crate::memory::azure::{AzureRefusal, SIZE_NOT_ALLOWED, refuses};
use crate::memory::{CloudFate, Pace};
use crate::object::{ObjectKey, Seen};
use crate::plan::{Outcome, Plan, Wake};
use crate::read::{Freshness, Selector};
use crate::settings::Settings;
use crate::snapshot::{Snapshot, Unread};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Node, Taint};
use kaito_api::cloud::{AgentPool, AgentPoolFailure, AgentPoolStatus};
use kaito_api::vocabulary::labels;
use kube_core::ResourceExt;
use serde_json::json;
use std::collections::BTreeMap;

/// Keeps pods off a node that is not ready yet; taken away by the cluster when it is.
const NOT_READY: &str = "node.kubernetes.io/not-ready";
/// Where its machines are, in Azure's words.
const GROUP: &str = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/MC_rg_aks_eastus";
/// In the name of each scale set of the cluster.
const HASH: &str = "20562481";
/// Between two looks at a name that another Node still has.
const NAME_TAKEN: SignedDuration = SignedDuration::from_secs(5);
const IMAGE: &str = "AKSUbuntu-2204gen2containerd-202601.01.0";

/// The agent pools of a cluster that has room, unless its fate says otherwise.
#[derive(Debug, Clone)]
pub struct Aks {
    pace: Pace,
    fate: CloudFate,
    /// Where a program that plays the kubelets listens, beside a real API server.
    kubelets: Option<u16>,
}

impl Aks {
    /// One with this pace, in which all goes well.
    pub fn new(pace: Pace) -> Self {
        Self::with_fate(pace, CloudFate::Well)
    }

    /// One with this pace and fate.
    pub fn with_fate(pace: Pace, fate: CloudFate) -> Self {
        Self { pace, fate, kubelets: None }
    }

    /// The same for Nodes of a real API server, which asks their kubelets for logs: on this port of this machine.
    #[must_use]
    pub fn with_kubelets(self, port: u16) -> Self {
        Self { kubelets: Some(port), ..self }
    }

    /// Why a pool becomes none.
    fn refusal(&self, pool: &AgentPool, settings: &Settings) -> Option<AgentPoolFailure> {
        let said = |code: &str, message: &str| AgentPoolFailure { code: code.to_owned(), message: message.to_owned() };
        let row = |row: &AzureRefusal| said(row.code, row.message);
        let is_odd =
            || pool.labels().get(labels::NODE_SLOT).is_some_and(|slot| slot.ends_with(['1', '3', '5', '7', '9']));
        if let Some(refusal) = refuses(&self.fate, &pool.spec.size) {
            return Some(row(refusal));
        }
        match &self.fate {
            CloudFate::Refuses { reason, message } | CloudFate::GivesUp { reason, message } => {
                Some(said(reason, message))
            }
            CloudFate::PartlyRefuses { reason, message } if is_odd() => Some(said(reason, message)),
            _ if kaito_presets::sku(settings.cloud, &pool.spec.size).is_none() => Some(row(&SIZE_NOT_ALLOWED)),
            _ => None,
        }
    }
}

impl Planner for Aks {
    fn name(&self) -> &'static str {
        "aks"
    }

    fn roots(&self) -> Kind {
        Kind::AgentPool
    }

    fn plan(&self, key: &ObjectKey, snapshot: &Snapshot, settings: &Settings) -> Result<Plan, Unread> {
        let Some(pool) = root::<AgentPool>(key, snapshot)? else { return Ok(Plan::nothing(Outcome::Gone)) };
        let own = Selector::of(labels::AGENT_POOL.map(|label| (label, key.name.as_str())));
        let nodes = snapshot.list::<Node>(None, own, Freshness::Cached)?.items;
        let mut turn = Turn {
            aks: self,
            key,
            pool,
            now: snapshot.now(),
            plan: empty(&pool.metadata),
            status: pool.status.clone().unwrap_or_default(),
        };
        match turn.status.state.as_str() {
            "Deleting" => turn.terminate(&nodes),
            "Creating" => turn.launch(nodes.first().copied(), settings),
            "Succeeded" => turn.boot(nodes.first().copied(), settings),
            _ => {}
        }
        Ok(turn.finish())
    }
}

/// One look at one pool.
struct Turn<'a> {
    aks: &'a Aks,
    key: &'a ObjectKey,
    pool: &'a AgentPool,
    now: Timestamp,
    plan: Plan,
    status: AgentPoolStatus,
}

impl Turn<'_> {
    /// When the machine is there, its Node, a ready Node, and its GPUs.
    fn times(&self) -> [Timestamp; 4] {
        let pace = &self.aks.pace;
        let launched = after(created(&self.pool.metadata), pace.launch);
        let ready = after(launched, pace.join);
        [launched, after(launched, pace.join / 2), ready, after(ready, pace.device_plugin)]
    }

    fn wait_until(&mut self, moment: Timestamp) -> bool {
        wait_until(&mut self.plan, self.now, moment)
    }

    fn launch(&mut self, node: Option<&Node>, settings: &Settings) {
        let [launched, joined, ready, _] = self.times();
        if self.aks.fate == CloudFate::NeverLaunches || self.wait_until(launched) {
            return;
        }
        if let Some(failure) = self.aks.refusal(self.pool, settings) {
            "Failed".clone_into(&mut self.status.state);
            self.status.failure = Some(failure);
            return;
        }
        if self.wait_until(joined) {
            return;
        }
        // AKS gives the Nodes of a pool the names that those of its predecessor had: a machine registers when that is gone.
        if node.is_some_and(|node| node.metadata.deletion_timestamp.is_some()) {
            self.plan.wake = self.plan.wake.or_earlier(Wake::After(NAME_TAKEN));
            return;
        }
        if node.is_none() && self.aks.fate != CloudFate::NeverRegisters {
            self.register();
        }
        if self.wait_until(ready) {
            return;
        }
        "Succeeded".clone_into(&mut self.status.state);
        if node.is_some() || self.aks.fate != CloudFate::NeverRegisters {
            IMAGE.clone_into(&mut self.status.image);
        }
    }

    /// A Node registers: tainted until it is ready, labelled as the pool says and as AKS does.
    fn register(&mut self) {
        let (pool, spec) = (self.pool, &self.pool.spec);
        let set = format!("aks-{}-{HASH}-vmss", self.key.name);
        let name = format!("{set}000000");
        let mut all: BTreeMap<String, String> = pool.labels().clone();
        all.extend(labels::AGENT_POOL.map(|label| (label.to_owned(), self.key.name.clone())));
        let mut taints = vec![Taint { key: NOT_READY.into(), effect: "NoSchedule".into(), ..Taint::default() }];
        taints.extend(spec.taints.iter().filter_map(|text| taint(text)));
        if spec.spot {
            let (key, value) = ("kubernetes.azure.com/scalesetpriority", "spot");
            all.insert(key.to_owned(), value.to_owned());
            taints.extend(taint(&format!("{key}={value}:NoSchedule")));
        }
        let machine = Machine {
            name: &name,
            size: &spec.size,
            provider_id: format!(
                "azure://{GROUP}/providers/Microsoft.Compute/virtualMachineScaleSets/{set}/virtualMachines/0"
            ),
            labels: all,
            taints: json!(taints),
            trouble: Some("container runtime network not ready: cni plugin not initialized"),
        };
        let mut body = machine.node(self.now);
        if let Some(port) = self.aks.kubelets {
            body["status"]["addresses"] = json!([{"type": "InternalIP", "address": "127.0.0.1"}]);
            body["status"]["daemonEndpoints"] = json!({"kubeletEndpoint": {"Port": port}});
        }
        let key = ObjectKey::cluster(Kind::Node, name);
        self.plan.push(Effect::Ensure { key, body, mode: WriteMode::CreateOnly, uid: None }, None);
    }

    /// A Node becomes ready once, loses its taint, and shows its GPUs. What others do to it later is not made good.
    fn boot(&mut self, node: Option<&Node>, settings: &Settings) {
        // Only a pool whose Node could never join has no image: the kubelet tries on.
        if node.is_none() && self.status.image.is_empty() && self.aks.fate != CloudFate::NeverRegisters {
            IMAGE.clone_into(&mut self.status.image);
            return self.register();
        }
        let (Some(node), false) = (node, matches!(self.aks.fate, CloudFate::NodeNeverReady { .. })) else { return };
        let taints = node.spec.as_ref().and_then(|spec| spec.taints.clone()).unwrap_or_default();
        let is_booting = taints.iter().any(|taint| taint.key == NOT_READY);
        if is_booting && !machine::is_ready(node) {
            return machine::become_ready(&mut self.plan, node, self.now);
        }
        if let (true, Some(uid)) = (is_booting, node.uid()) {
            let rest = taints.into_iter().filter(|taint| taint.key != NOT_READY).collect();
            let patch = MetadataPatch { taints: Some(rest), ..MetadataPatch::default() };
            let key = ObjectKey::cluster(Kind::Node, node.name_any());
            self.plan.push(Effect::Metadata { key, uid, resource_version: node.resource_version(), patch }, None);
        }
        let [.., complete] = self.times();
        if self.aks.fate != CloudFate::GpusNeverAppear && !self.wait_until(complete) {
            let gpus = kaito_presets::sku(settings.cloud, &self.pool.spec.size).map_or(0, |sku| sku.gpu_count);
            machine::advertise(&mut self.plan, node, gpus);
        }
    }

    /// The machine goes, then the pool: it waits for nobody who holds the Node.
    fn terminate(&mut self, nodes: &[&Node]) {
        let since = self.pool.metadata.deletion_timestamp.as_ref().map_or(self.now, |time| time.0);
        if self.aks.fate == CloudFate::NeverTerminates || self.wait_until(after(since, self.aks.pace.terminate)) {
            return;
        }
        let mut gone = Vec::new();
        for node in nodes.iter().filter(|node| node.metadata.deletion_timestamp.is_none()) {
            let seen = Seen::Decoded((*node).clone().into_object());
            let is_own = labels::AGENT_POOL.map(|label| (label, self.key.name.as_str()));
            if let Some(target) = Owned::by_names(&seen, &is_own) {
                gone.push(self.plan.push(Effect::Delete { target }, None));
            }
        }
        match &self.aks.fate {
            CloudFate::TerminatesPartly => {}
            CloudFate::FailsToTerminate { reason, message } => {
                "Failed".clone_into(&mut self.status.state);
                self.status.failure = Some(AgentPoolFailure { code: reason.clone(), message: message.clone() });
            }
            _ => {
                if let Some(uid) = self.pool.uid() {
                    let patch = MetadataPatch { finalizers: Some(Vec::new()), ..MetadataPatch::default() };
                    let resource_version = self.pool.resource_version();
                    self.plan.push(Effect::Metadata { key: self.key.clone(), uid, resource_version, patch }, gone);
                }
            }
        }
    }

    fn finish(mut self) -> Plan {
        let old = self.pool.status.as_ref().and_then(|status| serde_json::to_value(status).ok());
        let new = serde_json::to_value(&self.status).unwrap_or_default();
        set_status(&mut self.plan, self.key, &self.pool.metadata, old.as_ref(), new);
        self.plan
    }
}

/// A taint in the form of the agent-pool API: `key=value:effect`, the value perhaps empty.
fn taint(text: &str) -> Option<Taint> {
    let (rest, effect) = text.rsplit_once(':')?;
    let (key, value) = rest.split_once('=').unwrap_or((rest, ""));
    let value = (!value.is_empty()).then(|| value.to_owned());
    Some(Taint { key: key.to_owned(), value, effect: effect.to_owned(), time_added: None })
}

#[cfg(test)]
mod tests;
