//! Deletion on a real API server whose schema of a Workspace has become stricter than the Workspace that is stored: its machine is given back, and it goes as soon as the server lets anybody take its finalizer away.
//!
//! What a server since 1.30 refuses then: it forgives what was wrong before in each part of an object that a write leaves alone (validation ratcheting). What is wrong *below* the root is thus forgiven to a write of
//! metadata, and refused to one of that part. What is wrong *of the root* (a field that must stand there, a rule over all of it) is forgiven to no write, for each changes the root; and where a rule of CEL says it,
//! to none of the status either.

use kaito_core::Kind;
use kaito_tests::manifests;
use kaito_tests::stage::Operated;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How long something may take; a refusal is tried again after a minute.
const PATIENCE: Duration = Duration::from_secs(150);
/// What the stricter schemas ask for.
const REFUSED: &str = "every Workspace names the nodes that it prefers";

/// A cluster with the Workspace `x`, which is ready on one machine.
fn served() -> Option<Tightened> {
    let cluster = Tightened(Operated::start(true)?);
    cluster.0.plane().apply_text(&manifests::phi_4_mini("x").to_string()).expect("the API server takes it");
    cluster.until("the Workspace is ready", || cluster.workspace().is_some_and(|x| x["status"]["state"] == "Ready"));
    assert_eq!([Kind::NodeClaim, Kind::Node].map(|kind| cluster.count(kind)), [1, 1]);
    Some(cluster)
}

struct Tightened(Operated);

impl Tightened {
    fn kubectl(&self, words: &[&str]) -> Result<String, String> {
        self.0.plane().run(words).map_err(|error| error.to_string())
    }

    fn workspace(&self) -> Option<Value> {
        let told = self.kubectl(&["get", "workspaces.kaito.sh", "x", "--ignore-not-found", "--output=json"]);
        let told = told.expect("it can be asked for");
        (!told.is_empty()).then(|| serde_json::from_str(&told).expect("kubectl prints JSON"))
    }

    fn count(&self, kind: Kind) -> usize {
        let told = self.kubectl(&["get", kind.plural(), "--output=name"]).expect("they can be listed");
        told.lines().count()
    }

    /// What an admin hears who tries to write this to the Workspace.
    fn try_write(&self, patch: &Value) -> Result<String, String> {
        let patch = format!("--patch={patch}");
        self.kubectl(&["patch", "workspaces.kaito.sh", "x", "--type=merge", "--dry-run=server", &patch])
    }

    /// Changes the definition of each version.
    fn redefine(&self, change: impl Fn(&str) -> Value) {
        let operations: Vec<Value> =
            (0..2).map(|version| change(&format!("/spec/versions/{version}/schema/openAPIV3Schema"))).collect();
        let patch = format!("--patch={}", json!(operations));
        self.kubectl(&["patch", "crd", "workspaces.kaito.sh", "--type=json", &patch]).expect("it is a definition");
    }

    fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let begin = Instant::now();
        while !holds() {
            let events = || self.kubectl(&["get", "events", "--output=wide"]).unwrap_or_default();
            assert!(begin.elapsed() < PATIENCE, "never: {what}\n{:#}\n{}", json!(self.workspace()), events());
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    fn delete(&self) {
        self.kubectl(&["delete", "workspaces.kaito.sh", "x", "--wait=false"]).expect("nothing validates a deletion");
    }

    fn has_given_back(&self) -> bool {
        [Kind::NodeClaim, Kind::Node].map(|kind| self.count(kind)) == [0, 0]
    }
}

fn is_refused(heard: Result<String, String>, words: &str) -> bool {
    heard.is_err_and(|said| said.contains("is invalid") && said.contains(words))
}

#[test]
fn a_workspace_that_a_stricter_schema_no_longer_takes_gives_its_machine_back_and_goes() {
    let Some(cluster) = served() else { return };
    let words = "resource.preferredNodes: Required value";
    cluster.redefine(|schema| {
        let path = format!("{schema}/properties/resource/required");
        json!({"op": "add", "path": path, "value": ["labelSelector", "preferredNodes"]})
    });
    let count = json!({"resource": {"count": 2}});
    cluster.until("the stricter schema is in force", || is_refused(cluster.try_write(&count), words));
    // A write of the metadata is forgiven, and so the finalizer can be taken away by whoever writes nothing else.
    cluster.try_write(&json!({"metadata": {"annotations": {"a": "b"}}})).expect("the root is not what is wrong");

    cluster.delete();
    cluster.until("the Workspace is gone", || cluster.workspace().is_none());
    assert!(cluster.has_given_back());
}

#[test]
fn a_workspace_to_which_the_server_refuses_every_write_gives_its_machine_back_says_why_it_stays_and_goes_when_it_may() {
    let Some(cluster) = served() else { return };
    cluster.redefine(|schema| {
        let rules = json!([{"rule": "has(self.resource.preferredNodes)", "message": REFUSED}]);
        json!({"op": "add", "path": format!("{schema}/x-kubernetes-validations"), "value": rules})
    });
    let mark = json!({"metadata": {"annotations": {"a": "b"}}});
    cluster.until("the stricter schema is in force", || is_refused(cluster.try_write(&mark), REFUSED));
    // Nobody could let it go, and nothing can be said in its status.
    assert!(is_refused(cluster.try_write(&json!({"metadata": {"finalizers": null}})), REFUSED));
    let status = ["patch", "workspaces.kaito.sh", "x", "--subresource=status", "--type=merge", "--dry-run=server"];
    let status = cluster.kubectl(&[&status[..], &[r#"--patch={"status":{"state":"x"}}"#]].concat());
    assert!(is_refused(status, REFUSED));

    cluster.delete();
    cluster.until("the machine is given back", || cluster.has_given_back());
    cluster.until("why it stays is told", || {
        let told = cluster.kubectl(&["get", "events", "--field-selector=reason=ReleaseRefused", "--output=json"]);
        let told: Value = serde_json::from_str(&told.expect("they can be listed")).expect("kubectl prints JSON");
        let events = told["items"].as_array().expect("a list has items");
        let names = |event: &Value| {
            event["involvedObject"]["name"] == "x"
                && event["message"].as_str().is_some_and(|text| text.contains(REFUSED))
        };
        events.iter().any(names)
    });
    assert!(cluster.workspace().is_some(), "the server has not let it go");

    cluster.redefine(|schema| json!({"op": "remove", "path": format!("{schema}/x-kubernetes-validations")}));
    cluster.until("the Workspace is gone", || cluster.workspace().is_none());
    assert!(cluster.has_given_back());
}
