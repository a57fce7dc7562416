//! What goes wrong when: drawn from the dice before a run begins.

use super::machines::Mishap;
use super::node_pools::Meddling;
use super::upset::{Change, EVICTED, Upset};
use crate::kinds::Kind;
use crate::memory::actors::Machines;
use crate::memory::azure::REFUSALS;
use crate::memory::faults::{Dice, Fault};
use crate::memory::{CloudFate, Fate, PodFate, World};
use crate::object::ObjectKey;
use jiff::SignedDuration;
use kaito_api::vocabulary::annotations;
use serde_json::Value;
use std::time::Duration;

/// Faults that strike at a moment, not at a request; how many moments at most; and what they do.
type Drawn = fn(&mut Dice, &[(ObjectKey, Value)]) -> Upset;
const MOMENTS: &[(Fault, u8, Drawn)] = &[
    (Fault::Crash, 3, |dice, _| Upset::Crash { replica: dice.process() }),
    (Fault::Lag, 4, |dice, _| Upset::Relist { replica: dice.process(), kind: pick(dice, Kind::ALL) }),
    (Fault::Replicas, 2, |_, _| Upset::Join),
    (Fault::Replicas, 4, |dice, _| Upset::Pause { replica: dice.process(), lasts: an_hour(dice) }),
    (Fault::Nodes, 3, |_, _| Upset::Lose(Kind::Node)),
    (Fault::Nodes, 2, |dice, _| Upset::NodeNotReady { lasts: an_hour(dice) }),
    (Fault::Cloud, 2, |dice, _| Upset::Fate { fate: machines(dice), lasts: an_hour(dice) }),
    (Fault::Pods, 2, |dice, _| Upset::Fate { fate: pods(dice), lasts: an_hour(dice) }),
    (Fault::Pods, 3, |_, _| Upset::Lose(Kind::Pod)),
    (Fault::Pods, 2, |_, _| Upset::Evict),
    (Fault::User, 3, |dice, all| Upset::Edit { workspace: pick(dice, all).0, change: pick(dice, Change::ALL) }),
    (Fault::User, 3, |dice, _| Upset::Lose(pick(dice, CHILDREN))),
    (Fault::User, 1, |dice, all| {
        let (workspace, body) = pick(dice, all);
        Upset::Spoil { workspace, body, lasts: an_hour(dice) }
    }),
    (Fault::User, 1, |dice, all| Upset::StripStatus { workspace: pick(dice, all).0 }),
    (Fault::User, 1, |dice, all| {
        let ((workspace, body), wait, again) = (pick(dice, all), an_hour(dice), dice.rng().bool());
        Upset::Delete { key: workspace, again: again.then_some((wait, body)) }
    }),
    (Fault::Foreign, 1, |dice, all| {
        let (workspace, headless) = (pick(dice, all).0, dice.rng().bool());
        let name = if headless { crate::manifest::headless_name(&workspace.name) } else { workspace.name.clone() };
        Upset::Intrude { service: ObjectKey::new(Kind::Service, workspace.namespace(), name) }
    }),
    (Fault::Definitions, 1, |dice, _| Upset::Withdraw { kind: Kind::NodeClaim, lasts: an_hour(dice) }),
    (Fault::Clock, 3, |dice, _| {
        let minutes = dice.rng().i64(-180..180);
        Upset::SetClock { replica: dice.process(), by: SignedDuration::from_mins(minutes) }
    }),
];

/// What else can go wrong where machines are made of agent pools by a provisioner of ours.
const MOMENTS_OF_POOLS: &[(Fault, u8, Drawn)] = &[
    (Fault::Cloud, 3, |dice, _| Upset::Fate { fate: pools(dice), lasts: an_hour(dice) }),
    (Fault::Cloud, 2, |dice, _| Upset::Machines(Mishap::Busy { word: pick(dice, BUSY), lasts: an_hour(dice) })),
    (Fault::Nodes, 3, |dice, _| Upset::Machines(Mishap::Vanish { lasts: an_hour(dice) })),
    (Fault::User, 2, |_, _| Upset::Lose(Kind::AgentPool)),
    (Fault::User, 2, |_, _| Upset::Machines(Mishap::Strip)),
    (Fault::Nodes, 2, |dice, _| {
        let (deletes, lasts) = (dice.rng().bool(), an_hour(dice));
        Upset::Machines(Mishap::Stop { deletes, lasts })
    }),
    (Fault::Nodes, 2, |dice, _| {
        let (reimages, lasts) = (dice.rng().bool(), an_hour(dice));
        Upset::Machines(Mishap::Surge { reimages, lasts })
    }),
];

/// What else can go wrong where Karpenter makes machines of NodePools.
const MOMENTS_OF_NODE_POOLS: &[(Fault, u8, Drawn)] = &[
    (Fault::User, 2, |_, _| Upset::Lose(Kind::NodePool)),
    (Fault::User, 2, |_, _| Upset::Lose(Kind::NodeClaim)),
    (Fault::User, 3, |dice, _| Upset::Meddle(pick(dice, Meddling::ALL))),
    (Fault::Definitions, 1, |dice, _| Upset::Withdraw { kind: Kind::NodePool, lasts: an_hour(dice) }),
];

