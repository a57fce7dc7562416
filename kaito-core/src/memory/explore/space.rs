//! What can be, by number: each object in each form that it takes, each question, each set of questions. A state is made of these numbers.
//!
//! Numbers stand for contents, so that two histories with the same end are one state. Hence nothing here may only grow: the clock stands still, a uid is made of the object's key and of
//! how often the key was free again, and a version says only what somebody can tell by it ([`Version`]).

use crate::backend::{BackendError, Written};
use crate::effect::Effect;
use crate::kinds::Kind;
use crate::memory::MemoryCluster;
use crate::memory::hub::Hub;
use crate::memory::logs;
use crate::memory::store::Entry;
use crate::object::{ObjectKey, Seen};
use crate::plan::StatusWrite;
use crate::read::Read;
use crate::snapshot::Answer;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A key, by number.
pub(super) type KeyId = u32;
/// What is at a key, by number; [`NOTHING`] where nothing ever was.
pub(super) type SlotId = u32;
/// A question, by number.
pub(super) type ReadId = u32;

/// Nothing is there, and nothing ever was.
pub(super) const NOTHING: SlotId = 0;

/// Far from the uids that a store counts by itself, and a multiple of 2^16, for addresses of pods are made of the lowest bits.
const FIRST_UID: u64 = 1 << 32;

/// A version of an object, as far as anybody can tell it from another. Only a reconcile under way remembers one, that of its root, and only asks whether it is still that one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Version {
    /// As everybody sees it who looks now.
    Settled,
    /// The reconcile of this root has written it, as its so-manieth step.
    Own(u32),
    /// Somebody else has written it since the reconcile of this root has looked.
    Foreign,
}

impl Version {
    /// As a number; what is written on the object.
    pub(super) fn number(self) -> u32 {
        match self {
            Version::Settled => 1,
            Version::Own(step) => 2 + step,
            Version::Foreign => u32::MAX,
        }
    }
}

/// What is at a key.
#[derive(Debug, Clone, Default)]
struct Slot {
    /// How often the key was free again.
    generation: u64,
    entry: Option<Entry>,
    /// What is to be seen, by number; zero where nothing is.
    form: u32,
}

