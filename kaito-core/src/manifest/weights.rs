//! Where the weights come from, and what of a pod follows from it: one row a source.
//!
//! Another source is a variant of [`Weights`], the row that chooses it in [`of`], and its arms here.

use super::command::Arg;
use super::volumes::{mount, words};
use super::{Serving, pod};
use crate::units::gib_quantity;
use crate::workspace::Facts;
use k8s_openapi::api::core::v1::{
    Container, EnvVar, HostPathVolumeSource, PersistentVolumeClaim, PersistentVolumeClaimSpec, Volume, VolumeMount,
    VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kaito_api::vocabulary::{containers, labels, names};
use kaito_presets::{Image, WeightsSource, images, paths};

pub(super) const VOLUME: &str = "model-weights-volume";
const ON_NODE: &str = "model-weights-hostpath";
/// Where the benchmark finds the tokenizer when it is not where it looks by itself (spec/03 §12.8).
const PROCESSOR: &str = "KAITO_PROCESSOR";

/// Where the weights come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weights<'a> {
    /// A directory of the node, where somebody has put them.
    Node(&'a str),
    /// An OCI artefact, pulled before the server starts.
    Artefact(Image),
    /// The hub, when the server starts.
    Hub,
}

/// What the user asks for; else the first source of the profile that the model has.
pub(super) fn of<'a>(serving: &'a Serving<'_>) -> Weights<'a> {
    serving.local_weights.as_deref().map_or_else(|| brought(&serving.facts), Weights::Node)
}

fn brought(facts: &Facts) -> Weights<'static> {
    let source = facts.profile.weights.iter().find_map(|source| match source {
        WeightsSource::OciArtifact => facts.model.weights_artifact.map(Weights::Artefact),
        WeightsSource::HubDownload => Some(Weights::Hub),
    });
    source.unwrap_or(Weights::Hub)
}

/// Whether the hub is asked for the weights when the server starts, where they are not on the node.
pub(crate) fn are_downloaded(facts: &Facts) -> bool {
    brought(facts) == Weights::Hub
}

impl Weights<'_> {
    /// Where the server finds them.
    fn directory<'b>(&'b self, serving: &'b Serving<'_>) -> &'b str {
        match self {
            Weights::Node(directory) => directory,
            Weights::Artefact(_) | Weights::Hub => serving.facts.profile.weights_dir,
        }
    }

    /// How vLLM is told.
    pub(super) fn vllm_args(&self, serving: &Serving<'_>) -> Vec<Arg> {
        let (model, supports) = (&serving.facts.model, serving.facts.profile.supports);
        let directory = self.directory(serving);
        match self {
            Weights::Node(_) if supports.model_streaming => {
                vec![Arg::of("model", directory), Arg::of("load-format", "runai_streamer")]
            }
            Weights::Node(_) => vec![Arg::of("model", directory)],
            Weights::Artefact(_) if supports.explicit_model_path => vec![Arg::of("model", directory)],
            Weights::Artefact(_) => Vec::new(),
            Weights::Hub => {
                let mut args = vec![Arg::of("model", model.download_id()), Arg::of("download-dir", directory)];
                if let Some(commit) = &model.revision {
                    // Not `code-revision`, as the reference does for a commit: code that a model takes from another repository has no such commit, and its own code follows `revision`.
                    args.extend([Arg::of("revision", commit), Arg::of("tokenizer-revision", commit)]);
                }
                args
            }
        }
    }

    /// Whether they are brought to a volume of the pod, in the format that the model says; else they are where they are, and are streamed from there.
    pub(super) fn are_brought(&self) -> bool {
        !matches!(self, Weights::Node(_))
    }

    /// How the transformers server is told.
    pub(super) fn transformers_args(&self, serving: &Serving<'_>) -> Vec<Arg> {
        const FLAG: &str = "pretrained_model_name_or_path";
        match self {
            Weights::Node(_) | Weights::Artefact(_) => vec![Arg::of(FLAG, self.directory(serving))],
            Weights::Hub => {
                let model = &serving.facts.model;
                let commit = model.revision.as_ref().map(|commit| Arg::of("revision", commit));
                [Arg::of(FLAG, model.download_id()), Arg::bare("allow_remote_files")]
                    .into_iter()
                    .chain(commit)
                    .collect()
            }
        }
    }

    /// What the benchmark must be told, or the library that downloads.
    pub(super) fn env(&self, serving: &Serving<'_>) -> Option<EnvVar> {
        match self {
            Weights::Node(directory) => Some(pod::plain(PROCESSOR, directory)),
            Weights::Hub => serving.hub.map(|address| pod::plain(names::HF_ENDPOINT, address)),
            Weights::Artefact(_) => None,
        }
    }

    /// The volume with them, where it is none that is claimed.
    pub(super) fn volume(&self, serving: &Serving<'_>) -> Option<Volume> {
        match self {
            Weights::Node(directory) => {
                let source =
                    HostPathVolumeSource { path: (*directory).to_owned(), type_: Some("Directory".to_owned()) };
                Some(Volume { name: ON_NODE.to_owned(), host_path: Some(source), ..Volume::default() })
            }
            Weights::Artefact(_) | Weights::Hub => {
                (!serving.claim_local_disk).then(|| super::volumes::scratch(VOLUME, false))
            }
        }
    }

    /// The mount of the main container.
    pub(super) fn mount(&self, serving: &Serving<'_>) -> VolumeMount {
        let directory = self.directory(serving);
        match self {
            Weights::Node(_) => VolumeMount { read_only: Some(true), ..mount(ON_NODE, directory) },
            Weights::Artefact(_) | Weights::Hub => mount(VOLUME, directory),
        }
    }

    /// What brings them before the server starts.
    pub(super) fn init_container(&self, serving: &Serving<'_>) -> Option<Container> {
        match self {
            Weights::Artefact(artefact) => Some(downloader(*artefact, serving.registry, self.directory(serving))),
            Weights::Node(_) | Weights::Hub => None,
        }
    }
}

