//! What becomes of a Workspace after it was made: what an edit does, what is repaired, what stays. `docs/life-after-creation.md` says the same, row by row.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod edits; // the table of edits
mod objects; // what is edited

use jiff::SignedDuration;
use kaito_core::memory::{CloudFate, Fate, Pace, PodFate, World};
use kaito_core::{Kind, ObjectKey, Settings};
use kaito_tests::manifests;
use kaito_tests::stage::{MemoryStage, Stage, condition, state};
use objects::{adapter, configured, on_transformers, own, own_on_two, phi, settings};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn stage() -> MemoryStage {
    MemoryStage::of(World::with_pace(&Settings::default(), Pace::default()))
}

/// Until it serves, or its training is done.
fn until_done(stage: &mut MemoryStage) {
    (stage as &mut dyn Stage).until("it is done", &|stage| matches!(state(stage, "x").as_str(), "Ready" | "Succeeded"));
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

/// The number of machines that was settled on stands in the status.
fn settle_on(stage: &mut MemoryStage, target: usize) {
    let root = ObjectKey::new(Kind::Workspace, "default", "x");
    let workspace = stage.get(Kind::Workspace, "x").unwrap();
    let (uid, mut status) = (workspace["metadata"]["uid"].as_str().unwrap().to_owned(), workspace["status"].clone());
    status["targetNodeCount"] = json!(target);
    stage.world().cluster().with_store(|store| store.write_status(&root, &uid, None, &status)).unwrap();
}

#[test]
fn more_machines_and_fewer_are_asked_for_one_by_one_as_the_number_that_was_settled_on_changes() {
    for (what, manifest) in [("a template", own()), ("the transformers runtime", on_transformers())] {
        let mut stage = stage();
        stage.put(&manifest);
        until_done(&mut stage);
        let uids = |stage: &MemoryStage| -> BTreeSet<String> {
            stage.list(Kind::NodeClaim).iter().map(|claim| claim["metadata"]["uid"].to_string()).collect()
        };
        let first = uids(&stage);
        for target in [3, 1] {
            settle_on(&mut stage, target);
            stage.pass_time();
            let counts = [Kind::NodeClaim, Kind::Node, Kind::Pod].map(|kind| stage.list(kind).len());
            assert_eq!(counts, [target; 3], "{what}, {target}: claims, nodes, pods");
            assert!(uids(&stage).is_superset(&first), "{what}, {target}: the machine of the first pod stays");
            let workspace = stage.get(Kind::Workspace, "x").unwrap();
            assert_eq!(workspace["status"]["workerNodes"].as_array().map(Vec::len), Some(target), "{what}");
            assert_eq!(
                (state(&stage, "x").as_str(), &workspace["status"]["targetNodeCount"]),
                ("Ready", &json!(target))
            );
            (&mut stage as &mut dyn Stage).expect_quiet();
        }
    }
}

#[test]
fn a_machine_that_stands_is_kept_when_fewer_are_needed_while_another_one_goes() {
    let mut stage = stage();
    stage.put(&own_on_two());
    until_done(&mut stage);
    let of_slot = |stage: &MemoryStage, slot: &str| {
        let mut claims = stage.list(Kind::NodeClaim).into_iter();
        claims.find(|claim| claim["metadata"]["labels"]["kaito.sh/node-slot"] == slot).unwrap()
    };
    let stands = of_slot(&stage, "1")["metadata"]["uid"].clone();
    let goes = of_slot(&stage, "0")["metadata"]["name"].as_str().unwrap().to_owned();
    stage.world().set_fate(&Fate { cloud: CloudFate::NeverTerminates, ..Fate::default() });
    stage.remove(Kind::NodeClaim, &goes);
    settle_on(&mut stage, 1);
    stage.pass_time();
    let claim = of_slot(&stage, "1")["metadata"].clone();
    assert_eq!((&claim["uid"], &claim["deletionTimestamp"]), (&stands, &Value::Null));
    stage.world().set_fate(&Fate::default());
    stage.pass_time();
    assert_eq!(stage.list(Kind::NodeClaim).len(), 1, "it stands for the other one");
    assert_eq!(of_slot(&stage, "1")["metadata"]["uid"], stands);
}
