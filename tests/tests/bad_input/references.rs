//! What a Workspace refers to: missing, of the wrong type, late, vanishing.

use super::clock::look;
use super::{
    BAD, GOOD, alone, expect_quiet, expect_told, good_settings, is_ready, machines, say, until_good, until_ready,
    with_config, workload, world,
};
use kaito_core::Kind;
use kaito_core::memory::Fate;
use kaito_tests::manifests::{self, secret};
use kaito_tests::stage::{Stage, condition};
use serde_json::{Value, json};

/// Something that a Workspace refers to, and what is wrong with it.
struct Row {
    story: &'static str,
    workspace: Value,
    /// What is there instead of what should be.
    instead: Option<Value>,
    /// Condition and reason.
    told: (&'static str, &'static str),
    mentions: &'static [&'static str],
    /// What ends it.
    cure: Value,
}

fn config_map(data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "my-settings"}, "data": data})
}

fn settings(yaml: &str) -> Value {
    manifests::settings("my-settings", yaml)
}

fn with_token() -> Value {
    let mut manifest = manifests::phi_4_mini(BAD);
    manifest["inference"]["preset"]["presetOptions"] = json!({"modelAccessSecret": "hub"});
    manifest
}

fn with_adapter() -> Value {
    let mut manifest = manifests::adapters(BAD);
    manifest["inference"]["adapters"].as_array_mut().unwrap().truncate(1);
    manifest
}

fn bytes() -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "my-settings"}, "binaryData": {"inference_config.yaml": "dmxsbToge30="}})
}

/// Options that nobody knows, and one value that is wrong.
fn nonsense() -> String {
    let unknown: String = (0..4_000).map(|n| format!("  option-of-nobody-with-a-long-name-{n}: {n}\n")).collect();
    format!("vllm:\n  dtype: x\n{unknown}")
}

