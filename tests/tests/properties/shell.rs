//! Nothing that a user can write leaves the one word of a shell command that it belongs into (S1-B14).
//!
//! Every text of a user that a builder takes is planted full of what means something to a shell; then a real `/bin/sh` reads every command line of the objects that come of it, with programs that
//! only say what they were given. A planted text must arrive whole, in one word, and nothing of it may run. What the rules of admission let through is no matter here: an object may be older than a rule.

use kaito_core::manifest::{self, Adapter, AdapterSource, Input, Layout, Output, Placement, Serving, Tuning};
use kaito_core::training::Results;
use kaito_core::workspace::{Engine, Facts, Looked, Task, resolve};
use kaito_core::{Settings, kinds::Typed};
use kaito_presets::images;
use kaito_tests::{cases, kubelet, manifests};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// What a text of a user begins and ends with, so that it is known again.
const BEGIN: &str = "qBqB";
const END: &str = "qEqE";

/// What means something to a shell; `touch RAN` is what must never run.
const PIECES: &[&str] = &[
    " ",
    "\n",
    "\t",
    "'",
    "\"",
    "`touch RAN`",
    "$(touch RAN)",
    "; touch RAN;",
    "| touch RAN",
    "&& touch RAN &",
    ">RAN",
    "<",
    "*",
    "?",
    "[a]",
    "~",
    "\\",
    "${POD_INDEX}",
    "$(POD_INDEX)",
    "$$",
    "$0",
    "#",
    "!",
    "(",
    ")",
    "{a,b}",
    "=",
    "--x",
    "ü",
    "\u{1b}[31m",
    "%s",
    "'\\''",
    "-",
    "a",
];

fn planted() -> impl Strategy<Value = String> {
    let piece = prop_oneof![6 => select(PIECES).prop_map(str::to_owned), 1 => "[^\u{0}]{0,3}"];
    vec(piece, 1..6).prop_map(|pieces| format!("{BEGIN}{}{END}", pieces.concat()))
}

/// A folder of programs that say what they are given, word by word, each ended by NUL.
fn programs() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("shell-words");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        for name in ["python3", "accelerate", "env", "ray"] {
            let path = folder.join(name);
            fs::write(&path, "#!/bin/sh\nfor word; do printf '%s\\0' \"$word\"; done\n").unwrap();
            assert!(Command::new("chmod").arg("+x").arg(&path).status().unwrap().success());
        }
        folder
    })
}

/// What the programs of a command line are given when a shell runs it with these arguments, in pod 0 and in another.
fn words(line: &str, arguments: &[String]) -> Vec<String> {
    let folder = programs();
    // Programs of the images, which are not here; that a user's text names them is not tried.
    let line = kubelet::expanded(line)
        .replace("/workspace/vllm/multi-node-serving.sh", "ray")
        .replace("cd /workspace/tfs/", "cd .");
    let mut all = Vec::new();
    for pod in ["0", "1"] {
        let ran = Command::new("/bin/sh")
            .args(["-c", &line])
            .args(arguments.iter().map(|argument| kubelet::expanded(argument)))
            .current_dir(folder)
            .env_clear()
            .env("PATH", folder)
            .env("POD_INDEX", pod)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(ran.status.success() && said.is_empty(), "{line}\n{said}");
        let out = String::from_utf8(ran.stdout).unwrap();
        all.extend(out.split_terminator('\0').map(str::to_owned));
    }
    all
}

