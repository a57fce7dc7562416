//! What is mounted where, and where the weights come from.

use super::{Serving, adapters};
use crate::units::gib_quantity;
use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, Container, EmptyDirVolumeSource, HostPathVolumeSource, PersistentVolumeClaim,
    PersistentVolumeClaimSpec, Volume, VolumeMount, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kaito_api::vocabulary::{containers, labels, names};
use kaito_presets::{Image, WeightsSource, images, paths};
use serde_json::Value;

pub(super) const CONFIG: &str = "config-volume";
pub(super) const WEIGHTS: &str = "model-weights-volume";
pub(super) const SHARED_MEMORY: &str = "dshm";
const CUDA: &str = "cuda-toolkit-hostpath";

/// Where the weights come from: the first source of the profile that the model has.
pub(super) fn weights_source(serving: &Serving<'_>) -> WeightsSource {
    let has = |source: &&WeightsSource| {
        **source != WeightsSource::OciArtifact || serving.facts.model.weights_artifact.is_some()
    };
    serving.facts.profile.weights.iter().find(has).copied().unwrap_or(WeightsSource::HubDownload)
}

/// Whether kernels are compiled on the node at start.
pub(super) fn needs_cuda_toolkit(serving: &Serving<'_>) -> bool {
    serving.facts.model.features.cuda_toolkit && serving.facts.profile.supports.deep_gemm
}

/// The volumes of the pod.
pub(super) fn volumes(serving: &Serving<'_>) -> Vec<Volume> {
    let config = serving.config_map.map(config_volume);
    let cuda = needs_cuda_toolkit(serving).then(|| {
        let path =
            HostPathVolumeSource { path: paths::CUDA_HOME.to_owned(), type_: Some("DirectoryOrCreate".to_owned()) };
        Volume { name: CUDA.to_owned(), host_path: Some(path), ..Volume::default() }
    });
    let shared = scratch(SHARED_MEMORY, true);
    let weights = (!serving.claim_local_disk).then(|| scratch(WEIGHTS, false));
    config.into_iter().chain(cuda).chain([shared]).chain(adapters::volumes(serving)).chain(weights).collect()
}

/// The mounts of the main container.
pub(super) fn mounts(serving: &Serving<'_>) -> Vec<VolumeMount> {
    let config = serving.config_map.map(|_| mount(CONFIG, paths::CONFIG_DIR));
    let cuda =
        needs_cuda_toolkit(serving).then(|| VolumeMount { read_only: Some(true), ..mount(CUDA, paths::CUDA_HOME) });
    config
        .into_iter()
        .chain([mount(WEIGHTS, serving.facts.profile.weights_dir)])
        .chain(cuda)
        .chain([mount(SHARED_MEMORY, paths::SHARED_MEMORY)])
        .chain(adapters::mounts(serving))
        .collect()
}

/// What runs before the server: the compiler that some kernels need, and the weights where they come as an artefact.
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
    let artefact =
        serving.facts.model.weights_artifact.filter(|_| weights_source(serving) == WeightsSource::OciArtifact);
    let weights =
        artefact.map(|artefact| weights_downloader(artefact, serving.registry, serving.facts.profile.weights_dir));
    cuda.into_iter().chain(weights).collect()
}

/// Pulls weights that are an OCI artefact.
pub(super) fn weights_downloader(artefact: Image, registry: &str, directory: &str) -> Container {
    Container {
        name: containers::WEIGHTS_DOWNLOADER.to_owned(),
        image: Some(images::ORAS_PULLER.to_owned()),
        command: Some(words(["oras", "pull", &artefact.reference(registry), "-o", directory])),
        volume_mounts: Some(vec![mount(WEIGHTS, directory)]),
        ..Container::default()
    }
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

/// The claim of a local disk for the weights.
pub(super) fn claim_templates(serving: &Serving<'_>) -> Option<Vec<PersistentVolumeClaim>> {
    if !serving.claim_local_disk {
        return None;
    }
    let size = gib_quantity(serving.facts.model.disk_request_gib);
    let spec = PersistentVolumeClaimSpec {
        access_modes: Some(words(["ReadWriteOnce"])),
        storage_class_name: Some(names::LOCAL_NVME_CLASS.to_owned()),
        resources: Some(VolumeResourceRequirements {
            requests: Some([("storage".to_owned(), Quantity(size))].into()),
            limits: None,
        }),
        ..PersistentVolumeClaimSpec::default()
    };
    let metadata = ObjectMeta {
        name: Some(WEIGHTS.to_owned()),
        labels: Some([(labels::WORKSPACE.to_owned(), serving.name.to_owned())].into()),
        ..ObjectMeta::default()
    };
    Some(vec![PersistentVolumeClaim { metadata, spec: Some(spec), status: None }])
}

pub(super) fn mount(name: &str, path: &str) -> VolumeMount {
    VolumeMount { name: name.to_owned(), mount_path: path.to_owned(), ..VolumeMount::default() }
}

pub(super) fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
