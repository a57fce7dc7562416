//! What the reference's webhook answered about a Workspace is what we answer, allowed or denied, and the opposite where the notes on it call its answer wrong (`reference_bug`); differences are listed with a reason.
//!
//! Left out: modes that this version does not run in, and what it answers with "not supported yet".

mod rows;
mod training;

use kaito_api::k8s_openapi::api::core::v1::Node;
use kaito_core::admission::{self, Known, Verdict};
use kaito_core::cloud::Cloud;
use kaito_core::gates::Gates;
use kaito_core::node_classes::{self, ClassKind, NodeClasses};
use kaito_core::{NodeProvisioner, Settings, failure};
use kaito_tests::allowed::Rows;
use kaito_tests::shared;
use rows::{BESIDE_TEMPLATE, DIFFERENCES, DOUBTFUL};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The captured cases; none where they are not at hand.
fn cases() -> Vec<Value> {
    let Some(path) = shared::path("golden/admission/workspace.jsonl") else { return Vec::new() };
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn what_the_reference_admits_is_what_we_admit() {
    let cases = cases();
    if cases.is_empty() {
        return;
    }
    let mut tally: BTreeMap<&str, u32> = BTreeMap::new();
    let (mut wrong, mut meant, mut doubtful) = (Vec::new(), Rows::of(DIFFERENCES), Rows::of(DOUBTFUL));
    for case in &cases {
        let name = case["id"].as_str().unwrap();
        let Some(settings) = settings(&case["mode"]) else {
            *tally.entry("other modes").or_default() += 1;
            continue;
        };
        let verdict = verdict(case, &settings);
        let (ours, theirs) = (verdict.allowed, case["allowed"].as_bool().unwrap());
        assert_eq!(ours, verdict.errors.is_empty() && verdict.message.is_empty(), "{name}");
        let is_wrong_there = case.get("reference_bug").is_some();
        let kind = match ours == theirs {
            false if is_wrong_there => "better than the reference",
            true if is_wrong_there && doubtful.allow(|(pattern, _)| matches(pattern, name)) => "doubtful, and the same",
            true if !is_wrong_there => "equal",
            false if meant.allow(|(pattern, says, _)| matches(pattern, name) && *says == ours) => {
                "different on purpose"
            }
            false if !ours && case.get("schema_rejects").is_some() => "refused by the definition",
            false if !ours && only_not_supported(&verdict) => "not supported yet",
            _ => {
                wrong.push(format!(
                    "{name} {} {}: ours {ours} {:?}, theirs {:?} ({:?})",
                    case["rules"], case["apiVersion"], verdict.message, case["message"], case["reference_bug"]
                ));
                "wrong"
            }
        };
        *tally.entry(kind).or_default() += 1;
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
    let wanted = [
        ("better than the reference", 77),
        ("different on purpose", 79),
        ("doubtful, and the same", 30),
        ("equal", 463),
        ("not supported yet", 1),
        ("other modes", 10),
        ("refused by the definition", 3),
    ];
    assert_eq!(tally, BTreeMap::from(wanted));
    meant.expect_needed();
    doubtful.expect_needed();
}

/// Where we differ on purpose about settings of the runtime: (case, what we say, reason).
const SETTINGS: &[(&str, bool, &str)] = &[
    ("ws-ic-hex", true, "a number in every spelling of YAML: the server's wrapper reads it too"),
    ("ws-ic-k", true, "8k is 8000 to vLLM, and is sized so; only the reference's own reader takes it for no number"),
    ("ws-ic-blank", false, "the server does not start with a blank for a number"),
    ("ws-ic-vllmnull", false, "the server's wrapper ends with a stack trace where the section is empty"),
    ("ws-ic-dupkey", false, "of a setting that stands twice one would be lost without a word"),
    ("ws-ic-under", false, "`_` is `-` to vLLM, and the model ends long before (B-37)"),
    ("ws-ic-template-bad", true, BESIDE_TEMPLATE),
];

/// The cases that the reference answers from a ConfigMap, with that very ConfigMap beside the Workspace: the same, or the opposite where it is called wrong.
#[test]
fn what_the_reference_says_of_settings_of_the_runtime_is_what_we_say() {
    let cases = cases();
    if cases.is_empty() {
        return;
    }
    let (mut wrong, mut meant, mut equal) = (Vec::new(), Rows::of(SETTINGS), 0);
    for case in &cases {
        let name = case["id"].as_str().unwrap();
        let named = |config: &&Value| {
            config["kind"] == "ConfigMap"
                && config["metadata"]["name"] == case["object"]["inference"]["config"]
                && config["metadata"]["namespace"] == case["object"]["metadata"]["namespace"]
        };
        let config = case["cluster"].as_array().into_iter().flatten().find(named);
        let (Some(config), Some(settings)) = (config, settings(&case["mode"])) else { continue };
        if !name.starts_with("ws-ic-") {
            continue;
        }
        let beside = admission::runtime_settings(&case["object"], config, &settings, &Known::default());
        let ours = verdict(case, &settings).allowed && beside.as_ref().is_none_or(|verdict| verdict.allowed);
        let is_wrong_there = case.get("reference_bug").is_some();
        if ours == (case["allowed"].as_bool().unwrap() != is_wrong_there) {
            equal += 1;
        } else if !meant.allow(|(id, says, _)| *id == name && *says == ours) {
            wrong.push(format!("{name}: ours {ours} {beside:?}, theirs {:?}", case["message"]));
        }
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(equal, 24);
    meant.expect_needed();
}

/// The settings of a mode, if this version runs in it.
fn settings(mode: &Value) -> Option<Settings> {
    let cloud = Cloud::ALL.into_iter().find(|cloud| mode["cloud"] == cloud.as_str())?;
    // Gates of other kinds change nothing for a Workspace.
    let others = ["enableMultiRoleInferenceController", "ModelMirror"];
    let gates = mode["gates"].as_object().into_iter().flatten().filter(|(name, _)| !others.contains(&name.as_str()));
    let text: Vec<String> = gates.map(|(name, on)| format!("{name}={on}")).collect();
    let gates = Gates::parse(&text.join(",")).ok()?;
    let provisioner = NodeProvisioner::choose(mode["provisioner"].as_str(), &gates).ok()?;
    let provisioner = match provisioner {
        NodeProvisioner::Karpenter(_) => {
            let wishes = node_classes::parse(&mode["karpenterNodeClasses"].to_string()).ok()?;
            NodeProvisioner::Karpenter(NodeClasses::of(ClassKind::default(), &wishes))
        }
        other => other,
    };
    Some(Settings { cloud, gates, provisioner, ..Settings::default() })
}

/// What we answer to the very request.
fn verdict(case: &Value, settings: &Settings) -> Verdict {
    let request = json!({
        "uid": "u", "operation": case["operation"], "object": case["object"], "oldObject": case["oldObject"],
        "subResource": case["subResource"],
    });
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
    let nodes: Vec<Node> = case["cluster"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|object| object["kind"] == "Node")
        .map(|node| serde_json::from_value(node.clone()).unwrap())
        .collect();
    let known = Known { nodes: Some(&nodes), ..Known::default() };
    let answer = admission::answer_with(&review, settings, &known).unwrap();
    let judged = answer["response"]["allowed"] == false;
    let old = Some(&case["oldObject"]).filter(|old| old.is_object());
    if judged { admission::review_with(&case["object"], old, settings, &known) } else { Verdict::yes() }
}

fn matches(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |beginning| name.starts_with(beginning))
}

fn only_not_supported(verdict: &Verdict) -> bool {
    verdict.errors.iter().all(|error| error.rule.as_deref() == Some(failure::NOT_SUPPORTED.name))
}
