//! From `-f` to a world that holds the objects.

use super::Verdict;
use super::args::{Input, Operator};
use super::console::{Console, Defect};
use crate::input::{self, Document, Problem};
use kaito_api::FieldError;
use kaito_core::memory::World;
use kaito_core::{Kind, ObjectKey, Settings, admission};
use std::io::Read;

/// So many complaints are shown; after them, only their number.
const SHOWN: usize = 20;

/// A world with the objects of the input, not run yet.
pub struct Intake {
    /// The world.
    pub world: World,
    /// The Workspaces of the input, in its order.
    pub workspaces: Vec<ObjectKey>,
    /// Why Workspaces would not be admitted.
    pub refusals: Vec<Problem>,
}

/// Reads the input and puts it into a fresh world: first what Workspaces may refer to, then they. `Err` is the verdict on an input that cannot be read; it has been said.
pub fn read(
    input: &Input,
    operator: &Operator,
    stdin: &mut dyn Read,
    console: &mut Console<'_>,
) -> Result<Result<Intake, Verdict>, Defect> {
    let settings = operator.settings();
    let documents = match input::read(&input.files, &input.namespace, stdin) {
        Ok(documents) => documents,
        Err(problems) => {
            complain(&problems, console);
            return Ok(Err(Verdict::Unreadable));
        }
    };
    let (workspaces, others): (Vec<Document>, Vec<Document>) =
        documents.into_iter().partition(|document| document.key.kind == Kind::Workspace);
    if workspaces.is_empty() {
        console.remark("no Workspace in the input: there is nothing to decide");
        return Ok(Err(Verdict::Unreadable));
    }
    let mut world = World::installed(&settings);
    for document in others.iter().chain(&workspaces) {
        world.put(&document.key, &document.value).map_err(|error| Defect(format!("{}: {error}", document.key)))?;
    }
    let refusals: Vec<Problem> = workspaces.iter().flat_map(|document| refusals(document, &settings)).collect();
    complain(&refusals, console);
    Ok(Ok(Intake { world, workspaces: workspaces.into_iter().map(|document| document.key).collect(), refusals }))
}

fn refusals(document: &Document, settings: &Settings) -> Vec<Problem> {
    let errors: Vec<FieldError> = admission::check(&document.value, settings);
    errors.iter().map(|error| document.problem(error)).collect()
}

pub(super) fn complain(problems: &[Problem], console: &mut Console<'_>) {
    for problem in problems.iter().take(SHOWN) {
        console.remark(&problem.to_string());
    }
    if problems.len() > SHOWN {
        console.remark(&format!("… and {} more", problems.len() - SHOWN));
    }
}
