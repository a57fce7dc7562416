//! A training, from beginning to end.

use super::tuning::{self, Tuning};
use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kaito_api::FieldError;
use kaito_api::vocabulary::{annotations, labels};
use serde_json::Value;

/// The Job that tunes a model, in its wire form: the user's own volumes stand in it with every field that they were written with. It is made once and never changed.
///
/// # Errors
/// A volume source of the user's that is no map.
pub fn job(tuning: &Tuning<'_>) -> Result<Value, FieldError> {
    let metadata = ObjectMeta {
        name: Some(tuning.name.to_owned()),
        namespace: Some(tuning.namespace.to_owned()),
        labels: Some([(labels::WORKSPACE.to_owned(), tuning.name.to_owned())].into()),
        annotations: Some([(annotations::WORKSPACE_REVISION.to_owned(), tuning.revision.to_string())].into()),
        owner_references: Some(vec![tuning.owner.clone()]),
        ..ObjectMeta::default()
    };
    let spec = JobSpec { template: tuning::template(tuning), ..JobSpec::default() };
    let mut body = crate::kinds::Typed::into_object(Job { metadata, spec: Some(spec), status: None }).to_value();
    body["spec"]["template"]["spec"]["volumes"] = tuning::volumes(tuning)?.into();
    Ok(body)
}
