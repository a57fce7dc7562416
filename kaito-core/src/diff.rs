//! Whether an observed object already is as desired.
//!
//! Only the fields that we set are compared: the API server adds defaults, other controllers add fields, and neither is a reason to write.

use crate::units;
use serde_json::Value;

/// The path of the first desired field that the observed object does not have as desired; `None` when nothing needs to be written.
pub fn first_difference(desired: &Value, observed: &Value) -> Option<String> {
    let mut path = Vec::new();
    difference(desired, observed, &mut path).then(|| path.iter().rev().cloned().collect::<Vec<_>>().join("."))
}

/// Walks down; on a difference, the path is filled from the leaf up.
fn difference(desired: &Value, observed: &Value, path: &mut Vec<String>) -> bool {
    match (desired, observed) {
        (Value::Object(wanted), Value::Object(there)) => wanted.iter().any(|(key, value)| {
            let differs = match there.get(key) {
                Some(found) => difference(value, found, path),
                None => !is_empty(value),
            };
            if differs {
                path.push(key.clone());
            }
            differs
        }),
        (Value::Array(wanted), Value::Array(there)) if wanted.iter().all(|item| name_of(item).is_some()) => {
            wanted.iter().any(|item| {
                let found = there.iter().find(|other| name_of(other) == name_of(item));
                let differs = found.is_none_or(|found| difference(item, found, path));
                if differs {
                    path.push(name_of(item).unwrap_or_default().to_owned());
                }
                differs
            })
        }
        (Value::Array(wanted), Value::Array(there)) => {
            wanted.len() != there.len() || wanted.iter().zip(there).any(|(value, found)| difference(value, found, path))
        }
        (Value::String(wanted), Value::String(there)) => wanted != there && !same_quantity(wanted, there),
        (wanted, there) => wanted != there,
    }
}

/// Lists of named things (containers, volumes, variables, ports) are maps by name to the API server; others may add to them.
fn name_of(item: &Value) -> Option<&str> {
    item.get("name").and_then(Value::as_str)
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.values().all(is_empty),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// `1024Gi` and `1Ti` are one amount: the API server stores the canonical form.
fn same_quantity(a: &str, b: &str) -> bool {
    matches!((units::parse_quantity(a), units::parse_quantity(b)), (Some(a), Some(b)) if a == b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn defaults_and_additions_of_others_are_no_difference() {
        let desired = json!({"spec": {"ports": [{"name": "http", "port": 80}], "storage": "1024Gi", "emptyDir": {}}});
        let observed = json!({"spec": {"ports": [{"name": "x"}, {"name": "http", "port": 80, "protocol": "TCP"}], "storage": "1Ti", "type": "ClusterIP"}});
        assert_eq!(first_difference(&desired, &observed), None);
    }

    #[test]
    fn a_difference_is_named_by_its_path() {
        let desired = json!({"spec": {"containers": [{"name": "main", "image": "b"}], "list": [1, 2]}});
        let image = json!({"spec": {"containers": [{"name": "main", "image": "a"}], "list": [1, 2]}});
        assert_eq!(first_difference(&desired, &image).as_deref(), Some("spec.containers.main.image"));
        let list = json!({"spec": {"containers": [{"name": "main", "image": "b"}], "list": [1]}});
        assert_eq!(first_difference(&desired, &list).as_deref(), Some("spec.list"));
    }
}
