//! `kaito simulate --then`: what is applied next, each time the world is quiet.

use super::console::Defect;
use super::intake;
use crate::input::{self, Document, Problem, printable};
use kaito_core::memory::World;
use kaito_core::{Kind, ObjectKey, Settings, admission};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read;

/// The topic of its line in the timeline.
pub const TOPIC: &str = "then";

/// One `--then`: its objects are put into the world together.
pub struct Stage {
    named: String,
    documents: Vec<Document>,
    /// What is said of objects that are passed over.
    pub passed_over: Vec<Problem>,
}

/// What was applied, told to a program.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// Simulated seconds since the beginning.
    at: i64,
    file: String,
    /// `Workspace default/phi`, and so on.
    objects: Vec<String>,
}

/// Reads every stage; everything that is wrong in any of them.
pub fn read(named: &[String], namespace: &str, stdin: &mut dyn Read) -> Result<Vec<Stage>, Vec<Problem>> {
    let (mut stages, mut problems) = (Vec::new(), Vec::new());
    for name in named {
        match input::read(std::slice::from_ref(name), namespace, stdin) {
            Ok(objects) => stages.push(Stage {
                named: name.clone(),
                documents: objects.documents,
                passed_over: objects.passed_over,
            }),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok(stages) } else { Err(problems) }
}

/// Why Workspaces of the stages would not be admitted, each judged as a change of what stood there before; and whether an API server would take all objects at all.
pub fn refusals(stages: &[Stage], world: &World, settings: &Settings) -> (Vec<Problem>, bool) {
    let mut before: BTreeMap<&ObjectKey, Value> = BTreeMap::new();
    let mut problems = Vec::new();
    for document in stages.iter().flat_map(|stage| &stage.documents).filter(|one| one.key.kind == Kind::Workspace) {
        let known = before.remove(&document.key);
        let old = known.or_else(|| world.cluster().with_store(|store| store.value(&document.key).cloned()));
        let verdict = admission::review(&document.value, old.as_ref(), settings);
        problems.extend(verdict.errors.iter().map(|error| document.problem(error)));
        before.insert(&document.key, document.value.clone());
    }
    let taken = intake::untaken(stages.iter().flat_map(|stage| &stage.documents), settings, &mut problems);
    (problems, taken)
}

impl Stage {
    /// Puts its objects into the world, what Workspaces may refer to first; new Workspaces are added to those that the simulation is about.
    pub fn apply(&self, world: &mut World, workspaces: &mut Vec<ObjectKey>) -> Result<Applied, Defect> {
        let (last, first): (Vec<&Document>, Vec<&Document>) =
            self.documents.iter().partition(|document| document.key.kind == Kind::Workspace);
        let at = world.elapsed().as_secs();
        for document in first.iter().chain(&last) {
            world.put(&document.key, &document.value).map_err(|error| Defect(format!("{}: {error}", document.key)))?;
        }
        for document in last.iter().filter(|document| !workspaces.contains(&document.key)).collect::<Vec<_>>() {
            workspaces.push(document.key.clone());
        }
        for key in workspaces.iter() {
            world.note(key, TOPIC, &format!("{} applied", printable(&self.named)));
        }
        let objects = first.iter().chain(&last).map(|document| document.key.to_string()).collect();
        Ok(Applied { at, file: self.named.clone(), objects })
    }
}
