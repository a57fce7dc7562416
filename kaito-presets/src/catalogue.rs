//! Find a model by any of its names, and say what was meant when there is none.

use std::fmt;

use crate::generated::models::{ALIASES, MODELS, NAMES};
use crate::{Model, Removed, nearest::closest, removed};

/// Every model, sorted by key.
#[must_use]
pub fn models() -> &'static [&'static Model] {
    MODELS
}

/// Every alias with its model, sorted.
#[must_use]
pub fn aliases() -> &'static [(&'static str, &'static Model)] {
    ALIASES
}

/// The model of that name: an alias, an id, or an id's last segment, in any case.
///
/// # Errors
/// No model of the catalogue has the name. If [`is_hub_id`] holds it may still be a repository of Hugging Face.
pub fn model(name: &str) -> Result<&'static Model, UnknownModel> {
    let wanted = name.to_ascii_lowercase();
    match NAMES.binary_search_by(|(known, _)| (*known).cmp(wanted.as_str())) {
        Ok(at) => Ok(NAMES[at].1),
        Err(_) => {
            Err(UnknownModel { name: name.to_owned(), removed: removed(&wanted), nearest: nearest(&wanted, SUGGESTED) })
        }
    }
}

/// Whether a name could be a repository of Hugging Face: something on both sides of its first slash.
#[must_use]
pub fn is_hub_id(name: &str) -> bool {
    name.split_once('/').is_some_and(|(owner, repository)| !owner.is_empty() && !repository.is_empty())
}

/// At most `n` names of models that look like `name`, the likeliest first: aliases where there are some, else ids.
#[must_use]
pub fn nearest(name: &str, n: usize) -> Vec<&'static str> {
    closest(name, n, NAMES.iter().map(|(known, model)| (*known, model.preferred_name())))
}

/// How many names an error suggests.
const SUGGESTED: usize = 3;

/// No model of the catalogue has this name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownModel {
    /// As it was asked for.
    pub name: String,
    /// It was a preset once.
    pub removed: Option<&'static Removed>,
    /// Names that look alike, the likeliest first.
    pub nearest: Vec<&'static str>,
}

impl fmt::Display for UnknownModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(removed) = self.removed {
            return removed.fmt(f);
        }
        write!(f, "no model preset is called {:?}", self.name)?;
        if !self.nearest.is_empty() {
            write!(f, "; did you mean {}?", self.nearest.join(", "))?;
        }
        Ok(())
    }
}

impl std::error::Error for UnknownModel {}