/// The claim of a local disk, for weights that are brought. A set that has one keeps it, wherever they come from now.
pub(super) fn claims(serving: &Serving<'_>) -> Option<Vec<PersistentVolumeClaim>> {
    serving.claim_local_disk.then(|| vec![claim(serving)])
}

/// Pulls weights that are an OCI artefact.
pub(super) fn downloader(artefact: Image, registry: &str, directory: &str) -> Container {
    Container {
        name: containers::WEIGHTS_DOWNLOADER.to_owned(),
        image: Some(images::ORAS_PULLER.to_owned()),
        command: Some(words(["oras", "pull", &artefact.reference(registry), "-o", directory])),
        termination_message_policy: Some(pod::LAST_WORDS.to_owned()),
        volume_mounts: Some(vec![mount(VOLUME, directory)]),
        ..Container::default()
    }
}

fn claim(serving: &Serving<'_>) -> PersistentVolumeClaim {
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
        name: Some(VOLUME.to_owned()),
        labels: Some([(labels::WORKSPACE.to_owned(), serving.name.to_owned())].into()),
        ..ObjectMeta::default()
    };
    PersistentVolumeClaim { metadata, spec: Some(spec), status: None }
}

/// The directory of a node where the weights of a preset lie, as the reference makes it of the preset's name (`kaito.sh/use-local-weights`, spec/01 §8): `None` for a name of which none can be made.
pub(crate) fn on_node(preset: &str) -> Option<String> {
    let segment = preset.trim().to_lowercase().replace(['/', '\\'], "-");
    let is_one = !matches!(segment.as_str(), "" | "." | "..");
    is_one.then(|| format!("{}/{segment}", paths::LOCAL_WEIGHTS_DIR))
}

#[cfg(test)]
mod tests {
    use super::on_node;

    #[test]
    fn a_preset_has_one_directory_of_a_node_below_that_of_all_models() {
        let table = [
            ("Qwen/Qwen3.5-4B", Some("/opt/kaito/models/qwen-qwen3.5-4b")),
            (" phi-4\n", Some("/opt/kaito/models/phi-4")),
            ("../../etc", Some("/opt/kaito/models/..-..-etc")),
            ("a\\b", Some("/opt/kaito/models/a-b")),
            ("", None),
            ("..", None),
            (".", None),
        ];
        for (preset, directory) in table {
            assert_eq!(on_node(preset).as_deref(), directory, "{preset:?}");
        }
    }
}
