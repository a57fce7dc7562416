//! How long to wait before trying again.

use jiff::SignedDuration;
use std::time::Duration;

/// Exponential, capped, spread by entropy that the caller brings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// After the first failure.
    pub first: Duration,
    /// Never longer than this.
    pub cap: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), cap: Duration::from_secs(300) }
    }
}

impl Backoff {
    /// The wait after `attempts` failures in a row (1 is the first). `entropy` in `0.0..1.0` spreads waits over the upper half of the interval, so that many objects
    /// that failed together do not come back together. What the server asked for (`at_least`) is never undercut.
    pub fn wait(&self, attempts: u32, entropy: f64, at_least: Option<Duration>) -> Duration {
        let doubled = self.first.saturating_mul(2_u32.saturating_pow(attempts.saturating_sub(1).min(16)));
        let full = doubled.min(self.cap);
        let spread = full.mul_f64(0.5 + 0.5 * entropy.clamp(0.0, 1.0));
        spread.max(at_least.unwrap_or_default())
    }

    /// When a quiet root is looked at again although nothing happened: 10 to 60 minutes, spread so that a restart of the controller is not followed by a wave.
    pub fn safety(entropy: f64) -> Duration {
        Duration::from_secs(600) + Duration::from_secs(3000).mul_f64(entropy.clamp(0.0, 1.0))
    }
}

/// A positive signed duration as a plain one; nothing for a moment that has passed.
pub(crate) fn remaining(duration: SignedDuration) -> Duration {
    Duration::try_from(duration).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap_and_respect_the_server() {
        let backoff = Backoff::default();
        assert_eq!(backoff.wait(1, 1.0, None), Duration::from_secs(1));
        assert_eq!(backoff.wait(4, 1.0, None), Duration::from_secs(8));
        assert_eq!(backoff.wait(40, 1.0, None), Duration::from_secs(300));
        assert_eq!(backoff.wait(1, 0.0, None), Duration::from_millis(500));
        assert_eq!(backoff.wait(1, 0.0, Some(Duration::from_secs(7))), Duration::from_secs(7));
        assert_eq!((Backoff::safety(0.0).as_secs(), Backoff::safety(1.0).as_secs()), (600, 3600));
    }
}
