//! One state of everything, as a row of numbers, and the set of states that were met.

use super::space::{KeyId, SlotId};

/// How the product stands to one root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stand {
    /// There is a reason to look at it.
    Due,
    /// It was looked at, and nothing of what was read has changed since; the number is that of what was read.
    Quiet(u32),
    /// It is being looked at: where its machine stands, and whether anything of what it has read has changed since.
    UnderWay { node: u32, touched: bool },
}

impl Stand {
    fn encode(self) -> u32 {
        match self {
            Stand::Due => 0,
            Stand::Quiet(reads) => (reads << 2) | 1,
            Stand::UnderWay { node, touched } => (node << 2) | 2 | u32::from(touched),
        }
    }

    fn decode(code: u32) -> Self {
        match code & 3 {
            0 => Stand::Due,
            1 => Stand::Quiet(code >> 2),
            low => Stand::UnderWay { node: code >> 2, touched: low == 3 },
        }
    }
}

/// Everything that decides what can happen: what the user and fate have left to do, how the product stands to each root, and what is at each key. The other controllers remember nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    /// `[crashes left, deletions left, roots deleted as bits, a stand for each root, a slot for each key]`
    row: Vec<u32>,
    roots: usize,
}

const CRASHES: usize = 0;
const DELETIONS: usize = 1;
const DELETED: usize = 2;
const HEAD: usize = 3;

impl State {
    /// Every root is due, and nothing is there.
    pub(super) fn new(roots: usize, crashes: u32, deletions: u32) -> Self {
        let mut row = vec![0; HEAD + roots];
        (row[CRASHES], row[DELETIONS]) = (crashes, deletions);
        Self { row, roots }
    }

    pub(super) fn slot(&self, key: KeyId) -> SlotId {
        self.row.get(HEAD + self.roots + key as usize).copied().unwrap_or_default()
    }

    pub(super) fn set_slot(&mut self, key: KeyId, slot: SlotId) {
        let at = HEAD + self.roots + key as usize;
        if at >= self.row.len() {
            self.row.resize(at + 1, 0);
        }
        self.row[at] = slot;
    }

    pub(super) fn slots(&self) -> &[SlotId] {
        &self.row[HEAD + self.roots..]
    }

    pub(super) fn roots(&self) -> usize {
        self.roots
    }

    pub(super) fn stand(&self, root: usize) -> Stand {
        Stand::decode(self.row[HEAD + root])
    }

    pub(super) fn set_stand(&mut self, root: usize, stand: Stand) {
        self.row[HEAD + root] = stand.encode();
    }

    pub(super) fn is_under_way(&self, root: usize) -> bool {
        matches!(self.stand(root), Stand::UnderWay { .. })
    }

    /// Uses up one crash; `false` when none is left.
    pub(super) fn spend_crash(&mut self) -> bool {
        let left = self.row[CRASHES];
        self.row[CRASHES] = left.saturating_sub(1);
        left > 0
    }

    /// Uses up one deletion, of this root; `false` when none is left, or it was deleted before.
    pub(super) fn spend_deletion(&mut self, root: usize) -> bool {
        if self.row[DELETIONS] == 0 || self.is_deleted(root) {
            return false;
        }
        self.row[DELETIONS] -= 1;
        self.row[DELETED] |= 1 << root;
        true
    }

    /// Whether the user has deleted a root.
    pub(super) fn is_deleted(&self, root: usize) -> bool {
        self.row[DELETED] & (1 << root) != 0
    }

    /// 128 bits that stand for the state. Keys that came later and are empty here make no difference.
    pub(super) fn hash(&self) -> u128 {
        let mut sum = 0_u128;
        for (place, value) in self.row.iter().enumerate().filter(|(_, value)| **value != 0) {
            let word = ((place as u64) << 32) | u64::from(*value);
            let (low, high) = (mix(word), mix(word ^ 0x5851_f42d_4c95_7f2d));
            sum = sum.wrapping_add((u128::from(high) << 64) | u128::from(low));
        }
        sum
    }
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// The states that were met, by hash, each with its place in the order of meeting: a table with open addressing, for there are millions.
#[derive(Debug, Default)]
pub(super) struct Met {
    hashes: Vec<u128>,
    /// Places plus one; zero is free.
    table: Vec<u32>,
}

impl Met {
    /// The place of a state, and whether it was met just now for the first time.
    pub(super) fn meet(&mut self, hash: u128) -> (u32, bool) {
        if (self.hashes.len() + 1) * 2 > self.table.len() {
            self.grow();
        }
        let at = self.find(hash);
        if self.table[at] != 0 {
            return (self.table[at] - 1, false);
        }
        let place = super::space::number(self.hashes.len());
        self.hashes.push(hash);
        self.table[at] = place + 1;
        (place, true)
    }

    pub(super) fn len(&self) -> usize {
        self.hashes.len()
    }

    fn find(&self, hash: u128) -> usize {
        let mask = self.table.len() - 1;
        let mut at = (hash as usize) & mask;
        while self.table[at] != 0 && self.hashes[self.table[at] as usize - 1] != hash {
            at = (at + 1) & mask;
        }
        at
    }

    fn grow(&mut self) {
        self.table = vec![0; (self.table.len() * 2).max(1024)];
        for place in 0..self.hashes.len() {
            let at = self.find(self.hashes[place]);
            self.table[at] = super::space::number(place) + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_met_once_whatever_keys_came_later() {
        let (mut met, mut state) = (Met::default(), State::new(2, 1, 0));
        state.set_stand(1, Stand::UnderWay { node: 7, touched: true });
        assert_eq!(met.meet(state.hash()), (0, true));
        let mut other = state.clone();
        other.set_slot(9, 0);
        assert_eq!(met.meet(other.hash()), (0, false));
        for slot in 1..5000 {
            other.set_slot(3, slot);
            assert_eq!(met.meet(other.hash()), (slot, true));
        }
        assert_eq!((met.meet(state.hash()), met.len()), ((0, false), 5000));
        assert_eq!(other.stand(1), state.stand(1));
    }
}
