//! What is wrong with which field, and what would be right.
//!
//! One form for every message about an object: decoding, shape rules, admission and the command line all speak it.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// One step of a [`FieldPath`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Segment {
    /// A field of an object, or a key of a map.
    Key(String),
    /// A position in a list, from zero.
    Index(usize),
}

/// Where a field stands in an object; prints as `inference.adapters[0].strength`.
///
/// ```
/// use kaito_api::FieldPath;
///
/// let path = FieldPath::from("inference.adapters").index(0).key("strength");
/// assert_eq!(path.to_string(), "inference.adapters[0].strength");
/// assert_eq!(path.to_pointer(), "/inference/adapters/0/strength");
///
/// let label = FieldPath::from("resource.labelSelector.matchLabels").key("example.com/pool");
/// assert_eq!(label.to_string(), r#"resource.labelSelector.matchLabels["example.com/pool"]"#);
/// assert_eq!(label.to_pointer(), "/resource/labelSelector/matchLabels/example.com~1pool");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FieldPath(Vec<Segment>);

impl FieldPath {
    /// The object itself.
    pub fn root() -> Self {
        Self::default()
    }

    /// The field or map key below this place.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.0.push(Segment::Key(key.into()));
        self
    }

    /// The list element below this place.
    #[must_use]
    pub fn index(mut self, index: usize) -> Self {
        self.0.push(Segment::Index(index));
        self
    }

    /// This path, followed by another one.
    #[must_use]
    pub fn join(mut self, below: &Self) -> Self {
        self.0.extend(below.0.iter().cloned());
        self
    }

    /// The steps from the object to the field.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// True for the object itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The same place as a JSON pointer (RFC 6901); the root is the empty string.
    pub fn to_pointer(&self) -> String {
        let mut pointer = String::new();
        for segment in &self.0 {
            pointer.push('/');
            match segment {
                Segment::Key(key) => pointer.push_str(&key.replace('~', "~0").replace('/', "~1")),
                Segment::Index(index) => pointer.push_str(&index.to_string()),
            }
        }
        pointer
    }
}

/// Reads plain dotted names (`resource.instanceType`); keys that contain a dot are added with [`FieldPath::key`].
impl From<&str> for FieldPath {
    fn from(dotted: &str) -> Self {
        Self(dotted.split('.').filter(|part| !part.is_empty()).map(|part| Segment::Key(part.to_owned())).collect())
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) if key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') => {
                    if position > 0 {
                        f.write_str(".")?;
                    }
                    f.write_str(key)?;
                }
                Segment::Key(key) => write!(f, "[{key:?}]")?,
            }
        }
        Ok(())
    }
}

/// The way in which a field is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum FieldErrorKind {
    /// It must be there and is not.
    Missing,
    /// No such field exists.
    Unknown,
    /// It has another JSON type than it must have.
    Type,
    /// Its type is right and its value is not.
    Value,
    /// It must not be there, given what else is there.
    Forbidden,
    /// It cannot change after creation.
    Immutable,
    /// It says the same thing as another element that must differ.
    Duplicate,
    /// There are more elements than allowed.
    TooMany,
}

/// One thing that is wrong with an object.
///
/// ```
/// use kaito_api::{FieldError, FieldErrorKind, FieldPath};
///
/// let error = FieldError::new(FieldPath::from("resource.instanceType"), FieldErrorKind::Value, "no such size")
///     .suggest("Standard_NC24ads_A100_v4");
/// assert_eq!(error.to_string(), "resource.instanceType: no such size (did you mean Standard_NC24ads_A100_v4?)");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, thiserror::Error)]
pub struct FieldError {
    /// The field; the root for a statement about the object as a whole.
    pub path: FieldPath,
    /// In which way it is wrong.
    pub kind: FieldErrorKind,
    /// What is wrong and what would be right, as part of a sentence.
    pub detail: String,
    /// A value that was probably meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
    /// The rule that is broken, such as `W-12`; absent for errors of decoding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<Cow<'static, str>>,
}

impl FieldError {
    /// An error without suggestion and rule.
    pub fn new(path: FieldPath, kind: FieldErrorKind, detail: impl Into<String>) -> Self {
        Self { path, kind, detail: detail.into(), suggestion: None, rule: None }
    }

    /// Adds the value that was probably meant.
    #[must_use]
    pub fn suggest(mut self, value: impl Into<String>) -> Self {
        self.suggestion = Some(value.into());
        self
    }

    /// Names the broken rule.
    #[must_use]
    pub fn rule(mut self, id: &'static str) -> Self {
        self.rule = Some(Cow::Borrowed(id));
        self
    }

    /// The same error seen from further up: `prefix` is put before the path.
    #[must_use]
    pub fn under(mut self, prefix: &FieldPath) -> Self {
        self.path = prefix.clone().join(&self.path);
        self
    }

    /// An error of serde, with the place that serde reached.
    pub(crate) fn from_serde(error: &serde_path_to_error::Error<serde_json::Error>) -> Self {
        use serde_path_to_error::Segment as Step;
        let mut path = FieldPath::root();
        for step in error.path() {
            path = match step {
                Step::Seq { index } => path.index(*index),
                Step::Map { key } => path.key(key.as_str()),
                Step::Enum { variant } => path.key(variant.as_str()),
                Step::Unknown => path,
            };
        }
        let detail = error.inner().to_string();
        let kind = if detail.starts_with("missing field") {
            FieldErrorKind::Missing
        } else if detail.starts_with("unknown field") {
            FieldErrorKind::Unknown
        } else if detail.starts_with("invalid type") {
            FieldErrorKind::Type
        } else {
            FieldErrorKind::Value
        };
        Self::new(path, kind, detail)
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_root() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.detail)?;
        match &self.suggestion {
            Some(value) => write!(f, " (did you mean {value}?)"),
            None => Ok(()),
        }
    }
}
