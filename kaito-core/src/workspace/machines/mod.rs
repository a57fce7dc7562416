//! Ask for machines, read what came, give them back.
//!
//! Where machines come from is one [`Provisioner`], chosen at start: what reads, what to ask for, how to read what came and how to give it back. What is true of every machine, wherever it comes
//! from, stands here and in `joined.rs`: its Node is ready, advertises its GPUs, is short of nothing. Which kinds are watched for it, with which rights: `kinds::of`.

mod azure; // NodeClaims, one for each machine
mod byo; // Nodes that somebody brought along
mod claim; // one NodeClaim, in its provisioner's words
mod claims; // which NodeClaim fills which slot
pub(super) mod elsewhere; // what another provisioner was asked for before
mod given_up; // what went away before a machine came
mod joined; // the Nodes that came, and whether they can be used
mod karpenter; // NodePools, one for each Workspace
mod survey; // which Nodes of somebody's a Workspace can use

pub(crate) use survey::{Survey, wanted_labels};

use super::draft::Draft;
use super::facts::LookedMachine;
use super::view::View;
use crate::effect::{Effect, MetadataPatch, is_dying};
use crate::failure::{self, Failure, Reason};
use crate::kinds::Typed;
use crate::manifest::{self, Placement};
use crate::object::{ObjectKey, Seen};
use crate::plan::{Outcome, Plan};
use crate::provisioner::NodeProvisioner;
use crate::read::{Freshness, Read};
use crate::settings::Settings;
use crate::snapshot::{Listing, Lookup, Snapshot, Unread};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Toleration};
use kaito_api::Workspace;
use kaito_api::vocabulary::labels;
use kaito_api::workspace::PartitionMode;
use kube_core::ResourceExt;
use std::collections::BTreeSet;

/// One way to get machines: pure functions over what was read.
pub(super) trait Provisioner: Sync {
    /// What every plan of this Workspace reads.
    fn first_reads(&self, key: &ObjectKey) -> Vec<Read>;

    /// The labels of its machines, beside those that the user asks for: pods go nowhere else.
    fn node_labels(&self, view: &View<'_>) -> Vec<(String, String)>;

    /// What machine it is, where the size that the Workspace names does not say so.
    fn look(&self, _view: &View<'_>, _workspace: &Workspace) -> Result<LookedMachine, Unread> {
        Ok(LookedMachine::BySize)
    }

    /// Whether machines are asked for by objects of ours, so that there is something to say of these: the condition NodeClaimReady.
    fn asks(&self) -> bool;

    /// What is said of Nodes that are all there.
    fn nodes_are_ready(&self) -> &'static str {
        "Enough Nodes are ready"
    }

    /// Asks for what is missing and tells what came; `None` where nothing can be said of machines yet.
    fn step<'a>(&self, view: &View<'a>, draft: &mut Draft) -> Result<Option<Came<'a>>, Unread>;

    /// What the cache shows of what was asked for.
    fn holds(&self, view: &View<'_>) -> Result<Held, Unread>;

    /// Takes back everything that was asked for, as far as such a read shows it, and says what that read shows.
    fn give_back(&self, view: &View<'_>, draft: &mut Draft, freshness: Freshness) -> Result<Held, Unread>;

    /// Takes back what was asked for and not made yet, as the API server has it now.
    fn take_back_unmade(&self, _view: &View<'_>, _draft: &mut Draft) -> Result<(), Unread> {
        Ok(())
    }

    /// Takes back what an earlier Workspace of this name has left.
    fn take_back_strangers(&self, _view: &View<'_>, _draft: &mut Draft) -> Result<(), Unread> {
        Ok(())
    }

    /// The same where the cache has no Workspace of this name.
    fn left_behind(&self, _key: &ObjectKey, _snapshot: &Snapshot) -> Result<Plan, Unread> {
        Ok(Plan::nothing(Outcome::Gone))
    }

    /// The Workspace that an object of ours names, which may be gone.
    fn root_of(&self, _object: &Seen) -> Option<ObjectKey> {
        None
    }
}

/// What a Workspace holds of what it asked for: objects that cost money while they are there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Held {
    /// Objects, those included that are on their way out.
    pub(super) all: usize,
    /// Those that nobody has deleted yet.
    pub(super) alive: usize,
    /// Those of these for which no machine was made yet, where each asks for one of its own.
    pub(super) unmade: usize,
    /// What one is called.
    pub(super) unit: &'static str,
    /// What the end of one waits for, in the words of whoever makes the machines.
    pub(super) leaving: Option<String>,
}

/// What came of what was asked for.
pub(super) struct Came<'a> {
    /// The Nodes of the Workspace, by name.
    pub(super) workers: Vec<&'a Node>,
    /// Those of them that its pods run on, or shall.
    pub(super) used: Vec<&'a Node>,
    /// How many there are to be.
    pub(super) target: u32,
    /// The machines that were asked for.
    pub(super) awaited: Vec<Awaited<'a>>,
    /// Whether there is, or was until now, anything to wait for.
    pub(super) is_asked: bool,
    /// What is told while too few are ready.
    pub(super) short: Short,
}

/// A wait for Nodes.
pub(super) struct Short {
    /// Its row.
    pub(super) row: &'static Reason,
    /// What keeps the others from being used, in words that change only when something does; else what the first kubelet says.
    pub(super) words: Option<String>,
}

