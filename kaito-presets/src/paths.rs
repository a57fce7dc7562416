//! Where things lie inside the containers. Source: KAITO v0.12.0; the images are built with these paths.

/// Weights.
pub const WEIGHTS_DIR: &str = "/workspace/weights";
/// The user's ConfigMap.
pub const CONFIG_DIR: &str = "/mnt/config";
/// Its file for inference.
pub const INFERENCE_CONFIG: &str = "/mnt/config/inference_config.yaml";
/// Its file for tuning.
pub const TRAINING_CONFIG: &str = "/mnt/config/training_config.yaml";
/// Data set of a tuning.
pub const DATA_DIR: &str = "/mnt/data";
/// Adapters, one directory each.
pub const ADAPTER_DIR: &str = "/mnt/adapter";
/// Where tuning results go by default.
pub const OUTPUT_DIR: &str = "/mnt/output";
/// Shared memory.
pub const SHARED_MEMORY: &str = "/dev/shm";
/// Chat templates of the image, without a slash at the end.
pub const CHAT_TEMPLATES_DIR: &str = "/workspace/chat_templates";
/// The CUDA toolkit on a node, and `CUDA_HOME`.
pub const CUDA_HOME: &str = "/opt/kaito/cuda/129";
/// Installs it.
pub const CUDA_PROVISION_SCRIPT: &str = "/workspace/cuda-provision.sh";
/// Weights that lie on a node, one directory for each model.
pub const LOCAL_WEIGHTS_DIR: &str = "/opt/kaito/models";
/// Starts Ray: `leader` or `worker` comes after it.
pub const MULTI_NODE_SCRIPT: &str = "/workspace/vllm/multi-node-serving.sh";
/// Tells of a Ray cluster whether it is alive or ready: `liveness` or `readiness` comes after it.
pub const MULTI_NODE_HEALTH_CHECK: &str = "/workspace/vllm/multi-node-health-check.py";
/// Waits for the vLLM server and measures it once.
pub const BENCHMARK: &str = "/workspace/vllm/benchmark_entrypoint.py";
/// The vLLM server, started as `python3 <this>` in every image.
pub const VLLM_SERVER: &str = "/workspace/vllm/inference_api.py";
/// The transformers server.
pub const TRANSFORMERS_SERVER: &str = "/workspace/tfs/inference_api.py";
/// The tuning program.
pub const TUNING_PROGRAM: &str = "/workspace/tfs/fine_tuning.py";
/// Registry credentials in pullers and pushers.
pub const DOCKER_CONFIG_DIR: &str = "/root/.docker";
/// What the SAS fetcher leaves.
pub const STREAMING_DIR: &str = "/mnt/streaming";
/// Volume of a ModelMirror.
pub const MODEL_MIRROR_DIR: &str = "/models";
