//! The bytes whose hash names a revision.
//!
//! Clusters that were run by the Go operator carry hashes of Go's JSON; the same Workspace must give the same bytes here, or every workload would
//! roll on the day of the swap. So this file writes JSON as Go does: fields in the order of the structs, empty ones left out where Go leaves them out,
//! map keys sorted, and `<`, `>`, `&`, U+2028 and U+2029 escaped.
//!
//! Known difference: `template` and `volumeSource` are written as the user wrote them, with sorted keys. Go writes its typed structs there, in their
//! own order and with details such as `"creationTimestamp":null`, so the hash of a Workspace that uses them differs from Go's.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde_json::{Map, Number, Value};

use super::{
    AdapterSpec, DataDestination, DataSource, InferenceSpec, PartitionSpec, PresetOptions, PresetSpec, ResourceSpec,
    TuningSpec, Workspace,
};

/// Three JSON documents, `resource`, `inference` and `tuning`, each followed by a line feed; `null` for what is absent. The SHA-256 of this in
/// hexadecimal is the annotation [`crate::vocabulary::annotations::WORKSPACE_HASH`], and the first five digits end the revision's name.
///
/// `presetOptions` is always there, even when empty.
pub fn revision_bytes(workspace: &Workspace) -> Vec<u8> {
    let mut text = String::new();
    for document in documents(workspace) {
        document.write(&mut text);
        text.push('\n');
    }
    text.into_bytes()
}

/// The `data` of the ControllerRevision: an object with the keys `inference`, `resource` and `tuning`, with the same content as [`revision_bytes`].
pub fn revision_data(workspace: &Workspace) -> Value {
    let mut data = Map::new();
    let [resource, inference, tuning] = documents(workspace).map(Node::into_value);
    data.insert("inference".to_owned(), inference);
    data.insert("resource".to_owned(), resource);
    data.insert("tuning".to_owned(), tuning);
    Value::Object(data)
}

fn documents(workspace: &Workspace) -> [Node; 3] {
    [
        resource(workspace.resource()),
        workspace.inference().map_or(Node::Null, inference),
        workspace.tuning().map_or(Node::Null, tuning),
    ]
}

/// JSON whose fields keep the order in which they were added.
enum Node {
    Null,
    Bool(bool),
    Text(String),
    Number(Number),
    List(Vec<Node>),
    Fields(Vec<(String, Node)>),
}

impl Node {
    fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    fn texts(texts: &[String]) -> Self {
        Self::List(texts.iter().map(|t| Self::text(t)).collect())
    }

    /// Foreign JSON, keys sorted whatever map serde_json was built with.
    fn raw(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(truth) => Self::Bool(*truth),
            Value::Number(number) => Self::Number(number.clone()),
            Value::String(text) => Self::text(text),
            Value::Array(items) => Self::List(items.iter().map(Self::raw).collect()),
            Value::Object(fields) => {
                let sorted: BTreeMap<&String, &Value> = fields.iter().collect();
                Self::Fields(sorted.into_iter().map(|(key, value)| (key.clone(), Self::raw(value))).collect())
            }
        }
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
            Self::Text(text) => write_text(text, out),
            Self::Number(number) => out.push_str(&number.to_string()),
            Self::List(items) => {
                out.push('[');
                for (position, item) in items.iter().enumerate() {
                    if position > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Self::Fields(fields) => {
                out.push('{');
                for (position, (key, value)) in fields.iter().enumerate() {
                    if position > 0 {
                        out.push(',');
                    }
                    write_text(key, out);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }

    fn into_value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(truth) => Value::Bool(truth),
            Self::Text(text) => Value::String(text),
            Self::Number(number) => Value::Number(number),
            Self::List(items) => Value::Array(items.into_iter().map(Self::into_value).collect()),
            Self::Fields(fields) => Value::Object(fields.into_iter().map(|(k, v)| (k, v.into_value())).collect()),
        }
    }
}

/// As Go's encoder: safe inside HTML and JavaScript.
fn write_text(text: &str, out: &mut String) {
    for c in Value::from(text).to_string().chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => out.push(c),
        }
    }
}

