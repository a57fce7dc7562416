//! The rest of a cluster, each part a planner like ours: the cloud, the StatefulSet, Job and EndpointSlice controllers, the kubelet, the garbage collector.
//!
//! They run in the memory world, and one by one beside a real API server that lacks that part. None of them knows anything of KAITO.

mod aks; // an agent pool becomes a Node
mod brought; // a Node that came as a manifest
mod claimed; // disks that the pods of a set claim
mod cloud; // a NodeClaim becomes a Node
mod containers; // what a kubelet says of the containers of a pod
mod endpoint_slice; // a Service leads to its pods
mod garbage; // dependants follow their owner
mod job; // a Job becomes pods, one after the other, until one succeeds
mod karpenter; // a NodePool becomes NodeClaims
mod kubelet; // a pod is started, ready
mod machine; // what a machine shows of itself
mod scheduler; // which node takes a pod
mod stateful_set; // a set becomes pods

pub use aks::Aks;
pub use brought::BroughtNodes;
pub use cloud::Cloud;
pub use endpoint_slice::EndpointSliceController;
pub use garbage::GarbageCollector;
pub use job::JobController;
pub use karpenter::Karpenter;
pub use kubelet::Kubelet;
pub use stateful_set::StatefulSetController;

use crate::driver::Planner;
use crate::effect::{Effect, Owned};
use crate::kinds::{Kind, Typed};
use crate::memory::{Fate, Pace};
use crate::object::{ObjectKey, Seen};
use crate::plan::{Outcome, Plan, StatusWrite, Wake};
use crate::provisioner::NodeProvisioner;
use crate::read::Freshness;
use crate::settings::Settings;
use crate::snapshot::{Snapshot, Unread};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

/// Who makes machines in a simulated world.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Machines {
    /// A provisioner that is not ours, out of NodeClaims: [`Cloud`].
    #[default]
    OfClaims,
    /// AKS, out of agent pools: [`Aks`]. Nobody does anything about a NodeClaim but a provisioner that runs in the world.
    OfPools,
    /// Karpenter, out of NodePools: [`Karpenter`] makes NodeClaims of them, and [`Cloud`] machines of these.
    OfNodePools,
    /// Nobody: they are brought along, as Nodes. [`BroughtNodes`] is their kubelet where nobody says how they are.
    Brought,
}

impl Machines {
    /// Who makes them where an operator has these settings.
    pub fn of(settings: &Settings) -> Self {
        match settings.provisioner {
            NodeProvisioner::AzureGpuProvisioner => Machines::OfClaims,
            NodeProvisioner::Karpenter(_) => Machines::OfNodePools,
            NodeProvisioner::Byo => Machines::Brought,
        }
    }
}

/// Every actor that a cluster without any controllers needs, with what becomes of machines and pods.
pub fn all(machines: Machines, pace: Pace, fate: &Fate) -> Vec<Box<dyn Planner>> {
    let cloud: Box<dyn Planner> = match machines {
        Machines::OfClaims | Machines::OfNodePools => Box::new(Cloud::with_fate(pace, fate.cloud.clone())),
        Machines::OfPools => Box::new(Aks::with_fate(pace, fate.cloud.clone())),
        Machines::Brought => Box::new(BroughtNodes),
    };
    let mut actors: Vec<Box<dyn Planner>> = vec![
        cloud,
        Box::new(StatefulSetController::with_fate(&fate.pods)),
        Box::new(JobController::with_fate(&fate.pods)),
        Box::new(Kubelet::with_fate(pace, fate.pods.clone())),
        Box::new(EndpointSliceController::with_fate(&fate.pods)),
    ];
    if machines == Machines::OfNodePools {
        actors.push(Box::new(Karpenter));
    }
    for kind in [
        Kind::ControllerRevision,
        Kind::EndpointSlice,
        Kind::Job,
        Kind::PersistentVolumeClaim,
        Kind::Pod,
        Kind::Service,
        Kind::StatefulSet,
    ] {
        actors.push(Box::new(GarbageCollector { kind }));
    }
    actors
}

/// Reads a root; `None` when it is gone or cannot be read.
fn root<'a, T: Typed>(key: &ObjectKey, snapshot: &'a Snapshot) -> Result<Option<&'a T>, Unread> {
    Ok(snapshot.object::<T>(key.clone(), Freshness::Cached)?.found())
}

fn empty(metadata: &ObjectMeta) -> Plan {
    Plan { root_uid: metadata.uid.clone(), ..Plan::nothing(Outcome::Converged) }
}

/// Writes the status of the root where it differs.
fn set_status(plan: &mut Plan, key: &ObjectKey, metadata: &ObjectMeta, old: Option<&Value>, new: Value) {
    let (Some(uid), Some(resource_version)) = (metadata.uid.clone(), metadata.resource_version.clone()) else { return };
    if old != Some(&new) {
        plan.status = Some(StatusWrite { key: key.clone(), uid, resource_version, status: new });
    }
}

/// Waits until a moment; `false` when it has come.
fn wait_until(plan: &mut Plan, now: Timestamp, moment: Timestamp) -> bool {
    let left = moment.duration_since(now);
    if left.is_positive() {
        plan.wake = plan.wake.or_earlier(Wake::After(left));
        plan.outcome = Outcome::Waiting { reason: "Progress" };
        return true;
    }
    false
}

fn after(start: Timestamp, duration: SignedDuration) -> Timestamp {
    start.saturating_add(duration).unwrap_or(Timestamp::MAX)
}

fn created(metadata: &ObjectMeta) -> Timestamp {
    metadata.creation_timestamp.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0)
}

/// Deletes a dependant of the object with this uid.
fn delete_dependant<T: Typed + Clone>(plan: &mut Plan, object: &T, owner_uid: &str) {
    let seen = Seen::Decoded(object.clone().into_object());
    if let Some(target) = Owned::by_reference(&seen, owner_uid) {
        plan.push(Effect::Delete { target }, None);
    }
}
