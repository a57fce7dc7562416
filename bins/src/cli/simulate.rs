//! `kaito simulate`: does it become ready, through which steps, and if not, why.

use super::args::{Form, Simulate};
use super::console::{Colour, Console, Defect, Look};
use super::intake::Intake;
use super::live::Live;
use super::table::Table;
use super::{Verdict, duration, faulty, intake, output, recorded, report, standing, then};
use crate::input::printable;
use jiff::SignedDuration;
use kaito_api::vocabulary::ConditionType;
use kaito_core::ObjectKey;
use kaito_core::memory::{Moment, World};
use std::io::Read;
use std::time::Instant;

/// No model takes longer than a day to start; what is not ready then has a cause.
const LIMIT: SignedDuration = SignedDuration::from_hours(24);

/// Runs the input until it is ready or nothing happens any more, and says how it went.
pub fn run(args: &Simulate, stdin: &mut dyn Read, console: &mut Console<'_>) -> Result<Verdict, Defect> {
    let started = Instant::now();
    let intake = match intake::read(&args.input, stdin, console) {
        Ok(documents) => intake::put(documents, &args.operator, console)?,
        Err(verdict) => Err(verdict),
    };
    let stages = then::read(&args.then, &args.input.namespace, stdin);
    if let Err(problems) = &stages {
        intake::complain(problems, console);
    }
    let (intake, stages) = match (intake, stages) {
        (Ok(intake), Ok(stages)) => {
            stages.iter().for_each(|stage| intake::complain(&stage.passed_over, console));
            (intake, stages)
        }
        (Err(verdict), Ok(_)) => return Ok(verdict),
        (_, Err(_)) => return Ok(Verdict::Unreadable),
    };
    if let Some((seed, faults)) = faulty::wanted(args) {
        return faulty::run(args, &intake, seed, faults, console);
    }
    let Intake { mut world, mut workspaces, mut refusals, .. } = intake;
    if args.record.is_some() {
        world.record(recorded::recorder());
    }
    let (later, taken) = then::refusals(&stages, &world, &args.operator.settings());
    intake::complain(&later, console);
    if !taken {
        return Ok(Verdict::No);
    }
    refusals.extend(later);
    let mut live = Live::new(args.output.form == Form::Table && console.look.width.is_some());
    let mut applied = Vec::new();
    for stage in &stages {
        watch(&mut world, &workspaces, false, &mut live, console)?;
        applied.push(stage.apply(&mut world, &mut workspaces)?);
    }
    // Ready is also what it was before the last change has had any effect.
    watch(&mut world, &workspaces, stages.is_empty(), &mut live, console)?;
    console.print(&live.clear())?;
    let ready = workspaces.iter().all(|key| standing::is_ready(&world, key)) && refusals.is_empty();
    let text = match args.output.form {
        Form::Table => for_people(&world, &workspaces, console.look, started, ready),
        Form::Json => output::json(&report::simulation(&world, &workspaces, applied, ready))?,
        Form::Yaml => output::yaml(&report::simulation(&world, &workspaces, applied, ready))?,
    };
    console.print(&text)?;
    let written = recorded::write(args.record.as_deref(), recorded::of(&world), console);
    Ok(if written { ready.into() } else { Verdict::Unreadable })
}

/// Runs the world until nothing happens any more, or, where that is enough, until all is ready; draws the table meanwhile.
fn watch(
    world: &mut World,
    workspaces: &[ObjectKey],
    until_ready: bool,
    live: &mut Live,
    console: &mut Console<'_>,
) -> Result<(), Defect> {
    let mut trouble = None;
    world.run(LIMIT, |world| {
        if let Some(frame) = live.frame(|| table(world, workspaces).render(console.look)) {
            trouble = trouble.take().or(console.print(&frame).err());
        }
        until_ready && workspaces.iter().all(|key| standing::is_ready(world, key))
    });
    trouble.map_or(Ok(()), Err)
}

fn for_people(world: &World, workspaces: &[ObjectKey], look: Look, started: Instant, ready: bool) -> String {
    let mut text = table(world, workspaces).render(look);
    text.push('\n');
    text.push_str(&timeline(world, workspaces, look));
    if ready {
        let (time, wall) = (duration::words(world.elapsed()), started.elapsed().as_secs_f64());
        text.push_str(&format!(
            "{} after {time} of simulated time ({wall:.2} s)\n",
            look.paint(Colour::Green, if trains(world, workspaces) { "succeeded" } else { "ready" })
        ));
        return text;
    }
    text + &obstacles(world, workspaces, look)
}

