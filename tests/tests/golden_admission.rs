//! What the reference's webhook answered about a Workspace is what we answer, allowed or denied; differences are listed with a reason.
//!
//! Left out: lines that the reference's own notes call wrong (`reference_bug`), modes that this version does not run in, and what it answers with "not supported yet".

use kaito_core::admission::{self, Verdict};
use kaito_core::cloud::Cloud;
use kaito_core::gates::Gates;
use kaito_core::{Settings, failure};
use kaito_tests::allowed::Rows;
use kaito_tests::shared;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const CONFIG_MAP: &str = "the settings of a training lie in a ConfigMap, which no cluster shows here; the controller refuses them (TuningConfigNotUsable) before a machine is paid for";
const TRAINERS_OWN: &str =
    "the trainer reads its settings itself: what no part of the pod depends on is not judged, neither here nor later";
const METHOD: &str = "no cluster shows the ConfigMap here; settings for another method are refused by the controller, before a machine is paid for";
const BESIDE_TEMPLATE: &str = "a template mounts its own settings: a ConfigMap that is named beside it, or by default, is never looked at, here nor later; that it is unused is said";

/// Where we differ on purpose: (case, or its beginning with `*`; what we say; reason).
const DIFFERENCES: &[(&str, bool, &str)] = &[
    ("ws-sku-aws-p3-2xlarge", true, "V100 sizes are known and served (Δ2)"),
    ("ws-sku-v100-tf", false, "the memory of V100 sizes is known, and these weights do not fit (Δ2)"),
    ("ws-sku-aws-trn1-2xlarge", false, "no published image serves Trainium: said before a machine is paid for"),
    (
        "ws-ic-*",
        true,
        "needs the ConfigMap, which no cluster shows here; the controller says it before a machine is paid for",
    ),
    ("ws-mem-vllm-r1-a10", false, "39 machines where one is asked for: bought only when resource.count says so"),
    ("ws-inf-template-config", true, BESIDE_TEMPLATE),
    ("a1-cfg-default-missing", true, BESIDE_TEMPLATE),
    ("a1-cfg-norelease", true, BESIDE_TEMPLATE),
    ("a1-cfg-nokey", true, BESIDE_TEMPLATE),
    ("a1-cfg-notyaml", true, BESIDE_TEMPLATE),
    ("ws-up-badname", true, "a name cannot change: refusing updates would only keep the finalizer on"),
    (
        "ws-up-count-null-*",
        false,
        "posted as written: on a cluster the count is defaulted on both sides before it comes here",
    ),
    ("ws-up-ad-s-under", false, "a strength is a decimal; what only Go reads as a number is refused at every place"),
    ("ws-unk-status", true, "the status is no business of a manifest; the API server drops it"),
    ("ws-up-unk-old", true, "the older object is compared with, not judged"),
    (
        "ws-api-unknown-pruned",
        false,
        "through the API server the field is gone before; in a file it is a mistake that is told",
    ),
    ("a1w-a10", true, "with vLLM the number of nodes is computed from the model, in both versions"),
    ("a1w-tf-a10x2", false, "W-31 in both versions: the transformers runtime loads the whole model on each node"),
    (
        "ws-strength-vllm-0",
        true,
        "vLLM is asked for by default only: the transformers runtime honours the strength, and serves (Δ3)",
    ),
    ("ws-strength-vllm-0p5", true, "as above"),
    ("ws-adapters-one-strength", true, "as above"),
    (
        "seed-tuning-phi-3-mini-4k-qlora-filled",
        false,
        "the placeholder for the push secret is still there: no Secret can have that name (Δ10)",
    ),
    ("seed-tuning-phi-3-mini-128k-qlora-filled", false, "as above"),
    ("example-fine-tuning-kaito-workspace-tuning-phi-3-filled", false, "as above"),
    ("tu-notmpl", true, CONFIG_MAP),
    ("a1-tu-notmpl", true, CONFIG_MAP),
    ("tu-tc-missing", true, CONFIG_MAP),
    ("tu-tc-nokey", true, CONFIG_MAP),
    ("tu-tc-otherns", true, CONFIG_MAP),
    ("tu-tc-notyaml", true, CONFIG_MAP),
    ("tu-tc-emptydoc", true, CONFIG_MAP),
    ("tu-tc-notc", true, CONFIG_MAP),
    ("tu-tc-tcnull", true, CONFIG_MAP),
    ("tu-tc-tcstr", true, CONFIG_MAP),
    ("tu-tc-tastr", true, CONFIG_MAP),
    ("tu-tc-talist", true, CONFIG_MAP),
    ("tu-tc-qlist", true, CONFIG_MAP),
    ("tu-tc-multi2", true, CONFIG_MAP),
    ("tu-od-dotdot", true, CONFIG_MAP),
    ("tu-od-up", true, CONFIG_MAP),
    ("tu-od-num", true, CONFIG_MAP),
    ("tu-od-bool", true, CONFIG_MAP),
    ("tu-od-list", true, CONFIG_MAP),
    ("a1-tu-od", true, CONFIG_MAP),
    (
        "tu-norelease",
        true,
        "the namespace of the release is a setting that always has a value; whether the template is there, the controller says",
    ),
    (
        "a1-tu-norelease",
        true,
        "the namespace of the release is a setting that always has a value; whether the template is there, the controller says",
    ),
    ("tu-tc-unknown", true, TRAINERS_OWN),
    ("a1-tu-unknown-section", true, TRAINERS_OWN),
    ("tu-tc-intkey", true, TRAINERS_OWN),
    ("tu-tc-both", true, TRAINERS_OWN),
    ("tu-tc-int8", true, TRAINERS_OWN),
    ("tu-tc-lora4", true, METHOD),
    ("tu-tc-lora8", true, METHOD),
    ("tu-tc-caps-method-lora4", true, METHOD),
    ("tu-tc-qlora-false", true, METHOD),
    ("tu-tc-qlora-emptyq", true, METHOD),
    ("a1-up-inst-empty", true, "posted as written: on a cluster v1alpha1 fills in its default, here the old value"),
];

