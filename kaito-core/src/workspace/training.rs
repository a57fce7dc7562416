//! The settings of a training: which ConfigMap, and where the result goes. Settled before a machine is paid for.
//!
//! Where the user names no ConfigMap, the chart's template for the method is copied beside the Workspace under its own name, once: what is there by that name, the user's or
//! an earlier copy, is used as it is. A GPU that needs other settings gets a copy of its own, under a name of its own, so that nobody else's settings change.

use super::draft::{Draft, Flow, malformed_child};
use super::facts::{Facts, Task};
use super::tuning;
use super::view::View;
use crate::effect::{self, Effect, EffectId, WriteMode};
use crate::failure::{self, Failure};
use crate::kinds::{Kind, Typed};
use crate::object::ObjectKey;
use crate::read::Read;
use crate::snapshot::{Lookup, Unread};
use crate::training::{Results, TrainingConfig, text_of, with_settings};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kaito_api::syntax;
use kaito_api::vocabulary::names;
use kaito_api::workspace::{TuningMethod, TuningSpec};
use std::collections::BTreeMap;

/// The settings that the Job is to be made with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Training {
    pub(super) config_map: String,
    pub(super) results: Results,
    /// The write of the copy, where one is needed.
    pub(super) copied: Option<EffectId>,
}

pub(super) fn step(view: &View<'_>, draft: &mut Draft) -> Result<Flow, Unread> {
    let Some(tuning) = view.tuning() else { return Ok(Flow::Next) };
    look(view, draft, tuning)?;
    let found = view.job()?;
    draft.progress = tuning::progress(view, draft, found);
    match found {
        Lookup::Found(job) if !effect::is_controlled_by(&job.metadata, view.uid()) => {
            draft.failures.push(failure::name_taken(&ObjectKey::new(Kind::Job, view.namespace(), view.name())));
        }
        Lookup::Malformed(malformed) => draft.failures.push(malformed_child(malformed)),
        Lookup::Absent | Lookup::Found(_) => {}
    }
    let Some(facts) = draft.model().filter(|_| draft.progress == tuning::Progress::Nothing) else {
        return Ok(Flow::Next);
    };
    // What would not be admitted today is not begun, though a machine or an earlier Job is there.
    let failure = match draft.refused.clone() {
        Some(failure) => failure,
        None => match settle(view, draft, tuning, &facts)? {
            Err(failure) => failure,
            Ok(training) => {
                draft.training = Some(training);
                return Ok(Flow::Next);
            }
        },
    };
    if !view.has_children()? {
        return Ok(draft.stop(failure));
    }
    draft.failures.push(failure);
    Ok(Flow::Next)
}

/// Asks at once for what a training that is still to begin depends on, so that it is read in one round.
fn look(view: &View<'_>, draft: &Draft, tuning: &TuningSpec) -> Result<(), Unread> {
    let (Lookup::Absent, Some(facts)) = (view.snapshot.get::<Job>(view.namespace(), view.name())?, draft.model())
    else {
        return Ok(());
    };
    let object = |kind, namespace: &str, name: &str| Read::object(ObjectKey::new(kind, namespace, name));
    let mut reads = vec![object(Kind::Job, view.namespace(), view.name()).live()];
    match facts.task {
        Task::Tuning { method, .. } if tuning.config.is_empty() => reads.extend([
            object(Kind::ConfigMap, view.namespace(), &default_name(method, &facts)),
            object(Kind::ConfigMap, &view.settings.release_namespace, template_name(method)),
        ]),
        _ => reads.push(object(Kind::ConfigMap, view.namespace(), &tuning.config)),
    }
    reads.extend(tuning::secrets(tuning).map(|need| object(Kind::Secret, view.namespace(), need.name)));
    // An empty name is no object, and a slash in one is no path of the API.
    reads.retain(|read| !matches!(read, Read::Object { key, .. } if syntax::dns_subdomain(&key.name).is_err()));
    view.snapshot.need(reads)
}

