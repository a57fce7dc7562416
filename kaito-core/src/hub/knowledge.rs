//! What a process knows of repositories, and when a hub is asked again: no clock, no IO. `now` is the time since a start of the caller's choice.
//!
//! A question is answered at once with what is known. Who feeds it asks [`Knowledge::take`] what to fetch, and hands back what came of it; a repository that nobody has asked about for two hours is forgotten.

use super::{HubError, HubErrorKind, ModelAnswer, ModelQuery, Repository};
use crate::driver::Backoff;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
/// What is known is good for so long; then it is asked for again, and the old answer stands meanwhile.
const GOOD_FOR: Duration = Duration::from_secs(3600);
/// Longer than the longest time between two looks at a root that waits.
const INTEREST: Duration = Duration::from_secs(2 * 3600);
/// How many repositories are fetched at once.
const AT_ONCE: usize = 4;

/// When a hub is asked again after a refusal: spread, growing, never before it says.
fn again(kind: HubErrorKind) -> Backoff {
    let (first, cap) = match kind {
        HubErrorKind::Throttled | HubErrorKind::Unavailable | HubErrorKind::Malformed => (MINUTE / 2, 10 * MINUTE),
        // Somebody has to do something first: accept a license, make a Secret, publish a model. What she does is found soon, and without her the hub is not asked often.
        HubErrorKind::Token => (MINUTE / 4, 5 * MINUTE),
        HubErrorKind::Unauthorized | HubErrorKind::NotFound | HubErrorKind::Offline | HubErrorKind::Unservable => {
            (MINUTE, 5 * MINUTE)
        }
    };
    Backoff { first, cap }
}

/// Whether a hub has said what it will say until somebody does something; else it was not to be heard.
fn is_definite(kind: HubErrorKind) -> bool {
    match kind {
        HubErrorKind::Throttled | HubErrorKind::Unavailable | HubErrorKind::Malformed => false,
        HubErrorKind::Token
        | HubErrorKind::Unauthorized
        | HubErrorKind::NotFound
        | HubErrorKind::Offline
        | HubErrorKind::Unservable => true,
    }
}

/// Whether what is known stands beside a later answer: while a hub is only not to be heard, what it said last stands.
fn stands(known: &ModelAnswer, later: &ModelAnswer) -> bool {
    match (known, later) {
        (ModelAnswer::Known(_), ModelAnswer::Refused(later)) => !is_definite(later.kind),
        (ModelAnswer::Refused(known), ModelAnswer::Refused(later)) => {
            known == later || (is_definite(known.kind) && !is_definite(later.kind))
        }
        (known, later) => known == later,
    }
}

/// Everything that is known of repositories.
#[derive(Debug, Clone, Default)]
pub struct Knowledge {
    entries: BTreeMap<ModelQuery, Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    answer: ModelAnswer,
    /// When it is fetched; `None` while it is.
    due: Option<Duration>,
    /// When somebody asked last.
    wanted: Duration,
    /// Refusals in a row.
    refusals: u32,
}

impl Knowledge {
    /// What is known; what is not is due at once.
    pub fn read(&mut self, query: &ModelQuery, now: Duration) -> ModelAnswer {
        let new = || Entry { answer: ModelAnswer::Pending, due: Some(now), wanted: now, refusals: 0 };
        let entry = self.entries.entry(query.clone()).or_insert_with(new);
        entry.wanted = now;
        entry.answer.clone()
    }

    /// The next repository to fetch; until it is [told](Knowledge::told) it is not handed out again.
    pub fn take(&mut self, now: Duration) -> Option<ModelQuery> {
        self.entries.retain(|_, entry| entry.due.is_none() || now.saturating_sub(entry.wanted) < INTEREST);
        if self.in_flight() >= AT_ONCE {
            return None;
        }
        let due = self.entries.iter_mut().filter(|(_, entry)| entry.due.is_some_and(|due| due <= now));
        let (query, entry) = due.min_by_key(|(_, entry)| entry.due)?;
        entry.due = None;
        Some(query.clone())
    }

    /// Whatever was refused is asked for again now: for somebody who knows that the hub is well again.
    pub(crate) fn ask_again(&mut self, now: Duration) {
        let refused = |entry: &&mut Entry| entry.due.is_some() && matches!(entry.answer, ModelAnswer::Refused(_));
        self.entries.values_mut().filter(refused).for_each(|entry| entry.due = Some(now));
    }

    /// When something is to be fetched next.
    pub fn next(&self) -> Option<Duration> {
        if self.in_flight() >= AT_ONCE {
            return None;
        }
        self.entries.values().filter_map(|entry| entry.due).min()
    }

    /// Whether somebody waits for a first answer.
    pub fn pending(&self) -> bool {
        self.entries.values().any(|entry| entry.answer == ModelAnswer::Pending)
    }

    /// How many are being fetched.
    pub fn in_flight(&self) -> usize {
        self.entries.values().filter(|entry| entry.due.is_none()).count()
    }

