//! Bugs of the field, put back: the simulator finds each from random seeds, and for what it is.

use kaito_core::Settings;
use kaito_core::memory::Faults;
use kaito_core::memory::simulation::{Simulation, Violation};
use kaito_simulation::bugs::{BUGS, Bug, SOUND};
use kaito_simulation::{cores, scenarios};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Mutex;

/// More seeds than this for a bug, and the simulator would not be said to find it.
const MOST_SEEDS: u64 = 3000;
/// So many seeds must be clean without a bug.
const CONTROL: u64 = 300;

/// A simulation of each scenario that shows a bug.
fn simulations(bug: &Bug) -> Vec<Simulation> {
    let scenarios = scenarios::builtin().into_iter().filter(|(name, _)| name.starts_with(bug.only));
    let settings = Settings { provisioner: (bug.provisioner)(), ..Settings::default() };
    let simulation = |objects| Simulation::new(objects, &settings, Faults::all()).with_planner(bug.planner());
    scenarios.map(|(_, objects)| simulation(objects)).collect()
}

/// What was found of a bug.
#[derive(Default)]
struct Found {
    /// The first seed with a violation that counts, and that violation.
    first: Option<(u64, Violation)>,
    /// Invariants that were broken, and do not count.
    others: BTreeSet<&'static str>,
}

/// Tries so many seeds of a bug, the scenarios in turn, until one shows it. Whatever the number of cores, it is the first that does.
fn search(bug: &Bug, most: u64, counts: impl Fn(&Violation) -> bool + Sync) -> Found {
    let (simulations, found) = (simulations(bug), Mutex::new(Found::default()));
    cores::count(0, |seed| {
        let is_late = found.lock().unwrap().first.as_ref().is_some_and(|(first, _)| *first < seed);
        if is_late || seed >= most {
            return ControlFlow::Break(());
        }
        let run = simulations[usize::try_from(seed).unwrap() % simulations.len()].run(seed);
        let mut found = found.lock().unwrap();
        match run.violations.iter().find(|violation| counts(violation)) {
            Some(violation) if found.first.as_ref().is_none_or(|(first, _)| seed < *first) => {
                found.first = Some((seed, violation.clone()));
            }
            Some(_) => {}
            None => found.others.extend(run.violations.iter().map(|violation| violation.invariant)),
        }
        ControlFlow::Continue(())
    });
    found.into_inner().unwrap()
}

#[test]
fn without_a_bug_nothing_is_found() {
    assert_eq!(search(&SOUND, CONTROL, |_| true).first, None);
}

#[test]
fn every_bug_of_the_field_is_found_from_random_seeds_by_an_invariant_that_it_breaks() {
    let mut missed = Vec::new();
    println!("| bug | what it does | seeds | first violation |\n|---|---|---|---|");
    for bug in BUGS {
        let found = search(bug, MOST_SEEDS, |violation| bug.expected.contains(&violation.invariant));
        match found.first {
            Some((seed, violation)) => println!("| {} | {} | {} | {violation} |", bug.upstream, bug.what, seed + 1),
            None => {
                missed.push(format!("{}: expected {:?}, only {:?}", bug.upstream, bug.expected, found.others));
            }
        }
    }
    assert!(missed.is_empty(), "not found within {MOST_SEEDS} seeds:\n{}", missed.join("\n"));
}
