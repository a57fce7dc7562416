//! A crowd of Workspaces on a real API server while every tenth request of the controller fails in some way: everything is paid for once, and everything is given back.

use kaito_core::Kind;
use kaito_tests::manifests;
use kaito_tests::stage::{Operated, RealStage, Stage, USER};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

const CROWD: usize = 50;
const NAMESPACE: &str = "s-fire";
/// What Kubernetes keeps in every namespace.
const STAYS: &[&str] = &["configmap/kube-root-ca.crt", "serviceaccount/default"];

#[test]
fn fifty_workspaces_get_one_machine_each_and_leave_nothing_while_every_tenth_request_fails() {
    let Some(operated) = Operated::shared_under_fire() else { return };
    let mut stage = RealStage::new(operated, NAMESPACE);
    let start = Instant::now();
    let crowd: Vec<Value> = (0..CROWD).map(workspace).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": crowd});
    operated.plane().apply_text(&list.to_string()).expect("the API server takes them");
    stage.until("all are ready", &|stage| {
        std::thread::sleep(Duration::from_secs(1));
        machines(stage).iter().for_each(|count| assert!(*count <= CROWD, "{count} machines for {CROWD} Workspaces"));
        let all = stage.list(Kind::Workspace);
        all.len() == CROWD && all.iter().all(|workspace| workspace["status"]["state"] == "Ready")
    });
    let ready = start.elapsed();
    assert_eq!(machines(&stage), [CROWD, CROWD]);
    let slots: BTreeSet<String> = stage.list(Kind::NodeClaim).iter().map(owner).collect();
    assert_eq!(slots.len(), CROWD, "each Workspace has one");
    assert_eq!(created(operated, "nodeclaims"), CROWD, "not one machine was ever claimed twice");

    operated
        .plane()
        .run(&["delete", "workspaces.kaito.sh", "--all", "--namespace", NAMESPACE, "--wait=false"])
        .expect("they are there");
    stage.until("nothing is paid for any more", &|stage| {
        std::thread::sleep(Duration::from_secs(1));
        machines(stage) == [0, 0] && stage.list(Kind::Workspace).is_empty()
    });
    // Kubernetes clears away what belonged to them in its own time.
    let wait = Instant::now();
    while left(operated) != STAYS && wait.elapsed() < Duration::from_secs(180) {
        std::thread::sleep(Duration::from_secs(1));
    }
    assert_eq!(left(operated), STAYS, "nothing of ours");
    assert_eq!(created(operated, "nodeclaims"), CROWD, "nor when they went");
    let faults = operated.faults().expect("it is under fire");
    println!(
        "{CROWD} Workspaces ready after {:.1} s, gone after {:.1} s",
        ready.as_secs_f64(),
        (start.elapsed() - ready).as_secs_f64()
    );
    println!("{faults}");
    for ((verb, resource), count) in requests(operated) {
        println!("{count:>6}  {verb} {resource}");
    }
    assert!(faults.failed() > faults.requests() / 20, "the fire was real");
}

fn workspace(index: usize) -> Value {
    let mut manifest = manifests::phi_3_mini(&format!("w{index:02}"));
    manifest["metadata"]["namespace"] = json!(NAMESPACE);
    manifest
}

/// Claims and Nodes.
fn machines(stage: &dyn Stage) -> [usize; 2] {
    [Kind::NodeClaim, Kind::Node].map(|kind| stage.list(kind).len())
}

fn owner(claim: &Value) -> String {
    claim["metadata"]["labels"]["kaito.sh/workspace"].as_str().unwrap_or_default().to_owned()
}

/// Everything in the namespace, of whatever kind, but events.
fn left(operated: &Operated) -> Vec<String> {
    let run = |arguments: &[&str]| operated.plane().run(arguments).unwrap_or_default();
    let kinds = run(&["api-resources", "--verbs=list", "--namespaced=true", "--output=name"]);
    let kinds: Vec<&str> = kinds.lines().filter(|kind| !kind.starts_with("events")).collect();
    let found = run(&["get", &kinds.join(","), "--namespace", NAMESPACE, "--output=name"]);
    let mut found: Vec<String> = found.lines().map(str::to_owned).collect();
    found.sort();
    found
}

/// The controller's own requests but watches, as the API server saw them.
fn heard(operated: &Operated) -> Vec<Value> {
    let is_ours = |line: &Value| line["user"]["username"] == USER && line["verb"] != "watch";
    operated.plane().audit().into_iter().filter(is_ours).collect()
}

/// How often the controller has created an object of a resource.
fn created(operated: &Operated, resource: &str) -> usize {
    let is_one = |line: &&Value| {
        line["verb"] == "create" && line["objectRef"]["resource"] == resource && line["responseStatus"]["code"] == 201
    };
    heard(operated).iter().filter(is_one).count()
}

fn requests(operated: &Operated) -> BTreeMap<(String, String), usize> {
    let mut counts = BTreeMap::new();
    for line in heard(operated) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        *counts.entry((text(&line["verb"]), text(&line["objectRef"]["resource"]))).or_default() += 1;
    }
    counts
}
