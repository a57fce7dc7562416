//! Reasons of a Workspace's conditions, by condition type; all are written by the operator unless said otherwise.
//!
//! Spelling is uneven because it is old. Reasons of NodeClaims and mirrors also pass through unchanged, so a reader must expect words that are not here.

// Reasons of `NodesReady`.

/// `NodesReady` is True: as many nodes as wanted are ready.
pub const NODES_READY: &str = "NodesReady";
/// `NodesReady` is False: too few nodes are ready.
pub const NODE_NOT_READY: &str = "NodeNotReady";
/// `NodesReady` is False: the nodes are there and do not offer their GPUs yet.
pub const NODE_PLUGINS_NOT_READY: &str = "NodePluginsNotReady";

// Reasons of `NodeClaimReady`.

/// `NodeClaimReady` is True: as many NodeClaims as wanted are ready.
pub const NODE_CLAIMS_READY: &str = "NodeClaimsReady";
/// `NodeClaimReady` is False: too few are ready, and the claims themselves give no reason.
pub const NODE_CLAIM_NOT_READY: &str = "NodeClaimNotReady";
/// Reason of a NodeClaim's own condition that says no more than: not looked at yet. Written by the provisioner; any other reason is worth more.
pub const AWAITING_RECONCILIATION: &str = "AwaitingReconciliation";

/// `NodeClaimReady`, `NodesReady` and `ResourceReady` are False: the training is over, and its machines were given back because the user asks for that.
pub const NODES_RELEASED: &str = "NodesReleased";

// Reasons of `ResourceReady`.

/// `ResourceReady` is True.
pub const RESOURCE_SUCCESS: &str = "workspaceResourceStatusSuccess";
/// `ResourceReady` is False, without a better reason.
pub const RESOURCE_NOT_READY: &str = "workspaceResourceStatusNotReady";
/// `ResourceReady` is False: weights are to be streamed and the mirror is not filled.
pub const MODEL_MIRROR_NOT_READY: &str = "ModelMirrorNotReady";

// Reasons of `ModelMirrorReady`.

/// `ModelMirrorReady` is True.
pub const MODEL_MIRROR_READY: &str = "ModelMirrorReady";
/// `ModelMirrorReady` is False, when the mirror gives no reason of its own.
pub const MODEL_MIRROR_PENDING: &str = "ModelMirrorPending";

// Reasons of `InferenceReady`.

/// `InferenceReady` is True.
pub const INFERENCE_SUCCESS: &str = "WorkspaceInferenceStatusSuccess";
/// `InferenceReady` is False, without a better reason.
pub const INFERENCE_PENDING: &str = "WorkspaceInferenceStatusPending";
/// `InferenceReady` is False: access to a static mirror could not be fetched.
pub const SAS_TOKEN_FETCH_FAILED: &str = "SASTokenFetchFailed";
/// `InferenceReady` is False: a container ran out of main memory.
pub const CONTAINER_OOM_KILLED: &str = "ContainerOOMKilled";
/// `InferenceReady` is False: an image cannot be pulled.
pub const IMAGE_PULL_ERROR: &str = "ImagePullError";
/// `InferenceReady` is False: a container cannot be started.
pub const CONTAINER_START_ERROR: &str = "ContainerStartError";
/// `InferenceReady` is False: a container ends again and again.
pub const CONTAINER_CRASH_LOOP_BACK_OFF: &str = "ContainerCrashLoopBackOff";
/// `InferenceReady` is False: a pod was evicted for lack of disk.
pub const NODE_DISK_PRESSURE: &str = "NodeDiskPressure";
/// `InferenceReady` is False: a pod was evicted for lack of memory.
pub const NODE_MEMORY_PRESSURE: &str = "NodeMemoryPressure";
/// `InferenceReady` is False: a pod was evicted for another cause.
pub const POD_EVICTED: &str = "PodEvicted";
/// `InferenceReady` is False: a pod finds no node.
pub const UNSCHEDULABLE: &str = "Unschedulable";
/// `InferenceReady` is False: annotations about streaming contradict each other or are incomplete.
pub const MODEL_STREAMING_INVALID_ANNOTATIONS: &str = "ModelStreamingInvalidAnnotations";
/// `InferenceReady` is False: the ServiceAccount for streaming is absent or unfit.
pub const MODEL_STREAMING_SERVICE_ACCOUNT_INVALID: &str = "ModelStreamingServiceAccountInvalid";
/// `InferenceReady` is False: the StorageClass of the mirror is absent.
pub const MODEL_STREAMING_STORAGE_CLASS_NOT_FOUND: &str = "ModelStreamingStorageClassNotFound";
/// `InferenceReady` is False: the StorageClass of the mirror is unfit.
pub const MODEL_STREAMING_INVALID_STORAGE_CLASS: &str = "ModelStreamingInvalidStorageClass";
/// `InferenceReady` is False: the mirror could not be made.
pub const MODEL_MIRROR_CREATE_FAILED: &str = "ModelMirrorCreateFailed";

// Reasons of `JobStarted`.

/// `JobStarted` is True.
pub const JOB_STARTED: &str = "WorkspaceTuningJobStatusStarted";
/// `JobStarted` is False: not begun.
pub const JOB_PENDING: &str = "WorkspaceTuningJobStatusPending";
/// `JobStarted` is False: failed.
pub const JOB_FAILED: &str = "WorkspaceTuningJobStatusFailed";

// Reasons of `BenchmarkCompleted`.

/// `BenchmarkCompleted` is True: the result is stored.
pub const BENCHMARK_COMPLETED: &str = "BenchmarkCompleted";
/// `BenchmarkCompleted` is False: the result cannot be read or makes no sense. Also a reason of WorkspaceSucceeded.
pub const BENCHMARK_FAILED: &str = "BenchmarkFailed";

// Reasons of `WorkspaceSucceeded`.

/// `WorkspaceSucceeded` is True.
pub const WORKSPACE_SUCCEEDED: &str = "workspaceSucceeded";
/// `WorkspaceSucceeded` is False: still under way.
pub const WORKSPACE_PENDING: &str = "workspacePending";
/// `WorkspaceSucceeded` is False: the tuning Job failed.
pub const WORKSPACE_FAILED: &str = "workspaceFailed";

// Reasons of `WorkspaceDeleting`.

/// `WorkspaceDeleting` is True: a deletion was asked for.
pub const WORKSPACE_DELETED: &str = "workspaceDeleted";

/// What a kubelet says of a waiting container when its image cannot be pulled; becomes [`IMAGE_PULL_ERROR`]. Written by the kubelet.
pub const WAITING_IMAGE_PULL: [&str; 6] = [
    "ImagePullBackOff",
    "ErrImagePull",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
    "RegistryUnavailable",
];
/// What a kubelet says of a waiting container that cannot be started; becomes [`CONTAINER_START_ERROR`]. Written by the kubelet.
pub const WAITING_CONTAINER_START: [&str; 6] = [
    "CreateContainerConfigError",
    "PreCreateHookError",
    "CreateContainerError",
    "PreStartHookError",
    "RunContainerError",
    "PostStartHookError",
];
