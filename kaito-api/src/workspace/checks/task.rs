//! Rules about the model: what is served, what is tuned, and with which adapters.

use std::collections::BTreeSet;

use validator::ValidationError;

use super::nodes::nodes_for_tuning;
use super::report::Report;
use crate::field_error::{FieldErrorKind, FieldPath};
use crate::syntax;
use crate::workspace::{AdapterSpec, InferenceSpec, MAX_ADAPTERS, SourceKind, TuningSpec, WorkspaceSpec};

/// Rules about a Workspace as a whole.
pub(in crate::workspace) fn workspace(spec: &WorkspaceSpec) -> Result<(), ValidationError> {
    let mut report = Report::default();
    one_task(spec, &mut report);
    nodes_for_tuning(spec, &mut report);
    report.end()
}

/// Rules about what is served as a whole.
pub(in crate::workspace) fn inference(inference: &InferenceSpec) -> Result<(), ValidationError> {
    let mut report = Report::default();
    one_server(inference, &mut report);
    adapters(inference, &mut report);
    report.end()
}

/// W-2, W-3: exactly one task.
fn one_task(spec: &WorkspaceSpec, report: &mut Report) {
    match (&spec.inference, &spec.tuning) {
        (None, None) => {
            report.add("W-2", FieldPath::root(), FieldErrorKind::Missing, "one of inference and tuning must be set");
        }
        (Some(_), Some(_)) => {
            let detail = "cannot be set beside inference; make a Workspace for each";
            report.add("W-3", FieldPath::from("tuning"), FieldErrorKind::Forbidden, detail);
        }
        _ => {}
    }
}

/// W-33, W-34: exactly one server.
fn one_server(inference: &InferenceSpec, report: &mut Report) {
    match (&inference.preset, &inference.template) {
        (None, None) => {
            report.add("W-33", FieldPath::root(), FieldErrorKind::Missing, "one of preset and template must be set");
        }
        (Some(_), Some(_)) => {
            let detail = "cannot be set beside preset; a template is a server of your own";
            report.add("W-34", FieldPath::from("template"), FieldErrorKind::Forbidden, detail);
        }
        _ => {}
    }
}

/// W-35, as far as it needs no list of models: there is a name.
pub(in crate::workspace) fn preset_name(name: &str) -> Result<(), ValidationError> {
    let mut report = Report::default();
    if name.trim().is_empty() {
        let detail = "must name a model, such as phi-4-mini-instruct or microsoft/phi-4";
        report.add("W-35", FieldPath::root(), FieldErrorKind::Missing, detail);
    }
    report.end()
}

/// W-42, W-43: not too many adapters, and no name twice.
fn adapters(inference: &InferenceSpec, report: &mut Report) {
    let adapters = FieldPath::from("adapters");
    if inference.adapters.len() > MAX_ADAPTERS {
        let detail = format!("has {} adapters; must be at most {MAX_ADAPTERS}", inference.adapters.len());
        report.add("W-42", adapters.clone(), FieldErrorKind::TooMany, detail);
    }
    let mut seen = BTreeSet::new();
    for (index, adapter) in inference.adapters.iter().enumerate() {
        let name = adapter.name();
        if !name.is_empty() && !seen.insert(name) {
            let detail = format!("{name:?} is the name of an earlier adapter; must be different");
            report.add(
                "W-43",
                adapters.clone().index(index).key("source").key("name"),
                FieldErrorKind::Duplicate,
                detail,
            );
        }
    }
}

