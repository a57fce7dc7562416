//! Reconciles as paths: what a machine wishes next depends on nothing but the answers that it got, so that each answer is worked out once and is an edge from then on.
//!
//! A node is a machine between two answers. Those of the product that have the same future are one node, whatever led to them.

use super::space::{KeyId, ReadId, Request, SlotId, Space, Version, number};
use super::state::State;
use crate::cache::Change;
use crate::driver::{Carried, Planner, Reconciliation, Report, Schedule, Wish};
use crate::effect::Effect;
use crate::hash;
use crate::object::ObjectKey;
use crate::plan::{Outcome, Wake};
use crate::read::Read;
use crate::settings::Settings;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// A machine between two answers, by number.
pub(super) type NodeId = u32;
/// What a look has read, by number.
pub(super) type ReadsId = u32;

/// The product; the other planners are the actors.
pub(super) const PRODUCT: usize = 0;

/// What a node waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asks {
    /// An answer.
    Read(ReadId),
    /// A write, in the words of the API's verbs.
    Write { key: KeyId, verb: &'static str },
    /// Nothing more.
    Done(End),
}

/// How a reconcile has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    /// What it depends on.
    pub(super) reads: ReadsId,
    /// Something was refused, so that the root is looked at again.
    pub(super) again: bool,
    /// It could not even look: a defect of the planner, for here every question is answered.
    pub(super) failure: Option<String>,
}

/// What an answer leads to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edge {
    pub(super) to: NodeId,
    /// What is at the key of the write then.
    pub(super) slot: Option<SlotId>,
}

/// Whose machine it is, of which root, and what it was told.
#[derive(Clone)]
struct Past {
    who: usize,
    root: KeyId,
    /// The answers so far.
    learned: Vec<u32>,
    /// What the plan depends on, once there is one.
    reads: Option<ReadsId>,
}

struct Node {
    past: Past,
    asks: Asks,
    /// `None` once it has ended.
    machine: Option<Reconciliation>,
    edges: BTreeMap<Box<[u32]>, Edge>,
}

/// All paths that were gone so far.
pub(super) struct Paths {
    planners: Vec<Arc<dyn Planner>>,
    settings: Settings,
    now: Timestamp,
    nodes: Vec<Node>,
    fresh: BTreeMap<(usize, KeyId), NodeId>,
    /// Nodes of the product by what decides their future.
    by_future: BTreeMap<String, NodeId>,
    reads: Vec<Schedule>,
    reads_ids: BTreeMap<(KeyId, BTreeSet<Read>), ReadsId>,
    wakes: BTreeMap<(KeyId, ReadsId, SlotId, SlotId), bool>,
    /// The roots that objects say they belong to.
    owners: BTreeMap<SlotId, Option<ObjectKey>>,
}

impl Paths {
    pub(super) fn new(planners: Vec<Arc<dyn Planner>>, settings: &Settings, now: Timestamp) -> Self {
        Self {
            planners,
            settings: settings.clone(),
            now,
            nodes: Vec::new(),
            fresh: BTreeMap::new(),
            by_future: BTreeMap::new(),
            reads: Vec::new(),
            reads_ids: BTreeMap::new(),
            wakes: BTreeMap::new(),
            owners: BTreeMap::new(),
        }
    }

    pub(super) fn planner(&self, who: usize) -> &dyn Planner {
        &*self.planners[who]
    }

