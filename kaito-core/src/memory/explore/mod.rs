//! Every order of the effects, at a small scope: a few Workspaces, one crash, one deletion, and the rest of a cluster.
//!
//! A state is what the store holds and what the product remembers: where it stands to each root, and the machine of each reconcile that is under way. What leads from one to the next is one
//! look of the product (everything that it reads, and the plan), one of its writes, one whole reconcile of another controller that changes something, a crash, or a user's deletion.
//! All roots may be under way at once, and whatever can happen next is tried, breadth first, until no new state is met. Reads are never late and the clock stands still: that is what the
//! random [`simulation`](super::simulation) is for.
//!
//! Three things are left out, each because what follows from it is tried anyway: a look that writes nothing (it only renews what was read, and is taken at once), a reconcile of another
//! controller that changes nothing, and a crash while nothing is under way (a new process knows what the old one knew). Nothing else is: no partial order, no symmetry.

mod paths; // reconciles, worked out once
mod space; // what can be, by number
mod state; // one state, and those that were met
mod step; // what can happen next
mod verdict; // what must hold

use super::simulation::calm::Calm;
use super::{Fate, Pace, World, actors};
use crate::driver::Planner;
use crate::object::ObjectKey;
use crate::render;
use crate::settings::Settings;
use crate::workspace::WorkspacePlanner;
use paths::Paths;
use serde_json::Value;
use space::{KeyId, Request, SlotId, Space, Version};
use state::{Met, State};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use step::{Next, Via};

/// More violations than this are not told.
const MOST_VIOLATIONS: usize = 20;

/// What is explored.
#[derive(Debug, Clone)]
pub struct Scope {
    /// The Workspaces; their reconciles may overlap.
    pub workspaces: Vec<(ObjectKey, Value)>,
    /// What is there before, and is none of the product's business.
    pub others: Vec<(ObjectKey, Value)>,
    /// How often the product may crash.
    pub crashes: u32,
    /// How many of the Workspaces the user may delete, each at any moment.
    pub deletions: u32,
    /// After so many states the exploration gives up.
    pub most_states: usize,
}

/// A violation and how it comes about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counterexample {
    /// The invariant, such as `I7`.
    pub invariant: &'static str,
    /// What was seen.
    pub what: String,
    /// What happened, one thing a line: as few as lead to it.
    pub path: Vec<String>,
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.what)?;
        self.path.iter().enumerate().try_for_each(|(index, line)| write!(f, "\n{:4}. {line}", index + 1))
    }
}

/// What an exploration has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explored {
    /// Different states.
    pub states: usize,
    /// Things that happened, all together.
    pub transitions: usize,
    /// The most steps that the shortest way to a state takes.
    pub depth: usize,
    /// The steps of the longest run; `None` when a run can go on for ever, or the exploration gave up.
    pub longest: Option<u32>,
    /// States in which nothing happens any more by itself.
    pub ends: usize,
    /// The different things that the store holds in those.
    pub outcomes: usize,
    /// Objects that are there at some time, and the forms that they take, all together.
    pub objects: (usize, usize),
    /// Points at which a reconcile can stand, of the product and of others.
    pub points: usize,
    /// Whether every state was met.
    pub complete: bool,
    /// What must never be and was, each once, by the shortest way.
    pub violations: Vec<Counterexample>,
}

impl fmt::Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { states, transitions, depth, ends, outcomes, objects: (objects, forms), points, .. } = self;
        let extent = if self.complete { "complete" } else { "NOT complete" };
        let longest = self.longest.map_or("unknown".to_owned(), |steps| steps.to_string());
        write!(
            f,
            "{extent}: {states} states, {transitions} transitions, depth {depth}, longest run {longest}, {ends} ends with {outcomes} outcomes, \
             {objects} objects in {forms} forms, reconciles at {points} points, {} violations",
            self.violations.len()
        )
    }
}

