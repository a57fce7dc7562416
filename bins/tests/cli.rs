//! The command line from outside: what a person types, and what comes back.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail as tests do")]

mod kit;

use kit::{GOOD, err, example, good_but, holds, kaito, out, root};
use serde_json::{Value, json};
use std::process::{Command, Stdio};

/// Simulates standard input; holds the exit code and that every one of the words is said on standard error.
fn refused(input: impl AsRef<[u8]>, code: i32, words: &[&str]) {
    let output = kaito(&["simulate", "-f", "-"], input.as_ref());
    let said = err(&output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "expected {word:?} in:\n{said}");
    }
}

#[test]
fn a_model_user_sees_how_the_seed_becomes_ready() {
    let from_file = kaito(&["simulate", "-f", &example()], b"");
    let from_stdin = kaito(&["simulate", "-f", "-"], &std::fs::read(example()).unwrap());
    for output in [from_file, from_stdin] {
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        let text = out(&output);
        let lines: Vec<&str> = text.lines().collect();
        let headings: Vec<&str> = lines[0].split_whitespace().collect();
        assert_eq!(headings, ["NAME", "INSTANCE", "RESOURCEREADY", "INFERENCEREADY", "WORKSPACEREADY", "AGE"]);
        let cells: Vec<&str> = lines[1].split_whitespace().collect();
        assert_eq!(cells[..5], ["workspace-phi-3-mini", "Standard_NC24ads_A100_v4", "True", "True", "True"]);
        assert_eq!(lines[2], "");
        for topic in ["admitted", "sized", "NodeClaim", "Node", "StatefulSet", "InferenceReady"] {
            assert!(lines.iter().any(|line| line.split_whitespace().nth(1) == Some(topic)), "{topic}:\n{text}");
        }
        assert!(lines.last().unwrap().starts_with("ready after ") && text.contains("simulated time"), "{text}");
        assert!(!text.contains('\u{1b}'), "no colours where a program reads");
    }
}

#[test]
fn two_remarks_of_one_topic_are_told_once_each() {
    let older = good_but("resource:\n", "resource:\n  count: 2\n")
        .replace("Standard_NC24ads_A100_v4", "Standard_NC6s_v3")
        .replace("phi-4-mini-instruct", "phi-3-mini-4k-instruct");
    let told = kaito(&["simulate", "-f", "-"], older.as_bytes());
    let text = out(&told);
    assert_eq!(told.status.code(), Some(0), "{text}{}", err(&told));
    for words in ["resource.count: asks for 2", "azure announced the end of Standard_NC6s_v3"] {
        let lines = text.lines().filter(|line| line.contains("  warning  ") && line.contains(words));
        assert_eq!(lines.count(), 1, "{words}:\n{text}");
    }
}

#[test]
fn preferred_nodes_that_are_not_used_are_told_in_one_line() {
    let here = good_but("  instanceType: Standard_NC24ads_A100_v4\n", "  preferredNodes: [gpu, gpu, b, a, b, '']\n");
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "gpu", "labels": {
        "apps": "phi", "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB", "nvidia.com/gpu.count": "1",
        "nvidia.com/gpu.memory": "81920",
    }}});
    let told = kaito(&["simulate", "-f", "-", "--node-provisioner", "byo"], format!("{here}---\n{node}\n").as_bytes());
    let text = out(&told);
    assert_eq!(told.status.code(), Some(0), "{text}{}", err(&told));
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("preferredNodes")).collect();
    assert_eq!(lines.len(), 1, "{text}");
    assert!(lines[0].ends_with("resource.preferredNodes: a, b are none of the nodes that can be used"), "{text}");
}

