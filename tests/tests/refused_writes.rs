//! Writes that the API server refuses: what is said of them, and what goes on.

use async_trait::async_trait;
use jiff::SignedDuration;
use kaito_core::backend::{BackendError, ClusterBackend, ErrorKind, Written};
use kaito_core::effect::Effect;
use kaito_core::memory::{MemoryCluster, Right};
use kaito_core::plan::{Notice, StatusWrite};
use kaito_core::snapshot::Answer;
use kaito_core::{Kind, ObjectKey, Read, Settings, WorkspacePlanner};
use kaito_tests::cloud_by_hand::CloudByHand;
use kaito_tests::stage::{MemoryStage, Stage, condition, state};
use kaito_tests::{by_hand, manifests};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// A cluster that refuses the writes of a verb to a kind, and counts what it was asked.
struct Refusing {
    cluster: Arc<MemoryCluster>,
    refused: (&'static str, Kind),
    /// How it refuses; where it says that something is there already, another process has made it a moment ago.
    with: ErrorKind,
    asked: Mutex<Vec<String>>,
}

#[async_trait]
impl ClusterBackend for Refusing {
    async fn read(&self, read: &Read) -> Result<Answer, BackendError> {
        self.cluster.read(read).await
    }
    async fn perform(&self, effect: &Effect) -> Result<Written, BackendError> {
        self.asked.lock().unwrap().push(format!("{} {}", effect.verb(), effect.key()));
        if (effect.verb(), effect.key().kind) != self.refused {
            return self.cluster.perform(effect).await;
        }
        if self.with == ErrorKind::AlreadyExists {
            self.cluster.perform(effect).await?;
        }
        Err(BackendError::new(self.with, "no such right for kaito"))
    }
    async fn write_status(&self, write: &StatusWrite) -> Result<Written, BackendError> {
        self.cluster.write_status(write).await
    }
    async fn publish(&self, about: &ObjectKey, uid: &str, notice: &Notice) {
        self.cluster.publish(about, uid, notice).await;
    }
}

/// One look at the Workspace `x` while such writes are refused: what was asked for.
fn look(stage: &mut MemoryStage, refused: (&'static str, Kind), with: ErrorKind) -> Vec<String> {
    let (cluster, now) = (Arc::clone(stage.world().cluster()), stage.world().now());
    let cluster = Refusing { cluster, refused, with, asked: Mutex::default() };
    by_hand::reconcile(&cluster, &ObjectKey::new(Kind::Workspace, "default", "x"), now).1.unwrap();
    cluster.asked.into_inner().unwrap()
}

fn served(manifest: &Value) -> MemoryStage {
    let mut stage = MemoryStage::of(kaito_core::memory::World::installed(&Settings::default()));
    stage.put(manifest);
    (&mut stage as &mut dyn Stage).until_ready("x");
    stage.pass_time();
    stage
}

fn adapt(stage: &mut MemoryStage, number: usize) {
    let source = json!({"name": "a", "image": format!("registry.example.com/adapters/a:{number}")});
    stage.patch(Kind::Workspace, "x", &json!({"inference": {"adapters": [{"source": source}]}}));
}

#[test]
fn a_machine_that_cannot_be_given_back_is_told_while_the_workspace_goes() {
    let mut stage = served(&manifests::phi_4_mini("x"));
    stage.remove(Kind::Workspace, "x");
    look(&mut stage, ("delete", Kind::NodeClaim), ErrorKind::Forbidden);
    let (_, _, words) = condition(&stage, "x", "WorkspaceDeleting").unwrap();
    assert!(words.contains("cannot delete NodeClaim ") && words.contains("no such right for kaito"), "{words}");
}

#[test]
fn what_nothing_depends_on_keeps_no_model_from_being_ready() {
    let mut stage = served(&manifests::phi_4_mini("x"));
    let node = stage.list(Kind::Node)[0]["metadata"]["name"].as_str().unwrap().to_owned();
    stage.patch(Kind::Node, &node, &json!({"metadata": {"labels": {"accelerator": null}}}));
    let asked = look(&mut stage, ("patch", Kind::Node), ErrorKind::Forbidden);
    assert_eq!(asked, [format!("patch Node {node}")]);
    assert_eq!(state(&stage, "x"), "Ready");
    let (status, ..) = condition(&stage, "x", "ResourceReady").unwrap();
    assert_eq!(status, "True");
}

#[test]
fn no_revision_is_forgotten_for_one_that_cannot_be_recorded() {
    let mut stage = served(&manifests::phi_4_mini("x"));
    for number in 1..10 {
        adapt(&mut stage, number);
        stage.pass_time();
    }
    adapt(&mut stage, 10);
    let asked = look(&mut stage, ("create", Kind::ControllerRevision), ErrorKind::Forbidden);
    assert!(asked.iter().any(|asked| asked.starts_with("create ControllerRevision")), "{asked:?}");
    assert!(!asked.iter().any(|asked| asked.starts_with("delete")), "{asked:?}");
}

#[test]
fn a_revision_that_another_process_of_ours_has_just_recorded_is_nobody_elses() {
    let mut stage = served(&manifests::phi_4_mini("x"));
    adapt(&mut stage, 1);
    look(&mut stage, ("create", Kind::ControllerRevision), ErrorKind::AlreadyExists);
    let (_, reason, words) = condition(&stage, "x", "InferenceReady").unwrap();
    assert_ne!(reason, "NameTaken", "{words}");
}

#[test]
fn a_finalizer_that_cannot_be_removed_is_told_and_the_workspace_is_not_said_to_be_gone() {
    let mut stage = served(&manifests::phi_4_mini("x"));
    stage.world().withhold(Right::on("patch", Kind::Workspace));
    stage.remove(Kind::Workspace, "x");
    stage.world().advance(SignedDuration::from_hours(2));
    let (_, _, words) = condition(&stage, "x", "WorkspaceDeleting").unwrap();
    assert!(words.contains("cannot patch Workspace default/x: workspaces.kaito.sh is forbidden"), "{words}");
    let events = stage.world().cluster().events();
    let told: Vec<_> = events.iter().filter(|told| told.notice.reason == "ReleaseRefused").collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].notice.warning && told[0].notice.note.contains("cannot patch resource \"workspaces\""));
}

#[test]
fn a_server_that_is_unwell_for_a_moment_is_no_refusal_to_let_a_workspace_go() {
    let root = ObjectKey::new(Kind::Workspace, "default", "x");
    let mut cloud = CloudByHand::new("2026-01-01T00:00:00Z".parse().unwrap());
    let mut manifest = manifests::phi_4_mini("x");
    manifest["metadata"]["namespace"] = json!("default");
    manifest["metadata"]["finalizers"] = json!(["workspace.finalizer.kaito.sh"]);
    cloud.put(&manifest);
    cloud.delete(&root);
    for (kind, events) in [(ErrorKind::Unavailable, 0), (ErrorKind::Timeout, 0), (ErrorKind::Forbidden, 1)] {
        cloud.refusals = vec![("patch", Kind::Workspace, BackendError::new(kind, format!("refused: {kind:?}")))];
        cloud.look(&WorkspacePlanner, &root);
        assert!(cloud.take_tried().contains(&"patch Workspace x".to_owned()) && cloud.has(&root), "{kind:?}");
        let told = cloud.get(&root)["status"]["conditions"].to_string();
        assert!(told.contains(&format!("refused: {kind:?}")), "{told}");
        let refused = cloud.notices.iter().filter(|notice| notice.reason == "ReleaseRefused");
        assert_eq!(refused.count(), events, "{kind:?}");
    }
}
