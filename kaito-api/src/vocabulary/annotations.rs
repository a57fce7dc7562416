//! Annotation keys and their values: first what users set, then what controllers write.

/// Which server runs the model: [`RUNTIME_VLLM`] (also for every unknown word) or [`RUNTIME_TRANSFORMERS`]. Set by users.
pub const RUNTIME: &str = "kaito.sh/runtime";
/// Value of [`RUNTIME`]; the default.
pub const RUNTIME_VLLM: &str = "vllm";
/// Value of [`RUNTIME`]: Hugging Face Transformers.
pub const RUNTIME_TRANSFORMERS: &str = "transformers";
/// Its mere presence turns refusals for lack of GPU memory into warnings. Set by users.
pub const BYPASS_RESOURCE_CHECKS: &str = "kaito.sh/bypass-resource-checks";
/// Image family of new nodes: [`IMAGE_FAMILY_UBUNTU`] or [`IMAGE_FAMILY_AZURE_LINUX`], trimmed and in any case. Set by users, copied to NodeClaims.
pub const NODE_IMAGE_FAMILY: &str = "kaito.sh/node-image-family";
/// Value of [`NODE_IMAGE_FAMILY`]; the default.
pub const IMAGE_FAMILY_UBUNTU: &str = "ubuntu";
/// Value of [`NODE_IMAGE_FAMILY`].
pub const IMAGE_FAMILY_AZURE_LINUX: &str = "azurelinux";
/// The NodeClass to use when Karpenter provisions; empty means the default one. Set by users.
pub const NODE_CLASS_NAME: &str = "kaito.sh/node-class-name";
/// Exactly `True`, with a capital: the Service becomes a load balancer. Set by users.
pub const ENABLE_LOAD_BALANCER: &str = "kaito.sh/enablelb";
/// The one value of [`ENABLE_LOAD_BALANCER`] that counts.
pub const ENABLE_LOAD_BALANCER_ON: &str = "True";
/// Exactly `true`: no benchmark after the model is loaded. Set by users, copied from an InferenceSet to its Workspaces.
pub const DISABLE_BENCHMARK: &str = "kaito.sh/disable-benchmark";
/// `true`: the machines of a training are given back when its Job has succeeded or given up; `false`, or nothing: they stay until the Workspace is deleted. Set by users; not upstream.
pub const RELEASE_NODES_WHEN_DONE: &str = "kaito.sh/release-nodes-when-done";
/// What vLLM is tuned for: one of [`PERFORMANCE_MODES`]. Set by users.
pub const PERFORMANCE_MODE: &str = "kaito.sh/performance-mode";
/// Values of [`PERFORMANCE_MODE`]; the first is the default.
pub const PERFORMANCE_MODES: [&str; 3] = ["balanced", "interactivity", "throughput"];
/// `true`: weights come from a folder of the node and are not downloaded. Set by users.
pub const USE_LOCAL_WEIGHTS: &str = "kaito.sh/use-local-weights";
/// [`MODEL_STREAMING_DISABLED`] opts out of streaming weights from a mirror. Set by users.
pub const MODEL_STREAMING: &str = "kaito.sh/model-streaming";
/// Value of [`MODEL_STREAMING`].
pub const MODEL_STREAMING_DISABLED: &str = "disabled";
/// StorageClass of the mirror, before the operator's default. Set by users.
pub const MODEL_MIRROR_STORAGE_CLASS: &str = "kaito.sh/model-mirror-storage-class";
/// ServiceAccount that may read the mirror, before the operator's default. Set by users.
pub const STREAMING_SERVICE_ACCOUNT: &str = "kaito.sh/streaming-service-account";
/// Exactly `true`: the weights are mirrored already; needs the three below. Set by users.
pub const STATIC_MODEL_MIRROR: &str = "inference.kaito.sh/static-model-mirror";
/// Address that hands out access to a static mirror. Set by users.
pub const STREAM_DATAREFS_URL: &str = "inference.kaito.sh/stream-datarefs-url";
/// Client id of the workload identity that may ask it. Set by users.
pub const STREAM_IDENTITY_CLIENT_ID: &str = "inference.kaito.sh/stream-identity-client-id";
/// Whose mirror it is, `public` or `byo`. Set by users.
pub const STREAM_SOURCE_TYPE: &str = "inference.kaito.sh/stream-source-type";

