//! What is mounted where. The weights have a page of their own (`weights.rs`), the adapters too.

use super::{Serving, adapters, weights};
use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, Container, EmptyDirVolumeSource, HostPathVolumeSource, Volume, VolumeMount,
};
use kaito_api::vocabulary::containers;
use kaito_presets::paths;
use serde_json::Value;

pub(super) const CONFIG: &str = "config-volume";
pub(super) const SHARED_MEMORY: &str = "dshm";
const CUDA: &str = "cuda-toolkit-hostpath";

/// Whether kernels are compiled on the node at start.
pub(super) fn needs_cuda_toolkit(serving: &Serving<'_>) -> bool {
    serving.facts.model.features.cuda_toolkit && serving.facts.profile.supports.deep_gemm
}

/// The volumes of the pod.
pub(super) fn volumes(serving: &Serving<'_>) -> Vec<Volume> {
    let config = serving.config.as_ref().map(|config| config_volume(config.name));
    let cuda = needs_cuda_toolkit(serving).then(|| {
        let path =
            HostPathVolumeSource { path: paths::CUDA_HOME.to_owned(), type_: Some("DirectoryOrCreate".to_owned()) };
        Volume { name: CUDA.to_owned(), host_path: Some(path), ..Volume::default() }
    });
    let shared = scratch(SHARED_MEMORY, true);
    let weights = weights::of(serving);
    // In the order of the reference.
    let (last, first) = match weights.volume(serving) {
        volume if weights.are_brought() => (volume, None),
        volume => (None, volume),
    };
    let first = config.into_iter().chain(first).chain(cuda);
    first.chain([shared]).chain(adapters::volumes(serving)).chain(last).collect()
}

/// The mounts of the main container.
pub(super) fn mounts(serving: &Serving<'_>) -> Vec<VolumeMount> {
    let config = serving.config.as_ref().map(|_| mount(CONFIG, paths::CONFIG_DIR));
    let cuda =
        needs_cuda_toolkit(serving).then(|| VolumeMount { read_only: Some(true), ..mount(CUDA, paths::CUDA_HOME) });
    config
        .into_iter()
        .chain([weights::of(serving).mount(serving)])
        .chain(cuda)
        .chain([mount(SHARED_MEMORY, paths::SHARED_MEMORY)])
        .chain(adapters::mounts(serving))
        .collect()
}

/// What runs before the server: the compiler that some kernels need, and what brings the weights.
pub(super) fn init_containers(serving: &Serving<'_>, image: &str) -> Vec<Container> {
    let cuda = needs_cuda_toolkit(serving).then(|| Container {
        name: containers::CUDA_PROVISIONER.to_owned(),
        image: Some(image.to_owned()),
        command: Some(words([
            "/bin/sh",
            "-c",
            &format!("flock \"$1\" {} \"$1\"", paths::CUDA_PROVISION_SCRIPT),
            "sh",
            paths::CUDA_HOME,
        ])),
        volume_mounts: Some(vec![mount(CUDA, paths::CUDA_HOME)]),
        ..Container::default()
    });
    cuda.into_iter().chain(weights::of(serving).init_container(serving)).collect()
}

/// A volume that lives as long as its pod; in main memory, where it is shared between processes.
pub(super) fn scratch(name: &str, in_memory: bool) -> Volume {
    let medium = in_memory.then(|| "Memory".to_owned());
    let source = EmptyDirVolumeSource { medium, ..Default::default() };
    Volume { name: name.to_owned(), empty_dir: Some(source), ..Volume::default() }
}

/// A volume in its wire form.
pub(super) fn wire(volume: &Volume) -> Value {
    serde_json::to_value(volume).unwrap_or_default()
}

/// The ConfigMap with settings of the runtime.
pub(super) fn config_volume(name: &str) -> Volume {
    let source = ConfigMapVolumeSource { name: name.to_owned(), ..Default::default() };
    Volume { name: CONFIG.to_owned(), config_map: Some(source), ..Volume::default() }
}

pub(super) fn mount(name: &str, path: &str) -> VolumeMount {
    VolumeMount { name: name.to_owned(), mount_path: path.to_owned(), ..VolumeMount::default() }
}

pub(super) fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
