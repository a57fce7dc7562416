//! How the image for GPUs below compute capability 8.0 is spoken to: whole command lines and environments, and nothing that its server does not know.

use kaito_core::manifest::shell_line;
use kaito_core::memory::{Pace, World};
use kaito_core::{Kind, Settings, render};
use kaito_presets::{Cloud, models, profile, sku};
use kaito_tests::manifests;
use kaito_tests::stage::{MemoryStage, Stage};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const IMAGE: &str = "mcr.microsoft.com/aks/kaito/kaito-base:0.0.2";
const VLLM: &str = "python3 /workspace/vllm/inference_api.py";
const TRANSFORMERS: &str = "accelerate launch";

/// What the wrapper of that image takes beside the options of its vLLM, as far as we ever say it.
const OF_THE_WRAPPER: [&str; 1] = ["kaito-config-file"];

/// What the server of the current image is told, and the parser of this one ends at.
const UNKNOWN: [&str; 4] = [
    "kv-events-config",
    "performance-mode",
    "kaito-kv-cache-cpu-memory-utilization",
    "compilation-config.pass_config.fuse_allreduce_rms",
];

/// What its parser knows and the image cannot do: it has no templates and no copies beside each other, and code of a repository is of another release than its libraries.
const USELESS: [&str; 7] = [
    "chat-template",
    "trust-remote-code",
    "config_format",
    "tokenizer_mode",
    "load_format",
    "load-format",
    "data-parallel-size",
];

/// The container that serves a Workspace in a cluster of its own; none, where it is refused.
fn found(workspace: &Value) -> Option<Value> {
    let mut stage = MemoryStage::of(World::with_pace(&Settings::default(), Pace::instant()));
    stage.put(&manifests::secret("my-registry", "kubernetes.io/dockerconfigjson", &[".dockerconfigjson"]));
    stage.put(&manifests::settings("settings", "vllm:\n  swap-space: 4\n"));
    stage.put(workspace);
    render::settle(stage.world());
    let set = stage.get(Kind::StatefulSet, workspace["metadata"]["name"].as_str().unwrap())?;
    Some(set["spec"]["template"]["spec"]["containers"][0].clone())
}

fn container(workspace: &Value) -> Value {
    found(workspace).unwrap_or_else(|| panic!("nobody serves {workspace}"))
}

/// The line that its shell reads.
fn line(container: &Value) -> &str {
    let [shell, c, line] = container["command"].as_array().unwrap().as_slice() else { unreachable!("three words") };
    assert_eq!((shell, c), (&json!("/bin/sh"), &json!("-c")));
    line.as_str().unwrap()
}

fn env(container: &Value) -> BTreeMap<&str, &str> {
    let all = container["env"].as_array().into_iter().flatten();
    all.map(|variable| (variable["name"].as_str().unwrap(), variable["value"].as_str().unwrap_or("from elsewhere")))
        .collect()
}

fn flags(line: &str) -> BTreeSet<String> {
    let words = shell_line::words(line);
    words.into_iter().filter(|word| word.starts_with("--")).collect()
}

/// The seed with other fields.
fn seed(change: impl FnOnce(&mut Value)) -> Value {
    let mut manifest = manifests::phi_3_mini("phi");
    change(&mut manifest);
    manifest
}

const LOADS: &str = "--model=/workspace/weights --dtype=float16 --tensor-parallel-size=1 --gpu-memory-utilization=0.90 --max-num-seqs=32 --enforce-eager --no-enable-chunked-prefill --no-enable-prefix-caching";