#[test]
fn a_training_succeeds_with_its_secret_and_names_it_without() {
    let file = |name: &str| root().join("examples").join(name).display().to_string();
    let (tuning, secret) = (file("phi-3-mini-tuning.yaml"), file("registry-secret.yaml"));
    let with = kaito(&["simulate", "-f", &tuning, "-f", &secret], b"");
    assert_eq!(with.status.code(), Some(0), "{}", err(&with));
    assert!(out(&with).lines().last().unwrap().starts_with("succeeded after "), "{}", out(&with));
    let told = kaito(&["simulate", "-f", &tuning, "-f", &secret, "-o", "json"], b"");
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!((&told["resources"][0]["state"], &told["ready"]), (&Value::from("Succeeded"), &Value::from(true)));
    let without = kaito(&["simulate", "-f", &tuning], b"");
    assert_eq!(without.status.code(), Some(1), "{}", out(&without));
    let text = out(&without);
    let last = text.lines().last().unwrap();
    for word in
        ["SecretNotFound", "registry-credentials", "namespace default", "imagePushSecret", "kubectl create secret"]
    {
        assert!(last.contains(word), "{word}: {last}");
    }
    let rendered = kaito(&["render", "-f", &tuning, "-f", &secret], b"");
    let text = out(&rendered);
    assert_eq!(rendered.status.code(), Some(0), "{}", err(&rendered));
    assert!(text.contains("kind: Job") && text.contains("--num_processes=1 /workspace/tfs/fine_tuning.py"), "{text}");
}

#[test]
fn a_model_user_sees_how_the_example_with_an_adapter_becomes_ready() {
    let example = root().join("examples/phi-3-mini-adapter.yaml").display().to_string();
    let output = kaito(&["simulate", "-f", &example], b"");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(out(&output).lines().last().unwrap().starts_with("ready after "), "{}", out(&output));
}

#[test]
fn a_server_of_the_users_own_is_simulated_rendered_and_judged() {
    let example = root().join("examples/own-template.yaml").display().to_string();
    let simulated = kaito(&["simulate", "-f", &example], b"");
    assert_eq!(simulated.status.code(), Some(0), "{}", err(&simulated));
    assert!(out(&simulated).lines().last().unwrap().starts_with("ready after "), "{}", out(&simulated));
    assert!(out(&simulated).contains("a pod template of the user's own (1 GPU of NVIDIA A10 on a node)"));
    let rendered = kaito(&["render", "-f", &example], b"");
    assert_eq!(rendered.status.code(), Some(0), "{}", err(&rendered));
    for word in ["kind: StatefulSet", "registry.example.com/research/server:1.2", "team: research", "kind: NodeClaim"] {
        assert!(out(&rendered).contains(word), "{word}:\n{}", out(&rendered));
    }
    let valid = kaito(&["validate", "-f", &example], b"");
    assert_eq!(valid.status.code(), Some(0), "{}", err(&valid));
    let text = std::fs::read_to_string(root().join("examples/own-template.yaml")).unwrap();
    let odd = text.replace("          image: ", "          imag: ");
    let odd = kaito(&["validate", "-f", "-"], odd.as_bytes());
    let said = format!("{}{}", out(&odd), err(&odd));
    assert_eq!(odd.status.code(), Some(1), "{said}");
    assert!(said.contains("inference.template.spec.containers[0].image: write the image of the server"), "{said}");
    let idle = text.replace("nvidia.com/gpu: 1", "memory: 1Gi");
    let idle = kaito(&["validate", "-f", "-"], idle.as_bytes());
    let said = format!("{}{}", out(&idle), err(&idle));
    assert_eq!(idle.status.code(), Some(0), "{said}");
    assert!(said.contains("not used: the GPUs of Standard_NV36ads_A10_v5"), "{said}");
    let left = text.replace("\"--port\", \"5000\"", "--model, <MODEL_ID>");
    let left = kaito(&["validate", "-f", "-"], left.as_bytes());
    let said = format!("{}{}", out(&left), err(&left));
    assert_eq!(left.status.code(), Some(0), "{said}");
    let warning = "warning: inference.template.spec.containers[0].args[1]: <MODEL_ID> is a placeholder";
    assert!(said.contains(warning), "{said}");
}

