//! The number of machines, brought to what is needed, from live reads only.

use super::super::super::draft::Draft;
use super::super::super::immutable;
use super::super::super::view::View;
use super::super::super::workload;
use super::cover::Cover;
use super::pool::{self, Named};
use super::{Patience, Seat, let_go, own_labels};
use crate::diff;
use crate::effect::{Effect, MetadataPatch, Owned, WriteMode, is_dying};
use crate::kinds::{Kind, Typed};
use crate::manifest;
use crate::node_classes::NodeClasses;
use crate::object::ObjectKey;
use crate::read::{Freshness, Read};
use crate::snapshot::Unread;
use crate::units::rfc3339;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use kaito_api::karpenter::{NodeClassRef, NodePool};
use kaito_api::vocabulary::{annotations, labels};
use kube_core::ResourceExt;

/// What may be done about the machines.
#[derive(Debug, Clone, Copy)]
struct Leave {
    /// Whether Nodes that somebody brought along may be taken.
    takes: bool,
    /// Whether machines may be asked for.
    buys: bool,
    /// Since when there are none to be had ([`Patience`]).
    refused_at: Option<Timestamp>,
}

/// What is to be done about the machines.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Need {
    /// How many the pool shall ask for.
    replicas: u32,
    /// How many there may be meanwhile, while there are no more to be had.
    most: Option<u32>,
    /// How many Nodes that somebody brought along are to be taken.
    taken: usize,
    /// How many of those that were taken are to be let go.
    let_go: usize,
}

/// Makes, changes or leaves the pool. What the cache shows is enough to see that nothing is to be done. What is over needs no machine any more: its pool is not made again and not raised, those that are
/// there stay until the Workspace goes, and more of them than were asked for (somebody has raised their number) are given back.
pub(super) fn step(
    view: &View<'_>,
    draft: &mut Draft,
    seat: &Seat<'_>,
    cover: &Cover<'_>,
    (target, patience): (u32, Patience),
) -> Result<(), Unread> {
    let may_buy = draft.may_buy();
    let leave =
        Leave { takes: may_buy, buys: may_buy && patience.asks_again <= view.now(), refused_at: patience.refused_at };
    if !changes(view, draft, seat, cover, (target, leave))? {
        return Ok(());
    }
    let root = Read::object(view.key.clone()).live();
    view.snapshot.need(super::reads(view, Freshness::Live).into_iter().chain([root]))?;
    let root = view.live_root()?;
    let seat = Seat::look(view, Freshness::Live)?;
    let cover = Cover::look(view, draft, &seat, Freshness::Live)?;
    let alive = root.found().is_some_and(|root| root.uid() == view.uid() && !is_dying(&root.metadata));
    if !alive {
        return Ok(());
    }
    let need = need(view, &seat, &cover, target, leave)?;
    for node in cover.free.iter().take(need.taken).chain(&cover.unmarked) {
        mark(view, draft, node);
    }
    write(view, draft, &seat, &need, leave.buys);
    cover.passed_over.iter().take(need.let_go).for_each(|node| let_go::step(view, draft, node));
    Ok(())
}

/// Whether anything is to be done, as far as these reads show.
fn changes(
    view: &View<'_>,
    draft: &Draft,
    seat: &Seat<'_>,
    cover: &Cover<'_>,
    (target, leave): (u32, Leave),
) -> Result<bool, Unread> {
    let need = need(view, seat, cover, target, leave)?;
    let pool_differs = match seat.pool {
        Named::Absent => leave.buys && need.replicas > 0,
        Named::Ours(pool) => !is_dying(&pool.metadata) && differs(view, draft, pool, &need),
        Named::Unreadable(_) | Named::Former(_) | Named::Foreign(_) => false,
    };
    Ok(pool_differs || need.taken > 0 || need.let_go > 0 || !cover.unmarked.is_empty())
}

/// How many machines the pool shall ask for: what nothing else covers; but a machine that is there is not given back because something else would do, only because it is one too many, and not before the pods are
/// fewer too: Karpenter takes those first that carry none. Where there is no machine to be had, the pool is limited to what stands until its time: fewer replicas would take machines away that serve.
fn need(view: &View<'_>, seat: &Seat<'_>, cover: &Cover<'_>, target: u32, leave: Leave) -> Result<Need, Unread> {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let let_go = let_go::count(view, seat, cover, leave.buys);
    let kept = count(seat.former.live().count() + cover.adopted.len() - let_go);
    let replicas = seat.pool.replicas();
    let most = leave.refused_at.filter(|_| seat.pool.ours().is_some()).map(|at| count(seat.standing(at)));
    let current = most.map_or_else(|| seat.pool.asks(), |most| most.min(replicas));
    let missing = target.saturating_sub(kept);
    let bought = if seat.pool.ours().is_some() { current } else { 0 };
    let free = if leave.takes { count(cover.free.len()) } else { 0 };
    let taken = free.min(missing.saturating_sub(bought));
    let raised = missing.saturating_sub(taken);
    let wanted = match raised {
        raised if raised > current && leave.buys => raised,
        _ if replicas > target && cover.pods.to_run() <= target as usize => target,
        _ if most.is_some() => replicas,
        _ => current,
    };
    let (replicas, most) =
        if wanted < replicas && seat.is_miscounted() { (replicas, most.or(seat.pool.most())) } else { (wanted, most) };
    Ok(Need { replicas, most, taken: taken as usize, let_go })
}

