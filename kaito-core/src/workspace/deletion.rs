//! Give everything back, then let go.
//!
//! The finalizer is taken off only when the API server itself says that no NodeClaim of ours is left; everything in the namespace follows by owner reference.
//! Works for a Workspace that cannot be read, and without the NodeClaim CRD.

use super::claims::Claim;
use super::draft::{Draft, Flow};
use super::view::View;
use crate::effect::{Effect, MetadataPatch, is_dying};
use crate::failure::{self, Waiting};
use crate::read::Freshness;
use crate::snapshot::Unread;
use kaito_api::vocabulary::finalizers;

pub(super) fn step(view: &View<'_>, draft: &mut Draft) -> Result<Flow, Unread> {
    if !is_dying(view.metadata) {
        return Ok(Flow::Next);
    }
    draft.deleting = true;
    let finalizers = view.metadata.finalizers.clone().unwrap_or_default();
    if !finalizers.iter().any(|name| name == finalizers::WORKSPACE) {
        draft.released = true;
        return Ok(Flow::Stop);
    }
    // The cache is enough to delete and to wait; that nothing is left is believed only of the API server.
    let mut claims = view.claims(Freshness::Cached)?;
    if claims.is_empty() {
        claims = view.claims(Freshness::Live)?;
    }
    for claim in claims.live() {
        if let Some(target) = claims.owned(claim, view.key) {
            draft.delete(target);
        }
    }
    if claims.is_empty() {
        draft.released = true;
        draft.remark("released", "no NodeClaim is left");
        draft.push(Effect::Metadata {
            key: view.key.clone(),
            uid: view.uid().to_owned(),
            resource_version: Some(view.resource_version().to_owned()),
            patch: MetadataPatch {
                finalizers: Some(finalizers.into_iter().filter(|name| name != finalizers::WORKSPACE).collect()),
                ..MetadataPatch::default()
            },
        });
    } else {
        let since = view.metadata.deletion_timestamp.as_ref().map_or(view.now(), |time| time.0);
        let what = format!("{} NodeClaim(s) are going away", claims.len());
        let wait = Waiting::new(&failure::TERMINATING, what, since);
        draft.waits.push(wait.overdue_because(view.now(), || claims.dying().find_map(Claim::leaving)));
    }
    Ok(Flow::Stop)
}
