//! What the rules and the planner's own look-ups say of a Workspace. The one place where they are put together: [`review`](super::review) answers with it in time,
//! and the controller's late verdict (`workspace/admit.rs`) with the same.

use super::rules::{Case, Late, On, RULES, annotation_path};
use crate::failure::{self, Failure, Reason};
use crate::hardware::Hardware;
use crate::words::quoted;
use crate::workspace::{self, Engine, Facts, Subject};
use kaito_api::vocabulary::{annotations, names};
use kaito_api::workspace::Version;
use kaito_api::{FieldError, FieldErrorKind, FieldPath, Workspace};
use kaito_presets::Cloud;

/// A rule that is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Where and why.
    pub error: FieldError,
    /// What it does where no webhook stood before it.
    pub late: Late,
}

/// What there is to say of a Workspace.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// Rules of the object that are broken, sorted by path.
    pub broken: Vec<Broken>,
    /// Model, machine and runtime, or the user's own server; or everything that stands in the way, what the planner meets first in front. Never empty.
    pub subject: Result<Subject, Vec<Failure>>,
    /// What was asked for and has no effect.
    pub unused: Vec<String>,
    /// What stops nothing and will probably be regretted.
    pub warnings: Vec<String>,
}

impl Judgement {
    /// What keeps anything from being built where no webhook stood before, in words.
    pub(crate) fn blocking(&self) -> Vec<String> {
        self.late(Late::Blocks)
    }

    /// What is only told.
    pub(crate) fn telling(&self) -> Vec<String> {
        self.late(Late::Warns)
    }

    fn late(&self, late: Late) -> Vec<String> {
        self.broken.iter().filter(|broken| broken.late == late).map(|broken| broken.error.to_string()).collect()
    }
}

/// Asks every rule of a Workspace by itself, and looks up what it names.
pub fn judge(case: &Case<'_>) -> Judgement {
    let shape = case.new.shape_errors().into_iter().map(|error| Broken { error, late: Late::Blocks });
    let mut broken: Vec<Broken> = shape.chain(ask(case, On::Object)).collect();
    let mut told = Vec::new();
    if case.version == Some(Version::V1alpha1) {
        told.extend(ask(case, On::LaterVersions));
    } else {
        broken.extend(ask(case, On::LaterVersions));
    }
    broken.sort_by(|a, b| a.error.cmp(&b.error));
    let subject = workspace::objections(case.new, case.settings, case.looked);
    let (mut unused, mut warnings) = match &subject {
        Ok(subject) => (unused(case, subject), warnings(case, subject)),
        Err(_) => (Vec::new(), Vec::new()),
    };
    for Broken { error, late } in told {
        match late {
            Late::Warns => unused.push(error.to_string()),
            Late::Blocks => warnings.push(format!("v1alpha1 takes it, but nothing is made of it: {error}")),
        }
    }
    Judgement { broken, subject, unused, warnings }
}

/// The rows that are asked then and are broken.
pub(super) fn ask(case: &Case<'_>, on: On) -> impl Iterator<Item = Broken> {
    let asked = RULES.iter().filter(move |rule| rule.on == on);
    asked.filter_map(|rule| Some(Broken { error: rule.broken(case)?, late: rule.late }))
}

fn warnings(case: &Case<'_>, subject: &Subject) -> Vec<String> {
    let workspace = case.new;
    let of_template = match subject {
        Subject::Model(facts) => token_missing(case, facts).into_iter().collect(),
        Subject::Own(own) => workspace::doubts_about_template(own),
        Subject::Unseen(unseen) => unseen.model.iter().map(|id| format!(
            "inference.preset.name: {} is in no catalogue; it is looked up at the hub of models when the Workspace is made, and a condition says what came of that",
            quoted(id)
        )).collect(),
    };
    let is_bought = case.settings.provisioner.makes_machines();
    let of_number = is_bought.then(|| workspace::bought_otherwise(workspace, subject)).flatten();
    let of_size = subject.hardware().and_then(|hardware| retirement(case.settings.cloud, hardware));
    of_template.into_iter().chain(of_number).chain(of_size).collect()
}

/// Whether the weights are downloaded by the pods themselves.
fn downloads(workspace: &Workspace, facts: &Facts) -> bool {
    let on_node = workspace::local_weights(workspace).is_some();
    facts.engine().is_some() && !on_node && crate::manifest::are_downloaded(facts)
}

/// That the weights are given to nobody without a token, and none is named. Not refused, as the reference does not either: what a mirror of the operator's asks for, nobody knows here.
fn token_missing(case: &Case<'_>, facts: &Facts) -> Option<String> {
    let named = case.new.preset().is_some_and(|preset| !preset.preset_options.model_access_secret.is_empty());
    let asks = facts.model.gated == Some(true) && case.settings.hub.is_none() && downloads(case.new, facts);
    (asks && !named).then(|| {
        format!(
            "inference.preset.presetOptions.modelAccessSecret: is not set, and the hub gives {} to nobody without a token: the pods will not start; name a Secret with the key {}",
            facts.model.id,
            names::HF_TOKEN_KEY
        )
    })
}

