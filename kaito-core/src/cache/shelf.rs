//! The objects of one kind, found by name, by namespace, or by the value of the label that they are watched for.

use crate::object::{ObjectKey, Seen};
use crate::read::Selector;
use std::collections::{BTreeMap, BTreeSet};

/// What one watch has told.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    /// The label that every object here carries; most lists ask for one value of it.
    label: Option<&'static str>,
    objects: BTreeMap<ObjectKey, Seen>,
    by_value: BTreeMap<String, BTreeSet<ObjectKey>>,
}

impl Shelf {
    pub(super) fn new(label: Option<&'static str>) -> Self {
        Self { label, ..Self::default() }
    }

    pub(super) fn get(&self, key: &ObjectKey) -> Option<&Seen> {
        self.objects.get(key)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &ObjectKey> {
        self.objects.keys()
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Seen> {
        self.objects.values()
    }

    /// Puts an object in the place of the former one.
    pub(super) fn insert(&mut self, seen: Seen) -> Option<Seen> {
        let key = seen.key();
        let old = self.remove(&key);
        if let Some(value) = self.value(&seen) {
            self.by_value.entry(value).or_default().insert(key.clone());
        }
        self.objects.insert(key, seen);
        old
    }

    pub(super) fn remove(&mut self, key: &ObjectKey) -> Option<Seen> {
        let old = self.objects.remove(key)?;
        if let Some(value) = self.value(&old)
            && let Some(keys) = self.by_value.get_mut(&value)
        {
            keys.remove(key);
            if keys.is_empty() {
                self.by_value.remove(&value);
            }
        }
        Some(old)
    }

    fn value(&self, seen: &Seen) -> Option<String> {
        seen.labels().get(self.label?).cloned()
    }

    /// Few objects among which are all that such a list asks for.
    pub(super) fn among<'a>(
        &'a self,
        namespace: Option<&'a str>,
        selector: &Selector,
    ) -> Box<dyn Iterator<Item = (&'a ObjectKey, &'a Seen)> + 'a> {
        if let Some(value) = self.label.and_then(|label| selector.0.get(label)) {
            let keys = self.by_value.get(value).into_iter().flatten();
            return Box::new(keys.filter_map(|key| self.objects.get_key_value(key)));
        }
        match (namespace, self.objects.keys().next()) {
            (Some(namespace), Some(some)) => {
                let first = ObjectKey { kind: some.kind, namespace: Some(namespace.to_owned()), name: String::new() };
                let inside = move |key: &ObjectKey| key.namespace.as_deref() == Some(namespace);
                Box::new(self.objects.range(first..).take_while(move |(key, _)| inside(key)))
            }
            _ => Box::new(self.objects.iter()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Kind;
    use serde_json::json;

    fn pod(namespace: &str, name: &str, workspace: &str) -> Seen {
        let labels = json!({"kaito.sh/workspace": workspace});
        Seen::decode(Kind::Pod, json!({"metadata": {"name": name, "namespace": namespace, "labels": labels}}))
    }

    fn names(shelf: &Shelf, namespace: Option<&str>, selector: &Selector) -> Vec<String> {
        shelf.among(namespace, selector).map(|(key, _)| format!("{}/{}", key.namespace(), key.name)).collect()
    }

    #[test]
    fn a_list_looks_at_those_of_its_label_or_of_its_namespace_and_at_no_others() {
        let (of_a, any) = (Selector::of([("kaito.sh/workspace", "a")]), Selector::default());
        for label in [None, Some("kaito.sh/workspace")] {
            let mut shelf = Shelf::new(label);
            for seen in [pod("x", "1", "a"), pod("x", "2", "b"), pod("y", "3", "a"), pod("y", "4", "b")] {
                assert_eq!(shelf.insert(seen), None);
            }
            assert_eq!(names(&shelf, Some("x"), &any), ["x/1", "x/2"]);
            assert_eq!(names(&shelf, Some("xx"), &any), [""; 0]);
            assert_eq!(names(&shelf, None, &any).len(), 4);
            let found: &[&str] = if label.is_some() { &["x/1", "y/3"] } else { &["x/1", "x/2"] };
            assert_eq!(names(&shelf, Some("x"), &of_a), found);
        }
    }

    #[test]
    fn an_object_that_changes_its_label_or_goes_is_found_where_it_is() {
        let mut shelf = Shelf::new(Some("kaito.sh/workspace"));
        let [of_a, of_b] = ["a", "b"].map(|workspace| Selector::of([("kaito.sh/workspace", workspace)]));
        shelf.insert(pod("x", "1", "a"));
        assert_eq!(shelf.insert(pod("x", "1", "b")), Some(pod("x", "1", "a")));
        assert_eq!(names(&shelf, Some("x"), &of_a), [""; 0]);
        assert_eq!(names(&shelf, Some("x"), &of_b), ["x/1"]);
        assert_eq!(shelf.remove(&pod("x", "1", "b").key()), Some(pod("x", "1", "b")));
        assert_eq!(names(&shelf, Some("x"), &of_b), [""; 0]);
        assert!(shelf.by_value.is_empty());
    }
}
