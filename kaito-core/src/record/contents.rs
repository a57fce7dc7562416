//! Values stored once each, by hash: in full, or as changes to an earlier value of the same subject.
//!
//! What has not changed since it was stored last is known without being written again: the decoded value is kept beside its name, and for an object that is a pointer to what the cache holds.

use super::delta;
use super::wire::{Answered, Found, Name, seen_to_value};
use crate::object::{ObjectKey, Seen};
use crate::plan::Plan;
use crate::settings::Settings;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// So many lists of changes lead to a value at most; then it stands in full again.
pub(super) const MOST_CHANGES: usize = 32;
/// What a content costs besides its text, about: its name in both directions, and the places it takes in maps.
const OVERHEAD: usize = 160;

/// What a content is a version of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    Settings,
    Object(ObjectKey),
    Answers(&'static str, ObjectKey),
    Plan(&'static str, ObjectKey),
}

/// A value that is to be stored.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Item {
    Settings(Settings),
    Object(Seen),
    Answers(Vec<Answered>),
    Plan(Plan),
}

impl Item {
    fn to_value(&self) -> Value {
        match self {
            Item::Settings(settings) => serde_json::to_value(settings),
            Item::Object(seen) => return seen_to_value(seen),
            Item::Answers(answers) => serde_json::to_value(answers),
            Item::Plan(plan) => serde_json::to_value(plan),
        }
        .unwrap_or_default()
    }

    /// The contents that it names.
    fn names(&self) -> Vec<Name> {
        let Item::Answers(answers) = self else { return Vec::new() };
        let names = answers.iter().flat_map(|answered| match &answered.found {
            Found::Object(name) => name.as_slice(),
            Found::List(names) => names.as_slice(),
            Found::NoSuchKind | Found::Log(_) | Found::Model(_) | Found::Unknown { .. } => &[],
        });
        names.copied().collect()
    }
}

#[derive(Debug)]
struct Content {
    /// The value, or the changes to `base`.
    text: String,
    base: Option<Name>,
    /// Lists of changes that lead to it, at most.
    depth: usize,
    derived: BTreeSet<Name>,
    /// Contents that it names; each is held once for each mention.
    names: Vec<Name>,
    /// Whose latest value it was at some time.
    subjects: BTreeSet<Subject>,
    holders: usize,
}

/// All contents.
#[derive(Debug, Default)]
pub(super) struct Contents {
    all: BTreeMap<Name, Content>,
    latest: BTreeMap<Subject, Latest>,
    bytes: usize,
}

/// The last value of a subject, as it was handed over.
#[derive(Debug)]
struct Latest {
    name: Name,
    item: Item,
    /// What it takes, about: as much as its text. An object takes nothing, for the cache holds the same.
    bytes: usize,
}

impl Contents {
    /// About how many bytes they take, with the last value of each subject.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Stores a value and holds it; what it names must be held already, and is taken over.
    pub(super) fn hold(&mut self, subject: Subject, item: Item) -> Name {
        let same = self.latest.get(&subject).filter(|last| last.item == item).map(|last| last.name);
        let (name, value) = match same {
            Some(name) => (name, None),
            None => {
                let value = item.to_value();
                let text = value.to_string();
                (Name::of(&text), Some((value, text)))
            }
        };
        if let Some(known) = self.all.get_mut(&name) {
            known.holders += 1;
            if value.is_some() {
                known.subjects.insert(subject.clone());
            }
            // It holds already what it names; once is enough.
            let again = item.names();
            if let Some((_, text)) = value {
                self.keep(subject, name, item, text.len());
            }
            again.into_iter().for_each(|named| self.release(named));
            return name;
        }
        // What is the latest is stored (see `free`), so that whatever is not stored has a text here.
        let Some((value, text)) = value else { return name };
        let changed =
            self.latest.get(&subject).and_then(|last| self.changed(last.name, &last.item.to_value(), &value, &text));
        let whole = text.len();
        let (base, depth, text) = changed.map_or((None, 0, text), |(base, depth, text)| (Some(base), depth, text));
        if let Some(base) = base.and_then(|base| self.all.get_mut(&base)) {
            base.derived.insert(name);
        }
        self.bytes += text.len() + OVERHEAD;
        let (names, subjects) = (item.names(), BTreeSet::from([subject.clone()]));
        self.all.insert(name, Content { text, base, depth, derived: BTreeSet::new(), names, subjects, holders: 1 });
        self.keep(subject, name, item, whole);
        name
    }

