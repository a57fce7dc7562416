//! A NodeClaim becomes a machine, a Node, and GPUs that are advertised; a deleted claim takes them along.

use super::machine::{self, Machine};
use super::{after, created, empty, root, set_status, wait_until};
use crate::driver::Planner;
use crate::effect::{Effect, MetadataPatch, Owned, WriteMode};
use crate::hash;
use crate::kinds::{Kind, Typed};
use crate::memory::{CloudFate, Pace};
use crate::object::{ObjectKey, Seen};
use crate::plan::{Outcome, Plan};
use crate::read::{Freshness, Selector};
use crate::settings::Settings;
use crate::snapshot::{Snapshot, Unread};
use crate::units::rfc3339;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Node;
use kaito_api::karpenter::NodeClaim;
use kaito_api::vocabulary::{labels, reasons};
use kube_core::ResourceExt;
use serde_json::{Value, json};

const FINALIZER: &str = "karpenter.sh/termination";
/// Ties a Node to its claim.
const CLAIM: &str = "simulated.kaito.sh/nodeclaim";
/// A claim for which there is no machine is deleted after so long, and gone as long after that: there is nothing to end (Karpenter `lifecycle/launch.go`).
const REFUSED: SignedDuration = SignedDuration::from_secs(1);
/// A launch that fails in any other way is tried for so long, before its claim is deleted (`lifecycle/liveness.go`).
const LAUNCH_TIMEOUT: SignedDuration = SignedDuration::from_mins(5);
/// Refusals of which Karpenter tells an event at most, and nothing on the claim.
const WITHOUT_WORDS: [&str; 2] = ["InsufficientCapacityError", "NodeClassNotReadyError"];

/// A cloud that has room, unless its fate says otherwise.
#[derive(Debug, Clone)]
pub struct Cloud {
    pace: Pace,
    fate: CloudFate,
    /// Where a program that plays the kubelets listens, beside a real API server.
    kubelets: Option<u16>,
}

impl Cloud {
    /// A cloud with this pace, in which all goes well.
    pub fn new(pace: Pace) -> Self {
        Self::with_fate(pace, CloudFate::Well)
    }

    /// A cloud with this pace and fate.
    pub fn with_fate(pace: Pace, fate: CloudFate) -> Self {
        Self { pace, fate, kubelets: None }
    }

    /// The same beside a real API server, which asks the kubelets of its Nodes for logs: on this port of this machine.
    #[must_use]
    pub fn with_kubelets(self, port: u16) -> Self {
        Self { kubelets: Some(port), ..self }
    }

    /// Why it gives no machine to a claim: reason and words.
    fn refusal(&self, claim: &NodeClaim, settings: &Settings) -> Option<(String, String)> {
        let size = size(claim);
        // Claims of a pool have no slots, and names that end in any digit.
        let number = || claim.labels().get(labels::NODE_SLOT).cloned().unwrap_or_else(|| claim.name_any());
        let is_odd = || number().ends_with(['1', '3', '5', '7', '9']);
        match &self.fate {
            CloudFate::Refuses { reason, message } | CloudFate::GivesUp { reason, message } => {
                Some((reason.clone(), message.clone()))
            }
            CloudFate::PartlyRefuses { reason, message } if is_odd() => Some((reason.clone(), message.clone())),
            CloudFate::Azure { refusal, size: only } if only.as_ref().is_none_or(|only| *only == size) => {
                Some(("LaunchFailed".to_owned(), format!("{}: {}", refusal.code, refusal.message)))
            }
            _ if kaito_presets::sku(settings.cloud, &size).is_none() => {
                Some(("LaunchFailed".to_owned(), format!("the cloud has no machine of size {size}")))
            }
            _ => None,
        }
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
        let nodes =
            snapshot.list::<Node>(None, Selector::of([(CLAIM, node_name(key).as_str())]), Freshness::Cached)?.items;
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
        if claim.is_true("Ready") && !matches!(self.fate, CloudFate::Well | CloudFate::GpusNeverAppear) {
            // What becomes of machines is decided on their way; one that came is there.
            return Self::new(self.pace).launch(key, claim, node, now, settings);
        }
        let mut plan = empty(&claim.metadata);
        hold(&mut plan, key, claim);
        let launched = after(created(&claim.metadata), self.pace.launch);
        let joined = after(launched, self.pace.join);
        let complete = after(joined, self.pace.device_plugin);
        let name = node_name(key);
        let gpus = kaito_presets::sku(settings.cloud, &size(claim)).map_or(0, |sku| sku.gpu_count);
        let mut status = Status::of(claim);
        if let Some((reason, message)) = self.refusal(claim, settings) {
            let gives_up = matches!(self.fate, CloudFate::GivesUp { .. });
            let is_silent = gives_up && WITHOUT_WORDS.contains(&reason.as_str());
            let patience = if is_silent {
                status.await_reconciliation(now);
                REFUSED
            } else {
                // As Karpenter writes a launch that failed: it tries again, and so it is not known.
                status.set("Launched", "Unknown", &reason, &message, now);
                LAUNCH_TIMEOUT
            };
            if gives_up && !wait_until(&mut plan, now, after(created(&claim.metadata), patience)) {
                give_up(&mut plan, claim);
            }
        } else if self.fate != CloudFate::NeverLaunches && !wait_until(&mut plan, now, launched) {
            status.set("Launched", "True", "Launched", "", now);
            status.new["providerID"] = json!(format!("simulated:///{}", key.name));
            if self.fate == CloudFate::NeverRegisters {
                status.set("Registered", "Unknown", "NodeNotFound", "Node not registered with cluster", now);
            } else if !wait_until(&mut plan, now, joined) {
                status.set("Registered", "True", "Registered", "", now);
                status.new["nodeName"] = json!(name);
                self.join(&mut plan, key, claim, node, now);
                self.initialize(&mut plan, &mut status, node, gpus, (now, complete));
            }
        }
        set_status(&mut plan, key, &claim.metadata, status.old.as_ref(), status.new);
        plan
    }

