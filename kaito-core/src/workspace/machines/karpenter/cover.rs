//! Machines that need not be of the pool: Nodes that somebody brought along.
//!
//! A Node with the user's labels and this very size that belongs to no Workspace does as well as one of the pool, once it carries our labels: pods go where these are. It is taken only where a machine
//! would have to be asked for otherwise, and where our pods could go as far as can be seen: it is ready, has the GPUs, and no taint that they do not tolerate. It is let go with the Workspace, and where none of our pods
//! goes to it although one has found no node for long ([`waiting`](super::waiting)). A machine that is there is never given back because another one would do.

use super::super::super::draft::Draft;
use super::super::super::view::View;
use super::super::super::workload;
use super::super::joined::{self, Needs};
use super::super::tolerated;
use super::waiting::{GRACE, Pods};
use super::{Seat, former_node_labels, own_labels, pool};
use crate::effect::is_dying;
use crate::read::{Freshness, Selector};
use crate::snapshot::Unread;
use crate::taints;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Toleration};
use kaito_api::vocabulary::labels;
use kube_core::ResourceExt;

/// What is there beside the pool.
#[derive(Debug, Default)]
pub(super) struct Cover<'a> {
    /// Nodes that were brought along and taken, of the right size, ready or not for long, by name. One that takes no pods is of use to those that are on it, and for a while to those that were.
    pub(super) adopted: Vec<&'a Node>,
    /// Of these, Nodes that our pods do not go to, although one has found no node for long.
    pub(super) passed_over: Vec<&'a Node>,
    /// When the first of them is not counted any more, unless it is ready again, and takes pods.
    pub(super) counts_until: Option<Timestamp>,
    /// Nodes that could be taken, by name.
    pub(super) free: Vec<&'a Node>,
    /// Nodes of claims that were asked for one by one, without our labels yet.
    pub(super) unmarked: Vec<&'a Node>,
    /// The pods of the Workspace.
    pub(super) pods: Pods,
}

impl<'a> Cover<'a> {
    /// Looks at them. Where the user asks for no labels, no Node is anybody's; where the size is not known, those that were taken count and none is free.
    pub(super) fn look(view: &View<'a>, draft: &Draft, seat: &Seat<'_>, freshness: Freshness) -> Result<Self, Unread> {
        let list = |selector| view.snapshot.list::<Node>(None, selector, freshness);
        let ours = list(own_labels(view.key))?.items;
        let size = draft.subject.as_ref().and_then(|subject| Some(&*subject.hardware()?.name));
        let is_of_size = |node: &&Node| {
            let found = node.labels().get(labels::INSTANCE_TYPE).map(String::as_str);
            size.is_none_or(|size| found == Some(size))
        };
        let pods = Pods::look(view, freshness)?;
        let tolerated = view.workspace.map(|workspace| tolerated(workspace, view.settings)).unwrap_or_default();
        let counts_until = |node: &Node| {
            let emptied = !pods.are_on(&node.name_any());
            let out_of_use = [given_up_at(node), closed_at(node, &tolerated).filter(|_| emptied)];
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
        let is_passed_over = |node: &&Node| pods.passed_over_at(node).is_some_and(|at| at <= view.now());
        cover.passed_over = cover.adopted.iter().copied().filter(is_passed_over).collect();
        let passed_over = cover.adopted.iter().filter_map(|node| pods.passed_over_at(node));
        let ends = passed_over.filter(|at| *at > view.now());
        cover.counts_until = cover.adopted.iter().filter_map(|node| counts_until(node)).chain(ends).min();
        let user_labels = workload::user_labels(view);
        // Where there is one for a pod that has found none for long, another of the same kind would be taken in vain.
        let has_one = cover.adopted.iter().any(|node| pods.pass_over(node));
        let takes = !has_one || pods.refused_at().is_none_or(|at| view.now() < at);
        if size.is_some() && !user_labels.is_empty() && takes {
            let needs = draft.subject.as_ref().map(Needs::of);
            let is_free = |node: &&Node| {
                joined::is_ready(node)
                    && is_of_size(node)
                    && !is_anybodys(node)
                    && !is_unschedulable(node)
                    && taints::untolerated(node, &tolerated).next().is_none()
                    && needs.as_ref().is_some_and(|needs| needs.are_met(node))
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
        for nodes in [&mut cover.adopted, &mut cover.passed_over, &mut cover.free] {
            nodes.sort_by_key(|node| node.name_any());
        }
        cover.pods = pods;
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

/// When a Node that takes our pods no longer is counted no longer either, as long as none is on it; `None` for one that takes them, and where nobody has written down since when it does not. A Node is cordoned by such a
/// taint, too.
fn closed_at(node: &Node, tolerated: &[Toleration]) -> Option<Timestamp> {
    let dated = taints::untolerated(node, tolerated).filter_map(|taint| taint.time_added.as_ref());
    dated.map(|time| time.0).min()?.checked_add(GRACE).ok()
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
