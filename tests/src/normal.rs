//! Objects in a form in which two clusters can be compared: without what an API server adds, commands as sets of flags, names without uids.

use kaito_core::manifest::shell_line;
use kaito_core::render;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What the API server fills in: field, and the value that counts as "not said". `null` stands for any value.
const DEFAULTS: &[(&str, Value)] = &[
    ("dnsPolicy", Value::Null),
    ("schedulerName", Value::Null),
    ("terminationMessagePath", Value::Null),
    ("terminationMessagePolicy", Value::Null),
    ("imagePullPolicy", Value::Null),
    ("restartPolicy", Value::Null),
    ("successThreshold", Value::Null),
    ("scheme", Value::Null),
    ("protocol", Value::Null),
    ("defaultMode", Value::Null),
    ("updateStrategy", Value::Null),
    ("revisionHistoryLimit", Value::Null),
    ("sessionAffinity", Value::Null),
    ("ipFamilies", Value::Null),
    ("ipFamilyPolicy", Value::Null),
    ("internalTrafficPolicy", Value::Null),
    ("clusterIPs", Value::Null),
    ("volumeMode", Value::Null),
    ("finalizers", Value::Null),
    ("allocateLoadBalancerNodePorts", Value::Null),
    ("externalTrafficPolicy", Value::Null),
    ("podReplacementPolicy", Value::Null),
    ("batch.kubernetes.io/controller-uid", Value::Null),
    ("batch.kubernetes.io/job-name", Value::Null),
    ("controller-uid", Value::Null),
    ("job-name", Value::Null),
];

/// Defaults that are said by their value: left out only when it is this one.
fn is_default(field: &str, value: &Value) -> bool {
    let any = DEFAULTS.iter().any(|(name, _)| *name == field);
    any || match field {
        // Given by the API server, unless there is none on purpose.
        "clusterIP" => *value != json!("None"),
        "nodePort" => true,
        "creationTimestamp" => true,
        "securityContext" | "resources" => *value == json!({}),
        "terminationGracePeriodSeconds" => *value == json!(30),
        "timeoutSeconds" => *value == json!(1),
        "failureThreshold" => *value == json!(3),
        "initialDelaySeconds" => *value == json!(0),
        "status" | "apiVersion" => true,
        "serviceName" => *value == json!(""),
        "podManagementPolicy" => *value == json!("OrderedReady"),
        "persistentVolumeClaimRetentionPolicy" => *value == json!({"whenDeleted": "Retain", "whenScaled": "Retain"}),
        // A headless Service is a ClusterIP Service without an address; a path of a host is not checked.
        "type" => *value == json!("ClusterIP") || *value == json!(""),
        // What the API server says of a Job that says nothing.
        "parallelism" | "completions" => *value == json!(1),
        "backoffLimit" => *value == json!(6),
        "completionMode" => *value == json!("NonIndexed"),
        "suspend" | "manualSelector" => *value == json!(false),
        "selector" => value.pointer("/matchLabels/batch.kubernetes.io~1controller-uid").is_some(),
        _ => false,
    }
}

/// Objects by kind and name, in normal form. NodeClaims are numbered, for their names are made of uids.
pub fn by_name(objects: Vec<Value>) -> BTreeMap<String, Value> {
    let mut claims = 0;
    let mut named = BTreeMap::new();
    for object in objects {
        let mut object = normal(&render::canonical(&object));
        let kind = object["kind"].as_str().unwrap_or_default().to_owned();
        if kind == "NodeClaim" {
            claims += 1;
            object["metadata"]["name"] = json!(format!("NODECLAIM-{claims}"));
        }
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        named.insert(format!("{kind} {name}"), object);
    }
    named
}

/// One value in normal form.
pub fn normal(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.iter().filter(|(field, value)| !value.is_null() && !is_default(field, value)).map(
                |(field, value)| {
                    let value = match (field.as_str(), value) {
                        ("command", Value::Array(words)) => command(words),
                        ("storage", Value::String(text)) => json!(quantity(text)),
                        _ => normal(value),
                    };
                    (field.clone(), value)
                },
            );
            Value::Object(kept.collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(normal).collect()),
        other => other.clone(),
    }
}

fn quantity(text: &str) -> String {
    kaito_core::units::parse_quantity(text)
        .map_or_else(|| text.to_owned(), |thousandths| (thousandths / 1000).to_string())
}

fn command(words: &[Value]) -> Value {
    Value::Array(words.iter().map(|word| json!(shell_line::words(word.as_str().unwrap_or_default()))).collect())
}

/// A place where two values differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The fields that lead there, each behind a dot; empty where the values differ as a whole.
    pub path: String,
    /// What stands on either side.
    pub what: String,
}

/// Every place where two values differ.
pub fn places(ours: &Value, theirs: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    walk(ours, theirs, String::new(), &mut found);
    found
}

fn walk(ours: &Value, theirs: &Value, path: String, found: &mut Vec<Difference>) {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
                let side = |side: &serde_json::Map<String, Value>| side.get(key).cloned().unwrap_or_default();
                walk(&side(a), &side(b), format!("{path}.{key}"), found);
            }
        }
        (a, b) if a == b => {}
        (a, b) => match (named(a), named(b)) {
            // Containers, volumes and the like: each with its own name, in an order.
            (Some((a, order)), Some((b, other))) if order == other => walk(&a, &b, path, found),
            _ => found.push(Difference { path, what: format!("ours {a}, theirs {b}") }),
        },
    }
}

/// A list of named things as a map, with the order of the names.
fn named(list: &Value) -> Option<(Value, Vec<&str>)> {
    let items = list.as_array().filter(|items| !items.is_empty())?;
    let names: Vec<&str> = items.iter().map(|item| item["name"].as_str()).collect::<Option<_>>()?;
    let map: serde_json::Map<String, Value> =
        names.iter().map(|name| (*name).to_owned()).zip(items.iter().cloned()).collect();
    (map.len() == items.len()).then_some((Value::Object(map), names))
}

/// Every place where two objects of this kind and name differ, in words.
pub fn differences(ours: &Value, theirs: &Value, key: &str, found: &mut Vec<String>) {
    let kind = key.split(' ').next().unwrap_or(key);
    found.extend(places(ours, theirs).into_iter().map(|Difference { path, what }| {
        let object = if path.is_empty() { key } else { kind };
        format!("{object}{path}: {what}")
    }));
}

/// The script of a puller is each one's own; what it pulls, and where to, is not: the arguments of those become these two.
pub fn pullers_by_their_job(mut object: Value) -> Value {
    let containers = object.pointer_mut("/spec/template/spec/initContainers").and_then(Value::as_array_mut);
    for container in containers.into_iter().flatten() {
        let Some(args) = container["args"].as_array() else { continue };
        let text = |index: usize| args.get(index).and_then(Value::as_str).unwrap_or_default().to_owned();
        let quoted = |name: &str| {
            let script = text(0);
            let value = script.split_once(&format!("{name}='")).and_then(|(_, rest)| rest.split_once('\''));
            value.map(|(value, _)| value.to_owned())
        };
        let image = quoted("IMG_REF").unwrap_or_else(|| text(2));
        let target = quoted("VOL_DIR").unwrap_or_else(|| text(3));
        container["args"] = json!([image, target]);
    }
    object
}
