//! What the reference made of a manifest is what we make of it in a cluster in memory, and of every manifest that is applied after it; differences are listed with a reason.

use kaito_core::render;
use kaito_tests::allowed::{Allowed, Comparison};
use kaito_tests::golden::{self, Case, Step};
use kaito_tests::normal;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn what_the_reference_makes_of_a_manifest_and_of_the_next_is_what_we_make_of_it() {
    let cases = golden::cases();
    if cases.is_empty() {
        return;
    }
    let mut comparison = Comparison::allowing(golden::DIFFERENCES);
    for case in &cases {
        let mut world = case.world();
        for step in &case.steps {
            step.put(&mut world, &case.namespace);
            let ours = golden::ours(render::render(&mut world));
            comparison.compare(&step.about(), &ours, &golden::theirs(step, &case.namespace));
        }
    }
    let manifests: usize = cases.iter().map(|case| case.steps.len()).sum();
    println!("{manifests} manifests compared with the reference, with {} differences", golden::DIFFERENCES.len());
    golden::LEFT_OUT.iter().for_each(|(what, why)| println!("left out: {what}: {why}"));
    assert!(manifests >= 94, "only {manifests} manifests were comparable");
    // Of machines that are asked for one by one 28, and of Karpenter's the uid on a NodePool, no spot, the adapter that rolls out and the training that is not disturbed.
    assert!(golden::DIFFERENCES.len() <= 32, "the table grows");
    comparison.conclude();
}

/// What history leaves behind.
const LEFT_BEHIND: &[Allowed] = &[Allowed {
    file: "step-runtime",
    path: "Service.spec.ports",
    reason: "a port that nothing serves any more stays until something else of the Service differs: others may add ports, and who added one is not known",
}];

/// An edit that is forgotten in part shows here: what an object is like depends on what is asked for, and not on what was asked for before.
#[test]
fn what_is_made_after_edits_is_what_is_made_at_once() {
    let cases: Vec<Case> = golden::cases().into_iter().filter(|case| case.steps.len() > 1).collect();
    if cases.is_empty() {
        return;
    }
    let mut comparison = Comparison::allowing(LEFT_BEHIND);
    for case in &cases {
        comparison.compare(
            &[case.name()],
            &after(case, &case.steps),
            &after(case, &case.steps[case.steps.len() - 1..]),
        );
    }
    comparison.conclude();
}

/// What is there when these steps were applied one after the other, but for history: revisions and their numbers.
fn after(case: &Case, steps: &[Step]) -> BTreeMap<String, Value> {
    let mut world = case.world();
    for step in steps {
        step.put(&mut world, &case.namespace);
        render::settle(&mut world);
    }
    let mut objects = golden::ours(render::objects(&world));
    objects.retain(|_, object| object["kind"] != "ControllerRevision");
    for object in objects.values_mut() {
        if let Some(number) = object.pointer_mut("/metadata/annotations/workspace.kaito.io~1revision") {
            *number = json!("its last");
        }
    }
    objects
}

/// What an edit moves of what is there, where the reference forgets it and a row of the differences stands for more than a word.
struct Moved {
    file: &'static str,
    /// Every field of a spec that moves, whatever its container is called.
    fields: &'static [&'static str],
    /// The words of the command that go, and those that come.
    goes: &'static [&'static str],
    comes: &'static [&'static str],
    /// What is said somewhere in the pods, or of the Service.
    says: &'static [&'static str],
}

const PULLS: &[&str] =
    &["registry.example.com/adapters/first:1.0", "/mnt/adapter/first", "\"name\":\"pull-a\"", "pull-a.json"];

/// No benchmark is run at the start.
const ASKED_BY_HTTP: &str =
    "\"startupProbe\":{\"failureThreshold\":180,\"httpGet\":{\"path\":\"/health\",\"port\":5000}}";

const OF_AN_ADAPTER: &[&str] = &[
    "StatefulSet.spec.template.spec.containers.*.command",
    "StatefulSet.spec.template.spec.containers.*.volumeMounts",
    "StatefulSet.spec.template.spec.imagePullSecrets",
    "StatefulSet.spec.template.spec.initContainers",
    "StatefulSet.spec.template.spec.volumes",
];

