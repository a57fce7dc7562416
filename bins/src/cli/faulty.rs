//! `kaito simulate --faults`: one run in which things go wrong, judged as the project's own simulations are.

use super::Verdict;
use super::args::{Form, Simulate};
use super::console::{Colour, Console, Defect};
use super::intake::Intake;
use super::{output, recorded, report, simulate, standing};
use kaito_core::ObjectKey;
use kaito_core::memory::simulation::{Run, Simulation};
use kaito_core::memory::{Fault, Faults};
use kaito_core::record::{Limits, Recorder};

/// What may go wrong, and the seed; `None` where all goes well.
pub fn wanted(args: &Simulate) -> Option<(u64, Faults)> {
    match (args.replay, args.seed, &args.faults) {
        (Some(seed), ..) => Some((seed, Faults::all())),
        (None, seed, Some(faults)) => Some((seed.unwrap_or_default(), faults.clone())),
        (None, Some(seed), None) => Some((seed, Faults::all())),
        (None, None, None) => None,
    }
}

/// Runs the input under faults. A broken promise is a defect of ours.
pub fn run(
    args: &Simulate,
    intake: &Intake,
    seed: u64,
    faults: Faults,
    console: &mut Console<'_>,
) -> Result<Verdict, Defect> {
    let simulation = Simulation::new(intake.objects.clone(), &args.operator.settings(), faults);
    let recorder = args.record.is_some().then(|| Recorder::new(Limits::default()));
    let run = simulation.run_recorded(seed, recorder);
    recorded::write(args.record.as_deref(), &run.world)?;
    // A user of the simulation may have deleted one of them.
    let left: Vec<ObjectKey> = intake.workspaces.iter().filter(|key| run.world.get(key).is_some()).cloned().collect();
    let ready = left.iter().all(|key| standing::is_ready(&run.world, key)) && intake.refusals.is_empty();
    let told = || report::simulation(&run.world, &left, Vec::new(), ready).of_run(&run);
    let text = match args.output.form {
        Form::Table => for_people(&run, &left, console),
        Form::Json => output::json(&told())?,
        Form::Yaml => output::yaml(&told())?,
    };
    console.print(&text)?;
    match run.violations.first() {
        None => Ok(ready.into()),
        Some(violation) => Err(Defect(format!("seed {seed} breaks a promise: {violation}"))),
    }
}

fn for_people(run: &Run, workspaces: &[ObjectKey], console: &Console<'_>) -> String {
    let look = console.look;
    let mut text = simulate::table(&run.world, workspaces).render(look);
    text.push('\n');
    text.push_str(&simulate::timeline(&run.world, workspaces, look));
    let played: Vec<&str> = run.played.iter().map(|fault: &Fault| fault.word()).collect();
    let played = if played.is_empty() { "none".to_owned() } else { played.join(", ") };
    text.push_str(&format!("seed {}, {} steps, faults that played: {played}\n", run.seed, run.steps));
    if run.violations.is_empty() {
        text.push_str(&format!(
            "{}: it ends as it does when nothing goes wrong\n",
            look.paint(Colour::Green, "all promises held")
        ));
    }
    for violation in &run.violations {
        text.push_str(&format!("{}: {violation}\n", look.paint(Colour::Red, "broken")));
    }
    text
}
