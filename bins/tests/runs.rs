//! Runs in which things go wrong, recordings of runs, and their replay: `simulate --faults`, `--seed`, `--replay`, `--record`, and `replay`.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail as tests do")]

mod kit;

use jiff::SignedDuration;
use kaito_core::memory::simulation::Simulation;
use kaito_core::memory::{Faults, Halt, World};
use kaito_core::record::{Limits, Recorder};
use kaito_core::{Kind, ObjectKey, Settings};
use kit::{GOOD, Scratch, err, good_but, holds, kaito, out};
use serde_json::{Value, json};
use std::process::Output;

/// Simulates this with these words more.
fn simulate(manifest: &str, words: &[&str]) -> Output {
    kaito(&[&["simulate", "-f", "-"], words].concat(), manifest.as_bytes())
}

/// The same, told to a program; holds the exit code and the schema.
fn told(manifest: &str, words: &[&str], code: i32) -> Value {
    let output = simulate(manifest, &[words, &["-o", "json"]].concat());
    assert_eq!(output.status.code(), Some(code), "{words:?}: {}", err(&output));
    let value: Value = serde_json::from_str(&out(&output)).unwrap();
    holds("simulation", &value);
    assert_eq!(value["ready"], code == 0, "{words:?}");
    value
}

/// A training whose Secret is not there: it is never ready, whatever goes wrong or well.
fn never_ready() -> String {
    std::fs::read_to_string(kit::root().join("examples/phi-3-mini-tuning.yaml")).unwrap()
}

/// A seed whose user deletes the Workspace of [`GOOD`], and does not want it back.
const DELETES: &str = "27";

#[test]
fn a_run_in_which_things_go_wrong_is_told_as_its_schema_says_and_is_the_same_with_the_same_seed() {
    for words in [&["--faults", "crash,lag,conflicts", "--seed", "7"][..], &["--replay", "7"], &["--seed", "7"]] {
        let (first, second) = (told(GOOD, words, 0), told(GOOD, words, 0));
        assert_eq!(first, second, "{words:?}");
        assert_eq!(
            (&first["seed"], &first["faults"]["violations"]),
            (&Value::from(7), &Value::from(Vec::<Value>::new()))
        );
        assert!(first["faults"]["steps"].as_u64() >= Some(20), "{words:?}");
    }
    assert_eq!(told(GOOD, &["--replay", "7"], 0), told(GOOD, &["--faults", "all", "--seed", "7"], 0));
    assert_ne!(told(GOOD, &["--replay", "7"], 0)["faults"], told(GOOD, &["--replay", "8"], 0)["faults"]);
}

#[test]
fn a_seed_is_the_run_of_our_own_simulations_in_whatever_order_the_documents_come() {
    const CONFIG: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: tuned\n";
    let second = GOOD.replace("  name: phi\n", "  name: psi\n");
    let documents = [GOOD, &second, CONFIG];
    let object = |text: &&str| {
        let mut value: Value = serde_saphyr::from_str(text).unwrap();
        value["metadata"]["namespace"] = "default".into();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let kind = Kind::named(&text(&value["apiVersion"]), &text(&value["kind"])).unwrap();
        (ObjectKey::new(kind, "default", text(&value["metadata"]["name"])), value)
    };
    let simulation = Simulation::new(documents.iter().map(object).collect(), &Settings::default(), Faults::all());
    for seed in [7, 8, 11] {
        let run = simulation.run(seed);
        assert!(run.upsets.len() > 3, "{:?}", run.upsets);
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
            let text = order.map(|index| documents[index]).join("---\n");
            let output = simulate(&text, &["--replay", &seed.to_string(), "-o", "json"]);
            let told: Value = serde_json::from_str(&out(&output)).unwrap();
            assert_eq!(told["faults"]["upsets"], Value::from(run.upsets.clone()), "seed {seed}, {order:?}");
            assert_eq!(told["faults"]["steps"], run.steps, "seed {seed}, {order:?}");
        }
    }
}

