//! Number what was asked for: one ControllerRevision for each distinct request, named by its hash, as upstream makes them.

use super::draft::{Draft, Flow, Revision};
use super::former;
use super::models;
use super::view::View;
use crate::compat;
use crate::effect::{self, Effect, EffectId, MetadataPatch, Owned, WriteMode};
use crate::failure::{self, Failure};
use crate::hash::sha256_hex;
use crate::kinds::Typed;
use crate::manifest;
use crate::object::Seen;
use crate::snapshot::Unread;
use k8s_openapi::api::apps::v1::ControllerRevision;
use kaito_api::vocabulary::annotations;
use kaito_api::workspace;

/// How many are kept.
const HISTORY: usize = 10;

pub(super) fn step(view: &View<'_>, draft: &mut Draft) -> Result<Flow, Unread> {
    let Ok(asked) = view.workspace else { return Ok(Flow::Stop) };
    let hash = sha256_hex(&workspace::revision_bytes(asked));
    let mut history = view.revisions()?.items;
    history.sort_by_key(|revision| compat::revision_number(revision));
    let name = manifest::revision_name(view.name(), &hash);
    let asked_for = workspace::revision_data(asked);
    let named = history.iter().find(|revision| revision.metadata.name.as_deref() == Some(&name));
    let known = named.or_else(|| history.iter().find(|revision| former::records(revision, &asked_for)));
    let resolved = draft.repository.as_ref().and_then(|repository| models::record(asked, repository));
    let recorded = known.and_then(|known| known.metadata.creation_timestamp.as_ref()).map(|time| time.0);
    let number = match known {
        Some(known) if named.is_some() && recorded_hash(known) != Some(hash.as_str()) => {
            let cause = format!("ControllerRevision {name} exists and records another hash");
            return Ok(draft.stop(Failure::new(&failure::NAME_TAKEN, cause)));
        }
        // Going back to an earlier request goes back to its number.
        Some(known) => {
            amend(view, draft, known, resolved);
            forget_doubled(view, draft, known, &history);
            compat::revision_number(known)
        }
        // A model of which nothing is known is not numbered: the number would be of a request that nobody can tell from the next.
        None if draft.model_is_unknown => return Ok(Flow::Next),
        None => {
            let number = unrecorded(view, &hash, &history)?;
            let made = manifest::controller_revision(&manifest::Numbered {
                namespace: view.namespace(),
                name: &name,
                workspace: view.name(),
                owner: view.owner(),
                hash: &hash,
                data: asked_for.clone(),
                number,
                resolved,
            });
            let made = draft.push(Effect::ensure(&made.into_object(), WriteMode::CreateOnly, None));
            forget_oldest(view, draft, &history, made)?;
            number
        }
    };
    let hash = known.and_then(|known| recorded_hash(known)).map_or(hash, str::to_owned);
    // What a different request has too is no number of this one.
    let (alike, others): (Vec<&ControllerRevision>, Vec<&ControllerRevision>) =
        history.iter().partition(|other| former::is_alike(other, &asked_for));
    let others: Vec<i64> = others.into_iter().map(compat::revision_number).collect();
    let alike = alike.into_iter().map(compat::revision_number);
    let alike: Vec<i64> = alike.filter(|other| *other != number && !others.contains(other)).collect();
    let lowest = alike.iter().fold(number, |lowest, other| lowest.min(*other));
    let first = history.first().is_none_or(|first| compat::revision_number(first) >= lowest);
    draft.revision = Some(Revision { hash, number, alike, first, recorded });
    Ok(Flow::Next)
}

/// The number of a request that no ControllerRevision records. Revisions may have been deleted by somebody, so a number that the Workspace or its workload carries is never given to another
/// request: a workload that carries it would be taken for the new one.
fn unrecorded(view: &View<'_>, hash: &str, history: &[&ControllerRevision]) -> Result<i64, Unread> {
    let annotated = view.annotation(annotations::WORKSPACE_REVISION).and_then(|text| text.parse::<i64>().ok());
    let taken = |number: &i64| history.iter().any(|revision| compat::revision_number(revision) == *number);
    let is_same = view.annotation(annotations::WORKSPACE_HASH) == Some(hash);
    if let Some(number) = annotated.filter(|number| is_same && *number > 0 && !taken(number)) {
        return Ok(number);
    }
    let last = history.last().map_or(0, |last| compat::revision_number(last));
    let running = view.workload_revision()?;
    Ok([Some(last), annotated, running].into_iter().flatten().max().unwrap_or_default().saturating_add(1).max(1))
}

/// Forgets a request where a different one has the same number: two processes have numbered them, of which neither saw what the other did. The next look gives it a number of its own, and what runs
/// follows that, for it may be made from either. A revision itself is not numbered anew: the API server takes no patch of one in which a character stands that Go escapes, such as `&`.
fn forget_doubled(view: &View<'_>, draft: &mut Draft, known: &ControllerRevision, history: &[&ControllerRevision]) {
    let Some(data) = compat::revision_data(known) else { return };
    let is_same_number =
        |other: &&&ControllerRevision| compat::revision_number(other) == compat::revision_number(known);
    let is_doubled = history.iter().filter(is_same_number).any(|other| !former::is_alike(other, data));
    let target = Owned::by_reference(&Seen::Decoded(known.clone().into_object()), view.uid());
    if let Some(target) = target.filter(|_| is_doubled) {
        draft.push(Effect::Delete { target });
    }
}

/// Adds what the model is to a revision that does not say so: one of the Go operator, or of a time at which that was not known.
fn amend(view: &View<'_>, draft: &mut Draft, known: &ControllerRevision, resolved: Option<String>) {
    let ours = effect::is_controlled_by(&known.metadata, view.uid());
    let Some(text) = resolved.filter(|_| ours && !models::is_recorded(known)) else { return };
    let seen = Seen::Decoded(known.clone().into_object());
    draft.push(Effect::Metadata {
        key: seen.key(),
        uid: known.metadata.uid.clone().unwrap_or_default(),
        resource_version: known.metadata.resource_version.clone(),
        patch: MetadataPatch {
            annotations: [(annotations::RESOLVED_MODEL.to_owned(), Some(text))].into(),
            ..MetadataPatch::default()
        },
    });
}

fn recorded_hash(revision: &ControllerRevision) -> Option<&str> {
    revision.metadata.annotations.as_ref()?.get(annotations::WORKSPACE_HASH).map(String::as_str)
}

/// Keeps ten, the one that is being added included; and that of the workload, whatever its age: it says what runs.
fn forget_oldest(
    view: &View<'_>,
    draft: &mut Draft,
    history: &[&ControllerRevision],
    added: EffectId,
) -> Result<(), Unread> {
    let running = view.workload_revision()?;
    let forgettable = history.iter().filter(|old| Some(compat::revision_number(old)) != running);
    for old in forgettable.take((history.len() + 1).saturating_sub(HISTORY)) {
        let seen = Seen::Decoded((*old).clone().into_object());
        if let Some(target) = Owned::by_reference(&seen, view.uid()) {
            draft.push_after(Effect::Delete { target }, Some(added));
        }
    }
    Ok(())
}
