//! The invariants of ARCHITECTURE.md, one test of the number's name each. I7 and I9 are held by the simulations (`tests/simulation`), I10 by them and `fates`.

mod planning; // I3, I4, I6: every plan, whatever the cluster holds
mod rules; // I1, I2, I12: what the crates may depend on and name
mod worlds; // I5, I8, I11, I13: how worlds end

use kaito_core::snapshot::Unread;
use kaito_core::{ObjectKey, Planner, Seen, Settings, Snapshot, WorkspacePlanner};
use kaito_tests::by_hand;

/// Answers whatever is asked from a list of strange objects, and plans until nothing is asked any more.
fn plan_from(objects: &[Seen], root: &ObjectKey) -> (kaito_core::Plan, Snapshot) {
    let mut snapshot = Snapshot::new("2026-01-01T00:00:00Z".parse().unwrap());
    for _ in 0..kaito_core::driver::MAX_ROUNDS {
        snapshot.start_round();
        match WorkspacePlanner.plan(root, &snapshot, &Settings::default()) {
            Ok(plan) => return (plan, snapshot),
            Err(Unread(reads)) => reads.into_iter().for_each(|read| {
                let answer = by_hand::answer(objects, &read);
                snapshot.answer(read, answer);
            }),
        }
    }
    panic!("the plan asked for more in every round: {:?}", snapshot.reads());
}