/// What was asked for and has no effect: said, so that nobody waits for it.
fn unused(case: &Case<'_>, subject: &Subject) -> Vec<String> {
    let (workspace, provisioner) = (case.new, &case.settings.provisioner);
    let mut unused = match subject {
        Subject::Model(facts) => unused_beside_preset(workspace, Some(facts)),
        Subject::Unseen(_) => unused_beside_preset(workspace, None),
        Subject::Own(own) => workspace::unused_beside_template(workspace, own),
    };
    if provisioner.makes_machines() && !workspace.resource().preferred_nodes.is_empty() {
        unused.push("resource.preferredNodes".to_owned());
    }
    let selector = workspace.resource().label_selector.as_ref();
    let expressions = selector.and_then(|selector| selector.match_expressions.as_ref());
    if provisioner.makes_machines() && expressions.is_some_and(|expressions| !expressions.is_empty()) {
        unused.push("resource.labelSelector.matchExpressions: read only where nodes are brought along; machines that are made get the labels of matchLabels".to_owned());
    }
    let asks_itself = matches!(subject, Subject::Own(_)) && workspace.resource().partition.is_some();
    if asks_itself {
        unused.push("resource.partition: the containers of a template ask for GPUs themselves".to_owned());
    }
    unused
}

fn unused_beside_preset(workspace: &Workspace, facts: Option<&Facts>) -> Vec<String> {
    let Some(preset) = workspace.preset() else { return Vec::new() };
    let options = &preset.preset_options;
    let known = [annotations::RUNTIME_VLLM, annotations::RUNTIME_TRANSFORMERS];
    let runtime = workspace.annotation(annotations::RUNTIME).filter(|value| !known.contains(value));
    let engine = facts.and_then(Facts::engine);
    let serves = engine.is_some();
    let on_node = workspace::local_weights(workspace).is_some();
    let downloads = facts.is_some_and(|facts| downloads(workspace, facts));
    let has_token = !options.model_access_secret.is_empty();
    let config = workspace.inference().is_some_and(|served| !served.config.is_empty());
    let mode = workspace.annotation(annotations::PERFORMANCE_MODE).filter(|_| serves);
    let has_modes = facts.is_some_and(|facts| facts.profile.supports.performance_mode);
    [
        (!options.image.is_empty()).then(|| "presetOptions.image: the runtime image serves the model".to_owned()),
        (!options.image_pull_secrets.is_empty()).then(|| "presetOptions.imagePullSecrets".to_owned()),
        runtime.map(|word| format!("annotation {}={word}: known are {}", annotations::RUNTIME, known.join(", "))),
        workspace.annotation(annotations::BYPASS_RESOURCE_CHECKS).map(|_| {
            format!(
                "annotation {}: what no memory can hold is refused all the same",
                annotations::BYPASS_RESOURCE_CHECKS
            )
        }),
        (serves && has_token && !downloads).then(|| {
            let source = if on_node { "lie on the node" } else { "come as an image" };
            format!("presetOptions.modelAccessSecret: the weights {source}, and no hub is asked for them")
        }),
        (config && engine == Some(Engine::Transformers))
            .then(|| "inference.config: the transformers runtime reads no settings".to_owned()),
        mode.filter(|_| engine != Some(Engine::Vllm) || !has_modes)
            .map(|_| format!("annotation {}: this runtime has no modes", annotations::PERFORMANCE_MODE)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What to say about a size that its cloud withdraws.
pub(crate) fn retirement(cloud: Cloud, hardware: &Hardware) -> Option<String> {
    let retirement = hardware.retirement?;
    let (cloud, size) = (cloud.as_str(), &hardware.name);
    Some(format!(
        "{cloud} announced the end of {size} for {}; {} can take its place",
        retirement.date, retirement.replacement
    ))
}

/// Where a failure belongs whose cause does not begin with a field.
const PLACES: &[(&Reason, &str)] = &[
    (&failure::UNKNOWN_PRESET, "inference.preset.name"),
    (&failure::UNKNOWN_INSTANCE_TYPE, "resource.instanceType"),
    (&failure::NO_RUNTIME, "resource.instanceType"),
    (&failure::MODEL_TOO_LARGE, "resource.instanceType"),
    (&failure::MORE_NODES_THAN_ASKED, "resource.count"),
    (&failure::NODES_DIFFER, "resource.labelSelector"),
    (&failure::PART_NOT_POSSIBLE, "resource.partition"),
];

/// Fields that a cause may begin with.
const ROOTS: &[&str] = &["resource", "inference", "tuning", "metadata"];

/// `inference.preset.name: no model …` becomes an error at that field; `tuning is not served` one at `tuning`. The rule is the reason, which `kaito explain` knows.
pub(super) fn field_error(failure: &Failure) -> FieldError {
    let cause = failure.cause.as_str();
    let word = cause.split([' ', ':']).next().unwrap_or_default();
    let (path, detail) = if ROOTS.contains(&word.split('.').next().unwrap_or_default()) {
        (FieldPath::from(word), cause[word.len()..].trim_start_matches([':', ' ']))
    } else if cause.contains(annotations::RUNTIME) {
        (annotation_path(annotations::RUNTIME), cause)
    } else {
        let place = PLACES.iter().find(|(reason, _)| *reason == failure.reason).map_or("", |(_, path)| path);
        (FieldPath::from(place), cause)
    };
    let kind = if detail.starts_with("missing") { FieldErrorKind::Missing } else { FieldErrorKind::Value };
    FieldError::new(path, kind, detail).rule(failure.reason.name)
}