/// Nine anchors, each ten times the one before.
fn bomb() -> String {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..9 {
        text.push_str(&format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(", ")));
    }
    text
}

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let (long, longest) = ("a".repeat(1 << 14), "a".repeat(1 << 20));
    let deep = format!("vllm: {}", "[".repeat(10_000));
    let configs: Vec<(&'static str, Option<Value>, &'static [&'static str])> = vec![
        ("no ConfigMap", None, &["inference.config: ConfigMap my-settings does not exist in namespace default"]),
        ("another key", Some(config_map(&json!({"inference_config.yml": ""}))), &["has no key inference_config.yaml"]),
        ("no data", Some(config_map(&Value::Null)), &["has no key inference_config.yaml"]),
        ("data that is no map", Some(config_map(&json!(["a"]))), &["cannot be read"]),
        (
            "a value that is no text",
            Some(config_map(&json!({"inference_config.yaml": {"vllm": {}}}))),
            &["cannot be read"],
        ),
        ("not YAML", Some(settings("vllm: [\n")), &["my-settings key inference_config.yaml is not YAML"]),
        ("a list", Some(settings("- vllm\n")), &["expected a map with a section `vllm`"]),
        ("text", Some(settings("max-model-len")), &["expected a map with a section `vllm`"]),
        (
            "a section that is a list",
            Some(settings("vllm: [max-model-len]\n")),
            &["expected a map with a section `vllm`"],
        ),
        ("a length below zero", Some(settings("vllm: {max-model-len: -2}\n")), &["vllm.max-model-len is -2: expected"]),
        ("a length of nothing", Some(settings("vllm: {max-model-len: 0}\n")), &["vllm.max-model-len is 0: expected"]),
        (
            "a length in words",
            Some(settings("vllm: {max-model-len: long}\n")),
            &["max-model-len is \"long\": expected"],
        ),
        ("a length that is yes", Some(settings("vllm: {max-model-len: true}\n")), &["max-model-len is true: expected"]),
        ("a length that is a map", Some(settings("vllm: {max-model-len: {a: 1}}\n")), &["max-model-len is {\"a\":1}"]),
        (
            "a length beyond the model",
            Some(settings("vllm: {max-model-len: 99999999}\n")),
            &["99999999 tokens; the model ends at"],
        ),
        (
            "a length that no machine holds",
            Some(settings("vllm: {max-model-len: 18446744073709551616}\n")),
            &["max-model-len is"],
        ),
        ("NULs", Some(settings("vllm:\n  a: \u{0}\u{1b}[31m\n")), &["is not YAML"]),
        ("a long text", Some(settings(&long)), &["expected a map with a section `vllm`"]),
        (
            "a megabyte for a length",
            Some(settings(&format!("vllm: {{max-model-len: {longest}}}"))),
            &["max-model-len is \"aaaa", "expected a positive"],
        ),
        ("a long key that is wrong", Some(settings(&format!("{long}: [\n"))), &["is not YAML"]),
        ("a bomb of aliases", Some(settings(&bomb())), &["is not YAML"]),
        ("ten thousand brackets", Some(settings(&deep)), &["is not YAML"]),
        (
            "a section twice",
            Some(settings("vllm: {}\nvllm: {}\n")),
            &["is not YAML: line 2", "duplicate mapping key: vllm"],
        ),
        ("nothing at all", Some(settings("# to be done\n")), &["key inference_config.yaml: expected a map"]),
        (
            "an empty section",
            Some(settings("max_probe_steps: 6\nvllm:\n")),
            &["inference_config.yaml, line 2: expected a map"],
        ),
        ("bytes for text", Some(bytes()), &["has key inference_config.yaml as binaryData"]),
        (
            "a list for a value",
            Some(settings("vllm:\n  seed: 1\n  served-model-name: [a, b]\n")),
            &["line 3: vllm.served-model-name is a list: expected one value"],
        ),
        (
            "two switches, with which the server does not start",
            Some(settings("vllm:\n  enforce-eager: true\n  enable-prefix-caching: true\n")),
            &["line 3: vllm.enable-prefix-caching is a second switch after enforce-eager in line 2"],
        ),
        (
            "a port that nobody asks",
            Some(settings("vllm: {port: 8000}\n")),
            &["line 1: vllm.port is 8000, and the Service and the probes ask port 5000"],
        ),
        (
            "more GPUs than there are",
            Some(settings("vllm: {tensor-parallel-size: 4}\n")),
            &["vllm.tensor-parallel-size asks for 4 GPUs (tensor-parallel-size 4); 1 on 1 machine of"],
        ),
        ("a megabyte of nonsense", Some(settings(&nonsense())), &["line 2: vllm.dtype is x; ", "takes bfloat16"]),
    ];
    for (story, instead, mentions) in configs {
        let told = ("ResourceReady", "InferenceConfigNotUsable");
        rows.push(Row { story, workspace: with_config(), instead, told, mentions, cure: good_settings() });
    }
    let token = |story, instead, mentions| Row {
        story,
        workspace: with_token(),
        instead,
        told: ("InferenceReady", "ModelAccessSecretNotUsable"),
        mentions,
        cure: secret("hub", "Opaque", &["HF_TOKEN"]),
    };
    rows.push(token(
        "no token",
        None,
        &["inference.preset.presetOptions.modelAccessSecret: Secret hub does not exist"],
    ));
    rows.push(token(
        "a token under another key",
        Some(secret("hub", "Opaque", &["token"])),
        &["Secret hub has no key HF_TOKEN"],
    ));
    let tls = secret("hub", "kubernetes.io/tls", &["tls.crt", "tls.key"]);
    rows.push(token("a certificate for a token", Some(tls), &["has no key HF_TOKEN; it is of type kubernetes.io/tls"]));
    let pull = |story, instead, mentions| Row {
        story,
        workspace: with_adapter(),
        instead,
        told: ("InferenceReady", "AdapterPullSecretNotUsable"),
        mentions,
        cure: secret("my-registry", "kubernetes.io/dockerconfigjson", &[".dockerconfigjson"]),
    };
    rows.push(pull(
        "no pull secret",
        None,
        &["inference.adapters[0].source.imagePullSecrets[0]: Secret my-registry does not exist"],
    ));
    rows.push(pull(
        "a password for a pull secret",
        Some(secret("my-registry", "Opaque", &["username", "password"])),
        &["inference.adapters[0].source.imagePullSecrets[0]: Secret my-registry has no key .dockerconfigjson"],
    ));
    rows.push(pull(
        "an old pull secret",
        Some(secret("my-registry", "kubernetes.io/dockercfg", &[".dockercfg"])),
        &["has no key .dockerconfigjson; it is of type kubernetes.io/dockercfg"],
    ));
    rows
}

