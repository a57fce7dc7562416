//! Rules that need more than the object's own shape: settings, looked-up facts, or what the object was before. Each is a row of [`RULES`].
//!
//! Ids are those of the reference's admission rules. The shape rules themselves stand in `kaito-api` (`workspace/checks`), because the types carry them.

use super::selector::never_carried;
use crate::settings::Settings;
use crate::training;
use crate::units::Bytes;
use crate::workspace::{Looked, LookedModel};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kaito_api::vocabulary::{ImageFamily, annotations};
use kaito_api::workspace::{AccessMode, MigProfile, PartitionMode, PartitionSpec, PresetSpec, Version};
use kaito_api::{FieldError, FieldErrorKind, FieldPath, Workspace};
use kaito_presets::ModelRef;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What is judged.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The Workspace as it is to be.
    pub new: &'a Workspace,
    /// The version that it was written in; absent where it was read back from the store.
    pub version: Option<Version>,
    /// The Workspace as it was; absent on creation.
    pub old: Option<&'a Workspace>,
    /// What the operator was told at start.
    pub settings: &'a Settings,
    /// What is known of a model that is in no catalogue; without a cluster, nothing.
    pub looked: &'a Looked,
}

/// When a rule is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// Of every object. An update is refused only for what it makes wrong; what was wrong before is told as a warning.
    Object,
    /// The same; of an object written in v1alpha1, for which the reference has no such rule, it is only told.
    LaterVersions,
    /// Of an update, where the older object is known.
    Update,
}

/// What a broken rule does where no admission webhook stood before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    /// Nothing is built, and the condition says why; once children exist, it is only told.
    Blocks,
    /// It is only told.
    Warns,
}

