//! What becomes of a Workspace after it was made: what an edit does, what is repaired, what stays. `docs/life-after-creation.md` says the same, row by row.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use jiff::SignedDuration;
use kaito_core::memory::{Fate, Pace, PodFate, World};
use kaito_core::{Kind, Settings, admission};
use kaito_tests::manifests;
use kaito_tests::stage::{MemoryStage, Stage, condition, state};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const PAGE: &str = include_str!("../../docs/life-after-creation.md");

fn stage() -> MemoryStage {
    MemoryStage::of(World::with_pace(&Settings::default(), Pace::default()))
}

/// One line of the first table of the page.
struct Edit {
    /// What is edited, as the page says it.
    what: &'static str,
    /// The Workspace, and what is beside it.
    workspace: fn() -> Value,
    beside: fn() -> Vec<Value>,
    /// What is edited of the Workspace: a merge patch.
    patch: Value,
    /// What is put in place of something beside it.
    instead: Option<Value>,
    /// What the webhook says of it.
    admitted: &'static str,
    /// What happens, where no webhook stands in the way.
    effect: &'static str,
}

const ALLOWED: &str = "allowed";
const REFUSED: &str = "refused";
const ANEW: &str = "the pods are made anew";
const NOTHING: &str = "nothing restarts";
const SERVICE: &str = "the Service follows; nothing restarts";
const AGAIN: &str = "the training runs again";
const UNPLACED: &str = "the pods are made anew, and a condition says why they do not run";
const TOLD: &str = "a condition says why it cannot be; what runs goes on";

fn phi() -> Value {
    manifests::phi_4_mini("x")
}

fn own() -> Value {
    manifests::own_template("x")
}

fn training() -> Value {
    manifests::training_on_volume("x")
}

fn nothing() -> Vec<Value> {
    Vec::new()
}

fn adapted() -> Value {
    let mut manifest = phi();
    manifest["inference"]["adapters"] = json!([adapter("law")]);
    manifest
}

fn adapter(name: &str) -> Value {
    json!({"source": {"name": name, "image": format!("registry.example.com/adapters/{name}:1")}})
}

fn configured() -> Value {
    let mut manifest = phi();
    manifest["inference"]["config"] = json!("settings");
    manifest
}

fn settings(length: u32) -> Value {
    manifests::settings("settings", &format!("vllm:\n  max-model-len: {length}\n"))
}

fn trained() -> Value {
    let mut manifest = training();
    manifest["tuning"]["config"] = json!("settings");
    manifest
}

fn training_settings(epochs: u32) -> Value {
    let text = format!(
        "training_config:\n  ModelConfig:\n    torch_dtype: float16\n    pretrained_model_name_or_path: /workspace/weights\n  QuantizationConfig:\n    load_in_4bit: true\n  TrainingArguments:\n    output_dir: /mnt/results\n    num_train_epochs: {epochs}\n  DataCollator:\n    mlm: true\n"
    );
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"training_config.yaml": text}})
}