/// An exploration.
pub struct Explorer {
    space: Space,
    paths: Paths,
    product: Arc<dyn Planner>,
    settings: Settings,
    objects: Vec<(ObjectKey, Value)>,
    others: Vec<(ObjectKey, Value)>,
    /// The Workspaces, in the order of the scope.
    roots: Vec<KeyId>,
    /// What was there before them.
    foreign: BTreeSet<KeyId>,
    start: State,
    most_states: usize,
    calm: Calm,
    watched: BTreeSet<Vec<SlotId>>,
    concluded: BTreeSet<Vec<SlotId>>,
}

impl Explorer {
    /// An exploration of the product.
    pub fn new(scope: &Scope, settings: &Settings) -> Self {
        Self::with_planner(scope, settings, Arc::new(WorkspacePlanner))
    }

    /// The same with another planner in the place of the product's. How it should end is still what the product makes of it.
    pub fn with_planner(scope: &Scope, settings: &Settings, product: Arc<dyn Planner>) -> Self {
        let before = before(&scope.others, settings);
        let mut space = Space::new(before.now());
        let mut start = State::new(scope.workspaces.len(), scope.crashes, scope.deletions);
        let laid: Vec<_> = before.cluster().with_store(|store| {
            let keys: Vec<ObjectKey> = store.iter().map(|(key, _)| key.clone()).collect();
            keys.into_iter().filter_map(|key| Some((key.clone(), store.lift(&key)?))).collect()
        });
        let mut foreign = BTreeSet::new();
        for (key, entry) in laid {
            let (id, slot) = space.take(&key, entry);
            start.set_slot(id, slot);
            foreign.insert(id);
        }
        let mut roots = Vec::new();
        for (key, body) in &scope.workspaces {
            let id = space.key_id(key);
            let (_, slot) = space.write(id, start.slot(id), Request::Put(body), Version::Settled);
            start.set_slot(id, slot);
            roots.push(id);
        }
        let all = [scope.workspaces.clone(), scope.others.clone()].concat();
        let rest =
            actors::all(actors::Machines::OfClaims, Pace::instant(), &Fate::default()).into_iter().map(Arc::from);
        let planners = [Arc::clone(&product)].into_iter().chain(rest).collect();
        Self {
            paths: Paths::new(planners, settings, before.now()),
            space,
            product,
            settings: settings.clone(),
            objects: scope.workspaces.clone(),
            others: scope.others.clone(),
            roots,
            foreign,
            start,
            most_states: scope.most_states,
            calm: Calm::of(&all, &[], settings),
            watched: BTreeSet::new(),
            concluded: BTreeSet::new(),
        }
    }

    /// Meets every state.
    pub fn explore(mut self) -> Explored {
        let mut trail = Trail::default();
        let mut start = self.start.clone();
        self.rest(&mut start);
        trail.met.meet(start.hash());
        trail.came.push((0, Via::Crash.encode()));
        let (mut queue, mut next) = (VecDeque::from([start]), Next::default());
        let mut ends = 0;
        let (mut depth, mut of_layer) = (0, 1_usize);
        let mut at = 0;
        let mut complete = true;
        while let Some(state) = queue.pop_front() {
            self.next(&state, &mut next);
            for wrong in next.wrongs.drain(..).chain(self.watch(&state)) {
                trail.blame(at, wrong);
            }
            if !next.goes_on {
                ends += 1;
                for wrong in self.conclude(&state) {
                    trail.blame(at, wrong);
                }
            }
            for (via, state) in next.states.drain(..) {
                if trail.go(at, via, &state) {
                    queue.push_back(state);
                }
            }
            trail.leave();
            at += 1;
            of_layer -= 1;
            if of_layer == 0 && !queue.is_empty() {
                (depth, of_layer) = (depth + 1, queue.len());
            }
            if trail.met.len() > self.most_states {
                complete = false;
                break;
            }
        }
        self.explored(trail, complete, depth, ends)
    }

