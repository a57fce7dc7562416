//! Every Workspace of the published manifests, under the settings of each cloud, comes to an end: it serves, its training is done, or it is refused in words before a machine is paid for.
//!
//! The ends are a table (`corpus_ends.txt`), so that a change of one shows. Most sizes exist in one cloud only, and are refused in the others; so each file is played there with a size of
//! that cloud too; and under Azure with Karpenter, and on nodes that were brought along. Where a manifest ends well, what is planned is what is applied (I13), and planning again writes nothing (I5).

use jiff::SignedDuration;
use kaito_core::cloud::Cloud;
use kaito_core::diff::first_difference;
use kaito_core::failure::{self, CATALOGUE, Class, Reason};
use kaito_core::kinds::{self, KindUse};
use kaito_core::memory::{Halt, Pace, World};
use kaito_core::{Kind, NodeProvisioner, ObjectKey, Settings, render};
use kaito_presets::Sku;
use kaito_simulation::cores;
use kaito_simulation::corpus::{self, Manifest};
use kaito_simulation::scenarios::{self, Objects};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Mutex;

/// One line a manifest: its name, and its end in each mode.
const ENDS: &str = include_str!("corpus_ends.txt");
/// A column of the table: whose settings, with which machines.
#[derive(Clone, Copy)]
struct Mode {
    cloud: Cloud,
    machines: Machines,
}

/// Where machines come from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Machines {
    /// They are made, of the sizes that are named.
    AsNamed,
    /// They are made; a size that this cloud lacks becomes one that it has.
    Sized,
    /// They are made of NodePools, of the sizes that are named.
    OfPools,
    /// They are brought along: those that stood there while the reference was captured so.
    Brought,
}

const MODES: [Mode; 7] = [
    Mode { cloud: Cloud::Azure, machines: Machines::AsNamed },
    Mode { cloud: Cloud::Aws, machines: Machines::AsNamed },
    Mode { cloud: Cloud::Arc, machines: Machines::AsNamed },
    Mode { cloud: Cloud::Aws, machines: Machines::Sized },
    Mode { cloud: Cloud::Arc, machines: Machines::Sized },
    Mode { cloud: Cloud::Azure, machines: Machines::OfPools },
    Mode { cloud: Cloud::Azure, machines: Machines::Brought },
];

/// Longer than anybody waits for a node that somebody has to bring along before what can be done is said.
const OVERDUE: SignedDuration = SignedDuration::from_mins(31);

impl Mode {
    fn settings(self) -> Settings {
        let settings = Settings { cloud: self.cloud, ..Settings::default() };
        match self.machines {
            Machines::AsNamed | Machines::Sized => settings,
            Machines::OfPools => Settings { provisioner: scenarios::karpenter(), ..settings },
            Machines::Brought => {
                Settings { provisioner: NodeProvisioner::Byo, gates: scenarios::gates_of_brought(), ..settings }
            }
        }
    }
}

/// The steps that lead to a manifest: those of its story that come before it, and itself.
fn story(all: &[Manifest], manifest: &Manifest) -> Vec<Objects> {
    let earlier = manifest.earlier().into_iter();
    let step = |name: String| all.iter().find(|other| other.name == name).expect("an earlier step").objects.clone();
    earlier.map(step).chain([manifest.objects.clone()]).collect()
}

/// The same on machines of this cloud: the least that have as many GPUs with as much memory, else its largest.
fn sized(story: &mut [Objects], cloud: Cloud) {
    let there = |name: &str| {
        let sku = Cloud::ALL.into_iter().find_map(|cloud| kaito_presets::sku(cloud, name))?;
        let offered = || kaito_presets::skus(cloud).iter().filter(|one| one.gpu_vendor == sku.gpu_vendor);
        let is_enough = |one: &&Sku| {
            one.gpu_count >= sku.gpu_count
                && one.gpu_memory_bytes >= sku.gpu_memory_bytes
                && one.compute_capability >= sku.compute_capability
        };
        let least = offered().filter(is_enough).min_by_key(|one| one.gpu_memory_bytes);
        least.or(offered().max_by_key(|one| one.gpu_memory_bytes)).map(|one| one.name)
    };
    for size in story.iter_mut().flatten().filter_map(|(_, body)| body.pointer_mut("/resource/instanceType")) {
        let name = size.as_str().unwrap_or_default();
        if kaito_presets::sku(cloud, name).is_none()
            && let Some(there) = there(name)
        {
            *size = Value::from(there);
        }
    }
}

