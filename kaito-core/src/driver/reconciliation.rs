//! One reconcile as a machine: it says what to do next, and is told what came of it. No IO, no waiting, no clock.
//!
//! The async [`reconcile`](super::reconcile) turns its wishes into calls of a backend; the simulator answers them one by one, late, wrongly or never, and the explorer in every order.
//! Dropping it between two wishes is a crash, and harmless.

use super::{MAX_ROUNDS, Planner, Report};
use crate::backend::{BackendError, ErrorKind, Written};
use crate::effect::{Effect, EffectError, EffectId};
use crate::object::ObjectKey;
use crate::plan::{Notice, Plan, StatusWrite, Wake};
use crate::read::{Freshness, Read};
use crate::settings::Settings;
use crate::snapshot::{Answer, Snapshot, Unread};
use jiff::{SignedDuration, Timestamp};
use std::collections::VecDeque;

/// What a reconcile wants next.
#[derive(Debug, Clone, PartialEq)]
pub enum Wish {
    /// An answer to a question; hand it to [`Reconciliation::answered`].
    Read(Read),
    /// An effect carried out; hand the result to [`Reconciliation::performed`].
    Perform(Effect),
    /// The status written; hand the result to [`Reconciliation::status_written`].
    WriteStatus(StatusWrite),
    /// An event published, at best effort, about the object with this uid.
    Publish(String, Notice),
    /// Nothing: this is what it did, or why the cluster could not be read before anything was written.
    Done(Box<Result<Report, BackendError>>),
}

/// What came of one write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Carried {
    /// Nothing: something that it requires failed, or its turn never came.
    Untried,
    /// It was written.
    Written,
    /// It was refused, and what was wished is so already.
    Fulfilled,
    /// It was refused.
    Refused(BackendError),
}

impl Carried {
    /// Whether what was wished is so now.
    pub fn is_done(&self) -> bool {
        matches!(self, Carried::Written | Carried::Fulfilled)
    }
}

/// Where a reconcile stands.
#[derive(Debug, Clone)]
enum Phase {
    /// Reads until the plan has all it asks for; `told` when it plans a second time, with the refusals of the first.
    Looking { unread: VecDeque<Read>, rounds: usize, told: bool },
    /// Carries out the effects in order.
    Acting { next: usize },
    /// Publishes what happened.
    Telling { next: usize },
    /// Publishes what is said of refusals.
    Warning { next: usize },
    /// Writes the status.
    Closing,
    /// The cluster could not be read before anything was written: what is said of that is told first.
    Failed { error: BackendError, read: Option<Read>, notices: VecDeque<Notice>, is_told: bool },
}

/// One reconcile of one root.
#[derive(Debug, Clone)]
pub struct Reconciliation {
    root: ObjectKey,
    snapshot: Snapshot,
    phase: Phase,
    /// As it was made; what came of it stands beside.
    plan: Option<Plan>,
    results: Vec<Carried>,
    /// The second plan, made with the refusals of the first.
    told: Option<Plan>,
    /// The status that is still to be written.
    status: Option<StatusWrite>,
    status_result: Carried,
    /// Refusals that are an answer and no failure: a pod that its budget keeps. The plan is told of them, and says itself when it looks again.
    kept: Vec<EffectError>,
    /// The root's version after our own writes to it: they were conditional on the version that was planned from, so nobody else has been in between.
    root_version: Option<String>,
    /// Whom events are about that are told where there is no plan.
    root_uid: Option<String>,
    report: Report,
}

impl Reconciliation {
    /// Nothing is known but the root and the time.
    pub fn new(root: ObjectKey, now: Timestamp) -> Self {
        let phase = Phase::Looking { unread: VecDeque::new(), rounds: 0, told: false };
        Self {
            root,
            snapshot: Snapshot::new(now),
            phase,
            plan: None,
            results: Vec::new(),
            told: None,
            status: None,
            status_result: Carried::Untried,
            kept: Vec::new(),
            root_version: None,
            root_uid: None,
            report: Report::new(),
        }
    }