/// The ConfigMap of this training, checked; a copy of the template where there is none.
fn settle(
    view: &View<'_>,
    draft: &mut Draft,
    tuning: &TuningSpec,
    facts: &Facts,
) -> Result<Result<Training, Failure>, Unread> {
    let Task::Tuning { method, .. } = facts.task else {
        return Ok(Err(Failure::new(&failure::INVALID_WORKSPACE, "tuning: nothing is to be tuned")));
    };
    let named = !tuning.config.is_empty();
    if let Some(expected) = syntax::dns_subdomain(&tuning.config).err().filter(|_| named) {
        let cause = format!("tuning.config: {:?} is no name of a ConfigMap; {expected}", tuning.config);
        return Ok(Err(Failure::new(&failure::INVALID_WORKSPACE, cause)));
    }
    let name = if named { tuning.config.clone() } else { default_name(method, facts) };
    let fail = |cause: String| {
        let field = if named { "tuning.config" } else { "tuning.config is empty, the default" };
        Failure::new(&failure::TRAINING_CONFIG, format!("{field}: ConfigMap {name} {cause}"))
    };
    let (config, copied) = match view.snapshot.get_surely::<ConfigMap>(view.namespace(), &name)? {
        Lookup::Malformed(malformed) => return Ok(Err(fail(format!("cannot be read: {}", malformed.error)))),
        Lookup::Found(config) => (TrainingConfig::of(config), None),
        Lookup::Absent if named => return Ok(Err(fail(format!("does not exist in namespace {}", view.namespace())))),
        Lookup::Absent => match copy(view, method, facts, &name)? {
            Err(failure) => return Ok(Err(failure)),
            Ok(copy) => {
                let config = TrainingConfig::of(&copy);
                (config, Some(Effect::ensure(&copy.into_object(), WriteMode::CreateOnly, None)))
            }
        },
    };
    let judged = match config {
        Ok(config) => config.judge(method, facts),
        Err(error) => return Ok(Err(fail(error.to_string()))),
    };
    if !judged.warnings.is_empty() {
        draft.remark("warning", format!("tuning.config: ConfigMap {name}, {}", judged.warnings.join("; ")));
    }
    let results = match judged.results {
        Some(results) if judged.errors.is_empty() => results,
        _ => return Ok(Err(fail(judged.errors.join("; ")))),
    };
    draft.remark("training", format!("settings of ConfigMap {name}, result in {}", results.directory));
    let copied = copied.map(|effect| draft.push_after(effect, draft.stamp));
    Ok(Ok(Training { config_map: name, results, copied }))
}

/// The chart's template for a method.
fn template_name(method: TuningMethod) -> &'static str {
    match method {
        TuningMethod::Lora => names::LORA_PARAMS_TEMPLATE,
        TuningMethod::Qlora => names::QLORA_PARAMS_TEMPLATE,
    }
}

/// The name of the copy: the template's own, as long as nothing in it has to change.
fn default_name(method: TuningMethod, facts: &Facts) -> String {
    let template = template_name(method);
    if facts.profile.tuning.template_overrides.is_empty() {
        template.to_owned()
    } else {
        format!("{template}-{}", facts.profile.id)
    }
}

/// A copy of the chart's template, with what these GPUs need.
fn copy(
    view: &View<'_>,
    method: TuningMethod,
    facts: &Facts,
    name: &str,
) -> Result<Result<ConfigMap, Failure>, Unread> {
    let (release, template) = (view.settings.release_namespace.as_str(), template_name(method));
    let fail = |cause: &str| {
        let text = format!("tuning.config is empty, and the template ConfigMap {template} {cause}");
        Ok(Err(Failure::new(&failure::TRAINING_CONFIG, text)))
    };
    let found = match view.snapshot.get_surely::<ConfigMap>(release, template)? {
        Lookup::Absent => return fail(&format!("does not exist in namespace {release}, where the chart puts it")),
        Lookup::Malformed(malformed) => return fail(&format!("cannot be read: {}", malformed.error)),
        Lookup::Found(found) => found,
    };
    let Some(yaml) = text_of(found) else { return fail(&format!("has no key {}", names::TRAINING_CONFIG_KEY)) };
    let mut data: BTreeMap<String, String> = found.data.clone().unwrap_or_default();
    let overrides = facts.profile.tuning.template_overrides;
    if !overrides.is_empty() {
        match with_settings(yaml, overrides) {
            Ok(text) => drop(data.insert(names::TRAINING_CONFIG_KEY.to_owned(), text)),
            Err(error) => return fail(&error.to_string()),
        }
    }
    let metadata = ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(view.namespace().to_owned()),
        labels: found.metadata.labels.clone(),
        annotations: found.metadata.annotations.clone().filter(|all| !all.is_empty()),
        ..ObjectMeta::default()
    };
    Ok(Ok(ConfigMap { metadata, data: Some(data), ..ConfigMap::default() }))
}