    fn join(&self, plan: &mut Plan, key: &ObjectKey, claim: &NodeClaim, node: Option<&Node>, now: Timestamp) {
        if node.is_some() {
            return;
        }
        let name = node_name(key);
        let trouble = match &self.fate {
            CloudFate::NodeNeverReady { message } => Some(message.as_str()),
            _ => None,
        };
        let mut labels = claim.labels().clone();
        labels.insert(CLAIM.to_owned(), name.clone());
        let machine = Machine {
            name: &name,
            size: &size(claim),
            provider_id: format!("simulated:///{}", key.name),
            labels,
            taints: json!(claim.spec.taints),
            trouble,
        };
        let mut body = machine.node(now);
        if let Some(port) = self.kubelets {
            body["status"]["addresses"] = json!([{"type": "InternalIP", "address": "127.0.0.1"}]);
            body["status"]["daemonEndpoints"] = json!({"kubeletEndpoint": {"Port": port}});
        }
        let key = ObjectKey::cluster(Kind::Node, name);
        plan.push(Effect::Ensure { key, body, mode: WriteMode::CreateOnly, uid: None }, None);
    }

    fn initialize(
        &self,
        plan: &mut Plan,
        status: &mut Status,
        node: Option<&Node>,
        gpus: u32,
        (now, complete): (Timestamp, Timestamp),
    ) {
        // Karpenter calls a machine initialised when its node is ready and shows what the claim asks for.
        if matches!(self.fate, CloudFate::NodeNeverReady { .. }) {
            return status.set("Initialized", "Unknown", "NodeNotReady", "Node status is NotReady", now);
        }
        if wait_until(plan, now, complete) {
            return;
        }
        let Some(node) = node else { return };
        if self.fate != CloudFate::GpusNeverAppear {
            machine::advertise(plan, node, gpus);
        }
        status.set("Initialized", "True", "Initialized", "", now);
        status.set("Ready", "True", "Ready", "", now);
    }

    fn terminate(&self, key: &ObjectKey, claim: &NodeClaim, nodes: &[&Node], now: Timestamp) -> Plan {
        let mut plan = empty(&claim.metadata);
        let since = claim.metadata.deletion_timestamp.as_ref().map_or(now, |time| time.0);
        let stays = matches!(
            self.fate,
            CloudFate::NeverTerminates | CloudFate::TerminatesPartly | CloudFate::FailsToTerminate { .. }
        );
        let lasts = if claim.is_true("Launched") { self.pace.terminate } else { self.pace.terminate.min(REFUSED) };
        if stays || wait_until(&mut plan, now, after(since, lasts)) {
            return plan;
        }
        for node in nodes.iter().filter(|node| node.metadata.deletion_timestamp.is_none()) {
            let seen = Seen::Decoded((*node).clone().into_object());
            if let Some(target) = Owned::by_names(&seen, &[(CLAIM, &node_name(key))]) {
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

/// The name of a machine's Node, which is a label, too.
fn node_name(claim: &ObjectKey) -> String {
    let name = format!("node-{}", claim.name);
    if name.len() <= 63 { name } else { format!("node-{}", hash::short(&[&claim.name], 20)) }
}

/// Deletes a claim for which there is no machine.
fn give_up(plan: &mut Plan, claim: &NodeClaim) {
    let seen = Seen::Decoded(claim.clone().into_object());
    let pool = claim.labels().get(labels::NODE_POOL);
    if let Some(target) = pool.and_then(|pool| Owned::by_label(&seen, labels::NODE_POOL, pool)) {
        plan.push(Effect::Delete { target }, None);
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

    /// What Karpenter writes before it knows anything.
    fn await_reconciliation(&mut self, now: Timestamp) {
        for type_ in ["Launched", "Registered", "Initialized", "Ready"] {
            self.set(type_, "Unknown", reasons::AWAITING_RECONCILIATION, "object is awaiting reconciliation", now);
        }
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
