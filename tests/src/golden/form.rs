//! Objects of a case in a form in which ours and the reference's can be compared: what is each one's own, and means nothing, is left out.

use super::Step;
use crate::normal;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Kinds that the controllers make.
const MADE: [&str; 6] = ["ConfigMap", "ControllerRevision", "Job", "NodeClaim", "Service", "StatefulSet"];

/// What the reference had made when a step was at rest.
pub fn theirs(step: &Step, namespace: &str) -> BTreeMap<String, Value> {
    let all = step.golden["objects"].as_array().into_iter().flatten().cloned();
    ours(all.map(|object| named(object, namespace)).collect())
}

/// Objects of ours by kind and name: YAML in ConfigMaps as what it says, commands as sets of flags, scripts as what they are told.
pub fn ours(objects: Vec<Value>) -> BTreeMap<String, Value> {
    let made = objects.into_iter().filter(|object| MADE.iter().any(|kind| object["kind"] == *kind));
    let mut named = normal::by_name(made.map(normal::pullers_by_their_job).collect());
    named.values_mut().for_each(|object| {
        settings_as_they_say(object);
        scripts_as_they_are_told(object);
    });
    named.into_iter().map(|(name, object)| (revision_by_number(&object).unwrap_or(name), object)).collect()
}

/// A revision's name is made of a hash: told by its number, revisions of another hash are compared too.
fn revision_by_number(object: &Value) -> Option<String> {
    let of = object["metadata"]["labels"]["workspace.kaito.io/name"].as_str()?;
    (object["kind"] == "ControllerRevision").then(|| format!("ControllerRevision {of} number {}", object["revision"]))
}

/// With the namespace where a capture has a word for it.
pub(super) fn named(value: Value, namespace: &str) -> Value {
    match value {
        Value::String(text) if text == "NS" => json!(namespace),
        Value::String(text) => json!(text.replace(".NS.", &format!(".{namespace}."))),
        Value::Array(items) => items.into_iter().map(|item| named(item, namespace)).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, named(value, namespace))).collect(),
        other => other,
    }
}

fn settings_as_they_say(object: &mut Value) {
    if let Some(text) = object.pointer("/data/training_config.yaml").and_then(Value::as_str).map(str::to_owned) {
        object["data"]["training_config.yaml"] = serde_saphyr::from_str(&text).expect("settings are YAML");
    }
}

fn scripts_as_they_are_told(object: &mut Value) {
    if object["kind"] != "Job" {
        return;
    }
    let downloaders = object.pointer_mut("/spec/template/spec/initContainers").and_then(Value::as_array_mut);
    for container in downloaders.into_iter().flatten().filter(|container| container["name"] == "data-downloader") {
        container["command"] = json!("a script");
    }
    let containers = object.pointer_mut("/spec/template/spec/containers").and_then(Value::as_array_mut);
    for container in containers.into_iter().flatten() {
        if let Some(script) = container["args"][0].as_str().map(told) {
            container["args"] = json!(script);
        }
    }
}

/// The words `NAME='value'` of a script.
fn told(script: &str) -> BTreeSet<String> {
    let is_name = |c: char| c.is_ascii_uppercase() || c == '_';
    let words = script.split(|c: char| c.is_whitespace());
    words
        .filter(|word| word.split_once("='").is_some_and(|(name, _)| name.chars().all(is_name)))
        .map(str::to_owned)
        .collect()
}