#[test]
fn what_is_wrong_with_a_reference_is_told_and_its_cure_ends_it_and_others_are_unharmed() {
    let calm = alone(&Fate::default());
    for Row { story, workspace, instead, told: (type_, reason), mentions, cure } in rows() {
        let mut stage = world(&Fate::default());
        if let Some(instead) = &instead {
            stage.put(instead);
        }
        stage.put(&workspace);
        stage.put(&manifests::phi_4_mini(GOOD));
        let is_told = |stage: &dyn Stage| condition(stage, BAD, type_).is_some_and(|(_, why, _)| why == reason);
        stage.until(story, &is_told);
        expect_told(&stage, story, type_, reason, mentions);
        if type_ == "ResourceReady" {
            assert_eq!(until_good(&mut stage), calm, "{story}");
            // Hours of looks, for some of them: a build with checks reads YAML slowly.
            if ["no ConfigMap", "data that is no map", "not YAML"].contains(&story) {
                expect_quiet(&mut stage);
                expect_told(&stage, story, type_, reason, mentions);
            }
            assert!(machines(&stage, BAD).is_empty(), "{story}: no machine is paid for");
        }
        stage.put(&cure);
        until_ready(&mut stage, BAD);
        until_ready(&mut stage, GOOD);
    }
}

#[test]
fn what_is_only_told_about_one_makes_no_other_later() {
    let calm = alone(&Fate::default());
    // The others are held to this by the story above.
    for Row { story, workspace, instead, .. } in rows().into_iter().filter(|row| row.told.0 != "ResourceReady") {
        let mut stage = world(&Fate::default());
        instead.iter().for_each(|instead| stage.put(instead));
        stage.put(&workspace);
        stage.put(&manifests::phi_4_mini(GOOD));
        assert_eq!(until_good(&mut stage), calm, "{story}");
    }
}

/// What was good and is so no more, while the model runs.
fn losses() -> Vec<(&'static str, Value, Value, Option<Value>)> {
    vec![
        ("a ConfigMap vanishes", with_config(), good_settings(), None),
        ("a ConfigMap is broken", with_config(), good_settings(), Some(settings("vllm: [\n"))),
        (
            "a ConfigMap asks for more",
            with_config(),
            good_settings(),
            Some(settings("vllm: {max-model-len: 99999999}\n")),
        ),
        ("a token vanishes", with_token(), secret("hub", "Opaque", &["HF_TOKEN"]), None),
        (
            "a token loses its key",
            with_token(),
            secret("hub", "Opaque", &["HF_TOKEN"]),
            Some(secret("hub", "Opaque", &[])),
        ),
        (
            "a pull secret vanishes",
            with_adapter(),
            secret("my-registry", "kubernetes.io/dockerconfigjson", &[".dockerconfigjson"]),
            None,
        ),
    ]
}

#[test]
fn a_model_that_runs_goes_on_when_what_it_was_made_from_is_lost() {
    for (story, workspace, good, then) in losses() {
        let mut stage = world(&Fate::default());
        stage.put(&good);
        stage.put(&workspace);
        stage.put(&manifests::phi_4_mini(GOOD));
        until_ready(&mut stage, BAD);
        until_ready(&mut stage, GOOD);
        let before = (workload(&stage, BAD), machines(&stage, BAD), workload(&stage, GOOD));
        match &then {
            Some(then) => stage.put(then),
            None => {
                let name = good["metadata"]["name"].as_str().unwrap();
                stage.remove(if good["kind"] == "Secret" { Kind::Secret } else { Kind::ConfigMap }, name);
            }
        }
        expect_quiet(&mut stage);
        assert_eq!((workload(&stage, BAD), machines(&stage, BAD), workload(&stage, GOOD)), before, "{story}");
        assert!(is_ready(&stage, GOOD), "{story}");
        if good["kind"] == "ConfigMap" {
            // The pods still serve; but none of them could start again.
            expect_told(&stage, story, "ResourceReady", "InferenceConfigNotUsable", &["my-settings"]);
        } else {
            assert!(is_ready(&stage, BAD), "{story}: {:?}", condition(&stage, BAD, "InferenceReady"));
        }
        stage.put(&good);
        until_ready(&mut stage, BAD);
        assert_eq!((workload(&stage, BAD), machines(&stage, BAD)), (before.0, before.1), "{story}");
    }
}

