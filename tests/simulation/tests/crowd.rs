//! Ten thousand changes in a second: they are digested, what was asked for once is planned once, and nobody else waits.

use jiff::SignedDuration;
use kaito_core::cache::Stores;
use kaito_core::driver::{Planner, Schedule};
use kaito_core::memory::{Fate, Halt, Pace, World};
use kaito_core::snapshot::Unread;
use kaito_core::{KINDS, Kind, ObjectKey, Plan, Seen, Settings, Snapshot, WorkspacePlanner};
use kaito_simulation::scenarios::{NAMESPACE, preset};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const MANY: usize = 10_000;

/// The Workspace that nothing is done to.
const GOOD: &str = "good";
/// The Workspace that all the changes are about.
const BAD: &str = "bad";

fn key(name: &str) -> ObjectKey {
    ObjectKey::new(Kind::Workspace, NAMESPACE, name)
}

fn workspace(name: &str) -> Value {
    preset(name, "phi-4-mini-instruct", "Standard_NV36ads_A10_v5", name).1
}

/// The product's planner, counting its plans by root.
#[derive(Default)]
struct Counted(Mutex<BTreeMap<ObjectKey, usize>>);

impl Counted {
    fn of(&self, root: &ObjectKey) -> usize {
        self.0.lock().unwrap().get(root).copied().unwrap_or_default()
    }

    fn all(&self) -> usize {
        self.0.lock().unwrap().values().sum()
    }
}

impl Planner for Counted {
    fn name(&self) -> &'static str {
        WorkspacePlanner.name()
    }
    fn roots(&self) -> Kind {
        WorkspacePlanner.roots()
    }
    fn plan(&self, root: &ObjectKey, snapshot: &Snapshot, settings: &Settings) -> Result<Plan, Unread> {
        *self.0.lock().unwrap().entry(root.clone()).or_default() += 1;
        WorkspacePlanner.plan(root, snapshot, settings)
    }
    fn root_of(&self, object: &Seen) -> Option<ObjectKey> {
        WorkspacePlanner.root_of(object)
    }
}

/// A world in which both Workspaces are ready, and whose planner counts.
fn ready() -> (World, Arc<Counted>) {
    let counted = Arc::new(Counted::default());
    let planner = Arc::clone(&counted) as Arc<dyn Planner>;
    let mut world = World::with_planner(&Settings::default(), Pace::default(), &Fate::default(), planner);
    let mut bad = workspace(BAD);
    bad["inference"]["config"] = json!("my-settings");
    world.put(&ObjectKey::new(Kind::ConfigMap, NAMESPACE, "my-settings"), &config_map("my-settings", 0)).unwrap();
    world.put(&key(BAD), &bad).unwrap();
    world.put(&key(GOOD), &workspace(GOOD)).unwrap();
    settle(&mut world);
    for name in [BAD, GOOD] {
        assert_eq!(object(&world, name)["status"]["state"], "Ready");
    }
    (world, counted)
}

/// How long a Workspace takes from now on.
fn until_ready(world: &mut World, key: &ObjectKey) -> SignedDuration {
    let start = world.elapsed();
    let is_ready = |world: &World| {
        world.cluster().with_store(|store| store.value(key).is_some_and(|found| found["status"]["state"] == "Ready"))
    };
    assert_eq!(world.run(SignedDuration::from_hours(2), is_ready), Halt::Reached);
    world.elapsed() - start
}

fn settle(world: &mut World) {
    assert_eq!(world.run(SignedDuration::from_hours(24), |_| false), Halt::Settled);
}

fn object(world: &World, name: &str) -> Value {
    world.cluster().with_store(|store| store.value(&key(name)).cloned()).unwrap()
}

fn config_map(name: &str, round: usize) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "annotations": {"round": round.to_string()}}, "data": {"inference_config.yaml": "vllm: {}\n"}})
}

#[test]
fn ten_thousand_changes_of_one_workspace_are_planned_a_few_times() {
    let (mut world, counted) = ready();
    let (before, others, writes) = (counted.of(&key(BAD)), counted.of(&key(GOOD)), world.product_writes());
    let mut body = object(&world, BAD);
    for round in 0..MANY {
        body["metadata"]["annotations"]["round"] = json!(round.to_string());
        world.put(&key(BAD), &body).unwrap();
    }
    settle(&mut world);
    let plans = counted.of(&key(BAD)) - before;
    assert!((1..=8).contains(&plans), "{plans} plans");
    assert_eq!(counted.of(&key(GOOD)), others, "nobody else is looked at");
    assert_eq!(world.product_writes(), writes, "nothing that matters has changed");
}

