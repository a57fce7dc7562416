//! The document, read and checked: afterwards every reconcile in it can be planned again.
//!
//! A hash is a name here and nothing more: it is not checked, so that a person can change a fact in a recording and see what would have been decided.

use super::contents::MOST_CHANGES;
use super::delta::{self, Change};
use super::wire::{Answered, Found, Line, Mishap, Name, Said, seen_from_value};
use super::{API_VERSION, KIND};
use crate::backend::BackendError;
use crate::effect::EffectError;
use crate::object::{ObjectKey, Seen};
use crate::read::Read;
use crate::settings::Settings;
use crate::snapshot::Answer;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What all values of a recording may take together when they are made from their changes: far more than any recorder holds.
const MOST_BYTES: usize = 1 << 30;

/// Why a text is no recording.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{what}", if at.is_empty() { String::new() } else { format!("{at}: ") })]
pub struct RecordingError {
    /// The field, such as `reconciles[3].answers`; empty for the text as a whole.
    pub at: String,
    /// What is wrong there.
    pub what: String,
}

/// Reconciles that were recorded, oldest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// The version of the program that recorded them.
    pub version: String,
    /// How many it had forgotten before the first.
    pub forgotten: u64,
    /// Them.
    pub reconciles: Vec<Recorded>,
}

/// One reconcile.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// Its number since the program started, from 0.
    pub number: u64,
    /// The planner's name.
    pub planner: String,
    /// What was looked at.
    pub root: ObjectKey,
    /// When.
    pub now: Timestamp,
    /// The settings.
    pub settings: Arc<Settings>,
    /// What the cluster said.
    pub answers: Vec<(Read, Answer)>,
    /// What the planner said.
    pub first: Look,
    /// What was refused when the plan was carried out.
    pub mishaps: Vec<EffectError>,
    /// What the planner said when it was told so.
    pub told: Option<Look>,
}

/// What a planner said.
#[derive(Debug, Clone, PartialEq)]
pub enum Look {
    /// A plan, as JSON.
    Plan(Arc<Value>),
    /// That it needs to know more.
    Unread(Vec<Read>),
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    version: String,
    #[serde(default)]
    forgotten: u64,
    contents: BTreeMap<Name, Stored>,
    reconciles: Vec<Line>,
}

#[derive(Deserialize)]
struct Stored {
    full: Option<Value>,
    base: Option<Name>,
    #[serde(default)]
    changes: Vec<Change>,
}

impl Recording {
    /// Reads a document. Fails with the place of what is wrong: not JSON, another kind of document, a field of another type, a content that is named and not there.
    pub fn parse(text: &[u8]) -> Result<Recording, RecordingError> {
        let whole = |what: String| RecordingError { at: String::new(), what };
        let value: Value = serde_json::from_slice(text).map_err(|error| whole(format!("not JSON: {error}")))?;
        let field = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or("nothing");
        let (api_version, kind) = (field("apiVersion"), field("kind"));
        if (api_version, kind) != (API_VERSION, KIND) {
            return Err(whole(format!("expected {KIND} of {API_VERSION}, found {kind} of {api_version}")));
        }
        let File { version, forgotten, contents, reconciles } = decode(&value, "")?;
        let mut resolver = Resolver::new(&contents);
        let resolve = |(index, line)| resolver.recorded(&format!("reconciles[{index}]"), line);
        let reconciles = reconciles.into_iter().enumerate().map(resolve).collect::<Result<_, _>>()?;
        Ok(Recording { version, forgotten, reconciles })
    }
}

fn decode<T: DeserializeOwned>(value: &Value, under: &str) -> Result<T, RecordingError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let at = match (under, path.as_str()) {
            ("", path) => path.to_owned(),
            (under, ".") => under.to_owned(),
            (under, path) if path.starts_with('[') => format!("{under}{path}"),
            (under, path) => format!("{under}.{path}"),
        };
        RecordingError { at: at.trim_matches('.').to_owned(), what: error.into_inner().to_string() }
    })
}

/// Makes values from what is stored, each once.
struct Resolver<'a> {
    contents: &'a BTreeMap<Name, Stored>,
    values: BTreeMap<Name, Arc<Value>>,
    objects: BTreeMap<Name, Seen>,
    settings: BTreeMap<Name, Arc<Settings>>,
    bytes: usize,
}

impl<'a> Resolver<'a> {
    fn new(contents: &'a BTreeMap<Name, Stored>) -> Self {
        let (values, objects, settings) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { contents, values, objects, settings, bytes: 0 }
    }

