//! What cannot be asked for.

use crate::class::{ErrorClass, Failure};
use kaito_api::{FieldError, FieldErrorKind, FieldPath};
use std::fmt;

/// Why no agent pool can be made of a NodeClaim: every field that is in the way, and what would be right. At least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(Vec<FieldError>);

impl Refusal {
    /// The fields, in the order of the claim.
    pub fn fields(&self) -> &[FieldError] {
        &self.0
    }

    /// `Ok` where nothing is wrong.
    pub(super) fn unless_empty(errors: Vec<FieldError>) -> Result<(), Self> {
        if errors.is_empty() { Ok(()) } else { Err(Self(errors)) }
    }

    pub(super) fn of(error: FieldError) -> Self {
        Self(vec![error])
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            write!(f, "{}{error}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}

impl From<&Refusal> for Failure {
    fn from(refusal: &Refusal) -> Self {
        Failure::new(ErrorClass::Invalid, "InvalidNodeClaim", &refusal.to_string())
    }
}

/// A field whose value cannot be honoured.
pub(super) fn wrong(path: FieldPath, detail: impl Into<String>) -> FieldError {
    FieldError::new(path, FieldErrorKind::Value, detail)
}

/// A field that must be there.
pub(super) fn missing(path: &str, detail: impl Into<String>) -> FieldError {
    FieldError::new(FieldPath::from(path), FieldErrorKind::Missing, detail)
}