/// Fields of a struct in Go's order.
#[derive(Default)]
struct Fields(Vec<(String, Node)>);

impl Fields {
    fn put(mut self, key: &str, value: Node) -> Self {
        self.0.push((key.to_owned(), value));
        self
    }

    fn put_some(self, key: &str, value: Option<Node>) -> Self {
        match value {
            Some(value) => self.put(key, value),
            None => self,
        }
    }

    fn put_text(self, key: &str, text: &str) -> Self {
        if text.is_empty() { self } else { self.put(key, Node::text(text)) }
    }

    fn put_texts(self, key: &str, texts: &[String]) -> Self {
        if texts.is_empty() { self } else { self.put(key, Node::texts(texts)) }
    }

    fn end(self) -> Node {
        Node::Fields(self.0)
    }
}

fn resource(r: &ResourceSpec) -> Node {
    Fields::default()
        .put_some("count", r.count.map(|count| Node::Number(count.into())))
        .put_text("instanceType", &r.instance_type)
        .put("labelSelector", r.label_selector.as_ref().map_or(Node::Null, label_selector))
        .put_texts("preferredNodes", &r.preferred_nodes)
        .put_some("partition", r.partition.as_ref().map(partition))
        .end()
}

fn partition(p: &PartitionSpec) -> Node {
    Fields::default()
        .put("mode", Node::text(p.mode.as_str()))
        .put_text("profile", &p.profile)
        .put_some("count", p.count.map(|count| Node::Number(count.into())))
        .end()
}

fn label_selector(s: &LabelSelector) -> Node {
    let labels = s.match_labels.as_ref().filter(|labels| !labels.is_empty());
    let labels = labels.map(|labels| Node::Fields(labels.iter().map(|(k, v)| (k.clone(), Node::text(v))).collect()));
    let expressions = s.match_expressions.as_ref().filter(|expressions| !expressions.is_empty());
    let expressions = expressions.map(|expressions| {
        Node::List(
            expressions
                .iter()
                .map(|e| {
                    Fields::default()
                        .put("key", Node::text(&e.key))
                        .put("operator", Node::text(&e.operator))
                        .put_texts("values", e.values.as_deref().unwrap_or_default())
                        .end()
                })
                .collect(),
        )
    });
    Fields::default().put_some("matchLabels", labels).put_some("matchExpressions", expressions).end()
}

fn inference(i: &InferenceSpec) -> Node {
    let adapters =
        if i.adapters.is_empty() { None } else { Some(Node::List(i.adapters.iter().map(adapter).collect())) };
    Fields::default()
        .put_some("preset", i.preset.as_ref().map(preset))
        .put_some("template", i.template.as_ref().map(|t| Node::raw(&t.0)))
        .put_text("config", &i.config)
        .put_some("adapters", adapters)
        .end()
}

fn preset(p: &PresetSpec) -> Node {
    Fields::default()
        .put("name", Node::text(&p.name))
        .put_some("accessMode", p.access_mode.as_ref().map(|mode| Node::text(mode.as_str())))
        .put("presetOptions", preset_options(&p.preset_options))
        .end()
}

fn preset_options(o: &PresetOptions) -> Node {
    Fields::default()
        .put_text("image", &o.image)
        .put_texts("imagePullSecrets", &o.image_pull_secrets)
        .put_text("modelAccessSecret", &o.model_access_secret)
        .end()
}

fn adapter(a: &AdapterSpec) -> Node {
    Fields::default()
        .put_some("source", a.source.as_ref().map(source))
        .put_some("strength", a.strength.as_deref().map(Node::text))
        .end()
}

fn source(s: &DataSource) -> Node {
    Fields::default()
        .put_text("name", &s.name)
        .put_texts("urls", &s.urls)
        .put_some("volumeSource", s.volume_source.as_ref().map(|v| Node::raw(&v.0)))
        .put_text("image", &s.image)
        .put_texts("imagePullSecrets", &s.image_pull_secrets)
        .end()
}

