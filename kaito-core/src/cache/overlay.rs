//! Read your own writes over a cache that lags.
//!
//! Every write of ours is remembered until the cache has passed it: by version for a change, by uid for a deletion. A plan made a moment after a write sees what was written.

use super::version;
use crate::kinds::Kind;
use crate::object::{ObjectKey, Seen};
use std::collections::BTreeMap;

/// Own recent writes.
#[derive(Debug, Default)]
pub(super) struct Overlay {
    entries: BTreeMap<ObjectKey, Entry>,
}

#[derive(Debug, Clone)]
enum Entry {
    /// What the server answered to our write.
    Now(Box<Seen>),
    /// The object with this uid is gone.
    Gone { uid: String },
}

impl Overlay {
    /// Remembers what the server answered to a write.
    pub(super) fn wrote(&mut self, seen: Seen) {
        self.entries.insert(seen.key(), Entry::Now(Box::new(seen)));
    }

    /// Remembers that an object is gone.
    pub(super) fn deleted(&mut self, key: ObjectKey, uid: String) {
        self.entries.insert(key, Entry::Gone { uid });
    }

    /// The object as it must be seen: what the cache holds, or our newer write.
    pub(super) fn lay_over<'a>(&'a self, key: &ObjectKey, cached: Option<&'a Seen>) -> Option<&'a Seen> {
        match (self.entries.get(key), cached) {
            (None, cached) => cached,
            (Some(Entry::Gone { uid }), Some(cached)) if uid_of(cached) == Some(uid) => None,
            (Some(Entry::Gone { .. }), cached) => cached,
            (Some(Entry::Now(own)), Some(cached)) if has_passed(cached, own) => Some(cached),
            (Some(Entry::Now(own)), _) => Some(own),
        }
    }

    /// Own writes of a kind, which a list must include or replace.
    pub(super) fn written(&self, kind: Kind) -> impl Iterator<Item = (&ObjectKey, Option<&Seen>)> {
        let first = ObjectKey { kind, namespace: None, name: String::new() };
        let of_kind = self.entries.range(first..).take_while(move |(key, _)| key.kind == kind);
        of_kind.map(|(key, entry)| match entry {
            Entry::Now(seen) => (key, Some(seen.as_ref())),
            Entry::Gone { .. } => (key, None),
        })
    }

    /// Forgets what the cache has passed; called for each change that the cache reports. `cached` is the object after the change.
    pub(super) fn settle(&mut self, key: &ObjectKey, cached: Option<&Seen>) {
        let settled = match (self.entries.get(key), cached) {
            (Some(Entry::Now(own)), Some(cached)) => has_passed(cached, own),
            // A deletion in the cache: our write was to an object that is gone now, or to a newer namesake, which must stay.
            (Some(Entry::Now(_)), None) => false,
            (Some(Entry::Gone { uid }), cached) => cached.and_then(uid_of) != Some(uid),
            (None, _) => false,
        };
        if settled {
            self.entries.remove(key);
        }
    }

    /// The cache has seen the deletion of this very object.
    pub(super) fn saw_deletion(&mut self, key: &ObjectKey, uid: &str) {
        let same = match self.entries.get(key) {
            Some(Entry::Now(own)) => uid_of(own).is_some_and(|own| own == uid),
            Some(Entry::Gone { uid: gone }) => gone == uid,
            None => false,
        };
        if same {
            self.entries.remove(key);
        }
    }

    /// Whether nothing is remembered.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

fn uid_of(seen: &Seen) -> Option<&String> {
    seen.metadata().uid.as_ref()
}

/// Whether the cached object is at least as new as our write; one whose version says nothing is believed.
fn has_passed(cached: &Seen, own: &Seen) -> bool {
    match (version(cached), version(own)) {
        (Some(cached), Some(own)) => cached >= own,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn claim(uid: &str, version: &str) -> Seen {
        Seen::decode(Kind::NodeClaim, json!({"metadata": {"name": "ws1", "uid": uid, "resourceVersion": version}}))
    }

    #[test]
    fn a_write_hides_the_older_cache_until_the_cache_has_passed_it() {
        let (mut overlay, key) = (Overlay::default(), claim("u", "1").key());
        overlay.wrote(claim("u", "7"));
        let (old, new) = (claim("u", "6"), claim("u", "8"));
        assert_eq!(overlay.lay_over(&key, Some(&old)), Some(&claim("u", "7")));
        assert_eq!(overlay.lay_over(&key, None), Some(&claim("u", "7")));
        assert_eq!(overlay.lay_over(&key, Some(&new)), Some(&new));
        overlay.settle(&key, Some(&old));
        assert!(!overlay.is_empty());
        overlay.settle(&key, Some(&new));
        assert!(overlay.is_empty());
    }

    #[test]
    fn a_deletion_hides_that_object_and_no_namesake() {
        let (mut overlay, key) = (Overlay::default(), claim("u", "1").key());
        overlay.deleted(key.clone(), "u".into());
        let (dead, namesake) = (claim("u", "9"), claim("v", "10"));
        assert_eq!(overlay.lay_over(&key, Some(&dead)), None);
        assert_eq!(overlay.lay_over(&key, Some(&namesake)), Some(&namesake));
        overlay.saw_deletion(&key, "u");
        assert!(overlay.is_empty());
    }
}