fn edits() -> Vec<Edit> {
    let of = |what, workspace, patch, admitted, effect| Edit {
        what,
        workspace,
        beside: nothing,
        patch,
        instead: None,
        admitted,
        effect,
    };
    let annotation = |key: &str, value: &str| json!({"metadata": {"annotations": {key: value}}});
    let inference = |patch: Value| json!({"inference": patch});
    let tuning = |patch: Value| json!({"tuning": patch});
    let resource = |patch: Value| json!({"resource": patch});
    let container = |image: &str| json!([{"name": "server", "image": image, "resources": {"limits": {"nvidia.com/gpu": 1}}, "volumeMounts": [{"name": "shm", "mountPath": "/dev/shm"}]}]);
    vec![
        of("`inference.adapters`: one is added", phi, inference(json!({"adapters": [adapter("tone")]})), ALLOWED, ANEW),
        of("`inference.adapters`: one is taken away", adapted, inference(json!({"adapters": []})), ALLOWED, ANEW),
        of(
            "`inference.adapters`: another image",
            adapted,
            inference(
                json!({"adapters": [{"source": {"name": "law", "image": "registry.example.com/adapters/law:2"}}]}),
            ),
            ALLOWED,
            ANEW,
        ),
        of(
            "`inference.adapters`: one that cannot be",
            adapted,
            inference(json!({"adapters": [{"source": {"name": "law", "image": "no image"}}]})),
            REFUSED,
            TOLD,
        ),
        Edit {
            beside: || vec![settings(2048)],
            ..of("`inference.config`: named later", phi, inference(json!({"config": "settings"})), ALLOWED, ANEW)
        },
        of(
            "`inference.config`: a ConfigMap that does not exist",
            phi,
            inference(json!({"config": "nowhere"})),
            ALLOWED,
            TOLD,
        ),
        Edit {
            beside: || vec![settings(2048)],
            instead: Some(settings(4096)),
            ..of("the content of that ConfigMap", configured, json!({}), ALLOWED, ANEW)
        },
        Edit {
            beside: || vec![settings(2048)],
            instead: Some(settings(131_072)),
            ..of(
                "the content of that ConfigMap: a context that the GPUs have no room for",
                configured,
                json!({}),
                ALLOWED,
                TOLD,
            )
        },
        of(
            "`inference.preset.name`: one that takes more machines",
            phi,
            inference(json!({"preset": {"name": "phi-4"}})),
            REFUSED,
            TOLD,
        ),
        of(
            "`inference.preset.name`",
            phi,
            inference(json!({"preset": {"name": "phi-3.5-mini-instruct"}})),
            REFUSED,
            ANEW,
        ),
        of(
            "`inference.preset.name`: one that does not exist",
            phi,
            inference(json!({"preset": {"name": "phi-99"}})),
            REFUSED,
            TOLD,
        ),
        of(
            "`inference.preset.presetOptions`",
            phi,
            inference(json!({"preset": {"presetOptions": {"modelAccessSecret": "hub"}}})),
            REFUSED,
            ANEW,
        ),
        of(
            "`inference.template`: an image",
            own,
            inference(json!({"template": {"spec": {"containers": container("registry.example.com/llm/server:2")}}})),
            ALLOWED,
            ANEW,
        ),
        of(
            "`inference.template`: a label",
            own,
            inference(json!({"template": {"metadata": {"labels": {"team": "red"}}}})),
            ALLOWED,
            ANEW,
        ),
        of(
            "`inference.template`: one that no pod can be made of",
            own,
            inference(json!({"template": {"spec": {"containers": []}}})),
            REFUSED,
            TOLD,
        ),
        of(
            "annotation `kaito.sh/runtime`",
            || manifests::preset("x", "phi-4", "Standard_NC24ads_A100_v4"),
            annotation("kaito.sh/runtime", "transformers"),
            ALLOWED,
            ANEW,
        ),
        of(
            "annotation `kaito.sh/performance-mode`",
            phi,
            annotation("kaito.sh/performance-mode", "throughput"),
            ALLOWED,
            ANEW,
        ),
        of(
            "annotation `kaito.sh/disable-benchmark`",
            phi,
            annotation("kaito.sh/disable-benchmark", "true"),
            ALLOWED,
            ANEW,
        ),
        of(
            "annotation `kaito.sh/use-local-weights`",
            phi,
            annotation("kaito.sh/use-local-weights", "true"),
            ALLOWED,
            ANEW,
        ),
        of("annotation `kaito.sh/enablelb`", phi, annotation("kaito.sh/enablelb", "True"), ALLOWED, SERVICE),
        of(
            "annotation `kaito.sh/node-image-family`",
            phi,
            annotation("kaito.sh/node-image-family", "azurelinux"),
            ALLOWED,
            NOTHING,
        ),
        of("any other annotation or label", phi, annotation("team", "blue"), ALLOWED, NOTHING),
        of("`resource.count`", || manifests::two_nodes("x"), resource(json!({"count": 3})), REFUSED, NOTHING),
        of(
            "`resource.instanceType`",
            phi,
            resource(json!({"instanceType": "Standard_NC24ads_A100_v4"})),
            REFUSED,
            ANEW,
        ),
        of(
            "`resource.labelSelector`",
            phi,
            resource(json!({"labelSelector": {"matchLabels": {"apps": "y"}}})),
            REFUSED,
            UNPLACED,
        ),
        of("`resource.preferredNodes`", phi, resource(json!({"preferredNodes": ["n"]})), ALLOWED, NOTHING),
        of(
            "`tuning.input`",
            training,
            tuning(json!({"input": {"urls": ["https://data.example.com/other.parquet"]}})),
            ALLOWED,
            AGAIN,
        ),
        of(
            "`tuning.output`",
            training,
            tuning(json!({"output": {"volumeSource": {"emptyDir": {"medium": "Memory"}}}})),
            ALLOWED,
            AGAIN,
        ),
        Edit {
            beside: || vec![training_settings(1)],
            ..of("`tuning.config`: named later", training, tuning(json!({"config": "settings"})), ALLOWED, AGAIN)
        },
        Edit {
            beside: || vec![training_settings(1)],
            instead: Some(training_settings(2)),
            ..of("the content of that ConfigMap, of a training", trained, json!({}), ALLOWED, NOTHING)
        },
        of("`tuning.method`", training, tuning(json!({"method": "lora"})), REFUSED, AGAIN),
        of(
            "`tuning.method`: the same in other letters",
            training,
            tuning(json!({"method": "QLoRA"})),
            ALLOWED,
            NOTHING,
        ),
        of(
            "`resource.preferredNodes`, of a training",
            training,
            resource(json!({"preferredNodes": ["n"]})),
            ALLOWED,
            NOTHING,
        ),
        of(
            "`tuning.preset`",
            training,
            tuning(json!({"preset": {"name": "phi-3-mini-128k-instruct"}})),
            REFUSED,
            AGAIN,
        ),
    ]
}

