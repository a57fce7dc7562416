//! Bugs of the field, put back: the simulator finds each from random seeds.

use kaito_core::Settings;
use kaito_core::memory::Faults;
use kaito_core::memory::simulation::Simulation;
use kaito_simulation::bugs::{BUGS, Bug, SOUND};
use kaito_simulation::scenarios;

/// More seeds than this for a bug, and the simulator would not be said to find it.
const MOST_SEEDS: u64 = 3000;
/// So many seeds must be clean without a bug.
const CONTROL: u64 = 300;

/// A simulation of each scenario that shows a bug.
fn simulations(bug: &Bug) -> Vec<Simulation> {
    let scenarios = scenarios::builtin().into_iter().filter(|(name, _)| name.starts_with(bug.only));
    let simulation =
        |objects| Simulation::new(objects, &Settings::default(), Faults::all()).with_planner(bug.planner());
    scenarios.map(|(_, objects)| simulation(objects)).collect()
}

/// What is found with a seed, if anything; the scenarios take turns.
fn found(simulations: &[Simulation], seed: u64) -> Option<String> {
    let index = usize::try_from(seed).unwrap() % simulations.len();
    simulations[index].run(seed).violations.first().map(ToString::to_string)
}

#[test]
fn without_a_bug_nothing_is_found() {
    let simulations = simulations(&SOUND);
    for seed in 0..CONTROL {
        assert_eq!(found(&simulations, seed), None, "seed {seed}");
    }
}

#[test]
fn every_bug_of_the_field_is_found_from_random_seeds() {
    let mut missed = Vec::new();
    println!("| bug | what it does | seeds | first violation |\n|---|---|---|---|");
    for bug in BUGS {
        let simulations = simulations(bug);
        let first = (0..MOST_SEEDS).find_map(|seed| found(&simulations, seed).map(|violation| (seed + 1, violation)));
        match first {
            Some((seeds, violation)) => println!("| {} | {} | {seeds} | {violation} |", bug.upstream, bug.what),
            None => missed.push(bug.upstream),
        }
    }
    assert!(missed.is_empty(), "not found within {MOST_SEEDS} seeds: {missed:?}");
}