/// A machine that was asked for.
pub(super) struct Awaited<'a> {
    /// The Node that it has become, where it has.
    pub(super) node: Option<&'a str>,
    /// When it was last seen to make progress on its way there.
    pub(super) progressed: Option<Timestamp>,
    /// How far it is, in its provisioner's words.
    pub(super) standing: Option<String>,
}

/// The one that the operator was started with.
pub(super) fn of(settings: &Settings) -> &'static dyn Provisioner {
    match &settings.provisioner {
        NodeProvisioner::AzureGpuProvisioner => &azure::AzureGpuProvisioner,
        NodeProvisioner::Karpenter(_) => &karpenter::Karpenter,
        NodeProvisioner::Byo => &byo::Byo,
    }
}

/// Every one, for whoever does not know which the operator was started with.
const ALL: [&dyn Provisioner; 3] = [&azure::AzureGpuProvisioner, &karpenter::Karpenter, &byo::Byo];

/// The Workspace that a machine of any provisioner's names.
pub(super) fn root_of(object: &Seen) -> Option<ObjectKey> {
    ALL.iter().find_map(|provisioner| provisioner.root_of(object))
}

/// Whether the API server itself says that there is no such Workspace. One that serves no Workspaces at all, for a moment or while their definition is changed, says nothing of this one.
fn is_gone(key: &ObjectKey, snapshot: &Snapshot) -> Result<bool, Unread> {
    let is_absent = snapshot.object::<Workspace>(key.clone(), Freshness::Live)? == Lookup::Absent;
    Ok(is_absent && !snapshot.is_kind_missing(Read::object(key.clone()).live())?)
}

pub(super) fn step(view: &View<'_>, draft: &mut Draft) -> Result<(), Unread> {
    if draft.deleting {
        return Ok(());
    }
    let Some(came) = of(view.settings).step(view, draft)? else { return Ok(()) };
    came.used.iter().for_each(|node| mark_accelerator(draft, node));
    joined::observe(view, draft, &came);
    super::release::step(view, draft)?;
    // Nobody waits for the machine of what is over, or for one that nobody asks for.
    if draft.progress.is_over() || (!draft.may_buy() && !came.is_asked) {
        draft.waits.clear();
    }
    Ok(())
}

/// The labels by which provisioners tell the machines of a Workspace that were asked for; where none of them is asked of a node, it is one that somebody brought along.
pub(super) fn telling(view: &View<'_>) -> BTreeSet<String> {
    let asking = ALL.iter().filter(|provisioner| provisioner.asks());
    asking.flat_map(|provisioner| provisioner.node_labels(view)).map(|(key, _)| key).collect()
}

/// Where pods may run: on nodes with the user's labels, and those that tell its machines from others; rather on those that somebody brought along for them.
pub(super) fn placement(view: &View<'_>) -> Placement {
    let provisioner = of(view.settings);
    let preferred = view.workspace.ok().filter(|_| !provisioner.asks());
    Placement {
        labels: super::workload::user_labels(view).into_iter().chain(provisioner.node_labels(view)).collect(),
        preferred: preferred.map(|workspace| workspace.resource().preferred_nodes.clone()).unwrap_or_default(),
    }
}

/// What the pods of a Workspace tolerate, as they would be made now.
pub(crate) fn tolerated(workspace: &Workspace, settings: &Settings) -> Vec<Toleration> {
    let azure_spot = crate::cloud::row(settings.cloud).azure_spot_taint;
    let template = workspace.inference().and_then(|served| served.template.as_ref());
    let slice = workspace.resource().partition.as_ref().filter(|part| part.mode == PartitionMode::Mig);
    match template {
        Some(template) => manifest::tolerations_of_own(template, azure_spot),
        None if workspace.tuning().is_some() && workspace.inference().is_none() => {
            manifest::tolerations_of_training(azure_spot)
        }
        None => manifest::tolerations(azure_spot, slice.map(|part| &*part.profile)),
    }
}

/// Nodes that cannot be read: any of them may be one of the Workspace's.
fn tell_unreadable(draft: &mut Draft, nodes: &Listing<'_, Node>) {
    for malformed in &nodes.malformed {
        let name = malformed.metadata.name.as_deref().unwrap_or_default();
        let cause = format!("Node {name} cannot be read: {}", malformed.error);
        draft.failures.push(Failure::new(&failure::MALFORMED_OBJECT, cause));
    }
}

/// The label by which device plugins of older charts find GPU nodes.
fn mark_accelerator(draft: &mut Draft, node: &Node) {
    if node.labels().get(labels::ACCELERATOR).map(String::as_str) == Some(labels::ACCELERATOR_NVIDIA)
        || is_dying(&node.metadata)
    {
        return;
    }
    let Some(uid) = node.uid() else { return };
    let patch = MetadataPatch {
        labels: [(labels::ACCELERATOR.to_owned(), labels::ACCELERATOR_NVIDIA.to_owned())].into(),
        ..MetadataPatch::default()
    };
    draft.push(Effect::Metadata {
        key: ObjectKey::cluster(Node::KIND, node.name_any()),
        uid,
        // A kubelet writes its Node all the time; a label more disturbs nobody.
        resource_version: None,
        patch,
    });
}

/// The provisioner's own refusal, in its own words and with its own reason.
fn refusal(claim: &claim::Claim<'_>) -> Option<Failure> {
    let condition = claim.refusal()?;
    let mut failure =
        Failure::new(&failure::CLAIM_REFUSED, format!("NodeClaim {}: {}", claim.name(), condition.message));
    failure.own_reason = Some(condition.reason.clone()).filter(|reason| !reason.is_empty());
    Some(failure)
}
