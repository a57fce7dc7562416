//! The claim is held until its machine is given back; nothing is asked of the cloud before that.

use super::draft::{Draft, Flow};
use super::managed::is_held;
use super::unreadable;
use super::view::View;
use kaito_api::vocabulary::finalizers;
use kaito_core::snapshot::Unread;

pub(super) fn step(view: &View<'_>, draft: &mut Draft) -> Result<Flow, Unread> {
    if !is_held(&view.claim.metadata) {
        let mut all = view.claim.metadata.finalizers.clone().unwrap_or_default();
        all.push(finalizers::KARPENTER_TERMINATION.to_owned());
        draft.claim.finalizers = Some(all);
    }
    unreadable::forget(view, draft);
    Ok(Flow::Next)
}