    /// Keeps the last value of a subject, whose text has so many bytes.
    fn keep(&mut self, subject: Subject, name: Name, item: Item, text: usize) {
        self.drop_latest(&subject);
        let bytes = match &item {
            Item::Object(_) => 0,
            Item::Settings(_) | Item::Answers(_) | Item::Plan(_) => text,
        };
        self.bytes += bytes;
        self.latest.insert(subject, Latest { name, item, bytes });
    }

    fn drop_latest(&mut self, subject: &Subject) {
        if let Some(gone) = self.latest.remove(subject) {
            self.bytes -= gone.bytes;
        }
    }

    /// The changes from a stored value, where they are shorter than the new one in full.
    fn changed(&self, base: Name, old: &Value, new: &Value, full: &str) -> Option<(Name, usize, String)> {
        let depth = self.all.get(&base)?.depth + 1;
        let changes = serde_json::to_string(&delta::changes(old, new)).ok()?;
        (depth <= MOST_CHANGES && changes.len() < full.len()).then_some((base, depth, changes))
    }

    /// Lets go; what nobody holds is forgotten.
    pub(super) fn release(&mut self, name: Name) {
        let Some(content) = self.all.get_mut(&name) else { return };
        content.holders = content.holders.saturating_sub(1);
        if content.holders == 0 {
            self.free(name);
        }
    }

    fn free(&mut self, name: Name) {
        let derived: Vec<(Name, Value)> = match self.all.get(&name) {
            Some(content) => content.derived.iter().map(|child| (*child, self.value(*child))).collect(),
            None => return,
        };
        let Some(gone) = self.all.remove(&name) else { return };
        self.bytes -= gone.text.len() + OVERHEAD;
        if let Some(base) = gone.base.and_then(|base| self.all.get_mut(&base)) {
            base.derived.remove(&name);
        }
        for (child, value) in derived {
            self.rebase(child, gone.base, &value);
        }
        for subject in gone.subjects {
            if self.latest.get(&subject).is_some_and(|latest| latest.name == name) {
                self.drop_latest(&subject);
            }
        }
        gone.names.into_iter().for_each(|named| self.release(named));
    }

    /// Stores a value anew that was changes to one that is gone: as changes to what that one was changes to, or in full.
    fn rebase(&mut self, name: Name, base: Option<Name>, value: &Value) {
        let full = value.to_string();
        let changed = base.and_then(|base| self.changed(base, &self.value(base), value, &full));
        let (base, depth, text) = changed.map_or((None, 0, full), |(base, depth, text)| (Some(base), depth, text));
        if let Some(base) = base.and_then(|base| self.all.get_mut(&base)) {
            base.derived.insert(name);
        }
        if let Some(content) = self.all.get_mut(&name) {
            self.bytes = self.bytes + text.len() - content.text.len();
            (content.base, content.depth, content.text) = (base, depth, text);
        }
    }

    /// A stored value, whole.
    fn value(&self, name: Name) -> Value {
        let mut changes = Vec::new();
        let mut next = self.all.get(&name);
        while let Some(Content { text, base: Some(base), .. }) = next {
            changes.push(text);
            next = self.all.get(base);
        }
        let mut value = next.and_then(|content| serde_json::from_str(&content.text).ok()).unwrap_or_default();
        for text in changes.into_iter().rev() {
            let changes: Vec<delta::Change> = serde_json::from_str(text).unwrap_or_default();
            // Changes that were taken from these very values lead from one to the other.
            let _ = delta::apply(&mut value, &changes);
        }
        value
    }

