//! What happens next in a world: news reaches a process, a request is answered, an actor takes its turn.
//!
//! Without dice, news is heard at once and a reconcile is one step. With dice, every request of a reconcile is a step of its own, and each may be late, refused, or the last one before a crash.

use super::World;
use super::azure;
use super::faults::{Fault, Trouble};
use super::replica::Work;
use super::rights::Right;
use crate::backend::{BackendError, Written};
use crate::cache::{Change, Found};
use crate::driver::{Reconciliation, Report, Wish};
use crate::effect::Effect;
use crate::hub::{HubError, HubErrorKind, ModelQuery};
use crate::kinds::Kind;
use crate::object::Seen;
use crate::plan::StatusWrite;
use crate::read::{Freshness, Read};
use crate::snapshot::Answer;
use std::time::Duration;

/// How often roots are looked for that nobody waits for.
const SWEEP: Duration = Duration::from_secs(600);

/// The longest that a list takes: a watch may fall behind for ever, and who lists anew has caught up.
const LIST: Duration = Duration::from_secs(1500);

/// When it is seen whether a hub is still silent.
const A_DAY: Duration = Duration::from_secs(24 * 3600);

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    Replica(usize),
    Actor(usize),
    Late(usize),
}

fn kind_of(change: &Change) -> Option<Kind> {
    match change {
        Change::Object { old, new } => [new, old].into_iter().flatten().next().map(Seen::kind),
        Change::Kind(kind) => Some(*kind),
        Change::Model(_) => None,
    }
}

impl World {
    /// The earliest thing that happens before `end`.
    pub(super) fn step_before(&mut self, end: Duration) -> bool {
        let replicas = self
            .replicas
            .iter()
            .enumerate()
            .filter_map(|(index, replica)| Some((replica.next()?, Turn::Replica(index))));
        let actors =
            self.actors.iter().enumerate().filter_map(|(index, actor)| Some((actor.next()?, Turn::Actor(index))));
        let late = self.late.iter().enumerate().map(|(index, (due, _))| (*due, Turn::Late(index)));
        let Some((due, turn)) = replicas.chain(actors).chain(late).min().filter(|(due, _)| *due <= end) else {
            return false;
        };
        self.steps += 1;
        self.move_clock(due.max(self.now));
        match turn {
            Turn::Replica(index) => self.turn_of_replica(index),
            Turn::Actor(index) => self.turn_of_actor(index),
            Turn::Late(index) => {
                let (_, effect) = self.late.swap_remove(index);
                // The server's answer has nobody to go to.
                let _ = self.cluster.carry_out(&effect);
            }
        }
        self.spread();
        self.put_later();
        true
    }

    /// A user who waits for a namesake to go, or for a definition, puts her object as soon as she can.
    fn put_later(&mut self) {
        for (key, body) in std::mem::take(&mut self.later) {
            if self.must_wait(&key) {
                self.later.push((key, body));
            } else {
                drop(self.give(&key, &body));
            }
        }
    }

    fn turn_of_actor(&mut self, index: usize) {
        let (clock, now) = (self.now(), self.now);
        let (cluster, settings) = (std::sync::Arc::clone(&self.cluster), self.settings().clone());
        if let Some((root, report)) = self.actors[index].turn(&cluster, &settings, now, clock) {
            self.timeline.record(clock, &root, &report);
        }
    }

    /// The earliest of: news, a reconcile that goes on, a root that is due.
    fn turn_of_replica(&mut self, index: usize) {
        let (now, replica) = (self.now, &mut self.replicas[index]);
        if let Some((_, kind)) = replica.next_news().filter(|(due, _)| *due <= now) {
            let changes = replica.take_news(kind);
            return changes.iter().for_each(|change| self.wake(index, change));
        }
        let under_way =
            replica.running.iter().enumerate().filter(|(_, work)| work.due <= now).min_by_key(|(_, work)| work.due);
        if let Some(at) = under_way.map(|(at, _)| at) {
            let work = replica.running.swap_remove(at);
            return self.go_on(index, work.machine);
        }
        if let Some(at) = replica.fetching.iter().position(|(due, _)| *due <= now) {
            let (_, query) = replica.fetching.swap_remove(at);
            return self.hub_answers(index, &query);
        }
        if let Some(query) = replica.models.take(now) {
            let takes = self.dice.as_mut().map_or(Duration::ZERO, super::faults::Dice::latency);
            return self.replicas[index].fetching.push((now + takes, query));
        }
        if replica.sweep.is_some_and(|due| due <= now) {
            let known = replica.stores.roots(replica.planner.as_ref());
            replica.schedule.sweep(known, now, 0.5);
            replica.sweep = Some(now + SWEEP);
            return;
        }
        if let Some(root) = replica.schedule.take(now) {
            let clock = self.now().saturating_add(self.replicas[index].skew).unwrap_or(jiff::Timestamp::MAX);
            let replica = &self.replicas[index];
            let expected = replica.schedule.expected(&root).filter(|read| replica.stores.holds(read));
            let machine = Reconciliation::new(root.clone(), clock).expecting(expected);
            self.note_look(index, &root);
            self.go_on(index, machine);
        }
    }