    fn explored(&self, mut trail: Trail, complete: bool, depth: usize, ends: usize) -> Explored {
        let longest = if complete { trail.longest() } else { None };
        if complete && longest.is_none() {
            trail.blame(trail.place_of_a_round(), ("I5", "from here a run can go on for ever".to_owned()));
        }
        let told = |((invariant, what), place): (&(&'static str, String), &u32)| Counterexample {
            invariant,
            what: what.clone(),
            path: trail.path(*place).into_iter().map(|via| self.told(via)).collect(),
        };
        Explored {
            states: trail.met.len(),
            transitions: trail.edges.len(),
            depth,
            longest,
            ends,
            outcomes: self.concluded.len(),
            objects: self.space.sizes(),
            points: self.paths.len(),
            complete,
            violations: trail.wrongs.iter().map(told).collect(),
        }
    }
}

/// A world at rest, with everything that is there before the Workspaces.
fn before(others: &[(ObjectKey, Value)], settings: &Settings) -> World {
    let mut world = World::with_pace(settings, Pace::instant());
    for (key, body) in others {
        // What a server would refuse, the simulated one refuses every time.
        let _ = world.put(key, body);
    }
    render::settle(&mut world);
    world
}

/// The states in the order in which they were met, and how.
#[derive(Default)]
struct Trail {
    met: Met,
    /// From where a state was met first, and by what.
    came: Vec<(u32, u32)>,
    /// Where each state leads, one state after the other; and where those of each end.
    edges: Vec<u32>,
    ends: Vec<usize>,
    wrongs: BTreeMap<(&'static str, String), u32>,
}

impl Trail {
    /// Something leads to a state; answers whether it is new.
    fn go(&mut self, from: u32, via: Via, to: &State) -> bool {
        let (place, is_new) = self.met.meet(to.hash());
        self.edges.push(place);
        if is_new {
            self.came.push((from, via.encode()));
        }
        is_new
    }

    /// Everything that leads away from a state was gone.
    fn leave(&mut self) {
        self.ends.push(self.edges.len());
    }

    fn blame(&mut self, place: u32, wrong: verdict::Wrong) {
        if self.wrongs.len() < MOST_VIOLATIONS {
            self.wrongs.entry(wrong).or_insert(place);
        }
    }

    /// What leads to a state, from the beginning.
    fn path(&self, place: u32) -> Vec<Via> {
        let mut path = Vec::new();
        let mut place = place;
        while place != 0 {
            let (from, via) = self.came[place as usize];
            path.push(Via::decode(via));
            place = from;
        }
        path.reverse();
        path
    }

    fn after(&self, place: usize) -> &[u32] {
        let from = if place == 0 { 0 } else { self.ends[place - 1] };
        &self.edges[from..self.ends[place]]
    }

    /// What is left when again and again every state is taken away that nothing leads to (Kahn's algorithm): how many ways lead to each state, none where no run goes round; and the
    /// steps of the longest run to each.
    fn without_rounds(&self) -> (Vec<u32>, Vec<u32>) {
        let mut ways = vec![0_u32; self.met.len()];
        self.edges.iter().for_each(|to| ways[*to as usize] += 1);
        let mut longest = vec![0_u32; self.met.len()];
        let mut open: Vec<usize> = (0..ways.len()).filter(|place| ways[*place] == 0).collect();
        while let Some(place) = open.pop() {
            for to in self.after(place).iter().map(|to| *to as usize) {
                longest[to] = longest[to].max(longest[place] + 1);
                ways[to] -= 1;
                if ways[to] == 0 {
                    open.push(to);
                }
            }
        }
        (ways, longest)
    }

    /// The steps of the longest run, where every run ends.
    fn longest(&self) -> Option<u32> {
        let (ways, longest) = self.without_rounds();
        if ways.iter().all(|ways| *ways == 0) { longest.into_iter().max() } else { None }
    }

    /// The first state that is led to for ever.
    fn place_of_a_round(&self) -> u32 {
        let (ways, _) = self.without_rounds();
        space::number(ways.iter().position(|ways| *ways > 0).unwrap_or_default())
    }
}
