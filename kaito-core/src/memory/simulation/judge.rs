//! What must hold: after every step, whenever the world is at rest, and at the end.

use super::calm::{self, Calm};
use super::node_pools::{self, orphans, whose};
use super::pools::{self, Pools};
use crate::effect::is_dying;
use crate::kinds::{Kind, Typed};
use crate::memory::{Fault, World};
use crate::object::{ObjectKey, Seen};
use crate::read::Selector;
use crate::training;
use jiff::SignedDuration;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kaito_api::Workspace;
use kaito_api::vocabulary::{ConditionType, annotations, labels, names};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What is not at rest while it goes away, although nobody may have anything to do for half a minute.
const GOING: [Kind; 3] = [Kind::Workspace, Kind::NodeClaim, Kind::NodePool];

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

/// Longer than any root is left without a look.
const QUIET: SignedDuration = SignedDuration::from_mins(70);

/// Every wait is overdue by then, also one whose beginning a clock has told that was off by hours.
const OVERDUE: SignedDuration = SignedDuration::from_hours(5);

/// Watches one run.
pub(in crate::memory) struct Judge<'a> {
    pub(super) calm: &'a Calm,
    /// The Workspace that each uid is, or was.
    pub(super) known: BTreeMap<String, ObjectKey>,
    found: BTreeMap<(&'static str, String), SignedDuration>,
    /// The version of the store that was looked at last.
    looked: u64,
    /// No wake-up is ever lost, so that at rest everything must be said as it is.
    strict: bool,
    /// A training may fail for good, because its pods were made to fail.
    may_fail: bool,
    /// What is known of agent pools, where a provisioner of ours makes them.
    pub(super) pools: Option<Pools>,
}

impl<'a> Judge<'a> {
    /// One for a world in which no wake-up is lost and no pod is made to fail.
    pub(in crate::memory) fn new(calm: &'a Calm) -> Self {
        Self {
            calm,
            known: BTreeMap::new(),
            found: BTreeMap::new(),
            looked: 0,
            strict: true,
            may_fail: false,
            pools: None,
        }
    }

    /// The same for a world in which these faults play.
    pub(super) fn of_faults(calm: &'a Calm, played: &[Fault]) -> Self {
        let kills = [Fault::Pods, Fault::Nodes, Fault::User];
        Self {
            strict: !played.contains(&Fault::Triggers),
            may_fail: kills.iter().any(|fault| played.contains(fault)),
            ..Self::new(calm)
        }
    }