    /// A hub answers what a process has asked it in the background.
    fn hub_answers(&mut self, index: usize, query: &ModelQuery) {
        if self.cluster.with_hub(|hub| hub.is_silent()) {
            return self.replicas[index].fetching.push((self.now + A_DAY, query.clone()));
        }
        let entropy = self.dice.as_mut().map_or(0.5, |dice| dice.rng().f64());
        let silent = self.dice.as_mut().is_some_and(|dice| dice.strikes(Fault::Hub));
        let said = if silent {
            Err(HubError::new(HubErrorKind::Unavailable, format!("the hub gave no answer for {query}")))
        } else {
            self.cluster.with_hub(|hub| hub.said(query))
        };
        if self.replicas[index].models.told(query, said, self.now, entropy) {
            self.wake(index, &Change::Model(query.clone()));
        }
    }

    /// Hands a change to the roots that it concerns.
    fn wake(&mut self, index: usize, change: &Change) {
        let now = self.now;
        for root in self.replicas[index].concerned(change) {
            let times = self.dice.as_mut().map_or_else(|| vec![Duration::ZERO], super::faults::Dice::trigger);
            for wait in times {
                self.replicas[index].schedule.heard(&root, change, now + wait);
            }
        }
        self.replicas[index].schedule.meanwhile(change);
    }

    /// Goes on with a reconcile: to its end, or with dice to its next request.
    fn go_on(&mut self, index: usize, mut machine: Reconciliation) {
        loop {
            let replica = &self.replicas[index];
            match machine.next(&*replica.planner, &replica.settings) {
                Wish::Done(result) => return self.finish(index, &machine, &result),
                Wish::Read(read) => {
                    let answer = self.answer(index, &read);
                    if let Ok(answer) = &answer {
                        self.note_answer(index, machine.root(), &read, answer);
                    }
                    machine.answered(answer);
                }
                Wish::Publish(_, notice) => self.cluster.tell(machine.root(), &notice),
                Wish::Perform(effect) => {
                    self.note_request(index, machine.root(), &effect);
                    let result = self.perform(index, &effect);
                    machine.performed(result);
                    if self.crashes(index) {
                        return self.take_down(index, &machine);
                    }
                }
                Wish::WriteStatus(status) => {
                    let result = self.write_status(index, &status);
                    machine.status_written(result);
                    if self.crashes(index) {
                        return self.take_down(index, &machine);
                    }
                }
            }
            if let Some(dice) = &mut self.dice {
                let due = self.now + dice.latency();
                return self.replicas[index].running.push(Work { due, machine });
            }
        }
    }

    fn take_down(&mut self, index: usize, machine: &Reconciliation) {
        let replica = &self.replicas[index];
        if let Some(recorder) = &mut self.recorder {
            recorder.take(machine, replica.planner.as_ref(), &replica.settings);
        }
    }

    fn finish(&mut self, index: usize, machine: &Reconciliation, result: &Result<Report, BackendError>) {
        self.take_down(index, machine);
        if let Ok(report) = result {
            self.timeline.record(self.now(), machine.root(), report);
        }
        let entropy = self.dice.as_mut().map_or(0.5, |dice| dice.rng().f64());
        self.replicas[index].schedule.finished(machine.root(), result, self.now, entropy);
    }

    fn trouble(&mut self, writes: bool) -> Option<Trouble> {
        self.dice.as_mut()?.request(writes)
    }

    /// Whether a process may do this: a server says so before anything else.
    fn permit(&self, index: usize, right: Right) -> Result<(), BackendError> {
        let replica = &self.replicas[index];
        right.held_by(replica.planner.kinds(&replica.settings))?;
        if self.withheld.contains(&(replica.planner.name(), right)) { Err(right.refused()) } else { Ok(()) }
    }

    fn answer(&mut self, index: usize, read: &Read) -> Result<Answer, BackendError> {
        if let Read::Model(query) = read {
            return Ok(Answer::Model(self.replicas[index].models.read(query, self.now)));
        }
        if read.freshness() == Freshness::Cached {
            match self.replicas[index].find(read) {
                Found::Object(seen) => return Ok(Answer::Object(seen)),
                Found::List(list) => return Ok(Answer::List(list)),
                Found::NoSuchKind => return Ok(Answer::NoSuchKind),
                Found::AskServer => {}
            }
        }
        Right::to_read(read).map_or(Ok(()), |right| self.permit(index, right))?;
        if let Some(Trouble::Refused(error) | Trouble::Unheard(error) | Trouble::Later(error, _)) = self.trouble(false)
        {
            return Err(error);
        }
        if let (Some(Kind::AgentPool), Some(error)) = (read.kind(), self.cluster.silence()) {
            return Err(error);
        }
        let answer = self.cluster.answer(read);
        if let (Read::Object { .. }, Answer::Object(Some(seen))) = (read, &answer) {
            self.replicas[index].stores.keep_content(seen);
        }
        Ok(answer)
    }

