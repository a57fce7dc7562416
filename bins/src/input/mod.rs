//! Files of manifests, read with the place of everything in them.
//!
//! [`read`] takes what `-f` names and answers the objects, or everything that is wrong, each with file, line and column. What an object *means* is not judged here: the form only, so that every
//! command can say on its own whether a Workspace that can be read is also admitted ([`Document::problem`] gives its complaints a place).
//!
//! | file | subject |
//! |---|---|
//! | `source` | files, folders, patterns, standard input, encodings |
//! | `yaml`, `scalar` | documents, as kubectl reads them |
//! | `tree`, `place` | values with their places |
//! | `document`, `kinds` | objects: kind, version, name, form |

mod document;
pub mod kinds;
pub mod place;
mod scalar;
mod source;
pub mod tree;
mod yaml;

pub use document::Document;
pub use place::{Place, Problem, printable};
pub use source::{STDIN, Text, one, texts};
pub use yaml::DOCUMENT_LIMIT;

use kaito_core::ObjectKey;
use std::collections::BTreeMap;
use std::io::Read;
use tree::{Data, Node};

/// What the input holds.
#[derive(Debug)]
pub struct Objects {
    /// What is looked at, in the order of the files.
    pub documents: Vec<Document>,
    /// What is said of objects that are passed over ([`kinds::PASSED_OVER`]).
    pub passed_over: Vec<Problem>,
}

/// The objects that the arguments of `-f` name; or everything that is wrong with them, sorted by file and place.
///
/// Objects without a namespace get `namespace`. A list (`kind: List`, as `kubectl get -o yaml` prints) is taken apart.
pub fn read(named: &[String], namespace: &str, stdin: &mut dyn Read) -> Result<Objects, Vec<Problem>> {
    sorted(survey(named, namespace, stdin), Document::problems)
}

/// As [`read`], with objects whose form is wrong among the others: what is wrong is in their `faults`.
pub fn read_faulty(named: &[String], namespace: &str, stdin: &mut dyn Read) -> Result<Objects, Vec<Problem>> {
    sorted(survey(named, namespace, stdin), |_| Vec::new())
}

fn sorted(
    (objects, mut problems): (Objects, Vec<Problem>),
    objections: impl Fn(&Document) -> Vec<Problem>,
) -> Result<Objects, Vec<Problem>> {
    problems.extend(objects.documents.iter().flat_map(objections));
    if problems.is_empty() {
        return Ok(objects);
    }
    problems.sort();
    problems.dedup();
    Err(problems)
}

/// Everything that the arguments name, and what cannot be told apart or stands there twice.
fn survey(named: &[String], namespace: &str, stdin: &mut dyn Read) -> (Objects, Vec<Problem>) {
    let (mut documents, mut passed_over, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    for name in named {
        match source(name, namespace, stdin) {
            Ok(found) => found.into_iter().for_each(|one| match one {
                Ok(Found::Document(document)) => documents.push(*document),
                Ok(Found::PassedOver(said)) => passed_over.push(said),
                Err(found) => problems.extend(found),
            }),
            Err(problem) => problems.push(problem),
        }
    }
    problems.extend(twice(&documents));
    (Objects { documents, passed_over }, problems)
}

/// One object of the input.
enum Found {
    Document(Box<Document>),
    PassedOver(Problem),
}

/// Everything that one `-f` names: the objects that can be read, and what is wrong with the others.
fn source(name: &str, namespace: &str, stdin: &mut dyn Read) -> Result<Vec<Result<Found, Vec<Problem>>>, Problem> {
    let mut found = Vec::new();
    for text in source::texts(name, stdin)? {
        match yaml::documents(&text.name, &text.text) {
            Ok(nodes) => {
                found.extend(nodes.into_iter().flat_map(items).map(|node| {
                    match document::passed_over(&text.name, &node) {
                        Some(said) => Ok(Found::PassedOver(said)),
                        None => Document::read(&text.name, node, namespace).map(Box::new).map(Found::Document),
                    }
                }));
            }
            Err(problem) => found.push(Err(vec![problem])),
        }
    }
    if found.is_empty() {
        let name = if name == "-" { STDIN } else { name };
        return Err(Problem::of_file(name, "no document: there is nothing but blanks and comments"));
    }
    Ok(found)
}

/// The elements of a `List`; anything else is itself.
fn items(node: Node) -> Vec<Node> {
    let is_list = node.text("kind") == Some("List") && node.text("apiVersion") == Some("v1");
    match node.field("items").map(|field| field.value.data.clone()) {
        Some(Data::List(items)) if is_list => items,
        _ => vec![node],
    }
}

/// Objects that stand in the input more than once.
fn twice(documents: &[Document]) -> Vec<Problem> {
    let mut first: BTreeMap<&ObjectKey, &Document> = BTreeMap::new();
    let mut problems = Vec::new();
    for document in documents.iter().filter(|document| !document.key.name.is_empty()) {
        if let Some(first) = first.get(&document.key) {
            let detail =
                format!("{} stands here for the second time; first in {}:{}", document.key, first.file, first.place());
            problems.push(Problem::at(&document.file, document.place(), detail));
        } else {
            first.insert(&document.key, document);
        }
    }
    problems
}
