//! The requests of a controller, counted, and the fewest that a Workspace can take.

use crate::stage::{Operated, USER};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::{self, Display};

/// What a Workspace that serves a preset on one machine needs at least until it is ready, object by object: verb, resource, how often, why.
pub const LEAST: &[(&str, &str, usize, &str)] = &[
    ("patch", "workspaces", 1, "finalizer and revision annotations, in one patch"),
    ("create", "controllerrevisions", 1, "what was asked for"),
    ("get", "workspaces", 1, "money: the Workspace itself, live"),
    ("list", "nodeclaims", 1, "money: its claims, live"),
    ("create", "nodeclaims", 1, "the machine"),
    ("create", "events", 1, "NodeClaimCreated"),
    ("create", "services", 2, "address and headless address"),
    ("patch", "nodes", 1, "the accelerator label"),
    ("create", "statefulsets", 1, "the pods"),
    ("get", "pods/log", 1, "what the start has measured"),
    ("patch", "workspaces/status", 4, "asked for; its claims are ready; its nodes are ready; the model answers"),
];

/// Requests by verb and resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requests(BTreeMap<(String, String), usize>);

impl Requests {
    /// The controller's own so far, from the audit log; watches aside.
    pub fn so_far(operated: &Operated) -> Self {
        let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
        for line in
            operated.plane().audit().iter().filter(|line| line["user"]["username"] == USER && line["verb"] != "watch")
        {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let sub = line["objectRef"]["subresource"].as_str().map_or(String::new(), |name| format!("/{name}"));
            let resource = format!("{}{sub}", text(&line["objectRef"]["resource"]));
            *counts.entry((text(&line["verb"]), resource)).or_default() += 1;
        }
        Self(counts)
    }

    /// Those that were made since.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let made = |key| self.0.get(key).copied().unwrap_or_default() - before.0.get(key).copied().unwrap_or_default();
        Self(self.0.keys().map(|key| (key.clone(), made(key))).filter(|(_, count)| *count > 0).collect())
    }

    /// Verbs and resources of which there were more than the least.
    pub fn beyond_least(&self) -> Vec<&(String, String)> {
        let least = |verb: &str, resource: &str| {
            let row = LEAST.iter().find(|(v, r, ..)| *v == verb && *r == resource);
            row.map_or(0, |(.., count, _)| *count)
        };
        self.0.iter().filter(|((verb, resource), made)| **made > least(verb, resource)).map(|(key, _)| key).collect()
    }

    /// All together.
    pub fn total(&self) -> usize {
        self.0.values().sum()
    }
}

/// The sum of [`LEAST`].
pub fn least() -> usize {
    LEAST.iter().map(|(.., count, _)| count).sum()
}

impl Display for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<8} {:<22} {:>5} {:>6}  why", "verb", "resource", "made", "least")?;
        for (verb, resource, least, why) in LEAST {
            let made = self.0.get(&((*verb).to_owned(), (*resource).to_owned())).copied().unwrap_or_default();
            writeln!(f, "{verb:<8} {resource:<22} {made:>5} {least:>6}  {why}")?;
        }
        let is_known = |verb: &str, resource: &str| LEAST.iter().any(|(v, r, ..)| *v == verb && *r == resource);
        for ((verb, resource), made) in self.0.iter().filter(|((verb, resource), _)| !is_known(verb, resource)) {
            writeln!(f, "{verb:<8} {resource:<22} {made:>5} {:>6}", 0)?;
        }
        let (made, least) = (self.total(), least());
        writeln!(f, "together {made}, least {least}: {:.2} ×", made as f64 / least as f64)
    }
}
