//! How worlds end: calm, after a crash at every write, and stuck.

use super::plan_from;
use kaito_core::failure::{self, CATALOGUE, Class, Reason};
use kaito_core::memory::{CloudFate, EXAMPLE_MODEL, Fate, Halt, HubFate, Pace, PodFate, World};
use kaito_core::{Kind, NodeProvisioner, ObjectKey, Seen, Settings, render};
use kaito_tests::manifests::{self, PLANTED};
use kaito_tests::{made, normal};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A world with one Workspace of each shape.
fn world() -> World {
    let mut world = World::installed(&Settings::default());
    let secret = manifests::registry_secret("my-push-secret");
    world.put(&ObjectKey::new(Kind::Secret, "default", "my-push-secret"), &secret).unwrap();
    let serving = [manifests::phi_3_mini("one"), manifests::two_nodes("two"), manifests::phi_4_mini("three")];
    for manifest in serving.into_iter().chain([manifests::tuning("four")]) {
        let key = ObjectKey::new(Kind::Workspace, "default", manifest["metadata"]["name"].as_str().unwrap());
        world.put(&key, &manifest).unwrap();
    }
    world
}

/// The fourth is a training.
fn is_the_end((name, state): &(String, Value)) -> bool {
    *state == if name == "four" { "Succeeded" } else { "Ready" }
}

fn states(world: &World) -> Vec<(String, Value)> {
    let keys = world.workspaces();
    world.cluster().with_store(|store| {
        keys.iter().map(|key| (key.name.clone(), store.value(key).unwrap()["status"]["state"].clone())).collect()
    })
}

/// Whether every Workspace is at its fix-point: planning again writes nothing.
fn is_quiet(world: &World) -> bool {
    let objects = seen(world);
    world.workspaces().iter().all(|root| plan_from(&objects, root).0.is_quiet())
}

fn seen(world: &World) -> Vec<Seen> {
    world.cluster().with_store(|store| store.iter().map(|(key, value)| Seen::decode(key.kind, value.clone())).collect())
}

/// Where two worlds differ.
fn differences(ours: &BTreeMap<String, Value>, theirs: &BTreeMap<String, Value>) -> Vec<String> {
    let mut found = Vec::new();
    for key in ours.keys().chain(theirs.keys()).collect::<BTreeSet<_>>() {
        let side = |all: &BTreeMap<String, Value>| all.get(key).cloned().unwrap_or_default();
        normal::differences(&side(ours), &side(theirs), key, &mut found);
    }
    found
}

#[test]
fn i5_at_the_fix_point_planning_again_writes_nothing_and_a_crash_after_any_effect_leads_to_the_same_end() {
    let mut calm = world();
    render::settle(&mut calm);
    assert!(states(&calm).iter().all(is_the_end), "{:?}", states(&calm));
    assert!(is_quiet(&calm));
    let wanted = normal::by_name(render::objects(&calm));
    let mut crashes = 0;
    for effects in 1.. {
        let mut world = world();
        world.crash_after(effects);
        render::settle(&mut world);
        assert!(states(&world).iter().all(is_the_end), "after a crash at write {effects}: {:?}", states(&world));
        assert!(is_quiet(&world), "after a crash at write {effects}");
        let found = normal::by_name(kinds_of(&world));
        assert_eq!(differences(&found, &wanted), Vec::<String>::new(), "after a crash at write {effects}");
        if !world.has_crashed() {
            break;
        }
        crashes += 1;
    }
    println!("{crashes} crashes, one after each write of four Workspaces: the same end every time");
    assert!(crashes >= 32, "only {crashes} writes");
}

