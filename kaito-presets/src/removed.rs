//! Names that once were presets, so that an old manifest gets a better answer than "unknown".

use std::fmt;

use crate::generated::removed::REMOVED;

/// A preset of older releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removed {
    /// The name, lower case.
    pub name: &'static str,
    /// First release that had it.
    pub first_release: &'static str,
    /// Last release that had it.
    pub last_release: &'static str,
    /// What to name instead: a model of the catalogue, or a repository of Hugging Face.
    pub replacement: &'static str,
}

impl fmt::Display for Removed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the preset {:?} was removed after {}", self.name, self.last_release)?;
        match crate::model(self.replacement) {
            Ok(model) => write!(f, "; use {:?}", model.preferred_name()),
            Err(_) => write!(f, "; nothing in the catalogue takes its place"),
        }
    }
}

/// Every removed preset, sorted by name.
#[must_use]
pub fn removed_presets() -> &'static [Removed] {
    REMOVED
}

/// The removed preset of that name, in any case.
#[must_use]
pub fn removed(name: &str) -> Option<&'static Removed> {
    let name = name.to_ascii_lowercase();
    REMOVED.binary_search_by(|known| known.name.cmp(name.as_str())).ok().map(|at| &REMOVED[at])
}
