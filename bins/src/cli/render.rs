//! `kaito render`: the objects that a Workspace comes to, in the order of their creation.

use super::args::{Document, Render};
use super::console::{Console, Defect};
use super::intake::Intake;
use super::{Verdict, intake, output, standing};
use kaito_core::render;
use std::io::Read;

/// Runs an ideal world to its fix-point and prints what the controllers wrote.
pub fn run(args: &Render, stdin: &mut dyn Read, console: &mut Console<'_>) -> Result<Verdict, Defect> {
    let Intake { mut world, workspaces, refusals, .. } =
        match intake::read(&args.input, &args.operator, stdin, console)? {
            Ok(intake) => intake,
            Err(verdict) => return Ok(verdict),
        };
    let objects = render::render(&mut world);
    let text = match args.output {
        Document::Yaml => output::documents(&objects)?,
        Document::Json => output::json(&objects)?,
    };
    console.print(&text)?;
    for key in workspaces.iter().filter(|key| !standing::is_ready(&world, key)) {
        console.remark(&format!("{key} does not become ready: {}", standing::obstacle(&world, key)));
    }
    let ready = refusals.is_empty() && workspaces.iter().all(|key| standing::is_ready(&world, key));
    Ok(if ready { Verdict::Yes } else { Verdict::No })
}
