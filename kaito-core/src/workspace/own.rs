//! A server of the user's own making, in `inference.template`: no model of the registry and no runtime of ours, only machines of a size, and a pod for each.

use super::facts::{self, LookedMachine};
use crate::NodeProvisioner;
use crate::failure::{self, Failure};
use crate::hardware::Hardware;
use crate::settings::Settings;
use crate::units;
use crate::words::quoted;
use k8s_openapi::api::core::v1::{Container, PodSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kaito_api::raw::RawPodTemplate;
use kaito_api::vocabulary::{annotations, names};
use kaito_api::{FieldPath, Workspace};
use kaito_presets::GpuVendor;
use std::collections::BTreeMap;

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

/// Of what is doubtful in a template, so much is named.
const MOST_DOUBTS: usize = 8;

/// The server of the user's, looked up.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnServer {
    /// The machine, where it is known.
    pub hardware: Option<Hardware>,
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
    machine: &LookedMachine,
) -> Result<OwnServer, Failure> {
    let invalid = |cause: String| Err(Failure::new(&failure::INVALID_WORKSPACE, cause));
    if workspace.preset().is_some() {
        return invalid(
            "inference.template: cannot be set beside a preset; a template is a server of your own".to_owned(),
        );
    }
    if let Some(fault) = template.faults().first() {
        return invalid(format!("inference.template: {fault}"));
    }
    if let Some(node) = named_node(template).filter(|_| settings.provisioner != NodeProvisioner::Byo) {
        return invalid(format!(
            "inference.template.spec.nodeName: names {}, and the machine is yet to be made; leave it out, and choose by resource.labelSelector",
            quoted(&node)
        ));
    }
    let hardware = facts::hardware(workspace, settings, machine)?;
    if let Some(hardware) = hardware.as_ref().filter(|hardware| hardware.gpu_vendor != GpuVendor::Nvidia) {
        let cause = format!(
            "resource.instanceType: {} has {}; machines with other GPUs than NVIDIA's are not served by this version",
            hardware.name, hardware.gpu_model
        );
        return Err(Failure::new(&failure::NOT_SUPPORTED, cause));
    }
    let asks = asks(template).map_err(|cause| {
        Failure::new(&failure::INVALID_WORKSPACE, format!("inference.template.spec.containers: {cause}"))
    })?;
    match (asks, &hardware) {
        (Asks::Gpus(gpus), Some(hardware)) if gpus > hardware.gpu_count => {
            let at = FieldPath::from("inference.template.spec.containers");
            let has = hardware.gpu_count;
            invalid(format!("{at}: ask for {gpus} of {}, and {} has {has}", names::NVIDIA_GPU, hardware.name))
        }
        _ => Ok(OwnServer { hardware, template: template.clone(), asks }),
    }
}

/// The node that a template gives its pods to, past the scheduler.
fn named_node(template: &RawPodTemplate) -> Option<String> {
    template.as_pod_template().ok()?.spec?.node_name.filter(|node| !node.is_empty())
}

/// What the scheduler sets aside for a pod: its containers together with the sidecars among the init containers, which run beside them; or the init container that asks for most, together with the
/// sidecars that were started before it. Or what Kubernetes would refuse in it.
fn asks(template: &RawPodTemplate) -> Result<Asks, String> {
    let Some(spec) = template.as_pod_template().ok().and_then(|typed| typed.spec) else { return Ok(Asks::Nothing) };
    let main = spec.containers.iter().map(gpus).collect::<Result<Vec<u32>, _>>()?;
    let (mut sidecars, mut most) = (0_u32, 0_u32);
    for container in spec.init_containers.iter().flatten() {
        let asked = sidecars.saturating_add(gpus(container)?);
        most = most.max(asked);
        if container.restart_policy.as_deref() == Some("Always") {
            sidecars = asked;
        }
    }
    let together = main.into_iter().fold(sidecars, u32::saturating_add);
    Ok(match together.max(most) {
        0 if asks_otherwise(&spec) => Asks::Otherwise,
        0 => Asks::Nothing,
        gpus => Asks::Gpus(gpus),
    })
}

/// The GPUs of a container: a whole number, among its limits, and no other among its requests.
fn gpus(container: &Container) -> Result<u32, String> {
    let (name, resources) = (quoted(&container.name), container.resources.as_ref());
    let of = |list: Option<&BTreeMap<String, Quantity>>| list.and_then(|list| list.get(names::NVIDIA_GPU)).cloned();
    let limit = of(resources.and_then(|resources| resources.limits.as_ref()));
    let request = of(resources.and_then(|resources| resources.requests.as_ref()));
    let amount = |amount: &Quantity| units::parse_quantity(&amount.0);
    let Some(limit) = limit else {
        let words = format!("{name} asks for {} among its requests only; write it among its limits", names::NVIDIA_GPU);
        return request.map_or(Ok(0), |_| Err(words));
    };
    if request.is_some_and(|request| amount(&request) != amount(&limit)) {
        return Err(format!(
            "{name} has another number of {} among its requests than among its limits",
            names::NVIDIA_GPU
        ));
    }
    let whole = amount(&limit).filter(|thousandths| thousandths % 1000 == 0);
    let count = whole.and_then(|thousandths| u32::try_from(thousandths / 1000).ok());
    count
        .ok_or_else(|| format!("{name} asks for {} of {}; must be a whole number", quoted(&limit.0), names::NVIDIA_GPU))
}

