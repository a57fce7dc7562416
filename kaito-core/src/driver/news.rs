//! The changes of a short while, for looks that are under way.

use crate::cache::Change;
use std::collections::VecDeque;

/// So many changes are remembered; a look that takes longer than they do is repeated.
const MOST: usize = 1024;

/// Changes in order; each has a place that never changes.
#[derive(Debug, Clone, Default)]
pub(super) struct News {
    changes: VecDeque<Change>,
    /// The place of the first one that is still remembered.
    start: u64,
}

impl News {
    /// The place of the next change.
    pub(super) fn end(&self) -> u64 {
        self.start + self.changes.len() as u64
    }

    pub(super) fn push(&mut self, change: Change) {
        if self.changes.len() == MOST {
            self.changes.pop_front();
            self.start += 1;
        }
        self.changes.push_back(change);
    }

    /// Everything from a place on; `None` when some of it is forgotten.
    pub(super) fn since(&self, place: u64) -> Option<impl Iterator<Item = &Change>> {
        let skipped = usize::try_from(place.checked_sub(self.start)?).ok()?;
        Some(self.changes.iter().skip(skipped))
    }

    /// Nobody asks any more for what came before this place.
    pub(super) fn forget_before(&mut self, place: u64) {
        let gone = usize::try_from(place.saturating_sub(self.start)).unwrap_or(usize::MAX).min(self.changes.len());
        self.changes.drain(..gone);
        self.start += gone as u64;
    }

    /// How many are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.changes.len()
    }
}
