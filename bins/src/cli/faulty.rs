//! `kaito simulate --faults`: one run in which things go wrong, judged as the project's own simulations are.

use super::Verdict;
use super::args::{Form, Simulate};
use super::console::{Colour, Console, Defect, Look};
use super::intake::Intake;
use super::output::{self, Typed};
use super::{recorded, report, simulate, standing};
use kaito_core::ObjectKey;
use kaito_core::memory::simulation::{Run, Simulation};
use kaito_core::memory::{Fault, Faults, World};

/// What may go wrong, and the seed; `None` where all goes well.
pub fn wanted(args: &Simulate) -> Option<(u64, Faults)> {
    match (args.replay, args.seed, &args.faults) {
        (Some(seed), ..) => Some((seed, Faults::all())),
        (None, seed, Some(faults)) => Some((seed.unwrap_or_default(), faults.clone())),
        (None, Some(seed), None) => Some((seed, Faults::all())),
        (None, None, None) => None,
    }
}

/// A run as it is told: the world when all was at rest.
struct Told {
    ready: bool,
    /// Table and timeline.
    story: String,
    /// Why it is not ready, a line each.
    obstacles: String,
    report: Typed<report::Simulation>,
    recording: Option<String>,
}

impl Told {
    fn of(world: &World, intake: &Intake, look: Look) -> Told {
        let (left, gone): (Vec<ObjectKey>, Vec<ObjectKey>) =
            intake.workspaces.iter().cloned().partition(|key| world.get(key).is_some());
        let ready =
            !left.is_empty() && left.iter().all(|key| standing::is_ready(world, key)) && intake.refusals.is_empty();
        let mut obstacles: String = gone.iter().map(|key| deleted(key, look)).collect();
        obstacles.push_str(&simulate::obstacles(world, &left, look));
        let table = simulate::table(world, &left).render(look);
        Told {
            ready,
            story: format!("{table}\n{}", simulate::timeline(world, &left, look)),
            obstacles,
            report: report::simulation(world, &left, Vec::new(), ready),
            recording: recorded::of(world),
        }
    }
}

/// A Workspace that is not there at the end has no state to tell.
fn deleted(key: &ObjectKey, look: Look) -> String {
    let word = look.paint(Colour::Yellow, "deleted");
    format!("{word}: {}: a person deleted it in the middle, which is one of the faults ({})\n", key.name, Fault::User)
}

/// Runs the input under faults. A broken promise is a defect of ours.
pub fn run(
    args: &Simulate,
    intake: &Intake,
    seed: u64,
    faults: Faults,
    console: &mut Console<'_>,
) -> Result<Verdict, Defect> {
    let simulation =
        Simulation::new(intake.objects.clone(), &args.operator.settings(), faults).with_models(intake.models.clone());
    let recorder = args.record.is_some().then(recorded::recorder);
    let look = console.look;
    let (run, told) = simulation.run_told(seed, recorder, |world| Told::of(world, intake, look));
    let text = match args.output.form {
        Form::Table => for_people(&run, &told, look),
        Form::Json => output::json(&told.report.of_run(&run))?,
        Form::Yaml => output::yaml(&told.report.of_run(&run))?,
    };
    console.print(&text)?;
    let written = recorded::write(args.record.as_deref(), told.recording, console);
    match run.violations.first() {
        Some(violation) => Err(Defect(format!("seed {seed} breaks a promise: {violation}"))),
        None if !written => Ok(Verdict::Unreadable),
        None => Ok(told.ready.into()),
    }
}

fn for_people(run: &Run, told: &Told, look: Look) -> String {
    let mut text = told.story.clone();
    let played: Vec<&str> = run.played.iter().map(|fault| fault.word()).collect();
    let played = if played.is_empty() { "none".to_owned() } else { played.join(", ") };
    text.push_str(&format!("seed {}, {} steps, faults that played: {played}\n", run.seed, run.steps));
    if run.violations.is_empty() {
        let held = look.paint(if told.ready { Colour::Green } else { Colour::Yellow }, "all promises held");
        let end = if run.ends_as_calm { ": it ends as it does when nothing goes wrong" } else { "" };
        text.push_str(&format!("{held}{end}\n"));
    }
    for violation in &run.violations {
        text.push_str(&format!("{}: {violation}\n", look.paint(Colour::Red, "broken")));
    }
    text.push_str(&told.obstacles);
    text
}
