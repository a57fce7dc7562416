//! The model, the machine and the runtime that a Workspace names, or why one of them cannot be had.

use super::adapters;
use super::own::{self, OwnServer};
use crate::cloud::Cloud;
use crate::failure::{self, Failure};
use crate::hardware::Hardware;
use crate::hub::{self, HubError, Repository};
use crate::provisioner::NodeProvisioner;
use crate::settings::Settings;
use kaito_api::Workspace;
use kaito_api::vocabulary::annotations;
use kaito_api::workspace::{TuningMethod, TuningSpec};
use kaito_presets::{ComputeCapability, GpuVendor, Image, Model, ModelRef, RuntimeProfile, TuningParams};
use std::sync::Arc;

/// Which server runs the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// vLLM.
    Vllm,
    /// The transformers runtime.
    Transformers,
}

/// What the machine is for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Task {
    /// A model is served.
    Inference {
        /// By this server.
        engine: Engine,
    },
    /// A model is tuned.
    Tuning {
        /// How.
        method: TuningMethod,
        /// What tuning this model takes.
        params: TuningParams,
        /// The published artefact with its weights.
        weights: Image,
    },
}

/// What a Workspace is about, looked up.
#[derive(Debug, Clone, PartialEq)]
pub enum Subject {
    /// A model of the registry, served or tuned by a runtime of ours.
    Model(Facts),
    /// A server of the user's own making.
    Own(OwnServer),
    /// A model or a machine of which nobody has told anything yet.
    Unseen(Unseen),
}

/// What is known of a Workspace of which something is still to be looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Unseen {
    /// The repository that nobody has told anything of, in the user's spelling.
    pub model: Option<String>,
    /// The machine, where it is known; there is a runtime for its GPUs.
    pub hardware: Option<Hardware>,
}

/// What is known of what a Workspace names and no table has.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Looked {
    /// The model.
    pub model: LookedModel,
    /// The machine.
    pub machine: LookedMachine,
}

impl Looked {
    /// What is known before any cluster is looked at.
    pub fn without_cluster(settings: &Settings, model: LookedModel) -> Self {
        let machine = match settings.provisioner {
            NodeProvisioner::AzureGpuProvisioner | NodeProvisioner::Karpenter(_) => LookedMachine::BySize,
            NodeProvisioner::Byo => LookedMachine::NotYet,
        };
        Self { model, machine }
    }
}

/// What is known of a model that is in no catalogue.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum LookedModel {
    /// Nothing: nobody has asked, or nobody has answered. Of a model that is in the catalogue, nothing else needs to be known.
    #[default]
    NotYet,
    /// This is what its repository holds.
    Found {
        /// The raw facts.
        repository: Arc<Repository>,
        /// What follows from them.
        model: Arc<Model>,
    },
    /// It cannot be had.
    Failed(Failure),
}

impl LookedModel {
    /// What a repository holds, described.
    pub fn at(repository: Arc<Repository>) -> Self {
        match hub::describe(&repository) {
            Ok(model) => LookedModel::Found { model: Arc::new(model), repository },
            Err(why) => {
                let said = HubError::unservable(&repository.id, &repository.commit, &why);
                let cause = format!("inference.preset.name: {said}");
                LookedModel::Failed(Failure::new(&failure::MODEL_NOT_SERVABLE, cause))
            }
        }
    }
}

/// What is known of a machine.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum LookedMachine {
    /// The table of the cloud's sizes has what the Workspace names.
    #[default]
    BySize,
    /// No size is named, and no Node that somebody brought along has been seen.
    NotYet,
    /// This is what the Nodes say.
    Found(Hardware),
    /// The Nodes that are there cannot be used.
    Failed(Failure),
}

/// What a Workspace with a preset names, looked up.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// The model.
    pub model: ModelRef,
    /// The machine.
    pub hardware: Hardware,
    /// Compute capability of its GPUs.
    pub capability: ComputeCapability,
    /// The runtime image that has kernels for them.
    pub profile: &'static RuntimeProfile,
    /// What they are put together for.
    pub task: Task,
}

/// What the reference asks of a machine's disk where it does not look at the model, in GiB: a training's data and results have no known size, nor has what a server of the user's needs.
const UNKNOWN_DISK_GIB: u64 = 1024;

