//! Who wakes whom: reads *are* the wake-ups.
//!
//! After each reconcile the root's read set is recorded. A change of an object wakes every root whose last reads match the object as it was or as it is.

use crate::hub::ModelQuery;
use crate::kinds::Kind;
use crate::object::{ObjectKey, Seen};
use crate::read::{Read, Selector};
use std::collections::{BTreeMap, BTreeSet};

/// The read sets of all roots, by what they ask about.
#[derive(Debug, Clone, Default)]
pub struct ReadIndex {
    by_root: BTreeMap<ObjectKey, BTreeSet<Read>>,
    by_object: BTreeMap<ObjectKey, BTreeSet<ObjectKey>>,
    /// Lists, by kind and by the first pair of their selector, so that a change looks at few of them.
    by_list: BTreeMap<ListSlot, BTreeSet<(ObjectKey, Read)>>,
    by_model: BTreeMap<ModelQuery, BTreeSet<ObjectKey>>,
}

/// A kind, and the first pair of a selector.
type ListSlot = (Kind, Option<(String, String)>);

impl ReadIndex {
    /// Replaces what a root depends on.
    pub fn record(&mut self, root: &ObjectKey, reads: BTreeSet<Read>) {
        if self.by_root.get(root) == Some(&reads) {
            return;
        }
        self.forget(root);
        for read in &reads {
            match read {
                Read::Object { key, .. } => {
                    self.by_object.entry(key.clone()).or_default().insert(root.clone());
                }
                Read::List { kind, selector, .. } => {
                    let slot = list_slot(*kind, selector);
                    self.by_list.entry(slot).or_default().insert((root.clone(), read.clone()));
                }
                // Nobody is told when a container prints something, or a Node runs another pod.
                Read::PodsOn { .. } | Read::Log(_) => {}
                Read::Model(query) => {
                    self.by_model.entry(query.clone()).or_default().insert(root.clone());
                }
            }
        }
        self.by_root.insert(root.clone(), reads);
    }

    /// What a root depends on.
    pub fn reads(&self, root: &ObjectKey) -> impl Iterator<Item = &Read> {
        self.by_root.get(root).into_iter().flatten()
    }

    /// Drops a root that is gone.
    pub fn forget(&mut self, root: &ObjectKey) {
        for read in self.by_root.remove(root).unwrap_or_default() {
            match &read {
                Read::Object { key, .. } => prune(&mut self.by_object, key, root),
                Read::List { kind, selector, .. } => {
                    let slot = list_slot(*kind, selector);
                    prune(&mut self.by_list, &slot, &(root.clone(), read.clone()));
                }
                Read::PodsOn { .. } | Read::Log(_) => {}
                Read::Model(query) => prune(&mut self.by_model, query, root),
            }
        }
    }

    /// The roots that asked about a repository.
    pub fn asked_about(&self, query: &ModelQuery) -> BTreeSet<ObjectKey> {
        self.by_model.get(query).cloned().unwrap_or_default()
    }

    /// The roots to look at again after a change. `old` is `None` for a creation, `new` for a deletion.
    pub fn wakes(&self, old: Option<&Seen>, new: Option<&Seen>) -> BTreeSet<ObjectKey> {
        let mut woken = BTreeSet::new();
        for seen in [old, new].into_iter().flatten() {
            woken.extend(self.by_object.get(&seen.key()).into_iter().flatten().cloned());
            let pairs = seen
                .labels()
                .iter()
                .map(|(key, value)| Some((key.clone(), value.clone())))
                .chain([None])
                .collect::<Vec<_>>();
            for pair in pairs {
                let lists = self.by_list.get(&(seen.kind(), pair)).into_iter().flatten();
                woken.extend(lists.filter(|(_, read)| read.matches(seen)).map(|(root, _)| root.clone()));
            }
        }
        woken
    }
}

fn list_slot(kind: Kind, selector: &Selector) -> ListSlot {
    (kind, selector.0.iter().next().map(|(key, value)| (key.clone(), value.clone())))
}

fn prune<K: Ord, V: Ord>(index: &mut BTreeMap<K, BTreeSet<V>>, key: &K, value: &V) {
    if let Some(values) = index.get_mut(key) {
        values.remove(value);
        if values.is_empty() {
            index.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn node(name: &str, workspace: &str) -> Seen {
        Seen::decode(
            Kind::Node,
            json!({"metadata": {"name": name, "labels": {"kaito.sh/workspace": workspace, "zone": "1"}}}),
        )
    }

    #[test]
    fn a_change_wakes_the_roots_that_read_it_by_name_or_by_label_before_or_after() {
        let root = |name: &str| ObjectKey::new(Kind::Workspace, "default", name);
        let mut index = ReadIndex::default();
        index.record(&root("a"), [Read::list(Kind::Node, None, Selector::of([("kaito.sh/workspace", "a")]))].into());
        index.record(&root("b"), [Read::object(ObjectKey::cluster(Kind::Node, "n1"))].into());
        index.record(&root("all"), [Read::list(Kind::Node, None, Selector::default())].into());
        let names = |woken: BTreeSet<ObjectKey>| woken.into_iter().map(|key| key.name).collect::<Vec<_>>();

        assert_eq!(names(index.wakes(None, Some(&node("n1", "a")))), ["a", "all", "b"]);
        assert_eq!(names(index.wakes(Some(&node("n2", "a")), Some(&node("n2", "x")))), ["a", "all"]);
        assert_eq!(names(index.wakes(Some(&node("n2", "x")), None)), ["all"]);

        index.record(&root("b"), BTreeSet::new());
        index.forget(&root("all"));
        assert_eq!(names(index.wakes(None, Some(&node("n1", "a")))), ["a"]);
    }
}