#[test]
fn what_is_told_and_recorded_is_the_run_and_not_what_the_judge_tries_after_it() {
    let file = Scratch::new("upgrade");
    let run = told(GOOD, &["--faults", "upgrade", "--seed", "1", "--record", &file.name()], 0);
    assert_eq!(run["faults"]["played"], serde_json::json!(["upgrade"]));
    let last = run["resources"][0]["timeline"].as_array().unwrap().last().unwrap();
    assert_eq!(last["topic"], "WorkspaceSucceeded");
    let quiet = run["duration"].as_i64().unwrap() - last["at"].as_i64().unwrap();
    assert!(quiet < 60, "the run ends when all is ready, and not {quiet} s later");
    let recording = std::fs::read_to_string(file.name()).unwrap();
    assert!(recording.contains("mcr.microsoft.com") && !recording.contains("registry.example/next"));
}

#[test]
fn a_person_sees_the_seed_what_played_and_whether_the_promises_held() {
    let output = simulate(GOOD, &["--faults", "crash", "--seed", "3"]);
    let text = out(&output);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(text.contains("\nseed 3, ") && text.contains("faults that played: crash\n"), "{text}");
    assert!(text.ends_with("all promises held: it ends as it does when nothing goes wrong\n"), "{text}");
}

#[test]
fn what_is_never_ready_says_why_where_things_go_wrong_too() {
    let output = simulate(&never_ready(), &["--faults", "crash,lag", "--seed", "1"]);
    let text = out(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let last = text.lines().last().unwrap();
    assert!(last.starts_with("not ready: SecretNotFound: ") && last.contains("registry-credentials"), "{text}");
    told(&never_ready(), &["--faults", "crash,lag", "--seed", "1"], 1);
}

#[test]
fn a_workspace_that_the_user_of_the_run_deletes_is_not_ready_and_it_is_said_who_deleted_it() {
    let run = told(GOOD, &["--faults", "user", "--seed", DELETES], 1);
    assert_eq!(run["resources"], Value::from(Vec::<Value>::new()));
    assert!(run["faults"]["upsets"].to_string().contains("Workspace default/phi is deleted"), "{run}");
    let output = simulate(GOOD, &["--faults", "user", "--seed", DELETES]);
    assert_eq!(output.status.code(), Some(1));
    assert!(out(&output).contains("deleted: phi: a person deleted it in the middle"), "{}", out(&output));
}

/// The options of a cluster whose Nodes are brought along.
const BROUGHT: &[&str] = &["--node-provisioner", "byo"];

/// The options of a cluster whose machines Karpenter makes.
const KARPENTER: &[&str] = &["--node-provisioner", "karpenter"];

/// A Workspace on a Node that is given as `kubectl get nodes -o yaml` tells of one in a cloud.
fn on_a_node_of_a_cloud(ready: &str) -> String {
    let workspace = good_but("  instanceType: Standard_NC24ads_A100_v4\n", "");
    let condition =
        |kind: &str, status: &str| json!({"type": kind, "status": status, "reason": "Told", "message": "as told"});
    let room = json!({"nvidia.com/gpu": "8", "cpu": "96", "memory": "900Gi", "pods": "110"});
    let node = json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": "gpu-1", "labels": {
            "apps": "phi", "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB", "nvidia.com/gpu.count": "8",
            "nvidia.com/gpu.memory": "81920",
        }},
        "spec": {"providerID": "aws:///eu-west-1a/i-0123"},
        "status": {
            "allocatable": room, "capacity": room,
            "conditions": [condition("MemoryPressure", "False"), condition("Ready", ready)],
        },
    });
    format!("{workspace}---\n{node}\n")
}

#[test]
fn a_node_of_a_cloud_that_is_given_is_the_users_and_is_there_at_the_end() {
    let manifest = on_a_node_of_a_cloud("True");
    for faults in ["none", "nodes", "all,-user"] {
        for seed in 0..6 {
            told(&manifest, &[BROUGHT, &["--faults", faults, "--seed", &seed.to_string()]].concat(), 0);
        }
    }
}