/// What can be seen of a Workspace from outside.
#[derive(PartialEq)]
struct Seen {
    pods: BTreeSet<String>,
    templates: Vec<Value>,
    jobs: BTreeSet<String>,
    services: Vec<Value>,
    machines: BTreeSet<String>,
}

fn seen(stage: &MemoryStage) -> Seen {
    let uids = |kind| stage.list(kind).iter().map(|object| object["metadata"]["uid"].to_string()).collect();
    Seen {
        pods: uids(Kind::Pod),
        templates: stage.list(Kind::StatefulSet).iter().map(|set| set["spec"]["template"].clone()).collect(),
        jobs: uids(Kind::Job),
        services: stage.list(Kind::Service).iter().map(|service| service["spec"].clone()).collect(),
        machines: uids(Kind::NodeClaim),
    }
}

/// Until it serves, or its training is done.
fn until_done(stage: &mut MemoryStage) {
    (stage as &mut dyn Stage).until("it is done", &|stage| matches!(state(stage, "x").as_str(), "Ready" | "Succeeded"));
}

/// What an edit does, in the words of the page.
fn effect(edit: &Edit) -> String {
    let mut stage = stage();
    (edit.beside)().iter().for_each(|object| stage.put(object));
    stage.put(&(edit.workspace)());
    until_done(&mut stage);
    stage.pass_time();
    let before = seen(&stage);
    stage.patch(Kind::Workspace, "x", &edit.patch);
    edit.instead.iter().for_each(|object| stage.put(object));
    stage.pass_time();
    (&mut stage as &mut dyn Stage).expect_quiet();
    let after = seen(&stage);
    let is_done = matches!(state(&stage, "x").as_str(), "Ready" | "Succeeded");
    let is_told = ["ResourceReady", "InferenceReady", "JobStarted"].iter().any(|type_| {
        condition(&stage, "x", type_).is_some_and(|(status, _, words)| status == "False" && words.contains("remedy: "))
    });
    let mut effects = Vec::new();
    if after.machines != before.machines {
        effects.push("machines change");
    }
    if after.jobs != before.jobs {
        effects.push(AGAIN);
    }
    match (after.pods == before.pods, after.templates == before.templates) {
        _ if after.jobs != before.jobs => {}
        (false, false) if is_told && !is_done => effects.push(UNPLACED),
        (false, false) => effects.push(ANEW),
        (false, true) => effects.push("the pods are made anew, as they were"),
        (true, false) => effects.push("the pods are to be made anew, and are not"),
        (true, true) if after.services != before.services => effects.push(SERVICE),
        (true, true) if is_told => effects.push(TOLD),
        (true, true) => effects.push(NOTHING),
    }
    if !is_done && !is_told {
        effects.push("it is not ready, and nothing says why");
    }
    effects.join("; ")
}

