//! The flight recorder: what is recorded is planned again the same, holds no secret, and says what is wrong when it is altered.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod limits; // how much room it takes, and what it never keeps
mod moods; // clusters that refuse what they are asked to do
mod refused; // what is no recording
mod replay; // planned again: the same, or the first difference

use kaito_core::backend::ClusterBackend;
use kaito_core::memory::World;
use kaito_core::record::{self, Limits, Recorder, Recording, Verdict};
use kaito_core::{Kind, ObjectKey, Settings, WorkspacePlanner, render};
use kaito_tests::{by_hand, manifests};

/// Room for everything.
const WIDE: Limits = Limits { reconciles: usize::MAX, bytes: usize::MAX };

/// One reconcile of the product, taken down.
fn reconcile(cluster: &dyn ClusterBackend, root: &ObjectKey, now: jiff::Timestamp, recorder: &mut Recorder) {
    let (work, _) = by_hand::reconcile(cluster, root, now);
    recorder.take(&work, &WorkspacePlanner, &Settings::default());
}

fn parse(recorder: &Recorder) -> Recording {
    Recording::parse(recorder.to_json().as_bytes()).unwrap()
}

fn verdicts(recording: &Recording) -> Vec<Verdict> {
    record::replay(recording, &[&WorkspacePlanner]).into_iter().map(|replayed| replayed.verdict).collect()
}

/// A settled world with one Workspace, its key, and one reconcile of it, taken down.
fn quiet() -> (World, ObjectKey, Recorder) {
    let mut world = World::installed(&Settings::default());
    let key = ObjectKey::new(Kind::Workspace, "default", "one");
    world.put(&key, &manifests::phi_4_mini("one")).unwrap();
    render::settle(&mut world);
    let mut recorder = Recorder::new(WIDE);
    reconcile(world.cluster(), &key, world.now(), &mut recorder);
    (world, key, recorder)
}
