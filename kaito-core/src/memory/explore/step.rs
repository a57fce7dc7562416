//! What can happen next: everything that leads from one state to others.

use super::Explorer;
use super::paths::{Asks, NodeId, PRODUCT};
use super::space::{KeyId, NOTHING, SlotId, Version, number};
use super::state::{Stand, State};

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Via {
    /// The product looks at a root, and plans.
    Look(usize),
    /// The product carries out what a node wishes.
    Write(NodeId),
    /// One whole reconcile of another controller, from its fresh node.
    Act(NodeId),
    /// The process of the product ends, and another one starts.
    Crash,
    /// The user deletes a root.
    Delete(usize),
}

impl Via {
    pub(super) fn encode(self) -> u32 {
        match self {
            Via::Look(root) => number(root) << 3,
            Via::Write(node) => (node << 3) | 1,
            Via::Act(node) => (node << 3) | 2,
            Via::Crash => 3,
            Via::Delete(root) => (number(root) << 3) | 4,
        }
    }

    pub(super) fn decode(code: u32) -> Self {
        let rest = code >> 3;
        match code & 7 {
            0 => Via::Look(rest as usize),
            1 => Via::Write(rest),
            2 => Via::Act(rest),
            3 => Via::Crash,
            _ => Via::Delete(rest as usize),
        }
    }
}

/// What can happen in one state.
#[derive(Debug, Default)]
pub(super) struct Next {
    pub(super) states: Vec<(Via, State)>,
    /// Whether any of it happens by itself; crashes and users do not.
    pub(super) goes_on: bool,
    /// Objects of others that the product touches, and what goes wrong in a look.
    pub(super) wrongs: Vec<(&'static str, String)>,
}

impl Explorer {
    /// Everything that can happen.
    pub(super) fn next(&mut self, state: &State, next: &mut Next) {
        next.states.clear();
        next.wrongs.clear();
        for root in 0..state.roots() {
            next.states.extend(self.product(state, root, &mut next.wrongs));
        }
        self.actors(state, &mut next.states);
        next.goes_on = !next.states.is_empty();
        next.states.extend(self.crash(state));
        for root in 0..state.roots() {
            next.states.extend(self.deletion(state, root));
        }
    }

