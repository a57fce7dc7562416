//! What the watches have told, own recent writes laid over it.
//!
//! No IO: a cluster layer feeds it what its watches tell, and reads from it. The kube adapter of `kaito_operator` and the [`memory`](crate::memory) world stand on the same cache, so that
//! what a lagging watch can do to a plan is tried in the simulator and not on a cluster.

mod overlay; // own writes that the watch has not told yet
mod shelf; // the objects of one kind

use overlay::Overlay;
use shelf::Shelf;

use crate::hub::ModelQuery;
use crate::kinds::{Kind, KindUse, Watch};
use crate::object::{ObjectKey, Seen};
use crate::read::{Read, Selector};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a watch reports to those who depend on it.
#[derive(Debug, Clone)]
pub enum Change {
    /// An object is different: `old` is `None` for a new one, `new` for one that is gone.
    Object {
        /// As it was.
        old: Option<Seen>,
        /// As it is.
        new: Option<Seen>,
    },
    /// A kind became readable, or stopped being so.
    Kind(Kind),
    /// Something else is known of a repository of a hub.
    Model(ModelQuery),
}

/// How a kind stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// No list has been seen yet; what stands in the way, where something does.
    Starting(Option<String>),
    /// A list has been seen.
    Synced,
    /// A list was seen long ago, and nothing comes any more: what is cached is not believed, and the API server is asked instead.
    Lost(String),
    /// The API server does not know the kind.
    NoSuchKind,
}

/// What a cached read finds.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// This, or nothing.
    Object(Option<Seen>),
    /// These.
    List(Vec<Seen>),
    /// The cluster does not know the kind.
    NoSuchKind,
    /// The cache cannot answer; the API server can.
    AskServer,
}

#[derive(Debug)]
struct Cache {
    row: KindUse,
    phase: Phase,
    objects: Shelf,
    /// The highest version that this watch has seen: a write that is older and not in the cache has been deleted since.
    high: u128,
    /// Own writes that a list under way must contain, if they still exist.
    before_list: BTreeSet<(ObjectKey, String)>,
}

#[derive(Debug, Default)]
struct State {
    caches: BTreeMap<Kind, Cache>,
    overlay: Overlay,
    /// Content of objects whose metadata alone is watched; good while the version is the watched one.
    contents: BTreeMap<ObjectKey, Seen>,
}

/// One cache for each watched kind.
#[derive(Debug)]
pub struct Stores {
    state: Mutex<State>,
}

