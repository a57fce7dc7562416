//! The text as settings with their lines. YAML as the wrapper's loader takes it (`yes` is true), but for one thing: what stands twice is refused, where the loader silently takes the last.

use super::{RuntimeConfig, Setting, Unreadable};
use crate::words::quoted;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_saphyr::Spanned;
use std::fmt;

/// A part of the file; the keys of maps with their lines.
enum Node {
    Map(Vec<(Spanned<String>, Node)>),
    Leaf(Value),
}

impl Node {
    fn into_value(self) -> Value {
        match self {
            Node::Leaf(value) => value,
            Node::Map(fields) => {
                Value::Object(fields.into_iter().map(|(key, node)| (key.value, node.into_value())).collect())
            }
        }
    }
}

pub(super) fn settings(yaml: &str) -> Result<RuntimeConfig, Unreadable> {
    let root = serde_saphyr::from_str::<Node>(yaml).map_err(|error| Unreadable::NotYaml(first_line(&error)))?;
    let Node::Map(sections) = root else { return Err(Unreadable::NotSections(0)) };
    let mut config = RuntimeConfig::default();
    for (key, node) in sections {
        let line = key.referenced.line();
        match node {
            Node::Map(options) if key.value == "vllm" => {
                config.vllm.extend(options.into_iter().map(|(key, node)| setting(key, node)));
            }
            _ if key.value == "vllm" => return Err(Unreadable::NotSections(line)),
            node => config.beside.push(setting(key, node)),
        }
    }
    Ok(config)
}

fn setting(key: Spanned<String>, node: Node) -> Setting {
    Setting { line: key.referenced.line(), spelled: key.value, value: node.into_value() }
}

/// What a parser says first; below it shows the lines of the file, which may be long and are nobody else's business.
fn first_line(error: &impl fmt::Display) -> String {
    let said = error.to_string();
    let first = said.lines().next().unwrap_or_default();
    let first = first.strip_prefix("error: ").unwrap_or(first);
    // Advice for the programmer, not for the user.
    quoted(first.split(", set DuplicateKeyPolicy").next().unwrap_or(first))
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Nodes)
    }
}

struct Nodes;

impl<'de> Visitor<'de> for Nodes {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("settings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Node::Map(fields))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        // Nowhere in the file is a list of use: that it is one, is all that is told.
        let mut count = 0_usize;
        while list.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok(Node::Leaf(Value::Array(vec![Value::Null; count.min(1)])))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Leaf(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Leaf(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Leaf(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Leaf(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Leaf(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Leaf(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Leaf(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }
}
