//! Questions that the API server refuses to answer: what is told of them, and what a role must hold. Every world refuses what the table of kinds does not name (`memory::Right`), so each test of a story holds that too.

use jiff::SignedDuration;
use kaito_core::kinds::{self, KindUse};
use kaito_core::memory::{Right, World};
use kaito_core::{Kind, NodeProvisioner, ObjectKey, Settings, WorkspacePlanner};
use kaito_provisioner::claim::CLAIM_KINDS;
use kaito_tests::cloud_by_hand::CloudByHand;
use kaito_tests::stage::{MemoryStage, Stage, condition, state};
use kaito_tests::{golden, manifests};
use serde_json::{Value, json};

const MACHINES: Right = Right { verb: "list", kind: Kind::NodeClaim, part: None };

fn stage() -> MemoryStage {
    MemoryStage::of(World::installed(&Settings::default()))
}

fn told(stage: &mut MemoryStage, reason: &str) -> Vec<String> {
    let events = stage.world().cluster().events();
    events.into_iter().map(|told| told.notice).filter(|told| told.reason == reason).map(|told| told.note).collect()
}

#[test]
fn a_question_that_is_refused_is_told_in_the_servers_words_and_once() {
    let mut stage = stage();
    stage.world().withhold(MACHINES);
    stage.put(&manifests::phi_4_mini("x"));
    stage.world().advance(SignedDuration::from_hours(2));
    let (status, reason, words) = condition(&stage, "x", "ResourceReady").unwrap();
    assert_eq!((&*status, &*reason), ("False", "ReadRefused"), "{words}");
    assert!(
        words.contains("cannot read every NodeClaim with ") && words.contains("cannot list resource \"nodeclaims\""),
        "{words}"
    );
    assert_eq!(told(&mut stage, "ReadRefused").len(), 1);
    assert!(stage.list(Kind::NodeClaim).is_empty(), "nothing is paid for");
}

#[test]
fn a_workspace_that_cannot_go_because_a_question_is_refused_says_so() {
    let mut stage = stage();
    stage.put(&manifests::phi_4_mini("x"));
    (&mut stage as &mut dyn Stage).until_ready("x");
    stage.world().withhold(MACHINES);
    stage.remove(Kind::Workspace, "x");
    stage.world().advance(SignedDuration::from_hours(2));
    let (_, _, words) = condition(&stage, "x", "WorkspaceDeleting").unwrap();
    assert!(words.contains("cannot list resource \"nodeclaims\"") && words.contains("kaito roles"), "{words}");
    assert_eq!(told(&mut stage, "ReadRefused").len(), 1);
    assert_eq!(state(&stage, "x"), "Ready", "nothing else is said anew");
}

/// A Workspace in a world that is looked at look by look.
fn by_hand(mut manifest: Value) -> (CloudByHand, ObjectKey) {
    let mut cloud = CloudByHand::new("2026-01-01T00:00:00Z".parse().unwrap());
    manifest["metadata"]["namespace"] = json!("default");
    let root = cloud.put(&manifest);
    (cloud, root)
}

#[test]
fn what_became_of_a_workspace_is_not_said_to_be_pending_because_a_question_is_refused() {
    for (status, reason, stays) in
        [("False", "workspaceFailed", true), ("True", "workspaceSucceeded", true), ("False", "workspacePending", false)]
    {
        let (mut cloud, root) = by_hand(manifests::training_on_volume("x"));
        let verdict = json!({
            "type": "WorkspaceSucceeded", "status": status, "reason": reason, "message": "as it was",
            "lastTransitionTime": "2025-12-31T00:00:00Z", "observedGeneration": 1,
        });
        cloud.status_is(&root, &json!({"conditions": [verdict]}));
        cloud.withheld = vec![MACHINES];
        cloud.look_in_vain(&WorkspacePlanner, &root);
        let conditions = cloud.get(&root)["status"]["conditions"].clone();
        let told = |type_: &str| conditions.as_array().unwrap().iter().find(|told| told["type"] == type_).cloned();
        assert_eq!(told("ResourceReady").unwrap()["reason"], "ReadRefused", "{reason}");
        let now = told("WorkspaceSucceeded").unwrap();
        assert_eq!(now == verdict, stays, "{now}");
        assert_eq!(now["reason"], reason);
    }
}

#[test]
fn what_no_status_can_say_is_told_by_the_error_and_by_no_event_at_each_look() {
    let (mut cloud, root) = by_hand(manifests::phi_4_mini("x"));
    cloud.withheld = vec![MACHINES, Right::to_write_status(Kind::Workspace)];
    for _ in 0..3 {
        let words = cloud.look_in_vain(&WorkspacePlanner, &root).message;
        for right in &cloud.withheld {
            assert!(words.contains(&right.refused().message), "{words}");
        }
    }
    assert_eq!(cloud.notices, []);
    cloud.withheld.pop();
    for _ in 0..3 {
        cloud.look_in_vain(&WorkspacePlanner, &root);
    }
    let told: Vec<_> = cloud.notices.iter().map(|notice| notice.reason).collect();
    assert_eq!(told, ["ReadRefused"]);
}

#[test]
fn what_is_watched_can_be_listed_watched_and_got() {
    let of_workspaces = [NodeProvisioner::default(), golden::karpenter(), NodeProvisioner::Byo];
    let tables = of_workspaces.iter().map(kinds::of).chain([CLAIM_KINDS]);
    for row in tables.flatten().filter(|row: &&KindUse| row.is_watched()) {
        for verb in ["get", "list", "watch"] {
            assert!(row.verbs.contains(&verb), "{verb} {}", row.kind);
        }
    }
    let root = ObjectKey::new(Kind::Workspace, "default", "x");
    assert_eq!(Right::to_read(&kaito_core::Read::object(root)), Some(Right::on("get", Kind::Workspace)));
}
