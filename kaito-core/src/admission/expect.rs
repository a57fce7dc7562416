//! One value against one schema, without what is below it: its type, its limits, its words.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{JSON, JSONSchemaProps};
use kaito_api::FieldErrorKind;
use serde_json::Value;

/// A longer text is cut in a message.
const SHOWN: usize = 40;

/// In which way a value is not what its schema says, and what was expected.
pub(super) fn value(schema: &JSONSchemaProps, value: &Value) -> Result<(), (FieldErrorKind, String)> {
    if !has_type(schema, value) {
        return Err((FieldErrorKind::Type, mismatch(wanted(schema), value)));
    }
    let wrong = words(schema, value).or_else(|| limits(schema, value));
    wrong.map_or(Ok(()), |detail| Err((FieldErrorKind::Value, detail)))
}

/// `expected text, found the number 1; write it in quotes to make it text`.
pub(super) fn mismatch(wanted: &str, value: &Value) -> String {
    let hint = match value {
        Value::Bool(_) | Value::Number(_) if wanted == TEXT => "; write it in quotes to make it text",
        _ => "",
    };
    format!("expected {wanted}, found {}{hint}", found(value))
}

/// What people call text.
pub(super) const TEXT: &str = "text";
/// What people call a JSON object.
pub(super) const OBJECT: &str = "an object";

/// What a schema wants, in words.
pub(super) fn wanted(schema: &JSONSchemaProps) -> &'static str {
    match schema.type_.as_deref() {
        Some("string") => TEXT,
        Some("integer") => "a whole number",
        Some("number") => "a number",
        Some("boolean") => "true or false",
        Some("array") => "a list",
        Some("object") => OBJECT,
        _ if schema.x_kubernetes_int_or_string == Some(true) => "a whole number or text",
        _ => "a value",
    }
}

/// What a value is, in words, with as much of it as fits.
pub(super) fn found(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(yes) => format!("{yes}"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) if text.chars().count() > SHOWN => {
            format!("text {:?}…", text.chars().take(SHOWN).collect::<String>())
        }
        Value::String(text) => format!("text {text:?}"),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => OBJECT.to_owned(),
    }
}

fn has_type(schema: &JSONSchemaProps, value: &Value) -> bool {
    if value.is_null() {
        return schema.nullable == Some(true) || schema.type_.is_none();
    }
    let whole = || value.as_i64().is_some() || value.as_u64().is_some();
    match schema.type_.as_deref() {
        Some("string") => value.is_string(),
        Some("integer") => whole(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ if schema.x_kubernetes_int_or_string == Some(true) => whole() || value.is_string(),
        _ => true,
    }
}

fn words(schema: &JSONSchemaProps, value: &Value) -> Option<String> {
    let allowed = schema.enum_.as_deref().filter(|allowed| !allowed.iter().any(|JSON(one)| one == value))?;
    let plain = |JSON(one): &JSON| one.as_str().map_or_else(|| one.to_string(), str::to_owned);
    Some(format!(
        "expected one of {}, found {}",
        allowed.iter().map(plain).collect::<Vec<_>>().join(", "),
        found(value)
    ))
}

fn limits(schema: &JSONSchemaProps, value: &Value) -> Option<String> {
    let (least, most) = match schema.format.as_deref() {
        Some("int32") => (Some(f64::from(i32::MIN)), Some(f64::from(i32::MAX))),
        _ => (None, None),
    };
    let (least, most) = (schema.minimum.or(least), schema.maximum.or(most));
    let length = match value {
        Value::String(text) => Some((text.chars().count(), "letters", schema.min_length, schema.max_length)),
        Value::Array(items) => Some((items.len(), "elements", schema.min_items, schema.max_items)),
        _ => None,
    };
    if let Some((length, unit, fewest, most)) = length {
        let length = i64::try_from(length).unwrap_or(i64::MAX);
        return match (fewest, most) {
            (Some(fewest), _) if length < fewest => Some(format!("expected at least {fewest} {unit}, found {length}")),
            (_, Some(most)) if length > most => Some(format!("expected at most {most} {unit}, found {length}")),
            _ => None,
        };
    }
    let number = value.as_f64()?;
    match (least, most) {
        (Some(least), _) if number < least => Some(format!("expected at least {least}, found {value}")),
        (_, Some(most)) if number > most => Some(format!("expected at most {most}, found {value}")),
        _ => None,
    }
}