    /// Takes in what a hub said; whether the answer is another one now. `entropy` in `0.0..1.0` spreads waits.
    pub fn told(
        &mut self,
        query: &ModelQuery,
        said: Result<Repository, HubError>,
        now: Duration,
        entropy: f64,
    ) -> bool {
        let Some(entry) = self.entries.get_mut(query) else { return false };
        let (answer, wait) = match said.and_then(Repository::lean) {
            Ok(repository) => {
                entry.refusals = 0;
                (ModelAnswer::Known(Arc::new(repository)), GOOD_FOR)
            }
            Err(error) => {
                entry.refusals = entry.refusals.saturating_add(1);
                let wait = again(error.kind).wait(entry.refusals, entropy, error.retry_after);
                (ModelAnswer::Refused(error), wait)
            }
        };
        entry.due = Some(now.saturating_add(wait));
        if stands(&entry.answer, &answer) {
            return false;
        }
        entry.answer = answer;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::repository;
    use super::*;

    fn query(id: &str) -> ModelQuery {
        ModelQuery { id: id.to_owned(), token: None }
    }

    fn refuse(kind: HubErrorKind) -> Result<Repository, HubError> {
        Err(HubError::new(kind, "no"))
    }

    const START: Duration = Duration::ZERO;

    #[test]
    fn a_question_is_pending_until_the_one_request_that_it_makes_is_answered() {
        let (mut known, asked) = (Knowledge::default(), query("a/b"));
        assert_eq!(known.next(), None);
        for _ in 0..3 {
            assert_eq!(known.read(&asked, START), ModelAnswer::Pending);
        }
        assert_eq!((known.next(), known.take(START)), (Some(START), Some(asked.clone())));
        assert_eq!((known.next(), known.take(START)), (None, None), "single flight");
        let held = repository("a/b", &[("model.safetensors", 1)], "{}");
        assert!(known.told(&asked, Ok(held.clone()), START, 0.5));
        assert_eq!(known.read(&asked, MINUTE), ModelAnswer::Known(Arc::new(held.clone().lean().unwrap())));
        assert_eq!(known.take(GOOD_FOR - MINUTE), None);
        // The old answer stands while it is asked for again, and while the hub is away.
        assert_eq!(known.take(GOOD_FOR), Some(asked.clone()));
        assert!(!known.told(&asked, refuse(HubErrorKind::Unavailable), GOOD_FOR, 0.5));
        assert!(matches!(known.read(&asked, GOOD_FOR), ModelAnswer::Known(_)));
    }

    #[test]
    fn what_a_hub_has_said_stands_while_it_is_not_to_be_heard_and_until_it_says_something_else() {
        use HubErrorKind::{Malformed, NotFound, Offline, Throttled, Token, Unauthorized, Unavailable};
        let held = || Ok(repository("a/b", &[("model.safetensors", 1)], "{}"));
        let unheard = [Throttled, Unavailable, Malformed];
        let definite = [Unauthorized, NotFound, Token, Offline];
        let mut known = Knowledge::default();
        let mut tell = |said| {
            known.read(&query("a/b"), START);
            known.told(&query("a/b"), said, START, 0.5)
        };
        for refusal in definite {
            assert!(tell(held()), "it is there again");
            assert!(!unheard.into_iter().any(|kind| tell(refuse(kind))), "the hub is only away");
            assert!(tell(refuse(refusal)), "{refusal:?}: it is given to nobody any more");
            assert!(!unheard.into_iter().any(|kind| tell(refuse(kind))), "{refusal:?} stays told");
        }
        assert!(tell(refuse(NotFound)), "another word of the hub's is told");
    }

    #[test]
    fn after_a_refusal_it_is_asked_again_later_and_later_but_never_before_the_hub_says() {
        let (mut known, asked) = (Knowledge::default(), query("a/b"));
        known.read(&asked, START);
        let (mut now, mut waits) = (START, Vec::new());
        for attempt in 0..8 {
            assert_eq!(known.take(now), Some(asked.clone()));
            assert_eq!(known.told(&asked, refuse(HubErrorKind::Unavailable), now, 0.0), attempt == 0, "told once");
            let next = known.next().unwrap();
            waits.push(next - now);
            now = next;
            known.read(&asked, now);
        }
        assert!(
            waits.is_sorted() && waits[0] <= MINUTE && waits[7] <= 10 * MINUTE && waits[7] >= 4 * MINUTE,
            "{waits:?}"
        );
        known.take(now);
        let patience = HubError { retry_after: Some(30 * MINUTE), ..HubError::new(HubErrorKind::Throttled, "429") };
        assert!(known.told(&asked, Err(patience), now, 0.0));
        assert!(known.next().unwrap() >= now + 30 * MINUTE);
    }

    #[test]
    fn what_nobody_asks_about_is_forgotten_and_few_are_fetched_at_once() {
        let mut known = Knowledge::default();
        for id in ["a/1", "a/2", "a/3", "a/4", "a/5", "a/6"] {
            known.read(&query(id), START);
        }
        let taken: Vec<_> = std::iter::from_fn(|| known.take(START)).collect();
        assert_eq!((taken.len(), known.in_flight()), (AT_ONCE, AT_ONCE));
        for query in &taken {
            known.told(query, refuse(HubErrorKind::NotFound), START, 0.5);
        }
        assert_eq!(known.take(INTEREST), None);
        assert_eq!(known.next(), None, "all forgotten");
        assert_eq!(known.read(&query("a/1"), INTEREST), ModelAnswer::Pending);
    }
}
