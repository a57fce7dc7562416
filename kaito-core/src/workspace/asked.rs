//! What is asked for by annotation. The revision of a Workspace counts what stands in its spec, as upstream; the set of pods carries the annotations that it was made from beside the revision's
//! number, so that a change of them rolls out too.

use super::view::View;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kaito_api::vocabulary::annotations;
use serde_json::{Map, Value, json};

/// Annotations that the pod template depends on.
const OF_PODS: [&str; 4] = [
    annotations::DISABLE_BENCHMARK,
    annotations::PERFORMANCE_MODE,
    annotations::RUNTIME,
    annotations::USE_LOCAL_WEIGHTS,
];

/// Those of them that the Workspace has, in JSON.
pub(super) fn by_annotation(view: &View<'_>) -> String {
    let set = OF_PODS.iter().filter_map(|key| Some(((*key).to_owned(), json!(view.annotation(key)?))));
    Value::Object(set.collect::<Map<String, Value>>()).to_string()
}

/// Whether a set of pods was made from the annotations that the Workspace has now. One that does not say is taken to be: an older operator made it, or it is of the user's own template.
pub(super) fn is_unchanged(view: &View<'_>, set: &ObjectMeta) -> bool {
    let made_from = set.annotations.as_ref().and_then(|all| all.get(annotations::ASKED_BY_ANNOTATION));
    made_from.is_none_or(|made_from| *made_from == by_annotation(view))
}