    /// Begins with these questions, before a plan asks: those of the last look at this root, most of which are asked again, so that one plan is enough. They should be free of cost:
    /// give those that a cache can answer. What must be fresh is not asked before a plan asks for it.
    #[must_use]
    pub fn expecting<'a>(mut self, reads: impl IntoIterator<Item = &'a Read>) -> Self {
        if let Phase::Looking { unread, .. } = &mut self.phase {
            unread.extend(reads.into_iter().filter(|read| read.freshness() == Freshness::Cached).cloned());
        }
        self
    }

    /// The root that it is about.
    pub fn root(&self) -> &ObjectKey {
        &self.root
    }

    /// What has been read so far.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The plan, once there is one, as it was made.
    pub fn plan(&self) -> Option<&Plan> {
        self.plan.as_ref()
    }

    /// What came of each step of the plan so far.
    pub fn results(&self) -> &[Carried] {
        &self.results
    }

    /// The plan that was made a second time, with the refusals of the first, for the words of its status.
    pub fn told(&self) -> Option<&Plan> {
        self.told.as_ref()
    }

    /// What came of the status.
    pub fn status_result(&self) -> &Carried {
        &self.status_result
    }

    /// Why the cluster could not be read before anything was written.
    pub fn failure(&self) -> Option<&BackendError> {
        match &self.phase {
            Phase::Failed { error, .. } => Some(error),
            _ => None,
        }
    }

    /// What to do next. Asked again before the answer is given, it wishes the same.
    pub fn next(&mut self, planner: &dyn Planner, settings: &Settings) -> Wish {
        loop {
            let wish = match self.phase {
                Phase::Looking { .. } => self.look(planner, settings),
                Phase::Acting { next } => self.act(next),
                Phase::Telling { next } => self.tell(next),
                Phase::Warning { next } => self.warn(next),
                Phase::Closing => Some(self.close()),
                Phase::Failed { .. } => self.fail(planner, settings),
            };
            if let Some(wish) = wish {
                return wish;
            }
        }
    }

    fn look(&mut self, planner: &dyn Planner, settings: &Settings) -> Option<Wish> {
        let Phase::Looking { unread, rounds, told } = &mut self.phase else { return None };
        if let Some(read) = unread.front() {
            return Some(Wish::Read(read.clone()));
        }
        if *rounds == MAX_ROUNDS {
            self.cannot_look(endless(&self.root, &self.snapshot), None);
            return None;
        }
        *rounds += 1;
        self.snapshot.start_round();
        match planner.plan(&self.root, &self.snapshot, settings) {
            Err(Unread(reads)) => unread.extend(reads),
            Ok(plan) if *told => self.take_words(plan),
            Ok(plan) => self.take_plan(plan),
        }
        None
    }

    fn take_plan(&mut self, plan: Plan) {
        self.report.outcome = plan.outcome.clone();
        self.report.wake = plan.wake;
        self.report.reads = self.snapshot.reads();
        self.report.remarks = plan.remarks.clone();
        self.results = vec![Carried::Untried; plan.steps.len()];
        self.status = plan.status.clone();
        self.plan = Some(plan);
        self.phase = Phase::Acting { next: 0 };
    }

    /// A refusal is a fact like any other: the same planner turns it into words, and only the words are taken: its status, and its events.
    fn take_words(&mut self, told: Plan) {
        self.report.outcome = told.outcome.clone();
        self.status = told.status.clone();
        self.told = Some(told);
        self.phase = Phase::Warning { next: 0 };
    }

    /// Looking fails: before anything was written that is the end; afterwards the status of the first plan is written, and the next reconcile tells.
    fn cannot_look(&mut self, error: BackendError, read: Option<Read>) {
        self.phase = if self.plan.is_none() {
            Phase::Failed { error, read, notices: VecDeque::new(), is_told: false }
        } else {
            Phase::Closing
        };
    }

    /// The end, before anything was written. Who lacks a right lacks it until a person gives it: that is told, and not first when it can be looked again.
    fn fail(&mut self, planner: &dyn Planner, settings: &Settings) -> Option<Wish> {
        let Phase::Failed { error, read, notices, is_told } = &mut self.phase else { return None };
        if !std::mem::replace(is_told, true)
            && error.kind == ErrorKind::Forbidden
            && let Some(read) = read
            && let Some(said) = planner.unanswered(&self.root, &self.snapshot, settings, (read, error))
        {
            self.status = said.status;
            self.root_uid = said.root_uid;
            notices.extend(said.notices);
        }
        // An event is told until the status says the same: where that cannot be written, it would be told at each look.
        if let Some(status) = &self.status {
            return Some(Wish::WriteStatus(status.clone()));
        }
        if let Some(uid) = &self.root_uid
            && let Some(notice) = notices.pop_front()
        {
            return Some(Wish::Publish(uid.clone(), notice));
        }
        Some(Wish::Done(Box::new(Err(error.clone()))))
    }

    fn act(&mut self, next: usize) -> Option<Wish> {
        let step = self.plan.as_ref().and_then(|plan| plan.steps.get(next));
        let Some(step) = step else {
            self.phase = Phase::Telling { next: 0 };
            return None;
        };
        if step.requires.iter().all(|required| self.is_done(*required)) {
            return Some(Wish::Perform(step.effect.clone()));
        }
        self.phase = Phase::Acting { next: next + 1 };
        None
    }

    fn is_done(&self, effect: EffectId) -> bool {
        self.results.get(effect.0).is_some_and(Carried::is_done)
    }

    fn tell(&mut self, next: usize) -> Option<Wish> {
        let plan = self.plan.as_ref();
        let Some(notice) = plan.and_then(|plan| plan.notices.get(next)) else {
            self.phase = if self.report.errors.is_empty() && self.kept.is_empty() {
                Phase::Closing
            } else {
                if !self.report.errors.is_empty() {
                    self.report.wake = self.report.wake.or_earlier(retry(&self.report.errors));
                }
                self.report.errors.iter().chain(&self.kept).for_each(|error| self.snapshot.mishap(error.clone()));
                Phase::Looking { unread: VecDeque::new(), rounds: 0, told: true }
            };
            return None;
        };
        let happened = notice.after.is_none_or(|id| self.is_done(id));
        let uid = plan.and_then(|plan| plan.root_uid.clone());
        let wish = uid.filter(|_| happened).map(|uid| Wish::Publish(uid, notice.clone()));
        // Nobody answers to an event.
        self.phase = Phase::Telling { next: next + 1 };
        wish
    }

    /// What the second plan says beside the first: it speaks of refusals, and nothing else has happened meanwhile.
    fn warn(&mut self, next: usize) -> Option<Wish> {
        let said = self.plan.as_ref().map_or(&[][..], |plan| &plan.notices);
        let Some(notice) = self.told.as_ref().and_then(|told| told.notices.get(next)) else {
            self.phase = Phase::Closing;
            return None;
        };
        let is_new = notice.after.is_none() && !said.contains(notice);
        let uid = self.told.as_ref().and_then(|told| told.root_uid.clone());
        let wish = uid.filter(|_| is_new).map(|uid| Wish::Publish(uid, notice.clone()));
        self.phase = Phase::Warning { next: next + 1 };
        wish
    }

    fn close(&mut self) -> Wish {
        match &mut self.status {
            Some(status) => {
                if let Some(version) = self.root_version.take() {
                    status.resource_version = version;
                }
                Wish::WriteStatus(status.clone())
            }
            None => Wish::Done(Box::new(Ok(self.report.clone()))),
        }
    }

    /// The answer to [`Wish::Read`].
    pub fn answered(&mut self, answer: Result<Answer, BackendError>) {
        let Phase::Looking { unread, rounds, .. } = &mut self.phase else { return };
        let Some(read) = unread.pop_front() else { return };
        match answer {
            Ok(answer) => self.snapshot.answer(read, answer),
            // Nobody has asked yet: a plan that needs it will.
            Err(_) if *rounds == 0 => {}
            // No reconcile fails for the words of a container.
            Err(error) if matches!(read, Read::Log(_)) => self.snapshot.answer(read, Answer::Log(Err(error.message))),
            // What the cloud does not tell is for the plan to tell.
            Err(error) if is_of_cloud(&read) => {
                self.report.unknown.push(error.clone());
                self.snapshot.answer(read, Answer::Unknown(error));
            }
            Err(error) => self.cannot_look(error, Some(read)),
        }
    }

    /// The result of [`Wish::Perform`].
    pub fn performed(&mut self, result: Result<Written, BackendError>) {
        let Phase::Acting { next } = self.phase else { return };
        let Some(step) = self.plan.as_ref().and_then(|plan| plan.steps.get(next)) else { return };
        self.results[next] = match result {
            Ok(written) => {
                self.report.written.push(step.effect.clone());
                if *step.effect.key() == self.root {
                    self.root_version = written.resource_version().map(str::to_owned);
                }
                Carried::Written
            }
            Err(error) if is_fulfilled(&step.effect, error.kind) => Carried::Fulfilled,
            Err(error) => {
                match error.kind {
                    // What was planned from is not what is there: the dependants wait for the next look, which comes at once.
                    ErrorKind::Conflict | ErrorKind::NotFound => self.report.again = true,
                    // A budget of disruption: asked again when the plan says so, with no more patience than that.
                    ErrorKind::Throttled if matches!(step.effect, Effect::Evict { .. }) => {
                        self.kept.push(refused(step.effect.key(), step.effect.verb(), error.clone()));
                    }
                    _ => self.report.errors.push(refused(step.effect.key(), step.effect.verb(), error.clone())),
                }
                Carried::Refused(error)
            }
        };
        self.phase = Phase::Acting { next: next + 1 };
    }

    /// The result of [`Wish::WriteStatus`].
    pub fn status_written(&mut self, result: Result<Written, BackendError>) {
        let Some(status) = self.status.take() else { return };
        self.status_result = match result {
            Ok(_) => {
                self.report.status = Some(status);
                Carried::Written
            }
            Err(error) => {
                if let Phase::Failed { error: unread, notices, .. } = &mut self.phase {
                    notices.clear();
                    unread.message = format!("{}; nor can the status be written: {}", unread.message, error.message);
                    unread.retry_after = unread.retry_after.max(error.retry_after);
                }
                match error.kind {
                    ErrorKind::Conflict | ErrorKind::NotFound => self.report.again = true,
                    _ => {
                        self.report.errors.push(refused(&status.key, "patch status", error.clone()));
                        self.report.wake = self.report.wake.or_earlier(retry(&self.report.errors));
                    }
                }
                Carried::Refused(error)
            }
        };
    }
}

