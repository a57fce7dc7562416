//! The addresses of a workload.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kaito_api::vocabulary::{labels, names};
use kaito_presets::ports;

/// What the Services are made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Exposure<'a> {
    /// The Workspace's name.
    pub name: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// The controller reference.
    pub owner: OwnerReference,
    /// Reachable from outside the cluster.
    pub load_balancer: bool,
    /// Whether the runtime publishes events of its KV cache.
    pub kv_events: bool,
}

/// The name of the Service by which pods find each other.
pub fn headless_name(workspace: &str) -> String {
    format!("{workspace}{}", names::HEADLESS_SUFFIX)
}

/// The address of the model: always the first pod, which leads when there are several.
pub fn service(exposure: &Exposure<'_>) -> Service {
    let mut named = vec![
        ("http", ports::SERVICE, ports::INFERENCE),
        ("ray", ports::RAY, ports::RAY),
        ("dashboard", ports::RAY_DASHBOARD, ports::RAY_DASHBOARD),
    ];
    if exposure.kv_events && !exposure.load_balancer {
        named.push(("kv-events", ports::KV_EVENTS, ports::KV_EVENTS));
    }
    let first_pod = format!("{}-0", exposure.name);
    let selector = [
        (labels::WORKSPACE.to_owned(), exposure.name.to_owned()),
        (labels::STATEFUL_SET_POD_NAME.to_owned(), first_pod),
    ];
    let spec = ServiceSpec {
        type_: Some(if exposure.load_balancer { "LoadBalancer" } else { "ClusterIP" }.to_owned()),
        publish_not_ready_addresses: Some(true),
        selector: Some(selector.into()),
        ports: Some(named.into_iter().map(port).collect()),
        ..ServiceSpec::default()
    };
    Service { metadata: metadata(exposure, exposure.name.to_owned()), spec: Some(spec), status: None }
}

/// The address by which the pods of one workload find each other.
pub fn headless_service(exposure: &Exposure<'_>) -> Service {
    let spec = ServiceSpec {
        cluster_ip: Some("None".to_owned()),
        publish_not_ready_addresses: Some(true),
        selector: Some([(labels::WORKSPACE.to_owned(), exposure.name.to_owned())].into()),
        ..ServiceSpec::default()
    };
    Service { metadata: metadata(exposure, headless_name(exposure.name)), spec: Some(spec), status: None }
}

fn port((name, port, target): (&str, u16, u16)) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        protocol: Some("TCP".to_owned()),
        port: i32::from(port),
        target_port: Some(IntOrString::Int(i32::from(target))),
        ..ServicePort::default()
    }
}

fn metadata(exposure: &Exposure<'_>, name: String) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: Some(exposure.namespace.to_owned()),
        owner_references: Some(vec![exposure.owner.clone()]),
        ..ObjectMeta::default()
    }
}
