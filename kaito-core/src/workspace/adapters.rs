//! The adapters of a Workspace, as the pods' builder takes them, and what their strengths mean for the runtime.

use super::facts::Engine;
use super::secrets::{self, Need};
use super::view::View;
use crate::failure::{self, Failure};
use crate::manifest::{Adapter, AdapterSource};
use kaito_api::syntax::ImageReference;
use kaito_api::workspace::AdapterSpec;
use kaito_api::{Workspace, vocabulary::annotations};
use kaito_presets::{Model, RuntimeProfile};

/// The adapters of a Workspace.
fn specs(workspace: &Workspace) -> &[AdapterSpec] {
    workspace.inference().map_or(&[], |inference| inference.adapters.as_slice())
}

/// The server for these adapters, where `asked` is what the Workspace would get without them: vLLM loads an adapter as it is, and only the transformers runtime can weaken it.
pub(super) fn engine(
    workspace: &Workspace,
    asked: Engine,
    model: &Model,
    profile: &RuntimeProfile,
) -> Result<Engine, Failure> {
    if asked == Engine::Transformers {
        return Ok(asked);
    }
    let weakened: Vec<String> = specs(workspace)
        .iter()
        .enumerate()
        .filter(|(_, adapter)| adapter.factor() != Some(1.0))
        .map(|(index, adapter)| {
            format!("inference.adapters[{index}].strength: {:?}", adapter.strength.as_deref().unwrap_or_default())
        })
        .collect();
    let wants_vllm = workspace.annotation(annotations::RUNTIME) == Some(annotations::RUNTIME_VLLM);
    let obstacle = if weakened.is_empty() {
        return Ok(asked);
    } else if wants_vllm {
        format!("the annotation {} asks for vLLM", annotations::RUNTIME)
    } else if model.transformers.is_none() {
        format!("the transformers runtime, which could, does not serve {}", model.id)
    } else {
        return Ok(Engine::Transformers);
    };
    Err(Failure::new(
        &failure::INVALID_WORKSPACE,
        format!(
            "{}: vLLM {} loads every adapter at full strength, and {obstacle}; leave strength out, or write \"1.0\"",
            weakened.join(", "),
            profile.versions.vllm
        ),
    ))
}

/// What to say when strengths have chosen the runtime.
pub(super) fn remark(profile: &RuntimeProfile) -> String {
    let api = if profile.transformers.openai_api { "" } else { ", and is asked by POST /chat" };
    format!(
        "served by the transformers runtime, because vLLM cannot weaken adapters (inference.adapters[].strength); it merges all adapters into the model{api}"
    )
}

/// The adapters, ready to be built into pods.
pub(super) fn of<'a>(view: &View<'a>) -> Result<Vec<Adapter<'a>>, Failure> {
    let specs = view.workspace.ok().map_or(&[][..], specs);
    specs.iter().enumerate().map(|(index, spec)| adapter(index, spec)).collect()
}

/// A rule has refused what fails here; but an object may be older than the rule, and then the pods that run are left as they are.
fn adapter(index: usize, spec: &AdapterSpec) -> Result<Adapter<'_>, Failure> {
    let wrong = |field: &str, why: String| {
        Failure::new(&failure::INVALID_WORKSPACE, format!("inference.adapters[{index}].source{field}: {why}"))
    };
    let source = spec.source.as_ref().ok_or_else(|| wrong("", "missing".to_owned()))?;
    Ok(Adapter {
        name: &source.name,
        source: match &source.volume_source {
            Some(volume) => {
                let named = volume.as_volume_source(&source.name);
                AdapterSource::Volume(Box::new(named.map_err(|error| wrong(".volumeSource", error.to_string()))?))
            }
            None => {
                let image = source.image.parse::<ImageReference>();
                AdapterSource::Image(image.map_err(|error| wrong(".image", error.to_string()))?.to_pull())
            }
        },
        pull_secrets: source.image_pull_secrets.iter().map(String::as_str).collect(),
        strength: spec.strength.as_deref(),
    })
}

/// The Secrets that images are pulled with.
pub(super) fn secrets<'a>(view: &View<'a>) -> impl Iterator<Item = Need<'a>> {
    let adapters = view.workspace.ok().map_or(&[][..], specs).iter().enumerate();
    let images = adapters.filter_map(|(index, adapter)| Some((index, adapter.source.as_ref()?)));
    images.filter(|(_, source)| source.volume_source.is_none()).flat_map(|(index, source)| {
        let rows = (&failure::ADAPTER_SECRET, &failure::ADAPTER_SECRET);
        secrets::for_pulling(format!("inference.adapters[{index}].source"), source, rows)
    })
}
