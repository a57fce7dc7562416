//! Fields whose type differs between the Kubernetes versions that k8s-openapi can be built for (1.33 to 1.37). Named here and nowhere else (I12).

use k8s_openapi::api::apps::v1::{ControllerRevision, StatefulSet, StatefulSetSpec};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::runtime::RawExtension;

k8s_openapi::k8s_if_le_1_36! {
    /// A StatefulSet without status.
    pub fn stateful_set(metadata: ObjectMeta, spec: StatefulSetSpec) -> StatefulSet {
        StatefulSet { metadata, spec: Some(spec), status: None }
    }
    /// Its spec.
    pub fn stateful_set_spec(set: &StatefulSet) -> Option<&StatefulSetSpec> {
        set.spec.as_ref()
    }
    /// Takes its pod template out, and leaves an empty one.
    pub fn take_template(set: &mut StatefulSet) -> PodTemplateSpec {
        set.spec.as_mut().map(|spec| std::mem::take(&mut spec.template)).unwrap_or_default()
    }
    /// A ControllerRevision.
    pub fn controller_revision(metadata: ObjectMeta, data: serde_json::Value, revision: i64) -> ControllerRevision {
        ControllerRevision { metadata, data: Some(RawExtension(data)), revision }
    }
    /// Its number.
    pub fn revision_number(revision: &ControllerRevision) -> i64 {
        revision.revision
    }
    /// What it records.
    pub fn revision_data(revision: &ControllerRevision) -> Option<&serde_json::Value> {
        revision.data.as_ref().map(|data| &data.0)
    }
}
k8s_openapi::k8s_if_ge_1_37! {
    /// A StatefulSet without status.
    pub fn stateful_set(metadata: ObjectMeta, spec: StatefulSetSpec) -> StatefulSet {
        StatefulSet { metadata, spec, status: None }
    }
    /// Its spec.
    pub fn stateful_set_spec(set: &StatefulSet) -> Option<&StatefulSetSpec> {
        Some(&set.spec)
    }
    /// Takes its pod template out, and leaves an empty one.
    pub fn take_template(set: &mut StatefulSet) -> PodTemplateSpec {
        std::mem::take(&mut set.spec.template)
    }
    /// A ControllerRevision.
    pub fn controller_revision(metadata: ObjectMeta, data: serde_json::Value, revision: i64) -> ControllerRevision {
        ControllerRevision { metadata, data: RawExtension(data), revision: Some(revision) }
    }
    /// Its number.
    pub fn revision_number(revision: &ControllerRevision) -> i64 {
        revision.revision.unwrap_or_default()
    }
    /// What it records.
    pub fn revision_data(revision: &ControllerRevision) -> Option<&serde_json::Value> {
        Some(&revision.data.0)
    }
}

k8s_openapi::k8s_if_le_1_35! {
    /// The endpoints of a slice.
    pub fn endpoints(slice: &EndpointSlice) -> &[Endpoint] {
        &slice.endpoints
    }
}
k8s_openapi::k8s_if_ge_1_36! {
    /// The endpoints of a slice.
    pub fn endpoints(slice: &EndpointSlice) -> &[Endpoint] {
        slice.endpoints.as_deref().unwrap_or_default()
    }
}
