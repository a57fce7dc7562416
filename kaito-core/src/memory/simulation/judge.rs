//! What must hold: after every step, whenever the world is at rest, and at the end.

use super::calm::{self, Calm};
use crate::kinds::{Kind, Typed};
use crate::memory::World;
use crate::object::{ObjectKey, Seen};
use crate::read::Selector;
use crate::settings::Settings;
use jiff::SignedDuration;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use kaito_api::Workspace;
use kaito_api::vocabulary::{ConditionType, labels};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Something that must never be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// The invariant, such as `I7`.
    pub invariant: &'static str,
    /// What was seen.
    pub what: String,
    /// When, since the start of the run.
    pub at: SignedDuration,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {}", self.invariant, self.at, self.what)
    }
}

/// Watches one run.
pub(super) struct Judge<'a> {
    calm: &'a Calm,
    /// The Workspace that each uid is, or was.
    known: BTreeMap<String, ObjectKey>,
    found: BTreeMap<(&'static str, String), SignedDuration>,
    /// The version of the store that was looked at last.
    looked: u64,
    /// No wake-up is ever lost, so that at rest everything must be said as it is.
    strict: bool,
}

impl<'a> Judge<'a> {
    pub(super) fn new(calm: &'a Calm, strict: bool) -> Self {
        Self { calm, known: BTreeMap::new(), found: BTreeMap::new(), looked: 0, strict }
    }

    /// What was found, each once.
    pub(super) fn violations(&self) -> Vec<Violation> {
        self.found.iter().map(|((invariant, what), at)| Violation { invariant, what: what.clone(), at: *at }).collect()
    }

    pub(super) fn blame(&mut self, world: &World, invariant: &'static str, what: String) {
        self.found.entry((invariant, what)).or_insert(world.elapsed());
    }

    /// After every step.
    pub(super) fn watch(&mut self, world: &World) {
        let version = world.cluster().with_store(|store| store.version());
        if version != self.looked {
            self.looked = version;
            self.learn(world);
            self.count_machines(world);
        }
        if self.strict && world.is_settled() {
            self.at_rest(world);
        }
    }

    fn learn(&mut self, world: &World) {
        for seen in all(world, Kind::Workspace) {
            if let Some(uid) = seen.metadata().uid.clone() {
                self.known.entry(uid).or_insert_with(|| seen.key());
            }
        }
    }

    /// I7: never more machines than wished, whatever anybody believes.
    fn count_machines(&mut self, world: &World) {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for claim in all(world, Kind::NodeClaim) {
            if let Some(uid) = claim.labels().get(labels::WORKSPACE_UID) {
                *counts.entry(uid.clone()).or_default() += 1;
            }
        }
        for (uid, count) in counts {
            let Some(workspace) = self.known.get(&uid).cloned() else { continue };
            let wished = self.calm.machines.get(&workspace).copied().unwrap_or_default();
            if count > wished {
                self.blame(world, "I7", format!("{workspace} has {count} machines, and {wished} are wished"));
            }
        }
    }

    /// When nobody has anything left to do: what is said must be so, and what is not so must be said.
    fn at_rest(&mut self, world: &World) {
        for seen in all(world, Kind::Workspace) {
            let Seen::Decoded(object) = &seen else { continue };
            let Some(workspace) = Workspace::of(object) else { continue };
            if workspace.metadata.deletion_timestamp.is_some() {
                continue;
            }
            let key = seen.key();
            let says = workspace.is_true(ConditionType::WorkspaceSucceeded);
            if says
                && workspace.inference().is_some()
                && let Some(lie) = unusable(world, &key)
            {
                self.blame(world, "I10", format!("{key} says that it is ready, and {lie}"));
            }
            let stale = workspace.conditions().iter().find(|condition| {
                condition
                    .observed_generation
                    .is_some_and(|seen| seen < workspace.metadata.generation.unwrap_or_default())
            });
            if let Some(stale) = stale {
                self.blame(world, "I10", format!("{key}: condition {} is of an older generation", stale.type_));
            }
            if says {
                continue;
            }
            let why = workspace.condition(ConditionType::WorkspaceSucceeded).or_else(|| workspace.conditions().first());
            match why {
                None => self.blame(world, "I8", format!("{key} is not ready and says nothing")),
                Some(condition) if condition.message.is_empty() || condition.reason.is_empty() => {
                    self.blame(world, "I8", format!("{key} is not ready and {} gives no reason", condition.type_));
                }
                Some(_) => {}
            }
            if !world.looks_again_at(&key) {
                self.blame(world, "I8", format!("{key} is not ready and nobody will ever look at it again"));
            }
        }
    }

