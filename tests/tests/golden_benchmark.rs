//! What the reference says of a benchmark is what we say of it: the figure, how it was measured, and the condition. The logs are of a simulated kubelet, with the result that was in those of the reference.

use kaito_core::render;
use kaito_tests::allowed::{Allowed, Comparison};
use kaito_tests::golden;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const TOLD_BETTER: &[Allowed] = &[Allowed {
    file: "*",
    path: "Benchmark.performance.metrics.peakTokensPerMinute.config.quantization",
    reason: "how the weights are quantised is told; the reference looks where it does not stand (S3-B15)",
}];

#[test]
fn what_the_reference_says_of_a_benchmark_is_what_we_say_of_it() {
    let cases = golden::cases();
    if cases.is_empty() {
        return;
    }
    let mut comparison = Comparison::allowing(TOLD_BETTER);
    let mut figures = 0;
    for case in cases.iter().filter(|case| case.steps.len() == 1) {
        let (mut world, step) = (case.world(), &case.steps[0]);
        // What we refuse in words is served by nobody.
        if golden::DIFFERENCES.iter().any(|row| row.file == step.file && row.path == "*: theirs only") {
            continue;
        }
        step.put(&mut world, &case.namespace);
        render::settle(&mut world);
        let workspaces = world.workspaces();
        let statuses: Vec<Value> =
            world.cluster().with_store(|store| workspaces.iter().filter_map(|key| store.value(key).cloned()).collect());
        let theirs = measured(step.golden["objects"].as_array().unwrap());
        figures += theirs.values().filter(|said| !said["performance"].is_null()).count();
        comparison.compare(&step.about(), &measured(&statuses), &theirs);
    }
    assert!(figures >= 40, "only {figures} figures were compared");
    comparison.conclude();
}

/// The first part of a message; ours goes on with the pod that was measured.
fn sentence(message: &Value) -> Option<&str> {
    message.as_str()?.split("; ").next()
}

/// What Workspaces say of their benchmark: the figures, and the condition without its time and generation.
fn measured(objects: &[Value]) -> BTreeMap<String, Value> {
    let workspaces = objects.iter().filter(|object| object["kind"] == "Workspace");
    let said = |workspace: &Value| {
        let conditions = workspace["status"]["conditions"].as_array().into_iter().flatten();
        let told = conditions.filter(|told| told["type"] == "BenchmarkCompleted");
        let told: Vec<Value> =
            told.map(|told| json!([told["status"], told["reason"], sentence(&told["message"])])).collect();
        json!({"condition": told, "performance": workspace["status"]["performance"]})
    };
    let measures = |workspace: &&Value| said(workspace) != json!({"condition": [], "performance": null});
    workspaces
        .filter(measures)
        .map(|workspace| (format!("Benchmark {}", workspace["metadata"]["name"].as_str().unwrap()), said(workspace)))
        .collect()
}