    /// What was found, each once.
    pub(in crate::memory) fn violations(&self) -> Vec<Violation> {
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
            self.watch_pools(world);
        }
        if self.strict && world.is_settled() {
            self.at_rest(world);
        }
    }

    pub(in crate::memory) fn learn(&mut self, world: &World) {
        for seen in all(world, Kind::Workspace) {
            if let Some(uid) = seen.metadata().uid.clone() {
                self.known.entry(uid).or_insert_with(|| seen.key());
            }
        }
    }

    /// I7: never more machines than wished, whatever anybody believes.
    pub(in crate::memory) fn count_machines(&mut self, world: &World) {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for claim in all(world, Kind::NodeClaim) {
            if let Some(uid) = claim.labels().get(labels::WORKSPACE_UID) {
                *counts.entry(uid.clone()).or_default() += 1;
            }
        }
        for (uid, count) in node_pools::asked(world) {
            *counts.entry(uid).or_default() += count;
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
        self.pools_at_rest(world);
        // Of a Workspace that nobody can read or write, nobody says or does anything.
        if !world.cluster().with_store(|store| store.serves(Kind::Workspace)) {
            return;
        }
        for seen in all(world, Kind::Workspace) {
            let Seen::Decoded(object) = &seen else { continue };
            let Some(workspace) = Workspace::of(object) else { continue };
            let key = seen.key();
            if workspace.metadata.deletion_timestamp.is_some() {
                self.is_going(world, &key);
                continue;
            }
            self.is_current(world, &key, workspace);
            self.is_given_back(world, &key, workspace);
            let says = workspace.is_true(ConditionType::WorkspaceSucceeded);
            let lie = if workspace.inference().is_some() { unusable(world, &key) } else { None };
            match (says, lie) {
                (true, Some(lie)) => self.blame(world, "I10", format!("{key} says that it is ready, and {lie}")),
                (false, None) if self.is_all_there(world, &key, workspace) => {
                    self.blame(world, "I9", format!("{key} could be used, and does not know it"));
                }
                (true, None) => {}
                (false, _) => self.is_explained(world, &key, workspace),
            }
        }
    }

    /// A deletion at rest waits for something.
    fn is_going(&mut self, world: &World, key: &ObjectKey) {
        let holds = |kind: Kind| all(world, kind).iter().any(|seen| whose(seen).as_ref() == Some(key));
        if !holds(Kind::NodeClaim) && !holds(Kind::NodePool) {
            self.blame(world, "I8", format!("{key} is deleted, has nothing left, and does not go"));
        }
    }

    /// I7: of a training that is over no machine is paid for that was to be given back.
    fn is_given_back(&mut self, world: &World, key: &ObjectKey, workspace: &Workspace) {
        let asked = workspace.annotation(annotations::RELEASE_NODES_WHEN_DONE) == Some("true");
        let is_over = calm::states(world).get(key).is_some_and(|state| calm::is_end(state));
        let may_go = workspace.tuning().is_some_and(|tuning| training::stays_on_machine(tuning).is_none());
        let is_kept = |asking: &Seen| {
            asking.labels().get(labels::WORKSPACE_UID) == workspace.metadata.uid.as_ref()
                && asking.metadata().deletion_timestamp.is_none()
        };
        // While the definition is away, nobody can give a machine back.
        let asks = [Kind::NodeClaim, Kind::NodePool];
        let can_go = world.cluster().with_store(|store| asks.iter().all(|kind| store.serves(*kind)));
        if asked && is_over && may_go && can_go && asks.iter().any(|kind| all(world, *kind).iter().any(is_kept)) {
            self.blame(world, "I7", format!("{key} is over, and its machine is still paid for"));
        }
    }

    /// Every condition of ours is of the generation that is there.
    fn is_current(&mut self, world: &World, key: &ObjectKey, workspace: &Workspace) {
        let generation = workspace.metadata.generation.unwrap_or_default();
        let is_old = |condition: &&Condition| condition.observed_generation.is_some_and(|seen| seen < generation);
        if let Some(old) = workspace.conditions().iter().find(is_old) {
            self.blame(world, "I10", format!("{key}: condition {} is of an older generation", old.type_));
        }
    }

    /// I8: what is not ready says why and what comes next, and somebody looks again.
    fn is_explained(&mut self, world: &World, key: &ObjectKey, workspace: &Workspace) {
        let why = workspace.condition(ConditionType::WorkspaceSucceeded).or_else(|| workspace.conditions().first());
        let wrong = match why {
            None => Some("says nothing".to_owned()),
            Some(condition) if condition.reason.is_empty() || !condition.message.contains("next: ") => {
                Some(format!("{} says neither why nor what comes next: {}", condition.type_, condition.message))
            }
            Some(_) if !world.looks_again_at(key) => Some("nobody will ever look at it again".to_owned()),
            Some(_) => None,
        };
        if let Some(wrong) = wrong {
            self.blame(world, "I8", format!("{key} is not ready and {wrong}"));
        }
    }

    /// Whether it would be ready in a calm world, and everything that it needs is there.
    fn is_all_there(&self, world: &World, key: &ObjectKey, workspace: &Workspace) -> bool {
        let nodes = all(world, Kind::Node);
        let is_ready = |seen: &Seen| match seen {
            Seen::Decoded(object) => Node::of(object).is_some_and(|node| {
                let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
                let shows_gpus = node
                    .status
                    .as_ref()
                    .and_then(|status| status.allocatable.as_ref())
                    .is_some_and(|room| room.contains_key(names::NVIDIA_GPU));
                shows_gpus
                    && conditions
                        .into_iter()
                        .flatten()
                        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
            }),
            Seen::Malformed(_) => false,
        };
        let wished = self.calm.states.get(key).map(String::as_str);
        wished == Some("Ready")
            && workspace.shape_errors().is_empty()
            && world.cluster().with_store(|store| Kind::ALL.iter().all(|kind| store.serves(*kind)))
            && !all(world, Kind::NodeClaim).iter().any(|claim| claim.metadata().deletion_timestamp.is_some())
            && !nodes.is_empty()
            && nodes.iter().all(is_ready)
            && world.replicas.iter().all(|replica| replica.asleep_until <= world.now)
            && !self.has_intruder(world, key)
            && self.has_its_pools(world, key)
            && self.calm.has_its_nodes(world)
    }

    fn has_intruder(&self, world: &World, key: &ObjectKey) -> bool {
        all(world, Kind::Service)
            .iter()
            .any(|service| service.key().name.starts_with(&key.name) && service.metadata().owner_references.is_none())
    }

    /// Whether a Workspace has ended as it should. A training whose pods were made to fail too often has ended too, and says so.
    fn is_as_good(&self, wished: &str, found: &str) -> bool {
        wished == found || (self.may_fail && wished == "Succeeded" && found == "Failed")
    }

    /// Whether everything is as it would be in a calm world.
    pub(super) fn is_content(&self, world: &World) -> bool {
        let states = calm::states(world);
        states.iter().all(|(key, state)| self.calm.states.get(key).is_none_or(|wished| self.is_as_good(wished, state)))
            && !GOING.iter().any(|kind| all(world, *kind).iter().any(|seen| is_dying(seen.metadata())))
            && orphans(world, self.calm).is_empty()
            && !calm::is_measured(world)
            && (self.pools.is_none() || pools::amiss(world).is_empty())
    }

    /// At the end: as if nothing had gone wrong.
    pub(in crate::memory) fn conclude(&mut self, world: &mut World, calm: &Calm) {
        let end = Calm::end_of(world);
        for (key, state) in &calm.states {
            match end.states.get(key) {
                Some(found) if self.is_as_good(state, found) => {}
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
        calm.other_machines(&end).into_iter().for_each(|what| self.blame(world, "I5", what));
        for orphan in orphans(world, calm) {
            self.blame(world, "I7", format!("{orphan} belongs to nobody, and is paid for"));
        }
        let names: BTreeSet<&String> = calm.objects.keys().chain(end.objects.keys()).collect();
        for name in names {
            match (calm.objects.get(name), end.objects.get(name)) {
                (Some(wished), Some(found)) => {
                    let is_enough = end.is_over(name) && calm::asks_for_fewer(wished, found);
                    if let Some(path) = crate::diff::first_difference(wished, found).filter(|_| !is_enough) {
                        self.blame(world, "I13", format!("{name} differs from that of a calm world at {path}"));
                    }
                }
                // A training that is over needs no machine any more.
                (Some(_), None) if name.starts_with("Node") && end.is_over(name) => {}
                (Some(_), None) => self.blame(world, "I5", format!("{name} is missing")),
                (None, _) => self.blame(world, "I5", format!("{name} is left over")),
            }
        }
        self.pools_at_the_end(world);
        self.at_rest(world);
    }

    /// Everything is looked at once more, and nothing is written; but of what is waited for in vain, once, that it is overdue.
    pub(in crate::memory) fn stays_quiet(&mut self, world: &mut World) {
        if calm::is_waited_for(world) {
            world.advance(OVERDUE);
        }
        let before = world.product_writes();
        world.advance(QUIET);
        if world.product_writes() != before {
            let writes = world.product_writes() - before;
            self.blame(world, "I5", format!("{writes} writes in {QUIET:#} in which nothing happens"));
        }
    }

    /// A new version of the program must leave alone what runs.
    pub(in crate::memory) fn upgrade(&mut self, world: &mut World) {
        let (before, states) = (Calm::end_of(world).objects, calm::states(world));
        for index in 0..world.replicas.len() {
            world.replicas[index].settings.registry = "registry.example/next".to_owned();
            world.start_process(index);
        }
        let judged = |world: &World| calm::states(world) == states;
        let mut kept = true;
        world.run(SignedDuration::from_hours(2), |world| {
            kept &= judged(world);
            false
        });
        if !kept {
            self.blame(world, "I5", "a new version of the program changed the state of a Workspace".to_owned());
        }
        let after = Calm::end_of(world).objects;
        let changed = before.iter().find(|(name, object)| after.get(*name) != Some(object));
        if let Some((name, _)) = changed {
            self.blame(world, "I5", format!("a new version of the program changed {name}, which runs"));
        }
    }
}

pub(super) fn all(world: &World, kind: Kind) -> Vec<Seen> {
    world.cluster().with_store(|store| store.list(kind, None, &Selector::default()))
}

/// Why a client cannot use a Workspace, if it cannot.
fn unusable(world: &World, key: &ObjectKey) -> Option<String> {
    let set_key = ObjectKey::new(Kind::StatefulSet, key.namespace(), key.name.clone());
    let Some(Seen::Decoded(set)) = world.get(&set_key) else { return Some("has no StatefulSet".to_owned()) };
    let set = StatefulSet::of(&set)?;
    let wanted = crate::compat::stateful_set_spec(set).map_or(1, |spec| spec.replicas.unwrap_or(1));
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
    if serving < usize::try_from(wanted).unwrap_or_default() {
        return Some(format!("{serving} of {wanted} pods serve"));
    }
    let slices = world.cluster().with_store(|store| {
        store.list(
            Kind::EndpointSlice,
            key.namespace.as_deref(),
            &Selector::of([(labels::SERVICE_NAME, key.name.as_str())]),
        )
    });
    let leads = |seen: &Seen| match seen {
        Seen::Decoded(object) => EndpointSlice::of(object).is_some_and(|slice| {
            let mut conditions = crate::compat::endpoints(slice).iter().map(|endpoint| endpoint.conditions.as_ref());
            conditions
                .any(|found| found.is_none_or(|found| found.serving != Some(false) && found.terminating != Some(true)))
        }),
        Seen::Malformed(_) => false,
    };
    (!slices.iter().any(leads)).then(|| "no address leads to its pods".to_owned())
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
