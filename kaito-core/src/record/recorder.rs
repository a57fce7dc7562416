//! The ring: the last reconciles, within bounds.

use super::contents::{Contents, Item, Subject};
use super::wire::{self, Answered, Found, Line, Mishap, Name, Said};
use super::{API_VERSION, KIND};
use crate::driver::{Carried, Planner, Reconciliation};
use crate::object::{ObjectKey, Seen};
use crate::plan::Plan;
use crate::settings::Settings;
use crate::snapshot::{Answer, Unread};
use std::collections::VecDeque;

/// How much a [`Recorder`] keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Reconciles at most; 0 records nothing.
    pub reconciles: usize,
    /// Bytes at most, about: text, and the last plan and answers of each root. What the decoded objects beside it take is shared with the cache while they are the latest.
    pub bytes: usize,
}

/// What a reconcile takes on average, about: many are quiet and take less than half a kilobyte, some tell of a new Workspace and take 20.
const AVERAGE: usize = 8 << 10;

impl Limits {
    /// As many reconciles as usually take so many bytes.
    pub const fn of_bytes(bytes: usize) -> Limits {
        Limits { reconciles: bytes.div_ceil(AVERAGE), bytes }
    }
}

/// 8 MiB, and 1,024 reconciles.
impl Default for Limits {
    fn default() -> Self {
        Self::of_bytes(8 << 20)
    }
}

#[derive(Debug)]
struct Entry {
    /// A [`Line`].
    text: String,
    /// What it holds.
    names: Vec<Name>,
}

/// The last reconciles.
#[derive(Debug, Default)]
pub struct Recorder {
    limits: Limits,
    contents: Contents,
    entries: VecDeque<Entry>,
    taken: u64,
    bytes: usize,
}

impl Recorder {
    /// An empty one.
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// How many reconciles it holds.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// About how many bytes it takes.
    pub fn bytes(&self) -> usize {
        self.bytes + self.contents.bytes()
    }

    /// Takes down a reconcile, usually one that is done; one that was cut off is taken down as far as it came. The oldest make room.
    pub fn take(&mut self, work: &Reconciliation, planner: &dyn Planner, settings: &Settings) {
        if self.limits.reconciles == 0 || self.limits.bytes == 0 {
            return;
        }
        let line = self.line(work, planner, settings);
        let said = [Some(&line.first), line.told.as_ref()].into_iter().flatten();
        let plans = said.filter_map(|said| match said {
            Said::Plan(name) => Some(*name),
            Said::Unread(_) => None,
        });
        let names = [line.settings, line.answers].into_iter().chain(plans).collect();
        let text = serde_json::to_string(&line).unwrap_or_default();
        self.bytes += text.len();
        self.entries.push_back(Entry { text, names });
        while self.len() > self.limits.reconciles || (self.bytes() > self.limits.bytes && !self.is_empty()) {
            self.forget_oldest();
        }
    }

    fn line(&mut self, work: &Reconciliation, planner: &dyn Planner, settings: &Settings) -> Line {
        let (planner_name, root) = (planner.name(), work.root());
        let number = self.taken;
        self.taken += 1;
        let answers = work.snapshot().answers();
        let answers: Vec<Answered> =
            answers.map(|(read, answer)| Answered { read: read.clone(), found: self.found(answer) }).collect();
        let first = match work.plan() {
            Some(plan) => self.plan(planner_name, root, plan.clone()),
            // Planning costs microseconds and cannot fail: what it still asks for is asked for again.
            None => match planner.plan(root, work.snapshot(), settings) {
                Ok(plan) => self.plan(planner_name, root, plan),
                Err(Unread(reads)) => Said::Unread(reads),
            },
        };
        Line {
            number,
            planner: planner_name.to_owned(),
            root: root.clone(),
            now: work.snapshot().now(),
            settings: self.contents.hold(Subject::Settings, Item::Settings(settings.clone())),
            answers: self.contents.hold(Subject::Answers(planner_name, root.clone()), Item::Answers(answers)),
            first,
            results: work.results().iter().map(wire::result).collect(),
            status: Some(work.status_result()).filter(|result| **result != Carried::Untried).map(wire::result),
            error: work.failure().map(wire::refusal),
            mishaps: work.snapshot().mishaps().iter().map(Mishap::from).collect(),
            told: work.told().map(|plan| self.plan(planner_name, root, plan.clone())),
        }
    }

    fn plan(&mut self, planner: &'static str, root: &ObjectKey, plan: Plan) -> Said {
        Said::Plan(self.contents.hold(Subject::Plan(planner, root.clone()), Item::Plan(plan)))
    }

    fn found(&mut self, answer: &Answer) -> Found {
        let mut hold = |seen: &Seen| self.contents.hold(Subject::Object(seen.key()), Item::Object(seen.clone()));
        match answer {
            Answer::Object(seen) => Found::Object(seen.as_ref().map(hold)),
            Answer::List(all) => Found::List(all.iter().map(&mut hold).collect()),
            Answer::NoSuchKind => Found::NoSuchKind,
            Answer::Log(log) => Found::Log(log.clone()),
            Answer::Model(answer) => Found::Model(answer.clone()),
            Answer::Unknown(error) => Found::Unknown { kind: error.kind, message: error.message.clone() },
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.entries.pop_front() {
            self.bytes -= oldest.text.len();
            oldest.names.into_iter().for_each(|name| self.contents.release(name));
        }
    }

    /// The document: everything that it holds, complete in itself. See `docs/recorder.md`.
    pub fn to_json(&self) -> String {
        let mut text = String::with_capacity(self.bytes() + 1024);
        let forgotten = self.taken - self.len() as u64;
        text.push_str(&format!(
            "{{\"apiVersion\":\"{API_VERSION}\",\"kind\":\"{KIND}\",\"version\":\"{}\",\"forgotten\":{forgotten},\n\"contents\":",
            env!("CARGO_PKG_VERSION")
        ));
        self.contents.write(&mut text);
        text.push_str(",\n\"reconciles\":[");
        for (index, entry) in self.entries.iter().enumerate() {
            text.push_str(if index == 0 { "\n" } else { ",\n" });
            text.push_str(&entry.text);
        }
        text.push_str("]}\n");
        text
    }
}
