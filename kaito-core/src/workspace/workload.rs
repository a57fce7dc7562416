//! The pods that serve.
//!
//! The StatefulSet is made when the machines are ready, and stays looked after when they are not. Its pod template moves only with the revision of the Workspace: a new
//! version of this program never restarts a running model by itself.

use super::adapters;
use super::config;
use super::draft::{Draft, Flow, Revision, malformed_child};
use super::facts::{Engine, Facts, Subject, Task};
use super::secrets::{self, Need};
use super::size::Room;
use super::view::View;
use super::{asked, former, immutable, machines, migration, placement};
use crate::compat;
use crate::diff;
use crate::effect::{self, is_dying};
use crate::failure;
use crate::kinds::{Kind, Typed};
use crate::manifest::{self, Adapter, Own, Serving};
use crate::object::ObjectKey;
use crate::plan::Notice;
use crate::snapshot::{Lookup, Unread};
use crate::units::rfc3339;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::api::storage::v1::StorageClass;
use kaito_api::vocabulary::{ImageFamily, annotations, events, labels, names};
use serde_json::Value;
use std::collections::BTreeMap;

/// What keeps the pods from being made, whatever machines come: found before one is paid for.
pub(super) fn judge(view: &View<'_>, draft: &mut Draft) -> Result<Flow, Unread> {
    if view.tuning().is_some() {
        return Ok(Flow::Next);
    }
    match view.stateful_set()? {
        Lookup::Found(set) if !effect::is_controlled_by(&set.metadata, view.uid()) => {
            draft.failures.push(failure::name_taken(&ObjectKey::new(Kind::StatefulSet, view.namespace(), view.name())));
        }
        Lookup::Malformed(malformed) => draft.failures.push(malformed_child(malformed)),
        // A rule that is newer than what runs is only told; what it says of an edit, no pods follow.
        Lookup::Found(_) if !runs_as_asked(view, draft)? => draft.failures.extend(draft.refused.clone()),
        Lookup::Absent | Lookup::Found(_) => {}
    }
    if !matches!(draft.subject, Some(Subject::Own(_))) {
        draft.failures.extend(adapters::of(view).err());
    }
    Ok(Flow::Next)
}

pub(super) fn step(view: &View<'_>, draft: &mut Draft) -> Result<Flow, Unread> {
    if view.tuning().is_some() {
        return Ok(Flow::Next);
    }
    let found = view.stateful_set()?;
    let subject = draft.subject.clone().filter(Subject::serves);
    if let (Some(subject), Some(revision)) = (subject, draft.revision.clone()) {
        let is_refused = draft.is_refused();
        let is_wanted = match found {
            // Nothing is begun of what is refused: what an older version has made serves on.
            Lookup::Absent => draft.machines.nodes_ready && !is_refused,
            // What is refused stops nothing that runs: its pods wait for a request that can be served.
            Lookup::Found(set) => {
                effect::is_controlled_by(&set.metadata, view.uid())
                    && (!is_refused || keeps_template(view, set, &revision))
            }
            Lookup::Malformed(_) => false,
        };
        if is_wanted
            && let Some(pods) = pods(view, draft, &subject, revision.number, found)?
            && (found.found().is_some() || migration::step(view, draft)?)
        {
            if let Pods::Preset(serving) = &pods
                && let Some(words) = config::overrules(view, draft, serving)
            {
                draft.remark("config", words);
            }
            let moves = match found {
                Lookup::Found(set) if !is_refused => {
                    placement::is_stranded(view, draft, set, || template_of(pods.set(Some(set))))?
                }
                _ => false,
            };
            ensure(view, draft, found, &revision, (&pods, moves));
        }
        if let Some(facts) = subject.model() {
            secrets(view, draft, facts)?;
        }
    }
    super::serving::observe(view, draft, found)?;
    Ok(Flow::Next)
}