/// A Workspace, the program that serves it, all that this is told, and its environment: spec/08 §3.1 and §3.4.
#[rustfmt::skip] // one Workspace a row
fn table() -> Vec<(Value, &'static str, String, Value)> {
    let v0 = || json!({"VLLM_USE_V1": "0", "VLLM_ATTENTION_BACKEND": "XFORMERS"});
    let runs = "--pipeline=text-generation --torch_dtype=float16 --pretrained_model_name_or_path=/workspace/weights";
    let launcher = "--num_processes=1 --num_machines=1 --machine_rank=0 --gpu_ids=all";
    let preset = |name: &str| seed(|seed| seed["inference"]["preset"]["name"] = json!(name));
    let on_transformers = |mut manifest: Value| {
        manifest["metadata"]["annotations"] = json!({"kaito.sh/runtime": "transformers"});
        manifest
    };
    let mut weak = on_transformers(manifests::adapters("phi"));
    weak["inference"]["adapters"][0]["strength"] = json!("0.5");
    weak["inference"]["adapters"][1]["source"]["name"] = json!("of-law");
    weak["inference"]["adapters"][1]["strength"] = json!("0.25");
    vec![
        (seed(|_| ()), VLLM, format!("{LOADS} --served-model-name=phi-3-mini-4k-instruct --max-model-len=4096"), v0()),
        (preset("phi-3-mini-128k-instruct"), VLLM, format!("{LOADS} --served-model-name=phi-3-mini-128k-instruct --max-model-len=12288"), v0()),
        (seed(|seed| seed["resource"]["instanceType"] = json!("Standard_NC4as_T4_v3")), VLLM, format!("{LOADS} --served-model-name=phi-3-mini-4k-instruct --max-model-len=4096"), v0()),
        (manifests::adapters("phi"), VLLM, format!("{LOADS} --served-model-name=phi-3-mini-4k-instruct --max-model-len=4096 --enable-lora --max-lora-rank=16 --max-loras=2"), v0()),
        (seed(|seed| seed["inference"]["config"] = json!("settings")), VLLM, format!("{LOADS} --served-model-name=phi-3-mini-4k-instruct --max-model-len=4096 --kaito-config-file=/mnt/config/inference_config.yaml"), v0()),
        (on_transformers(seed(|_| ())), TRANSFORMERS, format!("{launcher} {runs}"), json!({})),
        (on_transformers(preset("phi-3-mini-128k-instruct")), TRANSFORMERS, format!("{launcher} {runs}"), json!({})),
        // A variable whose name is none to the shell is given behind it.
        (weak, "env of-law=0.25 accelerate launch", format!("{launcher} {runs}"), json!({"tone": "0.5", "of-law": "0.25"})),
    ]
}

#[test]
fn a_server_of_the_older_image_is_told_exactly_what_it_needs() {
    for (workspace, program, told, wanted) in table() {
        let container = container(&workspace);
        let line = line(&container);
        assert_eq!(container["image"], IMAGE);
        assert!(line.starts_with(program), "{line}");
        assert_eq!(flags(line), flags(&told), "{line}");
        assert_eq!(json!(env(&container)), wanted, "{line}");
    }
}

#[test]
fn no_model_of_the_catalogue_is_served_with_words_that_the_older_server_does_not_know() {
    let old = profile("volta-turing").unwrap();
    let names: BTreeSet<&str> = old.options.iter().map(|option| option.name).collect();
    let is_known = |flag: &str| {
        names.contains(flag)
            || flag.strip_prefix("no-").is_some_and(|flag| names.contains(flag))
            || OF_THE_WRAPPER.contains(&flag)
    };
    assert!(UNKNOWN.iter().all(|flag| !is_known(flag)), "the list is of what it does not know");
    let mut served = BTreeSet::new();
    for model in models() {
        for size in ["Standard_NC4as_T4_v3", "Standard_NC24s_v3", "Standard_ND40rs_v2"] {
            let machine = sku(Cloud::Azure, size).unwrap();
            assert!(old.serves(machine.compute_capability.unwrap()));
            let Some(container) = found(&manifests::preset("x", &model.id, size)) else { continue };
            assert_eq!(container["image"], IMAGE, "{} on {size}", model.id);
            let line = line(&container);
            assert!(line.starts_with(VLLM), "{} on {size}: {line}", model.id);
            for flag in flags(line) {
                let name = flag.trim_start_matches("--").split('=').next().unwrap();
                assert!(is_known(name), "{} on {size}: --{name} of {line}", model.id);
                assert!(!USELESS.contains(&name), "{} on {size}: {line}", model.id);
            }
            for (name, value) in env(&container) {
                let is_meant = matches!((name, value), ("VLLM_USE_V1", "0") | ("VLLM_ATTENTION_BACKEND", "XFORMERS"));
                assert!(is_meant, "{} on {size}: {name}={value}", model.id);
            }
            assert!(!line.contains("max-model-len=auto") && !line.contains("bfloat16"), "{line}");
            served.insert(model.id.clone());
        }
    }
    println!("{} models are served by the older image", served.len());
    assert!(served.len() >= 3, "{served:?}");
}
