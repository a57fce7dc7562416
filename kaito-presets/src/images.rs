//! Images of side containers, and how a reference is put together.
//!
//! The images that serve and tune are in [`crate::RuntimeProfile`]. Source, unless said otherwise: KAITO v0.12.0.

/// Where the images of the project are published: chart value `presetRegistryName`, variable `PRESET_REGISTRY_NAME`.
pub const DEFAULT_REGISTRY: &str = "mcr.microsoft.com/aks/kaito";

/// Pulls weights that are an OCI artefact (`pkg/utils/common_preset.go`).
pub const ORAS_PULLER: &str = "mcr.microsoft.com/oss/v2/oras-project/oras:v1.2.3";

/// Pulls adapters and datasets that are images (`pkg/workspace/image/puller.go`).
pub const SKOPEO_PULLER: &str = "mcr.microsoft.com/aks/skopeo:1.14.4-6";

/// Pushes the result of a tuning (`pkg/workspace/image/pusher.go`).
pub const ORAS_PUSHER: &str = "ghcr.io/oras-project/oras:v1.2.2";

/// Holds the process namespace of a tuning pod (`pkg/workspace/tuning/preset_tuning.go`); pulled always.
pub const PAUSE: &str = "registry.k8s.io/pause:latest";

/// Downloads a dataset from a URL (`pkg/workspace/tuning/preset_tuning.go`); the reference names no tag.
pub const CURL: &str = "curlimages/curl";

/// Fetches a SAS token before weights are streamed (`modelstreaming/azure/sasblob.go`).
pub const SAS_FETCHER: &str = "python:3.12-slim";

/// Routes between prefill and decode pods (`consts.go`).
pub const ROUTING_SIDECAR: &str = "mcr.microsoft.com/oss/v2/llm-d/llm-d-routing-sidecar:v0.8.0";

/// Downloads a ModelMirror's weights, and samples its progress (`modelmirror/consts`).
pub const MODEL_MIRROR: &str = "mcr.microsoft.com/mirror/docker/library/python:3.11-slim";

/// An image or OCI artefact of the project, below a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Image {
    /// Repository name: `kaito-base`.
    pub name: &'static str,
    /// Tag: `0.5.0`.
    pub tag: &'static str,
}

impl Image {
    /// Whether a reference means this image, whatever registry it comes from and whatever digest it is pinned to.
    #[must_use]
    pub fn is_called(&self, reference: &str) -> bool {
        let tagged = reference.split_once('@').map_or(reference, |(tagged, _)| tagged);
        let last = tagged.rsplit_once('/').map_or(tagged, |(_, last)| last);
        last.split_once(':') == Some((self.name, self.tag))
    }

    /// `registry/name:tag`.
    #[must_use]
    pub fn reference(&self, registry: &str) -> String {
        format!("{}/{}:{}", registry.trim_end_matches('/'), self.name, self.tag)
    }
}
