//! How long a refusal is remembered, and what may cut it short.

use super::Backoff;
use std::time::Duration;

/// Nothing that happens leads to a look sooner than this after a refusal, where the backoff is longer: soon enough for a person who has corrected something and waits, and
/// rare enough for a server that is in trouble.
const FLOOR: Duration = Duration::from_secs(10);

/// The waits of one root after refusals in a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Patience {
    /// Refusals in a row.
    pub(super) attempts: u32,
    /// Until then the server asked to be left alone.
    pub(super) asked: Duration,
    /// Until then no change leads to a look.
    floor: Duration,
    /// Until then a change of the root's status leads to none.
    backoff: Duration,
}

impl Patience {
    /// After so many refusals in a row, the last of them now.
    pub(super) fn after(attempts: u32, asked: Option<Duration>, now: Duration, entropy: f64) -> Self {
        let wait = Backoff::default().wait(attempts, entropy, None);
        let asked = now.saturating_add(asked.unwrap_or_default());
        Self { attempts, asked, floor: asked.max(now + wait.min(FLOOR)), backoff: asked.max(now + wait) }
    }

    /// When a look may come: `called` by more than the root's status, or by nothing.
    pub(super) fn until(&self, called: bool) -> Duration {
        if called { self.floor } else { self.backoff }
    }
}