/// What the set of pods is made from.
enum Pods<'a> {
    Preset(Box<Serving<'a>>),
    Own(Box<Own<'a>>),
}

impl Pods<'_> {
    /// The ConfigMap whose edit is to make the pods of a running set anew.
    fn edited(&self, running: &StatefulSet) -> Option<&str> {
        let Pods::Preset(serving) = self else { return None };
        let config = serving.config.as_ref()?;
        (config.rolled.is_some() && config.rolled != config::rolled_to(running)).then_some(config.name)
    }

    /// The whole set. What runs already and does the same is not written anew.
    fn set(&self, running: Option<&StatefulSet>) -> Value {
        match self {
            Pods::Preset(serving) => {
                let mut body = manifest::stateful_set(serving).to_wire();
                running.into_iter().for_each(|running| former::keep_commands(&mut body, &running.to_wire()));
                body
            }
            Pods::Own(own) => manifest::own_stateful_set(own),
        }
    }

    /// Everything of it but its pod template.
    fn around(&self) -> Value {
        match self {
            Pods::Preset(serving) => manifest::around(serving, PodTemplateSpec::default()).to_wire(),
            Pods::Own(own) => manifest::around_own(own),
        }
    }

    /// The pod template of a set that runs, as it is to be applied with the rest: without a change, or with nothing but the mark of an edit of the settings.
    fn template(&self, mut running: PodTemplateSpec) -> Value {
        match self {
            Pods::Preset(serving) => {
                if let Some(digest) = serving.config.as_ref().and_then(|config| config.rolled.clone()) {
                    let metadata = running.metadata.get_or_insert_default();
                    let all = metadata.annotations.get_or_insert_default();
                    all.insert(annotations::INFERENCE_CONFIG_DIGEST.to_owned(), digest);
                }
                serde_json::to_value(running).unwrap_or_default()
            }
            Pods::Own(own) => {
                let made = manifest::own_template(own);
                // What was read lacks the fields that this build does not know; applied without them, they would go. What an older operator made of the same in another way stays.
                if says_the_same(&made, &running) { made } else { serde_json::to_value(running).unwrap_or_default() }
            }
        }
    }
}

/// Whether a template that runs says all that another one does, as far as this build reads them.
fn says_the_same(made: &Value, running: &PodTemplateSpec) -> bool {
    let read = serde_json::from_value::<PodTemplateSpec>(made.clone());
    let wire = |template: &PodTemplateSpec| serde_json::to_value(template).unwrap_or_default();
    read.is_ok_and(|read| diff::first_difference(&wire(&read), &wire(running)).is_none())
}

/// What the pods are to be, where it is known how a model lies on its machines.
fn pods<'a>(
    view: &'a View<'a>,
    draft: &Draft,
    subject: &'a Subject,
    revision: i64,
    found: Lookup<'_, StatefulSet>,
) -> Result<Option<Pods<'a>>, Unread> {
    match subject {
        Subject::Unseen(_) => Ok(None),
        Subject::Model(facts) => {
            let Task::Inference { engine } = facts.task else { return Ok(None) };
            let (Some(room), Ok(adapters)) = (draft.room, adapters::of(view)) else { return Ok(None) };
            let serving = serving(view, (facts, engine), room, revision, adapters, found)?;
            let serving = Serving { config: config::mounted(view, draft, found), ..serving };
            Ok(Some(Pods::Preset(Box::new(serving))))
        }
        Subject::Own(server) => Ok(draft.target.map(|nodes| {
            Pods::Own(Box::new(Own {
                name: view.name(),
                namespace: view.namespace(),
                owner: view.owner(),
                revision,
                nodes,
                template: &server.template,
                pod_labels: pod_labels(view),
                placement: machines::placement(view),
                azure_spot: crate::cloud::row(view.settings.cloud).azure_spot_taint,
            }))
        })),
    }
}

/// The pod template of a set, as far as this build reads it.
fn template_of(mut set: Value) -> Option<PodTemplateSpec> {
    serde_json::from_value(set["spec"]["template"].take()).ok()
}

