//! What an older operator has made is taken over as it is: no pod of it is restarted, no training begins anew, nothing is numbered twice.
//!
//! - Revisions are recognised by what they record, where their hash is another: the older one hashed a pod template as its own types write it.
//! - A workload without a number is older than numbers. It is of the first request that is recorded, for only numbered ones were ever changed.
//! - A command in which nothing but the order of flags differs stays as it is: the older one wrote them in any order.
//!
//! Elsewhere: claims without slots (`claims.rs`), the owner's uid (`effect::is_controlled_by`), the fields that the older operator held (`take_over` in the writer of the kube adapter).

use super::draft::Revision;
use crate::compat;
use crate::manifest::shell_line;
use crate::units;
use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kaito_api::vocabulary::annotations;
use kaito_api::workspace::TuningMethod;
use serde_json::Value;

/// Whether a workload was made from this revision, or from one that is alike.
pub(super) fn is_of(workload: &ObjectMeta, revision: &Revision) -> bool {
    match workload.annotations.as_ref().and_then(|all| all.get(annotations::WORKSPACE_REVISION)) {
        Some(number) => {
            number.parse().is_ok_and(|number| number == revision.number || revision.alike.contains(&number))
        }
        None => revision.first,
    }
}

/// Whether a revision records a request of which the same is made.
pub(super) fn is_alike(revision: &ControllerRevision, request: &Value) -> bool {
    compat::revision_data(revision).is_some_and(|recorded| work(recorded) == work(request))
}

/// What of a request nothing is made from.
const IDLE: [&str; 3] = ["/resource/preferredNodes", "/inference/preset/accessMode", "/tuning/preset/accessMode"];

/// A request without what nothing is made from, with a training's method in one spelling.
fn work(request: &Value) -> Value {
    let mut request = plain("", request);
    for (parent, field) in IDLE.iter().filter_map(|pointer| pointer.rsplit_once('/')) {
        request.pointer_mut(parent).and_then(Value::as_object_mut).and_then(|parent| parent.remove(field));
    }
    if let Some(method) = request.pointer_mut("/tuning/method")
        && let Some(known) = method.as_str().and_then(TuningMethod::parse)
    {
        *method = known.as_str().into();
    }
    request
}

/// Whether a revision records this request, however it is written.
pub(super) fn records(revision: &ControllerRevision, request: &Value) -> bool {
    compat::revision_data(revision).is_some_and(|recorded| plain("", recorded) == plain("", request))
}

/// Fields that are always written by types that cannot leave them out, and say nothing when they are empty. An empty `emptyDir` or `securityContext` is not among them.
const EMPTY: [&str; 9] = [
    "metadata",
    "resources",
    "presetOptions",
    "limits",
    "requests",
    "labels",
    "annotations",
    "nodeSelector",
    "matchLabels",
];
/// Fields below which every value is an amount.
const AMOUNTS: [&str; 2] = ["limits", "requests"];

/// What is said below a field, without what says nothing, and with amounts in one spelling.
fn plain(field: &str, value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let said = map.iter().map(|(key, value)| match value {
                Value::String(_) | Value::Number(_) if AMOUNTS.contains(&field) => (key.clone(), amount(value)),
                value => (key.clone(), plain(key, value)),
            });
            Value::Object(said.filter(|(key, value)| !says_nothing(key, value)).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(|item| plain("", item)).collect()),
        value => value.clone(),
    }
}

fn says_nothing(field: &str, value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty() && EMPTY.contains(&field),
        _ => false,
    }
}

/// An amount in thousandths; as it is, where it is none.
fn amount(value: &Value) -> Value {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    units::parse_quantity(&text).map_or_else(|| value.clone(), |thousandths| Value::String(thousandths.to_string()))
}