/// What goes wrong with Nodes that somebody has brought along.
const MOMENTS_OF_BROUGHT: &[(Fault, u8, Drawn)] = &[
    (Fault::Nodes, 3, |dice, all| {
        let ((key, body), wait) = (pick(dice, all), an_hour(dice));
        Upset::Delete { key, again: Some((wait, body)) }
    }),
    (Fault::User, 2, |dice, all| {
        let (node, body) = pick(dice, all);
        Upset::Unlabel { node, body, lasts: an_hour(dice) }
    }),
];

/// What is done to a pool that nobody of ours asked for, in Azure's words; one may fail of it.
const BUSY: &[&str] = &["Updating", "UpgradingNodeImageVersion", "Scaling", "Failed", "Canceled"];

/// Children that somebody may delete.
const CHILDREN: &[Kind] = &[Kind::Service, Kind::StatefulSet, Kind::NodeClaim, Kind::ControllerRevision];

/// A cloud that does not do what it is asked for a while.
fn machines(dice: &mut Dice) -> Fate {
    let (reason, message) = ("InsufficientCapacityError".to_owned(), "no such machine is free".to_owned());
    let fates = [
        CloudFate::Refuses { reason: reason.clone(), message: message.clone() },
        CloudFate::PartlyRefuses { reason: reason.clone(), message: message.clone() },
        CloudFate::GivesUp { reason, message },
        CloudFate::NeverLaunches,
        CloudFate::NeverRegisters,
        CloudFate::GpusNeverAppear,
        CloudFate::NeverTerminates,
    ];
    Fate { cloud: pick(dice, &fates), ..Fate::default() }
}

/// Azure, which gives no machine for a while, or takes none back.
fn pools(dice: &mut Dice) -> Fate {
    let message = "the machine is held by another operation".to_owned();
    let mut fates: Vec<CloudFate> = REFUSALS.iter().map(|refusal| CloudFate::Azure { refusal, size: None }).collect();
    fates.extend([
        CloudFate::NodeNeverReady { message: message.clone() },
        CloudFate::TerminatesPartly,
        CloudFate::FailsToTerminate { reason: "InternalOperationError".to_owned(), message },
        CloudFate::NeverTerminates,
        CloudFate::NeverRegisters,
    ]);
    Fate { cloud: pick(dice, &fates), ..Fate::default() }
}

/// Pods that do not do what they are asked for a while.
fn pods(dice: &mut Dice) -> Fate {
    let message = "toomanyrequests: the registry asks for patience".to_owned();
    let fates = [
        PodFate::NeverMade,
        PodFate::Unschedulable { message: "0/1 nodes are available".to_owned() },
        PodFate::ImagePull { message: message.clone() },
        PodFate::CreateConfigError { message: "secret \"token\" not found".to_owned() },
        PodFate::InitCrashLoop { exit_code: 9, message: message.clone() },
        PodFate::CrashLoop { exit_code: 1, message },
        PodFate::OutOfMemory,
        PodFate::NeverReady,
        PodFate::Evicted { message: EVICTED.to_owned() },
        PodFate::Rejected { reason: "UnexpectedAdmissionError".to_owned(), message: "no GPU is left".to_owned() },
        PodFate::NeverServes,
        PodFate::Ends { exit_code: 139, text: "epoch 1".to_owned() },
        PodFate::Prints { text: String::new() },
        PodFate::Prints { text: "KAITO_BENCHMARK_RESULT 2026-01-01T00:00:00Z {\"vllm_total".to_owned() },
    ];
    Fate { pods: pick(dice, &fates), ..Fate::default() }
}

fn an_hour(dice: &mut Dice) -> Duration {
    dice.up_to(Duration::from_secs(3600))
}

fn pick<T: Clone>(dice: &mut Dice, from: &[T]) -> T {
    from[dice.rng().usize(0..from.len())].clone()
}

/// The topic of its lines in the timeline.
const TOPIC: &str = "fault";

/// What happens in one run, in order.
pub(super) struct Script {
    /// The last comes first.
    ahead: Vec<(Duration, Upset)>,
    done: Vec<String>,
    /// The Workspace whose timeline tells what goes wrong.
    about: Option<ObjectKey>,
    /// Objects of others, with the uid that they must keep.
    intruders: Vec<(ObjectKey, String)>,
}

