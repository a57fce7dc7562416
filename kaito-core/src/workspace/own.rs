//! A server of the user's own making, in `inference.template`: no model of the registry and no runtime of ours, only machines of a size, and a pod for each.

use super::facts;
use crate::failure::{self, Failure};
use crate::settings::Settings;
use crate::units;
use k8s_openapi::api::core::v1::{Container, PodSpec};
use kaito_api::raw::RawPodTemplate;
use kaito_api::vocabulary::{annotations, names};
use kaito_api::{FieldPath, Workspace};
use kaito_presets::{GpuVendor, Sku};

/// How long the start of a server is waited for that nothing is known of, in seconds: as long as that of the largest presets. Nobody ends one that takes longer; what is missing is said then.
pub(super) const START_SECONDS: u64 = 60 * 60;

/// What annotations say to our own runtimes, and to nothing in a template.
const OF_OUR_RUNTIMES: [&str; 5] = [
    annotations::RUNTIME,
    annotations::PERFORMANCE_MODE,
    annotations::USE_LOCAL_WEIGHTS,
    annotations::MODEL_STREAMING,
    annotations::BYPASS_RESOURCE_CHECKS,
];

/// The server of the user's, looked up.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnServer {
    /// The machine size.
    pub sku: &'static Sku,
    /// The template of its pods; pods can be made of it.
    pub template: RawPodTemplate,
    /// What a pod asks for of the machine's GPUs.
    pub asks: Asks,
}

/// GPUs that a pod asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// For none.
    Nothing,
    /// For so many whole ones.
    Gpus(u32),
    /// For a part of one, or in another way than by number.
    Otherwise,
}

/// What a Workspace with a template names, or why it cannot be had.
pub(super) fn resolve(
    workspace: &Workspace,
    template: &RawPodTemplate,
    settings: &Settings,
) -> Result<OwnServer, Failure> {
    let invalid = |cause: String| Err(Failure::new(&failure::INVALID_WORKSPACE, cause));
    if workspace.preset().is_some() {
        return invalid(
            "inference.template: cannot be set beside a preset; a template is a server of your own".to_owned(),
        );
    }
    facts::whole_machines(workspace)?;
    if let Some(fault) = template.faults().first() {
        return invalid(format!("inference.template: {fault}"));
    }
    let sku = facts::sku(workspace, settings)?;
    if sku.gpu_vendor != GpuVendor::Nvidia {
        let cause = format!(
            "resource.instanceType: {} has {}; machines with other GPUs than NVIDIA's are not served by this version",
            sku.name, sku.gpu_model
        );
        return Err(Failure::new(&failure::NOT_SUPPORTED, cause));
    }
    let asks = asks(template);
    match asks {
        Asks::Gpus(gpus) if gpus > sku.gpu_count => {
            let at = FieldPath::from("inference.template.spec.containers");
            let has = sku.gpu_count;
            invalid(format!("{at}: ask for {gpus} of {}, and {} has {has}", names::NVIDIA_GPU, sku.name))
        }
        _ => Ok(OwnServer { sku, template: template.clone(), asks }),
    }
}

/// The containers of a pod together, or the init container that asks for most.
fn asks(template: &RawPodTemplate) -> Asks {
    let Some(spec) = template.as_pod_template().ok().and_then(|typed| typed.spec) else { return Asks::Nothing };
    let main: u32 = spec.containers.iter().map(gpus).fold(0, u32::saturating_add);
    let before = spec.init_containers.iter().flatten().map(gpus).max().unwrap_or_default();
    match main.max(before) {
        0 if asks_otherwise(&spec) => Asks::Otherwise,
        0 => Asks::Nothing,
        gpus => Asks::Gpus(gpus),
    }
}

/// What a container asks for: the resource, and how much of it. Limits come first; of GPUs they are what counts.
fn amounts(container: &Container) -> impl Iterator<Item = (&str, &str)> {
    let resources = container.resources.iter();
    let lists = resources.flat_map(|resources| [resources.limits.as_ref(), resources.requests.as_ref()]);
    lists.flatten().flatten().map(|(name, amount)| (name.as_str(), amount.0.as_str()))
}

fn gpus(container: &Container) -> u32 {
    let amount = amounts(container).find(|(name, _)| *name == names::NVIDIA_GPU);
    let thousandths = amount.and_then(|(_, amount)| units::parse_quantity(amount)).unwrap_or_default();
    u32::try_from(thousandths / 1000).unwrap_or_default()
}

/// By a slice of a GPU, or by a claim of the scheduler's.
fn asks_otherwise(spec: &PodSpec) -> bool {
    let slices = |container: &Container| amounts(container).any(|(name, _)| name.starts_with(names::NVIDIA_MIG_PREFIX));
    spec.containers.iter().any(slices) || spec.resource_claims.as_ref().is_some_and(|claims| !claims.is_empty())
}

/// What was asked for and has no effect, beside a template.
pub(crate) fn unused(workspace: &Workspace, own: &OwnServer) -> Vec<String> {
    let served = workspace.inference();
    let annotated = OF_OUR_RUNTIMES.iter().filter(|key| workspace.annotation(key).is_some());
    let annotated = annotated.map(|key| format!("annotation {key}: what serves is in inference.template"));
    [
        served
            .is_some_and(|served| !served.adapters.is_empty())
            .then(|| "inference.adapters: a template brings its own".to_owned()),
        served
            .is_some_and(|served| !served.config.is_empty())
            .then(|| "inference.config: a template mounts its own settings, among spec.volumes".to_owned()),
        (own.asks == Asks::Nothing).then(|| {
            format!("the GPUs of {}: no container of inference.template asks for {}", own.sku.name, names::NVIDIA_GPU)
        }),
    ]
    .into_iter()
    .flatten()
    .chain(annotated)
    .collect()
}
