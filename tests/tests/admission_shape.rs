//! Rules that need nothing but the object, against the answers of the reference's own webhook: what it lets in is let in, what it refuses for its shape is refused.

use kaito_api::{FieldError, workspace};
use kaito_tests::allowed::Rows;
use kaito_tests::shared;
use serde_json::Value;
use std::collections::BTreeSet;

/// Rules that are wholly ours to hold by the object alone; an object that the reference refuses for one of these and for nothing else must be refused here, under that id.
const HELD: &[&str] = &["W-42", "W-43", "W-53", "W-54", "W-57", "W-58"];

/// Where we answer otherwise on purpose: (id of the case, our rule, reason).
const DIFFERENCES: &[(&str, &str, &str)] = &[
    (
        "seed-tuning-phi-3-mini-4k-qlora-filled",
        "N-6",
        "the placeholder for the push secret is still there: no Secret can have that name (Δ10)",
    ),
    ("seed-tuning-phi-3-mini-128k-qlora-filled", "N-6", "as above"),
    ("example-fine-tuning-kaito-workspace-tuning-phi-3-filled", "N-6", "as above"),
    (
        "ws-sel-in-dupkey-conflict",
        "W-12",
        "a label and an expression that ask for two values of one key: no node has both",
    ),
    (
        "ws-adapters-emptynames",
        "W-U12c",
        "two adapters without names: each is told that it needs one, not that both are called the same",
    ),
];

fn errors(object: &Value) -> Vec<FieldError> {
    workspace::decode(object.clone()).map(|(_, workspace)| workspace.shape_errors()).unwrap_or_default()
}

fn rules(errors: &[FieldError]) -> BTreeSet<String> {
    errors.iter().filter_map(|error| error.rule.as_ref().map(ToString::to_string)).collect()
}

#[test]
fn what_the_reference_lets_in_is_let_in_and_what_it_refuses_for_its_shape_is_refused() {
    let Some(path) = shared::path("golden/admission/workspace.jsonl") else { return };
    let text = std::fs::read_to_string(path).unwrap();
    let (mut let_in, mut refused, mut wrong, mut meant) = (0, 0, Vec::new(), Rows::of(DIFFERENCES));
    for case in text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let id = case["id"].as_str().unwrap();
        if case["operation"] != "CREATE" || case.get("reference_bug").is_some() || case.get("schema_rejects").is_some()
        {
            continue;
        }
        let found = rules(&errors(&case["object"]));
        let about: Vec<&str> = case["rules"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        if case["allowed"] == true {
            let_in += 1;
            let unexpected = found.iter().filter(|rule| !meant.allow(|(case, known, _)| *case == id && known == rule));
            wrong.extend(unexpected.map(|rule| format!("{id}: refused here by {rule}: {:?}", errors(&case["object"]))));
        } else if about.iter().any(|rule| HELD.contains(rule)) {
            refused += 1;
            let held = about.iter().filter(|rule| HELD.contains(rule)).any(|rule| found.contains(*rule));
            if !held && !meant.allow(|(case, ours, _)| *case == id && found.contains(*ours)) {
                wrong.push(format!("{id}: about {about:?}, here only {found:?}"));
            }
        }
    }
    println!("{let_in} let in, {refused} refused");
    assert!(let_in >= 100 && refused >= 30, "{let_in} let in, {refused} refused");
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
    meant.expect_needed();
}

#[test]
fn every_wrong_field_of_the_users_manifests_is_named_once() {
    let table: &[(&str, &[&str])] = &[
        ("inference-phi-3-mini-128k-adapters.yaml", &["inference.adapters[0].source.image"]),
        ("tuning-phi-3-mini-4k-qlora.yaml", &["tuning.output.image", "tuning.output.imagePushSecret"]),
        ("tuning-phi-3-mini-128k-qlora.yaml", &["tuning.output.image", "tuning.output.imagePushSecret"]),
        ("inference-phi-3-mini-4k.yaml", &[]),
    ];
    for (file, fields) in table {
        let Some(path) = shared::path("corpus/seed").map(|folder| folder.join(file)) else { return };
        let object: Value = serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let found = errors(&object);
        let paths: Vec<String> = found.iter().map(|error| error.path.to_string()).collect();
        assert_eq!(paths, *fields, "{file}");
        for error in &found {
            let said = error.to_string();
            assert!(
                said.contains("_HERE") && said.contains("such as "),
                "{file}: says what is left and what belongs there: {said}"
            );
        }
    }
}
