//! Pools of a Workspace that is gone: as the claims of the azure-gpu-provisioner (`azure/orphans.rs`), found by their labels, and taken back only when the API server itself has shown the pool first and
//! then that no Workspace with that uid is there.

use super::super::super::draft::Draft;
use super::super::super::view::View;
use super::super::is_gone;
use super::pool::{self, Named};
use crate::effect::{Effect, Owned, is_dying};
use crate::kinds::Kind;
use crate::object::{ObjectKey, Seen};
use crate::plan::{Outcome, Plan};
use crate::read::Freshness;
use crate::snapshot::{Snapshot, Unread};
use kaito_api::vocabulary::labels;

/// Takes back the pool that an earlier Workspace of this name has left.
pub(super) fn step(view: &View<'_>, draft: &mut Draft) -> Result<(), Unread> {
    let look = |freshness| left(view.key, view.snapshot, view.uid(), freshness);
    if view.uid().is_empty() || look(Freshness::Cached)?.is_none() {
        return Ok(());
    }
    let found = look(Freshness::Live)?;
    let live = view.snapshot.seen(view.key.clone(), Freshness::Live)?;
    if live.is_some_and(|live| live.metadata().uid.as_deref() == Some(view.uid())) {
        found.into_iter().for_each(|target| draft.delete(target));
    }
    Ok(())
}

/// What is left of a Workspace that the cache does not have.
pub(super) fn plan(key: &ObjectKey, snapshot: &Snapshot) -> Result<Plan, Unread> {
    let mut plan = Plan::nothing(Outcome::Gone);
    if left(key, snapshot, "", Freshness::Cached)?.is_none() {
        return Ok(plan);
    }
    let found = left(key, snapshot, "", Freshness::Live)?;
    if is_gone(key, snapshot)?
        && let Some(target) = found
    {
        plan.push(Effect::Delete { target }, None);
    }
    Ok(plan)
}

/// The pool of the Workspace's name that carries another uid than this, with the proof that it is that one's.
fn left(key: &ObjectKey, snapshot: &Snapshot, uid: &str, freshness: Freshness) -> Result<Option<Owned>, Unread> {
    let seen = snapshot.seen(pool::key(key), freshness)?;
    let Named::Former(seen) = Named::of(seen, key, uid) else { return Ok(None) };
    let found = seen.labels();
    let former = found.get(labels::WORKSPACE_UID).filter(|_| !is_dying(seen.metadata()));
    Ok(former.and_then(|former| Owned::by_label(seen, labels::WORKSPACE_UID, former)))
}

/// The Workspace that a NodePool of ours names.
pub(super) fn root_of(seen: &Seen) -> Option<ObjectKey> {
    if seen.kind() != Kind::NodePool {
        return None;
    }
    let found = seen.labels();
    found.get(labels::WORKSPACE_UID)?;
    let namespace = found.get(labels::KARPENTER_WORKSPACE_NAMESPACE)?;
    let name = found.get(labels::KARPENTER_WORKSPACE_NAME)?;
    let workspace = ObjectKey::new(Kind::Workspace, namespace, name);
    (pool::key(&workspace).name == seen.key().name).then_some(workspace)
}
