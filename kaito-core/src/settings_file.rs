//! A file of settings as the loaders of the images read it: YAML with its lines, `yes` being true, but for one thing: what stands twice is refused, where the loaders silently take the last.

use crate::words::quoted;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_saphyr::{NonFiniteFloatPolicy, Spanned};
use std::fmt;

/// A part of the file; the keys of maps with their lines.
pub(crate) enum Node {
    Map(Vec<(Spanned<String>, Node)>),
    List(Vec<Node>),
    Leaf(Value),
}

impl Node {
    /// The same without lines.
    pub(crate) fn into_value(self) -> Value {
        match self {
            Node::Leaf(value) => value,
            Node::List(items) => Value::Array(items.into_iter().map(Node::into_value).collect()),
            Node::Map(fields) => {
                Value::Object(fields.into_iter().map(|(key, node)| (key.value, node.into_value())).collect())
            }
        }
    }
}

/// Reads a file; otherwise says in one line why it is not YAML.
pub(crate) fn read(yaml: &str) -> Result<Node, String> {
    // A limit may be infinite: `.inf`.
    let options = serde_saphyr::options! { non_finite_float_policy: NonFiniteFloatPolicy::PassThrough };
    serde_saphyr::from_str_with_options(yaml, options).map_err(|error| first_line(&error))
}

/// A value as Python writes it, which is how the images hand it on.
pub(crate) fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Null => "None".to_owned(),
        other => other.to_string(),
    }
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
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
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
        // JSON has no such number; this is how Python writes it.
        Ok(Node::Leaf(if value.is_finite() { value.into() } else { value.to_string().to_lowercase().into() }))
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
