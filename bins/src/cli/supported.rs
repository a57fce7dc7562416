//! `kaito models --configmap`: the ConfigMap from which other tools know the models.
//!
//! The reference's chart installs it beside the operator under this name and with this key (`charts/kaito/workspace/templates/supported-models-configmap.yaml`); no operator reads it. There it is
//! written by hand and lags behind the models that are served; here it is the registry, in the fields that its readers know.

use super::console::Defect;
use super::output;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kaito_presets::Model;
use serde::Serialize;
use std::collections::BTreeMap;

/// The name that tools look for.
const NAME: &str = "kaito-supported-models";
/// The key with the list.
const KEY: &str = "SupportedModels";
/// What the reference calls the runtime images, whichever server they start.
const RUNTIME: &str = "tfs";

#[derive(Serialize)]
struct List {
    models: Vec<Entry>,
}

/// One entry, in the reference's words.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    name: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    /// The page of the commit that is served; of the repository, where none is pinned.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    runtime: &'static str,
    /// The tag of the runtime image, or of the published weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    download_at_runtime: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    download_auth_required: Option<bool>,
}

/// The ConfigMap as YAML, in this namespace.
pub(super) fn config_map(namespace: &str) -> Result<String, Defect> {
    let bases = kaito_presets::profiles().iter().map(|profile| base(profile.image.tag));
    let list = List { models: bases.chain(kaito_presets::models().iter().map(|model| entry(model))).collect() };
    let data = BTreeMap::from([(KEY.to_owned(), output::yaml(&list)?)]);
    let metadata =
        ObjectMeta { name: Some(NAME.to_owned()), namespace: Some(namespace.to_owned()), ..ObjectMeta::default() };
    output::yaml(&ConfigMap { metadata, data: Some(data), ..ConfigMap::default() })
}

/// A runtime image.
fn base(tag: &'static str) -> Entry {
    Entry {
        name: "base",
        kind: "base",
        version: None,
        runtime: RUNTIME,
        tag: Some(tag),
        download_at_runtime: None,
        download_auth_required: None,
    }
}

fn entry(model: &'static Model) -> Entry {
    // Published weights are a copy of the commit that was pinned once; all others follow the branch.
    let copied = model.pinned_revision.filter(|_| model.weights_artifact.is_some());
    let commit = model.revision.as_deref().or(copied);
    let commit = commit.map(|commit| format!("/commit/{commit}")).unwrap_or_default();
    Entry {
        name: model.preferred_name(),
        kind: "text-generation",
        version: Some(format!("https://huggingface.co/{}{commit}", model.id)),
        runtime: RUNTIME,
        tag: model.weights_artifact.map(|artifact| artifact.tag),
        download_at_runtime: Some(true),
        download_auth_required: model.gated,
    }
}
