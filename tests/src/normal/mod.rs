//! Objects in a form in which two clusters can be compared: without what an API server adds, commands as sets of flags, names without uids.

mod defaults;

use kaito_api::vocabulary::labels;
use kaito_core::manifest::shell_line;
use kaito_core::render;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Objects by kind and name, in normal form. NodeClaims are numbered by Workspace and slot, for their names are made of uids.
///
/// # Panics
/// When two have the same kind and name.
pub fn by_name(mut objects: Vec<Value>) -> BTreeMap<String, Value> {
    objects.sort_by_cached_key(|object| {
        let label = |key: &str| object["metadata"]["labels"][key].as_str().unwrap_or_default().to_owned();
        (label(labels::WORKSPACE), label(labels::NODE_SLOT).parse::<u32>().ok())
    });
    let mut claims = 0;
    let mut named = BTreeMap::new();
    for object in objects {
        let kind = object["kind"].as_str().unwrap_or_default().to_owned();
        let mut object = normal(&kind, &render::canonical(&object));
        if kind == "NodeClaim" {
            claims += 1;
            object["metadata"]["name"] = json!(format!("NODECLAIM-{claims}"));
        }
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let twin = named.insert(format!("{kind} {name}"), object);
        assert!(twin.is_none(), "two of the name {kind} {name}");
    }
    named
}

/// An object, or what stands in it at this path, in normal form.
fn normal(path: &str, value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let said = map.iter().filter(|(field, value)| !value.is_null() && !defaults::is_default(path, map, field));
            let kept = said.map(|(field, value)| {
                let path = format!("{path}.{field}");
                let value = match value {
                    Value::Array(words) if path.ends_with("ontainers.command") => command(words),
                    Value::Array(all) if path.ends_with(".requirements") => {
                        by_key(all).unwrap_or_else(|| value.clone())
                    }
                    Value::String(text) if path.ends_with(".requests.storage") => json!(quantity(text)),
                    _ => normal(&path, value),
                };
                (field.clone(), value)
            });
            Value::Object(kept.collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(|item| normal(path, item)).collect()),
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

/// What is required of a machine, by what it is required of: the order says nothing. `None` where two say something of the same.
fn by_key(requirements: &[Value]) -> Option<Value> {
    let mut named = serde_json::Map::new();
    for requirement in requirements {
        let key = requirement["key"].as_str()?.to_owned();
        let twin = named.insert(key, json!({"operator": requirement["operator"], "values": requirement["values"]}));
        twin.is_none().then_some(())?;
    }
    Some(Value::Object(named))
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
