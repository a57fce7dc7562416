//! What must hold in every state, and where nothing happens any more: the words are those of the judge of the random simulator.

use super::Explorer;
use super::space::KeyId;
use super::state::State;
use crate::kinds::Kind;
use crate::memory::simulation::calm::Calm;
use crate::memory::simulation::judge::Judge;
use crate::memory::{Fate, Pace, World};
use crate::object::ObjectKey;
use crate::render;
use serde_json::Value;
use std::sync::Arc;

/// An invariant and what was seen.
pub(super) type Wrong = (&'static str, String);

impl Explorer {
    /// In every state: never more machines than wished. Claims in the same forms are judged once.
    pub(super) fn watch(&mut self, state: &State) -> Vec<Wrong> {
        let claims: Vec<KeyId> = self.space.of_kind(Kind::NodeClaim).to_vec();
        let forms: Vec<u32> = claims.iter().map(|key| state.slot(*key)).collect();
        if !self.watched.insert(forms) {
            return Vec::new();
        }
        let mut judge = Judge::new(&self.calm);
        judge.learn(&self.world(&self.start, &self.roots));
        judge.count_machines(&self.world(state, &claims));
        words(&judge)
    }

    /// Where nothing happens any more: everything is as in a calm world with the same wishes, what is said is so, and neither time nor a new version of the program changes anything.
    pub(super) fn conclude(&mut self, state: &State) -> Vec<Wrong> {
        let mut wrongs = Vec::new();
        for root in 0..state.roots() {
            if let Some(what) = self.would_write(state, root) {
                let root = self.space.key(self.roots[root]);
                wrongs.push(("I9", format!("nobody looks at {root}, and a look would {what}")));
            }
        }
        if !wrongs.is_empty() || !self.concluded.insert(state.slots().to_vec()) {
            return wrongs;
        }
        let keys: Vec<KeyId> = (0..super::space::number(state.slots().len())).collect();
        let mut world = self.world(state, &keys);
        render::settle(&mut world);
        let remaining = self.objects.iter().enumerate().filter(|(root, _)| !state.is_deleted(*root));
        let wished: Vec<(ObjectKey, Value)> =
            remaining.map(|(_, object)| object.clone()).chain(self.others.iter().cloned()).collect();
        let mut judge = Judge::new(&self.calm);
        judge.conclude(&mut world, &Calm::of(&wished, &[], &self.settings));
        judge.upgrade(&mut world);
        judge.stays_quiet(&mut world);
        words(&judge)
    }

    /// A world with some of the objects of a state, in which a process of the product has just started.
    fn world(&self, state: &State, keys: &[KeyId]) -> World {
        let planner = Arc::clone(&self.product);
        let mut world = World::with_planner(&self.settings, Pace::instant(), &Fate::default(), planner);
        world.cluster().with_store(|store| {
            for key in keys {
                if let Some(entry) = self.space.entry(state.slot(*key)) {
                    store.lay(self.space.key(*key), entry.clone());
                }
            }
        });
        world.spread();
        world
    }
}

fn words(judge: &Judge<'_>) -> Vec<Wrong> {
    judge.violations().into_iter().map(|violation| (violation.invariant, violation.what)).collect()
}