fn destination(d: &DataDestination) -> Node {
    Fields::default()
        .put_some("volumeSource", d.volume_source.as_ref().map(|v| Node::raw(&v.0)))
        .put_text("image", &d.image)
        .put_text("imagePushSecret", &d.image_push_secret)
        .end()
}

fn tuning(t: &TuningSpec) -> Node {
    Fields::default()
        .put_some("preset", t.preset.as_ref().map(preset))
        .put_text("method", &t.method)
        .put_text("config", &t.config)
        .put("input", t.input.as_ref().map_or(Node::Null, source))
        .put("output", t.output.as_ref().map_or(Node::Null, destination))
        .end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use sha2::{Digest, Sha256};

    fn workspace(parts: Value) -> Workspace {
        let mut object = json!({ "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace" });
        if let (Value::Object(object), Value::Object(parts)) = (&mut object, parts) {
            object.extend(parts);
        }
        super::super::decode(object).unwrap().1
    }

    fn hash(ws: &Workspace) -> String {
        Sha256::digest(revision_bytes(ws)).iter().map(|b| format!("{b:02x}")).collect()
    }

    /// From the Go operator's own unit test.
    #[test]
    fn the_hash_of_the_go_unit_test() {
        let ws = workspace(json!({
            "resource": {
                "count": 1, "instanceType": "Standard_NV36ads_A10_v5",
                "labelSelector": { "matchLabels": { "workspace.kaito.io/name": "testWorkspace" } }
            },
            "inference": { "preset": { "name": "test-model" } }
        }));
        assert_eq!(hash(&ws), "79676e4782172441933f628c7f541c81accd0fe88af9588101e2344589f6dbae");
    }

    /// Captured from the Go operator on a real API server.
    #[test]
    fn the_hash_and_data_of_a_live_object() {
        let ws = workspace(json!({
            "resource": {
                "count": 1, "instanceType": "Standard_NV36ads_A10_v5",
                "labelSelector": { "matchLabels": { "pool": "little-phi" } }
            },
            "inference": { "preset": { "name": "phi-3-mini-4k-instruct", "accessMode": "public" } }
        }));
        assert_eq!(hash(&ws), "abc78aca0fd707f5779a682c04e9330498839f081fb6d3562e3aeac095fbc1dc");
        assert_eq!(
            revision_data(&ws),
            json!({
                "inference": { "preset": { "name": "phi-3-mini-4k-instruct", "accessMode": "public", "presetOptions": {} } },
                "resource": {
                    "count": 1, "instanceType": "Standard_NV36ads_A10_v5",
                    "labelSelector": { "matchLabels": { "pool": "little-phi" } }
                },
                "tuning": null
            })
        );
    }

    #[test]
    fn every_field_in_the_order_of_go_and_escaped_as_go_does() {
        let ws = workspace(json!({
            "resource": {
                "count": 2, "labelSelector": { "matchExpressions": [{ "key": "k", "operator": "In", "values": ["v"] }] },
                "preferredNodes": ["n"], "partition": { "mode": "mig", "profile": "1g.10gb" }
            },
            "inference": {
                "template": { "b": 1, "a": [true, null, 1.5] }, "config": "<c>",
                "adapters": [{ "strength": "0.5", "source": { "image": "a&b\u{2028}", "name": "n" } }]
            },
            "tuning": { "method": "qlora", "output": { "imagePushSecret": "s", "image": "o" } }
        }));
        let expected = concat!(
            r#"{"count":2,"labelSelector":{"matchExpressions":[{"key":"k","operator":"In","values":["v"]}]},"#,
            r#""preferredNodes":["n"],"partition":{"mode":"mig","profile":"1g.10gb"}}"#,
            "\n",
            r#"{"template":{"a":[true,null,1.5],"b":1},"config":"\u003cc\u003e","#,
            r#""adapters":[{"source":{"name":"n","image":"a\u0026b\u2028"},"strength":"0.5"}]}"#,
            "\n",
            r#"{"method":"qlora","input":null,"output":{"image":"o","imagePushSecret":"s"}}"#,
            "\n"
        );
        assert_eq!(String::from_utf8(revision_bytes(&ws)).unwrap(), expected);
    }
}
