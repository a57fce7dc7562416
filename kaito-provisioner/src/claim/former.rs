//! Nodes whose machine is gone with its pool, and that are still there: of earlier claims of this name, whose finalizer nobody else is left to take away, or of an earlier attempt of this one.
//!
//! They go before a pool is asked for: a kubelet that finds a Node of its name takes it, and makes no other when that one goes. One that the cache shows only then goes while the machine is made, and a machine that registers none afterwards is replaced (`returning`).

use super::draft::{Draft, Flow};
use super::launch::{AT_ONCE, POLL, wait_since_told};
use super::managed::{is_held, is_our_node};
use super::returning;
use super::terminate::free_nodes;
use super::view::{Held, View, is_of, nodes_of, owned_node};
use super::waits::NODE_LEAVING;
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Node;
use kaito_core::effect::{Effect, is_dying};
use kaito_core::read::Freshness;
use kaito_core::snapshot::Unread;

pub(super) fn step(view: &View<'_>, draft: &mut Draft) -> Result<Flow, Unread> {
    if view.former_nodes.is_empty() {
        return Ok(Flow::Next);
    }
    let held = view.pool_surely()?;
    if !matches!(held, Held::Absent | Held::Own(..)) {
        return Ok(Flow::Next);
    }
    // What a cache shows of them may long be gone.
    let there: Vec<&Node> = ours(view)?.into_iter().filter(|node| !is_of(node, view.claim)).collect();
    // Names come back: for a process that does not know it yet, the Nodes of the next claim are another's. One that is there after its Nodes were listed had no successor then.
    if !there.is_empty() && !view.is_still_there()? {
        draft.look_again(AT_ONCE);
        return Ok(Flow::Stop);
    }
    // The machine of this claim may have taken it for its own, and registers no other then: that it goes is written down first, unless a Node of its own has joined.
    let is_told = returning::is_told(view) || !view.nodes.is_empty();
    if let (Held::Own(..), [node, ..], false) = (held, there.as_slice(), is_told) {
        let name = node.metadata.name.as_deref().unwrap_or_default();
        returning::say(view, draft, "Unknown", format!("node {name} of an earlier claim goes"), view.now());
        draft.look_again(AT_ONCE);
        return Ok(Flow::Next);
    }
    clear(view, draft, there);
    Ok(Flow::Next)
}

/// Whether no Node of the pool's name is left, where the cloud has no such pool; what is left is told, and goes. The cache is believed of a claim for which nothing was asked yet: an API server takes up
/// to a tenth of a second for a list that is not a cache's, and the machine of a claim that waited would be late by that.
pub(super) fn is_clear(view: &View<'_>, draft: &mut Draft, is_first: bool) -> Result<bool, Unread> {
    if is_first && view.nodes.is_empty() && view.former_nodes.is_empty() {
        return Ok(true);
    }
    let there = ours(view)?;
    let Some(name) = there.first().map(|node| node.metadata.name.clone().unwrap_or_default()) else { return Ok(true) };
    let what = format!("node {name} of an agent pool that is gone goes away");
    wait_since_told(view, draft, &NODE_LEAVING, &what);
    draft.look_again(POLL);
    clear(view, draft, there);
    Ok(false)
}

/// As the API server has them now.
fn ours<'a>(view: &View<'a>) -> Result<Vec<&'a Node>, Unread> {
    let all = view.snapshot.list::<Node>(None, nodes_of(view.name()), Freshness::Live)?.items;
    Ok(all.into_iter().filter(|node| is_our_node(&node.metadata, view.name())).collect())
}

/// Lets former Nodes go, and those of this claim that are being deleted. Another of this claim may be that of a pool which somebody else has asked for since the cloud said that there is none: it is left
/// to the cluster.
fn clear(view: &View<'_>, draft: &mut Draft, nodes: Vec<&Node>) {
    let goes = |node: &&Node| !is_of(node, view.claim) || is_dying(&node.metadata);
    let (held, loose): (Vec<&Node>, Vec<&Node>) =
        nodes.into_iter().filter(goes).partition(|node| is_held(&node.metadata));
    if held.is_empty() && loose.is_empty() {
        return;
    }
    free_nodes(&mut draft.plan, held.into_iter(), view.name());
    let standing = loose.into_iter().filter(|node| !is_dying(&node.metadata));
    for target in standing.filter_map(|node| owned_node(node, view.name())) {
        draft.plan.push(Effect::Delete { target }, None);
    }
    draft.look_again(SignedDuration::from_secs(1));
}