/// By a slice of a GPU, or by a claim of the scheduler's.
fn asks_otherwise(spec: &PodSpec) -> bool {
    let is_slice = |name: &String| name.starts_with(names::NVIDIA_MIG_PREFIX);
    let limits = |container: &Container| container.resources.as_ref().and_then(|resources| resources.limits.clone());
    let slices = spec.containers.iter().filter_map(limits).any(|limits| limits.keys().any(is_slice));
    slices || spec.resource_claims.as_ref().is_some_and(|claims| !claims.is_empty())
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
        own.hardware.as_ref().filter(|_| own.asks == Asks::Nothing).map(|hardware| {
            format!("the GPUs of {}: no container of inference.template asks for {}", hardware.name, names::NVIDIA_GPU)
        }),
    ]
    .into_iter()
    .flatten()
    .chain(annotated)
    .collect()
}

/// What will probably not work in a template, and only a cluster or its server can know.
pub(crate) fn doubts(own: &OwnServer) -> Vec<String> {
    let unknown = own
        .template
        .unknown_fields()
        .into_iter()
        .map(|path| (path, "not known here, and refused by a cluster that does not know it either".to_owned()));
    let left = own
        .template
        .placeholders()
        .into_iter()
        .map(|(path, word)| (path, format!("{word} is a placeholder; write what belongs there")));
    let all = unknown.chain(left).take(MOST_DOUBTS);
    all.map(|(path, doubt)| format!("inference.template.{}: {}", quoted(&path.to_string()), quoted(&doubt))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn asked(resources: &Value) -> Result<Asks, String> {
        let container = json!({"name": "server", "image": "registry.example.com/server:1", "resources": resources});
        let beside = json!({"name": "beside", "image": "registry.example.com/beside:1"});
        asks(&RawPodTemplate(json!({"spec": {"containers": [container, beside]}})))
    }

    #[test]
    fn gpus_are_counted_as_kubernetes_takes_them() {
        let gpu = |amount: Value| json!({"nvidia.com/gpu": amount});
        let good = [
            (json!({}), Asks::Nothing),
            (json!({"limits": {"memory": "1Gi"}}), Asks::Nothing),
            (json!({"limits": gpu(json!(0))}), Asks::Nothing),
            (json!({"limits": gpu(json!(2))}), Asks::Gpus(2)),
            (json!({"limits": gpu(json!("2")), "requests": gpu(json!(2))}), Asks::Gpus(2)),
            (json!({"limits": {"nvidia.com/mig-1g.10gb": 1}}), Asks::Otherwise),
        ];
        for (resources, wanted) in good {
            assert_eq!(asked(&resources), Ok(wanted), "{resources}");
        }
        let bad = [
            (json!({"limits": gpu(json!(0.5))}), "server asks for 0.5 of nvidia.com/gpu; must be a whole number"),
            (json!({"limits": gpu(json!("all"))}), "server asks for all of nvidia.com/gpu; must be a whole number"),
            (json!({"limits": gpu(json!(-1))}), "server asks for -1 of nvidia.com/gpu; must be a whole number"),
            (json!({"requests": gpu(json!(1))}), "server asks for nvidia.com/gpu among its requests only"),
            (
                json!({"limits": gpu(json!(1)), "requests": gpu(json!(2))}),
                "server has another number of nvidia.com/gpu",
            ),
        ];
        for (resources, words) in bad {
            let said = asked(&resources);
            assert!(said.as_ref().is_err_and(|said| said.starts_with(words)), "{resources}: {said:?}");
        }
    }

    #[test]
    fn several_containers_ask_together_and_those_that_run_before_them_one_at_a_time() {
        let of = |gpus: u32| json!({"name": "c", "resources": {"limits": {"nvidia.com/gpu": gpus}}});
        let pod = |before: &[u32], main: &[u32]| {
            let list = |all: &[u32]| all.iter().map(|gpus| of(*gpus)).collect::<Vec<Value>>();
            asks(&RawPodTemplate(json!({"spec": {"initContainers": list(before), "containers": list(main)}})))
        };
        assert_eq!(pod(&[1, 1], &[1, 2]), Ok(Asks::Gpus(3)));
        assert_eq!(pod(&[4, 1], &[1, 2]), Ok(Asks::Gpus(4)));
    }

    #[test]
    fn a_sidecar_asks_beside_everything_that_starts_after_it() {
        let of = |gpus: u32| json!({"name": "c", "resources": {"limits": {"nvidia.com/gpu": gpus}}});
        let sidecar = |gpus: u32| {
            let mut container = of(gpus);
            container["restartPolicy"] = json!("Always");
            container
        };
        let pod =
            |before: Value| asks(&RawPodTemplate(json!({"spec": {"initContainers": before, "containers": [of(1)]}})));
        assert_eq!(pod(json!([sidecar(1)])), Ok(Asks::Gpus(2)));
        assert_eq!(pod(json!([sidecar(1), of(3), sidecar(1)])), Ok(Asks::Gpus(4)));
        assert_eq!(pod(json!([of(3), sidecar(1), sidecar(1)])), Ok(Asks::Gpus(3)));
    }
}