#[test]
fn a_placeholder_that_was_left_is_named_with_its_field() {
    let adapter = "  adapters:\n  - source: {name: tone, image: \"ACR_REPO_HERE.azurecr.io/ADAPTER_HERE:0.0.1\"}\n";
    refused(
        format!("{GOOD}{adapter}"),
        1,
        &["inference.adapters[0].source.image", "ACR_REPO_HERE", "registry.example.com"],
    );
}

#[test]
fn a_simulation_is_told_to_programs_as_its_schema_says_and_the_same_each_time() {
    let run = |form: &str| kaito(&["simulate", "-f", &example(), "-o", form], b"");
    let (first, second) = (run("json"), run("json"));
    assert_eq!(first.status.code(), Some(0));
    assert_eq!(out(&first), out(&second));
    let value: Value = serde_json::from_str(&out(&first)).unwrap();
    holds("simulation", &value);
    assert_eq!(value["ready"], true);
    assert!(value["writes"]["byKind"]["NodeClaim"].as_u64() >= Some(1));
    let yaml = run("yaml");
    assert_eq!(serde_saphyr::from_str::<Value>(&out(&yaml)).unwrap(), value);
}

#[test]
fn the_registry_is_told_to_programs_as_its_schema_says() {
    let table: &[(&str, &[&str])] = &[
        ("model", &["models", "-o", "json"]),
        ("model", &["models", "phi-4-mini-instruct", "-o", "json"]),
        ("sku", &["skus", "-o", "json"]),
        ("sku", &["skus", "--cloud", "aws", "-o", "json"]),
        ("sku", &["skus", "standard_nc6s_v3", "-o", "json"]),
    ];
    for (name, args) in table {
        let output = kaito(args, b"");
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        holds(name, &serde_json::from_str(&out(&output)).unwrap());
    }
    let unknown = kaito(&["models", "phi-4-mini-instrct"], b"");
    assert_eq!(unknown.status.code(), Some(1));
    assert!(err(&unknown).contains("phi-4-mini-instruct"));
    let unknown = kaito(&["skus", "Standard_NC24ads_A100_v5"], b"");
    assert_eq!(unknown.status.code(), Some(1));
    assert!(err(&unknown).contains("Standard_NC24ads_A100_v4"));
}

#[test]
fn roles_are_printed_for_the_programs_that_run_there_and_bound_in_their_namespace() {
    for (args, programs) in [
        (&["roles"][..], &["kaito-workspace", "kaito-gpu-provisioner"][..]),
        (&["roles", "--node-provisioner", "byo", "-n", "llm"], &["kaito-workspace"]),
        (
            &["roles", "--node-provisioner", "karpenter", "--karpenter-node-class-resource-name", "ec2nodeclasses"],
            &["kaito-workspace"],
        ),
    ] {
        let output = kaito(args, b"");
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        let all: Vec<Value> = serde_saphyr::from_multiple(&out(&output)).unwrap();
        let of_kind = |kind: &str| all.iter().filter(|found| found["kind"] == kind).cloned().collect::<Vec<_>>();
        let bindings = of_kind("ClusterRoleBinding");
        assert_eq!((all.len(), bindings.len()), (3 * programs.len(), programs.len()));
        let namespace = if args.contains(&"llm") { "llm" } else { "kaito-workspace" };
        for (program, binding) in programs.iter().zip(bindings) {
            let account = json!([{"kind": "ServiceAccount", "name": program, "namespace": namespace}]);
            assert_eq!(binding["subjects"], account);
            let role =
                of_kind("ClusterRole").into_iter().find(|role| role["metadata"]["name"] == binding["roleRef"]["name"]);
            assert!(role.is_some_and(|role| !role["rules"].as_array().unwrap().is_empty()), "{program}");
        }
        assert_eq!(out(&output).contains("ec2nodeclasses"), args.contains(&"ec2nodeclasses"));
    }
}

