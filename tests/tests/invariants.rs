//! The invariants of ARCHITECTURE.md, one test of the number's name each. I7 and I9 are held by the simulations (`tests/simulation`), I10 by them and `fates.rs`.

use kaito_core::failure::{self, CATALOGUE, Class, Reason};
use kaito_core::memory::{CloudFate, Fate, Halt, Pace, PodFate, World};
use kaito_core::snapshot::{Answer, Unread};
use kaito_core::{Kind, ObjectKey, Planner, Read, Seen, Settings, Snapshot, WorkspacePlanner, render};
use kaito_tests::{arbitrary, cases, manifests, normal};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

const PURE: [&str; 3] = ["kaito-api", "kaito-core", "kaito-presets"];

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The workspace, from `cargo metadata`.
fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--locked", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn i1_the_pure_crates_depend_on_no_runtime_socket_or_tls_crate() {
    let forbidden = [
        "tokio",
        "hyper",
        "reqwest",
        "rustls",
        "openssl",
        "kube-client",
        "kube-runtime",
        "async-std",
        "mio",
        "socket2",
        "ring",
        "aws-lc-rs",
    ];
    for package in PURE {
        // `cargo tree` answers for this package alone, without the features that the programs turn on.
        let output = Command::new(env!("CARGO"))
            .args([
                "tree",
                "-p",
                package,
                "-e",
                "normal",
                "--prefix",
                "none",
                "--format",
                "{p}",
                "--locked",
                "--offline",
            ])
            .current_dir(root())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let names: BTreeSet<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
        let found: Vec<&&str> = forbidden.iter().filter(|name| names.contains(**name)).collect();
        assert!(found.is_empty(), "{package} depends on {found:?}");
    }
    let metadata = metadata();
    let core = metadata["packages"].as_array().unwrap().iter().find(|package| package["name"] == "kaito-core").unwrap();
    let direct = core["dependencies"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|dependency| dependency["kind"].is_null() && dependency["path"].is_null())
        .count();
    assert!(direct <= 14, "kaito-core has {direct} direct dependencies outside the workspace");
}

#[test]
fn i2_no_clock_no_randomness_no_hash_order_in_the_pure_crates() {
    let rules = std::fs::read_to_string(root().join("clippy.toml")).unwrap();
    for banned in [
        "std::time::Instant::now",
        "std::time::SystemTime::now",
        "jiff::Timestamp::now",
        "std::env::var",
        "std::collections::HashMap",
        "std::collections::HashSet",
    ] {
        assert!(rules.contains(banned), "clippy.toml does not ban {banned}");
    }
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(manifest.contains("disallowed_methods = \"deny\"") && manifest.contains("disallowed_types = \"deny\""));
    for package in PURE {
        assert!(!root().join(package).join("clippy.toml").exists(), "{package} must not loosen the rules");
        let text = std::fs::read_to_string(root().join(package).join("Cargo.toml")).unwrap();
        assert!(text.contains("[lints]\nworkspace = true"), "{package} must inherit the rules");
        for source in sources(&root().join(package).join("src")) {
            let text = std::fs::read_to_string(&source).unwrap();
            for banned in
                ["HashMap", "HashSet", "Instant::now", "SystemTime::now", "Timestamp::now", "clippy::disallowed"]
            {
                assert!(!text.contains(banned), "{} names {banned}", source.display());
            }
        }
    }
}

fn sources(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|end| end == "rs"))
        .collect()
}

/// Answers whatever is asked from a list of strange objects, and plans until nothing is asked any more.
fn plan_from(objects: &[Seen], root: &ObjectKey) -> (kaito_core::Plan, Snapshot) {
    let mut snapshot = Snapshot::new("2026-01-01T00:00:00Z".parse().unwrap());
    for _ in 0..kaito_core::driver::MAX_ROUNDS {
        snapshot.start_round();
        match WorkspacePlanner.plan(root, &snapshot, &Settings::default()) {
            Ok(plan) => return (plan, snapshot),
            Err(Unread(reads)) => reads.into_iter().for_each(|read| {
                let answer = match &read {
                    Read::Object { .. } => Answer::Object(objects.iter().find(|seen| read.matches(seen)).cloned()),
                    Read::List { .. } => {
                        Answer::List(objects.iter().filter(|seen| read.matches(seen)).cloned().collect())
                    }
                };
                snapshot.answer(read, answer);
            }),
        }
    }
    panic!("the plan asked for more in every round: {:?}", snapshot.reads());
}

