//! How many pods, and under which names.

use super::{Serving, headless_name, pod, weights};
use crate::compat;
use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetPersistentVolumeClaimRetentionPolicy, StatefulSetSpec};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};
use kaito_api::vocabulary::annotations;

/// The set of pods that serve a preset: one a machine, all started at once.
pub fn stateful_set(serving: &Serving<'_>) -> StatefulSet {
    around(serving, pod::template(serving))
}

/// The same around a pod template that is there already.
pub fn around(serving: &Serving<'_>, template: PodTemplateSpec) -> StatefulSet {
    let spec = StatefulSetSpec {
        replicas: i32::try_from(serving.layout.nodes).ok(),
        service_name: Some(headless_name(serving.name)),
        pod_management_policy: Some("Parallel".to_owned()),
        persistent_volume_claim_retention_policy: Some(StatefulSetPersistentVolumeClaimRetentionPolicy {
            when_scaled: Some("Retain".to_owned()),
            when_deleted: Some("Delete".to_owned()),
        }),
        selector: LabelSelector { match_labels: Some(serving.pod_labels.clone()), match_expressions: None },
        template,
        volume_claim_templates: weights::claims(serving),
        ..StatefulSetSpec::default()
    };
    let mut metadata = metadata(serving.name, serving.namespace, &serving.owner, serving.revision);
    let digest = serving.config.as_ref().and_then(|config| config.digest.clone());
    let digest = digest.map(|digest| (annotations::INFERENCE_CONFIG_DIGEST.to_owned(), digest));
    let asked = (annotations::ASKED_BY_ANNOTATION.to_owned(), serving.asked_by_annotation.clone());
    metadata.annotations.get_or_insert_default().extend(digest.into_iter().chain([asked]));
    compat::stateful_set(metadata, spec)
}

/// What a set is called, whose it is, and which revision of the Workspace its pods are made from.
pub(super) fn metadata(name: &str, namespace: &str, owner: &OwnerReference, revision: i64) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(namespace.to_owned()),
        annotations: Some([(annotations::WORKSPACE_REVISION.to_owned(), revision.to_string())].into()),
        owner_references: Some(vec![owner.clone()]),
        ..ObjectMeta::default()
    }
}
