//! Both controllers and the cloud in one world: what is promised of machines, over many seeds with all faults on.

use kaito_core::cloud::Cloud;
use kaito_core::memory::simulation::{CHAOS_STEPS_OF_POOLS, PROMISES, Run, Simulation, Violation};
use kaito_core::memory::{Fault, Faults, World};
use kaito_core::{Kind, ObjectKey, Settings};
use kaito_provisioner::ClaimPlanner;
use kaito_provisioner::faults::FAULTS;
use kaito_simulation::cores;
use kaito_simulation::environment::parsed;
use kaito_simulation::pool_bugs::POOL_BUGS;
use kaito_simulation::scenarios::{self, Scenario};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// So many runs show every fault.
const MANY: u64 = 2000;

fn simulated(scenario: &Scenario, faults: &Faults) -> Simulation {
    Simulation::new(scenario.objects.clone(), &scenario.settings(), faults.clone())
        .with_provisioner(Arc::new(ClaimPlanner))
}

/// A simulation of each scenario on Azure, with these faults.
fn simulations(faults: &Faults) -> Vec<(Scenario, Simulation)> {
    let on_azure = scenarios::all().into_iter().filter(|scenario| scenario.cloud == Cloud::Azure).collect();
    let simulation = |scenario: Scenario| {
        let simulation = simulated(&scenario, faults);
        (scenario, simulation)
    };
    scenarios::chosen(on_azure).into_iter().map(simulation).collect()
}

/// What a run is seen again by.
fn again(seed: u64, faults: &Faults) -> String {
    let only = parsed::<String>("KAITO_ONLY").map_or_else(String::new, |only| format!("KAITO_ONLY='{only}' "));
    format!(
        "{only}KAITO_NODE_RUNS=1 KAITO_SEED={seed} KAITO_FAULTS={faults} cargo test --profile sim -p kaito-simulation --test nodes -- --nocapture whatever"
    )
}

#[test]
fn without_faults_a_workspace_gets_its_machine_and_nothing_is_left_of_it() {
    let scenario = Scenario::of("one", scenarios::builtin().swap_remove(0).1);
    let state = |world: &World| {
        let key = world.workspaces().swap_remove(0);
        world.cluster().with_store(|store| Some(store.value(&key)?["status"]["state"].clone()))
    };
    let (run, state) = simulated(&scenario, &Faults::none()).run_told(0, None, state);
    assert!(run.violations.is_empty(), "{:?}", run.violations);
    assert_eq!(state, Some("Ready".into()));
    assert_eq!(
        run.judged.keys().copied().collect::<BTreeSet<_>>(),
        PROMISES.iter().copied().collect(),
        "{:?}",
        run.judged
    );
}

#[test]
fn what_is_promised_of_machines_holds_whatever_goes_wrong() {
    holds(&parsed("KAITO_FAULTS").unwrap_or_else(Faults::all));
}

/// What takes a Node that goes, a process that dies and another that knows nothing of both comes together in one of sixteen runs in which each fault is as likely as not.
#[test]
fn what_is_promised_of_machines_holds_where_nodes_go_and_processes_die_and_lag_in_every_run() {
    let always = [Fault::Nodes, Fault::Crash, Fault::Lag, Fault::Replicas];
    holds(&always.into_iter().fold(Faults::all(), Faults::surely));
}

/// Few runs by default, for a debug build is slow. `cargo xtask test` has 2,000 in profile `sim`, the same every time; `KAITO_NODE_RUNS=100000 KAITO_SEED=7 KAITO_FAULTS=all,-user` looks further.
fn holds(faults: &Faults) {
    let runs = parsed("KAITO_NODE_RUNS").or_else(|| parsed("KAITO_RUNS")).unwrap_or(40_u64);
    let from = parsed("KAITO_SEED").unwrap_or(0);
    assert!(runs > 0, "no runs prove nothing");
    let scenarios = simulations(faults);
    let turn = |seed: u64| &scenarios[usize::try_from(seed).unwrap() % scenarios.len()];
    let start = Instant::now();
    let found = Mutex::new(Found::default());
    cores::count(from, |seed| {
        if seed >= from + runs {
            return ControlFlow::Break(());
        }
        let (run, at_rest) =
            turn(seed).1.run_told(seed, None, |world| if runs == 1 { paid_for(world) } else { String::new() });
        if runs == 1 {
            tell(&run, &at_rest);
        }
        found.lock().unwrap().add(run);
        ControlFlow::Continue(())
    });
    let found = found.into_inner().unwrap();
    println!(
        "{runs} runs of {} scenarios, {} steps a run (at most {CHAOS_STEPS_OF_POOLS} of them with faults), {:?}",
        scenarios.len(),
        found.steps / runs,
        start.elapsed()
    );
    println!("faults played: {:?}", found.played);
    println!("\n{:<36} {:>12} {:>8}", "promise", "judged", "broken");
    for promise in PROMISES {
        let broken: u64 = found.broken.iter().filter(|((of, _), _)| of == promise).map(|(_, (count, _))| count).sum();
        println!("{promise:<36} {:>12} {broken:>8}", found.judged.get(promise).copied().unwrap_or_default());
    }
    let mut broken: Vec<_> = found.broken.iter().collect();
    broken.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
    for ((promise, what), (count, seed)) in broken.iter().take(40) {
        println!("{count} times, first with seed {seed} ({}): {promise} {what}", turn(*seed).0.name);
    }
    for ((promise, _), (_, seed)) in broken.iter().take(3) {
        println!("\nTo see {promise}:\n{}", again(*seed, faults));
    }
    assert!(broken.is_empty(), "{} promises broken", broken.len());
    if runs >= MANY && *faults == Faults::all() {
        let words: BTreeSet<&str> = Fault::ALL.iter().map(|fault| fault.word()).collect();
        assert_eq!(found.played.keys().copied().collect::<BTreeSet<_>>(), words, "every fault plays");
        for promise in PROMISES {
            assert!(found.judged.get(promise).is_some_and(|count| *count > runs / 2), "{promise} is hardly tried");
        }
    }
}

