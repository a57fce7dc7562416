//! `kaito validate`: would it be admitted, as it is or as a change; if not, which field and why.

use super::args::{Form, Operator, Validate};
use super::console::{Colour, Console, Defect, Look};
use super::{Verdict, intake, output, reviews};
use crate::input::{self, Document, Objects, Place, Problem, printable};
use kaito_api::{FieldError, FieldErrorKind};
use kaito_core::admission::{self, Known};
use kaito_core::workspace::LookedModel;
use kaito_core::{Kind, ObjectKey};
use serde::Serialize;
use serde_json::Value;
use std::io::Read;
use std::sync::Arc;

/// The verdict on one document, told to a program.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    resource: Resource,
    operation: &'static str,
    allowed: bool,
    message: String,
    warnings: Vec<String>,
    errors: Vec<Wrong>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    name: String,
}

/// One wrong field.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Wrong {
    path: String,
    #[serde(rename = "type")]
    of_type: FieldErrorKind,
    /// What stands there; nothing where nothing does, or where it may be secret.
    value: Value,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    suggestion: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    file: String,
    line: usize,
    column: usize,
}

/// A document with what there is to say of it.
struct Judged {
    document: Document,
    is_update: bool,
    verdict: admission::Verdict,
}

/// Judges every document of the input.
pub fn run(args: &Validate, stdin: &mut dyn Read, console: &mut Console<'_>) -> Result<Verdict, Defect> {
    let settings = args.operator.settings();
    if let Some(file) = &args.review {
        return reviews::run(file, &settings, stdin, console);
    }
    let (documents, old) = match read(args, stdin) {
        Ok((new, old)) => {
            intake::complain(&new.passed_over, console);
            (new.documents, old)
        }
        Err(problems) => {
            intake::complain(&problems, console);
            return Ok(Verdict::Unreadable);
        }
    };
    // What a ConfigMap means to a Workspace of the same input can be said, too.
    let workspaces: Vec<(ObjectKey, Value)> = documents
        .iter()
        .filter(|document| document.key.kind == Kind::Workspace)
        .map(|document| (document.key.clone(), document.value.clone()))
        .collect();
    let nodes = intake::nodes(&documents, &settings, console);
    let known = Known { models: &|id| looked(&args.operator, id), nodes: nodes.as_deref() };
    let judged = documents.into_iter().map(|document| judge(document, &old, &workspaces, &args.operator, &known));
    let judged: Vec<Judged> = judged.collect();
    let text = match args.output.form {
        Form::Table => judged.iter().map(|one| for_people(one, console.look)).collect(),
        form => output::one_or_list("Verdict", "VerdictList", judged.iter().map(told).collect(), form)?,
    };
    console.print(&text)?;
    Ok(judged.iter().all(|one| one.verdict.allowed).into())
}

/// The documents, and those that they are to replace. Each of the latter replaces something, or a name is misspelt.
fn read(args: &Validate, stdin: &mut dyn Read) -> Result<(Objects, Vec<Document>), Vec<Problem>> {
    let new = input::read_faulty(&args.files, &args.namespace, stdin)?;
    let old = if args.old.is_empty() { Vec::new() } else { input::read(&args.old, &args.namespace, stdin)?.documents };
    let alone = old.iter().filter(|old| new.documents.iter().all(|new| new.key != old.key));
    let problems: Vec<Problem> = alone
        .map(|old| Problem::at(&old.file, old.place(), format!("{} is not among the files of -f", old.key)))
        .collect();
    if problems.is_empty() { Ok((new, old)) } else { Err(problems) }
}

fn judge(
    document: Document,
    old: &[Document],
    workspaces: &[(ObjectKey, Value)],
    operator: &Operator,
    known: &Known<'_>,
) -> Judged {
    let old = old.iter().find(|old| old.key == document.key).map(|old| &old.value);
    let verdict = match document.key.kind {
        Kind::Workspace => admission::review_with(&document.value, old, &operator.settings(), known),
        Kind::ConfigMap if document.faults.is_empty() => settings_of(&document, workspaces, operator, known),
        // The input holds other kinds to their types, with the nearest names.
        _ => admission::Verdict::new(document.faults.clone(), Vec::new()),
    };
    Judged { is_update: old.is_some(), verdict, document }
}

/// What is known of a model that is in no catalogue.
fn looked(operator: &Operator, id: &str) -> LookedModel {
    match operator.model(id) {
        Some(Ok(repository)) => LookedModel::at(Arc::new(repository)),
        Some(Err(_)) | None => LookedModel::NotYet,
    }
}

/// What the Workspaces of the input make of a ConfigMap that they name.
fn settings_of(
    document: &Document,
    workspaces: &[(ObjectKey, Value)],
    operator: &Operator,
    known: &Known<'_>,
) -> admission::Verdict {
    let settings = operator.settings();
    let (mut errors, mut warnings) = (Vec::new(), Vec::new());
    for (key, workspace) in workspaces.iter().filter(|(key, _)| key.namespace == document.key.namespace) {
        let verdict = admission::runtime_settings(workspace, &document.value, &settings, known)
            .or_else(|| admission::training_settings(workspace, &document.value, &settings, known));
        let Some(verdict) = verdict else { continue };
        errors.extend(verdict.errors.into_iter().map(|error| {
            let detail = format!("for Workspace {}: {}", key.name, error.detail);
            FieldError { detail, ..error }
        }));
        warnings.extend(verdict.warnings.iter().map(|warning| format!("for Workspace {}: {warning}", key.name)));
    }
    admission::Verdict::new(errors, warnings)
}

fn told(judged: &Judged) -> Told {
    let Judged { document, is_update, verdict } = judged;
    let key = &document.key;
    Told {
        resource: Resource { kind: key.kind.name(), namespace: key.namespace.clone(), name: key.name.clone() },
        operation: if *is_update { "UPDATE" } else { "CREATE" },
        allowed: verdict.allowed,
        message: verdict.message.clone(),
        warnings: verdict.warnings.clone(),
        errors: verdict.errors.iter().map(|error| wrong(document, error)).collect(),
    }
}

fn wrong(document: &Document, error: &FieldError) -> Wrong {
    let problem = document.problem(error);
    let Place { line, column } = problem.place.unwrap_or(Place::START);
    // Nothing of a Secret is repeated (I11), and the whole object is no value of a field.
    let shown = document.key.kind != Kind::Secret && !error.path.is_root();
    let value = document.value.pointer(&error.path.to_pointer()).filter(|_| shown);
    Wrong {
        path: error.path.to_string(),
        of_type: error.kind,
        value: value.cloned().unwrap_or_default(),
        detail: error.detail.clone(),
        suggestion: error.suggestion.clone(),
        rule: error.rule.as_ref().map(ToString::to_string),
        file: problem.file,
        line,
        column,
    }
}

/// A heading, and below it a line for each error and each warning.
fn for_people(judged: &Judged, look: Look) -> String {
    let Judged { document, is_update, verdict } = judged;
    let (word, colour) = if verdict.allowed { ("allowed", Colour::Green) } else { ("denied", Colour::Red) };
    let what = if *is_update { " as an update" } else { "" };
    let mut text = format!("{}  {}{what}\n", look.paint(colour, word), printable(&document.key.to_string()));
    for error in &verdict.errors {
        text.push_str(&format!("  {}\n", document.problem(error)));
    }
    for warning in &verdict.warnings {
        text.push_str(&format!("  {}: {}\n", look.paint(Colour::Yellow, "warning"), printable(warning)));
    }
    text
}
