//! Label keys, their fixed values, and the keys that a user's selector must not rely on.

/// Name of the Workspace. Written by the operator on NodeClaims (and so on nodes), pods, claims of volumes and tuning Jobs.
pub const WORKSPACE: &str = "kaito.sh/workspace";
/// Namespace of the Workspace. Written by the operator on NodeClaims (and so on nodes).
pub const WORKSPACE_NAMESPACE: &str = "kaito.sh/workspacenamespace";
/// Name of the RAGEngine. Written by the operator on NodeClaims, nodes and pods.
pub const RAG_ENGINE: &str = "kaito.sh/ragengine";
/// Namespace of the RAGEngine. Written by the operator on NodeClaims and nodes.
pub const RAG_ENGINE_NAMESPACE: &str = "kaito.sh/ragenginenamespace";

/// Name of the Workspace on its ControllerRevisions; written by the operator, which also looks them up by it.
pub const REVISION_WORKSPACE_NAME: &str = "workspace.kaito.io/name";
/// Name of the InferenceSet on its ControllerRevisions; written by the operator.
pub const REVISION_INFERENCE_SET_NAME: &str = "inferenceset.kaito.io/name";
/// Name of the RAGEngine on its ControllerRevisions; written by the operator.
pub const REVISION_RAG_ENGINE_NAME: &str = "ragengine.kaito.io/name";

/// Name of the InferenceSet that made a Workspace; written by its controller, copied to pods and the selector of the StatefulSet.
pub const INFERENCE_SET_CREATED_BY: &str = "inferenceset.kaito.sh/created-by";
/// Name of the MultiRoleInference that made an InferenceSet; written by its controller, copied to Workspaces and pods.
pub const MULTI_ROLE_INFERENCE_CREATED_BY: &str = "multiroleinference.kaito.sh/created-by";
/// Role in disaggregated serving, [`ROLE_PREFILL`] or [`ROLE_DECODE`]; written by the MultiRoleInference controller.
pub const INFERENCE_ROLE: &str = "kaito.sh/inference-role";
/// Value of [`INFERENCE_ROLE`]: computes prompts.
pub const ROLE_PREFILL: &str = "prefill";
/// Value of [`INFERENCE_ROLE`]: computes answers; gets the routing sidecar.
pub const ROLE_DECODE: &str = "decode";
/// Tag of the base image a Workspace is to move to; written by the automatic upgrade on Workspaces, and kept afterwards as a trail.
pub const UPGRADE_TO_VERSION: &str = "kaito.sh/upgrade-to-version";
/// Name of the ModelMirror on its download Job; written by the ModelMirror controller.
pub const MODEL_MIRROR_NAME: &str = "kaito.sh/model-mirror-name";
/// `gpu` or `cpu`; written by the provisioner on agent pools, and so on nodes.
pub const MACHINE_TYPE: &str = "kaito.sh/machine-type";

/// Name of the Workspace on NodePools, NodeClaims and nodes; written by the operator when Karpenter provisions.
pub const KARPENTER_WORKSPACE_NAME: &str = "karpenter.kaito.sh/workspace-name";
/// Namespace of the Workspace, beside [`KARPENTER_WORKSPACE_NAME`].
pub const KARPENTER_WORKSPACE_NAMESPACE: &str = "karpenter.kaito.sh/workspace-namespace";
/// Name of the InferenceSet on NodePools, NodeClaims and nodes; written by the operator when Karpenter provisions.
pub const KARPENTER_INFERENCE_SET: &str = "karpenter.kaito.sh/inferenceset";
/// Namespace of the InferenceSet, beside [`KARPENTER_INFERENCE_SET`].
pub const KARPENTER_INFERENCE_SET_NAMESPACE: &str = "karpenter.kaito.sh/inferenceset-namespace";
/// Marks NodePools and NodeClasses that the operator manages, with [`MANAGED_BY_KAITO`].
pub const KARPENTER_MANAGED_BY: &str = "karpenter.kaito.sh/managed-by";
/// Value of [`KARPENTER_MANAGED_BY`].
pub const MANAGED_BY_KAITO: &str = "kaito";
/// Marks the NodeClass used when none is named; the value is `true`. Written by the operator.
pub const KARPENTER_DEFAULT: &str = "karpenter.kaito.sh/default";