/// Why Workspaces are not ready, a line each.
pub fn obstacles(world: &World, workspaces: &[ObjectKey], look: Look) -> String {
    let not_ready = look.paint(Colour::Red, "not ready");
    let line = |key: &ObjectKey| {
        let about = if workspaces.len() > 1 { format!("{}: ", key.name) } else { String::new() };
        format!("{not_ready}: {about}{}\n", printable(&standing::obstacle(world, key)))
    };
    workspaces.iter().filter(|key| !standing::is_ready(world, key)).map(line).collect()
}

/// What happened, a line each.
pub fn timeline(world: &World, workspaces: &[ObjectKey], look: Look) -> String {
    let told: Vec<&Moment> = world.timeline().moments().iter().filter(|moment| is_news(moment)).collect();
    // It concerns all of them and is told once.
    let told: Vec<&Moment> = told
        .into_iter()
        .filter(|moment| moment.topic != then::TOPIC || workspaces.first() == Some(&moment.about))
        .collect();
    told.iter().map(|moment| line(moment, &told, workspaces.len() > 1, look)).collect()
}

/// Whether every Workspace is a training: it comes to an end, and is not ready for anything.
fn trains(world: &World, workspaces: &[ObjectKey]) -> bool {
    let trains = |key| standing::workspace(world, key).is_some_and(|workspace| workspace.tuning().is_some());
    workspaces.iter().all(trains)
}

/// The columns that `kubectl get workspace` shows.
pub fn table(world: &World, workspaces: &[ObjectKey]) -> Table {
    let mut table = Table::new(&["NAME", "INSTANCE", "RESOURCEREADY", "INFERENCEREADY", "WORKSPACEREADY", "AGE"]);
    for key in workspaces {
        let Some(workspace) = standing::workspace(world, key) else { continue };
        let status =
            |of_type| workspace.condition(of_type).map(|condition| condition.status.clone()).unwrap_or_default();
        let age = workspace
            .metadata
            .creation_timestamp
            .as_ref()
            .map(|born| duration::age(world.now().duration_since(born.0)));
        table.row([
            key.name.clone(),
            workspace.resource().instance_type.clone(),
            status(ConditionType::ResourceReady),
            status(ConditionType::InferenceReady),
            status(ConditionType::WorkspaceSucceeded),
            age.unwrap_or_default(),
        ]);
    }
    table
}

/// What a person wants to read: steps and objects; conditions when they come true, are lost, or tell of a failure.
fn is_news(moment: &Moment) -> bool {
    match moment.to.as_deref() {
        None => true,
        // The last line says it.
        Some("True") => moment.topic != ConditionType::WorkspaceSucceeded.as_str(),
        Some(_) => moment.from.as_deref() == Some("True") || moment.reason.as_deref().is_some_and(standing::is_failure),
    }
}

fn line(moment: &Moment, all: &[&Moment], named: bool, look: Look) -> String {
    let width = |length: fn(&Moment) -> usize| all.iter().map(|moment| length(moment)).max().unwrap_or_default();
    let at =
        format!("{:>width$}", duration::clock(moment.at), width = width(|moment| duration::clock(moment.at).len()));
    let name = if named {
        let about = if moment.topic == then::TOPIC { "" } else { moment.about.name.as_str() };
        format!("{about:width$}  ", width = width(|moment| moment.about.name.chars().count()))
    } else {
        String::new()
    };
    let topic = format!("{:width$}", moment.topic, width = width(|moment| moment.topic.chars().count()));
    let before = 2 + at.len() + 2 + name.chars().count() + topic.chars().count() + 2;
    // What is done next and what can be done about it stands in the last line.
    let cause = moment.message.split("; next: ").next().unwrap_or_default();
    let message = look.cut(cause, before);
    let colour = match (moment.topic.as_str(), moment.to.as_deref()) {
        ("warning", _) => Some(Colour::Yellow),
        (_, Some("True")) => Some(Colour::Green),
        (_, Some(_)) => Some(Colour::Red),
        _ => None,
    };
    let topic = colour.map_or(topic.clone(), |colour| look.paint(colour, &topic));
    format!("  {at}  {name}{topic}  {message}\n")
}