#[test]
fn the_configmap_for_other_tools_lists_every_model_by_a_name_that_is_served() {
    let output = kaito(&["models", "--configmap", "--namespace", "ops"], b"");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let map: Value = serde_saphyr::from_str(&out(&output)).unwrap();
    let metadata = &map["metadata"];
    assert_eq!(
        (&map["kind"], &metadata["name"], &metadata["namespace"]),
        (&json!("ConfigMap"), &json!("kaito-supported-models"), &json!("ops"))
    );
    let list: Value = serde_saphyr::from_str(map["data"]["SupportedModels"].as_str().unwrap()).unwrap();
    let (bases, models): (Vec<&Value>, Vec<&Value>) =
        list["models"].as_array().unwrap().iter().partition(|entry| entry["name"] == "base");
    let images: Vec<&str> = kaito_presets::profiles().iter().map(|profile| profile.image.tag).collect();
    assert_eq!(bases.iter().map(|base| base["tag"].as_str().unwrap()).collect::<Vec<_>>(), images);
    let served: Vec<&str> =
        models.iter().map(|entry| kaito_presets::model(entry["name"].as_str().unwrap()).unwrap().id.as_ref()).collect();
    assert_eq!(served, kaito_presets::models().iter().map(|model| model.id.as_ref()).collect::<Vec<&str>>());
    for (entry, id) in models.iter().zip(served) {
        let page = entry["version"].as_str().unwrap();
        assert!(page.strip_prefix("https://huggingface.co/").is_some_and(|page| page.starts_with(id)), "{page}");
    }
    for wrong in [["--configmap", "phi-4-mini-instruct"], ["--configmap", "--namespace="]] {
        let output = kaito(&[&["models"], &wrong[..]].concat(), b"");
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn render_prints_the_objects_in_the_order_of_creation() {
    let output = kaito(&["render", "-f", &example()], b"");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let text = out(&output);
    let kinds: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("kind: ")).collect();
    assert_eq!(kinds, ["ControllerRevision", "Service", "Service", "NodeClaim", "StatefulSet"]);
    assert!(!text.contains("creationTimestamp") && !text.contains("resourceVersion"), "only what we wrote");
    let list = kaito(&["render", "-f", &example(), "-o", "json"], b"");
    let list: Vec<Value> = serde_json::from_str(&out(&list)).unwrap();
    assert_eq!(list.iter().map(|object| object["kind"].as_str().unwrap()).collect::<Vec<_>>(), kinds);
}

#[test]
fn other_objects_are_put_into_the_world_first() {
    let with_config = good_but("    name: phi-4-mini-instruct\n", "    name: phi-4-mini-instruct\n  config: tuned\n");
    refused(&with_config, 1, &[]);
    let config = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: tuned}\ndata:\n  inference_config.yaml: \"vllm: {max-model-len: 4096}\\n\"\n";
    let output = kaito(&["simulate", "-f", "-"], format!("{with_config}{config}").as_bytes());
    assert_eq!(output.status.code(), Some(0), "{}{}", out(&output), err(&output));
}

#[test]
fn a_folder_a_pattern_and_a_list_are_read_like_a_file() {
    let folder = root().join("examples").display().to_string();
    for named in [folder.clone(), format!("{folder}/phi-3-min?.yaml")] {
        assert_eq!(kaito(&["simulate", "-f", &named], b"").status.code(), Some(0), "{named}");
    }
    let list = r#"{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "kaito.sh/v1beta1", "kind": "Workspace",
        "metadata": {"name": "phi"}, "resource": {"instancetype": "x"}, "inference": {"preset": {"name": "phi-4"}}}]}"#;
    refused(list, 2, &["standard input:2:51: resource.instancetype: no such field (did you mean instanceType?)"]);
}

