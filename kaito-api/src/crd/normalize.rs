//! Brings a derived definition into the form of the published ones.
//!
//! What the derive adds and the published form has not: `nullable` on every optional field (an explicit null is refused, and never sent), titles,
//! and defaults of whole objects (the API server would store them). What it leaves out: `apiVersion`, `kind` and `metadata`, and `listKind`.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use serde_json::Value;

pub(super) fn crd(crd: &mut CustomResourceDefinition) {
    crd.spec.names.list_kind = Some(format!("{}List", crd.spec.names.kind));
    for version in &mut crd.spec.versions {
        if let Some(root) = version.schema.as_mut().and_then(|s| s.open_api_v3_schema.as_mut()) {
            schema(root);
            type_meta(root);
        }
    }
}

fn type_meta(root: &mut JSONSchemaProps) {
    let properties = root.properties.get_or_insert_default();
    let property = |type_: &str, description: Option<&str>| JSONSchemaProps {
        type_: Some(type_.to_owned()),
        description: description.map(str::to_owned),
        ..JSONSchemaProps::default()
    };
    let api_version = "Group and version in which this object is written, such as kaito.sh/v1beta1.";
    properties.insert("apiVersion".to_owned(), property("string", Some(api_version)));
    properties.insert("kind".to_owned(), property("string", Some("The kind of this object.")));
    properties.insert("metadata".to_owned(), property("object", None));
}

fn schema(props: &mut JSONSchemaProps) {
    props.nullable = None;
    props.title = None;
    if props.default.as_ref().is_some_and(|JSON(value)| says_nothing(value)) {
        props.default = None;
    }
    props.properties.iter_mut().flatten().for_each(|(_, below)| schema(below));
    match &mut props.items {
        Some(JSONSchemaPropsOrArray::Schema(below)) => schema(below),
        Some(JSONSchemaPropsOrArray::Schemas(all)) => all.iter_mut().for_each(schema),
        None => {}
    }
    if let Some(JSONSchemaPropsOrBool::Schema(below)) = &mut props.additional_properties {
        schema(below);
    }
}

/// Defaults that come from Rust (`#[serde(default)]`) and not from the API: empty ones and whole objects.
fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Array(_) | Value::Object(_) => true,
        Value::String(text) => text.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}
