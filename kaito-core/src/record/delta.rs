//! From one JSON value to another: a list of changes, in the order of the places.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

/// A value nests no deeper; what is read from a file is bounded by the same number, so that no list of changes builds what cannot be walked.
const MOST_LEVELS: usize = 128;

/// One change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Change {
    /// Where, as a JSON pointer. The place after the last item of a list adds one.
    pub at: String,
    /// What stands there now. Without it, the field is gone, or the list ends there.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub put: Option<Value>,
}

/// A null that stands there is not the same as nothing.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// What makes `new` of `old`; empty when they are the same, digit by digit.
pub(super) fn changes(old: &Value, new: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    compare(old, new, "", &mut found);
    found
}

fn compare(old: &Value, new: &Value, at: &str, found: &mut Vec<Change>) {
    match (old, new) {
        (Value::Object(before), Value::Object(after)) => {
            for key in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
                let at = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
                match (before.get(key), after.get(key)) {
                    (Some(old), Some(new)) => compare(old, new, &at, found),
                    (_, put) => found.push(Change { at, put: put.cloned() }),
                }
            }
        }
        (Value::Array(before), Value::Array(after)) => {
            for (index, (old, new)) in before.iter().zip(after).enumerate() {
                compare(old, new, &format!("{at}/{index}"), found);
            }
            for (index, put) in after.iter().enumerate().skip(before.len()) {
                found.push(Change { at: format!("{at}/{index}"), put: Some(put.clone()) });
            }
            if after.len() < before.len() {
                found.push(Change { at: format!("{at}/{}", after.len()), put: None });
            }
        }
        // Numbers are compared as they are written: 0 and -0 are one number, and two texts.
        (Value::Number(before), Value::Number(after)) if before.to_string() == after.to_string() => {}
        (Value::Number(_), Value::Number(_)) => found.push(Change { at: at.to_owned(), put: Some(new.clone()) }),
        _ if old == new => {}
        _ => found.push(Change { at: at.to_owned(), put: Some(new.clone()) }),
    }
}

/// Makes the changes. Fails where there is no such place; what is made until then is of no use.
pub(super) fn apply(value: &mut Value, changes: &[Change]) -> Result<(), String> {
    changes.iter().try_for_each(|change| apply_one(value, change))
}

fn apply_one(value: &mut Value, change: &Change) -> Result<(), String> {
    let nowhere = || format!("there is no place {:?}", change.at);
    let depth = change.at.matches('/').count() + change.put.as_ref().map_or(0, levels);
    if depth > MOST_LEVELS {
        return Err(format!("what is put at {:?} nests deeper than {MOST_LEVELS} levels", change.at));
    }
    let Some((parent, last)) = change.at.rsplit_once('/') else {
        let whole = change.put.clone().filter(|_| change.at.is_empty());
        *value = whole.ok_or_else(nowhere)?;
        return Ok(());
    };
    let key = last.replace("~1", "/").replace("~0", "~");
    match value.pointer_mut(parent).ok_or_else(nowhere)? {
        Value::Object(fields) => match &change.put {
            Some(put) => drop(fields.insert(key, put.clone())),
            None => drop(fields.remove(&key).ok_or_else(nowhere)?),
        },
        Value::Array(items) => {
            let index: usize = key.parse().map_err(|_| nowhere())?;
            match (&change.put, items.len()) {
                (Some(put), length) if index == length => items.push(put.clone()),
                (Some(put), length) if index < length => items[index] = put.clone(),
                (None, length) if index < length => items.truncate(index),
                _ => return Err(nowhere()),
            }
        }
        _ => return Err(nowhere()),
    }
    Ok(())
}

/// How deep a value nests; 0 for a bare one.
fn levels(value: &Value) -> usize {
    let below = match value {
        Value::Array(items) => items.iter().map(levels).max(),
        Value::Object(fields) => fields.values().map(levels).max(),
        _ => return 0,
    };
    1 + below.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn changes_lead_from_one_value_to_the_other() {
        let table = [
            (json!({"a": 1, "b/c~": [1, 2, 3]}), json!({"a": 1, "b/c~": [1, 9]}), &["/b~1c~0/1", "/b~1c~0/2"][..]),
            (json!([1]), json!([1, {"x": null}, 3]), &["/1", "/2"]),
            (json!({"gone": 1, "null": 1}), json!({"null": null}), &["/gone", "/null"]),
            (json!({"a": {"b": {}}}), json!({"a": {"b": []}}), &["/a/b"]),
            (json!({"": 1}), json!({"": 2}), &["/"]),
            (json!(1), json!("1"), &[""]),
            (json!(0.0), json!(-0.0), &[""]),
            (json!([null]), json!([null]), &[]),
        ];
        for (old, new, places) in table {
            let changes = changes(&old, &new);
            assert_eq!(changes.iter().map(|change| change.at.as_str()).collect::<Vec<_>>(), places, "{old} {new}");
            let read: Vec<Change> = serde_json::from_str(&serde_json::to_string(&changes).unwrap()).unwrap();
            let mut value = old;
            apply(&mut value, &read).unwrap();
            assert_eq!(value.to_string(), new.to_string());
        }
    }

    #[test]
    fn a_change_without_a_place_is_refused_and_so_is_a_tower() {
        let refused = |at: &str, put: Option<Value>| {
            apply(&mut json!({"a": [1], "b": 2}), &[Change { at: at.to_owned(), put }]).unwrap_err()
        };
        for at in ["/a/2", "/a/x", "/b/c", "/c/d", "a", "/a/-1"] {
            assert!(refused(at, Some(json!(1))).contains(at), "{at}");
        }
        assert!(refused("/c", None).contains("no place") && refused("", None).contains("no place"));
        let tower = |levels| (0..levels).fold(json!(1), |inner, _| json!([inner]));
        let mut value = json!({});
        assert!(apply(&mut value, &[Change { at: "/a".to_owned(), put: Some(tower(127)) }]).is_ok());
        let top = format!("/a{}", "/0".repeat(127));
        assert!(apply(&mut value, &[Change { at: top, put: Some(tower(2)) }]).unwrap_err().contains("deeper"));
    }
}
