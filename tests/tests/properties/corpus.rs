//! `tests/corpus/`: hard inputs that were found by a person or by a property, played again in every run.
//!
//! | folder | what lies there | what is held |
//! |---|---|---|
//! | `manifests` | what `-f` reads; the name begins with what `kaito simulate` answers: `yes-`, `no-`, `unreadable-` | every verb answers, problems have places, objects are decoded and planned |
//! | `settings` | an `inference_config.yaml`; `good-` or `bad-` | told in a line, and never the end of a world |
//! | `clusters` | a cluster as a list of objects, the Workspace `default/odd` among them | it is planned, and what is not ready says why |
//! | `words` | one text a line | every small grammar says yes or no |

use super::commands::{answered, placed};
use kaito_api::syntax::{self, ImageReference};
use kaito_core::memory::{Faults, World};
use kaito_core::runtime_config::RuntimeConfig;
use kaito_core::{Kind, ObjectKey, Seen, Settings, render, units};
use kaito_tests::command::kaito;
use kaito_tests::manifests;
use serde_json::{Value, json};
use std::path::Path;

/// The files of a folder, by name.
fn files(folder: &str, at_least: usize) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(folder);
    let entries = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    let mut files: Vec<(String, Vec<u8>)> = entries.map(|path| (name(&path), std::fs::read(&path).unwrap())).collect();
    files.sort();
    assert!(files.len() >= at_least, "{}: {} files", folder.display(), files.len());
    files
}

/// A program's main thread has 8 MiB of stack, a test's 2; and frames of a build with checks are large.
#[test]
fn manifests_are_answered_as_their_names_say() {
    let played = std::thread::Builder::new().stack_size(8 << 20).spawn(play_manifests).unwrap().join();
    assert!(played.is_ok(), "see above");
}

fn play_manifests() {
    let mut wrong = Vec::new();
    for (name, bytes) in files("manifests", 30) {
        let (word, _) = name.split_once('-').unwrap();
        let code = ["yes", "no", "unreadable"].iter().position(|known| *known == word).unwrap();
        placed(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        for words in [
            ["simulate", "-f", "-", "-o", "table"],
            ["simulate", "-f", "-", "-o", "json"],
            ["render", "-f", "-", "-o", "yaml"],
        ] {
            let ran = kaito(&words, &bytes);
            answered(&ran, &name).unwrap_or_else(|error| panic!("{name}: {error}"));
            if usize::from(ran.code) != code {
                wrong.push(format!("{name} {words:?} ends with {}: {}", ran.code, ran.err));
            }
        }
        let validated = kaito(&["validate", "-f", "-"], &bytes);
        answered(&validated, &name).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn settings_are_read_or_refused_as_their_names_say() {
    for (name, bytes) in files("settings", 10) {
        let text = String::from_utf8_lossy(&bytes);
        let read = RuntimeConfig::read(&text).map_err(|error| error.to_string());
        let read = read.and_then(|config| config.context().map_err(|finding| finding.to_string()));
        assert_eq!(read.is_ok(), name.starts_with("good-"), "{name}: {read:?}");
        let words = read.err().unwrap_or_default();
        assert!(words.len() < 600 && !words.contains(char::is_control), "{name}: {words:?}");
        let mut world = World::installed(&Settings::default());
        let config = json!({"data": {"inference_config.yaml": text}});
        world.put(&ObjectKey::new(Kind::ConfigMap, "default", "settings"), &config).unwrap();
        let mut manifest = manifests::phi_4_mini("odd");
        manifest["inference"]["config"] = json!("settings");
        let key = ObjectKey::new(Kind::Workspace, "default", "odd");
        world.put(&key, &manifest).unwrap();
        render::settle(&mut world);
        let state = world.cluster().with_store(|store| store.value(&key).map(|found| found["status"]["state"].clone()));
        assert_eq!(state == Some(json!("Ready")), name.starts_with("good-"), "{name}: {state:?}");
    }
}

#[test]
fn clusters_are_planned() {
    for (name, bytes) in files("clusters", 8) {
        let objects: Vec<Value> = serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut world = World::installed(&Settings::default());
        for object in &objects {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let kind = Kind::named(&text(&object["apiVersion"]), &text(&object["kind"])).unwrap();
            let key = ObjectKey::new(kind, "default", text(&object["metadata"]["name"]));
            // As it would come off a watch, and as it may lie in a store.
            assert_eq!(Seen::decode(kind, object.clone()).kind(), kind);
            world.put(&key, object).unwrap_or_else(|error| panic!("{name}: {error}"));
            if !object["status"].is_null() {
                let uid = world.get(&key).and_then(|seen| seen.metadata().uid.clone()).unwrap_or_default();
                world
                    .cluster()
                    .with_store(|store| store.write_status(&key, &uid, None, &object["status"]).map(drop))
                    .unwrap();
            }
        }
        world.put(&ObjectKey::new(Kind::Workspace, "default", "beside"), &manifests::phi_4_mini("beside")).unwrap();
        render::settle(&mut world);
        let status = |name: &str| {
            let key = ObjectKey::new(Kind::Workspace, "default", name);
            world.cluster().with_store(|store| store.value(&key).unwrap()["status"].clone())
        };
        let told = status("odd")["conditions"].as_array().cloned().unwrap_or_default();
        assert!(!told.is_empty(), "{name}: nothing is told");
        for condition in told {
            assert!(condition["status"] == "True" || condition["message"] != "", "{name}: {condition}");
        }
        assert_eq!(status("beside")["state"], "Ready", "{name}: others are harmed");
    }
}

#[test]
fn words_are_judged() {
    for (name, bytes) in files("words", 4) {
        for line in String::from_utf8_lossy(&bytes).lines() {
            if let Ok(image) = line.parse::<ImageReference>() {
                assert_eq!(image.to_string().parse(), Ok(image), "{name}: {line:?}");
            }
            let checks = [
                syntax::dns_label,
                syntax::dns_subdomain,
                syntax::service_name,
                syntax::label_key,
                syntax::label_value,
            ];
            let answers = checks.map(|check| check(line).is_ok());
            assert!(!answers[2] || answers[0], "{name}: a name of a Service is a label: {line:?}");
            assert!(!answers[0] || answers[1], "{name}: a label is a subdomain: {line:?}");
            let _ = (
                syntax::public_address(line),
                syntax::placeholders(line),
                units::parse_quantity(line),
                line.parse::<Faults>(),
            );
        }
    }
}
