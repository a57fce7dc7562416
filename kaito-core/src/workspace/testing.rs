//! What Workspaces of tests name.

use super::{Facts, Looked, resolve};
use crate::settings::Settings;
use serde_json::json;

/// A preset on a machine size, looked up.
pub(crate) fn facts(model: &str, size: &str) -> Facts {
    let workspace = json!({
        "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "metadata": {"name": "a"},
        "resource": {"instanceType": size, "labelSelector": {"matchLabels": {"apps": "a"}}},
        "inference": {"preset": {"name": model}},
    });
    let (_, workspace) = kaito_api::workspace::decode(workspace).unwrap();
    resolve(&workspace, &Settings::default(), &Looked::NotYet).unwrap().model().cloned().unwrap()
}
