//! The parts of the document, and facts on their way into it and out of it.

use crate::backend::{BackendError, ErrorKind};
use crate::driver::Carried;
use crate::effect::{Effect, EffectError};
use crate::hash::sha256_hex;
use crate::hub::ModelAnswer;
use crate::kinds::Kind;
use crate::object::{Malformed, ObjectKey, Seen};
use crate::read::Read;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};
use std::fmt;
use std::time::Duration;

/// The name of a content: the first 32 digits of the SHA-256 of its JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name(u128);

impl Name {
    /// The name of a compact JSON text with sorted keys.
    pub(super) fn of(text: &str) -> Name {
        let digits: String = sha256_hex(text.as_bytes()).chars().take(32).collect();
        Name(u128::from_str_radix(&digits, 16).unwrap_or_default())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let is_name = text.len() == 32 && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        let name = is_name.then(|| u128::from_str_radix(&text, 16).ok()).flatten();
        name.map(Name).ok_or_else(|| serde::de::Error::custom(format!("expected 32 hex digits, found {text:?}")))
    }
}

/// One question with its answer; objects by the names of their contents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Answered {
    pub read: Read,
    pub found: Found,
}

/// [`Answer`](crate::snapshot::Answer), by names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Found {
    Object(Option<Name>),
    List(Vec<Name>),
    NoSuchKind,
    Log(Result<String, String>),
    Model(ModelAnswer),
    /// Without the wait that the cloud asked for: no plan depends on it.
    Unknown {
        kind: ErrorKind,
        message: String,
    },
}

/// One reconcile. The fields after `first` are for people; of them, replay reads `mishaps` and `told`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Line {
    pub number: u64,
    pub planner: String,
    pub root: ObjectKey,
    pub now: Timestamp,
    pub settings: Name,
    pub answers: Name,
    /// What the planner said.
    pub first: Said,
    /// What came of each step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<Value>,
    /// What came of the status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Value>,
    /// Why the cluster could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Value>,
    /// What was refused, as the planner was told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mishaps: Vec<Mishap>,
    /// What the planner said then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Said>,
}

/// What a planner says: a plan, by the name of its content, or what it still asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Said {
    Plan(Name),
    Unread(Vec<Read>),
}

/// [`EffectError`], to be written and read.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Mishap {
    key: ObjectKey,
    verb: String,
    kind: ErrorKind,
    message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_after: Option<Duration>,
}

impl From<&EffectError> for Mishap {
    fn from(error: &EffectError) -> Self {
        let EffectError { key, verb, kind, message, retry_after } = error.clone();
        Self { key, verb: verb.to_owned(), kind, message, retry_after }
    }
}

impl Mishap {
    pub(super) fn read(self) -> Result<EffectError, String> {
        let Mishap { key, verb, kind, message, retry_after } = self;
        let known = Effect::VERBS.iter().copied().find(|known| *known == verb);
        let verb = known.ok_or_else(|| format!("verb: expected one of {:?}, found {verb:?}", Effect::VERBS))?;
        Ok(EffectError { key, verb, kind, message, retry_after })
    }
}

/// A result, for people.
pub(super) fn result(carried: &Carried) -> Value {
    match carried {
        Carried::Untried => json!("untried"),
        Carried::Written => json!("written"),
        Carried::Fulfilled => json!("fulfilled"),
        Carried::Refused(error) => json!({ "refused": refusal(error) }),
    }
}

/// A refusal, for people.
pub(super) fn refusal(error: &BackendError) -> Value {
    json!({ "kind": error.kind, "message": error.message })
}

/// An object as a content. One that could not be read is restored as it was, and not decoded again: a plan depends on the decoder's words.
pub(super) fn seen_to_value(seen: &Seen) -> Value {
    match seen {
        Seen::Decoded(object) => json!({ "object": object.to_value() }),
        Seen::Malformed(Malformed { metadata, kind, status, spec, error }) => {
            let mut malformed = json!({ "kind": kind, "metadata": metadata, "status": status, "error": error });
            if !spec.is_null() {
                malformed["spec"] = spec.clone();
            }
            json!({ "malformed": malformed })
        }
    }
}

/// The object of a content.
pub(super) fn seen_from_value(value: &Value) -> Result<Seen, String> {
    if let Some(object) = value.get("object") {
        let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
        let (api_version, kind) = (text("apiVersion"), text("kind"));
        let known =
            Kind::named(api_version, kind).ok_or_else(|| format!("no known kind: {kind:?} of {api_version:?}"))?;
        return Ok(Seen::decode(known, object.clone()));
    }
    #[derive(Deserialize)]
    struct Wire {
        kind: Kind,
        metadata: ObjectMeta,
        #[serde(default)]
        status: Value,
        #[serde(default)]
        spec: Value,
        error: String,
    }
    let malformed = value.get("malformed").ok_or("expected an object, readable or malformed")?;
    let Wire { kind, metadata, status, spec, error } =
        Wire::deserialize(malformed).map_err(|error| error.to_string())?;
    Ok(Seen::Malformed(Malformed { metadata: Box::new(metadata), kind, status, spec, error }))
}
