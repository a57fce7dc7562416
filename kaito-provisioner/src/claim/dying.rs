//! A Node that somebody deletes: who deletes the Node of a pool that is well means the machine, and its claim goes. Nobody does who works on the pool (kaito#2075), nor where another Node of the pool is
//! there: of an upgrade by AKS one of two machines goes, and the other one is the claim's.

use super::draft::{Draft, Flow};
use super::launch::{AT_ONCE, POLL};
use super::managed::{is_held, label};
use super::terminate::free_nodes;
use super::view::{Held, View, in_motion, ready};
use super::waits::{self, Waiting};
use super::{keep, lost, returning};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use kaito_api::vocabulary::labels;
use kaito_core::effect::is_dying;
use kaito_core::read::Freshness;
use kaito_core::snapshot::Unread;
use std::iter;

pub(super) fn step(view: &View<'_>, draft: &mut Draft) -> Result<Flow, Unread> {
    let is_ours = |node: &&&Node| label(&node.metadata, labels::REGISTERED) == Some("true");
    let mut dying = view.nodes.iter().filter(is_ours).filter(|node| is_dying(&node.metadata));
    let Some(node) = dying.next().filter(|_| view.was_launched()) else { return Ok(Flow::Next) };
    let name = node.metadata.name.as_deref().unwrap_or_default();
    // The pool before its Nodes: the machine that an upgrade leaves has registered when the pool is done, and perhaps not a moment before.
    let held = view.pool(Freshness::Live)?;
    let live = view.live_nodes()?;
    // Names come back: this may be the Node of before, of which a cache does not know yet that it is gone. Or another process has let it go by now, because one stayed that is gone as well.
    if !live.iter().any(|there| there.metadata.uid == node.metadata.uid) {
        draft.look_again(AT_ONCE);
        return Ok(Flow::Stop);
    }
    if live.iter().any(|there| !is_dying(&there.metadata)) {
        return Ok(beside_another(view, draft, node));
    }
    if let Held::Own(pool, _) = &held
        && let Some(word) = in_motion(&pool.state)
    {
        while_moving(view, draft, node, word);
        return Ok(Flow::Stop);
    }
    if let Some((row, words)) = keep::reason(view, &held)? {
        let words = format!("node {name} is being deleted, and {words}");
        if *row == waits::POOL_UNMARKED {
            keep::tell(view, draft, row, words, POLL)?;
        } else {
            // The deletion, and not the silence: nothing else tells of it once the Node is gone.
            draft.look_again(POLL);
            told(view, draft, node, words);
        }
        return Ok(Flow::Stop);
    }
    // Whoever stops the pool between these two reads takes a Node along that had just registered, beside the one that an upgrade takes away.
    if let Held::Own(pool, _) = &held
        && !view.is_as_read(pool)?
    {
        draft.look_again(POLL);
        told(view, draft, node, format!("node {name} is being deleted, and its agent pool is being changed"));
        return Ok(Flow::Stop);
    }
    // Else who deletes a Node that is ours means its machine.
    lost::delete(view, draft, format!("node {name} is being deleted, and its machine goes with it"));
    Ok(Flow::Stop)
}

/// Another Node of the pool stays: this one is let go, and the other is the claim's. That it went is written down first: the other may go before it is taken.
fn beside_another(view: &View<'_>, draft: &mut Draft, node: &Node) -> Flow {
    draft.look_again(POLL);
    if !is_held(&node.metadata) {
        // One that somebody else holds keeps the other from nothing.
        let id = node.spec.as_ref().and_then(|spec| spec.provider_id.as_ref());
        return if id == Some(&draft.status.provider_id) { Flow::Stop } else { Flow::Next };
    }
    let name = node.metadata.name.as_deref().unwrap_or_default();
    let asked = node.metadata.deletion_timestamp.as_ref().map_or(view.now(), |time| time.0);
    let words = format!("node {name} is being deleted, and another of its agent pool stays");
    returning::say(view, draft, "Unknown", words, asked);
    if returning::is_told(view) {
        free_nodes(&mut draft.plan, iter::once(node), view.name());
    }
    draft.look_again(AT_ONCE);
    Flow::Stop
}

/// While a pool is started, stopped or changed, whoever deletes its Node says nothing of its machine. One that is down registers its Node anew when it comes up; one that is up does not, and is decided
/// on when the pool is done.
fn while_moving(view: &View<'_>, draft: &mut Draft, node: &Node, word: &str) {
    let name = node.metadata.name.as_deref().unwrap_or_default();
    let words = format!("node {name} is being deleted while its agent pool is {word}");
    draft.look_again(POLL);
    if ready(node).0 == "True" {
        return told(view, draft, node, words);
    }
    returning::say(view, draft, "Unknown", words, asked(view, node));
    // Once it is written down: nothing else tells afterwards that somebody has deleted it.
    if returning::is_told(view) && ready(node).0 != "True" {
        free_nodes(&mut draft.plan, iter::once(node), view.name());
    }
}

/// Tells that a Node is being deleted, and that nothing follows from it yet. That it went, where that is written down already, stays so.
fn told(view: &View<'_>, draft: &mut Draft, node: &Node, words: String) {
    if returning::is_told(view) {
        return returning::say(view, draft, "Unknown", words, asked(view, node));
    }
    keep::say(view, draft, "Unknown", Waiting::new(&waits::NODE_DELETED, words, asked(view, node)));
}

/// When somebody asked for the deletion of a Node.
fn asked(view: &View<'_>, node: &Node) -> Timestamp {
    node.metadata.deletion_timestamp.as_ref().map_or(view.now(), |time| time.0)
}