#[test]
fn what_is_given_and_stands_in_the_way_stands_in_the_way_of_the_calm_world_too() {
    let with = |object: Value| format!("{GOOD}---\n{object}\n");
    let claim = |name: &str, labels: Value| {
        json!({
            "apiVersion": "karpenter.sh/v1", "kind": "NodeClaim", "metadata": {"name": name, "labels": labels},
            "spec": {
                "nodeClassRef": {"group": "karpenter.azure.com", "kind": "AKSNodeClass", "name": "default"},
                "requirements": [
                    {"key": "node.kubernetes.io/instance-type", "operator": "In", "values": ["Standard_NC6s_v3"]},
                ],
            },
        })
    };
    let ours = json!({"kaito.sh/workspace": "phi", "kaito.sh/workspacenamespace": "default"});
    let of_before = json!({
        "kaito.sh/workspace": "phi", "kaito.sh/workspacenamespace": "default", "kaito.sh/workspace-uid": "of-before",
    });
    let of_nobody = json!({
        "kaito.sh/workspace": "gone", "kaito.sh/workspacenamespace": "default", "kaito.sh/workspace-uid": "of-gone",
    });
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "phi"}, "spec": {"ports": [{"port": 80}]},
    });
    let strange = |name: &str| with(claim(name, json!({"team": "a"})));
    // What a Workspace calls its machine hangs on its uid, and that, in a simulated world, on what was made before it: it is called so where no claim is given.
    let alone = out(&simulate(GOOD, &[]));
    let made = alone.lines().find_map(|line| line.strip_suffix(" created")?.split_once("  NodeClaim  ")).unwrap();
    let name = made.1.trim();
    for (what, manifest, words, faults, end) in [
        ("a claim of somebody else", strange("other"), &[][..], "all", 0),
        ("two of them", format!("{}---\n{}\n", strange("other"), claim(name, json!({}))), &[], "all", 0),
        ("a claim of an older operator, of another size", with(claim("stray", ours)), &[], "all", 1),
        ("a claim of an earlier namesake", with(claim("before", of_before.clone())), &[], "all", 0),
        // A process that does not see the Service yet asks for a machine.
        ("a claim of a Workspace that is gone", with(claim("of-nobody", of_nobody)), &[], "all", 0),
        ("the same beside Karpenter", with(claim("of-before", of_before)), KARPENTER, "all", 0),
        ("a Service that has the name", with(service), &[], "all,-lag", 1),
        ("a Node that is not ready", on_a_node_of_a_cloud("False"), BROUGHT, "all", 1),
    ] {
        told(&manifest, &[words, &["--faults", "none", "--seed", "1"]].concat(), end);
        for seed in 0..6 {
            let output = simulate(&manifest, &[words, &["--faults", faults, "--seed", &seed.to_string()]].concat());
            assert!(matches!(output.status.code(), Some(0 | 1)), "{what}, seed {seed}: {}", err(&output));
        }
    }
}

#[test]
fn faults_that_are_none_are_answered_with_those_that_are() {
    for (list, words) in
        [("crahs", "\"crahs\" is no fault; known are all, none, crash, "), ("", "an empty list; known are all")]
    {
        let output = simulate(GOOD, &["--faults", list]);
        assert_eq!(output.status.code(), Some(2), "{list:?}");
        assert!(err(&output).contains(words), "{list:?}: {}", err(&output));
    }
    for words in [&["--replay", "1", "--seed", "2"][..], &["--replay", "1", "--faults", "all"], &["--replay", "a.json"]]
    {
        assert_eq!(simulate(GOOD, words).status.code(), Some(2), "{words:?}");
    }
}

#[test]
fn every_reconcile_of_a_run_is_recorded_and_replayed_the_same() {
    for (name, words, code) in [
        ("calm", &[][..], 0),
        ("faulty", &["--replay", "7"], 0),
        ("deleted", &["--faults", "user", "--seed", DELETES], 1),
    ] {
        let file = Scratch::new(name);
        let output = simulate(GOOD, &[words, &["--record", &file.name()]].concat());
        assert_eq!(output.status.code(), Some(code), "{}", err(&output));
        assert_eq!(
            out(&output).lines().next(),
            out(&simulate(GOOD, words)).lines().next(),
            "recording changes nothing"
        );
        let replayed = kaito(&["replay", &file.name(), "-o", "json"], b"");
        assert_eq!(replayed.status.code(), Some(0), "{}", out(&replayed));
        let told: Value = serde_json::from_str(&out(&replayed)).unwrap();
        holds("replay", &told);
        assert!(told["reconciles"].as_u64() >= Some(5), "{told}");
        let recording: Value = serde_json::from_slice(&std::fs::read(file.name()).unwrap()).unwrap();
        assert_eq!(recording["forgotten"], 0);
    }
}

