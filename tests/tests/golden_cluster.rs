//! What the reference made of a manifest is what our controller makes of it on a real API server, and of every manifest that is applied after it; differences are listed with a reason.
//!
//! All play at once, each in the namespace that the reference had it in.

use kaito_api::vocabulary::names;
use kaito_core::memory::World;
use kaito_core::render;
use kaito_tests::allowed::Comparison;
use kaito_tests::golden::{self, Case, Cluster};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long one round may take.
const PATIENCE: Duration = Duration::from_secs(150);

/// A case, with the state that it comes to in memory after each step.
struct Expected {
    case: Case,
    states: Vec<String>,
}

#[test]
fn what_the_reference_makes_of_a_manifest_and_of_the_next_is_what_our_controller_makes_of_it() {
    // Who makes the machines, a controller is told at start: so there are several, with a cluster each.
    let mut kinds: BTreeMap<&str, Vec<Case>> = BTreeMap::new();
    for case in golden::cases() {
        kinds.entry(case.settings().provisioner.as_str()).or_default().push(case);
    }
    let mut comparison = Comparison::allowing(golden::DIFFERENCES);
    for cases in kinds.into_values() {
        let Some(cluster) = Cluster::of(&cases) else { return };
        play_all(&cluster, &mut comparison, cases);
    }
    comparison.conclude();
}

/// All of them, round by round; then those in whose cluster something is missing.
fn play_all(cluster: &Cluster, comparison: &mut Comparison<'_>, cases: Vec<Case>) {
    let all: Vec<Expected> = cases.into_iter().map(expected).collect();
    let (without_disks, with_disks): (Vec<&Expected>, Vec<&Expected>) =
        all.iter().partition(|expected| expected.case.lacks_local_disks());
    let begin = Instant::now();
    for round in 0.. {
        let playing: Vec<&Expected> =
            with_disks.iter().copied().filter(|expected| expected.case.steps.len() > round).collect();
        if playing.is_empty() {
            break;
        }
        play(cluster, comparison, &playing, round);
    }
    if !without_disks.is_empty() {
        cluster.operated().plane().run(&["delete", "storageclass", names::LOCAL_NVME_CLASS]).unwrap();
        play(cluster, comparison, &without_disks, 0);
    }
    println!("{} cases in {:.0} s", all.len(), begin.elapsed().as_secs_f64());
}

fn expected(case: Case) -> Expected {
    let mut world = case.world();
    let states = case.steps.iter().map(|step| {
        step.put(&mut world, &case.namespace);
        render::settle(&mut world);
        state(&world)
    });
    let states = states.collect();
    Expected { case, states }
}

fn state(world: &World) -> String {
    let values = |key| world.cluster().with_store(|store| store.value(key).cloned());
    let states =
        world.workspaces().iter().filter_map(values).map(|value| value["status"]["state"].clone()).collect::<Vec<_>>();
    states.first().and_then(|state| state.as_str()).unwrap_or_default().to_owned()
}

/// Applies one step of each case, and waits until all have come to the state that they have in memory, and to objects that differ from the reference's only as is meant.
fn play(cluster: &Cluster, comparison: &mut Comparison<'_>, playing: &[&Expected], round: usize) {
    let objects = |expected: &&Expected| expected.case.steps[round].objects(&expected.case.namespace);
    cluster.apply(playing.iter().flat_map(objects).collect());
    let cases: Vec<&Case> = playing.iter().map(|expected| &expected.case).collect();
    let begin = Instant::now();
    loop {
        let there = cluster.look(&cases);
        let mut now = Comparison::allowing(golden::DIFFERENCES);
        let mut late = Vec::new();
        for (expected, there) in playing.iter().zip(&there) {
            let (case, step) = (&expected.case, &expected.case.steps[round]);
            let ours = golden::ours(there.made(&step.objects(&case.namespace)));
            now.compare(&step.about(), &ours, &golden::theirs(step, &case.namespace));
            if there.state() != expected.states[round] {
                late.push(format!("{} is {:?} and not {:?}", step.file, there.state(), expected.states[round]));
            }
        }
        if now.wrong().is_empty() && late.is_empty() {
            return comparison.add(now);
        }
        assert!(
            begin.elapsed() < PATIENCE,
            "never: {} differences, {} states:\n{}\n{}",
            now.wrong().len(),
            late.len(),
            now.wrong().join("\n"),
            late.join("\n")
        );
        std::thread::sleep(Duration::from_millis(500));
    }
}