    /// Whether everything is as it would be in a calm world.
    pub(super) fn is_content(&self, world: &World) -> bool {
        let states = calm::states(world);
        states.iter().all(|(key, state)| self.calm.states.get(key).is_none_or(|wished| wished == state))
            && orphans(world).is_empty()
    }

    /// At the end: as if nothing had gone wrong.
    pub(super) fn conclude(&mut self, world: &mut World, wished: &[(ObjectKey, Value)], settings: &Settings) {
        let calm = Calm::of(wished, settings);
        let end = Calm::end_of(world);
        for (key, state) in &calm.states {
            match end.states.get(key) {
                Some(found) if found == state => {}
                Some(found) => self.blame(
                    world,
                    "I5",
                    format!("{key} ends {found}, and {state} in a calm world: {}", obstacle(world, key)),
                ),
                None => self.blame(world, "I5", format!("{key} is gone")),
            }
        }
        for key in end.states.keys().filter(|key| !calm.states.contains_key(*key)) {
            self.blame(world, "I5", format!("{key} is still there"));
        }
        for orphan in orphans(world) {
            self.blame(world, "I7", format!("{orphan} belongs to nobody, and is paid for"));
        }
        let names: BTreeSet<&String> = calm.objects.keys().chain(end.objects.keys()).collect();
        for name in names {
            match (calm.objects.get(name), end.objects.get(name)) {
                (Some(wished), Some(found)) => {
                    if let Some(path) = crate::diff::first_difference(wished, found) {
                        self.blame(world, "I13", format!("{name} differs from that of a calm world at {path}"));
                    }
                }
                (Some(_), None) => self.blame(world, "I5", format!("{name} is missing")),
                (None, _) => self.blame(world, "I5", format!("{name} is left over")),
            }
        }
        self.at_rest(world);
        let before = world.product_writes();
        world.advance(SignedDuration::from_hours(3));
        if world.product_writes() != before {
            let writes = world.product_writes() - before;
            self.blame(world, "I5", format!("{writes} writes in three hours in which nothing happens"));
        }
    }
}

fn all(world: &World, kind: Kind) -> Vec<Seen> {
    world.cluster().with_store(|store| store.list(kind, None, &Selector::default()))
}

/// Machines whose Workspace is gone.
fn orphans(world: &World) -> Vec<ObjectKey> {
    let alive: BTreeSet<String> =
        all(world, Kind::Workspace).iter().filter_map(|seen| seen.metadata().uid.clone()).collect();
    let claims = all(world, Kind::NodeClaim).into_iter();
    let ours = claims.filter(|claim| claim.labels().get(labels::WORKSPACE_UID).is_some_and(|uid| !alive.contains(uid)));
    ours.map(|claim| claim.key()).collect()
}

/// Why a client cannot use a Workspace, if it cannot.
fn unusable(world: &World, key: &ObjectKey) -> Option<String> {
    let set_key = ObjectKey::new(Kind::StatefulSet, key.namespace(), key.name.clone());
    let Some(Seen::Decoded(set)) = world.get(&set_key) else { return Some("has no StatefulSet".to_owned()) };
    let set = StatefulSet::of(&set)?;
    let wanted = set.spec.as_ref().map_or(1, |spec| spec.replicas.unwrap_or(1));
    let pods = world.cluster().with_store(|store| {
        store.list(Kind::Pod, key.namespace.as_deref(), &Selector::of([(labels::WORKSPACE, key.name.as_str())]))
    });
    let is_serving = |seen: &&Seen| match seen {
        Seen::Decoded(object) => Pod::of(object).is_some_and(|pod| {
            let ready = pod
                .status
                .iter()
                .flat_map(|status| status.conditions.iter().flatten())
                .any(|condition| condition.type_ == "Ready" && condition.status == "True");
            let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).unwrap_or_default();
            ready
                && pod.metadata.deletion_timestamp.is_none()
                && world.get(&ObjectKey::cluster(Kind::Node, node)).is_some()
        }),
        Seen::Malformed(_) => false,
    };
    let serving = pods.iter().filter(is_serving).count();
    (serving < usize::try_from(wanted).unwrap_or_default()).then(|| format!("{serving} of {wanted} pods serve"))
}

fn obstacle(world: &World, key: &ObjectKey) -> String {
    match world.get(key) {
        Some(Seen::Decoded(object)) => Workspace::of(&object)
            .and_then(|workspace| workspace.conditions().iter().find(|condition| condition.status != "True").cloned())
            .map_or_else(
                || "no condition says why".to_owned(),
                |condition| format!("{}: {}", condition.reason, condition.message),
            ),
        _ => "it cannot be read".to_owned(),
    }
}