const MOVED: &[Moved] = &[
    Moved {
        file: "step-adapter-added.2.yaml",
        fields: OF_AN_ADAPTER,
        goes: &[],
        comes: &["--enable-lora"],
        says: PULLS,
    },
    Moved { file: "step-adapter.2.yaml", fields: OF_AN_ADAPTER, goes: &[], comes: &["--enable-lora"], says: PULLS },
    Moved {
        file: "step-config-named.2.yaml",
        fields: &[
            "StatefulSet.spec.template.spec.containers.*.command",
            "StatefulSet.spec.template.spec.containers.*.volumeMounts",
            "StatefulSet.spec.template.spec.volumes",
        ],
        goes: &[],
        comes: &["--kaito-config-file=/mnt/config/inference_config.yaml"],
        says: &[
            "{\"configMap\":{\"name\":\"late-settings\"},\"name\":\"config-volume\"}",
            "{\"mountPath\":\"/mnt/config\",\"name\":\"config-volume\"}",
        ],
    },
    Moved {
        file: "step-preset-swapped.2.yaml",
        fields: &["StatefulSet.spec.template.spec.containers.*.command"],
        goes: &["--model=microsoft/phi-3-mini-4k-instruct", "--served-model-name=phi-3-mini-4k-instruct"],
        comes: &["--model=microsoft/phi-3.5-mini-instruct", "--served-model-name=phi-3.5-mini-instruct"],
        says: &[],
    },
    Moved {
        file: "step-runtime.2.yaml",
        fields: &[
            "StatefulSet.spec.template.spec.containers.*.command",
            "StatefulSet.spec.template.spec.containers.*.env",
            "StatefulSet.spec.template.spec.containers.*.ports",
            "StatefulSet.spec.template.spec.containers.*.startupProbe.exec",
            "StatefulSet.spec.template.spec.containers.*.startupProbe.httpGet",
            "StatefulSet.spec.template.spec.containers.*.startupProbe.timeoutSeconds",
            "StatefulSet.spec.template.spec.containers.*.volumeMounts",
            "StatefulSet.spec.template.spec.imagePullSecrets",
            "StatefulSet.spec.template.spec.initContainers",
            "StatefulSet.spec.template.spec.volumes",
        ],
        goes: &[
            "--compilation-config.pass_config.fuse_allreduce_rms=False",
            "--config_format=auto",
            "--download-dir=/workspace/weights",
            "--dtype=bfloat16",
            "--gpu-memory-utilization=0.84",
            "--kv-events-config='{\"enable_kv_cache_events\":true}'",
            "--load_format=auto",
            "--max-model-len=auto",
            "--model=microsoft/phi-4",
            "--served-model-name=phi-4",
            "--tensor-parallel-size=1",
            "--tokenizer_mode=auto",
            "--trust-remote-code",
            "/workspace/vllm/inference_api.py",
            "python3",
        ],
        comes: &[
            "--allow_remote_files",
            "--gpu_ids=all",
            "--machine_rank=0",
            "--num_machines=1",
            "--num_processes=1",
            "--pipeline=text-generation",
            "--pretrained_model_name_or_path=microsoft/phi-4",
            "--served_model_name=phi-4",
            "--torch_dtype=auto",
            "--trust_remote_code",
            "/workspace/tfs/inference_api.py",
            "accelerate",
            "launch",
        ],
        says: &[PULLS[0], PULLS[1], PULLS[2], PULLS[3], ASKED_BY_HTTP],
    },
    Moved {
        file: "step-template-image.2.yaml",
        fields: &["StatefulSet.spec.template.spec.containers.*.image"],
        goes: &[],
        comes: &[],
        says: &["\"image\":\"registry.example.com/llm/server:2\""],
    },
    Moved {
        file: "step-annotations.2.yaml",
        fields: &[
            "Service.spec.ports",
            "Service.spec.type",
            "StatefulSet.spec.template.spec.containers.*.command",
            "StatefulSet.spec.template.spec.containers.*.startupProbe.exec",
            "StatefulSet.spec.template.spec.containers.*.startupProbe.httpGet",
            "StatefulSet.spec.template.spec.containers.*.startupProbe.timeoutSeconds",
        ],
        goes: &[],
        comes: &["--performance-mode=throughput"],
        says: &["\"type\":\"LoadBalancer\"", ASKED_BY_HTTP],
    },
];

/// A row for a whole spec would hide whatever else went wrong there: what moves is held field by field, and word by word.
#[test]
fn an_edit_that_the_reference_forgets_moves_what_was_asked_for_and_nothing_else() {
    let cases = golden::cases();
    if cases.is_empty() {
        return;
    }
    let is_wide = |row: &&Allowed| row.file.starts_with("step-") && row.path.contains(".spec");
    let wide: BTreeSet<&str> = golden::DIFFERENCES.iter().filter(is_wide).map(|row| row.file).collect();
    assert_eq!(wide, MOVED.iter().map(|moved| moved.file).collect::<BTreeSet<_>>(), "each has its fields and words");
    for moved in MOVED {
        let has = |case: &&Case| case.steps.len() > 1 && case.steps[1].file == moved.file;
        let case = cases.iter().find(has).unwrap_or_else(|| panic!("no case has {}", moved.file));
        let mut world = case.world();
        let [before, after] = [0, 1].map(|index| {
            case.steps[index].put(&mut world, &case.namespace);
            golden::ours(render::render(&mut world))
        });
        let mut fields = BTreeSet::new();
        for (name, object) in &before {
            let kind = name.split(' ').next().unwrap();
            let found = normal::places(object, &after[name]).into_iter().map(|place| format!("{kind}{}", place.path));
            fields.extend(found.filter(|path| !path.contains(".metadata.")).map(|path| of_any_container(&path)));
        }
        assert_eq!(fields, moved.fields.iter().map(|field| (*field).to_owned()).collect(), "{}", moved.file);
        let (old, new) = (words(&before), words(&after));
        assert_eq!(old.difference(&new).collect::<Vec<_>>(), moved.goes, "{}", moved.file);
        assert_eq!(new.difference(&old).collect::<Vec<_>>(), moved.comes, "{}", moved.file);
        let said = json!(after).to_string();
        for words in moved.says {
            assert!(said.contains(words), "{}: {words} in {said}", moved.file);
            assert!(!json!(before).to_string().contains(words), "{}: {words} was there before", moved.file);
        }
    }
}

/// `.containers.steps.command` is `.containers.*.command`.
fn of_any_container(path: &str) -> String {
    let Some((before, after)) = path.split_once(".containers.") else { return path.to_owned() };
    format!("{before}.containers.*{}", after.find('.').map_or("", |dot| &after[dot..]))
}

/// The words of the command of the only set.
fn words(objects: &BTreeMap<String, Value>) -> BTreeSet<String> {
    let set = objects.values().find(|object| object["kind"] == "StatefulSet").expect("a set");
    let lines = set["spec"]["template"]["spec"]["containers"][0]["command"].as_array();
    let words = lines.into_iter().flatten().flat_map(|line| line.as_array().into_iter().flatten());
    words.filter_map(Value::as_str).filter(|word| !matches!(*word, "/bin/sh" | "-c")).map(str::to_owned).collect()
}