#[test]
fn an_option_that_is_not_known_is_passed_on_and_told_with_the_nearest() {
    let mut stage = world(&Fate::default());
    stage.put(&settings("vllm:\n  max-num-sequences: 16\n"));
    stage.put(&with_config());
    until_ready(&mut stage, BAD);
    let now = stage.world().now();
    let (_, report) = look(&mut stage, BAD, now);
    let told = report.remarks.iter().find(|remark| remark.topic == "warning").map(|remark| remark.text.as_str());
    assert_eq!(
        told,
        Some(
            "inference.config: ConfigMap my-settings, line 2: vllm.max-num-sequences is no option of vLLM 0.25.1 (did you mean max-num-seqs?); it is passed on, and the server will probably not start"
        )
    );
}

/// What a kubelet says of a pod whose puller cannot bring an image.
fn cannot_pull(pod: &Value) -> Value {
    let last = json!({"terminated": {"exitCode": 1, "message": "GET https://registry.example.com\nError: \u{1b}[31mmanifest unknown\n"}});
    let said = json!({"name": "puller-tone", "image": "", "imageID": "", "ready": false, "restartCount": 7, "lastState": last, "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}});
    json!({"phase": "Pending", "initContainerStatuses": [said], "conditions": [{"type": "Ready", "status": "False"}], "startTime": pod["status"]["startTime"]})
}

#[test]
fn an_adapter_whose_image_never_comes_is_told_with_its_image_and_others_are_unharmed() {
    let mut stage = world(&Fate::default());
    stage.put(&secret("my-registry", "kubernetes.io/dockerconfigjson", &[".dockerconfigjson"]));
    stage.put(&with_adapter());
    stage.put(&manifests::phi_4_mini(GOOD));
    until_ready(&mut stage, GOOD);
    until_ready(&mut stage, BAD);
    let pod = stage.get(Kind::Pod, "bad-0").unwrap();
    say(&mut stage, Kind::Pod, "bad-0", &cannot_pull(&pod));
    let mut set = stage.get(Kind::StatefulSet, BAD).unwrap()["status"].clone();
    set["readyReplicas"] = json!(0);
    say(&mut stage, Kind::StatefulSet, BAD, &set);
    let now = stage.world().now();
    for name in [BAD, GOOD] {
        look(&mut stage, name, now);
    }
    let mentions = ["init container puller-tone, which pulls registry.example.com/adapters/tone:1", "manifest unknown"];
    expect_told(&stage, "no image", "InferenceReady", "ContainerCrashLoopBackOff", &mentions);
    assert!(is_ready(&stage, GOOD));
    // The image came: the kubelet says so.
    until_ready(&mut stage, BAD);
}

const CLASS: &str = "kaito-local-nvme-disk";

fn claims_disk(set: &Value) -> bool {
    set["spec"]["volumeClaimTemplates"].as_array().is_some_and(|claims| !claims.is_empty())
}

#[test]
fn a_storage_class_that_is_missing_late_unreadable_or_vanishes_keeps_no_model_from_running() {
    let class = || json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": CLASS}, "provisioner": "localdisk.csi.acstor.io"});
    let mut odd = class();
    odd["parameters"] = json!(["none"]);
    let manifest = || manifests::preset(BAD, "phi-4-mini-instruct", "Standard_NC24ads_A100_v4");
    for (story, first, claims) in
        [("missing", None, false), ("there", Some(class()), true), ("unreadable", Some(odd), true)]
    {
        let mut stage = world(&Fate::default());
        if stage.get(Kind::StorageClass, CLASS).is_some() {
            stage.remove(Kind::StorageClass, CLASS);
        }
        first.iter().for_each(|first| stage.put(first));
        stage.put(&manifest());
        stage.put(&manifests::phi_4_mini(GOOD));
        until_ready(&mut stage, GOOD);
        until_ready(&mut stage, BAD);
        let before = workload(&stage, BAD);
        assert_eq!(claims_disk(&stage.get(Kind::StatefulSet, BAD).unwrap()), claims, "{story}");
        // Late where there was none, gone where there was one: what runs stays as it is.
        match &first {
            Some(_) => stage.remove(Kind::StorageClass, CLASS),
            None => stage.put(&class()),
        }
        expect_quiet(&mut stage);
        assert_eq!(workload(&stage, BAD), before, "{story}");
        assert!(is_ready(&stage, BAD) && is_ready(&stage, GOOD), "{story}");
    }
}