/// Makes the set, or looks after it; one that moves is made from what is asked for now, although nothing else is.
fn ensure(
    view: &View<'_>,
    draft: &mut Draft,
    found: Lookup<'_, StatefulSet>,
    revision: &Revision,
    (pods, moves): (&Pods<'_>, bool),
) {
    let key = ObjectKey::new(Kind::StatefulSet, view.namespace(), view.name());
    match found {
        Lookup::Found(running) if !moves && keeps_template(view, running, revision) => {
            look_after(view, draft, key, running, pods);
        }
        Lookup::Found(running) if !is_dying(&running.metadata) => {
            let Some(mut body) = draft.differing(Kind::StatefulSet, pods.set(Some(running)), &running.to_wire()) else {
                return;
            };
            date(&mut body, &rfc3339(view.now()));
            let applied = draft.apply(key, body, running.metadata.uid.clone());
            if moves {
                draft.rolls = true;
                draft.notices.push(Notice {
                    warning: false,
                    reason: events::PODS_MOVED,
                    note: "no pod is ready, one has found no node for a while, and they ask for nodes of another provisioner than there is now, whose nodes are ready: the pods are made anew for these".to_owned(),
                    after: Some(applied),
                });
            }
        }
        found => draft.ensure_body(found, key, pods.set(found.found()), view.uid()),
    }
}

/// Whether a running set of ours was made from what is asked for now: then its pods are left as they are.
pub(super) fn keeps_template(view: &View<'_>, running: &StatefulSet, revision: &Revision) -> bool {
    let is_ours = effect::is_controlled_by(&running.metadata, view.uid()) && !is_dying(&running.metadata);
    is_ours && former::is_of(&running.metadata, revision) && asked::is_unchanged(view, &running.metadata)
}

/// Writes down since when the pods are asked for as they are.
fn date(body: &mut Value, changed: &str) {
    body["metadata"]["annotations"][annotations::PODS_CHANGED_AT] = changed.into();
}

/// Since when the pods of a set are asked for as they are, where that is later than the set itself.
pub(super) fn changed_at(set: &StatefulSet) -> Option<Timestamp> {
    set.metadata.annotations.as_ref()?.get(annotations::PODS_CHANGED_AT)?.parse().ok()
}

/// Whether pods of ours stand already that were made from what is asked for now, with the settings of the runtime as they are.
pub(super) fn runs_as_asked(view: &View<'_>, draft: &Draft) -> Result<bool, Unread> {
    let (Lookup::Found(set), Some(revision)) = (view.stateful_set()?, &draft.revision) else { return Ok(false) };
    Ok(keeps_template(view, set, revision) && config::is_told(draft, set))
}

/// Looks after everything of a running set but its pod template.
fn look_after(view: &View<'_>, draft: &mut Draft, key: ObjectKey, running: &StatefulSet, pods: &Pods<'_>) {
    let mut frame = running.clone();
    let template = compat::take_template(&mut frame);
    let Some(mut body) = draft.differing(Kind::StatefulSet, pods.around(), &frame.to_wire()) else { return };
    body["spec"]["template"] = pods.template(template);
    immutable::follow_selector(&mut body);
    let edited = pods.edited(running);
    let changed = if edited.is_some() { Some(view.now()) } else { changed_at(running) };
    changed.into_iter().for_each(|changed| date(&mut body, &rfc3339(changed)));
    let applied = draft.apply(key, body, running.metadata.uid.clone());
    if let Some(config) = edited {
        draft.rolls = true;
        let note = format!("ConfigMap {config} has changed since the pods were made: they are made anew with it");
        draft.remark("config", note.as_str());
        draft.notices.push(Notice {
            warning: false,
            reason: events::INFERENCE_CONFIG_CHANGED,
            note,
            after: Some(applied),
        });
    }
}

/// Everything that the pods' builder needs to know, worked out; but for the settings of the runtime.
fn serving<'a>(
    view: &'a View<'a>,
    (facts, engine): (&Facts, Engine),
    room: Room,
    revision: i64,
    adapters: Vec<Adapter<'a>>,
    found: Lookup<'_, StatefulSet>,
) -> Result<Serving<'a>, Unread> {
    let local_weights = view.workspace.ok().and_then(local_weights);
    Ok(Serving {
        name: view.name(),
        namespace: view.namespace(),
        owner: view.owner(),
        revision,
        asked_by_annotation: asked::by_annotation(view),
        facts: facts.clone(),
        engine,
        layout: room.layout,
        pod_labels: pod_labels(view),
        placement: machines::placement(view),
        config: None,
        access_secret: access_secret(view),
        adapters,
        served_name: served_name(view, facts),
        performance_mode: view
            .annotation(annotations::PERFORMANCE_MODE)
            .filter(|mode| !mode.is_empty() && *mode != "balanced"),
        benchmark: view.annotation(annotations::DISABLE_BENCHMARK) != Some("true"),
        max_model_len: room.max_model_len,
        claim_local_disk: claims_local_disk(view, facts, local_weights.is_none(), found)?,
        local_weights,
        registry: &view.settings.registry,
        hub: view.settings.hub.as_deref(),
        azure_spot: crate::cloud::row(view.settings.cloud).azure_spot_taint,
    })
}

