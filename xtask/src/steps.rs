//! Steps of a long command: shown as a plan, run one after another with their durations, summed up in a table.

use std::process::Command;
use std::time::{Duration, Instant};

/// How a step went that did not fail.
pub enum Outcome {
    Done,
    /// Could not be done here, with the reason.
    Skipped(String),
}

/// One step: its name, the command as a person would type it, and what it does.
pub struct Step {
    name: String,
    shown: String,
    action: Box<dyn FnOnce() -> Result<Outcome, String>>,
}

impl Step {
    pub fn new(
        name: impl Into<String>,
        shown: impl Into<String>,
        action: impl FnOnce() -> Result<Outcome, String> + 'static,
    ) -> Step {
        Step { name: name.into(), shown: shown.into(), action: Box::new(action) }
    }

    /// A step that is one call of cargo.
    pub fn cargo(name: impl Into<String>, variables: &[(&str, &str)], arguments: &[&str]) -> Step {
        let mut command = cargo();
        command.args(arguments).envs(variables.iter().copied());
        let mut shown = String::new();
        for (variable, value) in variables {
            shown +=
                &if value.contains(' ') { format!("{variable}='{value}' ") } else { format!("{variable}={value} ") };
        }
        shown += &format!("cargo {}", arguments.join(" "));
        Step::new(name, shown, move || status(command).map(|()| Outcome::Done))
    }
}

/// The cargo that runs us, so that the tool chain stays the same.
pub fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs a command whose output is the person's; an exit status other than 0 is the error.
pub fn status(mut command: Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.status().map_err(|error| format!("{name} does not start: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{name} ended with {status}")) }
}

/// Shows the plan, runs the steps up to the first that fails, shows the table.
pub fn run(steps: Vec<Step>) -> Result<(), String> {
    let width = steps.iter().map(|step| step.name.len()).max().unwrap_or_default();
    let count = steps.len();
    eprintln!("plan:");
    for step in &steps {
        eprintln!("  {:<width$}  {}", step.name, step.shown);
    }
    let mut rows = Vec::new();
    let mut failure = None;
    let begin = Instant::now();
    for (index, Step { name, shown, action }) in steps.into_iter().enumerate() {
        if failure.is_some() {
            rows.push((name, None, "not reached".to_owned()));
            continue;
        }
        eprintln!("\n[{}/{count}] {name}: {shown}", index + 1);
        let begin = Instant::now();
        let verdict = match action() {
            Ok(Outcome::Done) => "ok".to_owned(),
            Ok(Outcome::Skipped(why)) => format!("SKIPPED: {why}"),
            Err(why) => {
                eprintln!("\nFAILED: {name}: {why}\n  again: {shown}");
                failure = Some(name.clone());
                "FAILED".to_owned()
            }
        };
        rows.push((name, Some(begin.elapsed()), verdict));
    }
    eprintln!("\nsummary:");
    for (name, took, verdict) in rows {
        eprintln!("  {name:<width$}  {:>8}  {verdict}", took.map(seconds).unwrap_or_default());
    }
    eprintln!("  {:<width$}  {:>8}", "total", seconds(begin.elapsed()));
    failure.map_or(Ok(()), |name| Err(format!("{name} failed")))
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
