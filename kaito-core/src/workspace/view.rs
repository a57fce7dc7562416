//! The Workspace and its children, as read.

use super::machines;
use crate::kinds::Kind;
use crate::object::{ObjectKey, Seen};
use crate::read::{Freshness, Read, Selector};
use crate::settings::Settings;
use crate::snapshot::{Listing, Lookup, Snapshot, Unread};
use jiff::Timestamp;
use k8s_openapi::api::{apps::v1 as apps, batch::v1::Job, core::v1 as core, discovery::v1 as discovery};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta, OwnerReference};
use kaito_api::Workspace;
use kaito_api::vocabulary::{ConditionType, annotations, labels};
use kaito_api::workspace::{self, TuningSpec};
use serde_json::Value;
use std::collections::BTreeSet;

/// What the steps look at.
pub(super) struct View<'a> {
    pub(super) key: &'a ObjectKey,
    pub(super) snapshot: &'a Snapshot,
    pub(super) settings: &'a Settings,
    /// Always readable, even where the rest of the Workspace is not.
    pub(super) metadata: &'a ObjectMeta,
    /// The Workspace, or the decoder's words.
    pub(super) workspace: Result<&'a Workspace, &'a str>,
    /// The status as it was read, in JSON; of a Workspace that can be read, the fields that this build knows.
    pub(super) status: Value,
    conditions: Vec<Condition>,
}

impl<'a> View<'a> {
    /// Reads the root and, in the same round, everything that every plan needs. `None` when the root is gone.
    pub(super) fn new(
        key: &'a ObjectKey,
        snapshot: &'a Snapshot,
        settings: &'a Settings,
    ) -> Result<Option<Self>, Unread> {
        let root = snapshot.seen(key.clone(), Freshness::Cached);
        let tunes = root.is_ok_and(|root| root.is_some_and(tunes));
        let of_machines = machines::of(settings).first_reads(key);
        let job = tunes.then(|| named(key, Kind::Job, &key.name));
        snapshot.need(first_reads(key).into_iter().chain(of_machines).chain(job))?;
        Self::of_root(key, snapshot, settings)
    }

    /// The root alone, where the rest cannot be read.
    pub(super) fn of_root(
        key: &'a ObjectKey,
        snapshot: &'a Snapshot,
        settings: &'a Settings,
    ) -> Result<Option<Self>, Unread> {
        let (metadata, workspace, status, conditions) = match snapshot.seen(key.clone(), Freshness::Cached)? {
            None => return Ok(None),
            Some(seen @ Seen::Malformed(malformed)) => {
                let old =
                    malformed.status.get("conditions").cloned().and_then(|found| serde_json::from_value(found).ok());
                (seen.metadata(), Err(malformed.error.as_str()), malformed.status.clone(), old.unwrap_or_default())
            }
            Some(seen @ Seen::Decoded(object)) => match <Workspace as crate::kinds::Typed>::of(object) {
                None => return Ok(None),
                Some(workspace) => {
                    let status = workspace.status.as_ref().and_then(|status| serde_json::to_value(status).ok());
                    (seen.metadata(), Ok(workspace), status.unwrap_or_default(), workspace.conditions().to_vec())
                }
            },
        };
        Ok(Some(Self { key, snapshot, settings, metadata, workspace, status, conditions }))
    }

    pub(super) fn now(&self) -> Timestamp {
        self.snapshot.now()
    }

    pub(super) fn name(&self) -> &str {
        &self.key.name
    }

    pub(super) fn namespace(&self) -> &str {
        self.key.namespace()
    }

    pub(super) fn uid(&self) -> &str {
        self.metadata.uid.as_deref().unwrap_or_default()
    }

    pub(super) fn generation(&self) -> i64 {
        self.metadata.generation.unwrap_or_default()
    }

    pub(super) fn resource_version(&self) -> &str {
        self.metadata.resource_version.as_deref().unwrap_or_default()
    }

    pub(super) fn annotation(&self, key: &str) -> Option<&str> {
        self.metadata.annotations.as_ref()?.get(key).map(String::as_str)
    }

    /// The conditions as they were read.
    pub(super) fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// When a condition stopped holding of a Workspace that was ready once: now, where it held when it was read. `None` before it was ever ready, and after its status was
    /// stripped: then the condition's own time says no more than when it was looked at first.
    pub(super) fn lost(&self, condition: ConditionType) -> Option<Timestamp> {
        let was_ready = matches!(self.status.get("state").and_then(Value::as_str), Some("Ready" | "NotReady"));
        self.stopped(condition).filter(|_| was_ready)
    }

    /// Since when a condition does not hold, as recorded; now, where it held when it was read.
    pub(super) fn stopped(&self, condition: ConditionType) -> Option<Timestamp> {
        let recorded = |holds| crate::conditions::since(&self.conditions, condition, holds);
        recorded(false).or_else(|| recorded(true).map(|_| self.now()))
    }

    /// When a wait began that no object of the cluster records: since its condition does not hold, or now, when it is the first time that it is looked at.
    pub(super) fn not_since(&self, condition: ConditionType) -> Timestamp {
        crate::conditions::since(&self.conditions, condition, false).unwrap_or(self.now())
    }

    /// The number of machines that was settled on before; a stripped status (a restored backup) has none.
    pub(super) fn recorded_target(&self) -> Option<u32> {
        self.status
            .get("targetNodeCount")
            .and_then(Value::as_u64)
            .and_then(|count| u32::try_from(count).ok())
            .filter(|count| (1..=workspace::MOST_NODES).contains(count))
    }