/// What many runs came to.
#[derive(Default)]
struct Found {
    steps: u64,
    played: BTreeMap<&'static str, u64>,
    judged: BTreeMap<&'static str, u64>,
    /// How often, and with which seed first.
    broken: BTreeMap<(&'static str, String), (u64, u64)>,
}

impl Found {
    fn add(&mut self, run: Run) {
        self.steps += run.steps;
        run.played.iter().for_each(|fault| *self.played.entry(fault.word()).or_default() += 1);
        run.judged.iter().for_each(|(promise, count)| *self.judged.entry(promise).or_default() += count);
        for violation in run.violations {
            let (count, first) = self.broken.entry((violation.invariant, violation.what)).or_insert((0, run.seed));
            (*count, *first) = (*count + 1, run.seed.min(*first));
        }
    }
}

/// What a world has asked for and got, once it is at rest.
fn paid_for(world: &World) -> String {
    let is_paid = |key: &ObjectKey| [Kind::NodeClaim, Kind::AgentPool, Kind::Node].contains(&key.kind);
    world.cluster().with_store(|store| {
        store.iter().filter(|(key, _)| is_paid(key)).map(|(key, value)| format!("{key} {value:#}\n")).collect()
    })
}

/// One run, in full.
fn tell(run: &Run, at_rest: &str) {
    println!("at rest:\n{at_rest}");
    println!("{:?}\n{}", run.played, run.upsets.join("\n"));
    for moment in run.world.timeline().moments() {
        println!("{:#} {} {:?}->{:?} {}", moment.at, moment.topic, moment.from, moment.to, moment.message);
    }
    run.violations.iter().for_each(|violation| println!("{violation}"));
}

#[test]
fn a_run_repeats_exactly() {
    let scenario = Scenario::of("two", scenarios::builtin().swap_remove(1).1);
    let simulation = simulated(&scenario, &Faults::all());
    for seed in 0..20 {
        let (one, two) = (simulation.run(seed), simulation.run(seed));
        assert_eq!((one.steps, &one.upsets), (two.steps, &two.upsets));
        assert_eq!(one.world.timeline().moments(), two.world.timeline().moments(), "seed {seed}");
    }
}

#[test]
fn every_fault_that_stays_is_told_in_time_with_code_and_words_of_whoever_refuses() {
    let mut untold = Vec::new();
    for fault in FAULTS {
        match fault.told() {
            Some(told) if !told.next().is_empty() => {
                println!(
                    "{}: {} {} after {} min: {}",
                    fault.name, told.condition, told.reason, told.minutes, told.message
                );
            }
            Some(told) => untold.push(format!("{}: nothing is said to come next: {told:?}", fault.name)),
            None => untold.push(format!("{}: not told: {:#}", fault.name, fault.standing())),
        }
    }
    println!(
        "explained within the deadline, in the provider's words: {} of {} faults",
        FAULTS.len() - untold.len(),
        FAULTS.len()
    );
    assert!(untold.is_empty(), "{}", untold.join("\n"));
}

/// More seeds than this for a bug, and the simulator would not be said to find it.
const MOST_SEEDS: u64 = 500;

#[test]
fn every_bug_of_provisioners_is_found_from_random_seeds_by_a_promise_that_it_breaks() {
    let objects = scenarios::builtin().swap_remove(0).1;
    for bug in POOL_BUGS {
        let simulation =
            Simulation::new(objects.clone(), &Settings::default(), Faults::all()).with_provisioner(Arc::new(*bug));
        let broken = |violation: &&Violation| bug.expected.contains(&violation.invariant);
        let found =
            (0..MOST_SEEDS).find_map(|seed| Some((seed, simulation.run(seed).violations.iter().find(broken)?.clone())));
        let Some((seed, violation)) = found else { panic!("{}: not found within {MOST_SEEDS} seeds", bug.upstream) };
        println!("{}: {}: found after {} seeds: {violation}", bug.upstream, bug.what, seed + 1);
    }
}
