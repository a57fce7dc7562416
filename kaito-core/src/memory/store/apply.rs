//! What an apply changes: objects are merged, lists of named things by name, and what was applied before and is not any more goes.

use serde_json::Value;

/// What items of a list are told apart by.
fn name_of(item: &Value) -> Option<&str> {
    item.get("name").and_then(Value::as_str)
}

/// Lays what is applied over an object. Lists without names are replaced.
pub(super) fn merge(from: &Value, into: &mut Value) {
    match (from, into) {
        (Value::Object(from), Value::Object(into)) => {
            for (key, value) in from {
                merge(value, into.entry(key.clone()).or_insert(Value::Null));
            }
        }
        (Value::Array(from), Value::Array(into))
            if !from.is_empty() && from.iter().all(|item| name_of(item).is_some()) =>
        {
            // In the order in which they are applied, as the API server keeps them; what others have added comes after.
            let mut there = std::mem::take(into);
            for item in from {
                let found = there.iter().position(|other| name_of(other) == name_of(item));
                let mut merged = found.map_or(Value::Null, |at| there.remove(at));
                merge(item, &mut merged);
                into.push(merged);
            }
            into.append(&mut there);
        }
        (from, into) => *into = from.clone(),
    }
}

/// Takes away what the last apply set and this one does not.
pub(super) fn remove_dropped(last: &Value, next: &Value, object: &mut Value) {
    match (last, next, object) {
        (Value::Object(last), Value::Object(next), Value::Object(object)) => {
            for (key, value) in last {
                match (next.get(key), object.get_mut(key)) {
                    (None, Some(_)) => drop(object.remove(key)),
                    (Some(next), Some(there)) => remove_dropped(value, next, there),
                    (_, None) => {}
                }
            }
        }
        (Value::Array(last), Value::Array(next), Value::Array(object))
            if last.iter().all(|item| name_of(item).is_some()) =>
        {
            let dropped = |item: &Value| {
                last.iter().any(|was| name_of(was) == name_of(item))
                    && !next.iter().any(|is| name_of(is) == name_of(item))
            };
            object.retain(|item| !dropped(item));
            for item in last {
                let (is, there) = (
                    next.iter().find(|is| name_of(is) == name_of(item)),
                    object.iter_mut().find(|there| name_of(there) == name_of(item)),
                );
                if let (Some(is), Some(there)) = (is, there) {
                    remove_dropped(item, is, there);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_applied_is_laid_over_what_is_there() {
        let named = |names: &[&str]| -> Value { names.iter().map(|name| json!({"name": name})).collect() };
        let table = [
            ("another field stays", json!({"a": 1}), json!({"b": 2}), json!({"a": 1, "b": 2})),
            (
                "a value is replaced by one of another type",
                json!({"a": {"b": 1}}),
                json!({"a": "x"}),
                json!({"a": {"b": 1}}),
            ),
            (
                "what is below is merged",
                json!({"a": {"b": 1}}),
                json!({"a": {"b": 0, "c": 2}}),
                json!({"a": {"b": 1, "c": 2}}),
            ),
            ("a list without names is replaced", json!({"a": [1]}), json!({"a": [2, 3]}), json!({"a": [1]})),
            ("an empty list empties a list", json!({"a": []}), json!({"a": [{"name": "x"}]}), json!({"a": []})),
            (
                "named things are merged by name",
                json!({"a": [{"name": "x", "p": 1}]}),
                json!({"a": [{"name": "x", "p": 0, "q": 2}]}),
                json!({"a": [{"name": "x", "p": 1, "q": 2}]}),
            ),
            (
                "in the order in which they are applied, and those of others come after",
                json!({"a": named(&["z", "x"])}),
                json!({"a": named(&["theirs", "x", "z"])}),
                json!({"a": named(&["z", "x", "theirs"])}),
            ),
        ];
        for (what, from, mut into, wanted) in table {
            merge(&from, &mut into);
            assert_eq!(into, wanted, "{what}");
        }
    }

    #[test]
    fn what_was_applied_and_is_not_any_more_goes_and_nothing_else() {
        let table = [
            ("a field", json!({"a": 1}), json!({}), json!({"a": 1, "theirs": 2}), json!({"theirs": 2})),
            (
                "a field below",
                json!({"a": {"b": 1}}),
                json!({"a": {}}),
                json!({"a": {"b": 1, "c": 2}}),
                json!({"a": {"c": 2}}),
            ),
            ("what somebody has changed meanwhile goes too", json!({"a": 1}), json!({}), json!({"a": 7}), json!({})),
            ("what is not there any more is no trouble", json!({"a": 1}), json!({}), json!({}), json!({})),
            ("what is still applied stays", json!({"a": 1}), json!({"a": 2}), json!({"a": 1}), json!({"a": 1})),
            ("nothing was applied before", Value::Null, json!({}), json!({"a": 1}), json!({"a": 1})),
            (
                "a named thing",
                json!({"a": [{"name": "x"}, {"name": "y"}]}),
                json!({"a": [{"name": "y"}]}),
                json!({"a": [{"name": "x"}, {"name": "y"}, {"name": "theirs"}]}),
                json!({"a": [{"name": "y"}, {"name": "theirs"}]}),
            ),
            (
                "a field of a named thing",
                json!({"a": [{"name": "x", "p": 1}]}),
                json!({"a": [{"name": "x"}]}),
                json!({"a": [{"name": "x", "p": 1, "theirs": 2}]}),
                json!({"a": [{"name": "x", "theirs": 2}]}),
            ),
        ];
        for (what, last, next, mut object, wanted) in table {
            remove_dropped(&last, &next, &mut object);
            assert_eq!(object, wanted, "{what}");
        }
    }
}
