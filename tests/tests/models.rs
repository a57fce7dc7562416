//! Models that are in no catalogue: looked up at a hub, pinned to what was found, refused in the hub's words.

use kaito_core::hub::{ConfigFile, HubErrorKind, Repository, RepositoryFile};
use kaito_core::memory::{EXAMPLE_MODEL, Fate, HubFate, Pace, World};
use kaito_core::{Kind, ObjectKey, Settings, admission};
use kaito_tests::manifests;
use kaito_tests::stage::{MemoryStage, Stage, condition, is_true, state};
use serde_json::{Value, json};

const WORDS: &str = "the license of this model has to be accepted first";
const RESOLVED: &str = "kaito.sh/resolved-model";
const A10: &str = "Standard_NV36ads_A10_v5";

fn stage() -> MemoryStage {
    MemoryStage::new("default")
}

fn refusing(kind: HubErrorKind) -> Fate {
    Fate { hub: HubFate::Refuses { kind, message: WORDS.to_owned() }, ..Fate::default() }
}

fn silent() -> Fate {
    Fate { hub: HubFate::Silent, ..Fate::default() }
}

fn example(name: &str) -> Value {
    manifests::preset(name, EXAMPLE_MODEL, A10)
}

fn command(stage: &MemoryStage, name: &str) -> String {
    let set = stage.get(Kind::StatefulSet, name).expect("it serves");
    set["spec"]["template"]["spec"]["containers"][0]["command"][2].as_str().expect("a command").to_owned()
}

/// What the revisions of the Workspaces have recorded.
fn recorded(stage: &MemoryStage) -> Vec<Value> {
    let of = |revision: &Value| revision["metadata"]["annotations"][RESOLVED].as_str().map(str::to_owned);
    stage
        .list(Kind::ControllerRevision)
        .iter()
        .map(|revision| of(revision).map_or(Value::Null, |text| serde_json::from_str(&text).expect("JSON")))
        .collect()
}

/// A repository of one file.
fn published(id: &str, commit: &str, gib: u64, config: &Value) -> Repository {
    Repository {
        id: id.to_owned(),
        commit: commit.repeat(40),
        gated: false,
        files: vec![RepositoryFile { path: "model.safetensors".to_owned(), size: gib << 30 }],
        config: Some(ConfigFile { path: "config.json".to_owned(), text: config.to_string() }),
    }
}

fn adapter(name: &str) -> Value {
    json!({"inference": {"adapters": [{"source": {"name": name, "image": format!("registry.example.com/{name}:1")}}]}})
}

#[test]
fn a_model_of_a_hub_is_served_at_the_commit_that_was_found() {
    let mut stage = stage();
    stage.put(&example("llama"));
    (&mut stage as &mut dyn Stage).until_ready("llama");
    let line = command(&stage, "llama");
    for word in [
        "--model=kaito-rs/example-7b ",
        "--revision=c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00 ",
        "--tokenizer-revision=c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00 ",
        "--served-model-name=example-7b ",
        "--tool-call-parser=llama3_json ",
        "--dtype=bfloat16 ",
    ] {
        assert!(format!("{line} ").contains(word), "{word}: {line}");
    }
    assert!(!line.contains("code-revision"), "{line}");
    assert_eq!(recorded(&stage)[0]["repository"]["id"], EXAMPLE_MODEL);
    let claim = &stage.list(Kind::NodeClaim)[0];
    assert_eq!(claim["spec"]["resources"]["requests"]["storage"], "87Gi", "80 and 7 GiB");
    (&mut stage as &mut dyn Stage).expect_quiet();
}

#[test]
fn servers_download_from_the_mirror_that_the_operator_asks() {
    let settings = Settings { hub: Some("https://mirror.example/hf".to_owned()), ..Settings::default() };
    let mut stage = MemoryStage::of(World::with_pace(&settings, Pace::default()));
    stage.put(&example("llama"));
    stage.put(&manifests::phi_3_mini("phi"));
    let endpoint = |stage: &MemoryStage, name: &str| {
        let set = stage.get(Kind::StatefulSet, name).expect("it serves");
        let env = set["spec"]["template"]["spec"]["containers"][0]["env"].as_array().cloned().unwrap_or_default();
        env.into_iter().find(|variable| variable["name"] == "HF_ENDPOINT").map(|variable| variable["value"].clone())
    };
    (&mut stage as &mut dyn Stage).until_ready("llama");
    (&mut stage as &mut dyn Stage).until_ready("phi");
    assert_eq!(endpoint(&stage, "llama"), Some(json!("https://mirror.example/hf")));
    assert_eq!(endpoint(&stage, "phi"), None, "its weights come as an image");
}

