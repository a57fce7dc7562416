//! Who is looked at next, and when.
//!
//! Own code instead of kube-runtime's applier: that one looks only at roots which a reflector of one Rust type holds, so that a root that is gone is never planned again;
//! it cannot take back the long wait of a root; and it does not tell how many wait. What is left of it is this: the earliest time wins, and one root is not looked at twice at once.

use kaito_core::ObjectKey;
use std::collections::{BTreeMap, BTreeSet};
use tokio::time::Instant;

/// Roots by the time of their next look.
#[derive(Debug, Default)]
pub(super) struct Queue {
    times: BTreeMap<ObjectKey, Instant>,
    order: BTreeSet<(Instant, ObjectKey)>,
}

impl Queue {
    /// Look at a root at this time at the latest.
    pub(super) fn at_latest(&mut self, root: &ObjectKey, time: Instant) {
        if self.times.get(root).is_some_and(|known| *known <= time) {
            return;
        }
        self.remove(root);
        self.times.insert(root.clone(), time);
        self.order.insert((time, root.clone()));
    }

    /// Forgets when a root was to be looked at.
    pub(super) fn remove(&mut self, root: &ObjectKey) {
        if let Some(time) = self.times.remove(root) {
            self.order.remove(&(time, root.clone()));
        }
    }

    /// Takes the root that has waited longest, of those that are due and not busy.
    pub(super) fn take(&mut self, now: Instant, busy: impl Fn(&ObjectKey) -> bool) -> Option<ObjectKey> {
        let mut due = self.order.iter().take_while(|(time, _)| *time <= now);
        let root = due.find(|(_, root)| !busy(root)).map(|(_, root)| root.clone())?;
        self.remove(&root);
        Some(root)
    }

    /// When the next root that is not busy is due.
    pub(super) fn next(&self, busy: impl Fn(&ObjectKey) -> bool) -> Option<Instant> {
        self.order.iter().find(|(_, root)| !busy(root)).map(|(time, _)| *time)
    }

    /// How many are due.
    pub(super) fn due(&self, now: Instant) -> usize {
        self.order.iter().take_while(|(time, _)| *time <= now).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kaito_core::Kind;
    use std::time::Duration;

    #[test]
    fn the_earliest_time_wins_and_the_busy_wait() {
        let root = |name: &str| ObjectKey::new(Kind::Workspace, "a", name);
        let start = Instant::now();
        let later = start + Duration::from_secs(9);
        let mut queue = Queue::default();
        queue.at_latest(&root("one"), later);
        queue.at_latest(&root("one"), start);
        queue.at_latest(&root("one"), later);
        queue.at_latest(&root("two"), later);
        assert_eq!((queue.due(start), queue.due(later)), (1, 2));
        assert_eq!(queue.take(start, |key| key.name == "one"), None);
        assert_eq!(queue.next(|key| key.name == "one"), Some(later));
        assert_eq!(queue.take(start, |_| false), Some(root("one")));
        assert_eq!(queue.take(start, |_| false), None);
        queue.remove(&root("two"));
        assert_eq!(queue.next(|_| false), None);
    }
}
