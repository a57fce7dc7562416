//! The CustomResourceDefinitions, in the form that is installed.
//!
//! `kube` derives a definition for each version; here they are merged, given their columns, and brought into the form of the published
//! definitions (`normalize.rs`). `cargo xtask gen-crds` writes the result to `crds/`.

mod normalize;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceDefinition,
};
use kube_core::CustomResourceExt;
use kube_core::crd::{MergeError, merge_crds};

use crate::workspace::{Version, v1alpha1, v1beta1};

/// All definitions, with the names of their files in `crds/`.
pub fn all() -> Result<Vec<(&'static str, CustomResourceDefinition)>, MergeError> {
    Ok(vec![("kaito.sh_workspaces.yaml", workspace()?)])
}

/// The definition of Workspace: v1alpha1 is served, v1beta1 is served and stored.
///
/// The error is a contradiction between the derives of the two versions; a test holds that there is none.
///
/// ```
/// let crd = kaito_api::crd::workspace()?;
/// assert_eq!(crd.metadata.name.as_deref(), Some("workspaces.kaito.sh"));
/// # Ok::<(), kaito_api::kube_core::crd::MergeError>(())
/// ```
pub fn workspace() -> Result<CustomResourceDefinition, MergeError> {
    let versions = vec![v1alpha1::Workspace::crd(), v1beta1::Workspace::crd()];
    let mut crd = merge_crds(versions, Version::V1beta1.as_str())?;
    // Oldest first, as published.
    crd.spec.versions.sort_by(|a, b| a.name.cmp(&b.name));
    for version in &mut crd.spec.versions {
        let newest = version.name == Version::V1beta1.as_str();
        version.additional_printer_columns = Some(workspace_columns(newest));
    }
    normalize::crd(&mut crd);
    Ok(crd)
}

/// Priority 0 is what `kubectl get workspace` shows; priority 1 comes with `-o wide`.
fn workspace_columns(newest: bool) -> Vec<CustomResourceColumnDefinition> {
    let condition = |type_: &str| format!(".status.conditions[?(@.type==\"{type_}\")].status");
    let mut columns = vec![
        column("Instance", "string", ".resource.instanceType".to_owned(), 0),
        column("ResourceReady", "string", condition("ResourceReady"), 0),
        column("InferenceReady", "string", condition("InferenceReady"), 0),
        column("WorkspaceReady", "string", condition("WorkspaceSucceeded"), 0),
        column("Age", "date", ".metadata.creationTimestamp".to_owned(), 0),
        column("JobStarted", "string", condition("JobStarted"), 1),
        column("WorkspaceSucceeded", "string", condition("WorkspaceSucceeded"), 1),
    ];
    if newest {
        columns.push(column("TargetNodeCount", "integer", ".status.targetNodeCount".to_owned(), 1));
        columns.push(column("State", "string", ".status.state".to_owned(), 1));
    }
    columns
}

fn column(name: &str, type_: &str, json_path: String, priority: i32) -> CustomResourceColumnDefinition {
    CustomResourceColumnDefinition {
        name: name.to_owned(),
        type_: type_.to_owned(),
        json_path,
        // Zero is the default and is left out, as published.
        priority: (priority > 0).then_some(priority),
        ..CustomResourceColumnDefinition::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(version: usize, wide: bool) -> Vec<String> {
        let crd = workspace().unwrap();
        let columns = crd.spec.versions[version].additional_printer_columns.clone().unwrap();
        columns.into_iter().filter(|c| wide || c.priority.is_none()).map(|c| c.name).collect()
    }

    #[test]
    fn kubectl_shows_the_columns_that_people_know() {
        let plain = ["Instance", "ResourceReady", "InferenceReady", "WorkspaceReady", "Age"];
        assert_eq!(columns(0, false), plain);
        assert_eq!(columns(1, false), plain);
        assert_eq!(columns(1, true)[5..], ["JobStarted", "WorkspaceSucceeded", "TargetNodeCount", "State"]);
    }

    #[test]
    fn one_version_is_stored() {
        let versions = workspace().unwrap().spec.versions;
        let seen: Vec<_> = versions.iter().map(|v| (v.name.as_str(), v.served, v.storage)).collect();
        assert_eq!(seen, [("v1alpha1", true, false), ("v1beta1", true, true)]);
    }
}