    pub(super) fn planners(&self) -> usize {
        self.planners.len()
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn asks(&self, node: NodeId) -> &Asks {
        &self.nodes[node as usize].asks
    }

    /// Whose machine a node is, and of which root.
    pub(super) fn of(&self, node: NodeId) -> (usize, KeyId) {
        let past = &self.nodes[node as usize].past;
        (past.who, past.root)
    }

    /// What the plan of a node depends on.
    pub(super) fn reads(&self, node: NodeId) -> Option<ReadsId> {
        self.nodes[node as usize].past.reads
    }

    /// A reconcile that has not begun.
    pub(super) fn fresh(&mut self, who: usize, root: KeyId, space: &mut Space) -> NodeId {
        if let Some(node) = self.fresh.get(&(who, root)) {
            return *node;
        }
        let machine = Reconciliation::new(space.key(root).clone(), self.now);
        let node = self.add(Past { who, root, learned: Vec::new(), reads: None }, machine, space);
        self.fresh.insert((who, root), node);
        node
    }

    /// Goes on by one answer. `version` is that of what the node may write.
    pub(super) fn follow(&mut self, at: NodeId, state: &State, version: Version, space: &mut Space) -> Option<Edge> {
        let node = &self.nodes[at as usize];
        let mut answer = Vec::new();
        match node.asks {
            Asks::Read(read) => space.answer(read, |key| state.slot(key), &mut answer),
            Asks::Write { key, .. } => answer.extend([state.slot(key), version.number()]),
            Asks::Done(_) => return None,
        }
        if let Some(edge) = node.edges.get(answer.as_slice()) {
            return Some(*edge);
        }
        let edge = self.work_out(at, &answer, version, space)?;
        self.nodes[at as usize].edges.insert(answer.into(), edge);
        Some(edge)
    }

    fn work_out(&mut self, at: NodeId, answer: &[u32], version: Version, space: &mut Space) -> Option<Edge> {
        let node = &self.nodes[at as usize];
        let (mut past, mut machine) = (node.past.clone(), node.machine.clone()?);
        let mut slot = None;
        match (machine.next(&*self.planners[past.who], &self.settings), &node.asks) {
            (Wish::Read(_), Asks::Read(read)) => {
                past.learned.push(*read);
                past.learned.push(number(answer.len()));
                past.learned.extend(answer);
                machine.answered(Ok(space.worded(*read, answer)));
            }
            (Wish::Perform(effect), Asks::Write { key, .. }) => {
                let (result, after) = space.write(*key, answer[0], Request::Effect(&effect), version);
                slot = Some(after);
                machine.performed(result);
            }
            (Wish::WriteStatus(status), Asks::Write { key, .. }) => {
                let (result, after) = space.write(*key, answer[0], Request::Status(&status), version);
                slot = Some(after);
                machine.status_written(result);
            }
            _ => return None,
        }
        let to = self.add(past, machine, space);
        Some(Edge { to, slot })
    }

    /// The node of a machine that was just told an answer.
    fn add(&mut self, mut past: Past, mut machine: Reconciliation, space: &mut Space) -> NodeId {
        let (who, root) = (past.who, past.root);
        let (asks, wish) = loop {
            match machine.next(&*self.planners[who], &self.settings) {
                Wish::Publish(..) => {}
                Wish::Read(read) => break (Asks::Read(space.read_id(&read)), String::new()),
                Wish::Perform(effect) => {
                    let (key, verb) = (space.key_id(effect.key()), effect.verb());
                    break (Asks::Write { key, verb }, String::new());
                }
                Wish::WriteStatus(status) => {
                    let key = space.key_id(&status.key);
                    break (Asks::Write { key, verb: "patch status" }, format!("{status:?}"));
                }
                Wish::Done(result) => break (Asks::Done(self.end(root, *result, space)), String::new()),
            }
        };
        if who == PRODUCT && past.reads.is_none() && machine.plan().is_some() {
            past.reads = Some(self.reads_id(root, machine.snapshot().reads(), space.key(root)));
        }
        let future = (who == PRODUCT).then(|| future(&past, &asks, &wish, &machine));
        if let Some(node) = future.as_ref().and_then(|future| self.by_future.get(future)) {
            return *node;
        }
        let id = number(self.nodes.len());
        let machine = if matches!(asks, Asks::Done(_)) {
            past.learned = Vec::new();
            None
        } else {
            Some(machine)
        };
        self.nodes.push(Node { past, asks, machine, edges: BTreeMap::new() });
        self.by_future.extend(future.map(|future| (future, id)));
        id
    }

    fn end(&mut self, root: KeyId, result: Result<Report, crate::backend::BackendError>, space: &Space) -> End {
        match result {
            Ok(report) => {
                let reads = if report.outcome == Outcome::Gone { BTreeSet::new() } else { report.reads };
                let again = report.again || !report.errors.is_empty();
                End { reads: self.reads_id(root, reads, space.key(root)), again, failure: None }
            }
            Err(error) => End { reads: self.nothing_read(root, space), again: true, failure: Some(error.message) },
        }
    }

    /// Nothing that was read.
    pub(super) fn nothing_read(&mut self, root: KeyId, space: &Space) -> ReadsId {
        self.reads_id(root, BTreeSet::new(), space.key(root))
    }

    fn reads_id(&mut self, root: KeyId, reads: BTreeSet<Read>, key: &ObjectKey) -> ReadsId {
        let schedules = &mut self.reads;
        *self.reads_ids.entry((root, reads)).or_insert_with_key(|(_, reads)| {
            schedules.push(after_a_look(key, reads));
            number(schedules.len() - 1)
        })
    }

    /// Whether a change makes the schedule look at a root that has read this.
    pub(super) fn wakes(&mut self, root: KeyId, reads: ReadsId, (old, new): (SlotId, SlotId), space: &Space) -> bool {
        let (schedule, planner) = (&self.reads[reads as usize], &self.planners[PRODUCT]);
        *self.wakes.entry((root, reads, old, new)).or_insert_with(|| {
            let change = Change::Object { old: space.seen(old).cloned(), new: space.seen(new).cloned() };
            schedule.concerned(&**planner, &change, Vec::new).contains(space.key(root))
        })
    }

    /// Whether an object says that it belongs to a root of the product.
    pub(super) fn belongs(&mut self, slot: SlotId, root: KeyId, space: &Space) -> bool {
        let planner = &self.planners[PRODUCT];
        let owner = self.owners.entry(slot).or_insert_with(|| space.seen(slot).and_then(|seen| planner.root_of(seen)));
        owner.as_ref() == Some(space.key(root))
    }

    /// Whether a plan of the product remembers the version of something else than its root: such versions are not told apart here.
    pub(super) fn is_beyond_us(&self, node: NodeId) -> bool {
        let Node { past: Past { who: PRODUCT, .. }, machine: Some(machine), .. } = &self.nodes[node as usize] else {
            return false;
        };
        let remembers = |effect: &Effect| {
            matches!(effect, Effect::Metadata { resource_version: Some(_), .. }) && effect.key() != machine.root()
        };
        machine.plan().is_some_and(|plan| plan.steps.iter().any(|step| remembers(&step.effect)))
    }

    /// How many steps of its plan a node has behind it.
    pub(super) fn progress(&self, node: NodeId) -> u32 {
        let machine = self.nodes[node as usize].machine.as_ref();
        let done =
            |machine: &Reconciliation| machine.results().iter().filter(|result| **result != Carried::Untried).count();
        number(machine.map_or(0, done))
    }
}

/// The schedule of a product that has looked at this root once and has read this.
fn after_a_look(root: &ObjectKey, reads: &BTreeSet<Read>) -> Schedule {
    let mut schedule = Schedule::without_safety();
    schedule.look(root, Duration::ZERO);
    schedule.take(Duration::ZERO);
    let report = Report {
        outcome: Outcome::Converged,
        wake: Wake::OnChange,
        reads: reads.clone(),
        written: Vec::new(),
        status: None,
        errors: Vec::new(),
        unknown: Vec::new(),
        remarks: Vec::new(),
        again: false,
    };
    schedule.finished(root, &Ok(report), Duration::ZERO, 0.0);
    schedule
}

/// What decides the future of a machine. Its plan follows from what it has learned, and the version of its root that it believes in from the results; when only the status is left to be
/// written, that is all.
fn future(past: &Past, asks: &Asks, status: &str, machine: &Reconciliation) -> String {
    let Past { root, learned, reads, .. } = past;
    let refused = machine.results().iter().any(|result| matches!(result, Carried::Refused(_)));
    let text = match asks {
        Asks::Done(end) => format!("{root} ends {end:?}"),
        Asks::Write { .. } if !status.is_empty() => format!("{root} says {status} {refused} {reads:?}"),
        Asks::Write { .. } | Asks::Read(_) => {
            format!("{root} {asks:?} {learned:?} {:?} {}", machine.results(), machine.plan().is_some())
        }
    };
    hash::sha256_hex(text.as_bytes())
}