/// Leaves the commands of a running set as they are, where they do what is wanted.
pub(super) fn keep_commands(wanted: &mut Value, running: &Value) {
    for containers in ["/spec/template/spec/containers", "/spec/template/spec/initContainers"] {
        let there: &[Value] = running.pointer(containers).and_then(Value::as_array).map_or(&[], Vec::as_slice);
        for container in wanted.pointer_mut(containers).and_then(Value::as_array_mut).into_iter().flatten() {
            let Some(twin) = there.iter().find(|twin| twin["name"] == container["name"]) else { continue };
            if let Some(command) = container.get_mut("command").filter(|command| is_same(command, &twin["command"])) {
                *command = twin["command"].clone();
            }
        }
    }
}

fn is_same(a: &Value, b: &Value) -> bool {
    let (Some(a), Some(b)) = (a.as_array(), b.as_array()) else { return false };
    let lines =
        |(a, b): (&Value, &Value)| matches!((a.as_str(), b.as_str()), (Some(a), Some(b)) if shell_line::is_same(a, b));
    a.len() == b.len() && a.iter().zip(b).all(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_request_is_the_same_however_it_is_written_and_another_one_is_not() {
        let spec = |container: Value| json!({"inference": {"template": {"spec": {"containers": [container]}}}, "tuning": null});
        let written = spec(json!({"name": "a", "resources": {"limits": {"nvidia.com/gpu": 1, "memory": "1024Mi"}}}));
        let table = [
            (json!({"name": "a", "resources": {"limits": {"nvidia.com/gpu": "1", "memory": "1Gi"}}, "env": []}), true),
            (json!({"name": "a", "resources": {"limits": {"nvidia.com/gpu": "2", "memory": "1Gi"}}}), false),
            (json!({"name": "a", "resources": {"limits": {"nvidia.com/gpu": "1"}}}), false),
            (
                json!({"name": "a", "resources": {"limits": {"nvidia.com/gpu": 1, "memory": "1Gi"}}, "securityContext": {}}),
                false,
            ),
        ];
        for (container, same) in table {
            let mut recorded = spec(container.clone());
            recorded["inference"]["template"]["metadata"] = json!({"creationTimestamp": null});
            let revision = compat::controller_revision(ObjectMeta::default(), recorded, 1);
            assert_eq!(records(&revision, &written), same, "{container}");
        }
    }

    #[test]
    fn the_same_is_made_of_requests_that_differ_in_what_nothing_is_made_from() {
        let request = |method: &str, nodes: Value, size: &str| json!({"inference": null, "resource": {"instanceType": size, "preferredNodes": nodes}, "tuning": {"method": method, "preset": {"name": "phi", "accessMode": "public"}}});
        let recorded = compat::controller_revision(ObjectMeta::default(), request("lora", json!(["a"]), "s"), 1);
        let mut bare = request("LoRA", json!([]), "s");
        bare["tuning"]["preset"] = json!({"name": "phi"});
        let table =
            [(bare, true), (request("qlora", json!(["a"]), "s"), false), (request("lora", json!(["a"]), "t"), false)];
        for (asked, same) in table {
            assert_eq!((is_alike(&recorded, &asked), records(&recorded, &asked)), (same, false), "{asked}");
        }
        let revision = Revision { hash: String::new(), number: 3, alike: vec![1], first: true, recorded: None };
        let made_from = |number: &str| ObjectMeta {
            annotations: Some([(annotations::WORKSPACE_REVISION.to_owned(), number.to_owned())].into()),
            ..ObjectMeta::default()
        };
        assert_eq!(["1", "2", "3"].map(|number| is_of(&made_from(number), &revision)), [true, false, true]);
    }

    #[test]
    fn a_command_stays_as_it_is_while_it_does_what_is_wanted() {
        let set = |line: &str| json!({"spec": {"template": {"spec": {"containers": [{"name": "a", "command": ["/bin/sh", "-c", line]}]}}}});
        let kept = |wanted: &str, running: &str| {
            let mut wanted = set(wanted);
            keep_commands(&mut wanted, &set(running));
            wanted["spec"]["template"]["spec"]["containers"][0]["command"][2].as_str().unwrap().to_owned()
        };
        assert_eq!(kept("run --a=1 --b", "run --b --a=1"), "run --b --a=1");
        assert_eq!(kept("run --a=2 --b", "run --b --a=1"), "run --a=2 --b");
    }
}
