//! The pod that tunes: the trainer, what brings its weights and data before it, and what takes the result away beside it.

use super::{Placement, data, pod, pusher, volumes, weights};
use crate::training::Results;
use crate::workspace::Facts;
use k8s_openapi::api::core::v1::{
    Affinity, Container, ContainerPort, EnvVar, LocalObjectReference, PodSpec, PodTemplateSpec, Toleration, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kaito_api::FieldError;
use kaito_api::raw::RawVolumeSource;
use kaito_api::vocabulary::{annotations, labels, names};
use kaito_presets::{Image, TuningParams, TuningRuntime, paths, ports};
use serde_json::Value;

/// The volume that receives the result.
pub(super) const RESULTS: &str = "results-volume";

/// Where the training data comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Input<'a> {
    /// Downloaded.
    Urls(&'a [String]),
    /// The folder `/data` of an image.
    Image {
        /// A name of the user's for it; may be empty.
        name: &'a str,
        /// The image, in full.
        image: &'a str,
        /// Secrets for pulling it.
        secrets: &'a [String],
    },
    /// A volume.
    Volume(&'a RawVolumeSource),
}

/// Where the adapter goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Output<'a> {
    /// It stays on a volume.
    Volume(&'a RawVolumeSource),
    /// It is pushed.
    Image {
        /// As an image with this reference, in full.
        image: &'a str,
        /// With the credentials of this Secret.
        secret: &'a str,
    },
}

/// What the Job of a training is made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Tuning<'a> {
    /// The Workspace's name: also the name of the Job and of the main container.
    pub name: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// The controller reference.
    pub owner: OwnerReference,
    /// The number of the Workspace's revision.
    pub revision: i64,
    /// Model, machine, runtime.
    pub facts: &'a Facts,
    /// What tuning this model takes.
    pub params: TuningParams,
    /// The artefact with the model's weights.
    pub weights: Image,
    /// The preset in the user's spelling.
    pub preset: &'a str,
    /// Where its pods may run.
    pub placement: Placement,
    /// The ConfigMap with the settings of the training.
    pub config_map: &'a str,
    /// Where the trainer leaves its result.
    pub results: &'a Results,
    /// Where the data comes from.
    pub input: Input<'a>,
    /// Where the adapter goes.
    pub output: Output<'a>,
    /// Where images come from.
    pub registry: &'a str,
    /// Whether spot machines of Azure are tolerated.
    pub azure_spot: bool,
    /// Whether the machine is Karpenter's, which is told not to replace it before the training is over, as it would for each new image: the training would begin anew.
    pub on_karpenter: bool,
}

/// The pod template, but for its [`volumes`].
pub(super) fn template(tuning: &Tuning<'_>) -> PodTemplateSpec {
    let weights = weights::downloader(tuning.weights, tuning.registry, tuning.facts.profile.weights_dir);
    let sidecars = pusher::containers(tuning);
    let pushes = !sidecars.is_empty();
    let spec = PodSpec {
        affinity: affinity(tuning),
        containers: std::iter::once(trainer(tuning)).chain(sidecars).collect(),
        image_pull_secrets: pusher::secret(tuning).map(|secret| vec![LocalObjectReference { name: secret.to_owned() }]),
        init_containers: Some(std::iter::once(weights).chain(data::init_container(&tuning.input)).collect()),
        restart_policy: Some("Never".to_owned()),
        // The pusher looks whether the trainer still runs.
        share_process_namespace: pushes.then_some(true),
        tolerations: Some(tolerations(tuning.azure_spot)),
        ..PodSpec::default()
    };
    let labels = [(labels::WORKSPACE.to_owned(), tuning.name.to_owned())];
    let undisturbed = [(annotations::KARPENTER_DO_NOT_DISRUPT.to_owned(), "true".to_owned())];
    let metadata = ObjectMeta {
        labels: Some(labels.into()),
        annotations: tuning.on_karpenter.then(|| undisturbed.into()),
        ..ObjectMeta::default()
    };
    PodTemplateSpec { metadata: Some(metadata), spec: Some(spec) }
}

fn trainer(tuning: &Tuning<'_>) -> Container {
    let gpus = tuning.facts.hardware.gpu_count.max(1);
    let line = format!("{} --num_processes={gpus} {}", TuningRuntime::LAUNCHER, TuningRuntime::MAIN_FILE);
    let port = ContainerPort { container_port: i32::from(ports::INFERENCE), ..ContainerPort::default() };
    Container {
        name: tuning.name.to_owned(),
        image: Some(tuning.facts.profile.image.reference(tuning.registry)),
        command: Some(volumes::words(["/bin/sh", "-c", &line])),
        env: Some(env(&tuning.params)),
        ports: Some(vec![port]),
        resources: Some(pod::gpus(names::NVIDIA_GPU, gpus)),
        volume_mounts: Some(mounts(tuning)),
        ..Container::default()
    }
}

fn env(params: &TuningParams) -> Vec<EnvVar> {
    let modules = params.target_modules.map(|modules| pod::plain(TuningRuntime::TARGET_MODULES_ENV, modules));
    modules.into_iter().chain(TuningRuntime::ENV.iter().map(|(name, value)| pod::plain(name, value))).collect()
}

fn mounts(tuning: &Tuning<'_>) -> Vec<VolumeMount> {
    [
        volumes::mount(volumes::SHARED_MEMORY, paths::SHARED_MEMORY),
        volumes::mount(weights::VOLUME, tuning.facts.profile.weights_dir),
        volumes::mount(volumes::CONFIG, paths::CONFIG_DIR),
        volumes::mount(RESULTS, &tuning.results.directory),
    ]
    .into_iter()
    .chain(tuning.results.written.iter().map(|path| volumes::mount(RESULTS, path)))
    .chain(data::mounts(&tuning.input))
    .collect()
}

/// The volumes of the pod, in their wire form: the user's own have every field that they were written with.
pub(super) fn volumes(tuning: &Tuning<'_>) -> Result<Vec<Value>, FieldError> {
    let ours = [
        volumes::scratch(volumes::SHARED_MEMORY, true),
        volumes::scratch(weights::VOLUME, false),
        volumes::config_volume(tuning.config_map),
    ];
    let results = match tuning.output {
        Output::Volume(source) => source.named(RESULTS)?,
        Output::Image { .. } => volumes::wire(&volumes::scratch(RESULTS, false)),
    };
    let credentials = pusher::volume(tuning).as_ref().map(volumes::wire);
    let data = data::volumes(&tuning.input)?;
    Ok(ours.iter().map(volumes::wire).chain([results]).chain(data).chain(credentials).collect())
}

/// Only the machine that was made for this very Workspace: another one with the same labels of the user's may have other GPUs.
fn affinity(tuning: &Tuning<'_>) -> Option<Affinity> {
    pod::affinity(&tuning.placement)
}

/// As for serving, and the bare `gpu` of older clusters.
pub(crate) fn tolerations(azure_spot: bool) -> Vec<Toleration> {
    let gpu = Toleration {
        key: Some("gpu".to_owned()),
        operator: Some("Equal".to_owned()),
        effect: Some("NoSchedule".to_owned()),
        ..Toleration::default()
    };
    std::iter::once(gpu).chain(pod::tolerations(azure_spot, None)).collect()
}