/// Where a rule points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A field, by its dotted path.
    Field(&'static str),
    /// An annotation, by its key.
    Annotation(&'static str),
}

/// One rule.
#[derive(Debug)]
pub struct Rule {
    /// The id of the reference's rule; `K-` and a number for one of ours.
    pub id: &'static str,
    /// When it is asked.
    pub on: On,
    /// What a late "no" does.
    pub late: Late,
    /// The field that it is about.
    pub place: Place,
    /// In which way that field is wrong.
    pub kind: FieldErrorKind,
    /// Whether it is broken.
    when: fn(&Case<'_>) -> bool,
    /// What is wrong and what would be right.
    say: fn(&Case<'_>) -> String,
}

impl Rule {
    /// What it says of a case, when it is broken.
    pub fn broken(&self, case: &Case<'_>) -> Option<FieldError> {
        let path = match self.place {
            Place::Field(dotted) => FieldPath::from(dotted),
            Place::Annotation(key) => annotation_path(key),
        };
        (self.when)(case).then(|| FieldError::new(path, self.kind, (self.say)(case)).rule(self.id))
    }
}

/// `metadata.annotations["kaito.sh/runtime"]`.
pub(super) fn annotation_path(key: &str) -> FieldPath {
    FieldPath::from("metadata.annotations").key(key)
}

/// Every rule, in the order of the fields.
#[rustfmt::skip] // one rule a paragraph
pub const RULES: &[Rule] = &[
    Rule { id: "W-6", on: On::Object, late: Late::Warns, place: Place::Annotation(annotations::NODE_IMAGE_FAMILY), kind: FieldErrorKind::Value,
           when: |c| annotation(c, annotations::NODE_IMAGE_FAMILY).is_some_and(|family| ImageFamily::parse(family).is_none()),
           say: |c| not_one_of(c, annotations::NODE_IMAGE_FAMILY, &[annotations::IMAGE_FAMILY_UBUNTU, annotations::IMAGE_FAMILY_AZURE_LINUX]) },
    Rule { id: "W-7", on: On::LaterVersions, late: Late::Warns, place: Place::Annotation(annotations::PERFORMANCE_MODE), kind: FieldErrorKind::Value,
           when: |c| annotation(c, annotations::PERFORMANCE_MODE).is_some_and(|mode| !annotations::PERFORMANCE_MODES.contains(&mode)),
           say: |c| not_one_of(c, annotations::PERFORMANCE_MODE, &annotations::PERFORMANCE_MODES) },
    Rule { id: "W-8", on: On::LaterVersions, late: Late::Warns, place: Place::Annotation(annotations::USE_LOCAL_WEIGHTS), kind: FieldErrorKind::Value,
           when: |c| annotation(c, annotations::USE_LOCAL_WEIGHTS).is_some_and(|local| !TRUTHS.contains(&local)),
           say: |c| not_one_of(c, annotations::USE_LOCAL_WEIGHTS, &TRUTHS) },
    Rule { id: "W-9", on: On::LaterVersions, late: Late::Blocks, place: Place::Annotation(annotations::NODE_CLASS_NAME), kind: FieldErrorKind::Value,
           when: |c| annotation(c, annotations::NODE_CLASS_NAME).is_some_and(|name| c.settings.provisioner.node_classes().is_some_and(|classes| !classes.knows(name))),
           say: |c| format!("{}: the node classes of the operator (--karpenter-node-classes)", not_one_of(c, annotations::NODE_CLASS_NAME, &node_classes(c))) },
    Rule { id: "K-1", on: On::Object, late: Late::Warns, place: Place::Annotation(annotations::RELEASE_NODES_WHEN_DONE), kind: FieldErrorKind::Value,
           when: |c| annotation(c, annotations::RELEASE_NODES_WHEN_DONE).is_some_and(|release| !TRUTHS.contains(&release)),
           say: |c| not_one_of(c, annotations::RELEASE_NODES_WHEN_DONE, &TRUTHS) },
    Rule { id: "K-2", on: On::Object, late: Late::Warns, place: Place::Annotation(annotations::RELEASE_NODES_WHEN_DONE), kind: FieldErrorKind::Value,
           when: |c| annotation(c, annotations::RELEASE_NODES_WHEN_DONE) == Some("true") && lost_with_machine(c).is_some(),
           say: |c| format!("the result would go with the machine, for tuning.output.volumeSource is of the kind {}; name a claim or an image", lost_with_machine(c).unwrap_or_default()) },
    Rule { id: "A-6", on: On::Object, late: Late::Warns, place: Place::Field("inference.preset.presetOptions.image"), kind: FieldErrorKind::Missing,
           when: |c| c.version == Some(Version::V1alpha1) && served(c.new).is_some_and(|preset| preset.access_mode == Some(AccessMode::Private) && preset.preset_options.image.is_empty()),
           say: |_| "missing; accessMode private needs an image".to_owned() },

    Rule { id: "W-4", on: On::LaterVersions, late: Late::Warns, place: Place::Field("resource.instanceType"), kind: FieldErrorKind::Forbidden,
           when: |c| brings(c) && !c.new.resource().instance_type.is_empty(),
           say: |_| "nodes are brought along here, and chosen by resource.labelSelector; leave it out".to_owned() },
    Rule { id: "K-3", on: On::Object, late: Late::Blocks, place: Place::Field("resource.labelSelector"), kind: FieldErrorKind::Value,
           when: |c| brings(c) && wanted_labels_of(c).is_empty(),
           say: |_| "names no label of its own, and nodes that are brought along are chosen by it; without one, every node would be meant".to_owned() },
    Rule { id: "K-4", on: On::Object, late: Late::Blocks, place: Place::Field("resource.labelSelector"), kind: FieldErrorKind::Value,
           when: |c| !brings(c) && never_carried(c).is_some(),
           say: |c| never_carried(c).unwrap_or_default() },
    Rule { id: "W-15", on: On::Object, late: Late::Blocks, place: Place::Field("resource.partition"), kind: FieldErrorKind::Forbidden,
           when: |c| brings(c) && part(c, &PartitionMode::Mig).is_some() && !c.settings.gates.mig(),
           say: |_| "slices of GPUs are not enabled; start the operator with --feature-gates=enableMIG=true".to_owned() },
    Rule { id: "W-19", on: On::Object, late: Late::Blocks, place: Place::Field("resource.partition"), kind: FieldErrorKind::Forbidden,
           when: |c| brings(c) && part(c, &PartitionMode::Accelerator).is_some() && !c.settings.gates.accelerator(),
           say: |_| "parts of a node's GPUs are not enabled; start the operator with --feature-gates=enableAccelerator=true".to_owned() },
    Rule { id: "W-26", on: On::Object, late: Late::Blocks, place: Place::Field("resource.partition"), kind: FieldErrorKind::Forbidden,
           when: |c| !brings(c) && c.new.inference().is_some() && c.new.resource().partition.is_some(),
           say: |c| format!("parts of GPUs are given only of nodes that are brought along (--node-provisioner=byo), and here {} makes whole machines; leave it out", c.settings.provisioner.as_str()) },
    Rule { id: "W-17", on: On::Object, late: Late::Blocks, place: Place::Field("resource.partition.profile"), kind: FieldErrorKind::Value,
           when: |c| profile(c).is_some_and(|profile| profile.parse::<MigProfile>().is_ok() && !kaito_presets::is_mig_profile(profile)),
           say: |c| format!("no GPU is divided into {:?}; known are {}", profile(c).unwrap_or_default(), known_profiles()) },
    Rule { id: "W-18", on: On::Object, late: Late::Blocks, place: Place::Field("resource.partition"), kind: FieldErrorKind::Value,
           when: |c| brings(c) && too_small_a_slice(c).is_some(),
           say: |c| too_small_a_slice(c).unwrap_or_default() },

    Rule { id: "W-U4", on: On::Update, late: Late::Warns, place: Place::Field("resource.count"), kind: FieldErrorKind::Immutable,
           when: |c| differs(c, |w| w.resource().count).is_some_and(|(old, new)| old.is_some() && new.is_some()),
           say: |c| fixed(old(c).and_then(|old| old.resource().count), "the number of nodes is settled at creation") },
    Rule { id: "W-U5", on: On::Update, late: Late::Warns, place: Place::Field("resource.partition"), kind: FieldErrorKind::Immutable,
           when: |c| differs(c, |w| w.resource().partition.as_ref()).is_some(),
           say: |_| "cannot change after creation, be added or be taken away".to_owned() },
    Rule { id: "W-U9", on: On::Update, late: Late::Warns, place: Place::Field("resource.instanceType"), kind: FieldErrorKind::Immutable,
           when: |c| differs(c, |w| w.resource().instance_type.as_str()).is_some_and(|(old, new)| !old.is_empty() && (!brings(c) || !new.is_empty())),
           say: |c| fixed(old(c).map(|old| old.resource().instance_type.as_str()), "machines of another size need a Workspace of their own") },
    Rule { id: "W-U11", on: On::Update, late: Late::Warns, place: Place::Field("resource.labelSelector"), kind: FieldErrorKind::Immutable,
           when: |c| differs(c, |w| wanted_labels(w.resource().label_selector.as_ref())).is_some(),
           say: |_| "cannot change after creation; the nodes carry these labels".to_owned() },
    Rule { id: "W-U2", on: On::Update, late: Late::Warns, place: Place::Field("inference"), kind: FieldErrorKind::Immutable,
           when: |c| differs(c, |w| w.inference().is_some()).is_some(),
           say: |_| "cannot be added or taken away after creation; make another Workspace".to_owned() },
    Rule { id: "W-U14", on: On::Update, late: Late::Warns, place: Place::Field("inference.preset"), kind: FieldErrorKind::Immutable,
           when: |c| both(c, Workspace::inference) && differs(c, |w| served(w)).is_some(),
           say: |c| fixed(old(c).and_then(served).map(|preset| preset.name.as_str()), "another model, or the same with other options, needs a Workspace of its own") },
    Rule { id: "W-U15", on: On::Update, late: Late::Warns, place: Place::Field("inference.template"), kind: FieldErrorKind::Immutable,
           when: |c| both(c, Workspace::inference) && differs(c, |w| w.inference().is_some_and(|served| served.template.is_some())).is_some(),
           say: |_| "cannot be added or taken away after creation; its content can change".to_owned() },
    Rule { id: "W-U3", on: On::Update, late: Late::Warns, place: Place::Field("tuning"), kind: FieldErrorKind::Immutable,
           when: |c| differs(c, |w| w.tuning().is_some()).is_some(),
           say: |_| "cannot be added or taken away after creation; make another Workspace".to_owned() },
    Rule { id: "W-U19", on: On::Update, late: Late::Warns, place: Place::Field("tuning.input.name"), kind: FieldErrorKind::Immutable,
           when: |c| differs(c, |w| w.tuning().and_then(|tuning| tuning.input.as_ref()).map(|input| input.name.as_str())).is_some_and(|(old, new)| old.is_some() && new.is_some()),
           say: |c| fixed(old(c).and_then(|old| old.tuning()?.input.as_ref()).map(|input| input.name.as_str()), "it names the data set") },
    Rule { id: "W-U21", on: On::Update, late: Late::Warns, place: Place::Field("tuning.preset"), kind: FieldErrorKind::Immutable,
           when: |c| both(c, Workspace::tuning) && differs(c, |w| w.tuning().and_then(|tuning| tuning.preset.as_ref())).is_some(),
           say: |_| "cannot change after creation; another model needs a Workspace of its own".to_owned() },
    Rule { id: "W-U22", on: On::Update, late: Late::Warns, place: Place::Field("tuning.method"), kind: FieldErrorKind::Immutable,
           when: |c| both(c, Workspace::tuning) && differs(c, |w| w.tuning().map(|tuning| tuning.method.to_lowercase())).is_some(),
           say: |c| fixed(old(c).and_then(Workspace::tuning).map(|tuning| tuning.method.as_str()), "another method needs a Workspace of its own") },
];

/// Values of annotations that are a yes or a no.
const TRUTHS: [&str; 2] = ["true", "false"];

fn annotation<'a>(case: &Case<'a>, key: &str) -> Option<&'a str> {
    case.new.annotation(key)
}

fn old<'a>(case: &Case<'a>) -> Option<&'a Workspace> {
    case.old
}

