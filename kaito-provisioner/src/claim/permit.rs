//! Whether a machine may be paid for: only what is read live, in this very look, counts (I7).

use super::managed::{is_managed, label};
use super::view::{View, is_launched, pool_key};
use kaito_api::vocabulary::labels;
use kaito_api::{NodeClaim, Workspace};
use kaito_core::effect::is_dying;
use kaito_core::kinds::Typed;
use kaito_core::read::Freshness;
use kaito_core::snapshot::{Lookup, Unread};
use kaito_core::{Kind, ObjectKey, Read, Seen};

/// Whether a machine may be paid for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Permit {
    /// It may.
    Granted,
    /// The claim is not what the cache shows: it is looked at again.
    Stale,
    /// Nobody wants the machine: reason and words.
    Dead(&'static str, String),
}

/// The reason where the Workspace is not there any more.
pub(super) const WORKSPACE_GONE: &str = "WorkspaceGone";
/// The reason where nobody can tell, because the definition of Workspaces is not installed.
pub(super) const NO_WORKSPACES: &str = "NoWorkspaces";
/// The reason where the Workspace needs fewer machines.
pub(super) const SLOT_NOT_NEEDED: &str = "SlotNotNeeded";

/// Asks for everything at once: the claim, who it is for, and the pool.
pub(super) fn permit(view: &View<'_>) -> Result<Permit, Unread> {
    let workspace = workspace_of(view.claim);
    // The pool first: the claim that is read after it was there when it was read.
    let reads = [pool_key(view.name()), view.key.clone()].into_iter().chain(workspace.clone());
    view.snapshot.need(reads.map(|key| Read::object(key).live()))?;
    let Lookup::Found(claim) = view.snapshot.object::<NodeClaim>(view.key.clone(), Freshness::Live)? else {
        return Ok(Permit::Stale);
    };
    if claim.metadata.uid != view.claim.metadata.uid || is_dying(&claim.metadata) || !is_managed(claim) {
        return Ok(Permit::Stale);
    }
    // Another process has been here since the cloud was asked: what it said of the pool, and what follows for its Nodes, is of before.
    if is_launched(claim) {
        return Ok(Permit::Stale);
    }
    // A RAGEngine is not read here: its controller takes its claims back itself.
    match workspace {
        Some(key) => wanted_by(view, &key, claim),
        None => Ok(Permit::Granted),
    }
}

/// The Workspace that a claim names.
fn workspace_of(claim: &NodeClaim) -> Option<ObjectKey> {
    let named = |key| label(&claim.metadata, key).filter(|text| !text.is_empty());
    Some(ObjectKey::new(Kind::Workspace, named(labels::WORKSPACE_NAMESPACE)?, named(labels::WORKSPACE)?))
}

fn wanted_by(view: &View<'_>, key: &ObjectKey, claim: &NodeClaim) -> Result<Permit, Unread> {
    let gone = |words: String| Ok(Permit::Dead(WORKSPACE_GONE, words));
    let Some(seen) = view.snapshot.seen(key.clone(), Freshness::Live)? else {
        if view.snapshot.is_kind_missing(Read::object(key.clone()).live())? {
            let kind = key.kind;
            let words = format!(
                "the API server has no {} of {}, and the claim was made for {key}",
                kind.plural(),
                kind.api_version()
            );
            return Ok(Permit::Dead(NO_WORKSPACES, words));
        }
        return gone(format!("{key}, which the claim was made for, is not there"));
    };
    let uid = label(&claim.metadata, labels::WORKSPACE_UID);
    if uid.is_some() && seen.metadata().uid.as_deref() != uid {
        return gone(format!("{key} is not the one that the claim was made for: that one is gone"));
    }
    if is_dying(seen.metadata()) {
        return gone(format!("{key}, which the claim was made for, is being deleted"));
    }
    let slot = label(&claim.metadata, labels::NODE_SLOT).and_then(|slot| slot.parse::<i32>().ok());
    Ok(match (slot, target(seen)) {
        (Some(slot), Some(target)) if slot >= target => {
            let words =
                format!("{key} needs {target} machines, and the claim would be number {}", slot.saturating_add(1));
            Permit::Dead(SLOT_NOT_NEEDED, words)
        }
        _ => Permit::Granted,
    })
}

/// How many machines the Workspace needs, as far as its status says.
fn target(seen: &Seen) -> Option<i32> {
    match seen {
        Seen::Decoded(object) => Workspace::of(object)?.target_node_count(),
        Seen::Malformed(_) => None,
    }
}
