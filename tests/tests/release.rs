//! The machines of a training that is over are given back where the user asks for that, and what its pods said last is told before they go.

use jiff::SignedDuration;
use kaito_core::memory::{CloudFate, Fate, Pace, PodFate, World};
use kaito_core::snapshot::Answer;
use kaito_core::{Kind, ObjectKey, Read, Seen, Settings, admission};
use kaito_tests::stage::{MemoryStage, Stage, condition, is_true, state};
use kaito_tests::{by_hand, golden, manifests};
use serde_json::{Value, json};

const RELEASE: &str = "kaito.sh/release-nodes-when-done";

/// A training that pushes its result, with this annotation.
fn training(release: Option<&str>) -> Value {
    let mut manifest = manifests::tuning("tune");
    if let Some(release) = release {
        manifest["metadata"]["annotations"] = json!({RELEASE: release});
    }
    manifest
}

/// The end of a training, and some hours.
fn ended(manifest: &Value, pods: PodFate, end: &'static str) -> MemoryStage {
    let fate = Fate { pods, ..Fate::default() };
    let mut stage = MemoryStage::of(World::with_fate(&Settings::default(), Pace::default(), &fate));
    stage.put(&manifests::registry_secret("my-push-secret"));
    stage.put(manifest);
    (&mut stage as &mut dyn Stage).until_state("tune", end);
    stage.pass_time();
    assert_eq!(state(&stage, "tune"), end);
    stage
}

fn machines(stage: &dyn Stage) -> usize {
    stage.list(Kind::NodeClaim).len()
}

fn annotate(stage: &mut MemoryStage, value: Value) {
    stage.patch(Kind::Workspace, "tune", &json!({"metadata": {"annotations": {RELEASE: value}}}));
}

#[test]
fn machines_stay_as_upstream_unless_they_are_to_be_released() {
    for release in [None, Some("false"), Some("True"), Some("yes")] {
        let mut stage = ended(&training(release), PodFate::Well, "Succeeded");
        assert_eq!((machines(&stage), is_true(&stage, "tune", "ResourceReady")), (1, true), "{release:?}");
        (&mut stage as &mut dyn Stage).expect_quiet();
    }
}

#[test]
fn what_is_released_is_said_and_not_bought_again_with_the_annotation_or_without_it() {
    let mut stage = ended(&training(Some("true")), PodFate::Well, "Succeeded");
    assert_eq!(machines(&stage), 0);
    for type_ in ["NodeClaimReady", "NodesReady", "ResourceReady"] {
        let (status, reason, words) = condition(&stage, "tune", type_).expect("it is told");
        assert_eq!((status.as_str(), reason.as_str()), ("False", "NodesReleased"), "{type_}: {words}");
        assert!(words.contains(RELEASE), "{words}");
    }
    assert!(is_true(&stage, "tune", "JobStarted") && is_true(&stage, "tune", "WorkspaceSucceeded"));
    (&mut stage as &mut dyn Stage).expect_quiet();
    for value in [Value::Null, json!("false"), json!("true")] {
        annotate(&mut stage, value);
        stage.pass_time();
        assert_eq!((machines(&stage), state(&stage, "tune").as_str()), (0, "Succeeded"));
        (&mut stage as &mut dyn Stage).expect_quiet();
    }
}

#[test]
fn claims_that_were_given_up_are_nothing_to_a_training_that_is_over() {
    let given_up = json!({"times": 2, "first": "2026-01-01T00:01:51Z", "last": "2026-01-01T00:02:08Z"}).to_string();
    let mut stage = ended(&training(None), PodFate::Well, "Succeeded");
    let record = |value: Value| json!({"metadata": {"annotations": {"kaito.sh/nodeclaims-given-up": value}}});
    stage.patch(Kind::Workspace, "tune", &record(json!(given_up)));
    let claim = stage.list(Kind::NodeClaim)[0]["metadata"]["name"].as_str().unwrap().to_owned();
    stage.remove(Kind::NodeClaim, &claim);
    stage.pass_time();
    assert_eq!(
        stage.get(Kind::Workspace, "tune").unwrap()["metadata"]["annotations"]["kaito.sh/nodeclaims-given-up"],
        Value::Null
    );
    let (_, reason, words) = condition(&stage, "tune", "NodeClaimReady").expect("it is told");
    assert!(reason != "NodeClaimGivenUp" && !words.contains("asks again"), "{reason}: {words}");
    (&mut stage as &mut dyn Stage).expect_quiet();
}

