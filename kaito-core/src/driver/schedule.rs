//! When each root of a planner is looked at: changes wake it, refusals are retried with patience, and a quiet one is looked at now and then.
//!
//! A controller and the memory world run on this one schedule. It has no clock: `now` is the time since a start of the caller's choice, and entropy is an argument.

use super::queue::Queue;
use super::{Backoff, Planner, Report, remaining};
use crate::ReadIndex;
use crate::backend::BackendError;
use crate::cache::Change;
use crate::object::{ObjectKey, Seen};
use crate::plan::{Outcome, Wake};
use crate::read::Read;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Between looks that find each time that something has changed in between; the first comes at once.
const RACING: Backoff = Backoff { first: Duration::from_millis(100), cap: Duration::from_secs(10) };

/// What the roots of one planner wait for.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// Looks at quiet roots now and then, for a watch may lose a change.
    safety: bool,
    queue: Queue,
    index: ReadIndex,
    /// Roots that are being looked at, with what has changed meanwhile: their reads of this time are not in the index yet.
    running: BTreeMap<ObjectKey, Vec<Change>>,
    failures: BTreeMap<ObjectKey, u32>,
    races: BTreeMap<ObjectKey, u32>,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { safety: true, ..Self::without_safety() }
    }
}

impl Schedule {
    /// A schedule that looks at nothing only because time has passed: for tests of what wakes whom, and where no change is ever lost.
    pub fn without_safety() -> Self {
        Self {
            safety: false,
            queue: Queue::default(),
            index: ReadIndex::default(),
            running: BTreeMap::new(),
            failures: BTreeMap::new(),
            races: BTreeMap::new(),
        }
    }

    /// Looks at a root now, for something has happened.
    pub fn look(&mut self, root: &ObjectKey, now: Duration) {
        self.queue.at_latest(root, now, true);
    }

    /// Looks at a root later, although nothing has happened.
    pub fn look_later(&mut self, root: &ObjectKey, at: Duration) {
        self.queue.at_latest(root, at, false);
    }

    /// The roots that a change concerns: those whose last reads match the object as it was or as it is, the root itself, and the one that the object says it belongs to.
    /// `all` are the known roots, for the rare change of a whole kind.
    pub fn concerned(
        &self,
        planner: &dyn Planner,
        change: &Change,
        all: impl FnOnce() -> Vec<ObjectKey>,
    ) -> BTreeSet<ObjectKey> {
        match change {
            // A definition was installed or removed, and every plan that read the kind may differ.
            Change::Kind(_) => all().into_iter().collect(),
            Change::Object { old, new } => {
                let mut woken = self.index.wakes(old.as_ref(), new.as_ref());
                for seen in [old, new].into_iter().flatten() {
                    if seen.kind() == planner.roots() {
                        woken.insert(seen.key());
                    }
                    woken.extend(planner.root_of(seen));
                }
                woken
            }
        }
    }

    /// Sees to it that every known root is looked at now and then, also one of which no change was ever heard.
    pub fn sweep(&mut self, known: impl IntoIterator<Item = ObjectKey>, now: Duration, entropy: f64) {
        for root in known {
            if self.safety && self.queue.when(&root).is_none() && !self.running.contains_key(&root) {
                self.look_later(&root, now + Backoff::safety(entropy));
            }
        }
    }

    /// Remembers a change for the roots that are being looked at right now.
    pub fn meanwhile(&mut self, change: &Change) {
        for changes in self.running.values_mut() {
            changes.push(change.clone());
        }
    }

    /// Takes the next root that is due. Until [`Schedule::finished`] it is not handed out again.
    pub fn take(&mut self, now: Duration) -> Option<ObjectKey> {
        let root = self.queue.take(now, |root| self.running.contains_key(root))?;
        self.running.insert(root.clone(), Vec::new());
        Some(root)
    }

    /// What the last look at a root depended on, for [`Reconciliation::expecting`](super::Reconciliation::expecting).
    pub fn expected(&self, root: &ObjectKey) -> impl Iterator<Item = &Read> {
        self.index.reads(root)
    }

    /// When the next root is due.
    pub fn next(&self) -> Option<Duration> {
        self.queue.next(|root| self.running.contains_key(root))
    }

    /// When a root is looked at next; `None` when nobody asked for it.
    pub fn when(&self, root: &ObjectKey) -> Option<Duration> {
        self.queue.when(root)
    }

    /// How many roots are due.
    pub fn due(&self, now: Duration) -> usize {
        self.queue.due(now)
    }

    /// Whether nothing is being looked at, and only periodic looks are left.
    pub fn is_calm(&self) -> bool {
        self.running.is_empty() && self.queue.is_calm()
    }