#[test]
fn a_recording_that_cannot_be_written_is_told_after_the_result() {
    for words in [&[][..], &["--faults", "crash", "--seed", "3"]] {
        let output = simulate(GOOD, &[words, &["--record", "/nowhere/a.json"]].concat());
        assert_eq!(output.status.code(), Some(2), "{}", err(&output));
        assert!(out(&output).starts_with("NAME "), "{}", out(&output));
        assert!(err(&output).starts_with("/nowhere/a.json: cannot be written: "), "{}", err(&output));
        assert!(!err(&output).contains("defect"), "{}", err(&output));
    }
}

/// What a controller records when it sees the Workspace for the first time.
fn recording() -> String {
    let mut workspace: Value = serde_saphyr::from_str(GOOD).unwrap();
    workspace["metadata"]["namespace"] = "default".into();
    let mut world = World::installed(&Settings::default());
    world.record(Recorder::new(Limits::default()));
    world.put(&ObjectKey::new(Kind::Workspace, "default", "phi"), &workspace).unwrap();
    let seen = |world: &World| world.recorder().is_some_and(|recorder| recorder.len() == 1);
    assert_eq!(world.run(SignedDuration::from_mins(1), seen), Halt::Reached);
    world.recorder().unwrap().to_json()
}

#[test]
fn a_recording_is_planned_again_and_the_first_difference_is_shown() {
    let good = recording();
    let same = kaito(&["replay", "-"], good.as_bytes());
    assert_eq!(same.status.code(), Some(0), "{}{}", out(&same), err(&same));
    assert!(out(&same).starts_with("same: 1 of 1 reconciles, bit for bit; recorded by "), "{}", out(&same));
    let told = kaito(&["replay", "-", "-o", "json"], good.as_bytes());
    let told: Value = serde_json::from_str(&out(&told)).unwrap();
    holds("replay", &told);
    assert_eq!((told["same"].as_u64(), told["differences"].as_array().unwrap().len()), (Some(1), 0));

    let bad = good.replace("\"mode\":\"CreateOnly\"", "\"mode\":\"Apply\"");
    assert!(good != bad);
    let differs = kaito(&["replay", "-"], bad.as_bytes());
    let text = out(&differs);
    assert_eq!(differs.status.code(), Some(1), "{text}");
    for words in [
        "reconcile 0 of Workspace default/phi, the plan, first difference at /steps/0/effect/Ensure/mode",
        "  recorded  \"Apply\"\n  now       \"CreateOnly\"\n",
        "different: 0 of 1 reconciles are the same",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
    for form in ["json", "yaml"] {
        let told = kaito(&["replay", "-", "-o", form], bad.as_bytes());
        assert_eq!(told.status.code(), Some(1));
        let told: Value = serde_saphyr::from_str(&out(&told)).unwrap();
        holds("replay", &told);
        assert_eq!(told["differences"][0]["now"], "CreateOnly");
    }
    let asks = good.replace(r#""StatefulSet","name":"phi""#, r#""StatefulSet","name":"psi""#);
    assert!(good != asks);
    let unanswered = kaito(&["replay", "-", "-o", "json"], asks.as_bytes());
    let told: Value = serde_json::from_str(&out(&unanswered)).unwrap();
    holds("replay", &told);
    assert_eq!(told["differences"][0]["reads"][0], "StatefulSet default/phi");
    assert!(out(&kaito(&["replay", "-"], asks.as_bytes())).contains("asks for  StatefulSet default/phi"));
}

#[test]
fn what_is_no_recording_is_said_to_be_none() {
    for (text, words) in [
        ("", "standard input: not JSON: EOF"),
        ("{\"kind\": \"Pod\"}", "standard input: expected Recording of recording.kaito.sh/v1, found Pod of nothing"),
        (&recording().replace("\"reconciles\":", "\"reconcile\":"), "standard input: missing field `reconciles`"),
        (&Recorder::new(Limits::default()).to_json(), "no reconcile in the recording"),
    ] {
        let output = kaito(&["replay", "-"], text.as_bytes());
        assert_eq!(output.status.code(), Some(2), "{words}");
        assert!(err(&output).contains(words), "{words}: {}", err(&output));
    }
    let output = kaito(&["replay", "nowhere.json"], b"");
    assert_eq!((output.status.code(), err(&output).trim()), (Some(2), "nowhere.json: no such file"));
}
