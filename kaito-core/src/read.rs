//! What a plan asks for.

use crate::hub::ModelQuery;
use crate::kinds::{Kind, Typed};
use crate::object::{ObjectKey, Seen};
use crate::words;
use k8s_openapi::api::core::v1::Pod;
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

/// The end of what one container of a pod has printed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LogQuery {
    /// The namespace of the pod.
    pub namespace: String,
    /// The name of the pod.
    pub pod: String,
    /// The name of the container.
    pub container: String,
    /// Whether the container before the last restart is meant.
    pub previous: bool,
    /// How many lines at most, counted from the end.
    pub lines: u32,
    /// Of these, only those with this word in them; the others are not even kept.
    pub holding: Option<String>,
    /// How many bytes of these lines are kept at most, counted from the end.
    pub bytes: u32,
}

impl LogQuery {
    /// What may be known of a log (I11): its last lines as far as the query goes, without control characters and without what looks like a secret. Said twice, it is the same.
    #[must_use]
    pub fn keep(&self, text: &str) -> String {
        let most = |limit: u32| usize::try_from(limit).unwrap_or(usize::MAX);
        let is_wanted = |line: &&str| self.holding.as_ref().is_none_or(|word| line.contains(word));
        let last = text.trim_end().lines().rev().take(most(self.lines)).filter(is_wanted);
        let mut lines: Vec<String> = last.map(words::clean).collect();
        lines.reverse();
        let text = lines.join("\n");
        text[text.ceil_char_boundary(text.len().saturating_sub(most(self.bytes)))..].to_owned()
    }
}

impl fmt::Display for LogQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { namespace, pod, container, lines, .. } = self;
        let which = if self.previous { "what was before the last restart of container" } else { "container" };
        write!(f, "the last {lines} lines of {which} {container} of pod {namespace}/{pod}")
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
    /// Every pod that a Node runs, whoever made it. Nobody watches that either, for it would be every pod of the cluster: it is asked live, while a Node is emptied.
    PodsOn {
        /// The Node.
        node: String,
    },
    /// What a container has printed. Nobody watches that: it is always asked live, costs a request and a kubelet's time, and wakes nobody; so it is asked only by a plan that names a time to look
    /// again, and not in a state that lasts.
    Log(LogQuery),
    /// What a repository of a hub of models holds. Answered at once with what is known; a hub is asked in the background, and when it has said something else, those who asked are woken.
    Model(ModelQuery),
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
            other @ (Read::PodsOn { .. } | Read::Log(_) | Read::Model(_)) => other,
        }
    }

    /// The kind whose changes change the answer; `None` where no watch tells of that.
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Read::Object { key, .. } => Some(key.kind),
            Read::List { kind, .. } => Some(*kind),
            Read::PodsOn { .. } => Some(Kind::Pod),
            Read::Log(_) | Read::Model(_) => None,
        }
    }

    /// How fresh the answer must be.
    pub fn freshness(&self) -> Freshness {
        match self {
            Read::Object { freshness, .. } | Read::List { freshness, .. } => *freshness,
            Read::PodsOn { .. } | Read::Log(_) => Freshness::Live,
            Read::Model(_) => Freshness::Cached,
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
            Read::PodsOn { node } => pod_of(seen).is_some_and(|pod| node_of(pod) == Some(node)),
            Read::Log(_) | Read::Model(_) => false,
        }
    }
}

impl fmt::Display for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Read::Object { key, .. } => write!(f, "{key}"),
            Read::List { kind, selector, .. } => write!(f, "every {kind} with {selector}"),
            Read::PodsOn { node } => write!(f, "every pod on node {node}"),
            Read::Log(query) => write!(f, "{query}"),
            Read::Model(query) => write!(f, "{query}"),
        }?;
        f.write_str(if self.freshness() == Freshness::Live { " (live)" } else { "" })
    }
}

fn pod_of(seen: &Seen) -> Option<&Pod> {
    match seen {
        Seen::Decoded(object) => Pod::of(object),
        Seen::Malformed(_) => None,
    }
}

fn node_of(pod: &Pod) -> Option<&String> {
    pod.spec.as_ref()?.node_name.as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(lines: u32, bytes: u32) -> LogQuery {
        let [namespace, pod, container] = ["a", "phi-0", "phi"].map(str::to_owned);
        LogQuery { namespace, pod, container, previous: false, lines, holding: None, bytes }
    }

    #[test]
    fn of_a_log_the_last_lines_are_kept_without_colours_and_secrets() {
        for (lines, bytes, said, kept) in [
            (2, 100, "one\ntwo\nthree\n", "two\nthree"),
            (9, 100, "one\ntwo\n", "one\ntwo"),
            (1, 100, "one\n\n", "one"),
            (0, 100, "one", ""),
            (9, 4, "one\nthree", "hree"),
            (9, 3, "one\nthrü", "rü"),
            (9, 2, "one\nthrü", "ü"),
            (9, 1, "one\nthrü", ""),
            (9, 100, "\u{1b}[31mERROR\u{1b}[0m  a\tb\r\n", "[31mERROR [0m a b"),
            (9, 100, "GET https://me:hunter2@hub/a\ntoken=hunter2", "GET https://***@hub/a\ntoken=***"),
        ] {
            let query = query(lines, bytes);
            assert_eq!(query.keep(said), kept);
            assert_eq!(query.keep(kept), kept, "said twice");
        }
    }

    #[test]
    fn of_the_last_lines_those_with_a_word_are_kept() {
        let query = LogQuery { holding: Some("RESULT".to_owned()), ..query(3, 100) };
        assert_eq!(query.keep("RESULT 1\nRESULT 2\nwho asked what\nRESULT 3\n"), "RESULT 2\nRESULT 3");
        assert_eq!(query.keep("nothing of that"), "");
    }

    #[test]
    fn a_log_is_asked_live_and_wakes_nobody() {
        let read = Read::Log(query(5, 100));
        assert_eq!((read.freshness(), read.kind()), (Freshness::Live, None));
        assert_eq!(read.clone().live(), read);
        let pod = Seen::decode(Kind::Pod, serde_json::json!({"metadata": {"name": "phi-0", "namespace": "a"}}));
        assert!(!read.matches(&pod));
        assert_eq!(read.to_string(), "the last 5 lines of container phi of pod a/phi-0 (live)");
    }
}