/// Whether nodes are brought along.
fn brings(case: &Case<'_>) -> bool {
    !case.settings.provisioner.makes_machines()
}

fn wanted_labels_of(case: &Case<'_>) -> Vec<(String, String)> {
    crate::workspace::wanted_labels(case.new)
}

/// The part that is asked for, where it is one of this kind.
fn part<'a>(case: &Case<'a>, mode: &PartitionMode) -> Option<&'a PartitionSpec> {
    case.new.resource().partition.as_ref().filter(|part| part.mode == *mode && case.new.inference().is_some())
}

fn profile<'a>(case: &Case<'a>) -> Option<&'a str> {
    part(case, &PartitionMode::Mig).map(|part| part.profile.as_str())
}

/// Every profile once.
fn known_profiles() -> String {
    let all: BTreeSet<&str> = kaito_presets::MIG_FAMILIES.iter().flat_map(|family| family.profiles).copied().collect();
    all.into_iter().collect::<Vec<_>>().join(", ")
}

/// Why the slice that is asked for cannot hold the weights, where that is known.
fn too_small_a_slice(case: &Case<'_>) -> Option<String> {
    let profile: MigProfile = profile(case)?.parse().ok()?;
    let model = match &case.looked.model {
        LookedModel::Found { model, .. } => ModelRef::Hub(Arc::clone(model)),
        LookedModel::NotYet | LookedModel::Failed(_) => {
            ModelRef::Catalogue(kaito_presets::model(&served(case.new)?.name).ok()?)
        }
    };
    let (weights, slice) = (Bytes(model.weights_bytes), Bytes::gib(profile.memory_gib.into()));
    (weights.0 > slice.0).then(|| format!("the weights of {} take {weights}, and a slice has {slice}", model.id))
}