/// The NodePool of a NodeClaim or node. Karpenter writes the real one; for the GPU provisioner the operator writes [`NODE_POOL_KAITO`].
pub const NODE_POOL: &str = "karpenter.sh/nodepool";
/// Value of [`NODE_POOL`] that no Karpenter claims for itself.
pub const NODE_POOL_KAITO: &str = "kaito";
/// Size of the machine; written by the cloud on nodes, by the operator in requirements of NodeClaims.
pub const INSTANCE_TYPE: &str = "node.kubernetes.io/instance-type";
/// What older Kubernetes called [`INSTANCE_TYPE`].
pub const INSTANCE_TYPE_BETA: &str = "beta.kubernetes.io/instance-type";
/// `on-demand` or `spot`, in Karpenter's words; read in requirements of NodeClaims.
pub const CAPACITY_TYPE: &str = "karpenter.sh/capacity-type";
/// Zone of a node, such as `eastus-1`; read in requirements of NodeClaims.
pub const ZONE: &str = "topology.kubernetes.io/zone";
/// `true` on a node that its NodeClaim has taken; written by the provisioner.
pub const REGISTERED: &str = "karpenter.sh/registered";
/// `true` on a node that is ready and has all that its NodeClaim asks for; written by the provisioner.
pub const INITIALIZED: &str = "karpenter.sh/initialized";
/// `true` on a node whose taints are nobody's but its own; read by the provisioner.
pub const DO_NOT_SYNC_TAINTS: &str = "karpenter.sh/do-not-sync-taints";
/// Keeps load balancers from sending requests to a node; written by the provisioner on nodes that are being emptied, with [`EXCLUDED_BY_KARPENTER`].
pub const EXCLUDE_FROM_LOAD_BALANCERS: &str = "node.kubernetes.io/exclude-from-external-load-balancers";
/// Value of [`EXCLUDE_FROM_LOAD_BALANCERS`].
pub const EXCLUDED_BY_KARPENTER: &str = "karpenter";
/// Name of the agent pool on its nodes, in two spellings; written by AKS.
pub const AGENT_POOL: [&str; 2] = ["agentpool", "kubernetes.azure.com/agentpool"];
/// When the NodeClaim of an agent pool was created, with `-` for `:`; written by the provisioner on agent pools.
pub const CREATION_TIMESTAMP: &str = "kaito.sh/creation-timestamp";
/// The uid of the cluster (of its namespace [`super::names::SYSTEM_NAMESPACE`]) that an agent pool was made for; written by the provisioner on agent pools, and so on nodes. What proves that a pool
/// without a claim is this cluster's, where nothing else is left of it.
pub const CLUSTER_UID: &str = "kaito.sh/cluster-uid";
/// Name of the node class of an agent pool whose NodeClaim names neither a Workspace nor a RAGEngine; written by the provisioner, so that such a pool and its node are known to be
/// ours, too (S5-B7). In Karpenter's form: group, `/`, kind in lower case.
pub const KAITO_NODE_CLASS: &str = "kaito.sh/kaitonodeclass";
/// Operating system of a node; written by the kubelet.
pub const OS: &str = "kubernetes.io/os";
/// Azure size of a node in Karpenter's words; the operator writes it in requirements of NodeClaims.
pub const AZURE_SKU_NAME: &str = "karpenter.azure.com/sku-name";
/// Whether machines of Azure are put into a zone or anywhere in the region; the operator writes it in requirements of NodePools, with [`AZURE_REGIONAL`].
pub const AZURE_PLACEMENT_SCOPE: &str = "karpenter.azure.com/placement-scope";
/// Value of [`AZURE_PLACEMENT_SCOPE`].
pub const AZURE_REGIONAL: &str = "regional";
/// Number of GPUs of a node in Karpenter's words on AWS; the operator writes it in requirements of NodeClaims.
pub const AWS_GPU_COUNT: &str = "karpenter.k8s.aws/instance-gpu-count";
/// Vendor of the accelerator; written by the operator on nodes, with [`ACCELERATOR_NVIDIA`].
pub const ACCELERATOR: &str = "accelerator";
/// Value of [`ACCELERATOR`].
pub const ACCELERATOR_NVIDIA: &str = "nvidia";
/// Ordinal of a pod in its StatefulSet; written by Kubernetes, `0` is the leader.
pub const POD_INDEX: &str = "apps.kubernetes.io/pod-index";
/// The name of a pod of a StatefulSet; set by Kubernetes, read by the selector of a Workspace's Service.
pub const STATEFUL_SET_POD_NAME: &str = "statefulset.kubernetes.io/pod-name";
/// What a pod of a StatefulSet was made from; written by Kubernetes, and compared with `status.updateRevision` of the set.
pub const POD_REVISION: &str = "controller-revision-hash";
/// Name of the Service on its EndpointSlices; written by Kubernetes.
pub const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// The uid of the Workspace that a NodeClaim or NodePool was made for; written by the Workspace controller, so that what a namesake has is never mistaken for its own.
pub const WORKSPACE_UID: &str = "kaito.sh/workspace-uid";
/// Which of a Workspace's machines a NodeClaim stands for, counted from 0; written by the Workspace controller.
pub const NODE_SLOT: &str = "kaito.sh/node-slot";
/// How often a slot was filled before; written by the Workspace controller.
pub const NODE_INCARNATION: &str = "kaito.sh/node-incarnation";