    /// What a look brought decides about the next one. `entropy` in `0.0..1.0` spreads waits.
    pub fn finished(&mut self, root: &ObjectKey, result: &Result<Report, BackendError>, now: Duration, entropy: f64) {
        let meanwhile = self.running.remove(root).unwrap_or_default();
        let report = match result {
            Ok(report) => report,
            Err(error) => {
                let attempts = count(&mut self.failures, root);
                self.look(root, now + Backoff::default().wait(attempts, entropy, error.retry_after));
                return;
            }
        };
        if touched(&report.reads, &meanwhile) {
            self.look(root, now);
        }
        match self.next_look(root, report, entropy) {
            Some((wait, true)) => self.look(root, now + wait),
            Some((wait, false)) => self.look_later(root, now + wait),
            None => {}
        }
        match report.outcome {
            Outcome::Gone => self.index.forget(root),
            Outcome::Converged | Outcome::Waiting { .. } | Outcome::Failed { .. } => {
                self.index.record(root, report.reads.clone());
            }
        }
    }

    /// How long until the next look, if nothing happens before, and whether something is still to be done then; `None` for a root that is gone.
    fn next_look(&mut self, root: &ObjectKey, report: &Report, entropy: f64) -> Option<(Duration, bool)> {
        let wake = match report.wake {
            Wake::After(after) => Some(remaining(after)),
            Wake::OnChange => None,
        };
        if report.errors.is_empty() {
            self.failures.remove(root);
        } else {
            let paced = Backoff::default().wait(count(&mut self.failures, root), entropy, None);
            return Some((wake.map_or(paced, |wake| wake.max(paced)), true));
        }
        if report.again {
            let races = count(&mut self.races, root);
            return Some((if races == 1 { Duration::ZERO } else { RACING.wait(races - 1, entropy, None) }, true));
        }
        self.races.remove(root);
        if report.outcome == Outcome::Gone && wake.is_none() {
            return None;
        }
        let safety = self.safety.then(|| Backoff::safety(entropy));
        [wake, safety].into_iter().flatten().min().map(|wait| (wait, false))
    }
}

fn count(counts: &mut BTreeMap<ObjectKey, u32>, root: &ObjectKey) -> u32 {
    let count = counts.entry(root.clone()).or_default();
    *count = count.saturating_add(1);
    *count
}

/// Whether something that was read has changed while the plan was being made and carried out.
fn touched(reads: &BTreeSet<Read>, meanwhile: &[Change]) -> bool {
    meanwhile.iter().any(|change| match change {
        Change::Object { old, new } => {
            [old, new].into_iter().flatten().any(|seen: &Seen| reads.iter().any(|read| read.matches(seen)))
        }
        Change::Kind(kind) => reads.iter().any(|read| read.kind() == *kind),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::ErrorKind;
    use crate::effect::EffectError;
    use crate::kinds::Kind;

    fn report(outcome: Outcome, wake: Wake) -> Report {
        Report {
            outcome,
            wake,
            reads: BTreeSet::new(),
            written: Vec::new(),
            status: None,
            errors: Vec::new(),
            remarks: Vec::new(),
            again: false,
        }
    }

    #[test]
    fn the_next_look_is_soon_after_a_race_later_after_a_refusal_and_rare_when_quiet() {
        let (mut roots, root) = (Schedule::default(), ObjectKey::new(Kind::Workspace, "a", "b"));
        let mut look = |report: &Report, entropy| roots.next_look(&root, report, entropy).map(|(wait, _)| wait);
        let quiet = report(Outcome::Converged, Wake::OnChange);
        assert_eq!(look(&quiet, 0.0), Some(Duration::from_secs(600)));
        assert_eq!(look(&report(Outcome::Gone, Wake::OnChange), 0.0), None);
        let soon = report(Outcome::Waiting { reason: "X" }, Wake::After(jiff::SignedDuration::from_secs(3)));
        assert_eq!(look(&soon, 0.0), Some(Duration::from_secs(3)));

        let race = Report { again: true, ..quiet.clone() };
        let waits: Vec<u128> = (0..3).filter_map(|_| look(&race, 1.0)).map(|wait| wait.as_millis()).collect();
        assert_eq!(waits, [0, 100, 200]);

        let refused = Report {
            errors: vec![EffectError {
                key: root.clone(),
                verb: "create",
                kind: ErrorKind::Forbidden,
                message: String::new(),
                retry_after: None,
            }],
            ..soon
        };
        let waits: Vec<u64> = (0..5).filter_map(|_| look(&refused, 1.0)).map(|wait| wait.as_secs()).collect();
        assert_eq!(waits, [3, 3, 4, 8, 16]);
        look(&quiet, 0.0);
        assert!(roots.failures.is_empty() && roots.races.is_empty());
    }
}
