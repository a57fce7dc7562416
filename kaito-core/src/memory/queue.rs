//! What is looked at next: by time, and among equals in the order in which it was asked for.

use crate::object::ObjectKey;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// A root of one of the planners of a world, which are numbered.
pub(super) type Root = (usize, ObjectKey);

#[derive(Debug, Clone, Copy)]
struct Entry {
    at: Timestamp,
    tick: u64,
    /// Something happened for it; else it is only a periodic look.
    happened: bool,
}

/// One look at most for each root, the earlier of two.
#[derive(Debug, Default)]
pub(super) struct Queue {
    due: BTreeSet<(Timestamp, u64, Root)>,
    entries: BTreeMap<Root, Entry>,
    happened: usize,
    ticks: u64,
}

impl Queue {
    /// Asks for a look at a time; the earlier of two wins, and that something happened is not forgotten.
    pub(super) fn at(&mut self, root: Root, at: Timestamp, happened: bool) {
        self.ticks += 1;
        let old = self.remove(&root);
        let (at, tick) =
            old.map_or((at, self.ticks), |old| if old.at <= at { (old.at, old.tick) } else { (at, self.ticks) });
        let happened = happened || old.is_some_and(|old| old.happened);
        self.happened += usize::from(happened);
        self.due.insert((at, tick, root.clone()));
        self.entries.insert(root, Entry { at, tick, happened });
    }

    /// Takes the next root that is due until `end`.
    pub(super) fn pop(&mut self, end: Timestamp) -> Option<(Timestamp, Root)> {
        let (at, _, root) = self.due.first().filter(|(at, ..)| *at <= end)?.clone();
        self.remove(&root);
        Some((at, root))
    }

    /// Forgets every look of one planner.
    pub(super) fn forget(&mut self, planner: usize) {
        let roots: Vec<Root> = self.entries.keys().filter(|root| root.0 == planner).cloned().collect();
        for root in &roots {
            self.remove(root);
        }
    }

    /// Whether only periodic looks are left.
    pub(super) fn is_calm(&self) -> bool {
        self.happened == 0
    }

    fn remove(&mut self, root: &Root) -> Option<Entry> {
        let entry = self.entries.remove(root)?;
        self.due.remove(&(entry.at, entry.tick, root.clone()));
        self.happened -= usize::from(entry.happened);
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Kind;

    #[test]
    fn the_earlier_of_two_looks_wins_and_equals_keep_their_order() {
        let root = |name: &str| (0, ObjectKey::new(Kind::Workspace, "default", name));
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let mut queue = Queue::default();
        queue.at(root("b"), at(10), false);
        queue.at(root("a"), at(10), true);
        queue.at(root("b"), at(20), true);
        assert!(!queue.is_calm());
        assert_eq!(queue.pop(at(5)), None);
        assert_eq!(queue.pop(at(10)), Some((at(10), root("b"))));
        queue.forget(0);
        assert!(queue.is_calm() && queue.pop(at(99)).is_none());
    }
}
