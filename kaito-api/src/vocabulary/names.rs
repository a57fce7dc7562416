//! Names of objects that are not ours to choose: ConfigMaps, their keys, keys of Secrets, taints, node classes.

/// ConfigMap in the release namespace with the default inference settings; made by the chart.
pub const INFERENCE_PARAMS_TEMPLATE: &str = "inference-params-template";
/// ConfigMap with the default LoRA settings; made by the chart in the release namespace, copied under the same name beside a Workspace.
pub const LORA_PARAMS_TEMPLATE: &str = "lora-params-template";
/// As [`LORA_PARAMS_TEMPLATE`], for QLoRA.
pub const QLORA_PARAMS_TEMPLATE: &str = "qlora-params-template";
/// ConfigMap with the default guard rails of a RAGEngine; made by the chart, copied.
pub const RAG_GUARDRAILS_TEMPLATE: &str = "ragengine-guardrails-policy-template";
/// ConfigMap that lists the supported models, for people; made by the chart.
pub const SUPPORTED_MODELS: &str = "kaito-supported-models";

/// Key of the ConfigMap named by `inference.config`.
pub const INFERENCE_CONFIG_KEY: &str = "inference_config.yaml";
/// Key of the ConfigMap named by `tuning.config`.
pub const TRAINING_CONFIG_KEY: &str = "training_config.yaml";
/// Key of [`RAG_GUARDRAILS_TEMPLATE`].
pub const GUARDRAILS_KEY: &str = "guardrails.yaml";
/// Key of [`SUPPORTED_MODELS`].
pub const SUPPORTED_MODELS_KEY: &str = "SupportedModels";
/// Key of the Secret named by `inference.preset.presetOptions.modelAccessSecret`.
pub const HF_TOKEN_KEY: &str = "HF_TOKEN";
/// The variable with the address of a mirror of Hugging Face, which the hub's Python client reads (`huggingface_hub`, environment variables).
pub const HF_ENDPOINT: &str = "HF_ENDPOINT";

/// Key of the taint on GPU nodes; written by the operator on NodeClaims, with the value [`GPU_TAINT_VALUE`] and the effect `NoSchedule`.
pub const GPU_TAINT_KEY: &str = "sku";
/// Value of [`GPU_TAINT_KEY`].
pub const GPU_TAINT_VALUE: &str = "gpu";
/// Effect of [`GPU_TAINT_KEY`].
pub const GPU_TAINT_EFFECT: &str = "NoSchedule";
/// Key of the taint, with the effect `NoSchedule`, on a node that is being emptied; written by the provisioner.
pub const DISRUPTED_TAINT_KEY: &str = "karpenter.sh/disrupted";
/// Key of the taint, with the effect `NoExecute`, on a node that no NodeClaim has taken yet; taken away by the provisioner.
pub const UNREGISTERED_TAINT_KEY: &str = "karpenter.sh/unregistered";
/// Extended resource that NVIDIA's device plugin offers.
pub const NVIDIA_GPU: &str = "nvidia.com/gpu";
/// Start of the extended resources for GPU slices; the profile follows.
pub const NVIDIA_MIG_PREFIX: &str = "nvidia.com/mig-";

/// Name of the node class in a NodeClaim for the GPU provisioner.
pub const NODE_CLASS_DEFAULT: &str = "default";
/// Kind of the node class in a NodeClaim on Azure; its group is [`super::GROUP`].
pub const NODE_CLASS_KIND_AZURE: &str = "KaitoNodeClass";
/// Kind of the node class in a NodeClaim on AWS.
pub const NODE_CLASS_KIND_AWS: &str = "EC2NodeClass";
/// Group of [`NODE_CLASS_KIND_AWS`].
pub const NODE_CLASS_GROUP_AWS: &str = "karpenter.k8s.aws";

/// What follows a Workspace's name in the name of its Service for pod discovery.
pub const HEADLESS_SUFFIX: &str = "-headless";

/// The namespace that every cluster has, and that nobody makes anew: its uid tells clusters from each other.
pub const SYSTEM_NAMESPACE: &str = "kube-system";

/// The StorageClass of fast local disks that the chart ships.
pub const LOCAL_NVME_CLASS: &str = "kaito-local-nvme-disk";
/// Key of a Secret with credentials for container registries (type `kubernetes.io/dockerconfigjson`).
pub const DOCKER_CONFIG_KEY: &str = ".dockerconfigjson";