#[test]
fn what_an_edit_does_is_what_the_page_says() {
    let edits = edits();
    let mut wrong = Vec::new();
    for edit in &edits {
        let found = format!("| {} | {} | {} |", edit.what, admitted(edit), effect(edit));
        let wanted = format!("| {} | {} | {} |", edit.what, edit.admitted, edit.effect);
        if found != wanted {
            wrong.push(format!("expected {wanted}\n   found {found}"));
        } else if !PAGE.lines().any(|line| line == wanted) {
            wrong.push(format!("the page lacks {wanted}"));
        }
    }
    let rows = PAGE.lines().filter(|line| line.contains("| allowed |") || line.contains("| refused |")).count();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(rows, edits.len(), "the page has rows that nobody tries");
}

/// What the webhook says of an edit.
fn admitted(edit: &Edit) -> &'static str {
    let mut stage = stage();
    stage.put(&(edit.workspace)());
    let old = stage.get(Kind::Workspace, "x").unwrap();
    stage.patch(Kind::Workspace, "x", &edit.patch);
    let new = stage.get(Kind::Workspace, "x").unwrap();
    if admission::review(&new, Some(&old), &Settings::default()).allowed { ALLOWED } else { REFUSED }
}

#[test]
fn pods_keep_the_labels_that_their_set_was_made_with() {
    let by_set = |name: &str| json!({"metadata": {"labels": {"inferenceset.kaito.sh/created-by": name}}});
    let mut stage = stage();
    let mut manifest = phi();
    manifest["metadata"]["labels"] = by_set("one")["metadata"]["labels"].clone();
    stage.put(&manifest);
    until_done(&mut stage);
    stage.patch(Kind::Workspace, "x", &by_set("two"));
    stage.patch(Kind::Workspace, "x", &json!({"inference": {"adapters": [adapter("law")]}}));
    stage.pass_time();
    until_done(&mut stage);
    let set = stage.get(Kind::StatefulSet, "x").unwrap();
    assert_eq!(set["metadata"]["annotations"]["workspace.kaito.io/revision"], "2");
    let (selector, labels) = (&set["spec"]["selector"]["matchLabels"], &set["spec"]["template"]["metadata"]["labels"]);
    assert_eq!((&selector["inferenceset.kaito.sh/created-by"], labels), (&json!("one"), selector));
    (&mut stage as &mut dyn Stage).expect_quiet();
}

#[test]
fn a_set_of_the_users_own_template_that_an_older_operator_made_in_another_way_keeps_its_pod_template() {
    let mut stage = stage();
    stage.put(&own());
    until_done(&mut stage);
    let mut set = stage.get(Kind::StatefulSet, "x").unwrap();
    set["metadata"]["annotations"].as_object_mut().unwrap().remove("workspace.kaito.io/revision");
    let tolerations = set["spec"]["template"]["spec"]["tolerations"].as_array_mut().unwrap();
    tolerations.reverse();
    tolerations.push(tolerations[0].clone());
    stage.put(&set);
    stage.pass_time();
    stage.patch(Kind::StatefulSet, "x", &json!({"spec": {"replicas": 4}}));
    stage.pass_time();
    let after = stage.get(Kind::StatefulSet, "x").unwrap();
    assert_eq!(after["spec"], set["spec"]);
    assert_eq!(after["metadata"]["annotations"]["workspace.kaito.io/revision"], "1");
    (&mut stage as &mut dyn Stage).expect_quiet();
}

