//! When each root of a planner is looked at: changes wake it, refusals are retried with patience, and a quiet one is looked at now and then.
//!
//! A controller and the memory world run on this one schedule. It has no clock: `now` is the time since a start of the caller's choice, and entropy is an argument.
//!
//! After a refusal three times count, from the strictest to the mildest: what the server asked for is undercut by nothing; the backoff is undercut by nothing that a status alone says, for the
//! status is ours and tells of the very refusal; and whatever else happens, such as an edit of the root or a Secret that comes, is looked at within seconds ([`Patience`]).

use super::news::News;
use super::patience::Patience;
use super::queue::Queue;
use super::{Backoff, Planner, Report, remaining};
use crate::ReadIndex;
use crate::backend::BackendError;
use crate::cache::Change;
use crate::object::{ObjectKey, Seen};
use crate::plan::{Outcome, Wake};
use crate::read::Read;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
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
    /// Roots that are being looked at.
    running: BTreeMap<ObjectKey, Running>,
    /// What has changed while they are: their reads of this time are not in the index yet.
    news: News,
    failures: BTreeMap<ObjectKey, Patience>,
    races: BTreeMap<ObjectKey, u32>,
}

/// A look that is under way.
#[derive(Debug, Clone, Copy)]
struct Running {
    /// The place in the news where it began.
    since: u64,
    /// Whether it was called meanwhile by more than a status.
    called: bool,
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
            news: News::default(),
            failures: BTreeMap::new(),
            races: BTreeMap::new(),
        }
    }

    /// Looks at a root now, for somebody wants it; not before the server asked to.
    pub fn look(&mut self, root: &ObjectKey, now: Duration) {
        let at = self.failures.get(root).map_or(now, |patience| now.max(patience.asked));
        self.queue.at_latest(root, at, true);
    }

    /// Looks at a root that a change concerns: now, or after a refusal as soon as patience allows.
    pub fn heard(&mut self, root: &ObjectKey, change: &Change, now: Duration) {
        let calls = !is_status_of(root, change);
        if let Some(running) = self.running.get_mut(root) {
            running.called |= calls;
        }
        let at = self.failures.get(root).map_or(now, |patience| now.max(patience.until(calls)));
        self.queue.at_latest(root, at, true);
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
            Change::Model(query) => self.index.asked_about(query),
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
        if !self.running.is_empty() {
            self.news.push(change.clone());
        }
    }

    /// Takes the next root that is due. Until [`Schedule::finished`] it is not handed out again.
    pub fn take(&mut self, now: Duration) -> Option<ObjectKey> {
        let root = self.queue.take(now, |root| self.running.contains_key(root))?;
        self.running.insert(root.clone(), Running { since: self.news.end(), called: false });
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
        let running = self.running.remove(root).unwrap_or(Running { since: self.news.end(), called: false });
        match result {
            Err(error) => {
                self.refused(root, error.retry_after, now, entropy);
                self.after_refusal(root, running.called, None);
            }
            Ok(report) => self.reported(root, report, running, now, entropy),
        }
        let oldest = self.running.values().map(|running| running.since).min();
        self.news.forget_before(oldest.unwrap_or(self.news.end()));
    }

    fn reported(&mut self, root: &ObjectKey, report: &Report, running: Running, now: Duration, entropy: f64) {
        let touching = |change: &Change| touched(&report.reads, change);
        let (touched, called) = match self.news.since(running.since) {
            Some(mut changes) => {
                let touching: Vec<&Change> = changes.by_ref().filter(|change| touching(change)).collect();
                (!touching.is_empty(), touching.iter().any(|change| !is_status_of(root, change)))
            }
            // Too much to be remembered.
            None => (true, true),
        };
        let wake = match report.wake {
            Wake::After(after) => Some(remaining(after)),
            Wake::OnChange => None,
        };
        if report.errors.is_empty() && report.unknown.is_empty() {
            self.failures.remove(root);
            if touched {
                self.look(root, now);
            }
            match self.next_look(root, report, wake, entropy) {
                Some((wait, true)) => self.look(root, now + wait),
                Some((wait, false)) => self.look_later(root, now + wait),
                None => {}
            }
        } else {
            let refusals = report.errors.iter().map(|error| error.retry_after);
            let asked = refusals.chain(report.unknown.iter().map(|error| error.retry_after)).flatten().max();
            self.refused(root, asked, now, entropy);
            self.after_refusal(root, running.called || called, wake.map(|wake| now + wake));
        }
        match report.outcome {
            Outcome::Gone => self.index.forget(root),
            Outcome::Converged | Outcome::Waiting { .. } | Outcome::Failed { .. } => {
                self.index.record(root, report.reads.clone());
            }
        }
    }

    /// One more refusal.
    fn refused(&mut self, root: &ObjectKey, asked: Option<Duration>, now: Duration, entropy: f64) {
        let attempts = self.failures.get(root).map_or(0, |patience| patience.attempts).saturating_add(1);
        self.failures.insert(root.clone(), Patience::after(attempts, asked, now, entropy));
    }

    /// The next look after a refusal: when patience ends, or when the plan wants it, where that is later; sooner where the root was called meanwhile.
    fn after_refusal(&mut self, root: &ObjectKey, called: bool, wanted: Option<Duration>) {
        let Some(patience) = self.failures.get(root) else { return };
        let soonest = patience.until(called);
        self.queue.not_before(root, soonest);
        let at = if called { soonest } else { wanted.map_or(soonest, |wanted| wanted.max(soonest)) };
        self.queue.at_latest(root, at, true);
    }

    /// How long until the next look after one that was not refused, if nothing happens before, and whether something is still to be done then; `None` for a root that is gone.
    fn next_look(
        &mut self,
        root: &ObjectKey,
        report: &Report,
        wake: Option<Duration>,
        entropy: f64,
    ) -> Option<(Duration, bool)> {
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

/// Whether something that was read has changed.
fn touched(reads: &BTreeSet<Read>, change: &Change) -> bool {
    match change {
        Change::Object { old, new } => {
            [old, new].into_iter().flatten().any(|seen: &Seen| reads.iter().any(|read| read.matches(seen)))
        }
        Change::Kind(kind) => reads.iter().any(|read| read.kind() == Some(*kind)),
        Change::Model(query) => reads.contains(&Read::Model(query.clone())),
    }
}

/// Whether a change is one of the root's own status and of nothing else: what was wished is as before.
fn is_status_of(root: &ObjectKey, change: &Change) -> bool {
    let Change::Object { old: Some(old), new: Some(new) } = change else { return false };
    let wish = |seen: &Seen| {
        let ObjectMeta { uid, generation, deletion_timestamp, labels, annotations, finalizers, .. } =
            seen.metadata().clone();
        (uid, generation, deletion_timestamp, labels, annotations, finalizers)
    };
    old.key() == *root && new.key() == *root && wish(old) == wish(new)
}

#[cfg(test)]
mod tests;
