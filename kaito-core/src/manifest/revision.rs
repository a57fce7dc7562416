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

/// A revision of a Workspace. Its `data` holds the three parts that a user writes.
pub fn controller_revision(
    namespace: &str,
    name: &str,
    workspace: &str,
    owner: OwnerReference,
    hash: &str,
    data: Value,
    number: i64,
) -> ControllerRevision {
    let metadata = ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(namespace.to_owned()),
        labels: Some([(labels::REVISION_WORKSPACE_NAME.to_owned(), workspace.to_owned())].into()),
        annotations: Some([(annotations::WORKSPACE_HASH.to_owned(), hash.to_owned())].into()),
        owner_references: Some(vec![owner]),
        ..ObjectMeta::default()
    };
    compat::controller_revision(metadata, data, number)
}