#[test]
fn a_start_is_not_overdue_at_its_birth() {
    let fate = Fate { pods: PodFate::NeverReady, ..Fate::default() };
    let mut stage = MemoryStage::of(World::with_fate(&Settings::default(), Pace::default(), &fate));
    stage.put(&settings(2048));
    stage.put(&configured());
    let ask = |stage: &mut MemoryStage, adapters: Value| {
        stage.patch(Kind::Workspace, "x", &json!({"inference": {"adapters": adapters}}));
    };
    let words = |stage: &mut MemoryStage| {
        stage.world().advance(SignedDuration::from_mins(5));
        condition(stage, "x", "InferenceReady").unwrap().2
    };
    let edits: [&dyn Fn(&mut MemoryStage); 4] =
        [&|_| (), &|stage| ask(stage, json!([adapter("law")])), &|stage| ask(stage, json!([])), &|stage| {
            stage.put(&settings(4096));
        }];
    for (number, edit) in edits.iter().enumerate() {
        edit(&mut stage);
        let soon = words(&mut stage);
        assert!(!soon.contains("overdue"), "edit {number}: {soon}");
        stage.pass_time();
        let late = words(&mut stage);
        assert!(late.contains("0 of 1 pods are ready") && late.contains("overdue since"), "edit {number}: {late}");
    }
    stage.patch(Kind::StatefulSet, "x", &json!({"spec": {"replicas": 3}}));
    let repaired = words(&mut stage);
    assert!(repaired.contains("overdue since"), "a repair begins no start: {repaired}");
}

#[test]
fn ten_revisions_are_kept_and_going_back_to_one_goes_back_to_its_number() {
    let mut stage = stage();
    stage.put(&phi());
    until_done(&mut stage);
    let ask = |stage: &mut MemoryStage, number: usize| {
        stage.patch(Kind::Workspace, "x", &json!({"inference": {"adapters": [adapter(&format!("a{number}"))]}}));
        stage.pass_time();
        let set = stage.get(Kind::StatefulSet, "x").unwrap();
        set["metadata"]["annotations"]["workspace.kaito.io/revision"].as_str().unwrap().to_owned()
    };
    for number in 2..=13 {
        assert_eq!(ask(&mut stage, number), number.to_string());
    }
    let kept: BTreeSet<u64> = stage
        .list(Kind::ControllerRevision)
        .iter()
        .filter(|revision| revision["metadata"]["ownerReferences"][0]["kind"] == "Workspace")
        .filter_map(|revision| revision["revision"].as_u64())
        .collect();
    assert_eq!(kept, (4..=13).collect());
    assert_eq!(ask(&mut stage, 7), "7");
    let told = stage.get(Kind::Workspace, "x").unwrap()["metadata"]["annotations"].clone();
    assert_eq!(told["workspace.kaito.io/revision"], "7");
    (&mut stage as &mut dyn Stage).expect_quiet();
}

#[test]
fn a_claim_that_is_made_is_an_event() {
    let mut stage = stage();
    stage.put(&phi());
    until_done(&mut stage);
    let events = stage.world().cluster().events();
    let told = events.iter().find(|event| event.notice.reason == "NodeClaimCreated").expect("it is told");
    assert!(!told.notice.warning && told.notice.note.contains("default/x"), "{told:?}");
}

