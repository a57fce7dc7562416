//! The part of JSON Schema that our schemas use, so that no validator has to be built for a few files. A keyword that is not known here fails the test.

use serde_json::{Map, Value};

/// What is wrong with a value, by the place of each fault.
pub fn faults(schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for (keyword, rule) in schema.as_object().expect("a schema is an object") {
        match keyword.as_str() {
            "$schema" | "title" | "description" => {}
            "type" => {
                let types: Vec<&Value> = rule.as_array().map_or(vec![rule], |all| all.iter().collect());
                if !types.iter().any(|name| has_type(value, name.as_str().unwrap())) {
                    faults.push(format!("{at}: expected {rule}, found {value}"));
                }
            }
            "const" if rule == value => {}
            "enum" if rule.as_array().unwrap().contains(value) => {}
            "minimum" if value.as_i64() >= rule.as_i64() => {}
            "const" | "enum" | "minimum" => faults.push(format!("{at}: expected {keyword} {rule}, found {value}")),
            "properties" => {
                for (name, below) in fields(rule) {
                    if let Some(value) = value.get(name) {
                        faults.extend(self::faults(below, value, &format!("{at}/{name}")));
                    }
                }
                let unknown = fields(value).filter(|(name, _)| rule.get(*name).is_none() && at != "/objects");
                let closed = !at.starts_with("/objects/");
                faults.extend(unknown.filter(|_| closed).map(|(name, _)| format!("{at}/{name}: not in the schema")));
            }
            "required" if value.is_object() => {
                let absent = rule.as_array().unwrap().iter().filter(|name| value.get(name.as_str().unwrap()).is_none());
                faults.extend(absent.map(|name| format!("{at}: {name} is missing")));
            }
            "required" => {}
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    faults.extend(self::faults(rule, item, &format!("{at}/{index}")));
                }
            }
            // Objects are closed anyhow, see `properties`.
            "additionalProperties" if *rule == Value::Bool(false) => {}
            "additionalProperties" => {
                for (name, value) in fields(value).filter(|(name, _)| schema["properties"].get(name).is_none()) {
                    faults.extend(self::faults(rule, value, &format!("{at}/{name}")));
                }
            }
            "oneOf" => {
                let tried: Vec<Vec<String>> =
                    rule.as_array().unwrap().iter().map(|one| self::faults(one, value, at)).collect();
                if tried.iter().filter(|faults| faults.is_empty()).count() != 1 {
                    faults.extend(tried.into_iter().flatten());
                }
            }
            other => panic!("{at}: this test does not know the keyword {other}"),
        }
    }
    faults
}

fn fields(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

fn has_type(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("this test does not know the type {other}"),
    }
}
