//! `kaito validate`, `kaito explain` and `simulate --then` from outside.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail as tests do")]

mod kit;

use kit::{GOOD, Scratch, err, example, good_but, holds, kaito, out};
use serde_json::{Value, json};

/// The verdict on standard input as JSON, with the exit code.
fn verdict(text: &str, more: &[&str]) -> (i32, Value) {
    let output = kaito(&[&["validate", "-f", "-", "-o", "json"], more].concat(), text.as_bytes());
    let value = serde_json::from_str(&out(&output)).unwrap_or_else(|_| panic!("{}{}", out(&output), err(&output)));
    holds("verdict", &value);
    (output.status.code().unwrap(), value)
}

#[test]
fn what_is_good_is_allowed_and_what_is_not_is_shown_at_its_place() {
    let output = kaito(&["validate", "-f", &example()], b"");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(out(&output).starts_with("allowed  Workspace default/workspace-phi-3-mini\n"), "{}", out(&output));
    assert!(!out(&output).contains('\u{1b}'), "no colours where a program reads");

    let old = good_but("Standard_NC24ads_A100_v4", "Standard_NC6s_v3")
        .replace("phi-4-mini-instruct", "phi-3-mini-4k-instruct");
    let told = out(&kaito(&["validate", "-f", "-"], old.as_bytes()));
    assert!(told.contains("warning: azure announced the end of Standard_NC6s_v3"), "{told}");

    let bad = good_but("instanceType", "instancetype").replace("mini-instruct", "mini-instrct");
    let output = kaito(&["validate", "-f", "-"], bad.as_bytes());
    assert_eq!(output.status.code(), Some(1));
    assert!(
        out(&output).contains("standard input:6:3: resource.instancetype: no such field (did you mean instanceType?)"),
        "{}",
        out(&output)
    );
}

#[test]
fn settings_of_the_runtime_are_judged_where_both_are_in_the_input() {
    let text = |settings: &str| {
        let workspace = good_but("inference:", "inference:\n  config: tuned");
        format!(
            "{workspace}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: tuned}}\ndata:\n  inference_config.yaml: |\n    vllm:\n      {settings}\n"
        )
    };
    let (code, good) = verdict(&text("max-num-sequences: 16"), &[]);
    let config = &good["items"][1];
    assert_eq!((code, &config["allowed"]), (0, &json!(true)), "{good}");
    assert!(config["warnings"][0].as_str().unwrap().contains("(did you mean max-num-seqs?)"), "{good}");
    let (code, bad) = verdict(&text("port: 8000"), &[]);
    let wrong = &bad["items"][1]["errors"][0];
    assert_eq!(
        (code, &bad["items"][0]["allowed"], &wrong["rule"]),
        (1, &json!(true), &json!("InferenceConfigNotUsable")),
        "{bad}"
    );
    assert!(
        wrong["detail"]
            .as_str()
            .unwrap()
            .contains("line 2: vllm.port is 8000, and the Service and the probes ask port 5000"),
        "{bad}"
    );
    assert!(wrong["line"].as_u64() > Some(10), "{bad}");
    // Nobody reads it: nothing is said of it.
    assert_eq!(verdict(&text("port: 8000").replace("config: tuned", "config: other"), &[]).0, 0);
}

