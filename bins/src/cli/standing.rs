//! How a Workspace stands in a world.

use kaito_api::Workspace;
use kaito_api::vocabulary::ConditionType;
use kaito_core::failure::{CATALOGUE, Class};
use kaito_core::memory::World;
use kaito_core::{Object, ObjectKey, Seen};
use std::sync::Arc;

/// The Workspace as the world holds it.
pub fn workspace(world: &World, key: &ObjectKey) -> Option<Arc<Workspace>> {
    match world.get(key) {
        Some(Seen::Decoded(Object::Workspace(workspace))) => Some(workspace),
        _ => None,
    }
}

/// Whether it does what it is for.
pub fn is_ready(world: &World, key: &ObjectKey) -> bool {
    workspace(world, key).is_some_and(|workspace| workspace.is_true(ConditionType::WorkspaceSucceeded))
}

/// Why it is not ready: `reason: message`. A failure is the answer before any wait; among equals, what comes first in the order of the work.
pub fn obstacle(world: &World, key: &ObjectKey) -> String {
    let Some(workspace) = workspace(world, key) else { return format!("{key} is gone") };
    let open = ConditionType::ALL
        .iter()
        .filter_map(|of_type| workspace.condition(*of_type))
        .filter(|condition| condition.status != "True");
    let summary = ConditionType::WorkspaceSucceeded.as_str();
    // The summary only repeats what the others say.
    let worst = open.min_by_key(|condition| (condition.type_ == summary, !is_failure(&condition.reason)));
    worst.map_or_else(
        || "nothing is known of it yet".to_owned(),
        |condition| format!("{}: {}", condition.reason, condition.message),
    )
}

/// Whether a reason is one that does not go away by itself.
pub fn is_failure(reason: &str) -> bool {
    CATALOGUE.iter().any(|row| row.name == reason && matches!(row.class, Class::Failure { .. } | Class::Refusal { .. }))
}
