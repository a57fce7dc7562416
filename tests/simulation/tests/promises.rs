//! Seeds, one after the other.
use kaito_core::Settings;
use kaito_core::memory::Faults;
use kaito_core::memory::simulation::Simulation;

#[test]
fn first() {
    let n: u64 = std::env::var("KAITO_RUNS").ok().and_then(|n| n.parse().ok()).unwrap_or(200);
    let from: u64 = std::env::var("KAITO_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    let faults: Faults = std::env::var("KAITO_FAULTS").unwrap_or("all".into()).parse().unwrap();
    let simulation = Simulation::new(
        kaito_simulation::scenarios::builtin()
            .swap_remove(std::env::var("KAITO_SCENARIO").ok().and_then(|n| n.parse().ok()).unwrap_or(0))
            .1,
        &Settings::default(),
        faults,
    );
    let start = std::time::Instant::now();
    let (mut steps, mut bad) = (0, 0);
    let mut kinds = std::collections::BTreeMap::<String, (u64, u64)>::new();
    for seed in from..from + n {
        let run = simulation.run(seed);
        steps += run.steps;
        if !run.violations.is_empty() {
            bad += 1;
            for v in &run.violations {
                let entry = kinds.entry(format!("{} {}", v.invariant, v.what)).or_insert((0, seed));
                entry.0 += 1;
            }
            if n == 1 {
                println!("{:?}\n{}", run.played, run.upsets.join("\n"));
                for m in run.world.timeline().moments() {
                    println!("{:?} {} {:?}->{:?} {:?} {}", m.at, m.topic, m.from, m.to, m.reason, m.message);
                }
                for v in &run.violations {
                    println!("{v}");
                }
            }
        }
    }
    let t = start.elapsed();
    println!("{n} runs, {bad} bad, {} steps a run, {:?} a run", steps / n, t / n as u32);
    let mut kinds: Vec<_> = kinds.into_iter().collect();
    kinds.sort_by_key(|k| std::cmp::Reverse(k.1.0));
    for (what, (count, seed)) in kinds.iter().take(25) {
        println!("{count:5} (seed {seed}) {what}");
    }
}
