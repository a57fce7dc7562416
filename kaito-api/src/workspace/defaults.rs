//! What the API server would fill in.
//!
//! A manifest that never passed an API server lacks the defaults of the schema. They depend on the version it was written in.

use super::{AccessMode, Version, Workspace};

/// Default of `resource.count`, in nodes.
pub const DEFAULT_COUNT: i64 = 1;
/// Default of `accessMode` of a preset.
pub const DEFAULT_ACCESS_MODE: AccessMode = AccessMode::Public;
/// Default of `resource.instanceType` in v1alpha1; v1beta1 has none.
pub const DEFAULT_INSTANCE_TYPE_V1ALPHA1: &str = "Standard_NC24ads_A100_v4";

/// Fills in the defaults that the API server adds to an object written in `version`; doing it twice changes nothing.
///
/// An object without any `resource` stays without, because the schema has no default for the whole.
///
/// ```
/// use kaito_api::workspace::{self, fill_defaults};
/// use serde_json::json;
///
/// let (version, mut ws) = workspace::decode(json!({
///     "apiVersion": "kaito.sh/v1alpha1", "kind": "Workspace",
///     "resource": { "labelSelector": {} }
/// }))?;
/// fill_defaults(version, &mut ws);
/// assert_eq!(ws.resource().count, Some(1));
/// assert_eq!(ws.resource().instance_type, "Standard_NC24ads_A100_v4");
/// # Ok::<(), workspace::DecodeError>(())
/// ```
pub fn fill_defaults(version: Version, workspace: &mut Workspace) {
    let resource = &mut workspace.spec.resource;
    if !resource.is_empty() {
        resource.count.get_or_insert(DEFAULT_COUNT);
        if version == Version::V1alpha1 && resource.instance_type.is_empty() {
            resource.instance_type = DEFAULT_INSTANCE_TYPE_V1ALPHA1.to_owned();
        }
    }
    let served = workspace.spec.inference.as_mut().and_then(|i| i.preset.as_mut());
    let tuned = workspace.spec.tuning.as_mut().and_then(|t| t.preset.as_mut());
    for preset in served.into_iter().chain(tuned) {
        preset.access_mode.get_or_insert(DEFAULT_ACCESS_MODE);
    }
}