impl Stores {
    /// Empty stores for these kinds; those that are polled get none.
    pub fn new(rows: &[KindUse]) -> Self {
        let cache = |row: &KindUse| {
            let (phase, objects, before_list) = (Phase::Starting(None), Shelf::new(row.label), BTreeSet::new());
            (row.kind, Cache { row: *row, phase, objects, high: 0, before_list })
        };
        let caches = rows.iter().filter(|row| row.is_watched()).map(cache).collect();
        Self { state: Mutex::new(State { caches, ..State::default() }) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere ends the process; until then every entry is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Each watched kind with how it stands.
    pub fn phases(&self) -> Vec<(KindUse, Phase)> {
        self.lock().caches.values().map(|cache| (cache.row, cache.phase.clone())).collect()
    }

    /// Whether every kind has been listed or is known to be missing, so that a plan sees the cluster as it is. A kind of the cloud is waited for until its first list has come or failed: a cloud that is
    /// away keeps nobody from telling so, and each of its objects is asked for by itself meanwhile.
    pub fn settled(&self) -> bool {
        self.lock().caches.values().all(|cache| match &cache.phase {
            Phase::Starting(failed) => failed.is_some() && cache.row.kind.is_of_cloud(),
            Phase::Synced | Phase::Lost(_) | Phase::NoSuchKind => true,
        })
    }

    /// All cached keys of a kind.
    pub fn keys(&self, kind: Kind) -> Vec<ObjectKey> {
        self.lock().caches.get(&kind).map(|cache| cache.objects.keys().cloned().collect()).unwrap_or_default()
    }

    /// Every root that is known: those that are cached, and those that a cached object says it belongs to.
    pub fn roots(&self, planner: &dyn crate::driver::Planner) -> BTreeSet<ObjectKey> {
        let state = self.lock();
        let seen = state.caches.values().flat_map(|cache| cache.objects.values());
        seen.flat_map(|seen| {
            let own = (seen.kind() == planner.roots()).then(|| seen.key());
            own.into_iter().chain(planner.root_of(seen))
        })
        .collect()
    }

    /// An object came, or changed.
    pub fn applied(&self, seen: Seen) -> Option<Change> {
        self.lock().applied(seen)
    }

    /// An object is gone.
    pub fn deleted(&self, seen: &Seen) -> Option<Change> {
        let (mut state, key) = (self.lock(), seen.key());
        let cache = state.caches.get_mut(&key.kind)?;
        cache.has_seen(seen);
        let old = cache.objects.remove(&key);
        state.forget(&key, old.as_ref().unwrap_or(seen));
        Some(Change::Object { old: Some(old.unwrap_or_else(|| seen.clone())), new: None })
    }

    /// A list has been asked for: it will contain every own write up to now that still exists.
    pub fn list_begins(&self, kind: Kind) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let Some(cache) = state.caches.get_mut(&kind) else { return };
        let own = state.overlay.written(kind);
        cache.before_list = own.filter_map(|(key, seen)| Some((key.clone(), seen?.metadata().uid.clone()?))).collect();
    }

    /// A whole list came: what is not in it is gone, whether or not a deletion was ever reported.
    pub fn listed(&self, kind: Kind, list: Vec<Seen>) -> Vec<Change> {
        self.lock().replace(kind, list, &Phase::Synced)
    }

    /// The watch cannot go on for now. Whether that is worth telling: one that has listed once goes on where it was as a rule.
    pub fn failed(&self, kind: Kind, cause: &str) -> bool {
        let mut state = self.lock();
        let Some(cache) = state.caches.get_mut(&kind) else { return false };
        let told = match &cache.phase {
            Phase::Synced => return false,
            // Said already, in other words perhaps: they are kept, and are no news.
            Phase::Lost(_) => {
                cache.phase = Phase::Lost(cause.to_owned());
                return false;
            }
            Phase::Starting(_) | Phase::NoSuchKind => Phase::Starting(Some(cause.to_owned())),
        };
        let news = cache.phase != told;
        cache.phase = told;
        news
    }

    /// The watch has told nothing for so long that what is cached may be wrong. Until the next list the API server is asked instead; nothing, where that is so already.
    pub fn lost(&self, kind: Kind, cause: &str) -> Option<Change> {
        let mut state = self.lock();
        let cache = state.caches.get_mut(&kind).filter(|cache| cache.phase == Phase::Synced)?;
        cache.phase = Phase::Lost(cause.to_owned());
        Some(Change::Kind(kind))
    }

    /// The API server does not know the kind, any more or yet.
    pub fn no_such_kind(&self, kind: Kind) -> Vec<Change> {
        self.lock().replace(kind, Vec::new(), &Phase::NoSuchKind)
    }

    /// Remembers what the server answered to a write of ours, until the watch has passed it.
    pub fn wrote(&self, seen: &Seen) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let key = seen.key();
        let Some(cache) = state.caches.get(&key.kind).filter(|cache| cache.holds_content() && cache.covers(seen))
        else {
            return;
        };
        let cached = cache.objects.get(&key);
        if cached.is_none() && version(seen).is_none_or(|own| cache.high >= own) {
            return;
        }
        state.overlay.wrote(seen.clone());
        state.overlay.settle(&key, cached);
    }

    /// Remembers that we deleted an object, until the watch says so too.
    pub fn removed(&self, key: &ObjectKey, uid: &str) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let Some(cache) = state.caches.get(&key.kind).filter(|cache| cache.holds_content()) else { return };
        state.overlay.deleted(key.clone(), uid.to_owned());
        state.overlay.settle(key, cache.objects.get(key));
    }

    /// Whether a cached read needs no request.
    pub fn holds(&self, read: &Read) -> bool {
        match read {
            Read::Object { .. } => self.find(read) != Found::AskServer,
            Read::List { kind, selector, .. } => self.lock().caches.get(kind).is_some_and(|cache| match cache.phase {
                Phase::Starting(_) | Phase::Lost(_) => false,
                Phase::NoSuchKind => true,
                Phase::Synced => cache.lists(selector),
            }),
            Read::PodsOn { .. } | Read::Log(_) | Read::Model(_) => false,
        }
    }

    /// Answers a cached read.
    pub fn find(&self, read: &Read) -> Found {
        let state = self.lock();
        let Some(cache) = read.kind().and_then(|kind| state.caches.get(&kind)) else { return Found::AskServer };
        match cache.phase {
            Phase::Starting(_) | Phase::Lost(_) => return Found::AskServer,
            Phase::NoSuchKind => return Found::NoSuchKind,
            Phase::Synced => {}
        }
        match read {
            Read::Object { key, .. } if cache.holds_content() => {
                let found = state.overlay.lay_over(key, cache.objects.get(key)).cloned();
                // An object without the label is not watched, and may be there all the same.
                if found.is_none() && cache.row.label.is_some() { Found::AskServer } else { Found::Object(found) }
            }
            Read::Object { key, .. } => match (cache.objects.get(key), state.contents.get(key)) {
                (None, _) => Found::Object(None),
                (Some(watched), Some(content)) if is_same_version(watched, content) => {
                    Found::Object(Some(content.clone()))
                }
                _ => Found::AskServer,
            },
            Read::List { selector, .. } if !cache.lists(selector) => Found::AskServer,
            Read::PodsOn { .. } | Read::Log(_) | Read::Model(_) => Found::AskServer,
            Read::List { kind, namespace, selector, .. } => {
                let cached = cache.objects.among(namespace.as_deref(), selector);
                let mut found: BTreeMap<&ObjectKey, &Seen> = cached.filter(|(_, seen)| read.matches(seen)).collect();
                for (key, _) in state.overlay.written(*kind) {
                    match state.overlay.lay_over(key, cache.objects.get(key)).filter(|seen| read.matches(seen)) {
                        Some(seen) => found.insert(key, seen),
                        None => found.remove(key),
                    };
                }
                Found::List(found.into_values().cloned().collect())
            }
        }
    }

    /// Keeps the content of an object whose metadata alone is watched.
    pub fn keep_content(&self, seen: &Seen) {
        let (mut state, key) = (self.lock(), seen.key());
        let watched = state
            .caches
            .get(&key.kind)
            .is_some_and(|cache| cache.row.watch == Watch::Meta && cache.objects.get(&key).is_some());
        if watched {
            state.contents.insert(key, seen.clone());
        }
    }
}

