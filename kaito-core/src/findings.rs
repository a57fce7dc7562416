//! What there is to say of a file of settings, setting by setting: of the runtime's and of a training's.

use std::fmt;

/// So many findings are told; after them, only their number.
pub(crate) const TOLD: usize = 6;

/// Something to say about one setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Line of the file, from 1.
    pub line: u64,
    /// Where in the file, dotted.
    pub path: String,
    /// What is wrong, and what would be right; reads on from the path.
    pub says: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {} {}", self.line, self.path, self.says)
    }
}

/// Some findings in one line: the first few, and how many more there are.
pub fn told(findings: &[Finding]) -> String {
    first(findings).join("; ")
}

/// The first few findings in words, and how many more there are: a file may be wrong in a thousand places.
pub(crate) fn first(findings: &[Finding]) -> Vec<String> {
    let more = findings.len().saturating_sub(TOLD);
    let all = findings.iter().take(TOLD).map(ToString::to_string);
    all.chain((more > 0).then(|| format!("and {more} more"))).collect()
}
