//! Machines that need not be of the pool: Nodes that somebody brought along.
//!
//! A Node with the user's labels and this very size that belongs to no Workspace does as well as one of the pool, once it carries our labels: pods go where these are. It is taken only where a machine
//! would have to be asked for otherwise, and let go with the Workspace. A machine that is there is never given back because another one would do.

use super::super::super::draft::Draft;
use super::super::super::view::View;
use super::super::super::workload;
use super::super::joined;
use super::{Seat, former_node_labels, own_labels, pool};
use crate::effect::is_dying;
use crate::read::{Freshness, Selector};
use crate::snapshot::Unread;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Node;
use kaito_api::vocabulary::labels;
use kube_core::ResourceExt;

/// A Node that was taken and is not ready, or is cordoned and empty, counts for so long: a kubelet may be silent for a moment, a drain is often followed by the pods' return, and a machine that is bought is
/// kept.
const GRACE: SignedDuration = SignedDuration::from_mins(10);

/// The taint by which the control plane says since when a Node is cordoned.
const CORDONED: &str = "node.kubernetes.io/unschedulable";

/// What is there beside the pool.
#[derive(Debug, Default)]
pub(super) struct Cover<'a> {
    /// Nodes that were brought along and taken, of the right size, ready or not for long, by name. A cordoned one is of use to the pods that are on it, and for a while to those that were.
    pub(super) adopted: Vec<&'a Node>,
    /// When the first of them is not counted any more, unless it is ready again, and takes pods.
    pub(super) counts_until: Option<Timestamp>,
    /// Nodes that could be taken, by name.
    pub(super) free: Vec<&'a Node>,
    /// Nodes of claims that were asked for one by one, without our labels yet.
    pub(super) unmarked: Vec<&'a Node>,
}

impl<'a> Cover<'a> {
    /// Looks at them. Where the user asks for no labels, no Node is anybody's; where the size is not known, none is of it.
    pub(super) fn look(view: &View<'a>, draft: &Draft, seat: &Seat<'_>, freshness: Freshness) -> Result<Self, Unread> {
        let list = |selector| view.snapshot.list::<Node>(None, selector, freshness);
        let ours = list(own_labels(view.key))?.items;
        let size = draft.subject.as_ref().and_then(|subject| Some(&*subject.hardware()?.name));
        let is_of_size = |node: &&Node| node.labels().get(labels::INSTANCE_TYPE).map(String::as_str) == size;
        let in_use = view.nodes_in_use()?;
        let counts_until = |node: &Node| {
            let emptied = !in_use.contains(&node.name_any());
            let out_of_use = [given_up_at(node), closed_at(node).filter(|_| emptied)];
            out_of_use.into_iter().flatten().min()
        };
        let is_kept = |node: &&Node| !is_dying(&node.metadata) && counts_until(node).is_none_or(|at| view.now() < at);
        let own_pool = pool::key(view.key).name;
        let is_claimed = |node: &Node| {
            let mut claims = seat.claims.iter().chain(seat.former.live());
            claims.any(|claim| claim.body.is_ok_and(|body| body.node_name() == Some(&node.name_any())))
        };
        let of_pool = |node: &Node| node.labels().get(labels::NODE_POOL) == Some(&own_pool);
        let mut cover = Cover {
            adopted: ours
                .into_iter()
                .filter(|node| is_of_size(node) && is_kept(node) && !of_pool(node) && !is_claimed(node))
                .collect(),
            ..Cover::default()
        };
        cover.counts_until = cover.adopted.iter().filter_map(|node| counts_until(node)).min();
        let user_labels = workload::user_labels(view);
        if size.is_some() && !user_labels.is_empty() {
            let is_free = |node: &&Node| {
                joined::is_ready(node) && is_of_size(node) && !is_anybodys(node) && !is_unschedulable(node)
            };
            cover.free = list(Selector(user_labels))?.items.into_iter().filter(is_free).collect();
        }
        if !seat.former.is_empty() {
            let lacks = |node: &&Node| !own_labels(view.key).matches(node.labels()) && !is_dying(&node.metadata);
            cover.unmarked = list(former_node_labels(view.key))?
                .items
                .into_iter()
                .filter(|node| is_claimed(node))
                .filter(lacks)
                .collect();
        }
        for nodes in [&mut cover.adopted, &mut cover.free] {
            nodes.sort_by_key(|node| node.name_any());
        }
        Ok(cover)
    }

    /// How many Nodes that were brought along are taken.
    pub(super) fn taken(&self) -> usize {
        self.adopted.len()
    }
}

/// When a Node that is not ready is counted no longer; `None` for one that is, and where its kubelet does not say since when.
fn given_up_at(node: &Node) -> Option<Timestamp> {
    joined::not_ready_since(node).and_then(|since| since.checked_add(GRACE).ok())
}

/// When a cordoned Node is counted no longer, as long as no pod is on it; `None` for one that takes pods, and before the control plane has written down since when it does not.
fn closed_at(node: &Node) -> Option<Timestamp> {
    let spec = node.spec.as_ref().filter(|_| is_unschedulable(node))?;
    let taint = spec.taints.iter().flatten().find(|taint| taint.key == CORDONED)?;
    taint.time_added.as_ref()?.0.checked_add(GRACE).ok()
}

/// Whether a Node belongs to a Workspace, whoever made it.
fn is_anybodys(node: &Node) -> bool {
    [labels::WORKSPACE, labels::RAG_ENGINE, labels::KARPENTER_WORKSPACE_NAME]
        .iter()
        .any(|key| node.labels().contains_key(*key))
}

fn is_unschedulable(node: &Node) -> bool {
    node.spec.as_ref().and_then(|spec| spec.unschedulable).unwrap_or_default()
}
