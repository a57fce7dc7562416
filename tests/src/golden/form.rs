//! Objects of a case in a form in which ours and the reference's can be compared: what is each one's own, and means nothing, is left out.

use super::Step;
use crate::{made, normal};
use kaito_api::vocabulary::containers;
use kaito_core::Kind;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What the reference had made when a step was at rest.
pub fn theirs(step: &Step, namespace: &str) -> BTreeMap<String, Value> {
    let all = step.golden["objects"].as_array().into_iter().flatten().cloned();
    ours(all.map(|object| named(object, namespace)).collect())
}

/// Objects of ours by kind and name: YAML in ConfigMaps as what it says, commands as sets of flags, what a script is told beside the script.
pub fn ours(objects: Vec<Value>) -> BTreeMap<String, Value> {
    let mut made: Vec<Value> =
        objects.into_iter().filter(|object| made::kinds().any(|kind| object["kind"] == kind.name())).collect();
    made.retain(|object| object["metadata"]["ownerReferences"][0]["kind"] != Kind::NodePool.name());
    for object in &mut made {
        for list in ["/spec/template/spec/initContainers", "/spec/template/spec/containers"] {
            let found = object.pointer_mut(list).and_then(Value::as_array_mut);
            found.into_iter().flatten().for_each(script_beside_what_it_is_told);
        }
        settings_as_they_say(object);
    }
    let named = normal::by_name(made);
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
        // The name of a NodePool.
        Value::String(text) if text.starts_with("NS-") => json!(text.replacen("NS", namespace, 1)),
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

/// The arguments of the containers that run a script become an object: the script, which is each one's own, and what it is told.
fn script_beside_what_it_is_told(container: &mut Value) {
    let list = |field: &str| -> Vec<String> {
        let words = container[field].as_array().into_iter().flatten();
        words.map(|word| word.as_str().unwrap_or_default().to_owned()).collect()
    };
    let (mut command, args) = (list("command"), list("args"));
    let name = container["name"].as_str().unwrap_or_default();
    if name == containers::DATA_DOWNLOADER {
        let script = command.pop();
        (container["command"], container["args"]) = (json!(command), json!({"script": script}));
    } else if name == containers::PUSHER {
        container["args"] = json!({"script": args, "told": told(&args.concat())});
    } else if containers::is_puller(name) {
        let word = |name: &str, index: usize| assigned(&args[0], name).or_else(|| args.get(index).cloned());
        container["args"] = json!({"script": args[0], "image": word("IMG_REF", 2), "target": word("VOL_DIR", 3)});
    }
}

/// The value in `NAME='value'` of a script.
fn assigned(script: &str, name: &str) -> Option<String> {
    let (_, rest) = script.split_once(&format!("{name}='"))?;
    rest.split_once('\'').map(|(value, _)| value.to_owned())
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
