//! Rules about the model: what is served, and what is tuned.

use validator::ValidationError;

use super::adapters::adapters;
use super::nodes::nodes_for_tuning;
use super::report::Report;
use super::template::template;
use super::{kind_for, source};
use crate::field_error::{FieldErrorKind, FieldPath};
use crate::workspace::{DataDestination, DataSource, InferenceSpec, PresetOptions, TuningSpec, WorkspaceSpec};

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
    source::config_map(FieldPath::from("config"), &inference.config, &mut report);
    adapters(inference, &mut report);
    if let (None, Some(own)) = (&inference.preset, &inference.template) {
        template(own, &FieldPath::from("template"), &mut report);
    }
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

/// N-6: the Secret with a token. The image and its pull secrets are not used, and so not judged.
pub(in crate::workspace) fn preset_options(options: &PresetOptions) -> Result<(), ValidationError> {
    let mut report = Report::default();
    if !options.model_access_secret.is_empty() {
        let belongs = "the name of a Secret with a token of Hugging Face under the key HF_TOKEN, such as my-token";
        source::secret(FieldPath::from("modelAccessSecret"), &options.model_access_secret, belongs, &mut report);
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
    source::config_map(FieldPath::from("config"), &tuning.config, &mut report);
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
    if let Some(data) = &tuning.input {
        tuning_input(data, &mut report);
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
        report.add("W-58", output.clone().key("imagePushSecret"), FieldErrorKind::Missing, detail);
    }
    tuning_output(destination, &output, &mut report);
    report.end()
}

/// W-53, W-54: what is filled in of the training data can be had.
fn tuning_input(data: &DataSource, report: &mut Report) {
    let at = FieldPath::from("input");
    for (index, url) in data.urls.iter().enumerate() {
        source::address(at.clone().key("urls").index(index), url, report);
    }
    if let Some(volume) = &data.volume_source {
        source::volume(at.clone().key("volumeSource"), volume, report);
    }
    if !data.image.is_empty() {
        let belongs = "the image with the data in its folder /data, such as registry.example.com/my-data:0.0.1";
        source::image("W-54", at.clone().key("image"), &data.image, belongs, report);
    }
    source::pull_secrets(data, &at, report);
}

/// W-57: what is filled in of the result's place can be reached.
fn tuning_output(destination: &DataDestination, at: &FieldPath, report: &mut Report) {
    if let Some(volume) = &destination.volume_source {
        source::volume(at.clone().key("volumeSource"), volume, report);
    }
    if !destination.image.is_empty() {
        let belongs = "the image that the adapter is pushed as, such as registry.example.com/my-adapter:0.0.1";
        source::image("W-57", at.clone().key("image"), &destination.image, belongs, report);
    }
    if !destination.image_push_secret.is_empty() {
        let belongs = "the name of a Secret with credentials of the registry, such as my-registry";
        source::secret(at.clone().key("imagePushSecret"), &destination.image_push_secret, belongs, report);
    }
}
