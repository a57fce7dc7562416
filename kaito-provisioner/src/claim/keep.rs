//! Why a machine is kept although its Node is not well, or somebody deletes it: told in the condition [`HEALTHY`], the name of the wait being the reason.

use super::conditions::{HEALTHY, Saying};
use super::draft::Draft;
use super::view::{Held, View};
use super::waits::{self, Wait, Waiting};
use super::{returning, unmarked};
use jiff::SignedDuration;
use kaito_core::backend::BackendError;
use kaito_core::snapshot::Unread;

/// What an answer of the cloud, or none, says against taking the machine: nobody loses one for a silence, nor for labels.
pub(super) fn reason(view: &View<'_>, held: &Held<'_>) -> Result<Option<(&'static Wait, String)>, Unread> {
    Ok(match held {
        Held::Unknown(error) => Some((&waits::POOL_UNKNOWN, not_known(view, error))),
        Held::Unreadable(why) => Some((&waits::POOL_UNKNOWN, format!("the agent pool cannot be read: {why}"))),
        Held::Unmarked(pool) => Some((&waits::POOL_UNMARKED, unmarked::words(view, pool)?)),
        Held::Absent | Held::Own(..) | Held::Earlier(..) | Held::Foreign => None,
    })
}

/// Nobody lets go of a machine that may be there.
pub(super) fn not_known(view: &View<'_>, error: &BackendError) -> String {
    format!("{error}: nothing is known of agent pool {}", view.name())
}

/// Tells it, and looks again after a pause. A deletion that is written down is not forgotten for it: nothing else tells of that afterwards.
pub(super) fn tell(
    view: &View<'_>,
    draft: &mut Draft,
    row: &'static Wait,
    words: String,
    pause: SignedDuration,
) -> Result<(), Unread> {
    draft.look_again(pause);
    if returning::still_holds(view)? {
        returning::say_still(view, draft, words);
        return Ok(());
    }
    let told = view.claim.condition(HEALTHY).filter(|said| said.reason == row.name);
    say(view, draft, "Unknown", Waiting::new(row, words, waits::since_told(row, told, view.now())));
    Ok(())
}

/// The condition itself.
pub(super) fn say(view: &View<'_>, draft: &mut Draft, status: &'static str, wait: Waiting) {
    let message = wait.message(view.now());
    draft.say(HEALTHY, Saying { began: Some(wait.since), ..Saying::new(status, wait.row.name, message) });
    draft.plan.wake = draft.plan.wake.or_earlier(wait.wake(view.now()));
    draft.waits.push(wait);
}
