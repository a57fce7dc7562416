//! From `-f` to a world that holds the objects.

use super::Verdict;
use super::args::{Input, Operator};
use super::console::{Console, Defect};
use crate::input::{self, Document, Problem};
use kaito_api::k8s_openapi::api::core::v1::Node;
use kaito_api::{FieldError, syntax};
use kaito_core::hub::Repository;
use kaito_core::memory::World;
use kaito_core::workspace::asked_of_hub;
use kaito_core::{Kind, ObjectKey, Settings, admission};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Read;

/// So many complaints are shown; after them, only their number.
const SHOWN: usize = 20;

/// A world with the objects of the input, not run yet.
pub struct Intake {
    /// The world.
    pub world: World,
    /// What was put into it, in that order.
    pub objects: Vec<(ObjectKey, Value)>,
    /// The Workspaces of the input, in its order.
    pub workspaces: Vec<ObjectKey>,
    /// Models that are in no catalogue, found for them in a folder.
    pub models: Vec<Repository>,
    /// Why Workspaces would not be admitted.
    pub refusals: Vec<Problem>,
}

/// Reads the input; what is passed over is said. `Err` is the verdict on an input that cannot be read; it has been said.
pub fn read(input: &Input, stdin: &mut dyn Read, console: &mut Console<'_>) -> Result<Vec<Document>, Verdict> {
    match input::read(&input.files, &input.namespace, stdin) {
        Ok(objects) => {
            complain(&objects.passed_over, console);
            Ok(objects.documents)
        }
        Err(problems) => {
            complain(&problems, console);
            Err(Verdict::Unreadable)
        }
    }
}

/// Puts what was read into a fresh world: first what Workspaces may refer to, then they. `Err` is the verdict where there is nothing to run; it has been said.
pub fn put(
    documents: Vec<Document>,
    operator: &Operator,
    console: &mut Console<'_>,
) -> Result<Result<Intake, Verdict>, Defect> {
    let settings = operator.settings();
    let (workspaces, others): (Vec<Document>, Vec<Document>) =
        documents.into_iter().partition(|document| document.key.kind == Kind::Workspace);
    if workspaces.is_empty() {
        console.remark("no Workspace in the input: there is nothing to decide");
        return Ok(Err(Verdict::Unreadable));
    }
    let mut refusals: Vec<Problem> = workspaces.iter().flat_map(|document| refusals(document, &settings)).collect();
    let all = || others.iter().chain(&workspaces);
    let taken = untaken(all(), &settings, &mut refusals);
    complain(&refusals, console);
    if !taken {
        return Ok(Err(Verdict::No));
    }
    nodes(&others, &settings, console);
    let mut world = World::installed(&settings);
    let models = models(&workspaces, operator, console);
    models.iter().for_each(|model| world.publish_model(model.clone()));
    for document in all() {
        world.put(&document.key, &document.value).map_err(|error| Defect(format!("{}: {error}", document.key)))?;
    }
    let objects =
        others.iter().chain(&workspaces).map(|document| (document.key.clone(), document.value.clone())).collect();
    Ok(Ok(Intake {
        world,
        objects,
        workspaces: workspaces.into_iter().map(|document| document.key).collect(),
        models,
        refusals,
    }))
}

/// The Nodes that somebody brought along, where no machines are made; that there is none is said, for then nothing can become ready.
pub(super) fn nodes(documents: &[Document], settings: &Settings, console: &mut Console<'_>) -> Option<Vec<Node>> {
    if settings.provisioner.makes_machines() {
        return None;
    }
    let all = documents.iter().filter(|document| document.key.kind == Kind::Node);
    let read: Vec<Node> = all.filter_map(|document| serde_json::from_value(document.value.clone()).ok()).collect();
    if read.is_empty() {
        let name = settings.provisioner.as_str();
        console.remark(&format!("no Node among the documents: with --node-provisioner={name} no machine is made, so that those which are there must be given too, such as by `kubectl get nodes -o yaml`"));
        return None;
    }
    Some(read)
}

/// The models of these Workspaces that are in no catalogue, from the folder of the options; what is not there is said.
fn models(workspaces: &[Document], operator: &Operator, console: &mut Console<'_>) -> Vec<Repository> {
    let read = workspaces.iter().filter_map(|document| admission::read(&document.value).ok());
    let ids: BTreeSet<String> = read.filter_map(|(_, workspace)| asked_of_hub(&workspace).map(str::to_owned)).collect();
    let mut models = Vec::new();
    for found in ids.iter().filter_map(|id| operator.model(id)) {
        match found {
            Ok(repository) => models.push(repository),
            Err(error) => console.remark(&error.to_string()),
        }
    }
    models
}

/// Adds what no API server would take because of its name or its labels, where nothing is said of that yet. `false` when there is such a thing: then there is no cluster to simulate.
pub(super) fn untaken<'a>(
    documents: impl Iterator<Item = &'a Document>,
    settings: &Settings,
    said: &mut Vec<Problem>,
) -> bool {
    let mut scratch = World::installed(settings);
    let mut taken = true;
    for document in documents {
        let namespace = document.key.namespace.as_deref().map_or(Ok(()), syntax::dns_label);
        let refused = match namespace {
            Err(expected) => Err(format!("metadata.namespace: {:?} {expected}", document.key.namespace())),
            Ok(()) => scratch.put(&document.key, &document.value).map_err(|error| error.message),
        };
        if let Err(why) = refused {
            taken = false;
            let problem = Problem::at(&document.file, document.place(), why);
            if !said.iter().any(|known| (&known.file, known.place) == (&problem.file, problem.place)) {
                said.push(problem);
            }
        }
    }
    taken
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