#[test]
fn every_kind_of_mistake_is_told_with_its_path_type_and_value() {
    let table: &[(String, &str, &str, Value)] = &[
        (
            good_but("instanceType", "instancetype"),
            "resource.instancetype",
            "Unknown",
            json!("Standard_NC24ads_A100_v4"),
        ),
        (good_but("resource:\n", "resource:\n  count: two\n"), "resource.count", "Type", json!("two")),
        (good_but("mini-instruct", "mini-instrct"), "inference.preset.name", "Value", json!("phi-4-mini-instrct")),
        (good_but("A100_v4", "A100_v5"), "resource.instanceType", "Value", json!("Standard_NC24ads_A100_v5")),
        (good_but("  instanceType: Standard_NC24ads_A100_v4\n", ""), "resource.instanceType", "Missing", Value::Null),
        (good_but("  name: phi\n", "  name: 3phi\n"), "metadata.name", "Value", json!("3phi")),
        (
            good_but("  name: phi\n", "  name: phi\n  annotations: {kaito.sh/performance-mode: fast}\n"),
            r#"metadata.annotations["kaito.sh/performance-mode"]"#,
            "Value",
            json!("fast"),
        ),
        (
            good_but("Standard_NC24ads_A100_v4", "Standard_NC4as_T4_v3")
                .replace("phi-4-mini-instruct", "deepseek-v3-0324"),
            "resource.instanceType",
            "Value",
            json!("Standard_NC4as_T4_v3"),
        ),
    ];
    for (text, path, of_type, value) in table {
        let (code, verdict) = verdict(text, &[]);
        assert_eq!((code, &verdict["allowed"]), (1, &json!(false)), "{path}");
        let errors = verdict["errors"].as_array().unwrap();
        assert_eq!(errors.len(), 1, "{path}: {verdict:#}");
        assert_eq!(
            (&errors[0]["path"], &errors[0]["type"], &errors[0]["value"]),
            (&json!(path), &json!(of_type), value)
        );
        assert!(verdict["message"].as_str().unwrap().starts_with(path), "{verdict:#}");
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let (_, verdict) = verdict(&good_but("mini-instruct", "mini-instrct").replace("A100_v4", "A100_v5"), &[]);
    let paths: Vec<&Value> = verdict["errors"].as_array().unwrap().iter().map(|error| &error["path"]).collect();
    assert_eq!(paths, ["inference.preset.name", "resource.instanceType"]);
}

#[test]
fn each_document_has_its_own_verdict_whatever_its_kind() {
    let config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: tuned}\ndatta: {}\n";
    let (code, verdicts) = verdict(&format!("{GOOD}---\n{config}"), &[]);
    assert_eq!(code, 1);
    assert_eq!((&verdicts["kind"], &verdicts["items"][0]["allowed"]), (&json!("VerdictList"), &json!(true)));
    assert_eq!(verdicts["items"][1]["errors"][0]["path"], "datta");
    let yaml = kaito(&["validate", "-f", "-", "-o", "yaml"], GOOD.as_bytes());
    assert!(out(&yaml).contains("allowed: true\n"), "{}", out(&yaml));
}

#[test]
fn a_change_is_judged_against_what_was() {
    let old = Scratch::with("old.yaml", GOOD);
    let update = |text: &str| verdict(text, &["--old", &old.name()]);
    assert_eq!(update(&good_but("  name: phi\n", "  name: phi\n  labels: {a: b}\n")).0, 0);
    let table = [
        ("resource:\n", "resource:\n  count: 2\n", "resource.count", "W-U4"),
        ("A100_v4", "A100_v4x", "resource.instanceType", "W-U9"),
        ("NC24ads", "NC48ads", "resource.instanceType", "W-U9"),
        ("apps: phi", "apps: other", "resource.labelSelector", "W-U11"),
        ("phi-4-mini-instruct", "phi-4", "inference.preset", "W-U14"),
    ];
    for (from, to, path, rule) in table {
        let (code, verdict) = update(&good_but(from, to));
        assert_eq!((code, &verdict["operation"]), (1, &json!("UPDATE")), "{path}");
        let errors = verdict["errors"].as_array().unwrap();
        assert!(
            errors.iter().any(|error| error["path"] == path && error["type"] == "Immutable" && error["rule"] == rule),
            "{path}: {verdict:#}"
        );
    }
}

#[test]
fn what_was_wrong_before_does_not_stop_a_change_of_something_else() {
    let wrong = good_but("A100_v4", "A100_v5");
    let old = Scratch::with("wrong.yaml", &wrong);
    let (code, verdict) =
        verdict(&wrong.replace("  name: phi\n", "  name: phi\n  labels: {a: b}\n"), &["--old", &old.name()]);
    assert_eq!(code, 0, "{verdict:#}");
    assert!(verdict["warnings"][0].as_str().unwrap().contains("resource.instanceType"), "{verdict:#}");
}

