//! The pod that serves.

use super::quote::literal;
use super::{Placement, Serving, adapters, command, probes, role, volumes, weights};
use crate::workspace::Engine;
use k8s_openapi::api::core::v1::{
    Affinity, Container, ContainerPort, EnvVar, EnvVarSource, NodeAffinity, NodeSelector, NodeSelectorRequirement,
    NodeSelectorTerm, ObjectFieldSelector, PodSpec, PodTemplateSpec, PreferredSchedulingTerm, ResourceRequirements,
    SecretKeySelector, Toleration,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kaito_api::vocabulary::{annotations, labels, names};
use kaito_presets::{paths, ports};

/// What a container says at its end is in the status of its pod, and so in ours.
pub(super) const LAST_WORDS: &str = "FallbackToLogsOnError";

/// The pod template.
pub(super) fn template(serving: &Serving<'_>) -> PodTemplateSpec {
    let image = serving.facts.profile.image.reference(serving.registry);
    let before = [volumes::init_containers(serving, &image), adapters::init_containers(serving)].concat();
    let pull_secrets = adapters::pull_secrets(serving);
    let spec = PodSpec {
        affinity: affinity(&serving.placement),
        containers: std::iter::once(server(serving, image)).chain(role::sidecar(serving)).collect(),
        init_containers: (!before.is_empty()).then_some(before),
        image_pull_secrets: (!pull_secrets.is_empty()).then_some(pull_secrets),
        tolerations: Some(tolerations(serving.azure_spot, serving.facts.hardware.slice.as_deref())),
        volumes: Some(volumes::volumes(serving)),
        ..PodSpec::default()
    };
    let rolled = serving.config.as_ref().and_then(|config| config.rolled.clone());
    let metadata = ObjectMeta {
        labels: Some(serving.pod_labels.clone()),
        annotations: rolled.map(|digest| [(annotations::INFERENCE_CONFIG_DIGEST.to_owned(), digest)].into()),
        ..ObjectMeta::default()
    };
    PodTemplateSpec { metadata: Some(metadata), spec: Some(spec) }
}

fn server(serving: &Serving<'_>, image: String) -> Container {
    let probes = probes::of(serving);
    let env = env(serving);
    Container {
        name: serving.name.to_owned(),
        image: Some(image),
        command: Some(command::of(serving)),
        ports: Some(container_ports(serving)),
        env: (!env.is_empty()).then_some(env),
        resources: Some(gpus(&serving.facts.hardware.resource(), serving.layout.gpus_per_node)),
        startup_probe: Some(probes.startup),
        liveness_probe: Some(probes.liveness),
        readiness_probe: Some(probes.readiness),
        termination_message_policy: Some(LAST_WORDS.to_owned()),
        volume_mounts: Some(volumes::mounts(serving)),
        ..Container::default()
    }
}

/// So many GPUs, or slices of one, no fewer and no more.
pub(super) fn gpus(resource: &str, count: u32) -> ResourceRequirements {
    let gpus = [(resource.to_owned(), Quantity(count.to_string()))];
    ResourceRequirements { requests: Some(gpus.clone().into()), limits: Some(gpus.into()), claims: None }
}

fn container_ports(serving: &Serving<'_>) -> Vec<ContainerPort> {
    let port = |name: &str, port: u16| ContainerPort {
        name: Some(name.to_owned()),
        container_port: i32::from(port),
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    };
    let events = serving.engine == Engine::Vllm && serving.facts.profile.supports.kv_events;
    [port("http", role::port(serving))].into_iter().chain(events.then(|| port("kv-events", ports::KV_EVENTS))).collect()
}

/// A variable with a value, which arrives as it is.
pub(super) fn plain(name: &str, value: &str) -> EnvVar {
    EnvVar { name: name.to_owned(), value: Some(literal(value).into_owned()), value_from: None }
}

fn env(serving: &Serving<'_>) -> Vec<EnvVar> {
    let (model, profile) = (&serving.facts.model, serving.facts.profile);
    let mut env = Vec::new();
    if serving.engine == Engine::Vllm {
        env.extend(profile.vllm_env.iter().map(|(name, value)| plain(name, value)));
        if profile.supports.deep_gemm {
            env.push(plain("VLLM_USE_DEEP_GEMM", if model.features.deepgemm { "1" } else { "0" }));
        }
    }
    if volumes::needs_cuda_toolkit(serving) {
        env.push(plain("CUDA_HOME", paths::CUDA_HOME));
    }
    env.extend(weights::of(serving).env(serving));
    env.extend(role::env(serving));
    env.extend(serving.access_secret.map(|secret| EnvVar {
        name: names::HF_TOKEN_KEY.to_owned(),
        value: None,
        value_from: Some(EnvVarSource {
            secret_key_ref: Some(SecretKeySelector {
                name: secret.to_owned(),
                key: names::HF_TOKEN_KEY.to_owned(),
                optional: Some(true),
            }),
            ..EnvVarSource::default()
        }),
    }));
    env.extend(adapters::env(serving));
    if serving.is_distributed() {
        let field_path = format!("metadata.labels['{}']", labels::POD_INDEX);
        let field = ObjectFieldSelector { field_path, ..ObjectFieldSelector::default() };
        env.push(EnvVar {
            name: "POD_INDEX".to_owned(),
            value: None,
            value_from: Some(EnvVarSource { field_ref: Some(field), ..EnvVarSource::default() }),
        });
    }
    env
}

/// Only nodes with the labels; of them, rather those that are preferred.
pub(super) fn affinity(placement: &Placement) -> Option<Affinity> {
    let requirements = node_requirements(&placement.labels);
    let term = NodeSelectorTerm { match_expressions: Some(requirements), match_fields: None };
    let required = (!placement.labels.is_empty()).then(|| NodeSelector { node_selector_terms: vec![term] });
    let preferred = preferences(placement);
    (required.is_some() || !preferred.is_empty()).then(|| Affinity {
        node_affinity: Some(NodeAffinity {
            required_during_scheduling_ignored_during_execution: required,
            preferred_during_scheduling_ignored_during_execution: (!preferred.is_empty()).then_some(preferred),
        }),
        ..Affinity::default()
    })
}

/// A term for each node that is preferred: Kubernetes takes one name a term.
pub(super) fn preferences(placement: &Placement) -> Vec<PreferredSchedulingTerm> {
    let by_name = |name: &String| NodeSelectorTerm {
        match_expressions: None,
        match_fields: Some(vec![is("metadata.name", name)]),
    };
    let preferred = placement.preferred.iter();
    preferred.map(|name| PreferredSchedulingTerm { weight: 100, preference: by_name(name) }).collect()
}

/// What those nodes have, and no others.
pub(super) fn node_requirements(node_labels: &[(String, String)]) -> Vec<NodeSelectorRequirement> {
    node_labels.iter().map(|(key, value)| is(key, value)).collect()
}

fn is(key: &str, value: &str) -> NodeSelectorRequirement {
    NodeSelectorRequirement { key: key.to_owned(), operator: "In".to_owned(), values: Some(vec![value.to_owned()]) }
}

/// What the pods that serve tolerate: the taints of GPU nodes, of spot machines, and of nodes that are kept for slices of one profile.
pub(crate) fn tolerations(azure_spot: bool, slice: Option<&str>) -> Vec<Toleration> {
    let taint = |key: &str, value: Option<&str>| Toleration {
        key: Some(key.to_owned()),
        operator: Some(if value.is_some() { "Equal" } else { "Exists" }.to_owned()),
        value: value.map(str::to_owned),
        effect: Some("NoSchedule".to_owned()),
        toleration_seconds: None,
    };
    let spot = azure_spot.then(|| taint("kubernetes.azure.com/scalesetpriority", Some("spot")));
    let slice = slice.map(|profile| taint(&format!("{}{profile}", names::NVIDIA_MIG_PREFIX), None));
    [taint(names::NVIDIA_GPU, None), taint("sku", Some("gpu"))].into_iter().chain(spot).chain(slice).collect()
}
