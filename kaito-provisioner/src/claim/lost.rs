//! A claim whose machine is lost goes, so that another is asked for (spec/05 §3.7, §3.9).

use super::conditions::HEALTHY;
use super::draft::{Draft, Flow};
use super::launch::{AT_ONCE, POLL};
use super::managed::label;
use super::terminate::free_nodes;
use super::view::{Held, View, in_motion, nodes_of, ready};
use super::{returning, take, waits};
use crate::pool::PoolState;
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Node;
use kaito_api::vocabulary::{finalizers, labels};
use kaito_core::effect::{Effect, Owned, is_dying};
use kaito_core::read::Freshness;
use kaito_core::snapshot::{Lookup, Unread};
use kaito_core::{Kind, ObjectKey};
use std::iter;

/// Between two looks at a pool that is gone under a Node that is well.
const STRANGE: SignedDuration = SignedDuration::from_mins(2);
/// Warning, on a NodeClaim: its machine is gone.
const MACHINE_GONE: &str = "MachineGone";

pub(super) fn step(view: &View<'_>, draft: &mut Draft) -> Result<Flow, Unread> {
    if !view.was_launched() {
        return Ok(Flow::Next);
    }
    let is_ours = |node: &&&Node| label(&node.metadata, labels::REGISTERED) == Some("true");
    if let Some(node) = view.nodes.iter().filter(is_ours).find(|node| is_dying(&node.metadata)) {
        let name = node.metadata.name.as_deref().unwrap_or_default();
        // Names come back: this may be the Node of before, of which a cache does not know yet that it is gone.
        let key = ObjectKey::cluster(Kind::Node, name);
        let live = view.snapshot.object::<Node>(key, Freshness::Live)?;
        if !matches!(live, Lookup::Found(live) if live.metadata.uid == node.metadata.uid) {
            draft.look_again(AT_ONCE);
            return Ok(Flow::Stop);
        }
        // While a pool is started, stopped or changed, whoever deletes its Node says nothing of its machine (kaito#2075).
        if let Held::Own(pool, _) = view.pool(Freshness::Live)?
            && let Some(word) = in_motion(&pool.state)
        {
            let words = format!("node {name} is being deleted while its agent pool is {word}");
            draft.remark("lost", words.as_str());
            draft.look_again(POLL);
            // A machine that is down registers its Node anew when it comes up. One that is up does not: it is decided on when the pool is done.
            if ready(node).0 != "True" {
                let asked = node.metadata.deletion_timestamp.as_ref().map_or(view.now(), |time| time.0);
                returning::say(view, draft, "Unknown", words, asked);
                // Once it is written down: nothing else tells afterwards that somebody has deleted it.
                if view.claim.condition(HEALTHY).is_some_and(|said| said.reason == waits::NODE_RETURNING.name) {
                    free_nodes(&mut draft.plan, iter::once(*node), view.name());
                }
            }
            return Ok(Flow::Stop);
        }
        // Else who deletes a Node that is ours means its machine.
        delete(view, draft, format!("node {name} is being deleted, and its machine goes with it"));
        return Ok(Flow::Stop);
    }
    let held = match view.pool_surely()? {
        Held::Own(pool, _) if pool.state == PoolState::Deleting => view.pool(Freshness::Live)?,
        there => there,
    };
    let is_gone = match &held {
        Held::Absent | Held::Foreign | Held::Earlier(..) => true,
        Held::Own(pool, _) => {
            // Once more: the write may have failed that came with the launch.
            take::labels(view, draft, pool);
            if pool.state == PoolState::Deleting {
                draft.look_again(POLL);
            }
            false
        }
        Held::Unreadable(_) | Held::Unknown(_) => false,
    };
    if !is_gone {
        return Ok(Flow::Next);
    }
    if is_any_ready(view)? {
        // Whatever it is that runs there: while it does, nobody takes it away.
        draft.remark("lost", format!("there is no agent pool {}, and its node is ready", view.name()));
        draft.look_again(STRANGE);
        return Ok(Flow::Next);
    }
    // Not from a cache: the pool may have been made anew meanwhile.
    if matches!(view.pool(Freshness::Live)?, Held::Own(..) | Held::Unreadable(_) | Held::Unknown(_)) {
        draft.look_again(POLL);
        return Ok(Flow::Next);
    }
    delete(view, draft, format!("agent pool {} is gone, and no node of it is ready", view.name()));
    Ok(Flow::Stop)
}

/// Whether a Node of the pool is ready, as the API server has it now.
fn is_any_ready(view: &View<'_>) -> Result<bool, Unread> {
    let nodes = view.snapshot.list::<Node>(None, nodes_of(view.name()), Freshness::Live)?;
    Ok(!nodes.malformed.is_empty() || nodes.items.iter().any(|node| ready(node).0 == "True"))
}

/// Deletes the claim; what becomes of its machine then is `terminate`'s.
pub(super) fn delete(view: &View<'_>, draft: &mut Draft, why: String) {
    let Some(target) = Owned::by_finalizer(view.seen, finalizers::KARPENTER_TERMINATION) else { return };
    let before = draft.send_claim(view, None);
    draft.plan.push(Effect::Delete { target }, before);
    draft.warn(MACHINE_GONE, why);
}