impl Subject {
    /// The model with its machine and its runtime, where there is one.
    pub fn model(&self) -> Option<&Facts> {
        match self {
            Subject::Model(facts) => Some(facts),
            Subject::Own(_) | Subject::Unseen(_) => None,
        }
    }

    /// The machine, where it is known.
    pub fn hardware(&self) -> Option<&Hardware> {
        match self {
            Subject::Model(facts) => Some(&facts.hardware),
            Subject::Own(own) => own.hardware.as_ref(),
            Subject::Unseen(unseen) => unseen.hardware.as_ref(),
        }
    }

    /// Whether it answers requests; a training does not.
    pub fn serves(&self) -> bool {
        match self {
            Subject::Model(facts) => facts.engine().is_some(),
            Subject::Own(_) | Subject::Unseen(_) => true,
        }
    }

    /// How long a server may take from its start until it answers, in seconds.
    pub fn start_seconds(&self) -> u64 {
        match self {
            Subject::Model(facts) => facts.start_seconds(),
            Subject::Own(_) | Subject::Unseen(_) => own::START_SECONDS,
        }
    }

    /// The disk to ask for, in GiB.
    pub fn disk_request_gib(&self) -> u64 {
        match self {
            Subject::Model(facts) => facts.disk_request_gib(),
            Subject::Own(_) | Subject::Unseen(_) => UNKNOWN_DISK_GIB,
        }
    }
}

impl Facts {
    /// The server, where a model is served.
    pub fn engine(&self) -> Option<Engine> {
        match self.task {
            Task::Inference { engine } => Some(engine),
            Task::Tuning { .. } => None,
        }
    }

    /// How long a server may take from its start until it answers, in seconds: as long as the model's weights need to load, and no less than the runtime needs by itself.
    /// Kubernetes ends one that takes longer (`manifest/probes.rs`), and until then it is waited for.
    pub fn start_seconds(&self) -> u64 {
        self.model.readiness_timeout_seconds.max(self.profile.readiness_floor_seconds)
    }

    /// The disk to ask for, in GiB.
    pub fn disk_request_gib(&self) -> u64 {
        match self.task {
            Task::Inference { .. } => self.model.disk_request_gib,
            Task::Tuning { .. } => UNKNOWN_DISK_GIB,
        }
    }
}

/// The repository that is to be looked up before anything can be said: of a preset that is in no catalogue and could be one of a hub. Only such a model is served; what is tuned is in the catalogue.
pub fn asked_of_hub(workspace: &Workspace) -> Option<&str> {
    let served = workspace.inference().filter(|served| served.template.is_none())?;
    let name = served.preset.as_ref()?.name.as_str();
    let unknown = kaito_presets::model(name).err()?;
    (unknown.removed.is_none() && kaito_presets::is_hub_id(name)).then_some(name)
}

/// Looks up what a Workspace names. The one place where a preset, a size and a runtime are judged: the controller, the CLI and later the webhook call it. `looked` is what is known of what no table has.
pub fn resolve(workspace: &Workspace, settings: &Settings, looked: &Looked) -> Result<Subject, Failure> {
    if let Some(template) = workspace.inference().and_then(|served| served.template.as_ref()) {
        return own::resolve(workspace, template, settings, &looked.machine).map(Subject::Own);
    }
    let model = match (asked_of_hub(workspace), &looked.model) {
        (None, _) => Ok(catalogued(workspace)?),
        (Some(_), LookedModel::Failed(failure)) => return Err(failure.clone()),
        (Some(_), LookedModel::Found { model, .. }) => Ok(ModelRef::Hub(Arc::clone(model))),
        (Some(id), LookedModel::NotYet) => Err(id.to_owned()),
    };
    match (model, hardware(workspace, settings, &looked.machine)?) {
        (Ok(model), Some(hardware)) => facts(workspace, settings, model, hardware).map(Subject::Model),
        (model, hardware) => {
            hardware.as_ref().map(profile).transpose()?;
            Ok(Subject::Unseen(Unseen { model: model.err(), hardware }))
        }
    }
}

fn facts(workspace: &Workspace, settings: &Settings, model: ModelRef, hardware: Hardware) -> Result<Facts, Failure> {
    let (capability, profile) = profile(&hardware)?;
    let task = match workspace.tuning().filter(|_| workspace.inference().is_none()) {
        Some(tuning) => training(tuning, &model)?,
        None => Task::Inference { engine: adapters::engine(workspace, engine(workspace, settings), &model, profile)? },
    };
    let facts = Facts { model, hardware, capability, profile, task };
    match runtime_objection(&facts, settings) {
        Some(objection) => Err(Failure::new(&failure::NO_RUNTIME, objection)),
        None => Ok(facts),
    }
}

