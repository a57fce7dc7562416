//! `kaito render`: the objects that a Workspace comes to, in the order of their creation; of a NodeClaim, what is asked of the cloud for it.

use super::args::{Document, Render};
use super::console::{Console, Defect};
use super::intake::Intake;
use super::{Verdict, asked, intake, output, standing};
use kaito_core::render;
use std::io::Read;

/// Runs an ideal world to its fix-point and prints what the controllers wrote.
pub fn run(args: &Render, stdin: &mut dyn Read, console: &mut Console<'_>) -> Result<Verdict, Defect> {
    let documents = match intake::read(&args.input, stdin, console) {
        Ok(documents) => documents,
        Err(verdict) => return Ok(verdict),
    };
    if let Some(claims) = asked::claims(&documents) {
        return asked::run(&claims, args.output, console);
    }
    let Intake { mut world, workspaces, refusals, .. } = match intake::put(documents, &args.operator, console)? {
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