    fn perform(&mut self, index: usize, effect: &Effect) -> Result<Written, BackendError> {
        let is_azures = effect.key().kind == Kind::AgentPool;
        self.permit(index, Right::to_write(effect))?;
        match self.trouble(true) {
            Some(Trouble::Refused(error)) if is_azures => return Err(azure::in_its_words(error)),
            Some(Trouble::Refused(error)) => return Err(error),
            Some(Trouble::Later(error, wait)) => {
                self.late.push((self.now + wait, effect.clone()));
                return Err(error);
            }
            Some(Trouble::Unheard(error)) => {
                self.count(effect, self.cluster.carry_out(effect).is_ok());
                return Err(error);
            }
            None => {}
        }
        if let (true, Some(error)) = (is_azures, self.cluster.silence()) {
            return Err(error);
        }
        let written = self.cluster.carry_out(effect)?;
        self.count(effect, true);
        let stores = &self.replicas[index].stores;
        match (&written, effect) {
            (Written::Now(seen), _) => stores.wrote(seen),
            (Written::Gone, Effect::Delete { target }) => stores.removed(target.key(), target.uid()),
            (Written::Gone, _) => {}
        }
        Ok(written)
    }

    fn write_status(&mut self, index: usize, write: &StatusWrite) -> Result<Written, BackendError> {
        self.permit(index, Right::to_write_status(write.key.kind))?;
        match self.trouble(true) {
            Some(Trouble::Refused(error) | Trouble::Later(error, _)) => return Err(error),
            Some(Trouble::Unheard(error)) => {
                // Happened, and nobody heard of it.
                self.product_writes += u64::from(self.cluster.put_status(write).is_ok());
                return Err(error);
            }
            None => {}
        }
        let written = self.cluster.put_status(write)?;
        self.product_writes += 1;
        if let Written::Now(seen) = &written {
            self.replicas[index].stores.wrote(seen);
        }
        Ok(written)
    }

    fn count(&mut self, effect: &Effect, happened: bool) {
        self.product_writes += u64::from(happened);
        if happened && effect.verb() == "create" {
            let order = self.created.len();
            self.created.entry(effect.key().clone()).or_insert(order);
        }
    }

    /// Whether the process ends here, after an effect; then a new one has started.
    fn crashes(&mut self, index: usize) -> bool {
        let ordered = match &mut self.crash {
            Some(left) => {
                *left = left.saturating_sub(1);
                *left == 0
            }
            None => false,
        };
        let struck = self.dice.as_mut().is_some_and(|dice| dice.strikes(Fault::Crash));
        if ordered {
            self.crash = None;
        }
        if ordered || struck {
            self.start_process(index);
        }
        ordered || struck
    }

    /// A process starts, or starts again: it lists every kind that it watches, then looks at every root.
    pub(super) fn start_process(&mut self, index: usize) {
        self.replicas[index].restart();
        self.replicas[index].sweep = self.dice.is_some().then(|| self.now + SWEEP);
        for row in self.replicas[index].watched() {
            self.list_again(index, row.kind);
        }
    }

    /// The watch of a kind begins again with a list.
    pub(super) fn list_again(&mut self, index: usize, kind: Kind) {
        let Some(row) = self.replicas[index].watches(kind) else { return };
        let due = self.now + self.dice.as_mut().map_or(Duration::ZERO, |dice| dice.lag(index, kind).min(LIST));
        let replica = &mut self.replicas[index];
        self.cluster.with_store(|store| replica.list(row, store, due));
    }

    /// Every root is looked at.
    pub(super) fn wake_all(&mut self, index: usize) {
        let replica = &mut self.replicas[index];
        for root in replica.stores.keys(replica.planner.roots()) {
            replica.schedule.look(&root, self.now);
        }
    }

    /// Hands what has changed in the store to everybody who watches.
    pub(super) fn spread(&mut self) {
        let now = self.now;
        for stored in self.cluster.take_changes() {
            for (index, replica) in self.replicas.iter_mut().enumerate() {
                let kind = [&stored.new, &stored.old].into_iter().flatten().next().map(Seen::kind);
                let lag = self.dice.as_mut().zip(kind).map_or(Duration::ZERO, |(dice, kind)| dice.lag(index, kind));
                replica.hear(&stored, now + lag);
            }
            let change = Change::Object { old: stored.old, new: stored.new };
            if let Some(kind) = kind_of(&change) {
                self.replicas.iter_mut().filter(|replica| replica.polls(kind)).for_each(|it| it.expect(&change));
            }
            self.actors.iter_mut().for_each(|actor| actor.hear(&change, now));
        }
    }
}