/// As [`resolve`], with everything that stands in the way: what `resolve` says, and the machine size where that is wrong beside it.
pub(crate) fn objections(workspace: &Workspace, settings: &Settings, looked: &Looked) -> Result<Subject, Vec<Failure>> {
    resolve(workspace, settings, looked).map_err(|first| {
        let beside = hardware(workspace, settings, &looked.machine).err().filter(|other| *other != first);
        std::iter::once(first).chain(beside).collect()
    })
}

fn catalogued(workspace: &Workspace) -> Result<ModelRef, Failure> {
    if workspace.inference().is_none() {
        return tuned_model(workspace);
    }
    let Some(preset) = workspace.preset() else {
        return Err(Failure::new(&failure::INVALID_WORKSPACE, "inference.preset: missing; name the model to serve"));
    };
    kaito_presets::model(&preset.name)
        .map(ModelRef::Catalogue)
        .map_err(|unknown| Failure::new(&failure::UNKNOWN_PRESET, format!("inference.preset.name: {unknown}")))
}

fn tuned_model(workspace: &Workspace) -> Result<ModelRef, Failure> {
    let Some(preset) = workspace.preset() else {
        return Err(Failure::new(&failure::INVALID_WORKSPACE, "tuning.preset: missing; name the model to tune"));
    };
    kaito_presets::model(&preset.name)
        .map(ModelRef::Catalogue)
        .map_err(|unknown| Failure::new(&failure::UNKNOWN_PRESET, format!("tuning.preset.name: {unknown}")))
}

/// What tuning this model by this method takes, where both exist.
fn training(tuning: &TuningSpec, model: &ModelRef) -> Result<Task, Failure> {
    let Some(method) = tuning.tuning_method() else {
        let cause = format!("tuning.method: {:?} is no method; must be lora or qlora", tuning.method);
        return Err(Failure::new(&failure::INVALID_WORKSPACE, cause));
    };
    match (model.tuning, model.weights_artifact) {
        (Some(params), Some(weights)) => Ok(Task::Tuning { method, params, weights }),
        _ => {
            let tunable = kaito_presets::models().iter().filter(|model| model.tuning.is_some());
            let names: Vec<&str> = tunable.map(|model| model.preferred_name()).collect();
            let cause = format!("tuning.preset.name: {} cannot be tuned; these can: {}", model.id, names.join(", "));
            Err(Failure::new(&failure::NOT_TUNABLE, cause))
        }
    }
}

/// The machine that a Workspace asks for; `None` where nobody knows it yet.
pub(super) fn hardware(
    workspace: &Workspace,
    settings: &Settings,
    looked: &LookedMachine,
) -> Result<Option<Hardware>, Failure> {
    match looked {
        LookedMachine::BySize => by_size(workspace, settings).map(Some),
        LookedMachine::NotYet => Ok(None),
        LookedMachine::Found(hardware) => Ok(Some(hardware.clone())),
        LookedMachine::Failed(failure) => Err(failure.clone()),
    }
}

fn by_size(workspace: &Workspace, settings: &Settings) -> Result<Hardware, Failure> {
    let cloud = settings.cloud;
    let name = workspace.resource().instance_type.as_str();
    if name.is_empty() {
        let cause = "resource.instanceType: missing; name a machine size with GPUs (nodes that are brought along are served by an operator with --node-provisioner=byo)";
        return Err(Failure::new(&failure::INVALID_WORKSPACE, cause));
    }
    kaito_presets::sku(cloud, name).map(Hardware::from).ok_or_else(|| {
        Failure::new(&failure::UNKNOWN_INSTANCE_TYPE, format!("resource.instanceType: {}", unknown_size(cloud, name)))
    })
}