#[test]
fn an_older_object_that_stands_nowhere_else_is_a_mistake() {
    let old = Scratch::with("stray.yaml", &good_but("  name: phi\n", "  name: phii\n"));
    let output = kaito(&["validate", "-f", "-", "--old", &old.name()], GOOD.as_bytes());
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("Workspace default/phii is not among the files of -f"), "{}", err(&output));
}

#[test]
fn what_cannot_be_read_has_no_verdict() {
    for (text, words) in [
        ("a: [1,\nb: }", "not YAML"),
        ("", "no document"),
        (&good_but("Workspace", "Worksapce"), "did you mean Workspace?"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: 7\n", "metadata"),
    ] {
        let output = kaito(&["validate", "-f", "-"], text.as_bytes());
        let said = format!("{}{}", out(&output), err(&output));
        assert_ne!(output.status.code(), Some(0), "{said}");
        assert_ne!(output.status.code(), Some(3), "{said}");
        assert!(said.contains(words), "expected {words:?} in:\n{said}");
    }
    assert_eq!(kaito(&["validate"], b"").status.code(), Some(2), "neither -f nor --review");
}

#[test]
fn a_name_that_the_server_makes_is_allowed() {
    let (code, verdict) = verdict(&good_but("  name: phi\n", "  generateName: phi-\n"), &[]);
    assert_eq!((code, &verdict["resource"]["name"]), (0, &json!("")), "{verdict:#}");
}

#[test]
fn reviews_are_answered_line_by_line_as_a_webhook_does() {
    let object: Value = serde_saphyr::from_str(GOOD).unwrap();
    let review = |uid: &str, operation: &str, object: &Value, old: &Value| {
        let request = json!({"uid": uid, "operation": operation, "object": object, "oldObject": old});
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).to_string()
    };
    let mut moved = object.clone();
    moved["resource"]["count"] = json!(7);
    let good = [review("1", "CREATE", &object, &Value::Null), review("2", "DELETE", &Value::Null, &object)].join("\n");
    let output = kaito(&["validate", "--review", "-"], good.as_bytes());
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));

    let mixed = [good, review("3", "UPDATE", &moved, &object)].join("\n");
    let output = kaito(&["validate", "--review", "-"], mixed.as_bytes());
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    let answers: Vec<Value> = out(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<(&Value, &Value)> =
        answers.iter().map(|answer| (&answer["response"]["uid"], &answer["response"]["allowed"])).collect();
    let (yes, no) = (json!(true), json!(false));
    assert_eq!(told, [(&json!("1"), &yes), (&json!("2"), &yes), (&json!("3"), &no)]);
    assert_eq!(answers[2]["response"]["status"]["details"]["causes"][0]["field"], "resource.count");

    let broken = kaito(&["validate", "--review", "-"], format!("{mixed}\n{{\"kind\": }}\n").as_bytes());
    assert_eq!(broken.status.code(), Some(2));
    assert!(err(&broken).contains("standard input:4:10: not JSON"), "{}", err(&broken));
    assert_eq!(out(&broken).lines().count(), 4, "a line is answered by a line");
    assert_eq!(kaito(&["validate", "--review", "-"], b"\n").status.code(), Some(2));
}