/// GPU product of a node; written by NVIDIA's feature discovery.
pub const GPU_PRODUCT: &str = "nvidia.com/gpu.product";
/// Number of GPUs of a node; written by NVIDIA's feature discovery.
pub const GPU_COUNT: &str = "nvidia.com/gpu.count";
/// Memory of one GPU in MiB; written by NVIDIA's feature discovery.
pub const GPU_MEMORY: &str = "nvidia.com/gpu.memory";
/// The digit before the dot of the compute capability of a node's GPUs; written by NVIDIA's feature discovery. The second spelling is the one that the reference looks for, and that some write by hand.
pub const COMPUTE_MAJOR: [&str; 2] = ["nvidia.com/gpu.compute.major", "nvidia.com/cuda.compute.major"];
/// The digit after the dot.
pub const COMPUTE_MINOR: [&str; 2] = ["nvidia.com/gpu.compute.minor", "nvidia.com/cuda.compute.minor"];
/// Among how many pods each GPU of a node is shared out (time-slicing, MPS); 1 where it is not. Written by NVIDIA's feature discovery.
pub const GPU_REPLICAS: &str = "nvidia.com/gpu.replicas";
/// Layout of GPU slices asked for; written by an administrator.
pub const MIG_CONFIG: &str = "nvidia.com/mig.config";
/// Whether slices of GPUs count as GPUs (`single`) or by their profiles (`mixed`); written by NVIDIA's feature discovery.
pub const MIG_STRATEGY: &str = "nvidia.com/mig.strategy";
/// How far the layout of [`MIG_CONFIG`] is; written by NVIDIA's MIG manager, `success` when done.
pub const MIG_CONFIG_STATE: &str = "nvidia.com/mig.config.state";

/// Keys that belong to the operator. They are dropped from a user's `matchLabels` before use; a selector of nothing else is refused (W-13).
pub const RESERVED_SELECTOR_KEYS: [&str; 8] = [
    WORKSPACE,
    RAG_ENGINE,
    WORKSPACE_NAMESPACE,
    RAG_ENGINE_NAMESPACE,
    KARPENTER_WORKSPACE_NAME,
    KARPENTER_WORKSPACE_NAMESPACE,
    KARPENTER_INFERENCE_SET,
    KARPENTER_INFERENCE_SET_NAMESPACE,
];

/// Keys that the operator writes on NodeClaims beside the reserved ones: a selector that asks for something else there would be of machines that never come.
pub const FIXED_SELECTOR_KEYS: [&str; 4] = [NODE_POOL, WORKSPACE_UID, NODE_SLOT, NODE_INCARNATION];

/// Whether a machine with these labels of the user's can never be: the operator writes another value there.
pub fn is_contradicted(key: &str, value: &str) -> bool {
    FIXED_SELECTOR_KEYS.contains(&key) && (key, value) != (NODE_POOL, NODE_POOL_KAITO)
}

/// True for a key of [`RESERVED_SELECTOR_KEYS`].
pub fn is_reserved(key: &str) -> bool {
    RESERVED_SELECTOR_KEYS.contains(&key)
}