#[test]
fn ten_thousand_changes_of_something_that_is_referred_to_are_planned_a_few_times() {
    let (mut world, counted) = ready();
    let (before, others, writes) = (counted.of(&key(BAD)), counted.of(&key(GOOD)), world.product_writes());
    for round in 1..=MANY {
        let body = config_map("my-settings", round);
        world.put(&ObjectKey::new(Kind::ConfigMap, NAMESPACE, "my-settings"), &body).unwrap();
    }
    settle(&mut world);
    let plans = counted.of(&key(BAD)) - before;
    assert!((1..=8).contains(&plans), "{plans} plans");
    assert_eq!((counted.of(&key(GOOD)), world.product_writes()), (others, writes));
}

#[test]
fn ten_thousand_objects_that_nobody_refers_to_wake_nobody_and_make_nobody_late() {
    let (mut world, counted) = ready();
    let plans = counted.all();
    for n in 0..MANY {
        let name = format!("of-nobody-{n}");
        world.put(&ObjectKey::new(Kind::ConfigMap, NAMESPACE, &name), &config_map(&name, 0)).unwrap();
    }
    settle(&mut world);
    assert_eq!(counted.all(), plans);
    // And in the middle of them, one that is healthy and new.
    let late = ObjectKey::new(Kind::Workspace, "other", GOOD);
    world.put(&late, &workspace(GOOD)).unwrap();
    for n in 0..MANY {
        let name = format!("of-nobody-{n}");
        world.put(&ObjectKey::new(Kind::ConfigMap, NAMESPACE, &name), &config_map(&name, 1)).unwrap();
    }
    let mut alone = World::installed(&Settings::default());
    alone.put(&late, &workspace(GOOD)).unwrap();
    assert_eq!(until_ready(&mut world, &late), until_ready(&mut alone, &late));
}

fn seen(name: &str, version: usize) -> Seen {
    let mut body = workspace(name);
    body["metadata"] = json!({"name": name, "namespace": NAMESPACE, "uid": format!("uid-{name}"), "resourceVersion": version.to_string()});
    Seen::decode(Kind::Workspace, body)
}

/// The cache of a controller and its schedule, fed as its watches feed them.
struct Process {
    stores: Stores,
    schedule: Schedule,
}

impl Process {
    fn new() -> Self {
        let stores = Stores::new(KINDS);
        KINDS.iter().for_each(|row| drop(stores.listed(row.kind, Vec::new())));
        Self { stores, schedule: Schedule::default() }
    }

    fn hear(&mut self, seen: Seen, now: Duration) {
        let Some(change) = self.stores.applied(seen) else { return };
        let roots = self.schedule.concerned(&WorkspacePlanner, &change, || self.stores.keys(Kind::Workspace));
        roots.iter().for_each(|root| self.schedule.heard(root, &change, now));
        self.schedule.meanwhile(&change);
    }

    fn taken(&mut self, now: Duration) -> Vec<ObjectKey> {
        std::iter::from_fn(|| self.schedule.take(now)).collect()
    }
}

#[test]
fn a_controller_plans_ten_thousand_changes_of_one_object_once_and_of_each_object_once() {
    let mut process = Process::new();
    let second = |n: usize| Duration::from_secs_f64(n as f64 / MANY as f64);
    for n in 0..MANY {
        process.hear(seen(BAD, n + 1), second(n));
    }
    process.hear(seen(GOOD, MANY + 1), second(MANY));
    assert_eq!(process.schedule.due(second(MANY)), 2);
    assert_eq!(
        process.taken(second(MANY)),
        [key(BAD), key(GOOD)],
        "the last change of each, and nobody waits for the rest"
    );

    let mut process = Process::new();
    for n in 0..MANY {
        process.hear(seen(&format!("w{n}"), n + 1), second(n));
    }
    let taken = process.taken(second(MANY));
    assert_eq!(taken.len(), MANY);
    assert_eq!((&taken[0], &taken[MANY - 1]), (&key("w0"), &key("w9999")), "who came first is first");
    assert!(process.schedule.next().is_none());
}

#[test]
fn changes_while_a_root_is_looked_at_lead_to_one_more_look() {
    let mut process = Process::new();
    process.hear(seen(BAD, 1), Duration::ZERO);
    assert_eq!(process.taken(Duration::ZERO), [key(BAD)]);
    for n in 0..MANY {
        process.hear(seen(BAD, n + 2), Duration::ZERO);
    }
    assert!(process.taken(Duration::ZERO).is_empty(), "one root is not looked at twice at once");
    process.schedule.finished(
        &key(BAD),
        &Err(kaito_core::backend::BackendError::new(kaito_core::backend::ErrorKind::Timeout, "")),
        Duration::ZERO,
        0.5,
    );
    assert_eq!(process.taken(Duration::from_secs(3600)), [key(BAD)]);
    assert!(process.taken(Duration::from_secs(3600)).is_empty());
}