    /// The product goes on with one root: a look with everything that it reads, or one write.
    fn product(
        &mut self,
        state: &State,
        root: usize,
        wrongs: &mut Vec<(&'static str, String)>,
    ) -> Option<(Via, State)> {
        let key = self.roots[root];
        let mut after = state.clone();
        let (node, touched) = match state.stand(root) {
            Stand::Quiet(_) => return None,
            Stand::Due => (self.paths.fresh(PRODUCT, key, &mut self.space), false),
            Stand::UnderWay { node, touched } => (node, touched),
        };
        let Asks::Write { key: target, .. } = *self.paths.asks(node) else {
            let node = self.look(node, state);
            after.set_stand(root, Stand::UnderWay { node, touched });
            self.finish(&mut after, root);
            self.rest(&mut after);
            return Some((Via::Look(root), after));
        };
        if self.paths.is_beyond_us(node) {
            wrongs.push((
                "explorer",
                format!("a plan for {} remembers the version of another object", self.space.key(key)),
            ));
        }
        let version = self.version(state, target, Some(node));
        let edge = self.paths.follow(node, state, version, &mut self.space)?;
        after.set_stand(root, Stand::UnderWay { node: edge.to, touched });
        if let Some(slot) = edge.slot {
            if self.foreign.contains(&target) && slot != state.slot(target) {
                wrongs.push(("I6", format!("{} is somebody else's, and was changed", self.space.key(target))));
            }
            self.put(&mut after, target, slot);
        }
        self.finish(&mut after, root);
        self.rest(&mut after);
        Some((Via::Write(node), after))
    }

    /// Reads on until something is to be written, or nothing is left to do.
    fn look(&mut self, from: NodeId, state: &State) -> NodeId {
        let mut node = from;
        while matches!(self.paths.asks(node), Asks::Read(_))
            && let Some(edge) = self.paths.follow(node, state, Version::Settled, &mut self.space)
        {
            node = edge.to;
        }
        node
    }

    /// The end of a reconcile, where it has come.
    fn finish(&mut self, state: &mut State, root: usize) {
        let Stand::UnderWay { node, touched } = state.stand(root) else { return };
        let Asks::Done(end) = self.paths.asks(node) else { return };
        let stand = if touched || end.again { Stand::Due } else { Stand::Quiet(end.reads) };
        state.set_stand(root, stand);
        self.forget_versions(state, root);
    }

    /// Nobody remembers a version of a root that is not being looked at.
    fn forget_versions(&mut self, state: &mut State, root: usize) {
        let key = self.roots[root];
        let slot = self.space.with_version(key, state.slot(key), Version::Settled);
        state.set_slot(key, slot);
    }

    /// A look that would write nothing leaves nothing behind but what was read: it is taken at once, so that a root is due only where something is to be done.
    pub(super) fn rest(&mut self, state: &mut State) {
        for root in 0..state.roots() {
            if state.stand(root) != Stand::Due {
                continue;
            }
            let fresh = self.paths.fresh(PRODUCT, self.roots[root], &mut self.space);
            let node = self.look(fresh, state);
            if let Asks::Done(end) = self.paths.asks(node) {
                state.set_stand(root, Stand::Quiet(end.reads));
            }
        }
    }

    /// What a fresh look at a root would do, in words; `None` when it would write nothing.
    pub(super) fn would_write(&mut self, state: &State, root: usize) -> Option<String> {
        let fresh = self.paths.fresh(PRODUCT, self.roots[root], &mut self.space);
        let node = self.look(fresh, state);
        match self.paths.asks(node) {
            Asks::Write { key, verb } => Some(format!("{verb} {}", self.space.key(*key))),
            Asks::Done(end) => end.failure.clone(),
            Asks::Read(_) => None,
        }
    }

    /// The version that a write leaves on an object; `writer` is a node of the product.
    fn version(&self, state: &State, target: KeyId, writer: Option<NodeId>) -> Version {
        let under_way = self.roots.iter().position(|key| *key == target).filter(|root| state.is_under_way(*root));
        match (under_way, writer) {
            (None, _) => Version::Settled,
            (Some(_), Some(node)) if self.paths.of(node).1 == target => Version::Own(self.paths.progress(node)),
            (Some(_), _) => Version::Foreign,
        }
    }

    /// Something is written: whoever has read it hears of it.
    fn put(&mut self, state: &mut State, key: KeyId, slot: SlotId) {
        let old = state.slot(key);
        state.set_slot(key, slot);
        if !self.space.differ(old, slot) {
            return;
        }
        for root in 0..state.roots() {
            let root_key = self.roots[root];
            match state.stand(root) {
                Stand::Quiet(reads) if self.paths.wakes(root_key, reads, (old, slot), &self.space) => {
                    state.set_stand(root, Stand::Due);
                }
                Stand::UnderWay { node, touched: false } => {
                    let reads = self.paths.reads(node);
                    if reads.is_some_and(|reads| self.paths.wakes(root_key, reads, (old, slot), &self.space)) {
                        state.set_stand(root, Stand::UnderWay { node, touched: true });
                    }
                }
                Stand::Quiet(_) | Stand::Due | Stand::UnderWay { .. } => {}
            }
        }
    }

    /// Each reconcile of each other controller that changes anything.
    fn actors(&mut self, state: &State, into: &mut Vec<(Via, State)>) {
        for who in PRODUCT + 1..self.paths.planners() {
            let kind = self.paths.planner(who).roots();
            for index in 0..self.space.of_kind(kind).len() {
                let root = self.space.of_kind(kind)[index];
                if self.space.seen(state.slot(root)).is_some() {
                    into.extend(self.act(state, who, root));
                }
            }
        }
    }

    fn act(&mut self, state: &State, who: usize, root: KeyId) -> Option<(Via, State)> {
        let fresh = self.paths.fresh(who, root, &mut self.space);
        let mut node = self.look(fresh, state);
        if matches!(self.paths.asks(node), Asks::Done(_)) {
            return None;
        }
        let mut after = state.clone();
        while !matches!(self.paths.asks(node), Asks::Done(_)) {
            let target = match self.paths.asks(node) {
                Asks::Write { key, .. } => Some(*key),
                Asks::Read(_) | Asks::Done(_) => None,
            };
            let version = target.map_or(Version::Settled, |target| self.version(&after, target, None));
            let edge = self.paths.follow(node, &after, version, &mut self.space)?;
            if let (Some(key), Some(slot)) = (target, edge.slot) {
                self.put(&mut after, key, slot);
            }
            node = edge.to;
        }
        if after == *state {
            return None;
        }
        self.rest(&mut after);
        Some((Via::Act(fresh), after))
    }

    /// The process ends between two requests. Where nothing is under way nothing would be lost but what was read before, which a new process reads again: that crash is left out.
    fn crash(&mut self, state: &State) -> Option<(Via, State)> {
        let mut after = state.clone();
        if !(0..state.roots()).any(|root| state.is_under_way(root)) || !after.spend_crash() {
            return None;
        }
        for root in 0..state.roots() {
            self.forget_versions(&mut after, root);
            let stand = if self.is_known(&after, root) {
                Stand::Due
            } else {
                Stand::Quiet(self.paths.nothing_read(self.roots[root], &self.space))
            };
            after.set_stand(root, stand);
        }
        self.rest(&mut after);
        Some((Via::Crash, after))
    }

    /// Whether a process that starts hears of a root: it is there, or something says that it belongs to it.
    fn is_known(&mut self, state: &State, root: usize) -> bool {
        let key = self.roots[root];
        self.space.seen(state.slot(key)).is_some()
            || state.slots().iter().any(|slot| *slot != NOTHING && self.paths.belongs(*slot, key, &self.space))
    }

    fn deletion(&mut self, state: &State, root: usize) -> Option<(Via, State)> {
        let mut after = state.clone();
        if !after.spend_deletion(root) {
            return None;
        }
        let key = self.roots[root];
        let version = self.version(state, key, None);
        let slot = self.space.delete(key, state.slot(key), version);
        self.put(&mut after, key, slot);
        self.rest(&mut after);
        Some((Via::Delete(root), after))
    }

    /// What happened, in words.
    pub(super) fn told(&self, via: Via) -> String {
        match via {
            Via::Look(root) => format!("the product looks at {}", self.space.key(self.roots[root])),
            Via::Write(node) => {
                let (_, root) = self.paths.of(node);
                match self.paths.asks(node) {
                    Asks::Write { key, verb } => {
                        format!("for {}: {verb} {}", self.space.key(root), self.space.key(*key))
                    }
                    Asks::Read(_) | Asks::Done(_) => String::new(),
                }
            }
            Via::Act(node) => {
                let (who, root) = self.paths.of(node);
                format!("{} reconciles {}", self.paths.planner(who).name(), self.space.key(root))
            }
            Via::Crash => "the product crashes, and starts again".to_owned(),
            Via::Delete(root) => format!("the user deletes {}", self.space.key(self.roots[root])),
        }
    }
}