/// A write.
#[derive(Debug, Clone, Copy)]
pub(super) enum Request<'a> {
    /// Of a plan.
    Effect(&'a Effect),
    /// Of a root's status.
    Status(&'a StatusWrite),
    /// A user's object.
    Put(&'a Value),
    /// A user's deletion.
    Delete,
}

/// Everything by number.
pub(super) struct Space {
    now: Timestamp,
    keys: Vec<ObjectKey>,
    key_ids: BTreeMap<ObjectKey, KeyId>,
    /// The keys of a kind, in the order of a list.
    of_kind: BTreeMap<Kind, Vec<KeyId>>,
    slots: Vec<Slot>,
    slot_ids: BTreeMap<String, SlotId>,
    forms: BTreeMap<String, u32>,
    /// Slots with another version, and after a user's deletion; both happen in almost every state.
    versions: BTreeMap<(SlotId, Version), SlotId>,
    deletions: BTreeMap<(SlotId, Version), SlotId>,
    /// With the key, where it is about one object.
    reads: Vec<(Read, Option<KeyId>)>,
    read_ids: BTreeMap<Read, ReadId>,
    /// Whether an object in this form is part of an answer; by question, then by slot.
    matching: Vec<Vec<Option<bool>>>,
}

impl Space {
    /// Nothing, at a time that never changes.
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            now,
            keys: Vec::new(),
            key_ids: BTreeMap::new(),
            of_kind: BTreeMap::new(),
            slots: vec![Slot::default()],
            slot_ids: BTreeMap::new(),
            forms: BTreeMap::new(),
            versions: BTreeMap::new(),
            deletions: BTreeMap::new(),
            reads: Vec::new(),
            read_ids: BTreeMap::new(),
            matching: Vec::new(),
        }
    }

    /// The number of a key.
    pub(super) fn key_id(&mut self, key: &ObjectKey) -> KeyId {
        if let Some(id) = self.key_ids.get(key) {
            return *id;
        }
        let id = number(self.keys.len());
        self.keys.push(key.clone());
        self.key_ids.insert(key.clone(), id);
        let (keys, of_kind) = (&self.keys, self.of_kind.entry(key.kind).or_default());
        let at = of_kind.partition_point(|other| keys[*other as usize] < *key);
        of_kind.insert(at, id);
        id
    }

    /// The key of a number.
    pub(super) fn key(&self, id: KeyId) -> &ObjectKey {
        &self.keys[id as usize]
    }

    /// The keys of a kind, in the order of a list.
    pub(super) fn of_kind(&self, kind: Kind) -> &[KeyId] {
        self.of_kind.get(&kind).map_or(&[], Vec::as_slice)
    }

    /// The number of a question.
    pub(super) fn read_id(&mut self, read: &Read) -> ReadId {
        if let Some(id) = self.read_ids.get(read) {
            return *id;
        }
        let about = match read {
            Read::Object { key, .. } => Some(self.key_id(key)),
            Read::List { .. } | Read::PodsOn { .. } | Read::Model(_) => None,
            Read::Log(query) => Some(self.key_id(&logs::pod(query))),
        };
        let id = number(self.reads.len());
        self.reads.push((read.clone(), about));
        self.matching.push(Vec::new());
        self.read_ids.insert(read.clone(), id);
        id
    }

    /// The object in a slot.
    pub(super) fn seen(&self, slot: SlotId) -> Option<&Seen> {
        self.slots[slot as usize].entry.as_ref().map(|entry| &entry.seen)
    }

    /// The object in a slot, to be laid into a store.
    pub(super) fn entry(&self, slot: SlotId) -> Option<&Entry> {
        self.slots[slot as usize].entry.as_ref()
    }

    /// Whether there is another object, or another form of it, to see.
    pub(super) fn differ(&self, one: SlotId, other: SlotId) -> bool {
        self.slots[one as usize].form != self.slots[other as usize].form
    }

    /// The slots that answer a question, in order.
    pub(super) fn answer(&mut self, read: ReadId, slot_of: impl Fn(KeyId) -> SlotId, into: &mut Vec<SlotId>) {
        let Self { reads, of_kind, matching, slots, .. } = self;
        let (question, about) = &reads[read as usize];
        if let Some(key) = about {
            return into.push(slot_of(*key));
        }
        let known = &mut matching[read as usize];
        known.resize(slots.len(), None);
        for key in question.kind().and_then(|kind| of_kind.get(&kind)).into_iter().flatten() {
            let slot = slot_of(*key);
            let entry = || slots[slot as usize].entry.as_ref();
            let matches = || entry().is_some_and(|entry| question.matches(&entry.seen));
            if *known[slot as usize].get_or_insert_with(matches) {
                into.push(slot);
            }
        }
    }

    /// The same in the words of the backend.
    pub(super) fn worded(&self, read: ReadId, slots: &[SlotId]) -> Answer {
        let mut seen = slots.iter().filter_map(|slot| self.seen(*slot).cloned());
        match &self.reads[read as usize].0 {
            Read::Object { .. } => Answer::Object(seen.next()),
            Read::List { .. } | Read::PodsOn { .. } => Answer::List(seen.collect()),
            // What a hub holds does not change here.
            Read::Model(query) => Answer::Model(Hub::new().answer(query)),
            Read::Log(query) => Answer::Log(logs::printed(seen.next().as_ref(), query)),
        }
    }

    /// Carries out a write on what is in a slot: the answer of the server, and what is there then.
    pub(super) fn write(
        &mut self,
        key: KeyId,
        slot: SlotId,
        request: Request<'_>,
        version: Version,
    ) -> (Result<Written, BackendError>, SlotId) {
        let (name, before) = (self.key(key).clone(), self.slots[slot as usize].clone());
        let server = MemoryCluster::new(self.now);
        server.with_store(|store| {
            store.count_uids_from(FIRST_UID + (u64::from(key) << 8) + before.generation);
            if let Some(entry) = &before.entry {
                store.lay(&name, entry.clone());
            }
        });
        let as_written = |seen: Option<Seen>| seen.map_or(Written::Gone, |seen| Written::Now(Box::new(seen)));
        let result = match request {
            Request::Effect(effect) => server.carry_out(effect),
            Request::Status(status) => server.put_status(status),
            Request::Put(body) => {
                server.with_store(|store| store.replace(&name, body)).map(|seen| as_written(Some(seen)))
            }
            Request::Delete => server.with_store(|store| store.delete(&name, None)).map(as_written),
        };
        let Ok(written) = result else { return (result, slot) };
        match server.with_store(|store| store.lift(&name)) {
            None => {
                let generation = before.generation + u64::from(before.entry.is_some());
                (Ok(written), self.slot_id(key, Slot { generation, ..Slot::default() }))
            }
            Some(entry) => {
                let is_same = before.entry.as_ref().is_some_and(|before| before.value == entry.value);
                let entry = if is_same { entry } else { with_version(&name, entry, version) };
                let seen = entry.seen.clone();
                (Ok(as_written(Some(seen))), self.slot_id(key, Slot { entry: Some(entry), ..before }))
            }
        }
    }

    /// The same object with another version.
    pub(super) fn with_version(&mut self, key: KeyId, slot: SlotId, version: Version) -> SlotId {
        if let Some(known) = self.versions.get(&(slot, version)) {
            return *known;
        }
        let Slot { generation, entry: Some(entry), .. } = self.slots[slot as usize].clone() else { return slot };
        let name = self.key(key).clone();
        let slot_then = Slot { generation, entry: Some(with_version(&name, entry, version)), form: 0 };
        let found = self.slot_id(key, slot_then);
        self.versions.insert((slot, version), found);
        found
    }

    /// What a user's deletion leaves.
    pub(super) fn delete(&mut self, key: KeyId, slot: SlotId, version: Version) -> SlotId {
        if let Some(known) = self.deletions.get(&(slot, version)) {
            return *known;
        }
        let (_, found) = self.write(key, slot, Request::Delete, version);
        self.deletions.insert((slot, version), found);
        found
    }

    /// Takes an object as it is in a world.
    pub(super) fn take(&mut self, key: &ObjectKey, entry: Entry) -> (KeyId, SlotId) {
        let id = self.key_id(key);
        let entry = with_version(key, entry, Version::Settled);
        (id, self.slot_id(id, Slot { entry: Some(entry), ..Slot::default() }))
    }

    fn slot_id(&mut self, key: KeyId, slot: Slot) -> SlotId {
        let Self { slots, forms, slot_ids, .. } = self;
        let content = slot.entry.as_ref().map(|entry| (format!("{key} {}", entry.value), entry.applied.to_string()));
        if content.is_none() && slot.generation == 0 {
            return NOTHING;
        }
        let next = number(forms.len()) + 1;
        let (value, applied) = content.unwrap_or_default();
        let form = if slot.entry.is_none() { 0 } else { *forms.entry(value.clone()).or_insert(next) };
        let text = format!("{key} {} {value}\n{applied}", slot.generation);
        *slot_ids.entry(text).or_insert_with(|| {
            slots.push(Slot { form, ..slot });
            number(slots.len() - 1)
        })
    }

    /// How many objects there can be, and in how many forms all together.
    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.keys.len(), self.slots.len() - 1)
    }
}

fn with_version(key: &ObjectKey, mut entry: Entry, version: Version) -> Entry {
    let text = json!(version.number().to_string());
    let Some(there) = entry.value.pointer_mut("/metadata/resourceVersion").filter(|there| **there != text) else {
        return entry;
    };
    *there = text;
    entry.seen = Seen::decode(key.kind, entry.value.clone());
    entry
}

/// A place in a list, as the number that states are made of. There are far fewer than 2^32 of anything here.
pub(super) fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
