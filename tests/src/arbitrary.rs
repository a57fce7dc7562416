//! Clusters that nobody in his right mind would have: sound objects with strange values in strange places.

use crate::manifests;
use kaito_core::{Kind, ObjectKey, Seen};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The namespace of everything.
pub const NAMESPACE: &str = "default";
/// The name of the Workspace.
pub const NAME: &str = "odd";
/// Its uid.
pub const UID: &str = "11111111-1111-4111-8111-111111111111";

/// Some objects of every kind that a Workspace reads, each of them damaged in a few places.
pub fn cluster() -> impl Strategy<Value = Vec<Seen>> {
    let serving = [
        manifests::phi_3_mini(NAME),
        manifests::two_nodes(NAME),
        manifests::phi_4_mini(NAME),
        manifests::adapters(NAME),
        manifests::own_template(NAME),
    ];
    let root = select(serving.into_iter().chain([manifests::tuning(NAME)]).collect::<Vec<_>>());
    let root = (root, any::<bool>(), damage()).prop_map(|(mut root, deleting, damage)| {
        root["metadata"] =
            json!({"name": NAME, "namespace": NAMESPACE, "uid": UID, "resourceVersion": "7", "generation": 3});
        root["status"] = json!({
            "state": "Ready", "targetNodeCount": 1, "workerNodes": ["node-first"],
            "conditions": [{"type": "ResourceReady", "status": "True", "reason": "x", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
        });
        if deleting {
            root["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
            root["metadata"]["finalizers"] = json!(["workspace.finalizer.kaito.sh", "somebody.else/holds"]);
        }
        (Kind::Workspace, hurt(root, &damage))
    });
    let other = (select(others()), damage()).prop_map(|((kind, value), damage)| (kind, hurt(value, &damage)));
    (root, vec(other, 0..8)).prop_map(|(root, others)| {
        let all = std::iter::once(root).chain(others).map(|(kind, value)| Seen::decode(kind, value));
        // A cluster holds one object by each name.
        let by_key: BTreeMap<ObjectKey, Seen> = all.map(|seen| (seen.key(), seen)).collect();
        by_key.into_values().collect()
    })
}

/// Where to put what: an index into all places of an object, and a value.
pub fn damage() -> impl Strategy<Value = Vec<(Index, Value)>> {
    let odd = select(vec![
        json!(null),
        json!(-1),
        json!(0),
        json!(1_000_000),
        json!(9_223_372_036_854_775_807_i64),
        json!(""),
        json!("two"),
        json!("phi-3-mini-4k-instruct"),
        json!("Standard_NC6s_v3"),
        json!("falcon-7b"),
        json!("ü\u{0}'; rm -rf $(HOME)"),
        json!([]),
        json!({}),
        json!([{"name": null}]),
        json!({"name": {"name": []}}),
        json!(true),
        json!(UID),
        json!("2026-01-01T00:00:00Z"),
        json!("2025-12-31T23:59:59.75Z"),
        json!(1.234_567_890_123_456_7e-300),
    ]);
    vec((any::<Index>(), odd), 0..4)
}

/// The value with something odd in those places.
pub fn hurt(mut value: Value, damage: &[(Index, Value)]) -> Value {
    for (place, odd) in damage {
        let mut places = Vec::new();
        pointers(&value, String::new(), &mut places);
        let pointer = place.get(&places).clone();
        if let Some(there) = value.pointer_mut(&pointer) {
            *there = odd.clone();
        }
    }
    value
}

fn pointers(value: &Value, at: String, all: &mut Vec<String>) {
    let escape = |key: &str| key.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| pointers(value, format!("{at}/{}", escape(key)), all)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, value)| pointers(value, format!("{at}/{index}"), all));
        }
        _ => {}
    }
    if !at.is_empty() {
        all.push(at);
    }
}