#[test]
fn a_training_that_is_over_already_gives_its_machine_back_when_it_is_asked_to() {
    let mut stage = ended(&training(None), PodFate::Well, "Succeeded");
    annotate(&mut stage, json!("true"));
    stage.pass_time();
    assert_eq!((machines(&stage), state(&stage, "tune").as_str()), (0, "Succeeded"));
}

#[test]
fn another_request_buys_a_machine_and_gives_it_back_again() {
    let mut stage = ended(&training(Some("true")), PodFate::Well, "Succeeded");
    let output = json!({"image": "registry.example.com/team/adapter:0.0.2"});
    stage.patch(Kind::Workspace, "tune", &json!({"tuning": {"output": output}}));
    stage.until("a machine is there for it", &|stage| machines(stage) == 1);
    stage.until("it works", &|stage| state(stage, "tune") == "Running" && machines(stage) == 1);
    (&mut stage as &mut dyn Stage).until_state("tune", "Succeeded");
    stage.pass_time();
    assert_eq!(machines(&stage), 0);
}

#[test]
fn a_training_that_has_failed_tells_its_last_words_before_its_machine_goes() {
    let fate = PodFate::Ends { exit_code: 1, text: "Traceback\nValueError: no data\n".to_owned() };
    let mut stage = ended(&training(Some("true")), fate, "Failed");
    assert_eq!(machines(&stage), 0);
    let (.., words) = condition(&stage, "tune", "JobStarted").expect("it is told");
    assert!(words.contains("exit code 1; it printed last: «Traceback | ValueError: no data»"), "{words}");
    (&mut stage as &mut dyn Stage).expect_quiet();
}

#[test]
fn what_was_read_of_a_failed_pod_is_not_read_again() {
    let fate = PodFate::Ends { exit_code: 1, text: "ValueError: no data\n".to_owned() };
    let mut stage = ended(&training(None), fate, "Failed");
    let root = ObjectKey::new(Kind::Workspace, "default", "tune");
    let now = stage.world().now();
    let report = by_hand::reconcile(stage.world().cluster(), &root, now).1.expect("it can be read");
    assert!(!report.reads.iter().any(|read| matches!(read, Read::Log(_))), "{:?}", report.reads);
    assert!(report.written.is_empty() && report.status.is_none());
}

#[test]
fn a_machine_on_which_the_result_lies_stays() {
    for volume in [
        json!({"emptyDir": {}}),
        json!({"hostPath": {"path": "/data"}}),
        json!({"csi": {"driver": "local.csi.example.com"}}),
    ] {
        let mut manifest = training(Some("true"));
        manifest["tuning"]["output"] = json!({"volumeSource": volume});
        let stage = ended(&manifest, PodFate::Well, "Succeeded");
        assert_eq!(machines(&stage), 1);
    }
    let mut manifest = training(Some("true"));
    manifest["tuning"]["output"] = json!({"volumeSource": {"persistentVolumeClaim": {"claimName": "results"}}});
    assert_eq!(machines(&ended(&manifest, PodFate::Well, "Succeeded")), 0);
}

#[test]
fn a_machine_is_not_given_back_while_the_training_goes_on() {
    let mut stage = MemoryStage::of(World::installed(&Settings::default()));
    stage.put(&manifests::registry_secret("my-push-secret"));
    stage.put(&training(Some("true")));
    (&mut stage as &mut dyn Stage).until_state("tune", "Running");
    stage.world().advance(SignedDuration::from_mins(30));
    assert_eq!((machines(&stage), state(&stage, "tune").as_str()), (1, "Running"));
}

