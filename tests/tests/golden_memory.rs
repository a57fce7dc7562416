//! What the reference made of a manifest is what we make of it in a cluster in memory, and of every manifest that is applied after it; differences are listed with a reason.

use kaito_core::render;
use kaito_tests::allowed::{Allowed, Comparison};
use kaito_tests::golden::{self, Case, Step};
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[test]
fn what_the_reference_makes_of_a_manifest_and_of_the_next_is_what_we_make_of_it() {
    let cases = golden::cases();
    if cases.is_empty() {
        return;
    }
    let mut comparison = Comparison::allowing(golden::DIFFERENCES);
    for case in &cases {
        let mut world = case.world();
        for step in &case.steps {
            step.put(&mut world, &case.namespace);
            let ours = golden::ours(render::render(&mut world));
            comparison.compare(&step.about(), &ours, &golden::theirs(step, &case.namespace));
        }
    }
    let manifests: usize = cases.iter().map(|case| case.steps.len()).sum();
    println!("{manifests} manifests compared with the reference, with {} differences", golden::DIFFERENCES.len());
    golden::LEFT_OUT.iter().for_each(|(what, why)| println!("left out: {what}: {why}"));
    assert!(manifests >= 94, "only {manifests} manifests were comparable");
    // Of machines that are asked for one by one 25, and of Karpenter's the uid on a NodePool and the adapter that rolls out.
    assert!(golden::DIFFERENCES.len() <= 27, "the table grows");
    comparison.conclude();
}

/// What history leaves behind.
const LEFT_BEHIND: &[Allowed] = &[Allowed {
    file: "step-runtime",
    path: "Service.spec.ports",
    reason: "a port that nothing serves any more stays until something else of the Service differs: others may add ports, and who added one is not known",
}];

/// An edit that is forgotten in part shows here: what an object is like depends on what is asked for, and not on what was asked for before.
#[test]
fn what_is_made_after_edits_is_what_is_made_at_once() {
    let cases: Vec<Case> = golden::cases().into_iter().filter(|case| case.steps.len() > 1).collect();
    if cases.is_empty() {
        return;
    }
    let mut comparison = Comparison::allowing(LEFT_BEHIND);
    for case in &cases {
        comparison.compare(
            &[case.name()],
            &after(case, &case.steps),
            &after(case, &case.steps[case.steps.len() - 1..]),
        );
    }
    comparison.conclude();
}

/// What is there when these steps were applied one after the other, but for history: revisions and their numbers.
fn after(case: &Case, steps: &[Step]) -> BTreeMap<String, Value> {
    let mut world = case.world();
    for step in steps {
        step.put(&mut world, &case.namespace);
        render::settle(&mut world);
    }
    let mut objects = golden::ours(render::objects(&world));
    objects.retain(|_, object| object["kind"] != "ControllerRevision");
    for object in objects.values_mut() {
        if let Some(number) = object.pointer_mut("/metadata/annotations/workspace.kaito.io~1revision") {
            *number = json!("its last");
        }
    }
    objects
}
