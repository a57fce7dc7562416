//! What the reference made of a manifest is what `kaito render` prints for it; differences are listed with a reason.
//!
//! Left out: manifests that are applied to a Workspace that is there already, for what is rendered is what a wish comes to in a fresh cluster.

use kaito_tests::allowed::Comparison;
use kaito_tests::golden::{self, Case};
use kaito_tests::{command, golden::DIFFERENCES};
use serde_json::Value;

/// Whether the command line reads objects of this kind; others are no part of what is decided.
fn is_read(object: &Value) -> bool {
    ["Workspace", "ConfigMap", "Secret", "Node"].iter().any(|kind| object["kind"] == *kind)
}

/// What the command line refuses as a webhook would, and the controller only tells, because the definition of v1alpha1 writes it by itself.
const REFUSED: &[(&str, &str)] = &[("sku-given", "W-4: a size where nodes are brought along")];

#[test]
fn what_the_reference_makes_of_a_manifest_is_what_is_rendered() {
    let is_rendered = |case: &Case| !case.lacks_local_disks() && !REFUSED.iter().any(|(name, _)| *name == case.name());
    let cases: Vec<Case> = golden::cases().into_iter().filter(is_rendered).collect();
    if cases.is_empty() {
        return;
    }
    let of_later_steps = |about: &str| about.ends_with(".2.yaml");
    let mut comparison = Comparison::allowing(DIFFERENCES.iter().filter(|row| !of_later_steps(row.file)));
    for case in &cases {
        let step = &case.steps[0];
        let documents: Vec<String> = case
            .nodes()
            .iter()
            .chain(&step.objects(&case.namespace))
            .filter(|object| is_read(object))
            .map(Value::to_string)
            .collect();
        let settings = case.settings();
        let cloud = format!("--cloud={}", settings.cloud.as_str());
        let provisioner = format!("--node-provisioner={}", settings.provisioner.as_str());
        let parts = if settings.gates.mig() {
            "--feature-gates=enableMIG=true,enableAccelerator=true"
        } else {
            "--feature-gates="
        };
        let classes = format!("--karpenter-node-classes={}", golden::NODE_CLASSES);
        let ran = command::kaito(
            &["render", "-f", "-", "-o", "json", "-n", &case.namespace, &cloud, &provisioner, parts, &classes],
            documents.join("\n---\n").as_bytes(),
        );
        let printed: Vec<Value> = serde_json::from_str(&ran.out)
            .unwrap_or_else(|error| panic!("{}: {error}: code {}: {}\n{}", step.file, ran.code, ran.err, ran.out));
        comparison.compare(&step.about(), &golden::ours(printed), &golden::theirs(step, &case.namespace));
    }
    println!("{} manifests compared with the reference", cases.len());
    assert!(cases.len() >= 85, "only {} manifests were comparable", cases.len());
    comparison.conclude();
}