    /// The controller reference that children in the same namespace carry.
    pub(super) fn owner(&self) -> OwnerReference {
        OwnerReference {
            api_version: Kind::Workspace.api_version(),
            kind: Kind::Workspace.name().to_owned(),
            name: self.name().to_owned(),
            uid: self.uid().to_owned(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }
    }

    /// The Workspace itself from the API server; money is spent on nothing less.
    pub(super) fn live_root(&self) -> Result<Lookup<'a, Workspace>, Unread> {
        self.snapshot.object(self.key.clone(), Freshness::Live)
    }

    pub(super) fn revisions(&self) -> Result<Listing<'a, apps::ControllerRevision>, Unread> {
        self.snapshot.list(Some(self.namespace()), revision_labels(self.key), Freshness::Cached)
    }

    /// The EndpointSlices of the address that clients use.
    pub(super) fn endpoint_slices(&self) -> Result<Listing<'a, discovery::EndpointSlice>, Unread> {
        self.snapshot.list(Some(self.namespace()), service_labels(self.key), Freshness::Cached)
    }

    /// The pods that carry the label of this Workspace, whoever made them.
    pub(super) fn pods(&self) -> Result<Listing<'a, core::Pod>, Unread> {
        self.pods_as(Freshness::Cached)
    }

    /// The same, as the cache or as the API server has them.
    pub(super) fn pods_as(&self, freshness: Freshness) -> Result<Listing<'a, core::Pod>, Unread> {
        let selector = Selector::of([(labels::WORKSPACE, self.name())]);
        self.snapshot.list(Some(self.namespace()), selector, freshness)
    }

    /// The names of the Nodes on which pods of this Workspace are.
    pub(super) fn nodes_in_use(&self) -> Result<BTreeSet<String>, Unread> {
        let pods = self.pods()?.items.into_iter();
        let ours = pods.filter(|pod| pod.metadata.deletion_timestamp.is_none());
        Ok(ours.filter_map(|pod| pod.spec.as_ref()?.node_name.clone()).collect())
    }

    pub(super) fn stateful_set(&self) -> Result<Lookup<'a, apps::StatefulSet>, Unread> {
        self.snapshot.get(self.namespace(), self.name())
    }

    /// The revision that the workload of ours was made from, where there is one.
    pub(super) fn workload_revision(&self) -> Result<Option<i64>, Unread> {
        let set = self.stateful_set()?.found().map(|set| &set.metadata);
        let job = if self.tuning().is_some() { self.job()?.found().map(|job| &job.metadata) } else { None };
        let ours = set.into_iter().chain(job).filter(|found| crate::effect::is_controlled_by(found, self.uid()));
        let revisions =
            ours.filter_map(|found| found.annotations.as_ref()?.get(annotations::WORKSPACE_REVISION)?.parse().ok());
        Ok(revisions.max())
    }

    /// What is to be tuned, where that is all that is asked for.
    pub(super) fn tuning(&self) -> Option<&'a TuningSpec> {
        tuning_of(self.workspace.ok()?)
    }

    /// The Job of this name. Jobs of others are not watched, so that absence is believed of the API server only.
    pub(super) fn job(&self) -> Result<Lookup<'a, Job>, Unread> {
        self.snapshot.get_surely(self.namespace(), self.name())
    }

    /// Whether a child of ours exists: from then on a late "no" warns and does not stop. A Job counts whatever is asked for today, for it may be of a former wish.
    pub(super) fn has_children(&self) -> Result<bool, Unread> {
        let is_ours = |metadata| crate::effect::is_controlled_by(metadata, self.uid());
        let serves = self.stateful_set()?.found().is_some_and(|set| is_ours(&set.metadata));
        let job: Lookup<'_, Job> = self.snapshot.get(self.namespace(), self.name())?;
        let tunes = job.found().is_some_and(|job| is_ours(&job.metadata));
        Ok(serves || tunes || machines::of(self.settings).holds(self)?.all > 0)
    }
}

/// What every plan reads: known from the root's key alone, so that one round is enough. Not the Job: only those with our label are watched, so that it costs a request to know that there is
/// none, and a model that is served has none.
fn first_reads(key: &ObjectKey) -> [Read; 6] {
    [
        Read::object(key.clone()),
        Read::list(Kind::ControllerRevision, Some(key.namespace()), revision_labels(key)),
        Read::list(Kind::EndpointSlice, Some(key.namespace()), service_labels(key)),
        named(key, Kind::Service, &key.name),
        named(key, Kind::Service, &crate::manifest::headless_name(&key.name)),
        named(key, Kind::StatefulSet, &key.name),
    ]
}

fn named(root: &ObjectKey, kind: Kind, name: &str) -> Read {
    Read::object(ObjectKey::new(kind, root.namespace(), name))
}

fn tuning_of(workspace: &Workspace) -> Option<&TuningSpec> {
    match workspace.task() {
        workspace::Task::Tuning(tuning) => Some(tuning),
        workspace::Task::Inference(_) | workspace::Task::Neither | workspace::Task::Both(..) => None,
    }
}

/// Whether this is a Workspace that tunes a model.
fn tunes(root: &Seen) -> bool {
    match root {
        Seen::Decoded(object) => <Workspace as crate::kinds::Typed>::of(object).and_then(tuning_of).is_some(),
        Seen::Malformed(_) => false,
    }
}

fn service_labels(key: &ObjectKey) -> Selector {
    Selector::of([(labels::SERVICE_NAME, key.name.as_str())])
}

fn revision_labels(key: &ObjectKey) -> Selector {
    Selector::of([(labels::REVISION_WORKSPACE_NAME, key.name.as_str())])
}
