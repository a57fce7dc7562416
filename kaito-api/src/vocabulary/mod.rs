//! Every word that objects of KAITO carry: labels, annotations, finalizers, condition types, reasons, well-known names.
//!
//! The words are contract: other people's scripts, dashboards and charts spell them. Two domains are in use for historic reasons, `kaito.sh` and
//! `kaito.io`; both stay. Each word says who writes it, and who reads it where that is not obvious.

pub mod aks;
pub mod annotations;
pub mod benchmark;
pub mod conditions;
pub mod containers;
pub mod events;
pub mod finalizers;
mod image_family;
pub mod labels;
pub mod names;
pub mod reasons;

pub use conditions::ConditionType;
pub use image_family::ImageFamily;

/// The API group of all kinds of KAITO.
pub const GROUP: &str = "kaito.sh";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_spelled_as_existing_clusters_spell_them() {
        assert_eq!(labels::WORKSPACE, "kaito.sh/workspace");
        assert_eq!(labels::WORKSPACE_NAMESPACE, "kaito.sh/workspacenamespace");
        assert_eq!(labels::REVISION_WORKSPACE_NAME, "workspace.kaito.io/name");
        assert_eq!(annotations::WORKSPACE_HASH, "workspace.kaito.io/hash");
        assert_eq!(annotations::RUNTIME, "kaito.sh/runtime");
        assert_eq!(annotations::ENABLE_LOAD_BALANCER, "kaito.sh/enablelb");
        assert_eq!(finalizers::WORKSPACE, "workspace.finalizer.kaito.sh");
        assert_eq!(ConditionType::WorkspaceSucceeded.as_str(), "WorkspaceSucceeded");
        assert_eq!(reasons::WORKSPACE_SUCCEEDED, "workspaceSucceeded");
        assert_eq!(reasons::INFERENCE_PENDING, "WorkspaceInferenceStatusPending");
        assert_eq!(reasons::RESOURCE_SUCCESS, "workspaceResourceStatusSuccess");
        assert_eq!(names::INFERENCE_CONFIG_KEY, "inference_config.yaml");
    }
}