#[test]
fn what_the_reference_admits_is_what_we_admit() {
    let Some(path) = shared::path("golden/admission/workspace.jsonl") else { return };
    let text = std::fs::read_to_string(path).unwrap();
    let mut tally: BTreeMap<&str, u32> = BTreeMap::new();
    let (mut wrong, mut meant) = (Vec::new(), Rows::of(DIFFERENCES));
    for line in text.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let name = case["id"].as_str().unwrap();
        let Some(settings) = settings(&case["mode"]) else {
            *tally.entry("other modes").or_default() += 1;
            continue;
        };
        let verdict = verdict(&case, &settings);
        let (ours, theirs) = (verdict.allowed, case["allowed"].as_bool().unwrap());
        assert_eq!(ours, verdict.errors.is_empty() && verdict.message.is_empty(), "{name}");
        let kind = match ours == theirs {
            _ if case.get("reference_bug").is_some() => "wrong in the reference",
            true => "equal",
            false if meant.allow(|(pattern, says, _)| matches(pattern, name) && *says == ours) => {
                "different on purpose"
            }
            false if !ours && case.get("schema_rejects").is_some() => "refused by the definition",
            false if !ours && only_not_supported(&verdict) => "not supported yet",
            false => {
                wrong.push(format!(
                    "{name} {} {}: ours {ours} {:?}, theirs {:?}",
                    case["rules"], case["apiVersion"], verdict.message, case["message"]
                ));
                "wrong"
            }
        };
        *tally.entry(kind).or_default() += 1;
    }
    println!("{tally:?}");
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
    assert!(tally["equal"] >= 200, "{tally:?}");
    meant.expect_needed();
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

/// The cases that the reference answers from a ConfigMap, with that very ConfigMap beside the Workspace.
#[test]
fn what_the_reference_says_of_settings_of_the_runtime_is_what_we_say() {
    let Some(path) = shared::path("golden/admission/workspace.jsonl") else { return };
    let text = std::fs::read_to_string(path).unwrap();
    let (mut wrong, mut meant, mut equal) = (Vec::new(), Rows::of(SETTINGS), 0);
    for line in text.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let name = case["id"].as_str().unwrap();
        let named = |config: &&Value| {
            config["kind"] == "ConfigMap"
                && config["metadata"]["name"] == case["object"]["inference"]["config"]
                && config["metadata"]["namespace"] == case["object"]["metadata"]["namespace"]
        };
        let config = case["cluster"].as_array().into_iter().flatten().find(named);
        let (Some(config), Some(settings)) = (config, settings(&case["mode"])) else { continue };
        if !name.starts_with("ws-ic-") || case.get("reference_bug").is_some() {
            continue;
        }
        let beside = admission::runtime_settings(&case["object"], config, &settings, &|_| Default::default());
        let ours = verdict(&case, &settings).allowed && beside.as_ref().is_none_or(|verdict| verdict.allowed);
        if ours == case["allowed"].as_bool().unwrap() {
            equal += 1;
        } else if !meant.allow(|(id, says, _)| *id == name && *says == ours) {
            wrong.push(format!("{name}: ours {ours} {beside:?}, theirs {:?}", case["message"]));
        }
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
    assert!(equal >= 15, "{equal} are equal");
    meant.expect_needed();
}

/// The settings of a mode, if this version runs in it.
fn settings(mode: &Value) -> Option<Settings> {
    if mode["provisioner"] != "azure-gpu-provisioner" {
        return None;
    }
    let cloud = Cloud::ALL.into_iter().find(|cloud| mode["cloud"] == cloud.as_str())?;
    // Gates of other kinds change nothing for a Workspace.
    let others = ["enableMultiRoleInferenceController", "ModelMirror"];
    let gates = mode["gates"].as_object().into_iter().flatten().filter(|(name, _)| !others.contains(&name.as_str()));
    let text: Vec<String> = gates.map(|(name, on)| format!("{name}={on}")).collect();
    Some(Settings { cloud, gates: Gates::parse(&text.join(",")).ok()?, ..Settings::default() })
}

/// What we answer to the very request.
fn verdict(case: &Value, settings: &Settings) -> Verdict {
    let request = json!({
        "uid": "u", "operation": case["operation"], "object": case["object"], "oldObject": case["oldObject"],
        "subResource": case["subResource"],
    });
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
    let answer = admission::answer(&review, settings).unwrap();
    let judged = answer["response"]["allowed"] == false;
    let old = Some(&case["oldObject"]).filter(|old| old.is_object());
    if judged { admission::review(&case["object"], old, settings) } else { Verdict::yes() }
}

fn matches(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |beginning| name.starts_with(beginning))
}

fn only_not_supported(verdict: &Verdict) -> bool {
    verdict.errors.iter().all(|error| error.rule.as_deref() == Some(failure::NOT_SUPPORTED.name))
}