fn write(view: &View<'_>, draft: &mut Draft, seat: &Seat<'_>, need: &Need, buys: bool) {
    match seat.pool {
        Named::Absent if buys && need.replicas > 0 => {
            let Some(wanted) = wanted(view, draft, None, need) else { return };
            let effect = Effect::ensure(&wanted.into_object(), WriteMode::Apply, None);
            draft.push_after(effect, draft.stamp);
        }
        Named::Ours(pool) if !is_dying(&pool.metadata) => {
            let body = wanted(view, draft, Some(pool), need).map(|wanted| wanted.to_wire());
            if let Some(body) = body.and_then(|body| draft.differing(Kind::NodePool, body, &pool.to_wire())) {
                draft.apply(pool::key(view.key), body, pool.metadata.uid.clone());
            }
        }
        _ => {}
    }
}

/// Whether our pool is not as it is to be.
fn differs(view: &View<'_>, draft: &Draft, pool: &NodePool, need: &Need) -> bool {
    let Some(wanted) = wanted(view, draft, Some(pool), need) else { return false };
    let (mut wanted, there) = (wanted.to_wire(), pool.to_wire());
    immutable::keep(Kind::NodePool, &mut wanted, &there);
    diff::first_difference(&wanted, &there).is_some()
}

/// The pool as it is to be; `None` where it is not known what machine is meant.
fn wanted(view: &View<'_>, draft: &Draft, there: Option<&NodePool>, need: &Need) -> Option<NodePool> {
    let classes = view.settings.provisioner.node_classes()?;
    let size = draft.subject.as_ref()?.hardware()?.name.clone();
    let inference_set = view.metadata.labels.as_ref().and_then(|all| all.get(labels::INFERENCE_SET_CREATED_BY));
    let mut pool = manifest::node_pool(&manifest::Pool {
        workspace: view.name(),
        namespace: view.namespace(),
        uid: view.uid(),
        replicas: need.replicas,
        most: need.most,
        size: &size,
        user_labels: workload::user_labels(view),
        class: class(view, classes, there),
        there,
        inference_set: inference_set.map(String::as_str),
    });
    // Whoever looks after a set says when its machines are renewed.
    if let (Some(_), Some(there), Some(disruption)) = (inference_set, there, pool.spec.disruption.as_mut()) {
        let budgets = there.spec.disruption.as_ref().map(|there| there.budgets.clone());
        disruption.budgets =
            budgets.filter(|budgets| !budgets.is_empty()).unwrap_or_else(|| disruption.budgets.clone());
    }
    Some(pool)
}

/// The class that the Workspace names; else the one that its machines have, for another default must not replace them; else the default.
fn class(view: &View<'_>, classes: &NodeClasses, there: Option<&NodePool>) -> NodeClassRef {
    let named = view.annotation(annotations::NODE_CLASS_NAME).filter(|name| !name.is_empty());
    match (named.filter(|name| classes.knows(name)), there) {
        (Some(name), _) => classes.reference(name),
        (None, Some(there)) => there.spec.template.spec.node_class_ref.clone(),
        (None, None) => classes.reference(&classes.default),
    }
}

/// Gives a Node our labels: pods go where these are. Whoever has written to it meanwhile is looked at first.
fn mark(view: &View<'_>, draft: &mut Draft, node: &Node) {
    let taken = (annotations::NODE_TAKEN_AT.to_owned(), Some(rfc3339(view.now())));
    let patch =
        MetadataPatch { labels: own_labels(view.key).0, annotations: [taken].into(), ..MetadataPatch::default() };
    change_labels(draft, node, node.resource_version(), patch);
}

/// What takes our labels off a Node.
pub(super) fn unmarked(workspace: &ObjectKey) -> MetadataPatch {
    MetadataPatch {
        unlabelled: own_labels(workspace).0.into_keys().collect(),
        annotations: [(annotations::NODE_TAKEN_AT.to_owned(), None)].into(),
        ..MetadataPatch::default()
    }
}

fn change_labels(draft: &mut Draft, node: &Node, resource_version: Option<String>, patch: MetadataPatch) {
    let Some(uid) = node.uid() else { return };
    let key = ObjectKey::cluster(Kind::Node, node.name_any());
    draft.push(Effect::Metadata { key, uid, resource_version, patch });
}

/// Takes back what was asked for, and lets go of Nodes that were brought along.
pub(super) fn give_back(view: &View<'_>, draft: &mut Draft, seat: &Seat<'_>) {
    if let Some(target) = seat.pool.owned(view.key, view.uid()) {
        draft.delete(target);
    }
    for claim in seat.former.live() {
        if let Some(target) = seat.former.owned(claim, view.key) {
            draft.delete(target);
        }
    }
    // Claims go with their pool, unless somebody has deleted it and left them.
    if seat.pool.is_absent() {
        let names = own_labels(view.key).0;
        let names: Vec<(&str, &str)> = names.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        for claim in seat.live() {
            if let Some(target) = Owned::by_names(&claim.seen(), &names) {
                draft.delete(target);
            }
        }
    }
    for node in &seat.brought {
        // Whatever else was written to it meanwhile, it is free again.
        change_labels(draft, node, None, unmarked(view.key));
    }
}
