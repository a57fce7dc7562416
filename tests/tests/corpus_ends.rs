//! Every Workspace of the published manifests, under the settings of each cloud, comes to an end: it serves, its training is done, or it is refused in words before a machine is paid for.
//!
//! The ends are a table (`corpus_ends.txt`), so that a change of one shows. Most sizes exist in one cloud only, and are refused in the others; so each file is played there with a size of
//! that cloud too. Where a manifest ends well, what is planned is what is applied (I13), and planning again writes nothing (I5).

use kaito_core::cloud::Cloud;
use kaito_core::failure::{CATALOGUE, Class};
use kaito_core::memory::{Halt, Pace, World};
use kaito_core::{Kind, ObjectKey, Settings, render};
use kaito_presets::Sku;
use kaito_tests::{manifests, normal, shared};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// One line a manifest: its path, and its end in each mode.
const ENDS: &str = include_str!("corpus_ends.txt");
/// The columns of the table: whose settings, and whether a size that this cloud lacks becomes one that it has.
const MODES: [(Cloud, bool); 5] =
    [(Cloud::Azure, false), (Cloud::Aws, false), (Cloud::Arc, false), (Cloud::Aws, true), (Cloud::Arc, true)];
/// What a user puts in the place of a placeholder. A file that has one is played as it is, and filled in.
const FILLED: &[(&str, &str)] = &[
    ("ACR_REPO_HERE.azurecr.io/IMAGE_NAME_HERE", "registry.example.com/out/image"),
    ("ACR_REPO_HERE.azurecr.io/ADAPTER_HERE", "registry.example.com/adapters/tone"),
    ("ACR_REGISTRY_SECRET_HERE", "push-secret"),
    ("<your-vm-sku>", "Standard_NC32_A16"),
    ("<your-arc-node-name>", "arc-node-1"),
];
const NAMESPACE: &str = "default";

/// What was written, by file.
type Corpus = BTreeMap<String, Vec<Value>>;

/// Every file with a Workspace, by its path below the corpus.
fn corpus(root: &Path) -> Corpus {
    let mut files = Vec::new();
    ["seed", "examples", "variants"].iter().for_each(|folder| walk(&root.join(folder), &mut files));
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        let filled = FILLED.iter().fold(text.clone(), |text, (from, to)| text.replace(from, to));
        let name = path.strip_prefix(root).unwrap().with_extension("").to_string_lossy().into_owned();
        let second = (filled != text).then(|| (format!("{name}+filled"), documents(&filled)));
        [(name, documents(&text))].into_iter().chain(second)
    };
    files.into_iter().flat_map(read).filter(|(_, all)| all.iter().any(is_workspace)).collect()
}

fn documents(text: &str) -> Vec<Value> {
    let all: Vec<Value> = serde_saphyr::from_multiple(text).unwrap();
    all.into_iter().filter(|document| !document.is_null()).collect()
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            walk(&entry, files);
        } else if entry.extension().is_some_and(|extension| extension == "yaml") {
            files.push(entry);
        }
    }
}

fn is_workspace(document: &Value) -> bool {
    document["kind"] == "Workspace"
}

/// The steps that lead to a file: itself, and those of its story that come before it.
fn story<'a>(corpus: &'a Corpus, name: &str) -> Vec<&'a [Value]> {
    let earlier = match name.rsplit_once('.') {
        Some((story, number)) => (1..number.parse().unwrap_or(0)).map(|step| format!("{story}.{step}")).collect(),
        None => Vec::new(),
    };
    earlier.iter().map(String::as_str).chain([name]).map(|step| corpus[step].as_slice()).collect()
}

/// The same on machines of this cloud: the least that have as many GPUs with as much memory, else its largest.
fn sized(story: &[&[Value]], cloud: Cloud) -> Vec<Vec<Value>> {
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
    let document = |document: &Value| {
        let mut document = document.clone();
        let name = document.pointer_mut("/resource/instanceType");
        if let Some(name) = name.filter(|name| name.as_str().is_some_and(|n| kaito_presets::sku(cloud, n).is_none())) {
            *name = there(name.as_str().unwrap_or_default()).map_or_else(|| name.clone(), Value::from);
        }
        document
    };
    story.iter().map(|step| step.iter().map(document).collect()).collect()
}

