//! The user's ConfigMap with settings of the runtime: what a plan takes from it, why it cannot be used, and when an edit of it makes the pods anew.
//!
//! A server reads its settings when it starts. So the StatefulSet carries a digest of those that its pods were made with; where those of the ConfigMap come to another one, the digest becomes an annotation of the
//! pod template, and the pods are made anew, once. A set without a digest (of the Go operator, of an older version of this one) or with one of another scheme is given today's and left alone: nothing is
//! known of what its pods have read, and a new version of this program restarts nobody.

use super::draft::Draft;
use super::facts::{Engine, Facts};
use super::view::View;
use crate::compat;
use crate::failure::{self, Failure};
use crate::manifest::{self, Layout, MountedConfig, Serving};
use crate::runtime_config::{RuntimeConfig, told};
use crate::snapshot::{Lookup, Unread};
use crate::words::quoted;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::ConfigMap;
use kaito_api::syntax;
use kaito_api::vocabulary::annotations;

/// What a digest begins with: as long as it is computed in the same way.
const SCHEME: &str = "v1.";

/// Settings that can be used.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Settled {
    config: RuntimeConfig,
    digest: String,
}

/// The ConfigMap's name, where one is named.
fn named<'a>(view: &View<'a>) -> Option<&'a str> {
    let config = view.workspace.ok()?.inference()?.config.as_str();
    (!config.is_empty()).then_some(config)
}

fn failure(name: &str, cause: impl std::fmt::Display) -> Failure {
    let cause = format!("inference.config: ConfigMap {} {cause}", quoted(name));
    Failure::new(&failure::CONFIG_NOT_USABLE, cause)
}

/// The context length that the settings name, in tokens; and the settings themselves, into the draft.
pub(super) fn judge(
    view: &View<'_>,
    draft: &mut Draft,
    facts: Option<&Facts>,
) -> Result<Result<Option<u32>, Failure>, Unread> {
    let Some(name) = named(view) else { return Ok(Ok(None)) };
    let fail = |cause: &dyn std::fmt::Display| Ok(Err(failure(name, cause)));
    // What cannot be a name is never asked for: the API server would take it for a path.
    if let Err(expected) = syntax::dns_subdomain(name) {
        return fail(&format!("cannot exist: its name {expected}"));
    }
    let map = match view.snapshot.get_surely::<ConfigMap>(view.namespace(), name)? {
        Lookup::Absent => return fail(&format!("does not exist in namespace {}", view.namespace())),
        Lookup::Malformed(malformed) => return fail(&format!("cannot be read: {}", malformed.error)),
        Lookup::Found(map) => map,
    };
    // The transformers runtime reads no settings: it only needs the volume to be there.
    if facts.is_some_and(|facts| facts.engine() != Some(Engine::Vllm)) {
        return Ok(Ok(None));
    }
    let config = match RuntimeConfig::of(map) {
        Ok(config) => config,
        Err(unreadable) => return fail(&unreadable),
    };
    let Some(facts) = facts else { return Ok(Ok(None)) };
    let judged = config.judge(facts);
    if !judged.warnings.is_empty() {
        draft.remark("warning", format!("inference.config: ConfigMap {name}, {}", told(&judged.warnings)));
    }
    if !judged.errors.is_empty() {
        return fail(&format!("key {}, {}", kaito_api::vocabulary::names::INFERENCE_CONFIG_KEY, told(&judged.errors)));
    }
    let digest = format!("{SCHEME}{}", config.digest(map));
    draft.config = Some(Settled { config, digest });
    Ok(Ok(judged.context))
}

/// Why the GPUs of this layout do not suffice for what the settings ask for, if they do not.
pub(super) fn beyond(view: &View<'_>, draft: &Draft, layout: &Layout, facts: &Facts) -> Option<Failure> {
    let (name, settled) = (named(view)?, draft.config.as_ref()?);
    let finding = settled.config.beyond(layout, facts)?;
    Some(failure(name, format!("key {}, {finding}", kaito_api::vocabulary::names::INFERENCE_CONFIG_KEY)))
}

/// The ConfigMap as the pods are to mount it, beside the set that is there.
pub(super) fn mounted<'a>(view: &View<'a>, draft: &Draft, found: Lookup<'_, StatefulSet>) -> Option<MountedConfig<'a>> {
    let name = named(view)?;
    let running = found.found();
    let before = running.and_then(digest_of);
    // Settings that cannot be used now change nothing: the set remembers what its pods were made with.
    let digest = draft.config.as_ref().map(|settled| settled.digest.clone()).or_else(|| before.clone());
    let is_told = running.is_none_or(|running| is_told(draft, running));
    let rolled = if is_told { running.and_then(rolled_to) } else { digest.clone() };
    Some(MountedConfig { name, digest, rolled })
}

/// Whether the pods of a set have the settings that the ConfigMap holds now, as far as the set remembers.
pub(super) fn is_told(draft: &Draft, set: &StatefulSet) -> bool {
    let then = digest_of(set).filter(|then| then.starts_with(SCHEME));
    draft.config.as_ref().zip(then).is_none_or(|(settled, then)| settled.digest == then)
}

/// Where the settings win over what the operator tells the server itself.
pub(super) fn overrules(view: &View<'_>, draft: &Draft, serving: &Serving<'_>) -> Option<String> {
    let (name, settled) = (named(view)?, draft.config.as_ref()?);
    let wins = settled.config.overrules(&manifest::vllm_args(serving));
    (!wins.is_empty()).then(|| format!("ConfigMap {name} wins over the operator: {}", wins.join(", ")))
}

fn digest_of(set: &StatefulSet) -> Option<String> {
    set.metadata.annotations.as_ref()?.get(annotations::INFERENCE_CONFIG_DIGEST).cloned()
}

/// The settings that an edit has brought to the pods of a set.
pub(super) fn rolled_to(set: &StatefulSet) -> Option<String> {
    let metadata = compat::stateful_set_spec(set)?.template.metadata.as_ref()?;
    metadata.annotations.as_ref()?.get(annotations::INFERENCE_CONFIG_DIGEST).cloned()
}
