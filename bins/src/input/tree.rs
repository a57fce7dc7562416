//! A value with the place of every key and every element.

use super::place::Place;
use kaito_api::FieldPath;
use kaito_api::field_error::Segment;
use serde_json::Value;

/// A value and where it begins.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where it begins; for what an alias brought in, where it was written.
    pub place: Place,
    /// What it is.
    pub data: Data,
}

/// What a [`Node`] is.
#[derive(Debug, Clone)]
pub enum Data {
    /// Text, a number, yes or no, nothing.
    Scalar(Value),
    /// A list.
    List(Vec<Node>),
    /// Fields in the order of the file.
    Map(Vec<Field>),
}

/// One field of a map.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its name.
    pub key: String,
    /// Where its name begins.
    pub place: Place,
    /// Its value.
    pub value: Node,
}

/// What a path leads to.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// The deepest part of the path that is there.
    pub node: &'a Node,
    /// Where the name of that part begins; for the root and for elements, where they begin themselves.
    pub key: Place,
    /// Whether the whole path is there.
    pub whole: bool,
}

impl Node {
    /// The value without its places.
    pub fn to_value(&self) -> Value {
        match &self.data {
            Data::Scalar(value) => value.clone(),
            Data::List(items) => Value::Array(items.iter().map(Node::to_value).collect()),
            Data::Map(fields) => {
                Value::Object(fields.iter().map(|field| (field.key.clone(), field.value.to_value())).collect())
            }
        }
    }

    /// The place of a value that has no places of its own: everything is where it begins.
    pub fn from_value(value: Value, place: Place) -> Node {
        let data = match value {
            Value::Array(items) => Data::List(items.into_iter().map(|item| Node::from_value(item, place)).collect()),
            Value::Object(fields) => {
                let field = |(key, value)| Field { key, place, value: Node::from_value(value, place) };
                Data::Map(fields.into_iter().map(field).collect())
            }
            scalar => Data::Scalar(scalar),
        };
        Node { place, data }
    }

    /// The field of a map.
    pub fn field(&self, key: &str) -> Option<&Field> {
        match &self.data {
            Data::Map(fields) => fields.iter().find(|field| field.key == key),
            Data::Scalar(_) | Data::List(_) => None,
        }
    }

    /// The text of a field.
    pub fn text(&self, key: &str) -> Option<&str> {
        match &self.field(key)?.value.data {
            Data::Scalar(Value::String(text)) => Some(text),
            Data::Scalar(_) | Data::List(_) | Data::Map(_) => None,
        }
    }

    /// As far along a path as it goes.
    pub fn find(&self, path: &FieldPath) -> Found<'_> {
        let mut found = Found { node: self, key: self.place, whole: true };
        for segment in path.segments() {
            let next = match (segment, &found.node.data) {
                (Segment::Key(key), Data::Map(_)) => found.node.field(key).map(|field| (&field.value, field.place)),
                (Segment::Index(index), Data::List(items)) => items.get(*index).map(|item| (item, item.place)),
                _ => None,
            };
            let Some((node, key)) = next else { return Found { whole: false, ..found } };
            found = Found { node, key, whole: true };
        }
        found
    }
}