/// Whether the weights lie on a claimed local disk. Settled when the set is made: a claim template cannot change.
fn claims_local_disk(
    view: &View<'_>,
    facts: &Facts,
    brings: bool,
    found: Lookup<'_, StatefulSet>,
) -> Result<bool, Unread> {
    if let Lookup::Found(running) = found {
        let claims = compat::stateful_set_spec(running).and_then(|spec| spec.volume_claim_templates.as_ref());
        return Ok(claims.is_some_and(|claims| !claims.is_empty()));
    }
    Ok(brings
        && facts.hardware.nvme
        && !matches!(view.snapshot.get_surely::<StorageClass>("", names::LOCAL_NVME_CLASS)?, Lookup::Absent))
}

/// The directory of the node with the weights, where the user says that they are there.
pub(crate) fn local_weights(workspace: &kaito_api::Workspace) -> Option<String> {
    let says = workspace.annotation(annotations::USE_LOCAL_WEIGHTS) == Some("true");
    manifest::on_node(&workspace.preset().filter(|_| says)?.name)
}

/// The name under which clients ask for the model.
fn served_name(view: &View<'_>, facts: &Facts) -> String {
    let label = |key| view.metadata.labels.as_ref().and_then(|all| all.get(key)).filter(|value| !value.is_empty());
    match (label(labels::MULTI_ROLE_INFERENCE_CREATED_BY), label(labels::INFERENCE_SET_CREATED_BY)) {
        (None, Some(set)) => set.clone(),
        _ => facts.model.short_name.to_string(),
    }
}

fn pod_labels(view: &View<'_>) -> BTreeMap<String, String> {
    let passed_on = [labels::INFERENCE_SET_CREATED_BY, labels::MULTI_ROLE_INFERENCE_CREATED_BY, labels::INFERENCE_ROLE];
    let own = view.metadata.labels.iter().flatten().filter(|(key, _)| passed_on.contains(&key.as_str()));
    own.map(|(key, value)| (key.clone(), value.clone()))
        .chain([(labels::WORKSPACE.to_owned(), view.name().to_owned())])
        .collect()
}

/// The labels that the user asks of nodes, without those that we set ourselves.
pub(super) fn user_labels(view: &View<'_>) -> BTreeMap<String, String> {
    view.workspace.map(kaito_api::Workspace::match_labels).unwrap_or_default()
}

/// The image family of new nodes: the Workspace's own, where it is one that exists; else the operator's.
pub(super) fn image_family(view: &View<'_>) -> ImageFamily {
    view.annotation(annotations::NODE_IMAGE_FAMILY).and_then(ImageFamily::parse).unwrap_or(view.settings.image_family)
}

/// The Secret with the token of the model's repository.
fn access_secret<'a>(view: &View<'a>) -> Option<&'a str> {
    let preset = view.workspace.ok().and_then(kaito_api::Workspace::preset)?;
    Some(preset.preset_options.model_access_secret.as_str()).filter(|name| !name.is_empty())
}

/// A missing Secret does not keep us from making the pods, but they will not get what they need: said at once, not after the start has timed out.
fn secrets(view: &View<'_>, draft: &mut Draft, facts: &Facts) -> Result<(), Unread> {
    // Weights that no hub is asked for need no token.
    let asks = manifest::are_downloaded(facts) && view.workspace.ok().and_then(local_weights).is_none();
    let access = access_secret(view).filter(|_| asks).map(|name| Need {
        field: "inference.preset.presetOptions.modelAccessSecret".to_owned(),
        name,
        key: names::HF_TOKEN_KEY,
        absent: &failure::MODEL_SECRET,
        unusable: &failure::MODEL_SECRET,
    });
    secrets::check(view, draft, access.into_iter().chain(adapters::secrets(view)))?;
    Ok(())
}