    /// The field `contents` of the document.
    pub(super) fn write(&self, text: &mut String) {
        text.push('{');
        for (index, (name, content)) in self.all.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            match content.base {
                None => text.push_str(&format!("{comma}\n\"{name}\":{{\"full\":{}}}", content.text)),
                Some(base) => {
                    text.push_str(&format!("{comma}\n\"{name}\":{{\"base\":\"{base}\",\"changes\":{}}}", content.text));
                }
            }
        }
        text.push('}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Kind;
    use crate::read::Read;
    use serde_json::json;

    fn key() -> ObjectKey {
        ObjectKey::new(Kind::ConfigMap, "a", "b")
    }

    fn map(version: usize) -> Item {
        let text = "x".repeat(500);
        let wire = json!({"metadata": {"name": "b", "namespace": "a", "resourceVersion": version.to_string()}, "data": {"text": text}});
        Item::Object(Seen::decode(Kind::ConfigMap, wire))
    }

    fn hold(contents: &mut Contents, version: usize) -> Name {
        contents.hold(Subject::Object(key()), map(version))
    }

    /// Every value can be made from what is stored, and is what its name says.
    fn check(contents: &Contents, names: &[Name]) {
        assert_eq!(contents.all.len(), names.len());
        for name in names {
            assert_eq!(Name::of(&contents.value(*name).to_string()), *name);
        }
        let bytes: usize = contents.all.values().map(|content| content.text.len() + OVERHEAD).sum();
        assert_eq!(contents.bytes(), bytes);
    }

    #[test]
    fn a_new_version_costs_its_changes_and_the_same_nothing() {
        let mut contents = Contents::default();
        let first = hold(&mut contents, 1);
        let alone = contents.bytes();
        assert_eq!(hold(&mut contents, 1), first);
        assert_eq!(contents.bytes(), alone);
        let second = hold(&mut contents, 2);
        assert!(contents.bytes() - alone < 300, "{}", contents.bytes() - alone);
        check(&contents, &[first, second]);
    }

    #[test]
    fn whatever_is_forgotten_the_others_can_still_be_made() {
        for gone in 0..5 {
            let mut contents = Contents::default();
            let names: Vec<Name> = (0..5).map(|version| hold(&mut contents, version)).collect();
            let back = hold(&mut contents, 1);
            assert_eq!(back, names[1]);
            contents.release(back);
            contents.release(names[gone]);
            let left: Vec<Name> = names.iter().copied().filter(|name| *name != names[gone]).collect();
            check(&contents, &left);
            left.iter().for_each(|name| contents.release(*name));
            assert!(contents.all.is_empty() && contents.latest.is_empty() && contents.bytes() == 0);
        }
    }

    #[test]
    fn the_last_answers_of_each_root_are_counted_until_they_are_forgotten() {
        let mut contents = Contents::default();
        let answers = |text: &str| {
            Item::Answers(vec![Answered {
                read: Read::object(ObjectKey::new(Kind::Pod, "a", text)),
                found: Found::NoSuchKind,
            }])
        };
        let long = "x".repeat(5000);
        let subject = |root: &str| Subject::Answers("p", ObjectKey::new(Kind::Workspace, "a", root));
        let first = contents.hold(subject("one"), answers(&long));
        assert!(contents.bytes() > 10_000, "the text, and what it was made from: {}", contents.bytes());
        let second = contents.hold(subject("one"), answers("short"));
        assert!(contents.bytes() < 7_000, "what is not the last any more is text alone: {}", contents.bytes());
        [first, second].into_iter().for_each(|name| contents.release(name));
        assert_eq!(contents.bytes(), 0);
    }

    #[test]
    fn a_long_history_stands_in_full_now_and_then() {
        let mut contents = Contents::default();
        let names: Vec<Name> = (0..100).map(|version| hold(&mut contents, version)).collect();
        assert_eq!(contents.all.values().filter(|content| content.base.is_none()).count(), 1 + 99 / (MOST_CHANGES + 1));
        check(&contents, &names);
    }
}
