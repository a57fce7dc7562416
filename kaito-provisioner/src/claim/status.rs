//! The plan of a draft: what was found, in conditions.

use super::conditions;
use super::draft::Draft;
use super::view::View;
use kaito_core::Plan;
use kaito_core::plan::{Outcome, StatusWrite};

pub(super) fn finish(view: &View<'_>, mut draft: Draft) -> Plan {
    draft.send_claim(view, None);
    draft.plan.outcome = match (draft.released, draft.failed, draft.waits.first()) {
        (true, ..) => Outcome::Gone,
        (false, Some(reason), _) => Outcome::Failed { reason },
        (false, None, Some(wait)) => Outcome::Waiting { reason: wait.row.name },
        (false, None, None) => Outcome::Converged,
    };
    if !draft.released {
        draft.plan.status = status(view, &mut draft);
    }
    draft.plan
}

/// The status, where it differs from the one that was read.
fn status(view: &View<'_>, draft: &mut Draft) -> Option<StatusWrite> {
    let metadata = &view.claim.metadata;
    draft.status.conditions = conditions::merge(view.claim, &draft.said, view.now());
    if view.claim.status.as_ref() == Some(&draft.status) {
        return None;
    }
    Some(StatusWrite {
        key: view.key.clone(),
        uid: metadata.uid.clone()?,
        resource_version: metadata.resource_version.clone()?,
        status: serde_json::to_value(&draft.status).ok()?,
    })
}