/// A world in which a story was played to its end; where it is said, a new process takes over after so many writes.
fn played(settings: &Settings, pace: Pace, story: &[Objects], crash_after: Option<u64>) -> World {
    let mut world = World::with_pace(settings, pace);
    if let Some(writes) = crash_after {
        world.crash_after(writes);
    }
    for step in story {
        step.iter().for_each(|(key, body)| world.put(key, body).expect("the world takes it"));
        assert_eq!(render::settle(&mut world), Halt::Settled, "it comes to rest");
    }
    world
}

/// Whether the controller makes objects of this kind: it has a right to create them.
fn is_made(kind: Kind, settings: &Settings) -> bool {
    KindUse::of(kinds::of(&settings.provisioner), kind).is_some_and(|row| row.verbs.contains(&"create"))
}

/// What there is of the kinds that we make, and not the user's or the chart's, by kind and name in canonical form.
fn applied(world: &World, story: &[Objects]) -> BTreeMap<String, Value> {
    let release = &world.settings().release_namespace;
    let is_theirs = |key: &ObjectKey| story.iter().flatten().any(|(theirs, _)| theirs == key);
    let is_ours = |key: &ObjectKey| {
        is_made(key.kind, world.settings()) && key.namespace.as_ref() != Some(release) && !is_theirs(key)
    };
    let named = |value: Value| {
        let owner = &value["metadata"]["labels"]["kaito.sh/workspace"];
        (format!("{} {} {owner}", value["kind"], value["metadata"]["name"]), value)
    };
    world.cluster().with_store(|store| {
        let ours = store.iter().filter(|(key, _)| is_ours(key));
        ours.map(|(_, value)| named(render::canonical(value))).collect()
    })
}

/// Waits for what somebody has to bring along.
static NOT_BROUGHT: [&Reason; 2] = [&failure::NODES_NOT_BROUGHT, &failure::GPU_LABELS_PENDING];

/// How a Workspace ended: its state where that is good, else the reason of the row of the catalogue that refuses it.
fn end(world: &World, key: &ObjectKey) -> String {
    let status = world.cluster().with_store(|store| store.value(key).cloned()).unwrap()["status"].clone();
    let state = status["state"].as_str().unwrap_or_default();
    if matches!(state, "Ready" | "Succeeded") {
        return state.to_owned();
    }
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    // Nodes that nobody brings are waited for: in the end the wait is overdue, and says what can be done.
    let is_end = |row: &&&Reason| matches!(row.class, Class::Refusal { .. }) || NOT_BROUGHT.contains(row);
    let refusals = CATALOGUE.iter().filter(is_end);
    let mut told = refusals.filter_map(|row| {
        let says = |condition: &&Value| condition["status"] == "False" && condition["reason"] == row.name;
        conditions.iter().find(says).map(|condition| (row, condition["message"].as_str().unwrap_or_default()))
    });
    let Some((row, words)) = told.next_back() else { return format!("NO-END:{status}") };
    let top = conditions.iter().find(|condition| condition["type"] == "WorkspaceSucceeded");
    let top = top.and_then(|top| top["message"].as_str()).unwrap_or_default();
    let cause = words.split("; next: ").next().unwrap_or_default();
    let is_told = words.contains(row.next) && words.contains(row.remedy) && top.contains(cause) && words.len() < 2500;
    if is_told { row.name.to_owned() } else { format!("{} NOT-TOLD: {words} AND FIRST: {top}", row.name) }
}

fn is_good(end: &str) -> bool {
    matches!(end, "Ready" | "Succeeded")
}