fn is_of_cloud(read: &Read) -> bool {
    matches!(read, Read::Object { key, .. } if key.kind.is_of_cloud())
}

/// A plan that asks for more and more.
fn endless(root: &ObjectKey, snapshot: &Snapshot) -> BackendError {
    let asked: Vec<String> = snapshot.reads().iter().map(ToString::to_string).collect();
    let words = format!(
        "planning {root} asked for more in each of {MAX_ROUNDS} rounds; this is a defect of kaito-rs. It asked for: {}",
        asked.join("; ")
    );
    BackendError::new(ErrorKind::Invalid, words)
}

/// When to try again what was refused: soon where that may help, but never before the server asked to.
fn retry(errors: &[EffectError]) -> Wake {
    let soon = errors.iter().any(|error| error.kind.is_transient() || error.kind == ErrorKind::AlreadyExists);
    let asked =
        errors.iter().filter_map(|error| error.retry_after).max().and_then(|wait| SignedDuration::try_from(wait).ok());
    let own = SignedDuration::from_secs(if soon { 5 } else { 60 });
    Wake::After(asked.map_or(own, |asked| asked.max(own)))
}

fn refused(key: &ObjectKey, verb: &'static str, error: BackendError) -> EffectError {
    EffectError { key: key.clone(), verb, kind: error.kind, message: error.message, retry_after: error.retry_after }
}

/// Whether a refusal means that the wish is fulfilled already: what was to be deleted is gone. Nothing else is: an object of that name may be somebody else's, and an object
/// that was to be changed and is gone may be the one that the rest depends on.
fn is_fulfilled(effect: &Effect, refusal: ErrorKind) -> bool {
    matches!(effect, Effect::Delete { .. }) && refusal == ErrorKind::NotFound
}
