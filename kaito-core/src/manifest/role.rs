//! Prefill and decode in different pods: what a role adds to a pod (spec/03 §6.p). The controller of MultiRoleInferences labels Workspaces with it.
//!
//! The server finds the cache of the other side by NIXL. In front of one that decodes stands a sidecar that asks for the prefill first: it has the port that clients use, and the server another one.

use super::{Serving, pod};
use crate::workspace::Engine;
use k8s_openapi::api::core::v1::{Container, ContainerPort, EnvVar, EnvVarSource, ObjectFieldSelector};
use kaito_api::vocabulary::{containers, labels};
use kaito_presets::{images, ports};

const SIDE_CHANNEL: &str = "VLLM_NIXL_SIDE_CHANNEL_HOST";

/// The role of a pod, where it has one of the two.
fn of<'a>(serving: &'a Serving<'_>) -> Option<&'a str> {
    let role = serving.pod_labels.get(labels::INFERENCE_ROLE)?.as_str();
    [labels::ROLE_PREFILL, labels::ROLE_DECODE].contains(&role).then_some(role)
}

/// Whether the routing sidecar stands in front of the server.
fn is_routed(serving: &Serving<'_>) -> bool {
    of(serving) == Some(labels::ROLE_DECODE) && serving.engine == Engine::Vllm
}

/// Where the server itself listens.
pub(super) fn port(serving: &Serving<'_>) -> u16 {
    if is_routed(serving) { ports::INFERENCE_BEHIND_SIDECAR } else { ports::INFERENCE }
}

/// What the server is told of its role.
pub(super) fn env(serving: &Serving<'_>) -> Vec<EnvVar> {
    let role = of(serving).map(|role| [pod::plain("KAITO_INFERENCE_ROLE", role), own_address(SIDE_CHANNEL)]);
    role.into_iter().flatten().collect()
}

/// What runs beside the server.
pub(super) fn sidecar(serving: &Serving<'_>) -> Option<Container> {
    let port = ContainerPort {
        name: Some("sidecar".to_owned()),
        container_port: i32::from(ports::INFERENCE),
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    };
    is_routed(serving).then(|| Container {
        name: containers::ROUTING_SIDECAR.to_owned(),
        image: Some(images::ROUTING_SIDECAR.to_owned()),
        args: Some(vec![
            format!("--port={}", ports::INFERENCE),
            format!("--vllm-port={}", ports::INFERENCE_BEHIND_SIDECAR),
            "--secure-proxy=false".to_owned(),
        ]),
        ports: Some(vec![port]),
        env: Some(vec![own_address("POD_IP"), own_address(SIDE_CHANNEL)]),
        ..Container::default()
    })
}

/// The address of the pod, in a variable.
fn own_address(name: &str) -> EnvVar {
    let field = ObjectFieldSelector { field_path: "status.podIP".to_owned(), ..ObjectFieldSelector::default() };
    let source = EnvVarSource { field_ref: Some(field), ..EnvVarSource::default() };
    EnvVar { name: name.to_owned(), value: None, value_from: Some(source) }
}