/// The Secrets that a Workspace names, wherever it does.
fn secrets(value: &Value, found: &mut BTreeSet<(String, bool)>) {
    match value {
        Value::Object(map) => {
            for (field, below) in map {
                let names = || below.as_array().into_iter().flatten().chain([below]).filter_map(Value::as_str);
                match field.as_str() {
                    "imagePushSecret" | "imagePullSecrets" => found.extend(names().map(|name| (name.to_owned(), true))),
                    "modelAccessSecret" => found.extend(names().map(|name| (name.to_owned(), false))),
                    _ => {}
                }
                secrets(below, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| secrets(item, found)),
        _ => {}
    }
}

/// `kubectl apply` of one step, by a user who has made the Secrets first; answers what is the user's.
fn apply(world: &mut World, step: &[Value]) -> BTreeSet<ObjectKey> {
    let mut wanted = BTreeSet::new();
    step.iter().filter(|document| is_workspace(document)).for_each(|document| secrets(document, &mut wanted));
    let made = wanted.into_iter().map(|(name, is_registry)| {
        let secret = if is_registry {
            manifests::registry_secret(&name)
        } else {
            manifests::secret(&name, "Opaque", &["HF_TOKEN"])
        };
        (ObjectKey::new(Kind::Secret, NAMESPACE, name), secret)
    });
    let theirs = step.iter().filter_map(|document| {
        let text = |field: &str| document[field].as_str().unwrap_or_default();
        let kind = Kind::named(text("apiVersion"), text("kind"))?;
        Some((ObjectKey::new(kind, NAMESPACE, document["metadata"]["name"].as_str()?), document.clone()))
    });
    // A placeholder is no name that a Secret can have: then there is none.
    let put = |(key, body): (ObjectKey, Value)| match world.put(&key, &body) {
        Ok(()) => Some(key),
        Err(_) if key.kind == Kind::Secret => None,
        Err(error) => panic!("{key}: {error}"),
    };
    made.chain(theirs).filter_map(put).collect()
}

/// A world in which a story was played to its end; where it is said, a new process takes over after so many writes.
fn played(
    settings: &Settings,
    pace: Pace,
    story: &[Vec<Value>],
    crash_after: Option<u64>,
) -> (World, BTreeSet<ObjectKey>) {
    let mut world = World::with_pace(settings, pace);
    let mut users = BTreeSet::new();
    if let Some(writes) = crash_after {
        world.crash_after(writes);
    }
    for step in story {
        users.extend(apply(&mut world, step));
        assert_eq!(render::settle(&mut world), Halt::Settled, "it comes to rest");
    }
    (world, users)
}

/// What there is of the kinds that we make, and not the user's or the chart's.
fn applied(world: &World, users: &BTreeSet<ObjectKey>) -> BTreeMap<String, Value> {
    let kinds =
        [Kind::ConfigMap, Kind::ControllerRevision, Kind::Job, Kind::NodeClaim, Kind::Service, Kind::StatefulSet];
    let release = &world.settings().release_namespace;
    let is_ours =
        |key: &ObjectKey| kinds.contains(&key.kind) && key.namespace.as_ref() != Some(release) && !users.contains(key);
    by_name(
        world
            .cluster()
            .with_store(|store| store.iter().filter(|(key, _)| is_ours(key)).map(|(_, value)| value.clone()).collect()),
    )
}

/// In normal form; claims in the order of their slots, for their names are made of uids.
fn by_name(mut objects: Vec<Value>) -> BTreeMap<String, Value> {
    objects.sort_by_cached_key(|object| {
        let label = |key: &str| object["metadata"]["labels"][key].as_str().unwrap_or_default().to_owned();
        (label("kaito.sh/workspace"), label("kaito.sh/node-slot").parse::<u32>().unwrap_or_default())
    });
    normal::by_name(objects)
}

/// How a Workspace ended: its state where that is good, else the reason of the row of the catalogue that refuses it.
fn end(world: &World, key: &ObjectKey) -> String {
    let status = world.cluster().with_store(|store| store.value(key).cloned()).unwrap()["status"].clone();
    let state = status["state"].as_str().unwrap_or_default();
    if matches!(state, "Ready" | "Succeeded") {
        return state.to_owned();
    }
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    let refusals = CATALOGUE.iter().filter(|row| matches!(row.class, Class::Refusal { .. }));
    let told = refusals.filter_map(|row| {
        let says = |condition: &&Value| condition["status"] == "False" && condition["reason"] == row.name;
        conditions.iter().find(says).map(|condition| (row, condition["message"].as_str().unwrap_or_default()))
    });
    let Some((row, words)) = told.last() else { return format!("NO-END:{status}") };
    let top = conditions.iter().find(|condition| condition["type"] == "WorkspaceSucceeded");
    let top = top.and_then(|top| top["message"].as_str()).unwrap_or_default();
    let cause = words.split("; next: ").next().unwrap_or_default();
    let is_told = words.contains(row.next) && words.contains(row.remedy) && top.contains(cause) && words.len() < 2500;
    if is_told { row.name.to_owned() } else { format!("{} NOT-TOLD: {words} AND FIRST: {top}", row.name) }
}

fn is_good(end: &str) -> bool {
    matches!(end, "Ready" | "Succeeded")
}

/// Plays a file in one mode, and answers its end, with what does not hold of it.
fn play(corpus: &Corpus, name: &str, (cloud, is_sized): (Cloud, bool)) -> (String, Vec<String>) {
    let settings = Settings { cloud, ..Settings::default() };
    let story = story(corpus, name);
    let story = if is_sized { sized(&story, cloud) } else { story.into_iter().map(<[Value]>::to_vec).collect() };
    let mut broken = Vec::new();
    let (mut ideal, users) = played(&settings, Pace::instant(), &story, None);
    let ends: Vec<String> = ideal.workspaces().iter().map(|key| end(&ideal, key)).collect();
    let machines = applied(&ideal, &users).keys().filter(|key| key.starts_with("NodeClaim")).count();
    if (machines > 0) != ends.iter().any(|end| is_good(end)) {
        broken.push(format!("{machines} machines are paid for, and the end is {ends:?}"));
    }
    if ends.iter().all(|end| is_good(end)) {
        let planned = by_name(render::objects(&ideal));
        let (real, users) = played(&settings, Pace::default(), &story, Some(3));
        let found = applied(&real, &users);
        for key in planned.keys().chain(found.keys()).collect::<BTreeSet<_>>() {
            let side = |all: &BTreeMap<String, Value>| all.get(key).cloned().unwrap_or_default();
            normal::differences(&side(&planned), &side(&found), key, &mut broken);
        }
        if !real.has_crashed() {
            broken.push("no process had to take up the work of another".to_owned());
        }
    }
    let before = ideal.product_writes();
    ideal.advance(jiff::SignedDuration::from_hours(3));
    let writes = ideal.product_writes() - before;
    if writes > 0 {
        broken.push(format!("planning again writes {writes} times"));
    }
    let place = |what: String| format!("{name} in {}: {what}", cloud.as_str());
    (ends.join("/"), broken.into_iter().map(place).collect())
}

#[test]
fn every_workspace_of_the_corpus_comes_to_its_end_in_every_cloud_and_what_is_planned_is_applied() {
    let Some(root) = shared::path("corpus") else { return };
    let corpus = &corpus(&root);
    let columns: Vec<Vec<(String, Vec<String>)>> = std::thread::scope(|scope| {
        let in_mode = |mode| scope.spawn(move || corpus.keys().map(|name| play(corpus, name, mode)).collect());
        MODES.map(in_mode).into_iter().map(|column| column.join().unwrap()).collect()
    });
    let mut found = BTreeSet::new();
    for (row, name) in corpus.keys().enumerate() {
        let ends: Vec<&str> = columns.iter().map(|column| column[row].0.as_str()).collect();
        found.insert(format!("{name} {}", ends.join(" ")));
    }
    let mut counts = BTreeMap::<&str, usize>::new();
    for end in columns.iter().flatten().flat_map(|(ends, _)| ends.split('/')) {
        *counts.entry(end).or_default() += 1;
    }
    let all: usize = counts.values().sum();
    println!("{} manifests in {} modes come to {all} ends: {counts:?}", corpus.len(), MODES.len());
    assert!(corpus.len() >= 130, "{} manifests are not the whole corpus", corpus.len());
    let broken: Vec<&String> = columns.iter().flatten().flat_map(|(_, broken)| broken).collect();
    assert!(broken.is_empty(), "{} promises broken:\n{broken:#?}", broken.len());
    let wanted: BTreeSet<String> = ENDS.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
    let only = |one: &BTreeSet<String>, other: &BTreeSet<String>| -> String {
        one.difference(other).map(|line| format!("{line}\n")).collect()
    };
    assert!(wanted == found, "expected:\n{}found:\n{}", only(&wanted, &found), only(&found, &wanted));
}