#[test]
fn a_model_that_runs_needs_no_hub_any_more_and_keeps_its_commit() {
    let mut stage = stage();
    stage.put(&example("llama"));
    (&mut stage as &mut dyn Stage).until_ready("llama");
    let first = recorded(&stage)[0].clone();
    // Meanwhile the hub has something newer, and nobody can ask it; the controller starts anew, and the user wishes an adapter.
    let newer = published(EXAMPLE_MODEL, "d", 70, &json!({"architectures": ["NoSuchForCausalLM"]}));
    stage.world().publish_model(newer);
    stage.world().set_fate(&silent());
    stage.world().crash_after(1);
    stage.patch(Kind::Workspace, "llama", &adapter("tone"));
    stage.until("the adapter is served", &|stage| {
        let set = stage.get(Kind::StatefulSet, "llama").unwrap_or_default();
        set.to_string().contains("registry.example.com/tone:1")
    });
    assert!(stage.world().has_crashed());
    (&mut stage as &mut dyn Stage).until_ready("llama");
    assert!(command(&stage, "llama").contains("--revision=c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00"));
    assert_eq!(recorded(&stage), [first.clone(), first]);
    (&mut stage as &mut dyn Stage).expect_quiet();
}

#[test]
fn what_a_revision_does_not_say_is_added_and_nobody_notices() {
    let mut stage = stage();
    stage.put(&example("llama"));
    (&mut stage as &mut dyn Stage).until_ready("llama");
    let (pods, said) = (stage.get(Kind::StatefulSet, "llama"), recorded(&stage));
    let name = stage.list(Kind::ControllerRevision)[0]["metadata"]["name"].as_str().expect("a name").to_owned();
    // A controller that has just started knows nothing by itself.
    stage.world().crash_after(1);
    stage.remove(Kind::Service, "llama");
    stage.pass_time();
    assert!(stage.world().has_crashed());
    // As the Go operator makes them.
    stage.world().set_fate(&silent());
    stage.patch(Kind::ControllerRevision, &name, &json!({"metadata": {"annotations": {RESOLVED: null}}}));
    stage.pass_time();
    assert_eq!(recorded(&stage), [Value::Null]);
    assert!(is_true(&stage, "llama", "ResourceReady") && state(&stage, "llama") == "Ready", "it runs as it did");
    stage.world().set_fate(&Fate::default());
    stage.until("it is recorded again", &|stage| {
        let revisions = stage.list(Kind::ControllerRevision);
        revisions.iter().all(|revision| revision["metadata"]["annotations"][RESOLVED].is_string())
    });
    assert_eq!(
        (stage.get(Kind::StatefulSet, "llama").map(|set| set["spec"].clone()), recorded(&stage)),
        (pods.map(|set| set["spec"].clone()), said)
    );
}

#[test]
fn a_refusal_is_told_in_the_hubs_own_words_and_no_machine_is_paid_for() {
    for (kind, reason) in [
        (HubErrorKind::NotFound, "ModelNotFound"),
        (HubErrorKind::Unauthorized, "ModelNotAccessible"),
        (HubErrorKind::Token, "ModelNotAccessible"),
        (HubErrorKind::Throttled, "ModelHubUnavailable"),
        (HubErrorKind::Unavailable, "ModelHubUnavailable"),
        (HubErrorKind::Malformed, "ModelHubUnavailable"),
        (HubErrorKind::Offline, "ModelNotAtHand"),
        (HubErrorKind::Unservable, "ModelNotServable"),
    ] {
        let mut stage = MemoryStage::of(World::with_fate(&Settings::default(), Pace::default(), &refusing(kind)));
        stage.put(&example("llama"));
        let world: &mut dyn Stage = &mut stage;
        world.until_refused("llama", "ResourceReady", reason, WORDS);
        world.until_refused("llama", "WorkspaceSucceeded", "workspacePending", WORDS);
        world.expect_quiet();
        assert!(stage.list(Kind::NodeClaim).is_empty(), "{kind:?}");
        // What was wrong is over: nobody has to say so.
        stage.world().set_fate(&Fate::default());
        (&mut stage as &mut dyn Stage).until_ready("llama");
    }
}

