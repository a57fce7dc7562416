//! Bugs of the field, put back: the simulator finds each from random seeds.

use kaito_core::Settings;
use kaito_core::memory::Faults;
use kaito_core::memory::simulation::Simulation;
use kaito_simulation::{bugs::BUGS, scenarios};

/// More seeds than this for a bug, and the simulator would not be said to find it.
const MOST_SEEDS: u64 = 3000;

#[test]
fn every_bug_of_the_field_is_found_from_random_seeds() {
    let mut missed = Vec::new();
    println!("| bug | what it does | seeds | first violation |\n|---|---|---|---|");
    for bug in BUGS {
        let simulations: Vec<Simulation> = scenarios::builtin()
            .into_iter()
            .filter(|(name, _)| name.starts_with(bug.only))
            .map(|(_, objects)| {
                Simulation::new(objects, &Settings::default(), Faults::all()).with_planner(bug.planner())
            })
            .collect();
        let found = (0..MOST_SEEDS).find_map(|seed| {
            let index = usize::try_from(seed).unwrap() % simulations.len();
            simulations[index].run(seed).violations.first().map(|violation| (seed + 1, violation.to_string()))
        });
        match found {
            Some((seeds, violation)) => println!("| {} | {} | {seeds} | {violation} |", bug.upstream, bug.what),
            None => missed.push(bug.upstream),
        }
    }
    assert!(missed.is_empty(), "not found within {MOST_SEEDS} seeds: {missed:?}");
}
