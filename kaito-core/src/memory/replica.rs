//! One process of the product: a planner, the cache that watches keep for it, its schedule, and the reconciles that are under way.
//!
//! Cache, schedule and reconcile are the ones that run on a real cluster; only what feeds them is simulated.

use super::store::{Change as Stored, Store};
use crate::cache::{Change, Found, Stores};
use crate::driver::{Planner, Reconciliation, Schedule};
use crate::hub::{Knowledge, ModelQuery};
use crate::kinds::{Kind, KindUse, Watch};
use crate::object::{ObjectKey, Seen};
use crate::read::Read;
use crate::settings::Settings;
use jiff::SignedDuration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// What the watch of one kind has still to tell.
#[derive(Debug, Clone)]
pub(super) enum News {
    /// An object changed.
    Changed(Stored),
    /// A whole list, as it was when it was asked for.
    Listed(Vec<Seen>),
    /// The server does not know the kind.
    NoSuchKind,
}

/// A reconcile that is under way, and when it goes on.
pub(super) struct Work {
    pub(super) due: Duration,
    pub(super) machine: Reconciliation,
}

pub(super) struct Replica {
    pub(super) planner: Arc<dyn Planner>,
    pub(super) settings: Settings,
    pub(super) stores: Stores,
    pub(super) schedule: Schedule,
    pub(super) running: Vec<Work>,
    inbox: BTreeMap<Kind, VecDeque<(Duration, News)>>,
    /// What it knows of a hub of models.
    pub(super) models: Knowledge,
    /// What it has asked a hub, and when that answers.
    pub(super) fetching: Vec<(Duration, ModelQuery)>,
    /// Stands still until then: a long pause of the process, or of its machine.
    pub(super) asleep_until: Duration,
    /// How far its clock is off.
    pub(super) skew: SignedDuration,
    /// Kinds whose changes reach the cache and wake nobody.
    pub(super) deaf: BTreeSet<Kind>,
    /// Looks at quiet roots now and then.
    safety: bool,
    /// When roots are looked for that nobody waits for; never in a world that loses nothing.
    pub(super) sweep: Option<Duration>,
}

impl Replica {
    pub(super) fn new(planner: Arc<dyn Planner>, settings: Settings) -> Self {
        let stores = Stores::new(planner.kinds(&settings));
        Self {
            planner,
            settings,
            stores,
            schedule: Schedule::default(),
            running: Vec::new(),
            inbox: BTreeMap::new(),
            models: Knowledge::default(),
            fetching: Vec::new(),
            asleep_until: Duration::ZERO,
            skew: SignedDuration::ZERO,
            deaf: BTreeSet::new(),
            safety: true,
            sweep: None,
        }
    }

    /// From now on nothing is looked at only because time has passed.
    pub(super) fn without_safety(&mut self) {
        self.safety = false;
        self.schedule = Schedule::without_safety();
    }

    /// A new process: no memory of reads, failures, waits or own writes. It lists every kind before it looks at anything.
    pub(super) fn restart(&mut self) {
        self.stores = Stores::new(self.planner.kinds(&self.settings));
        self.schedule = if self.safety { Schedule::default() } else { Schedule::without_safety() };
        self.running.clear();
        self.inbox.clear();
        self.models = Knowledge::default();
        self.fetching.clear();
    }

