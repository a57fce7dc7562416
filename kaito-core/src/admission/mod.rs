//! Whether an object is what it claims to be, and whether it could be served.
//!
//! [`read`] holds a Workspace to the schema of the version it is written in, as the API server does, and names the nearest known word where one is
//! not known. [`judge`] asks what the schema cannot: the rules of the object by itself, and whether model, size and runtime exist. [`review`] is both, with the older
//! object and the memory of the machines, as one [`Verdict`]; [`answer`] says it in the words of an admission webhook.
//! The command line and the webhook call the same functions; the controller judges again, late, through [`judge`].
//!
//! [`runtime_settings`] and [`training_settings`] judge a ConfigMap beside its Workspace, for whoever has both.
//!
//! Deliberately absent: anything that needs a cluster (which ConfigMaps and Secrets there are) but what a caller has looked up itself ([`Known`]), and what other kinds than Workspace mean.

mod beside; // the ConfigMap beside a Workspace, where both are there
mod expect; // one value against one schema, without what is below it
mod judge; // rules and look-ups, put together
mod known; // models and Nodes that are known beside the object
mod metadata; // what may stand in `metadata`
pub mod nearest; // the known word that was probably meant
mod rules; // rules that need more than the shape, as a table
mod schema; // a whole value against a whole schema
mod selector; // labels that a machine to be made can carry
mod verdict; // all of it, as a yes or a no
mod webhook; // AdmissionReview in, AdmissionReview out

pub use beside::{runtime_settings, training_settings};
pub(crate) use judge::retirement;
pub use judge::{Broken, Judgement, judge};
pub use known::Known;
pub use metadata::check as check_metadata;
pub use rules::{Case, Late, On, Place, RULES, Rule};
pub use verdict::{Verdict, review, review_with};
pub use webhook::{NotAReview, answer, answer_with};

use crate::settings::Settings;
use kaito_api::workspace::{self, Version};
use kaito_api::{FieldError, Workspace};
use serde_json::Value;

/// Everything that is wrong with the wire form of a Workspace, sorted by path; empty when it would be admitted.
///
/// ```
/// use kaito_core::{Settings, admission};
/// use serde_json::json;
///
/// let errors = admission::check(
///     &json!({
///         "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "metadata": {"name": "phi"},
///         "resource": {"instancetype": "Standard_NC6s_v3"}, "inference": {"preset": {"name": "phi-4"}},
///     }),
///     &Settings::default(),
/// );
/// assert_eq!(errors[0].to_string(), "resource.instancetype: no such field (did you mean instanceType?)");
/// ```
pub fn check(value: &Value, settings: &Settings) -> Vec<FieldError> {
    review(value, None, settings).errors
}

/// The Workspace that a value is, with the defaults of its version filled in, or everything in it that the schema does not allow.
///
/// A status is not looked at: the API server takes none from a manifest.
pub fn read(value: &Value) -> Result<(Version, Workspace), Vec<FieldError>> {
    let api_version = value.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    if let Some(version) = Version::from_api_version(api_version) {
        let mut errors = schema::errors(version, value);
        if let Some(found) = value.get("metadata") {
            errors.extend(metadata::check(found));
        }
        if !errors.is_empty() {
            errors.sort();
            errors.dedup();
            return Err(errors);
        }
    }
    let (version, mut workspace) = workspace::decode(value.clone()).map_err(|error| vec![error.field_error()])?;
    workspace::fill_defaults(version, &mut workspace);
    Ok((version, workspace))
}

#[cfg(test)]
mod tests;
