//! What the controller makes.

use kaito_core::{Kind, NodeProvisioner, kinds};
use std::collections::BTreeSet;

/// The kinds of objects that it makes, wherever its machines come from: those that it has a right to create.
pub fn kinds() -> impl Iterator<Item = Kind> {
    let tables = [NodeProvisioner::default(), NodeProvisioner::Karpenter(Default::default())];
    let rows = tables.iter().flat_map(kinds::of).filter(|row| row.verbs.contains(&"create"));
    rows.map(|row| row.kind).collect::<BTreeSet<Kind>>().into_iter()
}
