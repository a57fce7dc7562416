//! What was asked for, numbered.

use crate::compat;
use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kaito_api::vocabulary::{annotations, labels};
use serde_json::Value;

/// The Workspace's name and the first five digits of the hash.
pub fn revision_name(workspace: &str, hash: &str) -> String {
    format!("{workspace}-{}", hash.get(..5).unwrap_or(hash))
}

/// What a revision is made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbered<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name, made of the Workspace's and the hash.
    pub name: &'a str,
    /// The Workspace's name.
    pub workspace: &'a str,
    /// The controller reference.
    pub owner: OwnerReference,
    /// The hash of what was asked for.
    pub hash: &'a str,
    /// What was asked for: the three parts that a user writes.
    pub data: Value,
    /// One more than the revision before.
    pub number: i64,
    /// What a hub has said of its model, where that is in no catalogue.
    pub resolved: Option<String>,
}

/// A revision of a Workspace.
pub fn controller_revision(numbered: &Numbered<'_>) -> ControllerRevision {
    let workspace = numbered.workspace.to_owned();
    let metadata = ObjectMeta {
        name: Some(numbered.name.to_owned()),
        namespace: Some(numbered.namespace.to_owned()),
        labels: Some([(labels::REVISION_WORKSPACE_NAME.to_owned(), workspace)].into()),
        annotations: Some(
            [(annotations::WORKSPACE_HASH.to_owned(), numbered.hash.to_owned())]
                .into_iter()
                .chain(numbered.resolved.clone().map(|text| (annotations::RESOLVED_MODEL.to_owned(), text)))
                .collect(),
        ),
        owner_references: Some(vec![numbered.owner.clone()]),
        ..ObjectMeta::default()
    };
    compat::controller_revision(metadata, numbered.data.clone(), numbered.number)
}