    /// The rows of what it watches.
    pub(super) fn watched(&self) -> impl Iterator<Item = &'static KindUse> + use<> {
        self.planner.kinds(&self.settings).iter().filter(|row| row.is_watched())
    }

    /// How it watches a kind, where it does.
    pub(super) fn watches(&self, kind: Kind) -> Option<&'static KindUse> {
        self.watched().find(|row| row.kind == kind)
    }

    /// Whether no watch tells it of a kind that it reads.
    pub(super) fn polls(&self, kind: Kind) -> bool {
        KindUse::of(self.planner.kinds(&self.settings), kind).is_some_and(|row| !row.is_watched())
    }

    /// Asks for a list of a kind, which arrives at `due`.
    pub(super) fn list(&mut self, row: &KindUse, store: &Store, due: Duration) {
        let news = if store.serves(row.kind) {
            self.stores.list_begins(row.kind);
            let all = store.list(row.kind, None, &crate::read::Selector::default());
            News::Listed(all.iter().filter(|seen| covers(row, seen)).map(|seen| as_watched(row, seen)).collect())
        } else {
            News::NoSuchKind
        };
        self.put(row.kind, due, news);
    }

    /// Tells of a change, at `due`; within a kind never before what came earlier.
    pub(super) fn hear(&mut self, change: &Stored, due: Duration) {
        let Some(kind) = [&change.new, &change.old].into_iter().flatten().next().map(Seen::kind) else { return };
        let Some(row) = self.watches(kind) else { return };
        let side =
            |seen: &Option<Seen>| seen.as_ref().filter(|seen| covers(row, seen)).map(|seen| as_watched(row, seen));
        let watched = Stored { old: side(&change.old), new: side(&change.new) };
        if watched.old.is_some() || watched.new.is_some() {
            self.put(kind, due, News::Changed(watched));
        }
    }

    fn put(&mut self, kind: Kind, due: Duration, news: News) {
        let queue = self.inbox.entry(kind).or_default();
        let due = queue.back().map_or(due, |(last, _)| due.max(*last));
        queue.push_back((due, news));
    }

    /// When the next news arrives.
    pub(super) fn next_news(&self) -> Option<(Duration, Kind)> {
        self.inbox.iter().filter_map(|(kind, queue)| Some((queue.front()?.0, *kind))).min()
    }

    /// Everything that is under way arrives now; and a hub that was away is back, which is found out now, not in some minutes: till then two processes may believe different things of it.
    pub(super) fn catch_up(&mut self, now: Duration) {
        self.models.ask_again(now);
        self.fetching.extend(std::iter::from_fn(|| self.models.take(now)).map(|query| (now, query)));
        for (due, _) in self.inbox.values_mut().flatten() {
            *due = (*due).min(now);
        }
        self.running.iter_mut().for_each(|work| work.due = work.due.min(now));
        self.fetching.iter_mut().for_each(|(due, _)| *due = (*due).min(now));
        self.asleep_until = self.asleep_until.min(now);
    }

    /// Takes the next news of a kind into the cache, and answers what has changed.
    pub(super) fn take_news(&mut self, kind: Kind) -> Vec<Change> {
        match self.inbox.get_mut(&kind).and_then(VecDeque::pop_front) {
            Some((_, News::Changed(Stored { new: Some(seen), .. }))) => self.stores.applied(seen).into_iter().collect(),
            Some((_, News::Changed(Stored { old: Some(seen), new: None }))) => {
                self.stores.deleted(&seen).into_iter().collect()
            }
            Some((_, News::Listed(list))) => self.stores.listed(kind, list),
            Some((_, News::NoSuchKind)) => self.stores.no_such_kind(kind),
            Some((_, News::Changed(Stored { old: None, new: None }))) | None => Vec::new(),
        }
    }

    /// The roots that a change concerns.
    pub(super) fn concerned(&self, change: &Change) -> BTreeSet<ObjectKey> {
        let kind = match change {
            Change::Kind(kind) => Some(*kind),
            Change::Model(_) => None,
            Change::Object { old, new } => new.as_ref().or(old.as_ref()).map(Seen::kind),
        };
        if kind.is_some_and(|kind| self.deaf.contains(&kind)) {
            return BTreeSet::new();
        }
        self.schedule.concerned(self.planner.as_ref(), change, || self.stores.keys(self.planner.roots()))
    }

    /// A change that no watch tells is found at the next look: until then the world has not settled.
    pub(super) fn expect(&mut self, change: &Change) {
        for root in self.concerned(change) {
            if let Some(at) = self.schedule.when(&root) {
                self.schedule.look(&root, at);
            }
        }
    }

    /// When it does something next.
    pub(super) fn next(&self) -> Option<Duration> {
        let news = self.next_news().map(|(due, _)| due);
        // Until every kind has been listed once, a plan would take for absent what has only not been seen.
        let own = if self.stores.settled() {
            let work = self.running.iter().map(|work| work.due).min();
            let hub = self.fetching.iter().map(|(due, _)| *due).min();
            [work, self.schedule.next(), self.sweep, hub, self.models.next()].into_iter().flatten().min()
        } else {
            None
        };
        news.into_iter().chain(own).min().map(|due| due.max(self.asleep_until))
    }

    /// Whether nothing is under way, and only periodic looks are left.
    pub(super) fn is_calm(&self) -> bool {
        let waits_for_hub = self.models.pending() || !self.fetching.is_empty();
        self.running.is_empty()
            && self.schedule.is_calm()
            && self.inbox.values().all(VecDeque::is_empty)
            && !waits_for_hub
    }

    /// Whether a cached read needs no request.
    pub(super) fn find(&self, read: &Read) -> Found {
        self.stores.find(read)
    }
}

fn covers(row: &KindUse, seen: &Seen) -> bool {
    row.label.is_none_or(|label| seen.labels().contains_key(label))
}

fn as_watched(row: &KindUse, seen: &Seen) -> Seen {
    if row.watch == Watch::Meta { seen.bare() } else { seen.clone() }
}