/// That a cloud has no such machine size, and what may have been meant.
pub fn unknown_size(cloud: Cloud, name: &str) -> String {
    // The portal of Azure leaves the first word out.
    let named = [name.to_owned(), format!("Standard_{name}")];
    let near = named
        .iter()
        .map(|name| kaito_presets::nearest_skus(cloud, name, 3).join(", "))
        .find(|near| !near.is_empty())
        .unwrap_or_default();
    let elsewhere = Cloud::ALL.iter().find(|other| kaito_presets::sku(**other, name).is_some());
    let hint = match elsewhere {
        Some(other) => format!("; it is one of cloud {}", other.as_str()),
        None if near.is_empty() => String::new(),
        None => format!("; did you mean {near}?"),
    };
    // A blank and a letter of another alphabet are seen in quotes.
    let is_plain = name.chars().all(|letter| letter.is_ascii_graphic());
    let shown = if is_plain { name.to_owned() } else { format!("\"{}\"", name.escape_default()) };
    format!("{shown} is not a known size with GPUs of cloud {}{hint}", cloud.as_str())
}

fn profile(hardware: &Hardware) -> Result<(ComputeCapability, &'static RuntimeProfile), Failure> {
    let refuse = |cause: String| Failure::new(&failure::NO_RUNTIME, cause);
    if hardware.gpu_vendor != GpuVendor::Nvidia {
        return Err(refuse(format!(
            "resource.instanceType: {} has {}, and the published runtime images serve NVIDIA GPUs only",
            hardware.name, hardware.gpu_model
        )));
    }
    let unknown = || refuse(format!("the compute capability of {} is not known", hardware.name));
    let capability = hardware.compute_capability.ok_or_else(unknown)?;
    let profile = kaito_presets::profile_for(capability).ok_or_else(|| {
        refuse(format!("no runtime image has kernels for {} (compute capability {capability})", hardware.gpu_model))
    })?;
    Ok((capability, profile))
}

/// vLLM, unless the gate or the Workspace says otherwise. Any other value of the annotation means vLLM, as upstream. Adapters may change it.
pub(super) fn engine(workspace: &Workspace, settings: &Settings) -> Engine {
    let asked = workspace.annotation(annotations::RUNTIME) == Some(annotations::RUNTIME_TRANSFORMERS);
    if !settings.gates.vllm() || asked { Engine::Transformers } else { Engine::Vllm }
}

/// Why the runtime for this GPU cannot serve this model, if it cannot.
fn runtime_objection(facts: &Facts, settings: &Settings) -> Option<String> {
    let Facts { model, hardware, capability, profile, task } = facts;
    let gpu = format!("{} (compute capability {capability})", hardware.gpu_model);
    let needs_bfloat16 = || {
        let overflows = model.architectures.iter().any(|name| profile.overflows_in_float16(name));
        overflows.then(|| {
            format!(
                "{} needs bfloat16, which {gpu} does not have; use a GPU with compute capability 8.0 or newer",
                model.id
            )
        })
    };
    let Task::Inference { engine } = task else { return needs_bfloat16() };
    if *engine == Engine::Transformers {
        let remedy = if settings.gates.vllm() {
            format!("leave out the annotation {}", annotations::RUNTIME)
        } else {
            "the feature gate vLLM of the operator is off".to_owned()
        };
        let says = "does not support inference with the Hugging Face transformers runtime";
        return model.transformers.is_none().then(|| format!("model {} {says}; {remedy}", model.id));
    }
    let vllm = profile.versions.vllm;
    if !model.architectures.is_empty() && !model.architectures.iter().any(|name| profile.knows_architecture(name)) {
        return Some(format!("{} is not in the runtime for {gpu}, vLLM {vllm}", model.architectures.join(", ")));
    }
    if let Some(objection) = needs_bfloat16() {
        return Some(objection);
    }
    let first = model.architectures.iter().filter_map(|name| Some((name, profile.first_capability(name)?)));
    if let Some((name, first)) = first.into_iter().find(|(_, first)| capability < first) {
        return Some(format!(
            "vLLM {vllm} has kernels for {name} from compute capability {first} on, and not for {gpu}"
        ));
    }
    if let Some(quantization) = &model.quantization
        && !profile.quantization.allows(quantization, *capability)
    {
        return Some(format!(
            "quantization {} of {} is not available on {gpu} with vLLM {vllm}",
            quantization.method, model.id
        ));
    }
    (model.attention == kaito_presets::Attention::Mla && !profile.supports.mla)
        .then(|| format!("{} uses multi-head latent attention, which {gpu} does not serve with vLLM {vllm}", model.id))
}