/// Every wait of the catalogue, and the fate that leads to it.
fn stuck() -> Vec<(&'static Reason, Fate)> {
    let cloud = |cloud| Fate { cloud, ..Fate::default() };
    let pods = |pods| Fate { pods, ..Fate::default() };
    vec![
        (&failure::MODEL_METADATA_PENDING, Fate { hub: HubFate::Silent, ..Fate::default() }),
        (&failure::CLAIMS_PENDING, cloud(CloudFate::NeverLaunches)),
        (&failure::NODES_PENDING, cloud(CloudFate::NodeNeverReady { message: "no network".to_owned() })),
        (&failure::GPUS_PENDING, cloud(CloudFate::GpusNeverAppear)),
        (&failure::WORKLOAD_PENDING, pods(PodFate::NeverReady)),
        (&failure::ENDPOINT_PENDING, pods(PodFate::NeverServes)),
        (&failure::JOB_PENDING, pods(PodFate::NeverMade)),
        (&failure::TRAINING, pods(PodFate::NeverReady)),
        (&failure::BENCHMARK_PENDING, pods(PodFate::Prints { text: String::new() })),
        (&failure::TERMINATING, cloud(CloudFate::NeverTerminates)),
        (&failure::NODES_NOT_BROUGHT, Fate::default()),
        (&failure::GPU_LABELS_PENDING, Fate::default()),
        (&failure::GPUS_BEING_DIVIDED, Fate::default()),
    ]
}

/// The node that somebody brought along, of a wait for such.
fn brought(row: &Reason) -> Option<Value> {
    let labels = if row == &failure::NODES_NOT_BROUGHT {
        json!({"gpu": "another"})
    } else if row == &failure::GPU_LABELS_PENDING {
        json!({"nvidia.com/gpu.count": null})
    } else if row == &failure::GPUS_BEING_DIVIDED {
        json!({"nvidia.com/mig.config": "all-1g.10gb", "nvidia.com/mig.config.state": "pending"})
    } else {
        return None;
    };
    Some(manifests::brought_node("gpu-1", &labels))
}

fn is_wait(row: &Reason) -> bool {
    matches!(row.class, Class::Wait { .. })
}

#[test]
fn i8_every_waiting_state_has_a_deadline_a_reason_and_a_next_action() {
    println!("{:<32} {:<18} {:<8} {:>8}  next", "reason", "condition", "class", "minutes");
    for row in CATALOGUE {
        let class = match row.class {
            Class::Wait { .. } => "wait",
            Class::Failure { .. } | Class::Refusal { .. } => "failure",
            Class::Warning { .. } => "warning",
        };
        let minutes = row.class.minutes();
        println!("{:<32} {:<18} {class:<8} {minutes:>8}  {}", row.name, row.condition.as_str(), row.next);
        assert!(!row.name.is_empty() && !row.next.is_empty() && !row.remedy.is_empty(), "{}", row.name);
        assert!((1..=60).contains(&minutes), "{}: an end within the hour", row.name);
    }
    let told: BTreeSet<&str> = stuck().iter().map(|(row, _)| row.name).collect();
    let waits: BTreeSet<&str> = CATALOGUE.iter().filter(|row| is_wait(row)).map(|row| row.name).collect();
    assert_eq!(told, waits, "each wait is provoked by the next test");
}