#[test]
fn a_claim_that_the_api_server_refuses_is_an_event_once() {
    let mut stage = stage();
    stage.world().refuse(Kind::NodeClaim, Some("no more machines for this team"));
    stage.put(&phi());
    let told = |stage: &mut MemoryStage| {
        stage.world().advance(SignedDuration::from_mins(30));
        let events = stage.world().cluster().events();
        let told = events.into_iter().map(|event| event.notice);
        told.filter(|notice| notice.reason == "NodeClaimCreationFailed").collect::<Vec<_>>()
    };
    let first = told(&mut stage);
    assert!(
        matches!(&first[..], [one] if one.warning && one.note.contains("no more machines for this team")),
        "{first:?}"
    );
    assert_eq!(told(&mut stage).len(), 1, "it is tried again, and nothing new is said");
}

#[test]
fn of_a_set_that_was_changed_by_hand_all_is_repaired_but_its_pod_template() {
    let mut stage = stage();
    stage.put(&manifests::two_nodes("x"));
    until_done(&mut stage);
    let before = stage.get(Kind::StatefulSet, "x").unwrap();
    let theirs = json!({"metadata": {"labels": {"team": "blue"}, "annotations": {"note": "kept", "workspace.kaito.io/revision": "1"}}});
    stage.patch(Kind::StatefulSet, "x", &theirs);
    stage.patch(Kind::StatefulSet, "x", &json!({"spec": {"replicas": 5}}));
    stage.pass_time();
    let mut after = stage.get(Kind::StatefulSet, "x").unwrap();
    assert_eq!(after["spec"], before["spec"]);
    assert_eq!(after["metadata"]["labels"]["team"], "blue");
    assert_eq!(after["metadata"]["annotations"]["note"], "kept");
    // Whether a template was edited or made by another version of this program cannot be told: it stays until the next revision.
    after["spec"]["template"]["spec"]["containers"][0]["image"] = json!("registry.example.com/patched:1");
    stage.put(&after);
    stage.pass_time();
    let image = |stage: &MemoryStage| {
        stage.get(Kind::StatefulSet, "x").unwrap()["spec"]["template"]["spec"]["containers"][0]["image"].clone()
    };
    assert_eq!(image(&stage), "registry.example.com/patched:1");
    stage.patch(Kind::Workspace, "x", &json!({"inference": {"adapters": [adapter("law")]}}));
    stage.pass_time();
    assert_eq!(image(&stage), before["spec"]["template"]["spec"]["containers"][0]["image"]);
    until_done(&mut stage);
    (&mut stage as &mut dyn Stage).expect_quiet();
}

#[test]
fn what_was_deleted_by_hand_is_made_again() {
    for kind in [Kind::Service, Kind::StatefulSet, Kind::ControllerRevision] {
        let mut stage = stage();
        stage.put(&phi());
        until_done(&mut stage);
        let before: Vec<Value> = stage.list(kind);
        let name = before[0]["metadata"]["name"].as_str().unwrap().to_owned();
        stage.remove(kind, &name);
        stage.pass_time();
        let again = stage.get(kind, &name).unwrap_or_else(|| panic!("{kind} {name} is not made again"));
        assert_ne!(again["metadata"]["uid"], before[0]["metadata"]["uid"]);
        until_done(&mut stage);
    }
}

#[test]
fn a_workspace_goes_after_its_machines_and_its_children_after_it() {
    let mut stage = stage();
    stage.put(&manifests::two_nodes("x"));
    until_done(&mut stage);
    stage.remove(Kind::Workspace, "x");
    let mut moments = BTreeSet::new();
    while stage.world().step() {
        let is_there = |kind| !stage.list(kind).is_empty();
        let moment = (
            is_there(Kind::NodeClaim),
            is_there(Kind::Workspace),
            is_there(Kind::StatefulSet),
            is_there(Kind::Service),
        );
        moments.insert(moment);
        if !moment.1 && !moment.2 && !moment.3 {
            break;
        }
    }
    for (machines, workspace, set, service) in &moments {
        assert!(!machines || *workspace, "no machine outlives its Workspace");
        assert!(!workspace || (*set && *service), "pods and addresses go with it, not before");
    }
    assert!(moments.contains(&(false, true, true, true)), "it waits for its machines: {moments:?}");
}