    fn recorded(&mut self, at: &str, line: Line) -> Result<Recorded, RecordingError> {
        let answered: Vec<Answered> = self.decoded(line.answers, &format!("{at}.answers"))?;
        let answers = answered.into_iter().map(|answered| self.answer(answered, at)).collect::<Result<_, _>>()?;
        let mishap = |(index, mishap): (usize, Mishap)| {
            mishap.read().map_err(|what| RecordingError { at: format!("{at}.mishaps[{index}]"), what })
        };
        Ok(Recorded {
            number: line.number,
            planner: line.planner,
            root: line.root,
            now: line.now,
            settings: self.settings(line.settings, &format!("{at}.settings"))?,
            answers,
            first: self.look(line.first, &format!("{at}.first"))?,
            mishaps: line.mishaps.into_iter().enumerate().map(mishap).collect::<Result<_, _>>()?,
            told: line.told.map(|said| self.look(said, &format!("{at}.told"))).transpose()?,
        })
    }

    fn look(&mut self, said: Said, at: &str) -> Result<Look, RecordingError> {
        match said {
            Said::Plan(name) => self.value(name, &format!("{at}.plan")).map(Look::Plan),
            Said::Unread(reads) => Ok(Look::Unread(reads)),
        }
    }

    fn answer(&mut self, Answered { read, found }: Answered, at: &str) -> Result<(Read, Answer), RecordingError> {
        let at = format!("{at}.answers, {read}");
        let mut object = |name| self.object(name, &at);
        let answer = match found {
            Found::Object(name) => Answer::Object(name.map(object).transpose()?),
            Found::List(names) => Answer::List(names.into_iter().map(&mut object).collect::<Result<_, _>>()?),
            Found::NoSuchKind => Answer::NoSuchKind,
            Found::Log(log) => Answer::Log(log),
            Found::Model(answer) => Answer::Model(answer),
            Found::Unknown { kind, message } => Answer::Unknown(BackendError::new(kind, message)),
        };
        Ok((read, answer))
    }

    fn settings(&mut self, name: Name, at: &str) -> Result<Arc<Settings>, RecordingError> {
        if let Some(known) = self.settings.get(&name) {
            return Ok(Arc::clone(known));
        }
        let settings: Arc<Settings> = Arc::new(self.decoded(name, at)?);
        self.settings.insert(name, Arc::clone(&settings));
        Ok(settings)
    }

    fn object(&mut self, name: Name, at: &str) -> Result<Seen, RecordingError> {
        if let Some(known) = self.objects.get(&name) {
            return Ok(known.clone());
        }
        let value = self.value(name, at)?;
        let seen = seen_from_value(&value).map_err(|what| RecordingError { at: format!("contents.{name}"), what })?;
        self.objects.insert(name, seen.clone());
        Ok(seen)
    }

    fn decoded<T: DeserializeOwned>(&mut self, name: Name, at: &str) -> Result<T, RecordingError> {
        decode(&*self.value(name, at)?, &format!("contents.{name}"))
    }

    /// A content, whole.
    fn value(&mut self, name: Name, at: &str) -> Result<Arc<Value>, RecordingError> {
        let (mut chain, mut next) = (Vec::new(), name);
        let mut value = loop {
            if let Some(known) = self.values.get(&next) {
                break Arc::clone(known);
            }
            let missing = || RecordingError { at: at.to_owned(), what: format!("there is no content {next}") };
            let stored = self.contents.get(&next).ok_or_else(missing)?;
            let wrong = |what: String| Err(RecordingError { at: format!("contents.{next}"), what });
            match (&stored.full, stored.base) {
                (Some(full), None) => {
                    self.made(next, full)?;
                    break Arc::new(full.clone());
                }
                (None, Some(_)) if chain.len() >= MOST_CHANGES => {
                    return wrong(format!(
                        "more than {MOST_CHANGES} lists of changes lead to it, or it is made from itself"
                    ));
                }
                (None, Some(base)) => {
                    chain.push((next, &stored.changes));
                    next = base;
                }
                _ => return wrong("expected either full, or base and changes".to_owned()),
            }
        };
        self.values.insert(next, Arc::clone(&value));
        for (name, changes) in chain.into_iter().rev() {
            let mut made = Value::clone(&value);
            delta::apply(&mut made, changes)
                .map_err(|what| RecordingError { at: format!("contents.{name}.changes"), what })?;
            self.made(name, &made)?;
            value = Arc::new(made);
            self.values.insert(name, Arc::clone(&value));
        }
        Ok(value)
    }

    /// Counts what a value takes, so that a small file cannot fill the memory.
    fn made(&mut self, name: Name, value: &Value) -> Result<(), RecordingError> {
        self.bytes = self.bytes.saturating_add(weight(value));
        if self.bytes > MOST_BYTES {
            let what = format!("all contents together are larger than {} MiB", MOST_BYTES >> 20);
            return Err(RecordingError { at: format!("contents.{name}"), what });
        }
        Ok(())
    }
}

fn weight(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(weight).sum(),
            Value::Object(fields) => {
                fields.iter().map(|(key, value)| size_of::<String>() + key.len() + weight(value)).sum()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        }
}