#[test]
fn a_repository_that_no_runtime_can_serve_is_refused_with_what_would_be_right() {
    let whole = json!({"architectures": ["LlamaForCausalLM"], "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 8});
    let with = |field: &str, value: Value| {
        let mut config = whole.clone();
        config[field] = value;
        config
    };
    let no_weights = Repository { files: Vec::new(), ..published("a/b", "a", 1, &whole) };
    let page = Repository {
        config: Some(ConfigFile { path: "config.json".into(), text: "<html>".into() }),
        ..published("a/b", "a", 1, &whole)
    };
    for (repository, size, reason, mention) in [
        (no_weights, A10, "ModelNotServable", "a/b at commit aaaa"),
        (page, A10, "ModelNotServable", "config.json is not JSON"),
        (
            published("a/b", "a", 1, &with("architectures", json!([]))),
            A10,
            "ModelNotServable",
            "names no architectures",
        ),
        (
            published("a/b", "a", 1, &with("architectures", json!(["NoSuch"]))),
            A10,
            "NoRuntimeForGpu",
            "NoSuch is not in the runtime for NVIDIA A10",
        ),
        (
            published("a/b", "a", 1, &with("architectures", json!(["GptOssForCausalLM"]))),
            "Standard_NC6s_v3",
            "NoRuntimeForGpu",
            "vLLM 0.8.5",
        ),
        (published("a/b", "a", 900, &whole), "Standard_NC6s_v3", "ModelDoesNotFit", "a/b on Standard_NC6s_v3"),
    ] {
        let mut stage = stage();
        stage.world().publish_model(repository);
        stage.put(&manifests::preset("b", "A/B", size));
        (&mut stage as &mut dyn Stage).until_refused("b", "ResourceReady", reason, mention);
        assert!(stage.list(Kind::NodeClaim).is_empty(), "{reason}");
    }
}

#[test]
fn a_runtime_that_does_not_know_a_model_says_so_and_what_is_tuned_is_in_the_catalogue() {
    let mut stage = stage();
    let mut manifest = example("llama");
    manifest["metadata"]["annotations"] = json!({"kaito.sh/runtime": "transformers"});
    stage.put(&manifest);
    let mut training = manifests::tuning("four");
    training["tuning"]["preset"]["name"] = json!(EXAMPLE_MODEL);
    stage.put(&training);
    let world: &mut dyn Stage = &mut stage;
    world.until_refused("llama", "ResourceReady", "NoRuntimeForGpu", "leave out the annotation kaito.sh/runtime");
    world.until_refused("four", "ResourceReady", "UnknownPreset", "tuning.preset.name");
}

#[test]
fn another_model_of_a_hub_is_numbered_when_it_is_known_and_the_old_one_serves_until_then() {
    let mut stage = stage();
    stage.put(&manifests::preset("web", "phi-4-mini-instruct", A10));
    (&mut stage as &mut dyn Stage).until_ready("web");
    stage.world().set_fate(&silent());
    stage.patch(Kind::Workspace, "web", &json!({"inference": {"preset": {"name": EXAMPLE_MODEL}}}));
    (&mut stage as &mut dyn Stage).until_refused("web", "ResourceReady", "ModelMetadataPending", EXAMPLE_MODEL);
    assert_eq!(stage.list(Kind::ControllerRevision).len(), 1);
    assert!(command(&stage, "web").contains("--served-model-name=phi-4-mini-instruct"));
    stage.world().set_fate(&Fate::default());
    stage.until("the other one is served", &|stage| {
        let set = stage.get(Kind::StatefulSet, "web").unwrap_or_default();
        set.to_string().contains("--served-model-name=example-7b")
    });
    (&mut stage as &mut dyn Stage).until_ready("web");
    assert_eq!(stage.list(Kind::ControllerRevision).len(), 2);
}

#[test]
fn without_a_cluster_a_model_of_a_hub_is_let_through_and_it_is_said_that_it_is_looked_up() {
    let review = |manifest: &Value| {
        let mut manifest = manifest.clone();
        manifest["metadata"]["namespace"] = json!("default");
        admission::review(&manifest, None, &Settings::default())
    };
    let verdict = review(&manifests::preset("a", "someone/some-model-7b", A10));
    assert!(verdict.allowed, "{}", verdict.message);
    assert!(
        verdict.warnings.iter().any(|warning| warning.contains("someone/some-model-7b is in no catalogue")),
        "{:?}",
        verdict.warnings
    );
    let wrong = review(&manifests::preset("a", "someone/some-model-7b", "Standard_NoSuch"));
    assert!(!wrong.allowed && wrong.message.contains("Standard_NoSuch"), "{}", wrong.message);
    let mut training = manifests::tuning("a");
    training["tuning"]["preset"]["name"] = json!("someone/some-model-7b");
    assert!(!review(&training).allowed);
}

#[test]
fn a_token_is_named_to_the_hub_by_its_secret_only() {
    let mut stage = stage();
    let mut manifest = example("llama");
    manifest["inference"]["preset"]["presetOptions"] = json!({"modelAccessSecret": "hub"});
    stage.put(&manifests::secret("hub", "Opaque", &["HF_TOKEN"]));
    stage.put(&manifest);
    (&mut stage as &mut dyn Stage).until_ready("llama");
    let words = condition(&stage, "llama", "InferenceReady").expect("it is told");
    let key = ObjectKey::new(Kind::Workspace, "default", "llama");
    assert!(stage.world().get(&key).is_some() && words.0 == "True");
    let said = format!("{:?} {:?}", recorded(&stage), stage.world().timeline());
    assert!(!said.contains(manifests::PLANTED));
}
