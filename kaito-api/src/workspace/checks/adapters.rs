//! Rules about adapters.

use std::collections::BTreeSet;

use validator::ValidationError;

use super::report::Report;
use super::{kind_for, source};
use crate::field_error::{FieldErrorKind, FieldPath};
use crate::syntax;
use crate::workspace::{AdapterSpec, DataSource, InferenceSpec, MAX_ADAPTERS, SourceKind};

/// W-42, W-43: not too many adapters, and no name twice.
pub(super) fn adapters(inference: &InferenceSpec, report: &mut Report) {
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
    match &adapter.source {
        Some(source) => {
            name(&source.name, at.clone().key("name"), &mut report);
            content(source, &at, &mut report);
        }
        None => {
            let detail = "says where the adapter is; must have a name and an image or volumeSource";
            report.add("W-U12a", at, FieldErrorKind::Missing, detail);
        }
    }
    strength(adapter, &mut report);
    report.end()
}

/// W-U12c, W-U12d: a DNS label, because containers and volumes are named after it.
fn name(name: &str, at: FieldPath, report: &mut Report) {
    if name.is_empty() {
        let detail = "is how requests choose the adapter, such as my-adapter";
        report.add("W-U12c", at, FieldErrorKind::Missing, detail);
    } else if let Err(expected) = syntax::dns_label(name) {
        report.add("W-U12d", at, FieldErrorKind::Value, format!("{name:?} {expected}"));
    }
}

/// W-U12b (and with it W-U12e), W-U12f: exactly one image or volume, and one that can be had.
fn content(source: &DataSource, at: &FieldPath, report: &mut Report) {
    let kinds = source.kinds();
    match kinds.as_slice() {
        [SourceKind::Urls] => {
            let detail = "adapters are not downloaded; use image or volumeSource";
            report.add("W-U12f", at.clone().key("urls"), FieldErrorKind::Forbidden, detail);
        }
        [_] => {}
        kinds => {
            let detail = "must have exactly one of image and volumeSource";
            report.add("W-U12b", at.clone(), kind_for(kinds.len()), detail);
        }
    }
    if kinds.contains(&SourceKind::Image) {
        let belongs = "the image with the adapter in its folder /data, such as registry.example.com/my-adapter:0.0.1";
        source::image("W-U12b", at.clone().key("image"), &source.image, belongs, report);
    }
    if let ([SourceKind::Volume], Some(volume)) = (kinds.as_slice(), &source.volume_source) {
        source::volume(at.clone().key("volumeSource"), volume, report);
    }
    source::pull_secrets(source, at, report);
}

/// W-U12g, W-U12h: how strongly it acts.
fn strength(adapter: &AdapterSpec, report: &mut Report) {
    let Some(strength) = &adapter.strength else { return };
    let at = FieldPath::from("strength");
    match adapter.factor() {
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