#[test]
fn i8_a_world_that_is_stuck_says_what_it_waits_for_and_after_the_deadline_what_can_be_done() {
    for (row, fate) in stuck() {
        let node = brought(row);
        let provisioner = if node.is_some() { NodeProvisioner::Byo } else { NodeProvisioner::default() };
        let settings = Settings { provisioner, ..Settings::default() };
        let mut world = World::with_fate(&settings, Pace::default(), &fate);
        let key = ObjectKey::new(Kind::Workspace, "default", "phi");
        let is_training = [&failure::JOB_PENDING, &failure::TRAINING].contains(&row);
        let mut manifest =
            if is_training { manifests::training_on_volume("phi") } else { manifests::phi_4_mini("phi") };
        if *row == failure::MODEL_METADATA_PENDING {
            manifest["inference"]["preset"]["name"] = json!(EXAMPLE_MODEL);
        }
        if let Some(node) = node {
            world.put(&ObjectKey::cluster(Kind::Node, "gpu-1"), &node).unwrap();
            manifest = manifests::on_brought_nodes("phi", "a100");
        }
        world.put(&key, &manifest).unwrap();
        if *row == failure::TERMINATING {
            render::settle(&mut world);
            world.delete(&key).unwrap();
        }
        let told = |world: &World| {
            let status = world.cluster().with_store(|store| store.value(&key).map(|found| found["status"].clone()));
            let status = status.expect("it is there");
            let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
            let found = conditions.iter().find(|condition| condition["type"] == row.condition.as_str());
            let text = |field: &str| found.and_then(|found| found[field].as_str()).unwrap_or_default().to_owned();
            (text("reason"), text("message"))
        };
        let halt = world.run(jiff::SignedDuration::from_hours(3), |world| {
            let (reason, words) = told(world);
            reason == row.name && words.contains("until 2026-")
        });
        assert_eq!(halt, Halt::Reached, "{}: a wait says until when: {:?}", row.name, told(&world));
        world.advance(jiff::SignedDuration::from_hours(3));
        let (reason, words) = told(&world);
        assert_eq!(reason, row.name, "{words}");
        assert!(
            words.contains("overdue since 2026-") && words.contains(row.next) && words.contains(row.remedy),
            "{}: {words}",
            row.name
        );
        let before = world.product_writes();
        world.advance(jiff::SignedDuration::from_hours(3));
        assert_eq!(world.product_writes(), before, "{}: what is overdue is not written again", row.name);
    }
}

/// Every object of the kinds that we make, whoever made it.
fn kinds_of(world: &World) -> Vec<Value> {
    // The templates in the release namespace are the chart's; their copies are ours.
    let release = Settings::default().release_namespace;
    let is_ours = |key: &ObjectKey| made::kinds().any(|kind| kind == key.kind) && key.namespace() != release;
    world
        .cluster()
        .with_store(|store| store.iter().filter(|(key, _)| is_ours(key)).map(|(_, value)| value.clone()).collect())
}

#[test]
fn i11_no_secret_value_reaches_a_snapshot_event_condition_or_output() {
    let mut world = World::installed(&Settings::default());
    let secret = manifests::secret("hub", "Opaque", &["HF_TOKEN"]);
    world.put(&ObjectKey::new(Kind::Secret, "default", "hub"), &secret).unwrap();
    let mut workspace = manifests::phi_4_mini("gated");
    workspace["inference"]["preset"]["presetOptions"] = json!({"modelAccessSecret": "hub"});
    let key = ObjectKey::new(Kind::Workspace, "default", "gated");
    world.put(&key, &workspace).unwrap();
    render::settle(&mut world);
    assert_eq!(states(&world)[0].1, "Ready");
    let (secrets, others): (Vec<String>, Vec<String>) = world.cluster().with_store(|store| {
        let all: Vec<(bool, String)> =
            store.iter().map(|(key, value)| (key.kind == Kind::Secret, format!("{key} {value}"))).collect();
        let of = |wanted: bool| all.iter().filter(|(is, _)| *is == wanted).map(|(_, text)| text.clone()).collect();
        (of(true), of(false))
    });
    assert!(secrets.concat().contains(PLANTED), "the value lies in the world, for whoever looks");
    let everything = others.concat();
    let (plan, snapshot) = plan_from(&seen(&world), &key);
    let said = format!("{everything} {:?} {:?} {plan:?} {snapshot:?}", world.timeline(), world.cluster().events());
    assert!(said.contains("HF_TOKEN"), "the Secret was looked at");
    assert!(!said.contains(PLANTED));
}

#[test]
fn i13_what_is_planned_is_what_is_applied() {
    // The planned objects come from a world of their own; the applied ones from a store that a controller worked on step by step, with a crash in the middle.
    let mut planned = world();
    let planned = normal::by_name(render::render(&mut planned));
    let mut applied = world();
    applied.crash_after(7);
    render::settle(&mut applied);
    let applied = normal::by_name(kinds_of(&applied));
    assert_eq!(differences(&planned, &applied), Vec::<String>::new());
}