proptest! {
    #![proptest_config(cases::config(1500))]

    #[test]
    fn i3_planning_cannot_fail_or_panic_whatever_the_cluster_holds(objects in arbitrary::cluster()) {
        let root = ObjectKey::new(Kind::Workspace, arbitrary::NAMESPACE, arbitrary::NAME);
        let (plan, _) = plan_from(&objects, &root);
        // Bad input becomes a condition: a Workspace that is there and not ready says why.
        if let Some(status) = plan.status {
            // Ours carry the generation that they were made from; what others wrote is theirs.
            for condition in status.status["conditions"].as_array().unwrap().iter().filter(|condition| condition["observedGeneration"].is_i64()) {
                prop_assert!(condition["status"] == "True" || !condition["message"].as_str().unwrap_or_default().is_empty(), "{condition}");
            }
        }
    }

    #[test]
    fn i4_the_same_snapshot_gives_the_same_plan_byte_for_byte(objects in arbitrary::cluster()) {
        let root = ObjectKey::new(Kind::Workspace, arbitrary::NAMESPACE, arbitrary::NAME);
        let (plan, snapshot) = plan_from(&objects, &root);
        let again = WorkspacePlanner.plan(&root, &snapshot, &Settings::default()).unwrap();
        prop_assert_eq!(serde_json::to_string(&plan).unwrap(), serde_json::to_string(&again).unwrap());
    }

    #[test]
    fn i6_nothing_is_deleted_that_does_not_carry_our_uid_or_label(objects in arbitrary::cluster()) {
        let root = ObjectKey::new(Kind::Workspace, arbitrary::NAMESPACE, arbitrary::NAME);
        let (plan, snapshot) = plan_from(&objects, &root);
        let uid = objects.iter().find(|seen| seen.key() == root).and_then(|seen| seen.metadata().uid.clone()).unwrap_or_default();
        for step in &plan.steps {
            if let kaito_core::effect::Effect::Delete { target } = &step.effect {
                let victim = objects.iter().find(|seen| seen.key() == *target.key()).expect("only what was seen can be deleted");
                let labels = victim.labels();
                let label = |key: &str| labels.get(key).map(String::as_str);
                let is_owned = victim.metadata().owner_references.iter().flatten().any(|owner| owner.uid == uid);
                let is_named = label("kaito.sh/workspace") == Some(arbitrary::NAME) && label("kaito.sh/workspacenamespace") == Some(arbitrary::NAMESPACE);
                // Left by an earlier Workspace of this name: nobody's, once the API server itself has shown in this very round that whoever has the name now has another uid.
                let is_looked_up = snapshot.reads().contains(&Read::object(root.clone()).live());
                let is_free = label("kaito.sh/workspace-uid").is_none_or(|of| of == uid || is_looked_up);
                prop_assert!(is_owned || (is_named && is_free), "{} is not ours: {:?}", target.key(), victim.metadata());
            }
        }
    }
}

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
    let objects: Vec<Seen> = world
        .cluster()
        .with_store(|store| store.iter().map(|(key, value)| Seen::decode(key.kind, value.clone())).collect());
    world.workspaces().iter().all(|root| plan_from(&objects, root).0.is_quiet())
}

fn normal_objects(world: &World) -> std::collections::BTreeMap<String, Value> {
    normal::by_name(render::objects(world))
}

