//! Planners that see another cloud in some namespaces, so that one API server plays for several.

use kaito_api::vocabulary::labels;
use kaito_core::cloud::Cloud;
use kaito_core::driver::Planner;
use kaito_core::kinds::KindUse;
use kaito_core::plan::Plan;
use kaito_core::read::Freshness;
use kaito_core::snapshot::{Snapshot, Unread};
use kaito_core::{Kind, ObjectKey, Seen, Settings};
use std::collections::BTreeMap;

/// The clouds of namespaces; that of the settings elsewhere.
pub type Clouds = BTreeMap<String, Cloud>;

/// A planner that sees in each namespace the cloud of it.
pub(super) struct InClouds<P> {
    pub(super) planner: P,
    pub(super) clouds: Clouds,
}

impl<P: Planner> Planner for InClouds<P> {
    fn name(&self) -> &'static str {
        self.planner.name()
    }

    fn roots(&self) -> Kind {
        self.planner.roots()
    }

    fn kinds(&self, settings: &Settings) -> &'static [KindUse] {
        self.planner.kinds(settings)
    }

    fn plan(&self, root: &ObjectKey, snapshot: &Snapshot, settings: &Settings) -> Result<Plan, Unread> {
        // A request for a machine names the namespace of its Workspace.
        let namespace = match &root.namespace {
            Some(namespace) => Some(namespace.clone()),
            None => {
                let seen = snapshot.seen(root.clone(), Freshness::Cached)?;
                seen.and_then(|seen| seen.labels().get(labels::WORKSPACE_NAMESPACE).cloned())
            }
        };
        let cloud = namespace.and_then(|namespace| self.clouds.get(&namespace).copied()).unwrap_or(settings.cloud);
        self.planner.plan(root, snapshot, &Settings { cloud, ..settings.clone() })
    }

    fn root_of(&self, object: &Seen) -> Option<ObjectKey> {
        self.planner.root_of(object)
    }
}
