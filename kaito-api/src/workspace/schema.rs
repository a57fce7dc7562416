//! Pieces of schema that the derive would get wrong: it knows no list types, and adds formats that the published definition does not have.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

/// A whole number of any size.
pub(super) fn integer(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer" })
}

/// A whole number from one.
pub(super) fn positive_integer(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "minimum": 1 })
}

/// A text.
pub(super) fn string(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string" })
}

/// Whose image it is.
pub(super) fn access_mode(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": super::AccessMode::KNOWN })
}

/// How GPUs are divided.
pub(super) fn partition_mode(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": super::PartitionMode::KNOWN })
}

/// JSON that is kept as it is.
pub(super) fn opaque(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "x-kubernetes-preserve-unknown-fields": true })
}

/// The label selector of Kubernetes.
pub(super) fn label_selector(_: &mut SchemaGenerator) -> Schema {
    let text = json!({ "type": "string" });
    json_schema!({
        "type": "object",
        "x-kubernetes-map-type": "atomic",
        "properties": {
            "matchLabels": {
                "description": "Labels that must all be there with these values.",
                "type": "object",
                "additionalProperties": text
            },
            "matchExpressions": {
                "description": "Statements about labels that must all hold. Only In with one value can be honoured here.",
                "type": "array",
                "x-kubernetes-list-type": "atomic",
                "items": {
                    "type": "object",
                    "required": ["key", "operator"],
                    "properties": {
                        "key": { "description": "The label spoken of.", "type": "string" },
                        "operator": { "description": "In, NotIn, Exists or DoesNotExist.", "type": "string" },
                        "values": {
                            "description": "The values spoken of.",
                            "type": "array",
                            "x-kubernetes-list-type": "atomic",
                            "items": { "type": "string" }
                        }
                    }
                }
            }
        }
    })
}

/// The conditions of Kubernetes.
pub(super) fn conditions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": condition() })
}

fn condition() -> Value {
    json!({
        "type": "object",
        "required": ["lastTransitionTime", "message", "reason", "status", "type"],
        "properties": {
            "lastTransitionTime": {
                "description": "When the status last changed.", "type": "string", "format": "date-time"
            },
            "message": { "description": "Why, in words.", "type": "string", "maxLength": 32768 },
            "observedGeneration": {
                "description": "The metadata.generation this speaks of.", "type": "integer", "format": "int64", "minimum": 0
            },
            "reason": {
                "description": "Why, in one word.", "type": "string", "minLength": 1, "maxLength": 1024,
                "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"
            },
            "status": {
                "description": "Whether it holds.", "type": "string", "enum": ["True", "False", "Unknown"]
            },
            "type": {
                "description": "What this speaks of.", "type": "string", "maxLength": 316,
                "pattern": "^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$"
            }
        }
    })
}