#[test]
fn i5_at_the_fix_point_planning_again_writes_nothing_and_a_crash_after_any_effect_leads_to_the_same_end() {
    let mut calm = world();
    render::settle(&mut calm);
    assert!(states(&calm).iter().all(is_the_end), "{:?}", states(&calm));
    assert!(is_quiet(&calm));
    let wanted = normal_objects(&calm);
    let mut crashes = 0;
    for effects in 1.. {
        let mut world = world();
        world.crash_after(effects);
        render::settle(&mut world);
        assert!(states(&world).iter().all(is_the_end), "after a crash at write {effects}: {:?}", states(&world));
        assert!(is_quiet(&world), "after a crash at write {effects}");
        let found = kaito_tests::normal::by_name(kinds_of(&world));
        assert_eq!(
            found.keys().collect::<Vec<_>>(),
            wanted.keys().collect::<Vec<_>>(),
            "after a crash at write {effects}"
        );
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
        (&failure::CLAIMS_PENDING, cloud(CloudFate::NeverLaunches)),
        (&failure::NODES_PENDING, cloud(CloudFate::NodeNeverReady { message: "no network".to_owned() })),
        (&failure::GPUS_PENDING, cloud(CloudFate::GpusNeverAppear)),
        (&failure::WORKLOAD_PENDING, pods(PodFate::NeverReady)),
        (&failure::ENDPOINT_PENDING, pods(PodFate::NeverServes)),
        (&failure::JOB_PENDING, pods(PodFate::NeverMade)),
        (&failure::TRAINING, pods(PodFate::NeverReady)),
        (&failure::TERMINATING, cloud(CloudFate::NeverTerminates)),
    ]
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
        let mut world = World::with_fate(&Settings::default(), Pace::default(), &fate);
        let key = ObjectKey::new(Kind::Workspace, "default", "phi");
        let is_training = [&failure::JOB_PENDING, &failure::TRAINING].contains(&row);
        let mut manifest = if is_training { manifests::tuning("phi") } else { manifests::phi_4_mini("phi") };
        if is_training {
            manifest["tuning"]["output"] = json!({"volumeSource": {"emptyDir": {}}});
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
    let ours = [Kind::ControllerRevision, Kind::Job, Kind::NodeClaim, Kind::Service, Kind::StatefulSet];
    // The templates in the release namespace are the chart's; their copies are ours.
    let is_ours =
        |key: &ObjectKey| ours.contains(&key.kind) || (key.kind == Kind::ConfigMap && key.namespace() == "default");
    world
        .cluster()
        .with_store(|store| store.iter().filter(|(key, _)| is_ours(key)).map(|(_, value)| value.clone()).collect())
}

#[test]
fn i11_no_secret_value_reaches_a_snapshot_event_condition_or_output() {
    const PLANTED: &str = "hf_ThisValueMustNeverBeSeen";
    let mut world = World::installed(&Settings::default());
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": {"name": "hub", "annotations": {"kubectl.kubernetes.io/last-applied-configuration": PLANTED}},
        "stringData": {"HF_TOKEN": PLANTED},
    });
    world.put(&ObjectKey::new(Kind::Secret, "default", "hub"), &secret).unwrap();
    let mut workspace = manifests::phi_4_mini("gated");
    workspace["inference"]["preset"]["presetOptions"] = json!({"modelAccessSecret": "hub"});
    let key = ObjectKey::new(Kind::Workspace, "default", "gated");
    world.put(&key, &workspace).unwrap();
    render::settle(&mut world);
    assert_eq!(states(&world)[0].1, "Ready");
    let everything = world
        .cluster()
        .with_store(|store| store.iter().map(|(key, value)| format!("{key} {value}")).collect::<String>());
    let (plan, snapshot) = plan_from(
        &world.cluster().with_store(|store| {
            store.iter().map(|(key, value)| Seen::decode(key.kind, value.clone())).collect::<Vec<_>>()
        }),
        &key,
    );
    let said = format!("{everything} {:?} {:?} {plan:?} {snapshot:?}", world.timeline(), world.cluster().events());
    assert!(said.contains("HF_TOKEN"), "the Secret was looked at");
    assert!(!said.contains(PLANTED));
}

#[test]
fn i12_library_crates_choose_no_kubernetes_version() {
    let metadata = metadata();
    for package in metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|package| PURE.iter().any(|name| package["name"] == *name))
    {
        for dependency in package["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|dependency| dependency["name"] == "k8s-openapi" && dependency["kind"].is_null())
        {
            let features = dependency["features"].as_array().unwrap();
            assert!(
                !features.iter().any(|feature| feature.as_str().unwrap().starts_with('v')
                    || feature == "latest"
                    || feature == "earliest"),
                "{} enables {features:?}",
                package["name"]
            );
        }
    }
    let ci = std::fs::read_to_string(root().join("xtask/src/ci.rs")).unwrap();
    assert!(ci.contains("1.33") && ci.contains("1.37"), "both ends of the range are built by `cargo xtask ci`");
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
    let mut found = Vec::new();
    for (key, object) in &planned {
        if !key.starts_with("NodeClaim") {
            normal::differences(object, &applied[key], key, &mut found);
        }
    }
    assert!(found.is_empty(), "{found:#?}");
    assert_eq!(planned.len(), applied.len());
}