/// W-U12: one adapter by itself.
pub(in crate::workspace) fn adapter(adapter: &AdapterSpec) -> Result<(), ValidationError> {
    let mut report = Report::default();
    let at = FieldPath::from("source");
    if let Some(source) = &adapter.source {
        match source.kinds().as_slice() {
            [SourceKind::Urls] => {
                let detail = "adapters are not downloaded; use image or volumeSource";
                report.add("W-U12f", at.clone().key("urls"), FieldErrorKind::Forbidden, detail);
            }
            [_] => {}
            kinds => report.add(
                "W-U12b",
                at.clone(),
                kind_for(kinds.len()),
                "must have exactly one of image and volumeSource",
            ),
        }
        let name = at.key("name");
        if source.name.is_empty() {
            report.add(
                "W-U12c",
                name,
                FieldErrorKind::Missing,
                "is how requests choose the adapter, such as my-adapter",
            );
        } else if let Err(expected) = syntax::dns_subdomain(&source.name) {
            report.add("W-U12d", name, FieldErrorKind::Value, format!("{:?} {expected}", source.name));
        }
    } else {
        report.add(
            "W-U12a",
            at,
            FieldErrorKind::Missing,
            "says where the adapter is; must have a name and an image or volumeSource",
        );
    }
    if let Some(strength) = &adapter.strength {
        let at = FieldPath::from("strength");
        match decimal(strength) {
            None => {
                let detail = format!("{strength:?} must be a decimal from 0 to 1 as text, such as \"0.5\"");
                report.add("W-U12g", at, FieldErrorKind::Value, detail);
            }
            Some(number) if !(0.0..=1.0).contains(&number) => {
                report.add("W-U12h", at, FieldErrorKind::Value, format!("{strength} must be from 0 to 1"));
            }
            Some(_) => {}
        }
    }
    report.end()
}

/// W-49, W-52, W-55, W-56, W-58, W-59, W-60: a tuning says what, how, from where and to where.
pub(in crate::workspace) fn tuning(tuning: &TuningSpec) -> Result<(), ValidationError> {
    let mut report = Report::default();
    if tuning.preset.is_none() {
        report.add(
            "W-60",
            FieldPath::from("preset"),
            FieldErrorKind::Missing,
            "says which model is tuned, such as name: phi-4",
        );
    }
    if tuning.tuning_method().is_none() {
        let kind = if tuning.method.is_empty() { FieldErrorKind::Missing } else { FieldErrorKind::Value };
        report.add(
            "W-49",
            FieldPath::from("method"),
            kind,
            format!("{:?} is no method; must be lora or qlora", tuning.method),
        );
    }
    let input = FieldPath::from("input");
    match tuning.input.as_ref().map(|source| source.kinds().len()) {
        None => report.add(
            "W-52",
            input,
            FieldErrorKind::Missing,
            "says where the training data is; must have one of urls, volumeSource and image",
        ),
        Some(1) => {}
        Some(n) => report.add("W-55", input, kind_for(n), "must have exactly one of urls, volumeSource and image"),
    }
    let output = FieldPath::from("output");
    let Some(destination) = &tuning.output else {
        report.add(
            "W-56",
            output,
            FieldErrorKind::Missing,
            "says where the adapter goes; must have one of volumeSource and image",
        );
        return report.end();
    };
    match (destination.volume_source.is_some(), !destination.image.is_empty()) {
        (false, false) => {
            report.add("W-59", output.clone(), FieldErrorKind::Missing, "must have one of volumeSource and image");
        }
        (true, true) => report.add(
            "W-59",
            output.clone(),
            FieldErrorKind::Forbidden,
            "must have only one of volumeSource and image",
        ),
        _ => {}
    }
    if !destination.image.is_empty() && destination.image_push_secret.is_empty() {
        let detail = "must name the Secret for pushing the image";
        report.add("W-58", output.key("imagePushSecret"), FieldErrorKind::Missing, detail);
    }
    report.end()
}

fn kind_for(given: usize) -> FieldErrorKind {
    if given == 0 { FieldErrorKind::Missing } else { FieldErrorKind::Forbidden }
}

/// A plain decimal: digits with an optional point and minus, at least one digit; neither exponents nor words.
fn decimal(text: &str) -> Option<f64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits.bytes().all(|b| b.is_ascii_digit() || b == b'.') && digits.bytes().any(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}