impl Script {
    /// Draws what goes wrong. The objects themselves are put at the beginning, or one after the other.
    pub(super) fn write(dice: &mut Dice, objects: &[(ObjectKey, Value)], machines: Machines) -> Self {
        const HORIZONS: [u64; 4] = [60, 600, 1800, 7200];
        let horizon = Duration::from_secs(HORIZONS[dice.rng().usize(0..HORIZONS.len())]);
        let of = |kind: Kind| -> Vec<_> { objects.iter().filter(|(key, _)| key.kind == kind).cloned().collect() };
        let (workspaces, nodes) = (of(Kind::Workspace), of(Kind::Node));
        let mut ahead: Vec<(Duration, Upset)> = Vec::new();
        for (key, body) in objects {
            let is_late = match key.kind {
                Kind::Workspace => dice.plays(Fault::User),
                Kind::Node => dice.plays(Fault::Nodes),
                _ => false,
            };
            let late = if is_late { dice.up_to(horizon / 4) } else { Duration::ZERO };
            ahead.push((late, Upset::Put { key: key.clone(), body: body.clone() }));
        }
        let more = match machines {
            Machines::OfPools => MOMENTS_OF_POOLS,
            Machines::OfNodePools => MOMENTS_OF_NODE_POOLS,
            Machines::OfClaims | Machines::Brought => &[],
        };
        for (rows, to) in [(MOMENTS, &workspaces), (more, &workspaces), (MOMENTS_OF_BROUGHT, &nodes)] {
            for (fault, most, draw) in rows.iter().filter(|_| !to.is_empty()) {
                if !dice.plays(*fault) {
                    continue;
                }
                for _ in 0..dice.rng().u8(0..=*most) {
                    let at = horizon.mul_f64(dice.rng().f64());
                    ahead.push((at, draw(dice, to)));
                }
            }
        }
        // Stable: what has the same time keeps its order.
        ahead.reverse();
        ahead.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        let about = workspaces.into_iter().next().map(|(key, _)| key);
        Self { ahead, done: Vec::new(), about, intruders: Vec::new() }
    }

    /// When something happens next.
    pub(super) fn next(&self) -> Option<Duration> {
        self.ahead.last().map(|(at, _)| *at)
    }

    pub(super) fn is_over(&self) -> bool {
        self.ahead.is_empty()
    }

    /// Does the next thing.
    pub(super) fn act(&mut self, world: &mut World) {
        let Some((at, upset)) = self.ahead.pop() else { return };
        let Some(told) = upset.act(world) else { return };
        if let Some((wait, next)) = upset.follows() {
            self.add(at + wait, next);
        }
        if let Upset::Intrude { service } = &upset
            && let Some(uid) = world.get(service).and_then(|seen| seen.metadata().uid.clone())
        {
            self.intruders.push((service.clone(), uid));
        }
        if let Some(about) = &self.about {
            world.note(about, TOPIC, &told);
        }
        self.done.push(format!("{}: {told}", SignedDuration::try_from(at).unwrap_or_default()));
    }

    fn add(&mut self, at: Duration, upset: Upset) {
        let place = self.ahead.iter().position(|(other, _)| *other <= at).unwrap_or(self.ahead.len());
        self.ahead.insert(place, (at, upset));
    }

    /// Nothing goes wrong from now on. What was still to be mended or put is; objects of others go. Answers those of them that somebody has touched meanwhile.
    pub(super) fn end(&mut self, world: &mut World) -> Vec<ObjectKey> {
        while let Some((_, upset)) = self.ahead.pop() {
            if upset.mends() {
                upset.act(world);
            }
        }
        world.calm_down();
        let mut touched = Vec::new();
        for (intruder, uid) in self.intruders.drain(..) {
            let there = world.get(&intruder).filter(|seen| seen.metadata().uid.as_ref() == Some(&uid));
            match there {
                Some(seen) if seen.metadata().generation == Some(1) => drop(world.delete(&intruder)),
                _ => touched.push(intruder),
            }
        }
        touched
    }

    /// What was done, in words.
    pub(super) fn told(self) -> Vec<String> {
        self.done
    }
}

/// What the user wishes at the end: what she has given and what she may edit, where it is there and nobody is deleting it. What she may edit is wished as she left it; all else, such as a Node, as she gave it.
pub(super) fn wished(world: &World) -> Vec<(ObjectKey, Value)> {
    let mut wishes: Vec<(ObjectKey, Value)> = world.cluster().with_store(|store| {
        let wish = |key: &ObjectKey, value: &Value| match key.kind {
            Kind::Workspace | Kind::ConfigMap | Kind::Secret => Some(plain(value)),
            _ => world.as_given(store.get(key)?).cloned(),
        };
        let there = store.iter().filter(|(_, value)| value.pointer("/metadata/deletionTimestamp").is_none());
        there.filter_map(|(key, value)| Some((key.clone(), wish(key, value)?))).collect()
    });
    // The order of the beginning: the names of machines hang on the uid that a Workspace gets, and a claim that is given may have such a name.
    wishes.sort_by_key(|(key, _)| key.kind == Kind::Workspace);
    wishes
}

/// As a user would write it.
fn plain(value: &Value) -> Value {
    let mut value = crate::render::canonical(value);
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("finalizers");
        if let Some(found) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            for ours in
                [annotations::WORKSPACE_REVISION, annotations::WORKSPACE_HASH, annotations::NODE_CLAIMS_GIVEN_UP]
            {
                found.remove(ours);
            }
        }
    }
    value
}
