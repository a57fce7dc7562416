//! What Workspaces of tests name.

use super::{Facts, Looked, Subject, resolve};
use crate::settings::Settings;
use kaito_api::Workspace;
use serde_json::{Value, json};

/// A preset on a machine size, as it is written.
pub(crate) fn manifest(model: &str, size: &str) -> Value {
    json!({
        "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "metadata": {"name": "a"},
        "resource": {"instanceType": size, "labelSelector": {"matchLabels": {"apps": "a"}}},
        "inference": {"preset": {"name": model}},
    })
}

/// A manifest with what it names, where that can be had.
pub(crate) fn resolved(manifest: Value) -> Option<(Workspace, Subject)> {
    let (_, workspace) = kaito_api::workspace::decode(manifest).unwrap();
    let subject = resolve(&workspace, &Settings::default(), &Looked::default()).ok()?;
    Some((workspace, subject))
}

/// A preset on a machine size, looked up.
pub(crate) fn facts(model: &str, size: &str) -> Facts {
    resolved(manifest(model, size)).unwrap().1.model().cloned().unwrap()
}