#[test]
fn every_reason_is_explained_to_people_and_to_programs() {
    let all = kaito(&["explain", "-o", "json"], b"");
    let all: Value = serde_json::from_str(&out(&all)).unwrap();
    holds("reason", &all);
    let names: Vec<&str> = all["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"UnknownPreset") && names.contains(&"workspaceSucceeded"), "{names:?}");
    for name in &names {
        let one = kaito(&["explain", &name.to_uppercase(), "-o", "json"], b"");
        assert_eq!(one.status.code(), Some(0), "{name}");
        holds("reason", &serde_json::from_str(&out(&one)).unwrap());
    }
    let page = out(&kaito(&["explain", "NodeClaimNotReady"], b""));
    for words in ["shown on", "NodeClaimReady", "overdue after 30 minutes", "kubectl get nodeclaim", "what you can do"]
    {
        assert!(page.contains(words), "expected {words:?} in:\n{page}");
    }
    assert!(out(&kaito(&["explain"], b"")).starts_with("REASON "));
}

#[test]
fn a_reason_that_is_not_known_is_answered_with_the_nearest_one_or_with_all() {
    let output = kaito(&["explain", "NodClaimNotReady"], b"");
    assert_eq!((output.status.code(), out(&output).as_str()), (Some(1), ""));
    assert!(err(&output).contains("did you mean NodeClaimNotReady?") && !err(&output).contains("UnknownPreset"));
    assert!(err(&kaito(&["explain", "qqqqqq"], b"")).contains("UnknownPreset"));
}

#[test]
fn what_comes_later_is_applied_when_the_world_is_quiet_and_counts() {
    let waiting = good_but("    name: phi-4-mini-instruct\n", "    name: phi-4-mini-instruct\n  config: tuned\n");
    let config = Scratch::with(
        "config.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: tuned}\ndata: {inference_config.yaml: 'vllm: {max-model-len: 4096}'}\n",
    );
    assert_eq!(kaito(&["simulate", "-f", "-"], waiting.as_bytes()).status.code(), Some(1));
    let args = ["simulate", "-f", "-", "--then", &config.name()];
    let output = kaito(&args, waiting.as_bytes());
    assert_eq!(output.status.code(), Some(0), "{}{}", out(&output), err(&output));
    let line = format!("{} applied", config.name());
    let text = out(&output);
    let at = |words: &str| text.find(words).unwrap_or_else(|| panic!("{words} in {text}"));
    assert!(at("ConfigMap tuned does not exist") < at(&line) && at(&line) < at("NodeClaim  "), "{text}");

    let told = kaito(&[&args[..], &["-o", "json"]].concat(), waiting.as_bytes());
    let told: Value = serde_json::from_str(&out(&told)).unwrap();
    holds("simulation", &told);
    assert_eq!(told["then"][0]["objects"], json!(["ConfigMap default/tuned"]));
    let timeline = told["resources"][0]["timeline"].as_array().unwrap();
    assert!(timeline.iter().any(|event| event["topic"] == "then"), "{timeline:#?}");
}

#[test]
fn what_comes_later_is_part_of_the_answer_and_read_before_anything_runs() {
    let second = Scratch::with("second.yaml", &good_but("  name: phi\n", "  name: second\n"));
    let output = kaito(&["simulate", "-f", "-", "--then", &second.name()], GOOD.as_bytes());
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(out(&output).lines().any(|line| line.starts_with("second ")), "{}", out(&output));

    let wrong =
        Scratch::with("wrong-size.yaml", &good_but("A100_v4", "A100_v5").replace("  name: phi\n", "  name: wrong\n"));
    let output = kaito(&["simulate", "-f", "-", "--then", &wrong.name()], GOOD.as_bytes());
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));

    let moved = Scratch::with("moved.yaml", &good_but("NC24ads", "NC48ads"));
    let output = kaito(&["simulate", "-f", "-", "--then", &moved.name()], GOOD.as_bytes());
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("resource.instanceType: cannot change after creation"), "{}", err(&output));

    let broken = Scratch::with("broken.yaml", "a: [1,\nb: }");
    for file in [broken.name(), "nowhere.yaml".to_owned()] {
        let output = kaito(&["simulate", "-f", "-", "--then", &file], GOOD.as_bytes());
        assert_eq!((output.status.code(), out(&output).as_str()), (Some(2), ""), "{file}");
        assert!(err(&output).contains(&file), "{}", err(&output));
    }
}
