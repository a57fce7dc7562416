//! Names of the containers in the pods of a Workspace, beside the main one, which has the Workspace's own name. Two containers of a pod cannot have one name.

/// Pulls the data of a training; what its script is called, too.
pub const PULLER: &str = "puller";
/// Start of the name of what pulls an adapter; the adapter's name follows.
pub const ADAPTER_PULLER_PREFIX: &str = "puller-";
/// Downloads the data of a training.
pub const DATA_DOWNLOADER: &str = "data-downloader";
/// Pulls weights that are an artefact, for a model that is served as for one that is tuned.
pub const WEIGHTS_DOWNLOADER: &str = "model-weights-downloader";
/// Brings the compiler that some kernels need.
pub const CUDA_PROVISIONER: &str = "cuda-toolkit-provisioner";
/// Asks for the prefill before a server decodes (`consts.go`).
pub const ROUTING_SIDECAR: &str = "llm-d-routing-sidecar";
/// Pushes the result of a training.
pub const PUSHER: &str = "pusher";
/// Holds the processes of a training's pod together.
pub const PAUSE: &str = "pause";

/// Those that may stand beside a model that is served, without its adapters' pullers.
pub const BESIDE_SERVER: [&str; 3] = [CUDA_PROVISIONER, WEIGHTS_DOWNLOADER, ROUTING_SIDECAR];
/// Those that may stand beside a trainer.
pub const BESIDE_TRAINER: [&str; 5] = [DATA_DOWNLOADER, PULLER, PUSHER, PAUSE, WEIGHTS_DOWNLOADER];

/// Whether a container of this name pulls an image's files.
pub fn is_puller(name: &str) -> bool {
    name == PULLER || name.starts_with(ADAPTER_PULLER_PREFIX)
}
