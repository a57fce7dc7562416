//! Something that must be known of a claim, and that the API server refuses to tell: there is no plan without it. What is missing is a right, which a person gives.

use super::conditions::{DEPENDENTS, DRAINED, HEALTHY, INSTANCE_TERMINATING, Saying};
use super::draft::Draft;
use super::view::View;
use super::waits::{self, READ_REFUSED, Waiting};
use super::{returning, status};
use kaito_api::NodeClaim;
use kaito_api::vocabulary::events;
use kaito_core::backend::BackendError;
use kaito_core::effect::is_dying;
use kaito_core::{Plan, Read};

/// What is told: on the stage that the claim has not reached, and by an event, once.
pub(super) fn plan(view: &View<'_>, read: &Read, error: &BackendError) -> Plan {
    let mut draft = Draft::new(view);
    let on = stage(view.claim);
    let what = format!("cannot read {read}: {}", error.message);
    let said = view.claim.condition(on);
    if on == HEALTHY && returning::is_told(view) {
        // Nothing else tells that the Node went: it stays written down, with these words.
        returning::say_still(view, &mut draft, what);
        return status::finish(view, draft);
    }
    let told = said.filter(|said| said.reason == READ_REFUSED.name);
    let since = waits::since_told(&READ_REFUSED, told, view.now());
    let wait = Waiting::new(&READ_REFUSED, what, since);
    let message = wait.message(view.now());
    if said.is_none_or(|said| said.message != message) {
        draft.warn(events::READ_REFUSED, message.clone());
    }
    // That a machine is being given back stays true.
    let status = said.map_or("Unknown", |said| if said.status == "True" && on != HEALTHY { "True" } else { "Unknown" });
    draft.say(on, Saying::new(status, READ_REFUSED.name, message));
    draft.waits.push(wait);
    status::finish(view, draft)
}

/// The first stage that is not reached. Where all are, the machine runs, and only nobody can look after it.
fn stage(claim: &NodeClaim) -> &'static str {
    if is_dying(&claim.metadata) {
        return if claim.is_true(DRAINED) { INSTANCE_TERMINATING } else { DRAINED };
    }
    let [initialized, launched, registered] = DEPENDENTS;
    [launched, registered, initialized].into_iter().find(|stage| !claim.is_true(stage)).unwrap_or(HEALTHY)
}
