//! Where a scenario plays: the memory world, or a real API server with kwok. A scenario is told once, to a [`Stage`].

mod clouds;
mod memory;
mod real;

pub use clouds::Clouds;
pub use memory::MemoryStage;
pub use real::{Operated, RealStage, USER, furnished};

use crate::{made, normal};
use kaito_core::Kind;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A cluster with the Workspace controller, seen by a user in one namespace.
pub trait Stage {
    /// The namespace of this scenario.
    fn namespace(&self) -> &str;
    /// `kubectl apply`.
    fn put(&mut self, document: &Value);
    /// `kubectl patch --type merge`.
    fn patch(&mut self, kind: Kind, name: &str, patch: &Value);
    /// `kubectl delete`, without waiting.
    fn remove(&mut self, kind: Kind, name: &str);
    /// `kubectl get`.
    fn get(&self, kind: Kind, name: &str) -> Option<Value>;
    /// Every object of a kind that belongs to this namespace; of cluster-scoped kinds, those whose labels name it.
    fn list(&self, kind: Kind) -> Vec<Value>;
    /// Waits until something is true; fails the test, with the Workspaces as they are, when it never is.
    fn until(&mut self, what: &str, holds: &dyn Fn(&dyn Stage) -> bool);
    /// Lets time pass in which nothing is expected to happen.
    fn pass_time(&mut self);
    /// How often the controller has written anything in this namespace or for it.
    fn writes(&self) -> u64;
}

/// A story, as a function of where it plays.
pub type Story = fn(&mut dyn Stage);

/// Plays a story in a memory world of its own, and tells how it ended.
pub fn play_in_memory(name: &str, story: Story) -> BTreeMap<String, Value> {
    let mut stage = MemoryStage::new(&namespace_of(name));
    story(&mut stage);
    (&stage as &dyn Stage).ending()
}

/// Plays a story on a real API server, under an identity that has exactly the generated ClusterRole, and expects the end that the memory world has. Says visibly when there is no
/// control plane; under `CI` that is a failure.
pub fn play_for_real(name: &str, story: Story) {
    if let Some(operated) = Operated::shared() {
        play_on(operated, name, story);
    }
}

/// The same while every tenth request of the controller fails in some way.
pub fn play_under_fire(name: &str, story: Story) {
    if let Some(operated) = Operated::shared_under_fire() {
        play_on(operated, name, story);
    }
}

fn play_on(operated: &'static Operated, name: &str, story: Story) {
    let mut stage = RealStage::new(operated, &namespace_of(name));
    story(&mut stage);
    let wanted = play_in_memory(name, story);
    let start = Instant::now();
    let mut same = false;
    while !same && start.elapsed() < operated.patience() / 4 {
        same = (&stage as &dyn Stage).ending() == wanted;
        std::thread::sleep(Duration::from_millis(if same { 0 } else { 200 }));
    }
    if !same {
        let found = (&stage as &dyn Stage).ending();
        let mut differences = Vec::new();
        for key in wanted.keys().chain(found.keys()).collect::<std::collections::BTreeSet<_>>() {
            let side = |all: &BTreeMap<String, Value>| all.get(key).cloned().unwrap_or_default();
            normal::differences(&side(&wanted), &side(&found), key, &mut differences);
        }
        panic!(
            "memory and real API server end differently (ours is memory, theirs is real):\n{}",
            differences.join("\n")
        );
    }
    stage.clear();
}

/// The namespace of a story: short, for it is part of host names, and the same on every stage.
pub fn namespace_of(story: &str) -> String {
    format!("s-{}", kaito_core::hash::short(&[story], 8))
}

/// What a condition says: status, reason, message.
pub fn condition(stage: &dyn Stage, workspace: &str, type_: &str) -> Option<(String, String, String)> {
    let workspace = stage.get(Kind::Workspace, workspace)?;
    let condition =
        workspace["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == type_)?.clone();
    let text = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
    Some((text("status"), text("reason"), text("message")))
}

/// Whether a condition holds.
pub fn is_true(stage: &dyn Stage, workspace: &str, type_: &str) -> bool {
    condition(stage, workspace, type_).is_some_and(|(status, ..)| status == "True")
}

/// `status.state`.
pub fn state(stage: &dyn Stage, workspace: &str) -> String {
    stage
        .get(Kind::Workspace, workspace)
        .and_then(|found| found["status"]["state"].as_str().map(str::to_owned))
        .unwrap_or_default()
}

impl dyn Stage + '_ {
    /// Waits until a Workspace is ready.
    pub fn until_ready(&mut self, workspace: &str) {
        let name = workspace.to_owned();
        self.until(&format!("{workspace} is Ready"), &move |stage| state(stage, &name) == "Ready");
    }

    /// Waits until a state is reached.
    pub fn until_state(&mut self, workspace: &str, wanted: &'static str) {
        let name = workspace.to_owned();
        self.until(&format!("{workspace} is {wanted}"), &move |stage| state(stage, &name) == wanted);
    }

    /// Waits until a condition is False for this reason, and its words mention something.
    pub fn until_refused(&mut self, workspace: &str, type_: &str, reason: &str, mention: &str) {
        let (name, type_, reason, mention) =
            (workspace.to_owned(), type_.to_owned(), reason.to_owned(), mention.to_owned());
        self.until(&format!("{name}: {type_} is False, {reason}, and mentions {mention:?}"), &move |stage| {
            condition(stage, &name, &type_)
                .is_some_and(|(status, why, words)| status == "False" && why == reason && words.contains(&mention))
        });
    }

    /// Nothing is written while nothing happens.
    pub fn expect_quiet(&mut self) {
        self.pass_time();
        let before = self.writes();
        self.pass_time();
        assert_eq!(self.writes() - before, 0, "a quiet controller writes nothing");
    }

    /// How everything ended: our objects in normal form, and what the Workspaces say.
    pub fn ending(&self) -> BTreeMap<String, Value> {
        let ours = made::kinds().flat_map(|kind| self.list(kind)).filter(|object| !is_of_kubernetes(object));
        let mut ending = normal::by_name(ours.collect());
        for workspace in self.list(Kind::Workspace) {
            let conditions: BTreeMap<String, Value> = workspace["status"]["conditions"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|condition| {
                    (
                        condition["type"].as_str().unwrap_or_default().to_owned(),
                        json!([condition["status"], condition["reason"]]),
                    )
                })
                .collect();
            let status = json!({"conditions": conditions, "state": workspace["status"]["state"], "targetNodeCount": workspace["status"]["targetNodeCount"]});
            ending.insert(format!("Workspace {}", workspace["metadata"]["name"].as_str().unwrap_or_default()), status);
        }
        ending
    }
}

/// What Kubernetes itself makes of the kinds that we make: its StatefulSet controller keeps revisions of its own, and each namespace gets the server's certificate.
pub fn is_of_kubernetes(object: &Value) -> bool {
    object["metadata"]["name"] == "kube-root-ca.crt"
        || object["metadata"]["ownerReferences"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|owner| owner["kind"] == "StatefulSet")
}

/// Whether an object belongs to a namespace: it is in it, or its labels name it.
pub(crate) fn belongs(object: &Value, namespace: &str) -> bool {
    object["metadata"]["namespace"] == namespace
        || object["metadata"]["labels"]["kaito.sh/workspacenamespace"] == namespace
}
