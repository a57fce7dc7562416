//! How many requests a Workspace takes on a real API server, from the audit log.

use kaito_tests::budget::{Requests, least};
use kaito_tests::manifests;
use kaito_tests::stage::{Operated, RealStage, Stage};
use std::time::Duration;

/// The promise, in tenths of the fewest: for the one in the middle of three.
const MIDDLE: usize = 12;
/// The same for the worst: six statuses more, where the machine that runs the test dawdles.
const WORST: usize = 16;

#[test]
fn a_model_on_one_machine_takes_hardly_more_requests_than_there_are_things_to_say() {
    let Some(operated) = Operated::start(true) else { return };
    let operated: &'static Operated = Box::leak(Box::new(operated));
    let mut stage = RealStage::new(operated, "s-requests");
    let settled = || {
        let mut seen = Requests::so_far(operated);
        loop {
            std::thread::sleep(Duration::from_secs(2));
            let now = Requests::so_far(operated);
            if now == seen && now.total() > 0 {
                return now;
            }
            seen = now;
        }
    };
    let mut rounds: Vec<Requests> = Vec::new();
    for name in ["a", "b", "c"] {
        let before = settled();
        stage.put(&manifests::phi_4_mini(name));
        (&mut stage as &mut dyn Stage).until_ready(name);
        rounds.push(settled().since(&before));
    }
    for made in &rounds {
        println!("{made}");
        let superfluous = made.beyond_least();
        assert!(superfluous.iter().all(|(_, resource)| resource == "workspaces/status"), "{made}");
    }
    // How often a status is written depends on how far apart things become true: told is what is true, as soon as it is. Where the cluster does not dawdle, hardly anything comes between.
    let mut totals: Vec<usize> = rounds.iter().map(Requests::total).collect();
    totals.sort_unstable();
    assert!(totals[1] * 10 <= least() * MIDDLE, "{totals:?} of {}", least());
    assert!(totals[2] * 10 <= least() * WORST, "{totals:?} of {}", least());
}
