//! Models that are in no catalogue: what is recorded of them, else what a hub says.
//!
//! What was found is kept with the ControllerRevision, so that a Workspace that runs never asks again, keeps its commit, and needs no hub: neither after a restart of the controller nor for another
//! adapter. Another commit is taken by a Workspace that is made anew.

use super::facts::{self, LookedModel};
use super::view::View;
use crate::compat;
use crate::effect;
use crate::failure::{self, Failure, Reason};
use crate::hub::{HubError, HubErrorKind, ModelAnswer, ModelQuery, Repository};
use crate::snapshot::Unread;
use k8s_openapi::api::apps::v1::ControllerRevision;
use kaito_api::Workspace;
use kaito_api::vocabulary::annotations;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What stands in the annotation.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Recorded {
    /// What was asked for; the repository may call itself otherwise.
    name: String,
    repository: Repository,
}

/// What is known of the model that a Workspace names, where it is in no catalogue.
pub(super) fn look(view: &View<'_>, workspace: &Workspace) -> Result<LookedModel, Unread> {
    let Some(name) = facts::asked_of_hub(workspace) else { return Ok(LookedModel::NotYet) };
    if let Some(repository) = recorded(view, name)? {
        return Ok(LookedModel::at(repository));
    }
    let secret = workspace.preset().map(|preset| preset.preset_options.model_access_secret.as_str());
    let token = secret.filter(|secret| !secret.is_empty());
    let query =
        ModelQuery { id: name.to_owned(), token: token.map(|secret| (view.namespace().to_owned(), secret.to_owned())) };
    Ok(match view.snapshot.model(query)? {
        ModelAnswer::Pending => LookedModel::NotYet,
        ModelAnswer::Known(repository) => LookedModel::at(Arc::clone(repository)),
        ModelAnswer::Refused(error) => LookedModel::Failed(refusal(error)),
    })
}

/// What the newest revision of ours has recorded of a model.
fn recorded(view: &View<'_>, name: &str) -> Result<Option<Arc<Repository>>, Unread> {
    let mut revisions = view.revisions()?.items;
    revisions.retain(|revision| effect::is_controlled_by(&revision.metadata, view.uid()));
    revisions.sort_by_key(|revision| std::cmp::Reverse(compat::revision_number(revision)));
    let found = revisions.into_iter().filter_map(read).find(|recorded| recorded.name.eq_ignore_ascii_case(name));
    Ok(found.map(|recorded| Arc::new(recorded.repository)))
}

/// What a revision has recorded; nothing where it cannot be read.
fn read(revision: &ControllerRevision) -> Option<Recorded> {
    let text = revision.metadata.annotations.as_ref()?.get(annotations::RESOLVED_MODEL)?;
    serde_json::from_str(text).ok()
}

/// Whether a revision has recorded what it was made from.
pub(super) fn is_recorded(revision: &ControllerRevision) -> bool {
    read(revision).is_some()
}

/// The value of the annotation.
pub(super) fn record(workspace: &Workspace, repository: &Repository) -> Option<String> {
    let name = facts::asked_of_hub(workspace)?.to_owned();
    serde_json::to_string(&Recorded { name, repository: repository.clone() }).ok()
}

/// A hub's refusal, in its own words.
fn refusal(error: &HubError) -> Failure {
    let row: &'static Reason = match error.kind {
        HubErrorKind::NotFound => &failure::MODEL_NOT_FOUND,
        HubErrorKind::Unauthorized | HubErrorKind::Token => &failure::MODEL_NOT_ACCESSIBLE,
        HubErrorKind::Throttled | HubErrorKind::Unavailable | HubErrorKind::Malformed => {
            &failure::MODEL_HUB_UNAVAILABLE
        }
        HubErrorKind::Offline => &failure::MODEL_NOT_AT_HAND,
        HubErrorKind::Unservable => &failure::MODEL_NOT_SERVABLE,
    };
    Failure::new(row, format!("inference.preset.name: {}", error.message))
}