/// Number of the current ControllerRevision, decimal. Written by the operator on Workspaces, StatefulSets and Jobs.
pub const WORKSPACE_REVISION: &str = "workspace.kaito.io/revision";
/// The annotations that the pods are made from, in JSON: they are no part of the revision. Written by the operator on StatefulSets.
pub const ASKED_BY_ANNOTATION: &str = "kaito.sh/asked-by-annotation";
/// SHA-256 in hexadecimal of what [`crate::workspace::revision_bytes`] gives. Written by the operator on Workspaces and ControllerRevisions.
pub const WORKSPACE_HASH: &str = "workspace.kaito.io/hash";
/// As [`WORKSPACE_REVISION`], for an InferenceSet.
pub const INFERENCE_SET_REVISION: &str = "inferenceset.kaito.io/revision";
/// As [`WORKSPACE_HASH`], for an InferenceSet.
pub const INFERENCE_SET_HASH: &str = "inferenceset.kaito.io/hash";
/// As [`WORKSPACE_REVISION`], for a RAGEngine.
pub const RAG_ENGINE_REVISION: &str = "ragengine.kaito.io/revision";
/// As [`WORKSPACE_HASH`], for a RAGEngine.
pub const RAG_ENGINE_HASH: &str = "ragengine.kaito.io/hash";
/// When an upgrade of the base image began, RFC 3339 in UTC. Written by the automatic upgrade on Workspaces.
pub const UPGRADE_START_TIME: &str = "kaito.sh/upgrade-start-time";
/// What a hub has said of a model that is in no catalogue, and at which commit, in JSON: while it is there, no hub is asked. Written by the operator on ControllerRevisions.
pub const RESOLVED_MODEL: &str = "kaito.sh/resolved-model";
/// How often in a row, since when and why claims for machines went away before a machine came, in JSON. Written by the operator on Workspaces, and taken away when the machines are there.
pub const NODE_CLAIMS_GIVEN_UP: &str = "kaito.sh/nodeclaims-given-up";
/// When a Node that somebody brought along was taken for a Workspace, RFC 3339 in UTC. Written by the operator on Nodes, and taken away when they are let go.
pub const NODE_TAKEN_AT: &str = "kaito.sh/node-taken-at";
/// A digest of the settings of `inference.config` that pods read at their start. Written by the operator on StatefulSets, and on their pod template when an edit of the ConfigMap has made the pods anew.
pub const INFERENCE_CONFIG_DIGEST: &str = "kaito.sh/inference-config-digest";
/// When the pods of a StatefulSet were last asked for in another form, RFC 3339 in UTC: their start is waited for since then. Written by the operator on StatefulSets that it changes.
pub const PODS_CHANGED_AT: &str = "kaito.sh/pods-changed-at";
/// The Node on which a claim of a volume is to have its disk. Written by the scheduler on PersistentVolumeClaims whose class waits for a pod.
pub const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
/// `true` keeps Karpenter from consolidating a node. Written by the operator on NodeClaims.
pub const KARPENTER_DO_NOT_DISRUPT: &str = "karpenter.sh/do-not-disrupt";
/// Until when pods of a node may go by themselves, RFC 3339 in UTC; then its machine is taken away with them. Written by the provisioner on NodeClaims that are being deleted.
pub const TERMINATION_TIMESTAMP: &str = "karpenter.sh/nodeclaim-termination-timestamp";
/// What was asked of the cloud for a NodeClaim, since when, and what was refused, in JSON; never the address of an operation. Written by the provisioner on NodeClaims, before the request is
/// sent, and taken away when the machine is there.
pub const AGENT_POOL_LAUNCH: &str = "kaito.sh/agent-pool-launch";
/// When a Node that was waited for was first missed, RFC 3339 in UTC: only when that time has passed once more is its machine replaced. Written by the provisioner on NodeClaims.
pub const NODE_MISSED_AT: &str = "kaito.sh/node-missed-at";
/// What of a NodeClaim could not be read when that was last told, in the decoder's words. Written by the provisioner on NodeClaims, and taken away when they can be read.
pub const UNREADABLE: &str = "kaito.sh/unreadable";
