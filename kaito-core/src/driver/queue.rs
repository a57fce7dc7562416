//! Who is looked at next, and when.
//!
//! The earliest time wins, and one root is not looked at twice at once. Times are durations since a start of the caller's choice: a monotonic clock in a controller, the virtual one in the
//! memory world.

use crate::object::ObjectKey;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

#[derive(Debug, Clone, Copy)]
struct Entry {
    at: Duration,
    /// Something happened for it; else it is only a periodic look.
    news: bool,
}

/// Roots by the time of their next look.
#[derive(Debug, Clone, Default)]
pub(super) struct Queue {
    entries: BTreeMap<ObjectKey, Entry>,
    order: BTreeSet<(Duration, ObjectKey)>,
    news: usize,
}

impl Queue {
    /// Look at a root at this time at the latest. That something has happened for it is not forgotten.
    pub(super) fn at_latest(&mut self, root: &ObjectKey, at: Duration, news: bool) {
        let known = self.entries.get(root).copied();
        let entry = Entry {
            at: known.map_or(at, |known| known.at.min(at)),
            news: news || known.is_some_and(|known| known.news),
        };
        if known.is_some_and(|known| known.at == entry.at && known.news == entry.news) {
            return;
        }
        self.remove(root);
        self.news += usize::from(entry.news);
        self.entries.insert(root.clone(), entry);
        self.order.insert((entry.at, root.clone()));
    }

    /// Looks at a root that is waited for no sooner than this.
    pub(super) fn not_before(&mut self, root: &ObjectKey, at: Duration) {
        if let Some(entry) = self.entries.get(root).copied().filter(|entry| entry.at < at) {
            self.remove(root);
            self.at_latest(root, at, entry.news);
        }
    }

    /// Forgets when a root was to be looked at.
    pub(super) fn remove(&mut self, root: &ObjectKey) {
        if let Some(entry) = self.entries.remove(root) {
            self.order.remove(&(entry.at, root.clone()));
            self.news -= usize::from(entry.news);
        }
    }

    /// Takes the root that has waited longest, of those that are due and not busy.
    pub(super) fn take(&mut self, now: Duration, busy: impl Fn(&ObjectKey) -> bool) -> Option<ObjectKey> {
        let mut due = self.order.iter().take_while(|(at, _)| *at <= now);
        let root = due.find(|(_, root)| !busy(root)).map(|(_, root)| root.clone())?;
        self.remove(&root);
        Some(root)
    }

    /// When the next root that is not busy is due.
    pub(super) fn next(&self, busy: impl Fn(&ObjectKey) -> bool) -> Option<Duration> {
        self.order.iter().find(|(_, root)| !busy(root)).map(|(at, _)| *at)
    }

    /// When a root is due.
    pub(super) fn when(&self, root: &ObjectKey) -> Option<Duration> {
        self.entries.get(root).map(|entry| entry.at)
    }

    /// How many are due.
    pub(super) fn due(&self, now: Duration) -> usize {
        self.order.iter().take_while(|(at, _)| *at <= now).count()
    }

    /// Whether only periodic looks are left.
    pub(super) fn is_calm(&self) -> bool {
        self.news == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Kind;

    #[test]
    fn the_earliest_time_wins_the_busy_wait_and_news_is_not_forgotten() {
        let root = |name: &str| ObjectKey::new(Kind::Workspace, "a", name);
        let (start, later) = (Duration::from_secs(1), Duration::from_secs(9));
        let mut queue = Queue::default();
        queue.at_latest(&root("one"), later, true);
        queue.at_latest(&root("one"), start, false);
        queue.at_latest(&root("one"), later, false);
        queue.at_latest(&root("two"), later, false);
        assert!(!queue.is_calm());
        assert_eq!((queue.due(start), queue.due(later)), (1, 2));
        assert_eq!(queue.take(start, |key| key.name == "one"), None);
        assert_eq!(queue.next(|key| key.name == "one"), Some(later));
        assert_eq!(queue.take(start, |_| false), Some(root("one")));
        assert!(queue.is_calm());
        assert_eq!(queue.take(start, |_| false), None);
        queue.remove(&root("two"));
        assert_eq!(queue.next(|_| false), None);
    }
}