#[test]
fn a_file_that_is_not_there_is_said_to_be_missing() {
    let output = kaito(&["simulate", "-f", "nowhere.yaml"], b"");
    assert_eq!((output.status.code(), err(&output).trim()), (Some(2), "nowhere.yaml: no such file"));
    let output = kaito(&["simulate", "-f", "nowhere-*.yaml"], b"");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn wrong_yaml_is_shown_at_its_place() {
    refused("a: [1,\nb: }", 2, &["standard input:1:4: not YAML"]);
    refused("a: b: c\n", 2, &["standard input:1:", "not YAML"]);
}

#[test]
fn wrong_json_is_shown_in_the_words_of_json() {
    refused("{\"apiVersion\": \"v1\",\n \"kind\" \"Workspace\"}", 2, &["standard input:2:9: not JSON: expected `:`"]);
}

#[test]
fn a_misspelt_kind_is_answered_with_the_nearest_one() {
    refused(
        good_but("Workspace", "Worksapce"),
        2,
        &["standard input:2:7: kind: ", "supported: Workspace, ConfigMap", "did you mean Workspace?"],
    );
}

#[test]
fn what_a_workspace_names_and_nothing_here_depends_on_is_passed_over_and_said() {
    let claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: results}\nspec: {}\n---\n";
    for verb in ["simulate", "render", "validate"] {
        let output = kaito(&[verb, "-f", "-"], format!("{claim}{GOOD}").as_bytes());
        assert_eq!(output.status.code(), Some(0), "{verb}: {}", err(&output));
        assert!(err(&output).contains("standard input:1:1: PersistentVolumeClaim results is not looked at"), "{verb}");
    }
}

#[test]
fn a_kind_that_cannot_be_read_is_answered_with_those_that_can() {
    refused(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n",
        2,
        &["standard input:2:7: kind: Deployment", "supported: Workspace"],
    );
}

#[test]
fn a_document_without_version_kind_or_name_is_told_which_is_missing() {
    refused(good_but("apiVersion: kaito.sh/v1beta1\n", ""), 2, &["standard input:1:1: apiVersion: missing"]);
    refused(good_but("kind: Workspace\n", ""), 2, &["standard input:1:1: kind: missing"]);
    refused(good_but("  name: phi\n", "  labels: {}\n"), 2, &["standard input:3:1: metadata.name: missing"]);
}

#[test]
fn a_version_that_is_not_served_is_answered_with_those_that_are() {
    refused(
        good_but("v1beta1", "v1"),
        2,
        &["standard input:1:13: apiVersion: ", "kaito.sh/v1beta1 or kaito.sh/v1alpha1"],
    );
}

#[test]
fn an_unknown_field_is_answered_with_the_nearest_one() {
    refused(
        good_but("instanceType", "instancetype"),
        2,
        &["standard input:6:3: resource.instancetype: no such field (did you mean instanceType?)"],
    );
}

#[test]
fn a_value_of_another_type_is_told_what_was_expected() {
    refused(
        good_but("resource:\n", "resource:\n  count: two\n"),
        2,
        &["standard input:6:10: resource.count: expected a whole number, found text \"two\""],
    );
    refused(
        good_but("apps: phi", "apps: on"),
        2,
        &["standard input:9:13: ", "expected text, found true; write it in quotes"],
    );
}

#[test]
fn an_unknown_preset_is_a_clear_no_with_the_nearest_ones() {
    refused(
        good_but("mini-instruct", "mini-instrct"),
        1,
        &["standard input:12:11: inference.preset.name: ", "did you mean phi-4-mini-instruct"],
    );
}

#[test]
fn an_unknown_machine_size_is_a_clear_no_with_the_nearest_ones() {
    refused(
        good_but("A100_v4", "A100_v5"),
        1,
        &["standard input:6:17: resource.instanceType: ", "did you mean Standard_NC24ads_A100_v4"],
    );
}