fn others() -> Vec<(Kind, Value)> {
    let owner =
        json!([{"apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "name": NAME, "uid": UID, "controller": true}]);
    let machine = |name: &str, slot: &str, incarnation: &str, uid: &str| {
        json!({
            "metadata": {"name": name, "uid": format!("uid-{name}"), "resourceVersion": "9", "creationTimestamp": "2026-01-01T00:00:00Z", "labels": {
                "kaito.sh/workspace": NAME, "kaito.sh/workspacenamespace": NAMESPACE, "kaito.sh/workspace-uid": uid,
                "kaito.sh/node-slot": slot, "kaito.sh/node-incarnation": incarnation,
            }},
            "spec": {"requirements": []},
            "status": {"nodeName": format!("node-{name}"), "conditions": [{"type": "Ready", "status": "True"}, {"type": "Launched", "status": "False", "reason": "Quota", "message": "no cores left"}]},
        })
    };
    let node = |name: &str| {
        json!({
            "metadata": {"name": format!("node-{name}"), "uid": format!("uid-node-{name}"), "resourceVersion": "9", "labels": {"kaito.sh/workspace": NAME, "kaito.sh/workspacenamespace": NAMESPACE}},
            "status": {"allocatable": {"nvidia.com/gpu": "1"}, "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]},
        })
    };
    let mut dying = machine("dying", "0", "0", UID);
    dying["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    let mut legacy = machine("legacy", "0", "0", UID);
    for label in ["kaito.sh/workspace-uid", "kaito.sh/node-slot", "kaito.sh/node-incarnation"] {
        legacy["metadata"]["labels"].as_object_mut().unwrap().remove(label);
    }
    let child = |name: &str, owners: &Value| json!({"metadata": {"name": name, "namespace": NAMESPACE, "uid": format!("uid-{name}"), "resourceVersion": "9", "ownerReferences": owners}});
    let mut set = child(NAME, &owner);
    set["spec"] = json!({"replicas": 1, "serviceName": "odd-headless", "selector": {"matchLabels": {"kaito.sh/workspace": NAME}}, "template": {"spec": {"containers": []}}});
    set["status"] = json!({"replicas": 1, "readyReplicas": 1, "observedGeneration": 1});
    let mut job = child(NAME, &owner);
    job["metadata"]["annotations"] = json!({"workspace.kaito.io/revision": "4"});
    job["spec"] = json!({"template": {"spec": {"restartPolicy": "Never", "containers": []}}});
    job["status"] = json!({"failed": 7, "active": 1, "startTime": "2026-01-01T00:00:00Z", "conditions": [{"type": "Failed", "status": "True", "message": "gave up"}]});
    let mut settings = child("qlora-params-template-volta-turing", &json!([]));
    settings["data"] = json!({"training_config.yaml": "training_config: {QuantizationConfig: {load_in_4bit: true}, TrainingArguments: {output_dir: /mnt/x}, DataCollator: {mlm: true}}"});
    let mut secret = child("my-push-secret", &json!([]));
    secret["data"] = json!({".dockerconfigjson": "e30="});
    let status = |state: Value| json!({"name": "c", "image": "", "imageID": "", "ready": false, "restartCount": 1, "state": state, "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled", "message": "ü"}}});
    let mut pod = child(
        "odd-0",
        &json!([{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": NAME, "uid": "uid-odd", "controller": true}]),
    );
    pod["metadata"]["labels"] = json!({"kaito.sh/workspace": NAME});
    pod["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
    pod["spec"] =
        json!({"containers": [{"name": "c"}], "initContainers": [{"name": "puller-a", "args": ["IMG_REF='a"]}]});
    let said = json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}});
    pod["status"] = json!({
        "phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/0"}, {"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
        "containerStatuses": [status(said)],
    });
    let mut evicted = pod.clone();
    evicted["metadata"]["name"] = json!("odd-1");
    evicted["status"] = json!({"phase": "Failed", "reason": "Evicted", "message": "memory"});
    let mut slice = child("odd-slice", &json!([]));
    slice["metadata"]["labels"] = json!({"kubernetes.io/service-name": NAME});
    slice["addressType"] = json!("IPv4");
    slice["endpoints"] =
        json!([{"addresses": ["10.0.0.1"], "conditions": {"ready": true, "serving": false}}, {"addresses": []}]);
    let mut revision = child("odd-abcde", &owner);
    revision["metadata"]["labels"] = json!({"workspace.kaito.io/name": NAME});
    revision["revision"] = json!(4);
    revision["data"] = json!({});
    vec![
        (Kind::NodeClaim, machine("first", "0", "0", UID)),
        (Kind::NodeClaim, machine("second", "1", "0", UID)),
        (Kind::NodeClaim, machine("twin", "0", "1", UID)),
        (Kind::NodeClaim, machine("stranger", "0", "0", "somebody-else")),
        (Kind::NodeClaim, dying),
        (Kind::NodeClaim, legacy),
        (Kind::Node, node("first")),
        (Kind::Node, node("second")),
        (Kind::Service, child(NAME, &owner)),
        (Kind::Service, child("odd-headless", &json!([]))),
        (Kind::StatefulSet, set),
        (Kind::Job, job),
        (Kind::ConfigMap, settings),
        (Kind::Secret, secret),
        (Kind::Pod, pod),
        (Kind::Pod, evicted),
        (Kind::EndpointSlice, slice),
        (Kind::ControllerRevision, revision),
    ]
}
