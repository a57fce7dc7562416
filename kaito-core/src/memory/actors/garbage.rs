//! Dependants follow their owner: an object whose controller is gone is deleted.

use super::empty;
use crate::driver::Planner;
use crate::effect::{Effect, Owned};
use crate::kinds::Kind;
use crate::object::ObjectKey;
use crate::plan::{Outcome, Plan};
use crate::read::Freshness;
use crate::settings::Settings;
use crate::snapshot::{Snapshot, Unread};

/// Collects garbage of one kind.
#[derive(Debug, Clone, Copy)]
pub struct GarbageCollector {
    /// The kind of the dependants.
    pub kind: Kind,
}

impl Planner for GarbageCollector {
    fn name(&self) -> &'static str {
        "garbage"
    }

    fn roots(&self) -> Kind {
        self.kind
    }

    fn plan(&self, key: &ObjectKey, snapshot: &Snapshot, _: &Settings) -> Result<Plan, Unread> {
        let Some(seen) = snapshot.seen(key.clone(), Freshness::Cached)? else {
            return Ok(Plan::nothing(Outcome::Gone));
        };
        let mut plan = empty(seen.metadata());
        for owner in seen.metadata().owner_references.iter().flatten().filter(|owner| owner.controller == Some(true)) {
            let Some(kind) = Kind::named(&owner.api_version, &owner.kind) else { continue };
            let owner_key = ObjectKey::new(kind, key.namespace(), owner.name.clone());
            let alive = snapshot
                .seen(owner_key, Freshness::Live)?
                .is_some_and(|found| found.metadata().uid.as_deref() == Some(&owner.uid));
            if let (false, Some(target)) = (alive, Owned::by_reference(seen, &owner.uid)) {
                plan.push(Effect::Delete { target }, None);
            }
        }
        Ok(plan)
    }
}