#[test]
fn both_or_neither_of_inference_and_tuning_are_a_clear_no() {
    let tuning = "tuning:\n  preset: {name: phi-4}\n  method: lora\n  input: {urls: ['https://x']}\n  output: {volumeSource: {emptyDir: {}}}\n";
    refused(format!("{GOOD}{tuning}"), 1, &["standard input:13:1: tuning: cannot be set beside inference"]);
    let neither = good_but("inference:\n  preset:\n    name: phi-4-mini-instruct\n", "");
    refused(neither, 1, &["standard input:1:1: one of inference and tuning must be set"]);
}

#[test]
fn an_empty_input_has_no_document() {
    for text in ["", "# nothing\n---\n"] {
        refused(text, 2, &["standard input: no document"]);
    }
}

#[test]
fn a_document_larger_than_the_server_takes_is_refused() {
    let config =
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata:\n  a: {}\n", "x".repeat(4 << 20));
    refused(config, 2, &["standard input:5:6: the document is larger than 3 MB"]);
}

#[test]
fn a_bomb_of_aliases_is_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..30 {
        text.push_str(&format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(", ")));
    }
    refused(text, 2, &["larger than 3 MB"]);
}

#[test]
fn an_object_that_stands_twice_is_shown_at_both_places() {
    refused(
        format!("{GOOD}---\n{GOOD}"),
        2,
        &["standard input:17:9: Workspace default/phi stands here for the second time; first in standard input:4:9"],
    );
    refused(
        good_but("kind: Workspace\n", "kind: Workspace\nkind: Workspace\n"),
        2,
        &["standard input:3:1: kind stands here for the second time; first in line 2"],
    );
}

#[test]
fn text_that_is_not_utf8_is_shown_at_its_place() {
    refused(b"a: b\nc: \xff\n", 2, &["standard input:2:4: the byte 0xff is not UTF-8"]);
    refused(b"\xff\xfea\0", 2, &["standard input:1:1: ", "UTF-16"]);
}

#[test]
fn the_value_of_a_secret_is_never_repeated() {
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: hub}\nstringData: {HF_TOKEN: hunter2}\n---\n";
    let output = kaito(&["simulate", "-f", "-", "-o", "json"], format!("{secret}{GOOD}").as_bytes());
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(out(&output).contains("HF_TOKEN") && !out(&output).contains("hunter2"));
    let bad = secret.replace("hunter2", "{deep: hunter2}");
    let output = kaito(&["simulate", "-f", "-"], bad.as_bytes());
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("standard input:4:24: stringData.HF_TOKEN") && !err(&output).contains("hunter2"));
}

#[test]
fn flags_that_cannot_be_honoured_are_answered_with_those_that_can() {
    let table: &[(&[&str], &str)] = &[
        (&["--node-provisioner", "karpenter", "--karpenter-node-classes", "[]"], "--karpenter-node-classes"),
        (
            &["--node-provisioner", "azure-gpu-provisioner", "--feature-gates", "disableNodeAutoProvisioning=true"],
            "contradicts the feature gate",
        ),
        (&["--node-provisioner", "x"], "azure-gpu-provisioner"),
        (&["--feature-gates", "vllm=true"], "known gates: vLLM"),
        (&["--cloud", "gcp"], "azure, aws, arc"),
        (&["--namespace", "A b"], "'--namespace <NAMESPACE>': must be 1 to 63 lower-case letters"),
        (&["--default-node-image-family", "windows"], "ubuntu or azurelinux"),
    ];
    for (flags, wanted) in table {
        let args = [&["simulate", "-f", "-"], *flags].concat();
        let output = kaito(&args, GOOD.as_bytes());
        assert_eq!(output.status.code(), Some(2), "{flags:?}");
        assert!(err(&output).contains(wanted), "{flags:?}: {}", err(&output));
    }
}

#[test]
fn a_reader_that_goes_away_is_no_trouble() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_kaito"))
        .args(["models", "-o", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), err(&output).as_str()), (Some(0), ""));
}

