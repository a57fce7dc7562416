//! A Service leads to its pods: the slice that lists them, each with whether it answers.

use super::{empty, root};
use crate::driver::Planner;
use crate::effect::Effect;
use crate::effect::WriteMode;
use crate::hash;
use crate::kinds::{Kind, Typed};
use crate::memory::PodFate;
use crate::object::{ObjectKey, Seen};
use crate::plan::{Outcome, Plan};
use crate::read::{Freshness, Selector};
use crate::settings::Settings;
use crate::snapshot::{Snapshot, Unread};
use k8s_openapi::api::core::v1::{Pod, Service, ServiceSpec};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kaito_api::vocabulary::labels;
use kube_core::ResourceExt;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The EndpointSlice controller. One slice a Service: nobody here has a hundred pods.
#[derive(Debug, Clone, Copy)]
pub struct EndpointSliceController {
    is_blind: bool,
}

impl EndpointSliceController {
    /// One that sees whether pods are ready, unless their fate is that it does not.
    pub fn with_fate(fate: &PodFate) -> Self {
        Self { is_blind: *fate == PodFate::NeverServes }
    }
}

impl Planner for EndpointSliceController {
    fn name(&self) -> &'static str {
        "endpointslice"
    }

    fn roots(&self) -> Kind {
        Kind::Service
    }

    fn plan(&self, key: &ObjectKey, snapshot: &Snapshot, _: &Settings) -> Result<Plan, Unread> {
        let Some(service) = root::<Service>(key, snapshot)? else { return Ok(Plan::nothing(Outcome::Gone)) };
        let mut plan = empty(&service.metadata);
        let spec = service.spec.as_ref().filter(|_| service.metadata.deletion_timestamp.is_none());
        let selector = spec.and_then(|spec| spec.selector.clone()).filter(|selector| !selector.is_empty());
        let (Some(spec), Some(selector)) = (spec, selector) else { return Ok(plan) };
        let pods = snapshot.list::<Pod>(Some(key.namespace()), Selector(selector), Freshness::Cached)?.items;
        let endpoints: Vec<Value> = pods.iter().filter_map(|pod| self.endpoint(spec, pod)).collect();
        let name = format!("{}-{}", key.name, hash::short(&[&service.uid().unwrap_or_default()], 5));
        let slice = ObjectKey::new(Kind::EndpointSlice, key.namespace(), name);
        let body = slice_body(service, spec, &endpoints);
        let there = snapshot.object::<EndpointSlice>(slice.clone(), Freshness::Cached)?.found();
        let is_same = |there: &EndpointSlice| {
            // As it would be seen: without what nobody reads.
            let Seen::Decoded(wanted) = Seen::decode(Kind::EndpointSlice, body.clone()) else { return false };
            let (there, wanted) = (there.to_wire(), wanted.to_value());
            ["endpoints", "ports"].iter().all(|field| there.get(field) == wanted.get(field))
        };
        if !there.is_some_and(is_same) {
            let uid = there.and_then(ResourceExt::uid);
            plan.push(Effect::Ensure { key: slice, body, mode: WriteMode::Apply, uid }, None);
        }
        Ok(plan)
    }
}

impl EndpointSliceController {
    /// A pod with an address that has not ended. `ready` says yes for pods that the Service publishes anyway; `serving` tells the truth.
    fn endpoint(&self, spec: &ServiceSpec, pod: &Pod) -> Option<Value> {
        let status = pod.status.as_ref()?;
        let address =
            status.pod_ip.as_ref().filter(|_| !matches!(status.phase.as_deref(), Some("Failed" | "Succeeded")))?;
        let (serving, terminating) =
            (super::stateful_set::is_ready(pod) && !self.is_blind, pod.metadata.deletion_timestamp.is_some());
        let ready = spec.publish_not_ready_addresses == Some(true) || (serving && !terminating);
        Some(json!({
            "addresses": [address],
            "conditions": {"ready": ready, "serving": serving, "terminating": terminating},
            "nodeName": pod.spec.as_ref()?.node_name,
            "targetRef": {"kind": "Pod", "name": pod.name_any(), "namespace": pod.namespace(), "uid": pod.uid()},
        }))
    }
}

fn slice_body(service: &Service, spec: &ServiceSpec, endpoints: &[Value]) -> Value {
    let mut all: BTreeMap<String, String> = service.labels().clone();
    all.insert(labels::SERVICE_NAME.to_owned(), service.name_any());
    all.insert("endpointslice.kubernetes.io/managed-by".to_owned(), "endpointslice-controller.k8s.io".to_owned());
    if spec.cluster_ip.as_deref() == Some("None") {
        all.insert("service.kubernetes.io/headless".to_owned(), String::new());
    }
    let ports: Vec<Value> = (spec.ports.iter().flatten())
        .map(|port| json!({"name": port.name, "port": port.target_port.as_ref().map_or(json!(port.port), |target| json!(target)), "protocol": port.protocol}))
        .collect();
    json!({
        "apiVersion": Kind::EndpointSlice.api_version(), "kind": Kind::EndpointSlice.name(),
        "metadata": {"labels": all, "ownerReferences": [{
            "apiVersion": "v1", "kind": "Service", "name": service.name_any(), "uid": service.uid(), "controller": true, "blockOwnerDeletion": true,
        }]},
        "addressType": "IPv4", "endpoints": endpoints, "ports": ports,
    })
}
