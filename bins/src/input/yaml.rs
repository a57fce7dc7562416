//! The documents of a file, each with the place of everything in it.
//!
//! Reads what kubectl reads: YAML 1.1 words (`scalar`), anchors, aliases, merge keys, many documents, JSON. Differs on purpose in one thing: a field that stands twice in one object is refused, where
//! kubectl silently takes the last.
//!
//! A file can name a part of itself over and over (`*alias`) and so become huge; what it expands to counts against the size limit of a document, so that it ends early.

use super::place::{Place, Problem};
use super::scalar;
use super::tree::{Data, Field, Node};
use granit_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, Tag};
use serde_json::Value;
use std::collections::BTreeMap;

/// The API server takes no request above this.
pub const DOCUMENT_LIMIT: usize = 3 << 20;

/// Before the name of every tag that YAML itself defines.
const YAML_TAGS: &str = "tag:yaml.org,2002:";

/// The documents of a text, empty ones left out.
pub fn documents(file: &str, text: &str) -> Result<Vec<Node>, Problem> {
    let documents = Reader::new(file, text).documents();
    // JSON knows escapes that YAML does not, and is best complained about in its own words.
    if documents.is_err() && text.len() <= DOCUMENT_LIMIT && text.trim_start().starts_with("{\"") {
        json(file, text)
    } else {
        documents
    }
}

fn json(file: &str, text: &str) -> Result<Vec<Node>, Problem> {
    let problem = |error: &serde_json::Error| {
        let said = error.to_string();
        let said = said.split(" at line ").next().unwrap_or_default();
        Problem::at(
            file,
            Place { line: error.line().max(1), column: error.column().max(1) },
            format!("not JSON: {said}"),
        )
    };
    let values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    values
        .map(|value| value.map(|value| Node::from_value(value, Place::START)).map_err(|error| problem(&error)))
        .collect()
}

/// A finished subtree that an alias may name, and what it weighs.
type Anchor = (Node, usize);

struct Reader<'a> {
    file: &'a str,
    events: Parser<'a, granit_parser::StrInput<'a>>,
    anchors: BTreeMap<usize, Anchor>,
    /// Bytes of the document so far, aliases expanded.
    weight: usize,
}

type Read<T> = Result<T, Problem>;

impl<'a> Reader<'a> {
    fn new(file: &'a str, text: &'a str) -> Self {
        let options = granit_parser::options! { emit_comments: false };
        Self { file, events: Parser::new_from_str_with_options(text, options), anchors: BTreeMap::new(), weight: 0 }
    }

    fn documents(mut self) -> Read<Vec<Node>> {
        let mut documents = Vec::new();
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(documents),
                (Event::DocumentStart(..), _) => {
                    (self.weight, self.anchors) = (0, BTreeMap::new());
                    let event = self.next()?;
                    let node = self.node(event)?;
                    if !matches!(node.data, Data::Scalar(Value::Null)) {
                        documents.push(node);
                    }
                }
                _ => {}
            }
        }
    }

    /// The next event that says something.
    fn next(&mut self) -> Read<(Event<'a>, Span)> {
        match self.events.next_event() {
            None => Ok((Event::StreamEnd, Span::default())),
            Some(Ok(found)) => Ok(found),
            Some(Err(error)) => Err(syntax(self.file, &error)),
        }
    }

    fn problem(&self, place: Place, detail: impl Into<String>) -> Problem {
        Problem::at(self.file, place, detail)
    }

    fn node(&mut self, (event, span): (Event<'a>, Span)) -> Read<Node> {
        let (place, before) = (place(&span.start), self.weight);
        self.add_weight(1, place)?;
        let (anchor, data) = match event {
            Event::Alias(id) => return self.alias(id, place),
            Event::Scalar(text, style, anchor, tag) => {
                self.add_weight(text.len(), place)?;
                (anchor, Data::Scalar(self.scalar(&text, style, tag.as_deref(), place)?))
            }
            Event::SequenceStart(_, anchor, _) => (anchor, self.list()?),
            Event::MappingStart(_, anchor, _) => (anchor, self.map()?),
            _ => (0, Data::Scalar(Value::Null)),
        };
        let node = Node { place, data };
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), self.weight - before));
        }
        Ok(node)
    }

    fn add_weight(&mut self, bytes: usize, place: Place) -> Read<()> {
        self.weight += bytes;
        if self.weight > DOCUMENT_LIMIT {
            return Err(self.problem(place, "the document is larger than 3 MB, and the API server takes no more (what aliases stand for counts each time)"));
        }
        Ok(())
    }

    fn alias(&mut self, id: usize, place: Place) -> Read<Node> {
        // An anchor is known when its node is complete, so that nothing can contain itself.
        let weight = self.anchors.get(&id).map(|(_, weight)| *weight);
        self.add_weight(weight.unwrap_or_default(), place)?;
        let named = self.anchors.get(&id).map(|(node, _)| node.clone());
        named.ok_or_else(|| self.problem(place, "the alias stands inside of what it names"))
    }

    fn list(&mut self) -> Read<Data> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd | Event::StreamEnd, _) => return Ok(Data::List(items)),
                event => items.push(self.node(event)?),
            }
        }
    }

    fn map(&mut self) -> Read<Data> {
        let (mut fields, mut merged): (Vec<Field>, Vec<Field>) = (Vec::new(), Vec::new());
        let mut lines: BTreeMap<String, usize> = BTreeMap::new();
        loop {
            let event = match self.next()? {
                (Event::MappingEnd | Event::StreamEnd, _) => break,
                event => event,
            };
            let merges = matches!(&event.0, Event::Scalar(text, ScalarStyle::Plain, ..) if text == "<<");
            let key = self.node(event)?;
            let event = self.next()?;
            let value = self.node(event)?;
            if merges {
                merged.extend(self.merged(value)?);
                continue;
            }
            let name = self.key(&key)?;
            if let Some(first) = lines.insert(name.clone(), key.place.line) {
                return Err(
                    self.problem(key.place, format!("{name} stands here for the second time; first in line {first}"))
                );
            }
            fields.push(Field { key: name, place: key.place, value });
        }
        for field in merged {
            if lines.insert(field.key.clone(), field.place.line).is_none() {
                fields.push(field);
            }
        }
        Ok(Data::Map(fields))
    }

    /// The fields that `<<` brings in.
    fn merged(&self, value: Node) -> Read<Vec<Field>> {
        match value.data {
            Data::Map(fields) => Ok(fields),
            Data::List(items) => items
                .into_iter()
                .map(|item| self.merged(item))
                .collect::<Read<Vec<_>>>()
                .map(|all| all.into_iter().flatten().collect()),
            Data::Scalar(_) => Err(self.problem(value.place, "<< takes an object, or a list of objects")),
        }
    }

    /// The name of a field: text, or a number or word that becomes text.
    fn key(&self, key: &Node) -> Read<String> {
        match &key.data {
            Data::Scalar(Value::String(text)) => Ok(text.clone()),
            Data::Scalar(value @ (Value::Number(_) | Value::Bool(_))) => Ok(value.to_string()),
            Data::Scalar(_) => Err(self.problem(key.place, "expected the name of a field, found nothing")),
            Data::List(_) => Err(self.problem(key.place, "expected the name of a field, found a list")),
            Data::Map(_) => Err(self.problem(
                key.place,
                "expected the name of a field, found an object ({{ … }} of a template that was not filled in?)",
            )),
        }
    }

    fn scalar(&self, text: &str, style: ScalarStyle, tag: Option<&Tag>, place: Place) -> Read<Value> {
        let word = |text: &str| scalar::plain(text).map_err(|detail| self.problem(place, detail));
        match tag.and_then(|tag| tag.suffix_in_namespace(YAML_TAGS)).as_deref() {
            Some("str") => Ok(Value::from(text)),
            Some("int" | "float" | "bool" | "null") => word(text),
            Some(other) => Err(self.problem(place, format!("the tag !!{other} cannot stand in a manifest"))),
            None if style == ScalarStyle::Plain && tag.is_none() => word(text),
            None => Ok(Value::from(text)),
        }
    }
}