#[cfg(unix)]
#[test]
fn as_a_plugin_of_kubectl_it_says_so() {
    let link = std::env::temp_dir().join(format!("kubectl-kaito-test-{}", std::process::id()));
    let link = {
        std::fs::create_dir_all(&link).unwrap();
        link.join("kubectl-kaito")
    };
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_kaito"), &link).unwrap();
    let help = Command::new(&link).arg("--help").output().unwrap();
    std::fs::remove_dir_all(link.parent().unwrap()).unwrap();
    assert!(out(&help).contains("Usage: kubectl kaito <COMMAND>"), "{}", out(&help));
}

#[test]
fn a_claim_is_rendered_as_what_is_asked_of_azure_for_it() {
    let claim = |name: &str, size: &str| {
        json!({"apiVersion": "karpenter.sh/v1", "kind": "NodeClaim", "metadata": {"name": name, "labels": {"kaito.sh/workspace": "w"}},
            "spec": {"requirements": [{"key": "node.kubernetes.io/instance-type", "operator": "In", "values": [size]}], "resources": {"requests": {"storage": "100Gi"}}},
            "status": {"whatever": "a later version says"}})
        .to_string()
    };
    let good = claim("ws0123456ab", "Standard_NC24ads_A100_v4");
    let one = kaito(&["render", "-f", "-"], good.as_bytes());
    assert_eq!(one.status.code(), Some(0), "{}", err(&one));
    let told: Value = serde_json::from_slice(&one.stdout).unwrap();
    assert_eq!((&told["kind"], &told["name"]), (&json!("AgentPoolRequest"), &json!("ws0123456ab")));
    let asked = &told["body"]["properties"];
    assert_eq!((&asked["vmSize"], &asked["osDiskSizeGB"]), (&json!("Standard_NC24ads_A100_v4"), &json!(100)));
    let bad = format!("{good}\n---\n{}", claim("not-a-pool", "Standard_NC24ads_A100_v4"));
    let two = kaito(&["render", "-f", "-"], bad.as_bytes());
    assert_eq!(two.status.code(), Some(1));
    assert!(err(&two).contains("metadata.name") && out(&two).contains("ws0123456ab"), "{}", err(&two));
    let mistyped = kaito(&["render", "-f", "-"], good.replace("requirements", "requirement").as_bytes());
    assert_eq!(mistyped.status.code(), Some(1));
    assert!(err(&mistyped).contains("spec.requirements: must name the machine's size"), "{}", err(&mistyped));
}

#[test]
fn a_field_that_a_template_left_empty_is_not_there() {
    let empty = GOOD.replace(
        "  instanceType: Standard_NC24ads_A100_v4\n",
        "  instanceType: Standard_NC24ads_A100_v4\n  count:\n  preferredNodes: null\n",
    );
    let output = kaito(&["simulate", "-f", "-"], empty.as_bytes());
    assert_eq!(output.status.code(), Some(0), "{}{}", out(&output), err(&output));
    let without =
        kaito(&["validate", "-f", "-"], GOOD.replace("inference:\n", "inference:\n  adapters:\n  - null\n").as_bytes());
    assert_eq!(without.status.code(), Some(1), "nothing in a list is something");
    let claim = "apiVersion: karpenter.sh/v1\nkind: NodeClaim\nmetadata: {name: ws1, labels: {kaito.sh/workspace: w}}\nspec:\n  taints: []\n  nodeClassRef: {group: kaito.sh, kind: KaitoNodeClass, name: default}\n  requirements: [{key: node.kubernetes.io/instance-type, operator: In, values: []}]\n";
    let said = err(&kaito(&["render", "-f", "-"], claim.as_bytes()));
    assert!(!said.contains("no such field"), "{said}");
}

#[test]
fn what_a_claim_waits_for_is_explained_too() {
    let output = kaito(&["explain", "PoolPending"], b"");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(out(&output).contains("a wait of a NodeClaim") && out(&output).contains("az aks nodepool show"));
    let near = err(&kaito(&["explain", "PoolPendin"], b""));
    assert!(near.contains("did you mean PoolPending?") && !near.contains("Known:"), "{near}");
}
