//! Machines of a Workspace that is gone.
//!
//! A request that nobody waits for any more may be carried out after everything of its Workspace was given back: by a process that was paused, or by a server that was slow. Such a claim names, by
//! uid, a Workspace that can never come back. It is found by its labels and taken back, but only when the API server itself has shown that no Workspace with that uid is there.
//!
//! The claims are listed before the Workspace is read, both live: whoever has the name at the second read had made no claim at the first that is not its own. The other way round, a Workspace made in
//! between would lose the machines that it has just asked for.

use super::super::super::draft::Draft;
use super::super::super::view::View;
use super::super::claims::Claims;
use super::super::is_gone;
use super::machine_labels;
use crate::effect::Effect;
use crate::kinds::{Kind, Typed};
use crate::object::{ObjectKey, Seen};
use crate::plan::{Outcome, Plan};
use crate::read::Freshness;
use crate::snapshot::{Snapshot, Unread};
use kaito_api::karpenter::NodeClaim;
use kaito_api::vocabulary::labels;

/// Takes back what an earlier Workspace of this name has left.
pub(super) fn step(view: &View<'_>, draft: &mut Draft) -> Result<(), Unread> {
    if !super::claims(view, Freshness::Cached)?.has_strangers() || view.uid().is_empty() {
        return Ok(());
    }
    let claims = super::claims(view, Freshness::Live)?;
    let live = view.snapshot.seen(view.key.clone(), Freshness::Live)?;
    if live.is_some_and(|live| live.metadata().uid.as_deref() == Some(view.uid())) {
        claims.strangers().for_each(|target| draft.delete(target));
    }
    Ok(())
}

/// What is left of a Workspace that the cache does not have.
pub(super) fn plan(key: &ObjectKey, snapshot: &Snapshot) -> Result<Plan, Unread> {
    let mut plan = Plan::nothing(Outcome::Gone);
    let claims = |freshness| Ok(Claims::new(snapshot.list::<NodeClaim>(None, machine_labels(key), freshness)?, ""));
    if !claims(Freshness::Cached)?.has_strangers() {
        return Ok(plan);
    }
    let claims = claims(Freshness::Live)?;
    if is_gone(key, snapshot)? {
        for target in claims.strangers() {
            plan.push(Effect::Delete { target }, None);
        }
    }
    Ok(plan)
}

/// The Workspace that a NodeClaim of ours names.
pub(super) fn root_of(seen: &Seen) -> Option<ObjectKey> {
    if seen.kind() != NodeClaim::KIND {
        return None;
    }
    let found = seen.labels();
    found.get(labels::WORKSPACE_UID)?;
    Some(ObjectKey::new(Kind::Workspace, found.get(labels::WORKSPACE_NAMESPACE)?, found.get(labels::WORKSPACE)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::{Planner, Reconciliation, Wish};
    use crate::read::Read;
    use crate::settings::Settings;
    use crate::snapshot::Answer;
    use crate::workspace::WorkspacePlanner;
    use serde_json::{Value, json};

    /// What is read live, in order, when the cache shows a claim of a Workspace that has no such uid any more.
    fn read_live(cached: Option<Value>) -> Vec<Kind> {
        let root = ObjectKey::new(Kind::Workspace, "default", "phi");
        let labels =
            json!({labels::WORKSPACE: "phi", labels::WORKSPACE_NAMESPACE: "default", labels::WORKSPACE_UID: "former"});
        let claim = Seen::decode(Kind::NodeClaim, json!({"metadata": {"name": "ws1", "uid": "c", "labels": labels}}));
        let workspace = cached.map(|value| Seen::decode(Kind::Workspace, value));
        let mut work = Reconciliation::new(root, "2026-01-01T00:00:00Z".parse().unwrap());
        let mut live = Vec::new();
        while let Wish::Read(read) = work.next(&WorkspacePlanner as &dyn Planner, &Settings::default()) {
            if read.freshness() == Freshness::Live {
                live.extend(read.kind());
            }
            work.answered(Ok(match &read {
                Read::Object { key, .. } => Answer::Object(workspace.clone().filter(|_| key.kind == Kind::Workspace)),
                Read::List { kind, .. } => {
                    Answer::List((*kind == Kind::NodeClaim).then(|| claim.clone()).into_iter().collect())
                }
                Read::PodsOn { .. } => Answer::List(Vec::new()),
                Read::Log(_) => Answer::Log(Err("no log".to_owned())),
                Read::Model(_) => Answer::Model(crate::hub::ModelAnswer::Pending),
            }));
        }
        live
    }

    #[test]
    fn claims_are_listed_before_it_is_read_who_has_the_name_so_that_a_namesake_made_meanwhile_keeps_its_own() {
        let namesake = json!({"apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "metadata": {"name": "phi", "namespace": "default", "uid": "next"}});
        for cached in [None, Some(namesake)] {
            assert_eq!(read_live(cached.clone())[..2], [Kind::NodeClaim, Kind::Workspace], "{cached:?}");
        }
    }
}