/// Every command line in an object that a shell reads, the first word after `sh -c`, with what comes after it: the name of the program and its arguments.
fn lines(value: &Value, found: &mut Vec<(String, Vec<String>)>) {
    match value {
        Value::Object(fields) => {
            let words = |key: &str| fields.get(key).and_then(Value::as_array).into_iter().flatten();
            let all: Vec<&str> = words("command").chain(words("args")).filter_map(Value::as_str).collect();
            if let [program, "-c", line, arguments @ ..] = all.as_slice()
                && program.ends_with("sh")
            {
                found.push(((*line).to_owned(), arguments.iter().map(|&argument| argument.to_owned()).collect()));
            }
            fields.values().for_each(|value| lines(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| lines(value, found)),
        _ => {}
    }
}

/// Holds that every planted text arrives whole wherever a part of it arrives, and that nothing of it has run.
fn holds(object: &Value, texts: &[&str]) -> Result<usize, TestCaseError> {
    let mut found = Vec::new();
    lines(object, &mut found);
    prop_assert!(!found.is_empty());
    // Those that are alike, as shrinking makes them, are counted once.
    let texts: BTreeSet<&str> = texts.iter().copied().collect();
    let mut arrived = 0;
    for (line, arguments) in found {
        // Scripts of ours get what a user writes as arguments, or assigned at their head; their body is the same for everybody. What it does with them is tried where it is run as a whole.
        let line = match line.split_once("\nset -eu") {
            Some((head, body)) => {
                prop_assert!(!body.contains(BEGIN) && !body.contains(END), "planted into the body of a script: {line}");
                let assigned = ["VOL_DIR", "IMG_REF", "ANNOTATIONS_DATA", "SENTINEL_PATH"];
                let told: Vec<String> = assigned.iter().map(|name| format!("\"${{{name}-}}\"")).collect();
                format!("{head}\npython3 \"$@\" {}", told.join(" "))
            }
            None => line,
        };
        for word in words(&line, &arguments) {
            // JSON writes some characters in another way; it is one word all the same.
            let is_json = word.starts_with('{');
            let parts = word.matches(BEGIN).count() + word.matches(END).count();
            let whole: usize = texts.iter().map(|text| word.matches(text).count()).sum();
            prop_assert!(parts == 2 * whole || (is_json && parts == 2), "{word:?} of {line}");
            arrived += whole;
        }
        prop_assert!(!programs().join("RAN").exists(), "it ran: {line}");
    }
    Ok(arrived)
}

fn facts(manifest: Value) -> Facts {
    let (_, workspace) = kaito_api::workspace::decode(manifest).unwrap();
    resolve(&workspace, &Settings::default(), &Looked::default()).unwrap().model().cloned().unwrap()
}

/// A model on one machine, on two, on an older image; the transformers runtime.
fn served() -> Vec<(Facts, u32)> {
    let mut slow = manifests::preset("a", "phi-3.5-mini-instruct", "Standard_NV36ads_A10_v5");
    slow["metadata"]["annotations"] = json!({"kaito.sh/runtime": "transformers"});
    vec![
        (facts(manifests::phi_4_mini("a")), 1),
        (facts(manifests::two_nodes("a")), 2),
        (facts(manifests::phi_3_mini("a")), 1),
        (facts(slow), 1),
    ]
}

/// The pods of a model of which every text of the user's is one of these.
fn serving<'a>(facts: &Facts, nodes: u32, texts: &'a [String]) -> Serving<'a> {
    let adapter = |name: &'a String| Adapter {
        name,
        source: AdapterSource::Image(texts[3].clone()),
        pull_secrets: vec![&texts[4]],
        strength: Some(&texts[5]),
    };
    Serving {
        name: &texts[0],
        namespace: &texts[1],
        owner: Default::default(),
        revision: 1,
        asked_by_annotation: String::new(),
        facts: facts.clone(),
        engine: facts.engine().unwrap(),
        layout: Layout::choose(facts, nodes, None),
        pod_labels: BTreeMap::from([("kaito.sh/workspace".to_owned(), texts[0].clone())]),
        placement: Placement { labels: vec![("apps".to_owned(), texts[2].clone())], preferred: Vec::new() },
        config: Some(manifest::MountedConfig { name: &texts[2], digest: None, rolled: None }),
        access_secret: Some(&texts[4]),
        adapters: vec![adapter(&texts[2])],
        served_name: texts[6].clone(),
        performance_mode: Some(&texts[7]),
        benchmark: true,
        max_model_len: None,
        local_weights: nodes.is_multiple_of(2).then(|| texts[8].clone()),
        claim_local_disk: false,
        registry: images::DEFAULT_REGISTRY,
        hub: None,
        azure_spot: false,
    }
}

/// A training with this input, of which every text of the user's is one of these.
fn training(texts: &[String], input: Input<'_>) -> Value {
    let facts = facts(manifests::tuning("a"));
    let Task::Tuning { params, weights, .. } = facts.task else { unreachable!("a training tunes") };
    let results = Results { directory: texts[0].clone(), written: Some(texts[1].clone()) };
    let tuning = Tuning {
        name: &texts[2],
        namespace: &texts[3],
        owner: Default::default(),
        revision: 1,
        facts: &facts,
        params,
        weights,
        preset: &texts[4],
        placement: Placement::default(),
        config_map: &texts[5],
        results: &results,
        input,
        output: Output::Image { image: &texts[8], secret: &texts[5] },
        registry: images::DEFAULT_REGISTRY,
        azure_spot: false,
        on_karpenter: false,
    };
    manifest::job(&tuning).unwrap()
}

proptest! {
    #![proptest_config(cases::config(48))]

    #[test]
    fn no_text_of_a_user_leaves_its_word_in_a_command_of_a_server(texts in vec(planted(), 9)) {
        let all: Vec<&str> = texts.iter().map(String::as_str).collect();
        for (facts, nodes) in served() {
            let serving = serving(&facts, nodes, &texts);
            let arrived = holds(&manifest::stateful_set(&serving).to_wire(), &all)?;
            prop_assert!(arrived > 4, "beside what the puller of the adapter is given, nothing was planted for {} on {}", facts.model.id, facts.hardware.name);
            prop_assert!(facts.engine() != Some(Engine::Vllm) || nodes == 1 || arrived >= 12, "the address of the leader is planted: {arrived}");
        }
    }

    #[test]
    fn no_text_of_a_user_leaves_its_word_in_a_command_of_a_training(texts in vec(planted(), 9)) {
        let all: Vec<&str> = texts.iter().map(String::as_str).collect();
        let urls = holds(&training(&texts, Input::Urls(&texts[6..8])), &all)?;
        prop_assert!(urls >= 3, "{urls}");
        let image = Input::Image { name: &texts[6], image: &texts[7], secrets: &texts[4..5] };
        let pulled = holds(&training(&texts, image), &all)?;
        prop_assert_eq!(pulled, urls + 2, "its image arrives in the puller, in each of two pods");
    }
}
