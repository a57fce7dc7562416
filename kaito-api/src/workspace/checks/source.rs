//! Rules about where things come from and go to: images, addresses, volumes, Secrets. One place for adapters, training data and results.
//!
//! A placeholder that an example left to its reader is refused with the field and what belongs there: it could only be waited for without end.

use serde_json::Value;

use super::report::Report;
use crate::field_error::{FieldErrorKind, FieldPath};
use crate::raw::RawVolumeSource;
use crate::syntax::{self, ImageReference};
use crate::workspace::DataSource;

/// W-54, W-57, W-U12b: an image that can be pulled or pushed. `belongs` says what to write, as `the image with the adapter, such as …`.
pub(super) fn image(rule: &'static str, at: FieldPath, text: &str, belongs: &str, report: &mut Report) {
    let fault = text.parse::<ImageReference>().err().map(|error| error.to_string());
    if let Some(why) = why(text, fault) {
        report.add(rule, at, FieldErrorKind::Value, format!("{text:?} is no image: {why}; write {belongs}"));
    }
}

/// W-53: an address that training data can be downloaded from.
pub(super) fn address(at: FieldPath, text: &str, report: &mut Report) {
    if let Some(why) = why(text, syntax::public_address(text).err()) {
        let belongs = "the address of the data, such as https://example.com/train.parquet";
        let detail = format!("{text:?} cannot be downloaded from: {why}; write {belongs}");
        report.add("W-53", at, FieldErrorKind::Value, detail);
    }
}

/// N-6: the name of a Secret, which could never exist under another grammar.
pub(super) fn secret(at: FieldPath, name: &str, belongs: &str, report: &mut Report) {
    named("N-6", "Secret", at, name, belongs, report);
}

/// N-8: the name of a ConfigMap; empty where none is named. Another grammar would also lead a read elsewhere (`../secrets/x`).
pub(super) fn config_map(at: FieldPath, name: &str, report: &mut Report) {
    if !name.is_empty() {
        named(
            "N-8",
            "ConfigMap",
            at,
            name,
            "the name of a ConfigMap in the same namespace, such as my-settings",
            report,
        );
    }
}

fn named(rule: &'static str, kind: &str, at: FieldPath, name: &str, belongs: &str, report: &mut Report) {
    let fault = syntax::dns_subdomain(name).err().map(|expected| format!("a name {expected}"));
    if let Some(why) = why(name, fault) {
        let detail = format!("{name:?} is no name of a {kind}: {why}; write {belongs}");
        report.add(rule, at, FieldErrorKind::Value, detail);
    }
}

/// What is wrong with a text: its grammar, and words in it that are placeholders.
fn why(text: &str, fault: Option<String>) -> Option<String> {
    let left = match syntax::placeholders(text).as_slice() {
        [] => None,
        [one] => Some(format!("{one} is a placeholder")),
        many => Some(format!("{} are placeholders", many.join(" and "))),
    };
    match (fault, left) {
        (Some(fault), Some(left)) => Some(format!("{fault}; {left}")),
        (fault, left) => fault.or(left),
    }
}

/// N-7: a volume that Kubernetes would mount. One that is of no known kind would become an empty directory, without a word.
pub(super) fn volume(at: FieldPath, source: &RawVolumeSource, report: &mut Report) {
    const EXAMPLE: &str = "such as {persistentVolumeClaim: {claimName: my-data}}";
    let volume = match source.as_volume_source("v") {
        Ok(volume) => volume,
        Err(error) => return report.add("N-7", at.join(&error.path), error.kind, error.detail),
    };
    let kinds = match serde_json::to_value(volume) {
        Ok(Value::Object(fields)) => fields.len().saturating_sub(1),
        _ => 0,
    };
    let written: Vec<&str> = source.0.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect();
    let (kind, detail) = match (kinds, written.as_slice()) {
        (1, _) => return,
        (0, []) => (FieldErrorKind::Missing, format!("names no volume; write one, {EXAMPLE}")),
        (0, written) => {
            (FieldErrorKind::Unknown, format!("{} is no kind of volume; write one, {EXAMPLE}", written.join(", ")))
        }
        (_, written) => (FieldErrorKind::Forbidden, format!("must be one volume, not {}", written.join(" and "))),
    };
    report.add("N-7", at, kind, detail);
}

/// N-6: the Secrets that an image is pulled with.
pub(super) fn pull_secrets(source: &DataSource, at: &FieldPath, report: &mut Report) {
    let belongs = "the name of a Secret with credentials of the registry, such as my-registry";
    for (index, name) in source.image_pull_secrets.iter().enumerate() {
        secret(at.clone().key("imagePullSecrets").index(index), name, belongs, report);
    }
}
