//! As `take_over.rs`, on a real API server, where the fields of objects have managers: a handful of Workspaces with every kind of child.

use kaito_api::vocabulary::annotations;
use kaito_core::cloud::Cloud;
use kaito_tests::golden::{self, Case, Cluster, There, former};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A preset on one machine and on two, adapters, a template, trainings: those whose pods need no disk of their own.
const TAKEN: [&str; 6] = [
    "phi3-mini-a10",
    "adapter-one-image",
    "step-adapter-added",
    "template-plain",
    "tune-lora-urls-volume",
    "step-tuning-output",
];

const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn a_cluster_of_the_reference_is_taken_over_without_a_restart_and_later_edits_reach_what_it_wrote() {
    let cases: Vec<Case> = golden::cases().into_iter().filter(|case| TAKEN.contains(&case.name())).collect();
    if cases.is_empty() {
        return;
    }
    assert!(cases.len() == TAKEN.len() && cases.iter().all(|case| case.cloud == Cloud::Azure));
    let Some(cluster) = Cluster::without_controller(&cases) else { return };
    let all: Vec<&Case> = cases.iter().collect();
    let last = |case: &Case| case.steps[case.steps.len() - 1].clone();

    cluster.apply(cases.iter().flat_map(|case| former::workspaces(case, &last(case))).collect());
    let made = cases.iter().zip(cluster.look(&all)).flat_map(|(case, there)| {
        let uid = there.workspace().unwrap()["metadata"]["uid"].as_str().unwrap().to_owned();
        let mut children = former::children(case, &last(case), &uid);
        // Claims of machines have no namespace that keeps them apart.
        let claims = children.iter_mut().filter(|child| child["kind"] == "NodeClaim");
        claims.for_each(|claim| claim["metadata"]["name"] = json!(format!("ws{}", case.namespace)));
        children
    });
    cluster.create_as("manager", made.collect());
    let is_at_rest = |there: &There| {
        let of = |kind: &'static str| there.objects.values().filter(move |object| object["kind"] == kind);
        of("StatefulSet").all(|set| set["status"]["readyReplicas"] == set["spec"]["replicas"])
            && of("Job").all(|job| job["status"]["succeeded"] == 1)
            && of("NodeClaim").all(|claim| claim["status"]["nodeName"].is_string())
    };
    let before = until(&cluster, &all, "the cluster of the reference is at rest", |all| all.iter().all(is_at_rest));

    cluster.operated().start_controller();
    let is_taken = |there: &There| {
        let asked = |set: &&Value| set["metadata"]["annotations"][annotations::WORKSPACE_REVISION].is_string();
        let sets: Vec<&Value> = there.objects.values().filter(|object| object["kind"] == "StatefulSet").collect();
        ["Ready", "Succeeded"].contains(&there.state()) && sets.iter().all(asked)
    };
    until(&cluster, &all, "every Workspace is ready again", |all| all.iter().all(is_taken));
    std::thread::sleep(Duration::from_secs(3));
    for ((case, before), after) in cases.iter().zip(&before).zip(cluster.look(&all)) {
        assert_eq!(identities(before), identities(&after), "{}", case.name());
    }

    // The adapter goes again: what the reference wrote for it goes too.
    let steps: Vec<&Case> = all.iter().copied().filter(|case| case.name() == "step-adapter-added").collect();
    let mut first = steps[0].steps[0].objects(&steps[0].namespace);
    first
        .iter_mut()
        .filter(|object| object["kind"] == "Workspace")
        .for_each(|object| object["inference"]["adapters"] = json!([]));
    cluster.apply(first);
    until(&cluster, &steps, "nothing of the adapter is left", |there| {
        let sets = there[0].objects.values().filter(|object| object["kind"] == "StatefulSet");
        sets.into_iter().all(|set| !set["spec"].to_string().contains("adapter")) && there[0].state() == "Ready"
    });
}

/// Looks until something is true of what is there.
fn until(cluster: &Cluster, cases: &[&Case], what: &str, holds: impl Fn(&[There]) -> bool) -> Vec<There> {
    let begin = Instant::now();
    loop {
        let there = cluster.look(cases);
        if holds(&there) {
            return there;
        }
        if begin.elapsed() > PATIENCE {
            let shown = there.iter().map(|there| {
                json!([there.workspace().map(|found| &found["status"]), there.objects.keys().collect::<Vec<_>>()])
            });
            panic!("never: {what}\n{:#}", shown.collect::<Value>());
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// The uids of what must not be made anew, with the generation of what must not change.
fn identities(there: &There) -> BTreeMap<(String, String), (Value, Value)> {
    let kept = |kind: &str| !["Workspace", "ConfigMap"].contains(&kind);
    let objects = there.objects.iter().filter(|((kind, _), _)| kept(kind));
    objects
        .map(|(key, object)| {
            (key.clone(), (object["metadata"]["uid"].clone(), object["metadata"]["generation"].clone()))
        })
        .collect()
}
