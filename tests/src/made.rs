//! What the controller makes.

use kaito_core::{KINDS, Kind};

/// The kinds of objects that it makes: those that it has a right to create.
pub fn kinds() -> impl Iterator<Item = Kind> {
    KINDS.iter().filter(|row| row.verbs.contains(&"create")).map(|row| row.kind)
}