fn served(workspace: &Workspace) -> Option<&PresetSpec> {
    workspace.inference()?.preset.as_ref()
}

/// What a part was and is, where the two differ.
fn differs<'a, T: PartialEq>(case: &Case<'a>, part: impl Fn(&'a Workspace) -> T) -> Option<(T, T)> {
    let (old, new) = (part(case.old?), part(case.new));
    if old == new { None } else { Some((old, new)) }
}

/// Whether a part is there before and after, so that a rule about what is in it has something to compare.
fn both<'a, T>(case: &Case<'a>, part: impl Fn(&'a Workspace) -> Option<T>) -> bool {
    part(case.new).is_some() && case.old.and_then(part).is_some()
}

fn lost_with_machine(case: &Case<'_>) -> Option<&'static str> {
    case.new.tuning().and_then(training::stays_on_machine)
}

fn not_one_of(case: &Case<'_>, key: &str, known: &[&str]) -> String {
    format!("{:?} must be {}", annotation(case, key).unwrap_or_default(), known.join(" or "))
}

/// The names of Karpenter's classes, where it makes the machines.
fn node_classes<'a>(case: &Case<'a>) -> Vec<&'a str> {
    let classes = case.settings.provisioner.node_classes();
    classes.map(|classes| classes.names.iter().map(String::as_str).collect()).unwrap_or_default()
}

fn fixed(was: Option<impl std::fmt::Display>, why: &str) -> String {
    let was = was.map(|was| format!(" and was {was}")).unwrap_or_default();
    format!("cannot change after creation{was}; {why}")
}

/// The labels that a selector comes to, however it says them; an expression that is no label (W-12) counts for itself.
fn wanted_labels(selector: Option<&LabelSelector>) -> BTreeMap<String, String> {
    let labels = selector.and_then(|selector| selector.match_labels.clone()).unwrap_or_default();
    let expressions = selector.and_then(|selector| selector.match_expressions.as_deref()).unwrap_or_default();
    let stated = expressions.iter().map(|expression| {
        let values = expression.values.as_deref().unwrap_or_default();
        match (expression.operator.as_str(), values) {
            ("In", [value]) => (expression.key.clone(), value.clone()),
            (operator, _) => (expression.key.clone(), format!("{operator} {values:?}")),
        }
    });
    labels.into_iter().chain(stated).collect()
}
