//! Nodes that earlier claims of this name have left: our finalizer holds them, and nobody else is there to take it away. Their machine is gone with its pool.
//!
//! They go before a pool is asked for: a kubelet that finds a Node of its name takes it, and makes no other when that one goes.

use super::draft::{Draft, Flow};
use super::managed::is_held;
use super::terminate::free_nodes;
use super::view::{Held, View};
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Node;
use kaito_core::read::Freshness;
use kaito_core::snapshot::{Lookup, Unread};
use kaito_core::{Kind, ObjectKey};

pub(super) fn step(view: &View<'_>, draft: &mut Draft) -> Result<Flow, Unread> {
    let held = view.former_nodes.iter().filter(|node| is_held(&node.metadata));
    let mut left: Vec<&Node> = Vec::new();
    for node in held {
        let key = ObjectKey::cluster(Kind::Node, node.metadata.name.clone().unwrap_or_default());
        // What a cache shows of a former Node may long be gone.
        if let Lookup::Found(live) = view.snapshot.object::<Node>(key, Freshness::Live)?
            && live.metadata.uid == node.metadata.uid
        {
            left.push(live);
        }
    }
    if left.is_empty() {
        return Ok(Flow::Next);
    }
    let held = view.pool_surely()?;
    if matches!(held, Held::Absent | Held::Own(..)) {
        free_nodes(&mut draft.plan, left.into_iter(), view.name());
        draft.look_again(SignedDuration::from_secs(1));
    }
    Ok(if matches!(held, Held::Absent) { Flow::Stop } else { Flow::Next })
}
