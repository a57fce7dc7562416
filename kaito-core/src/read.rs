//! What a plan asks for.

use crate::kinds::Kind;
use crate::object::{ObjectKey, Seen};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// How fresh an answer must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Freshness {
    /// From the watch cache, own recent writes laid over it. It may lag.
    Cached,
    /// From the API server, in this very round. Required before anything that costs money, and before absence is believed.
    Live,
}

/// Labels that must all be there with these values. Empty matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Selector(pub BTreeMap<String, String>);

impl Selector {
    /// A selector of key-value pairs.
    pub fn of<K: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        Self(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }

    /// Whether labels satisfy it.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|(key, value)| labels.get(key) == Some(value))
    }
}

/// `a=1,b=2`, the form of the API's query.
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (key, value)) in self.0.iter().enumerate() {
            write!(f, "{}{key}={value}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

/// One question to the cluster. The questions that a plan asked are its read set: they decide what wakes it again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Read {
    /// One object by name. Of a Secret, only type and keys are answered (I11).
    Object {
        /// Which.
        key: ObjectKey,
        /// How fresh.
        freshness: Freshness,
    },
    /// All objects of a kind with certain labels.
    List {
        /// The kind.
        kind: Kind,
        /// The namespace; `None` lists every namespace, or a cluster-scoped kind.
        namespace: Option<String>,
        /// The labels.
        selector: Selector,
        /// How fresh.
        freshness: Freshness,
    },
}

impl Read {
    /// One object, cached.
    pub fn object(key: ObjectKey) -> Read {
        Read::Object { key, freshness: Freshness::Cached }
    }

    /// A list, cached.
    pub fn list(kind: Kind, namespace: Option<&str>, selector: Selector) -> Read {
        Read::List { kind, namespace: namespace.map(str::to_owned), selector, freshness: Freshness::Cached }
    }

    /// The same question, to the API server itself.
    pub fn live(self) -> Read {
        match self {
            Read::Object { key, .. } => Read::Object { key, freshness: Freshness::Live },
            Read::List { kind, namespace, selector, .. } => {
                Read::List { kind, namespace, selector, freshness: Freshness::Live }
            }
        }
    }

    /// The kind that is asked about.
    pub fn kind(&self) -> Kind {
        match self {
            Read::Object { key, .. } => key.kind,
            Read::List { kind, .. } => *kind,
        }
    }

    /// How fresh the answer must be.
    pub fn freshness(&self) -> Freshness {
        match self {
            Read::Object { freshness, .. } | Read::List { freshness, .. } => *freshness,
        }
    }

    /// Whether an object is part of the answer.
    pub fn matches(&self, seen: &Seen) -> bool {
        match self {
            Read::Object { key, .. } => *key == seen.key(),
            Read::List { kind, namespace, selector, .. } => {
                *kind == seen.kind()
                    && namespace.as_ref().is_none_or(|wanted| seen.metadata().namespace.as_ref() == Some(wanted))
                    && selector.matches(&seen.labels())
            }
        }
    }
}

impl fmt::Display for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Read::Object { key, .. } => write!(f, "{key}"),
            Read::List { kind, selector, .. } => write!(f, "every {kind} with {selector}"),
        }?;
        f.write_str(if self.freshness() == Freshness::Live { " (live)" } else { "" })
    }
}