#[test]
fn a_value_that_is_no_yes_or_no_and_a_result_that_would_be_lost_are_refused() {
    let mut lost = training(Some("true"));
    lost["tuning"]["output"] = json!({"volumeSource": {"emptyDir": {}}});
    for (manifest, words) in [
        (training(Some("yes")), Some("\"yes\" must be true or false")),
        (training(Some("")), Some("must be true or false")),
        (lost, Some("the result would go with the machine")),
        (training(Some("true")), None),
        (training(Some("false")), None),
    ] {
        let errors = admission::check(&manifest, &Settings::default());
        let about = |error: &&kaito_api::FieldError| error.to_string().contains(RELEASE);
        let found: Vec<String> = errors.iter().filter(about).map(ToString::to_string).collect();
        match words {
            Some(words) => assert!(found.iter().any(|found| found.contains(words)), "{words}: {errors:?}"),
            None => assert!(found.is_empty(), "{found:?}"),
        }
    }
}

#[test]
fn a_machine_that_was_lost_and_not_made_again_before_the_end_is_not_paid_for_after_it() {
    let mut stage = ended(&training(None), PodFate::Well, "Succeeded");
    let refused = CloudFate::Refuses { reason: "InsufficientCapacityError".into(), message: "none is free".into() };
    stage.world().set_fate(&Fate { cloud: refused, ..Fate::default() });
    // As after a loss in the last minutes: the one that was asked for in its place is still refused.
    let claim = stage.list(Kind::NodeClaim)[0]["metadata"].clone();
    let [name, uid] = ["name", "uid"].map(|field| claim[field].as_str().unwrap().to_owned());
    let key = ObjectKey::cluster(Kind::NodeClaim, name);
    stage.world().cluster().with_store(|store| store.write_status(&key, &uid, None, &json!({}))).unwrap();
    stage.pass_time();
    assert_eq!(machines(&stage), 0, "nothing ran there, and nothing will");
    stage.world().set_fate(&Fate::default());
    stage.pass_time();
    assert_eq!((machines(&stage), state(&stage, "tune").as_str()), (0, "Succeeded"));
    (&mut stage as &mut dyn Stage).expect_quiet();
}

#[test]
fn a_machine_is_not_given_back_where_the_api_server_has_another_request_or_another_training_than_the_cache() {
    let mut stage = ended(&training(None), PodFate::Well, "Succeeded");
    annotate(&mut stage, json!("true"));
    let (root, now) = (ObjectKey::new(Kind::Workspace, "default", "tune"), stage.world().now());
    let cached = by_hand::objects(stage.world().cluster());
    let mut edited = stage.get(Kind::Workspace, "tune").unwrap();
    edited["metadata"]["generation"] = json!(99);
    let mut begun = stage.get(Kind::Job, "tune").unwrap();
    begun["status"] = json!({"active": 1});
    let live = |kind, value| Some(Seen::decode(kind, value));
    for (live, deletes) in [(None, true), (live(Kind::Workspace, edited), false), (live(Kind::Job, begun), false)] {
        let plan = by_hand::plan_with(&root, now, &Settings::default(), |read| match &live {
            Some(seen) if *read == Read::object(seen.key()).live() => Answer::Object(Some(seen.clone())),
            _ => by_hand::answer(&cached, read),
        });
        assert_eq!(plan.steps.iter().any(|step| step.effect.verb() == "delete"), deletes, "{live:?}");
    }
}

#[test]
fn a_training_that_was_begun_on_a_machine_of_its_own_gives_it_back_under_karpenter_too() {
    let mut world = World::installed(&Settings::default());
    let secret = ObjectKey::new(Kind::Secret, "default", "my-push-secret");
    world.put(&secret, &manifests::registry_secret("my-push-secret")).unwrap();
    world.put(&ObjectKey::new(Kind::Workspace, "default", "tune"), &training(Some("true"))).unwrap();
    let mut stage = MemoryStage::of(world);
    (&mut stage as &mut dyn Stage).until_state("tune", "Running");
    stage.world().run_with(&Settings { provisioner: golden::karpenter(), ..Settings::default() });
    (&mut stage as &mut dyn Stage).until_state("tune", "Succeeded");
    stage.pass_time();
    assert_eq!((machines(&stage), stage.list(Kind::NodePool).len()), (0, 0));
}