impl State {
    fn applied(&mut self, seen: Seen) -> Option<Change> {
        let key = seen.key();
        let cache = self.caches.get_mut(&key.kind)?;
        cache.has_seen(&seen);
        let old = cache.objects.insert(seen.clone());
        self.overlay.settle(&key, Some(&seen));
        if self.contents.get(&key).is_some_and(|content| !is_same_version(content, &seen)) {
            self.contents.remove(&key);
        }
        let same =
            old.as_ref().is_some_and(|old| is_same_version(old, &seen) && old.metadata().uid == seen.metadata().uid);
        (!same).then_some(Change::Object { old, new: Some(seen) })
    }

    fn replace(&mut self, kind: Kind, list: Vec<Seen>, phase: &Phase) -> Vec<Change> {
        let Some(cache) = self.caches.get_mut(&kind) else { return Vec::new() };
        let keys: BTreeSet<ObjectKey> = list.iter().map(Seen::key).collect();
        let gone: Vec<ObjectKey> = cache.objects.keys().filter(|key| !keys.contains(*key)).cloned().collect();
        let expected = std::mem::take(&mut cache.before_list);
        if *phase == Phase::NoSuchKind {
            // A kind that is installed anew may begin with lower versions.
            cache.high = 0;
        }
        let turned = std::mem::replace(&mut cache.phase, phase.clone()) != *phase;
        let mut changes: Vec<Change> = list.into_iter().filter_map(|seen| self.applied(seen)).collect();
        for key in gone {
            let old = self.caches.get_mut(&kind).and_then(|cache| cache.objects.remove(&key));
            if let Some(old) = old {
                self.forget(&key, &old);
                changes.push(Change::Object { old: Some(old), new: None });
            }
        }
        for (key, uid) in expected.into_iter().filter(|(key, _)| !keys.contains(key)) {
            self.overlay.saw_deletion(&key, &uid);
        }
        changes.extend(turned.then_some(Change::Kind(kind)));
        changes
    }

    fn forget(&mut self, key: &ObjectKey, gone: &Seen) {
        self.contents.remove(key);
        if let Some(uid) = &gone.metadata().uid {
            self.overlay.saw_deletion(key, uid);
        }
    }
}

impl Cache {
    fn has_seen(&mut self, seen: &Seen) {
        self.high = self.high.max(version(seen).unwrap_or_default());
    }

    /// Whether the watch tells of everything that such a list asks for.
    fn lists(&self, selector: &Selector) -> bool {
        self.holds_content() && self.row.label.is_none_or(|label| selector.0.contains_key(label))
    }

    fn holds_content(&self) -> bool {
        self.row.watch == Watch::Full
    }

    /// Whether this watch will ever report the object.
    fn covers(&self, seen: &Seen) -> bool {
        self.row.label.is_none_or(|label| seen.labels().contains_key(label))
    }
}

/// How old an object is among those of its kind: versions are decimal numbers that grow (guaranteed since Kubernetes 1.35, true of every server before). `None` for one that says nothing.
fn version(seen: &Seen) -> Option<u128> {
    seen.metadata().resource_version.as_deref()?.parse().ok()
}

/// Whether this is one version of one object, whatever versions look like.
fn is_same_version(one: &Seen, other: &Seen) -> bool {
    one.metadata().resource_version == other.metadata().resource_version
}

#[cfg(test)]
mod tests;
