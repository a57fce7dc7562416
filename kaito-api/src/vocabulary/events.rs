//! Reasons of Events, and the components that report them.

/// Normal, on a Workspace: a NodeClaim was made.
pub const NODE_CLAIM_CREATED: &str = "NodeClaimCreated";
/// Warning, on a Workspace: a NodeClaim could not be made.
pub const NODE_CLAIM_CREATION_FAILED: &str = "NodeClaimCreationFailed";
/// Warning, on a Workspace: everything is given back, and its finalizer cannot be removed.
pub const RELEASE_REFUSED: &str = "ReleaseRefused";
/// Warning, on a Workspace: the API server does not answer what must be known of it.
pub const READ_REFUSED: &str = "ReadRefused";
/// Warning, on a Workspace: a Deployment of an old version was replaced by a StatefulSet.
pub const WORKLOAD_MIGRATION: &str = "WorkloadMigration";
/// Normal, on an InferenceSet: its nodes began to be replaced.
pub const DRIFT_STARTED: &str = "DriftStarted";
/// Normal, on an InferenceSet: its nodes are replaced.
pub const DRIFT_COMPLETE: &str = "DriftComplete";
/// Warning, on a MultiRoleInference: a reconcile failed.
pub const RECONCILE_FAILED: &str = "ReconcileFailed";
/// Normal, on a MultiRoleInference: a reconcile changed something.
pub const RECONCILED: &str = "Reconciled";
/// Normal, on a MultiRoleInference: its children are gone.
pub const DELETED: &str = "Deleted";

/// Component that reports on Workspaces.
pub const COMPONENT_WORKSPACE: &str = "KAITO-Workspace-controller";
/// Component that reports on drift.
pub const COMPONENT_DRIFT: &str = "drift-controller";
/// Component that reports on MultiRoleInferences.
pub const COMPONENT_MULTI_ROLE_INFERENCE: &str = "KAITO-MultiRoleInference-controller";
/// Warning on a Workspace: its machine size is being withdrawn by the cloud; another one is named.
pub const INSTANCE_TYPE_RETIRING: &str = "InstanceTypeRetiring";
/// Normal, on a Workspace: the settings of its runtime have changed, and its pods are made anew with them.
pub const INFERENCE_CONFIG_CHANGED: &str = "InferenceConfigChanged";
/// Warning, on a Workspace: the node of a local disk is gone, and the claim of the disk is given up with it.
pub const LOCAL_DISK_GIVEN_UP: &str = "LocalDiskGivenUp";
/// Normal, on a Workspace: its pods found no node of a former provisioner any more, and are made anew for those of the one that there is.
pub const PODS_MOVED: &str = "PodsMoved";
/// Normal, on a Workspace: a pod of an earlier request, which was not ready, is deleted so that its set makes it anew.
pub const STUCK_POD_REPLACED: &str = "StuckPodReplaced";
/// Warning, on a Workspace: a Node that somebody brought along was taken, and is let go because its pods do not go there.
pub const NODE_LET_GO: &str = "NodeLetGo";