fn place(marker: &Marker) -> Place {
    Place { line: marker.line().max(1), column: marker.col() + 1 }
}

fn syntax(file: &str, error: &ScanError) -> Problem {
    Problem::at(file, place(error.marker()), format!("not YAML: {}", error.info()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(text: &str) -> Result<Vec<Value>, String> {
        documents("f", text).map(|all| all.iter().map(Node::to_value).collect()).map_err(|problem| problem.to_string())
    }

    #[test]
    fn documents_are_what_kubectl_makes_of_them() {
        let table = [
            ("", json!([])),
            ("# only words\n---\n---\n", json!([])),
            ("a: 1\n---\nb: yes\n...\n", json!([{"a": 1}, {"b": true}])),
            ("a: &x {b: 1}\nc: {<<: *x, d: 2}\n", json!([{"a": {"b": 1}, "c": {"b": 1, "d": 2}}])),
            ("c: {<<: [{b: 1}, {b: 2, e: 3}], b: 4}\n", json!([{"c": {"b": 4, "e": 3}}])),
            ("1: a\ntrue: b\n2.5: c\n", json!([{"1": "a", "2.5": "c", "true": "b"}])),
            (
                "a: !!str 5\nb: !!int \"7\"\nd: !foo x\ne: !!str yes\n",
                json!([{"a": "5", "b": 7, "d": "x", "e": "yes"}]),
            ),
            ("{\"a\": [1, \"\\ud83d\\ude00\", null]}", json!([{"a": [1, "😀", null]}])),
            ("a: |\n  x\n  y\nb: 'on'\n", json!([{"a": "x\ny\n", "b": "on"}])),
        ];
        for (text, wanted) in table {
            assert_eq!(read(text).map(Value::from), Ok(wanted), "{text:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_said_with_its_place() {
        let table = [
            ("a: 1\nb: [1, 2\nc: 3\n", "f:"),
            ("a: 1\na: 2\n", "f:2:1: a stands here for the second time; first in line 1"),
            ("~: x\n", "f:1:1: expected the name of a field, found nothing"),
            ("name: {{ .Values.name }}\n", "f:1:8: expected the name of a field, found an object"),
            ("a: &x [*x]\n", "f:1:8: the alias stands inside"),
            ("a: !!binary aGk=\n", "f:1:"),
            ("a:\n\t- b\n", "f:2:"),
            ("{\"a\": }x", "f:1:"),
        ];
        for (text, wanted) in table {
            let said = read(text).unwrap_err();
            assert!(said.starts_with(wanted), "{text:?}: {said}");
        }
    }

    #[test]
    fn a_bomb_of_aliases_ends_early() {
        let mut text = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
        for n in 1..20 {
            let names = vec![format!("*a{}", n - 1); 9].join(", ");
            text.push_str(&format!("a{n}: &a{n} [{names}]\n"));
        }
        assert!(read(&text).unwrap_err().contains("larger than 3 MB"));
        let deep = "[".repeat(100_000);
        assert!(read(&deep).is_err());
    }
}
