//! LoRA adapters beside the model: where they are mounted, who brings them, and how the server is told.
//!
//! Every adapter is a directory of its name below [`paths::ADAPTER_DIR`]. Those that are images share one volume and are pulled in the order of the Workspace; those that are volumes are
//! mounted as they are.

use super::command::Arg;
use super::puller::{self, Pull};
use super::quote::quote;
use super::volumes::mount;
use super::{Serving, fitting, pod};
use crate::workspace::Engine;
use k8s_openapi::api::core::v1::{Container, EmptyDirVolumeSource, EnvVar, LocalObjectReference, Volume, VolumeMount};
use kaito_api::vocabulary::containers;
use kaito_presets::paths;
use std::collections::BTreeSet;

const SHARED: &str = "adapter-volume";

/// What an adapter is called that a tuning made: without it no runtime takes a directory for an adapter.
const CONFIG_FILE: &str = "adapter_config.json";

/// One adapter.
#[derive(Debug, Clone, PartialEq)]
pub struct Adapter<'a> {
    /// The name by which requests choose it: a DNS label.
    pub name: &'a str,
    /// Where it is.
    pub source: AdapterSource,
    /// Secrets for pulling its image.
    pub pull_secrets: Vec<&'a str>,
    /// How strongly it acts, as the user wrote it; a decimal from 0 to 1.
    pub strength: Option<&'a str>,
}

/// Where an adapter is.
#[derive(Debug, Clone, PartialEq)]
pub enum AdapterSource {
    /// In the folder `/data` of an image: the reference to pull.
    Image(String),
    /// On a volume; its name is of no account.
    Volume(Box<Volume>),
}

impl Adapter<'_> {
    fn directory(&self) -> String {
        format!("{}/{}", paths::ADAPTER_DIR, self.name)
    }

    /// The credentials for its image, where it has an image and credentials.
    fn docker_config(&self) -> Option<(Volume, VolumeMount)> {
        let needs = matches!(self.source, AdapterSource::Image(_)) && !self.pull_secrets.is_empty();
        needs.then(|| puller::docker_config(&format!("{}-inference-adapter", self.name), &self.pull_secrets))
    }

    fn own_volume(&self) -> Option<Volume> {
        let name = || fitting("adapter-volume-", self.name, "");
        match &self.source {
            AdapterSource::Image(_) => None,
            AdapterSource::Volume(volume) => Some(Volume { name: name(), ..(**volume).clone() }),
        }
    }

    fn puller(&self) -> Option<Container> {
        let AdapterSource::Image(image) = &self.source else { return None };
        let shared = mount(SHARED, paths::ADAPTER_DIR);
        Some(puller::init_container(Pull {
            name: fitting(containers::ADAPTER_PULLER_PREFIX, self.name, ""),
            image,
            target: &self.directory(),
            must_hold: Some(CONFIG_FILE),
            mounts: std::iter::once(shared).chain(self.docker_config().map(|(_, mount)| mount)).collect(),
        }))
    }
}

fn has_images(serving: &Serving<'_>) -> bool {
    serving.adapters.iter().any(|adapter| matches!(adapter.source, AdapterSource::Image(_)))
}

/// The volumes of all adapters.
pub(super) fn volumes(serving: &Serving<'_>) -> Vec<Volume> {
    let shared = has_images(serving).then(|| Volume {
        name: SHARED.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource::default()),
        ..Volume::default()
    });
    let credentials = serving.adapters.iter().filter_map(|adapter| adapter.docker_config().map(|(volume, _)| volume));
    shared.into_iter().chain(credentials).chain(serving.adapters.iter().filter_map(Adapter::own_volume)).collect()
}

/// What the server sees of them.
pub(super) fn mounts(serving: &Serving<'_>) -> Vec<VolumeMount> {
    let shared = has_images(serving).then(|| mount(SHARED, paths::ADAPTER_DIR));
    let own = serving
        .adapters
        .iter()
        .filter_map(|adapter| adapter.own_volume().map(|volume| mount(&volume.name, &adapter.directory())));
    shared.into_iter().chain(own).collect()
}

/// One puller for each image, in the order of the Workspace.
pub(super) fn init_containers(serving: &Serving<'_>) -> Vec<Container> {
    serving.adapters.iter().filter_map(Adapter::puller).collect()
}

/// The pull secrets of all adapters, each once: the API server refuses to merge a list that names one twice.
pub(super) fn pull_secrets(serving: &Serving<'_>) -> Vec<LocalObjectReference> {
    let mut seen = BTreeSet::new();
    let all = serving.adapters.iter().flat_map(|adapter| &adapter.pull_secrets);
    all.filter(|secret| seen.insert(**secret))
        .map(|secret| LocalObjectReference { name: (*secret).to_owned() })
        .collect()
}

/// How vLLM is told.
pub(super) fn vllm_args(serving: &Serving<'_>) -> Vec<Arg> {
    if serving.adapters.is_empty() {
        return Vec::new();
    }
    let most = serving.facts.profile.lora.and_then(|lora| lora.max_rank);
    let limits = most.map(|rank| [Arg::of("max-lora-rank", rank), Arg::of("max-loras", serving.adapters.len())]);
    std::iter::once(Arg::bare("enable-lora")).chain(limits.into_iter().flatten()).collect()
}

/// Name and strength of those that have one, for the runtime that honours it: images first, then volumes.
fn strengths<'a>(serving: &'a Serving<'_>) -> impl Iterator<Item = (&'a str, &'a str)> {
    let honoured = serving.engine == Engine::Transformers;
    let mut adapters: Vec<&Adapter<'_>> = serving.adapters.iter().filter(|_| honoured).collect();
    adapters.sort_by_key(|adapter| matches!(adapter.source, AdapterSource::Volume(_)));
    adapters.into_iter().filter_map(|adapter| adapter.strength.map(|strength| (adapter.name, strength)))
}

/// The transformers runtime finds an adapter's strength in a variable of the adapter's name.
pub(super) fn env(serving: &Serving<'_>) -> Vec<EnvVar> {
    strengths(serving).map(|(name, strength)| pod::plain(name, strength)).collect()
}

/// What stands before the launcher: the shell of the image drops variables whose names are none of its own kind, such as `my-adapter`, and so they are given again behind it.
pub(super) fn shell_env(serving: &Serving<'_>) -> String {
    let is_kept = |name: &str| {
        !name.starts_with(|c: char| c.is_ascii_digit()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let dropped: Vec<String> = strengths(serving)
        .filter(|(name, _)| !is_kept(name))
        .map(|(name, strength)| format!("{} ", quote(&format!("{name}={strength}"))))
        .collect();
    if dropped.is_empty() { String::new() } else { format!("env {}", dropped.concat()) }
}
