//! A claim whose pool is gone, and with it its machine, goes, so that another is asked for (spec/05 §3.7, §3.9).

use super::draft::{Draft, Flow};
use super::launch::{PATIENT, POLL};
use super::view::{Held, View, nodes_of, ready};
use super::{keep, take};
use crate::pool::PoolState;
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Node;
use kaito_api::vocabulary::finalizers;
use kaito_core::effect::{Effect, Owned};
use kaito_core::read::Freshness;
use kaito_core::snapshot::Unread;

/// Between two looks at a pool that is gone under a Node that is well.
const STRANGE: SignedDuration = SignedDuration::from_mins(2);
/// Warning, on a NodeClaim: its machine is gone.
const MACHINE_GONE: &str = "MachineGone";

pub(super) fn step(view: &View<'_>, draft: &mut Draft) -> Result<Flow, Unread> {
    if !view.was_launched() {
        return Ok(Flow::Next);
    }
    let held = match view.pool_surely()? {
        Held::Own(pool, _) if pool.state == PoolState::Deleting => view.pool(Freshness::Live)?,
        there => there,
    };
    match &held {
        Held::Absent | Held::Foreign | Held::Earlier(..) => {}
        Held::Own(pool, _) => {
            // Once more: the write may have failed that came with the launch.
            take::labels(view, draft, pool);
            if pool.state == PoolState::Deleting {
                draft.look_again(POLL);
            }
            return Ok(Flow::Next);
        }
        Held::Unmarked(_) => {
            if let Some((row, words)) = keep::reason(view, &held)? {
                keep::tell(view, draft, row, words, PATIENT)?;
            }
            return Ok(Flow::Stop);
        }
        Held::Unreadable(_) | Held::Unknown(_) => return Ok(Flow::Next),
    }
    if is_any_ready(view)? {
        // Whatever it is that runs there: while it does, nobody takes it away.
        draft.remark("lost", format!("the claim has no agent pool {}, and its node is ready", view.name()));
        draft.look_again(STRANGE);
        return Ok(Flow::Next);
    }
    // Not from a cache: the pool may have been made anew meanwhile.
    if !matches!(view.pool(Freshness::Live)?, Held::Absent | Held::Foreign | Held::Earlier(..)) {
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
