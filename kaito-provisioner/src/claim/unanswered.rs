//! Something that must be known of a claim, and that the API server refuses to tell: there is no plan without it. What is missing is a right, which a person gives.

use super::conditions::{DEPENDENTS, HEALTHY, INSTANCE_TERMINATING, Saying};
use super::draft::Draft;
use super::status;
use super::view::View;
use super::waits::{READ_REFUSED, Waiting};
use kaito_api::NodeClaim;
use kaito_api::vocabulary::events;
use kaito_core::backend::BackendError;
use kaito_core::effect::is_dying;
use kaito_core::{Plan, Read};

/// What is told: on the stage that the claim has not reached, and by an event, once.
pub(super) fn plan(view: &View<'_>, read: &Read, error: &BackendError) -> Plan {
    let mut draft = Draft::new(view);
    let on = stage(view.claim);
    let said = view.claim.condition(on);
    // A Node that was well has no transition that says since when nobody can look at it.
    let since = if on == HEALTHY && !is_told(view, on) { view.now() } else { view.since(on) };
    let wait = Waiting::new(&READ_REFUSED, format!("cannot read {read}: {}", error.message), since);
    let message = wait.message(view.now());
    if said.is_none_or(|said| said.message != message) {
        draft.warn(events::READ_REFUSED, message.clone());
    }
    // That a machine is being given back stays true.
    let status = said.map_or("Unknown", |said| if said.status == "True" && on != HEALTHY { "True" } else { "Unknown" });
    draft.say(on, Saying { status, reason: READ_REFUSED.name.to_owned(), message });
    draft.waits.push(wait);
    status::finish(view, draft)
}

/// The first stage that is not reached. Where all are, the machine runs, and only nobody can look after it.
fn stage(claim: &NodeClaim) -> &'static str {
    if is_dying(&claim.metadata) {
        return INSTANCE_TERMINATING;
    }
    let [initialized, launched, registered] = DEPENDENTS;
    [launched, registered, initialized].into_iter().find(|stage| !claim.is_true(stage)).unwrap_or(HEALTHY)
}

fn is_told(view: &View<'_>, on: &str) -> bool {
    view.claim.condition(on).is_some_and(|said| said.reason == READ_REFUSED.name)
}

/// There is a plan again: what the steps say nothing of is as it was. All stages but this one are told anew in every look.
pub(super) fn forget(view: &View<'_>, draft: &mut Draft) {
    if is_told(view, HEALTHY) && !draft.said.contains_key(HEALTHY) {
        draft.say(HEALTHY, Saying::yes(HEALTHY));
    }
}