/// Plays a manifest in one mode, and answers its end, with what does not hold of it.
fn play(all: &[Manifest], manifest: &Manifest, mode: Mode) -> (String, Vec<String>) {
    let (settings, cloud) = (mode.settings(), mode.cloud);
    let mut story = story(all, manifest);
    match mode.machines {
        Machines::AsNamed | Machines::OfPools => {}
        Machines::Sized => sized(&mut story, cloud),
        Machines::Brought => story.insert(0, corpus::brought()),
    }
    let mut broken = Vec::new();
    let mut ideal = played(&settings, Pace::instant(), &story, None);
    let planned = applied(&ideal, &story);
    if mode.machines == Machines::Brought {
        ideal.advance(OVERDUE);
    }
    let ends: Vec<String> = ideal.workspaces().iter().map(|key| end(&ideal, key)).collect();
    // Whoever makes them.
    let machines =
        ideal.cluster().with_store(|store| store.iter().filter(|(key, _)| key.kind == Kind::NodeClaim).count());
    let is_paid = mode.machines != Machines::Brought && ends.iter().any(|end| is_good(end));
    if (machines > 0) != is_paid {
        broken.push(format!("{machines} machines are paid for, and the end is {ends:?}"));
    }
    if ends.iter().all(|end| is_good(end)) {
        let rendered = render::objects(&ideal).len();
        if rendered != planned.len() {
            broken.push(format!("{rendered} objects are printed, {} are there", planned.len()));
        }
        let real = played(&settings, Pace::default(), &story, Some(3));
        let found = applied(&real, &story);
        for name in planned.keys().chain(found.keys()).collect::<BTreeSet<_>>() {
            match (planned.get(name), found.get(name)) {
                (Some(planned), Some(found)) => {
                    let [one, other] = [(planned, found), (found, planned)].map(|(a, b)| first_difference(a, b));
                    broken.extend(one.or(other).map(|path| format!("{name} differs at {path}")));
                }
                _ => broken.push(format!("{name} is there on one side only")),
            }
        }
        if !real.has_crashed() {
            broken.push("no process had to take up the work of another".to_owned());
        }
    }
    let before = ideal.product_writes();
    ideal.advance(SignedDuration::from_hours(3));
    let writes = ideal.product_writes() - before;
    if writes > 0 {
        broken.push(format!("planning again writes {writes} times"));
    }
    let place = |what: String| format!("{} in {}: {what}", manifest.name, cloud.as_str());
    (ends.join("/"), broken.into_iter().map(place).collect())
}

#[test]
fn every_workspace_of_the_corpus_comes_to_its_end_in_every_cloud_and_what_is_planned_is_applied() {
    let all = corpus::manifests();
    if all.is_empty() {
        return;
    }
    let (found, broken) = (Mutex::new(BTreeMap::<&str, Vec<String>>::new()), Mutex::new(Vec::new()));
    cores::count(0, |number| {
        let Some(manifest) = usize::try_from(number).ok().and_then(|number| all.get(number)) else {
            return ControlFlow::Break(());
        };
        for mode in MODES {
            let (end, wrong) = play(&all, manifest, mode);
            found.lock().unwrap().entry(&manifest.name).or_default().push(end);
            broken.lock().unwrap().extend(wrong);
        }
        ControlFlow::Continue(())
    });
    let (found, broken) = (found.into_inner().unwrap(), broken.into_inner().unwrap());
    let mut counts = BTreeMap::<&str, usize>::new();
    for end in found.values().flatten().flat_map(|ends| ends.split('/')) {
        *counts.entry(end).or_default() += 1;
    }
    let sum: usize = counts.values().sum();
    println!("{} manifests in {} modes come to {sum} ends: {counts:?}", all.len(), MODES.len());
    assert!(all.len() >= 145, "{} manifests are not the whole corpus", all.len());
    assert!(broken.is_empty(), "{} promises broken:\n{broken:#?}", broken.len());
    let lines = found.iter().map(|(name, ends)| format!("{name} {}", ends.join(" ")));
    let found: BTreeSet<String> = lines.collect();
    let wanted: BTreeSet<String> = ENDS.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
    let only = |one: &BTreeSet<String>, other: &BTreeSet<String>| -> String {
        one.difference(other).map(|line| format!("{line}\n")).collect()
    };
    assert!(wanted == found, "expected:\n{}found:\n{}", only(&wanted, &found), only(&found, &wanted));
}
