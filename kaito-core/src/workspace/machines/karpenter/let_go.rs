//! Nodes that were taken and that our pods do not go to: they are let go, and a machine is asked for in their place.

use super::super::super::draft::Draft;
use super::super::super::view::View;
use super::super::claim::Claim;
use super::Seat;
use super::cover::Cover;
use super::pool::Named;
use super::settle::unmarked;
use crate::effect::{Effect, is_dying};
use crate::kinds::Kind;
use crate::object::ObjectKey;
use crate::plan::Notice;
use k8s_openapi::api::core::v1::Node;
use kaito_api::vocabulary::events;
use kube_core::ResourceExt;

/// How many are to be let go: one for each pod that has found no node for long, but for those that a machine is there for already, or on its way. So each pod that no node would take costs one machine
/// at the most. None where no machine may be asked for in their place.
pub(super) fn count(view: &View<'_>, seat: &Seat<'_>, cover: &Cover<'_>, buys: bool) -> usize {
    let may_ask = match seat.pool {
        Named::Absent => true,
        Named::Ours(pool) => !is_dying(&pool.metadata),
        Named::Unreadable(_) | Named::Former(_) | Named::Foreign(_) => false,
    };
    if !buys || !may_ask {
        return 0;
    }
    let carries = |claim: &&Claim<'_>| {
        let node = claim.body.ok().and_then(|body| body.node_name());
        node.is_some_and(|node| cover.pods.are_on(node))
    };
    let asked = seat.pool.asks() as usize + seat.former.live().count();
    let carrying = seat.live().chain(seat.former.live()).filter(carries).count();
    let waiting = cover.pods.overdue(view.now()).saturating_sub(asked.saturating_sub(carrying));
    waiting.min(cover.passed_over.len())
}

/// Takes our labels off one of them. Whoever has written to it meanwhile is looked at first.
pub(super) fn step(view: &View<'_>, draft: &mut Draft, node: &Node) {
    let (Some(uid), name) = (node.uid(), node.name_any()) else { return };
    let patch = unmarked(view.key);
    let key = ObjectKey::cluster(Kind::Node, name.clone());
    let resource_version = node.resource_version();
    let let_go = draft.push(Effect::Metadata { key, uid, resource_version, patch });
    draft.notices.push(Notice {
        warning: true,
        reason: events::NODE_LET_GO,
        note: format!(
            "node {name} was taken and is let go: a pod has found no node for long, and does not go there (GPUs that other pods hold, or what the scheduler says of it); a machine is asked for in its place"
        ),
        after: Some(let_go),
    });
}
