//! What each edit does: the first table of `docs/life-after-creation.md`, row by row.

use super::objects::{
    adapted, adapter, configured, nothing, on_transformers, own, own_on_two, phi, settings, trained, training,
    training_settings,
};
use super::{stage, until_done};
use kaito_core::{Kind, Settings, admission};
use kaito_tests::manifests;
use kaito_tests::stage::{MemoryStage, Stage, condition, state};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const PAGE: &str = include_str!("../../../docs/life-after-creation.md");

/// One line of the first table of the page.
struct Edit {
    /// What is edited, as the page says it.
    what: &'static str,
    /// The Workspace, and what is beside it.
    workspace: fn() -> Value,
    beside: fn() -> Vec<Value>,
    /// What is edited of the Workspace: a merge patch.
    patch: Value,
    /// What is put in place of something beside it.
    instead: Option<Value>,
    /// What the webhook says of it.
    admitted: &'static str,
    /// What happens, where no webhook stands in the way.
    effect: &'static str,
}

const ALLOWED: &str = "allowed";
const REFUSED: &str = "refused";
const ANEW: &str = "the pods are made anew";
const NOTHING: &str = "nothing restarts";
const SERVICE: &str = "the Service follows; nothing restarts";
const AGAIN: &str = "the training runs again";
const UNPLACED: &str = "the pods are made anew, and a condition says why they do not run";
const TOLD: &str = "a condition says why it cannot be; what runs goes on";

fn edits() -> Vec<Edit> {
    let of = |what, workspace, patch, admitted, effect| Edit {
        what,
        workspace,
        beside: nothing,
        patch,
        instead: None,
        admitted,
        effect,
    };
    let annotation = |key: &str, value: &str| json!({"metadata": {"annotations": {key: value}}});
    let inference = |patch: Value| json!({"inference": patch});
    let tuning = |patch: Value| json!({"tuning": patch});
    let resource = |patch: Value| json!({"resource": patch});
    let container = |image: &str| json!([{"name": "server", "image": image, "resources": {"limits": {"nvidia.com/gpu": 1}}, "volumeMounts": [{"name": "shm", "mountPath": "/dev/shm"}]}]);
    vec![
        of("`inference.adapters`: one is added", phi, inference(json!({"adapters": [adapter("tone")]})), ALLOWED, ANEW),
        of("`inference.adapters`: one is taken away", adapted, inference(json!({"adapters": []})), ALLOWED, ANEW),
        of(
            "`inference.adapters`: another image",
            adapted,
            inference(
                json!({"adapters": [{"source": {"name": "law", "image": "registry.example.com/adapters/law:2"}}]}),
            ),
            ALLOWED,
            ANEW,
        ),
        of(
            "`inference.adapters`: one that cannot be",
            adapted,
            inference(json!({"adapters": [{"source": {"name": "law", "image": "no image"}}]})),
            REFUSED,
            TOLD,
        ),
        Edit {
            beside: || vec![settings(2048)],
            ..of("`inference.config`: named later", phi, inference(json!({"config": "settings"})), ALLOWED, ANEW)
        },
        of(
            "`inference.config`: a ConfigMap that does not exist",
            phi,
            inference(json!({"config": "nowhere"})),
            ALLOWED,
            TOLD,
        ),
        Edit {
            beside: || vec![settings(2048)],
            instead: Some(settings(4096)),
            ..of("the content of that ConfigMap", configured, json!({}), ALLOWED, ANEW)
        },
        Edit {
            beside: || vec![settings(2048)],
            instead: Some(settings(131_072)),
            ..of(
                "the content of that ConfigMap: a context that the GPUs have no room for",
                configured,
                json!({}),
                ALLOWED,
                TOLD,
            )
        },
        of(
            "`inference.preset.name`: one that takes more machines",
            phi,
            inference(json!({"preset": {"name": "phi-4"}})),
            REFUSED,
            TOLD,
        ),
        of(
            "`inference.preset.name`",
            phi,
            inference(json!({"preset": {"name": "phi-3.5-mini-instruct"}})),
            REFUSED,
            ANEW,
        ),
        of(
            "`inference.preset.name`: one that does not exist",
            phi,
            inference(json!({"preset": {"name": "phi-99"}})),
            REFUSED,
            TOLD,
        ),
        of(
            "`inference.preset.presetOptions`",
            phi,
            inference(json!({"preset": {"presetOptions": {"modelAccessSecret": "hub"}}})),
            REFUSED,
            ANEW,
        ),
        of(
            "`inference.template`: an image",
            own,
            inference(json!({"template": {"spec": {"containers": container("registry.example.com/llm/server:2")}}})),
            ALLOWED,
            ANEW,
        ),
        of(
            "`inference.template`: a label",
            own,
            inference(json!({"template": {"metadata": {"labels": {"team": "red"}}}})),
            ALLOWED,
            ANEW,
        ),
        of(
            "`inference.template`: one that no pod can be made of",
            own,
            inference(json!({"template": {"spec": {"containers": []}}})),
            REFUSED,
            TOLD,
        ),
        of(
            "annotation `kaito.sh/runtime`",
            || manifests::preset("x", "phi-4", "Standard_NC24ads_A100_v4"),
            annotation("kaito.sh/runtime", "transformers"),
            ALLOWED,
            ANEW,
        ),
        of(
            "annotation `kaito.sh/performance-mode`",
            phi,
            annotation("kaito.sh/performance-mode", "throughput"),
            ALLOWED,
            ANEW,
        ),
        of(
            "annotation `kaito.sh/disable-benchmark`",
            phi,
            annotation("kaito.sh/disable-benchmark", "true"),
            ALLOWED,
            ANEW,
        ),
        of(
            "annotation `kaito.sh/use-local-weights`",
            phi,
            annotation("kaito.sh/use-local-weights", "true"),
            ALLOWED,
            ANEW,
        ),
        of("annotation `kaito.sh/enablelb`", phi, annotation("kaito.sh/enablelb", "True"), ALLOWED, SERVICE),
        of(
            "annotation `kaito.sh/node-image-family`",
            phi,
            annotation("kaito.sh/node-image-family", "azurelinux"),
            ALLOWED,
            NOTHING,
        ),
        of("any other annotation or label", phi, annotation("team", "blue"), ALLOWED, NOTHING),
        of("`resource.count`", || manifests::two_nodes("x"), resource(json!({"count": 3})), REFUSED, NOTHING),
        of("`resource.count`, of a template", own, resource(json!({"count": 3})), REFUSED, NOTHING),
        of("`resource.count`, of a template: fewer", own_on_two, resource(json!({"count": 1})), REFUSED, NOTHING),
        of(
            "`resource.count`, of the transformers runtime",
            on_transformers,
            resource(json!({"count": 3})),
            REFUSED,
            NOTHING,
        ),
        of(
            "`resource.instanceType`",
            phi,
            resource(json!({"instanceType": "Standard_NC24ads_A100_v4"})),
            REFUSED,
            ANEW,
        ),
        of(
            "`resource.labelSelector`",
            phi,
            resource(json!({"labelSelector": {"matchLabels": {"apps": "y"}}})),
            REFUSED,
            UNPLACED,
        ),
        of("`resource.preferredNodes`", phi, resource(json!({"preferredNodes": ["n"]})), ALLOWED, NOTHING),
        of(
            "`tuning.input`",
            training,
            tuning(json!({"input": {"urls": ["https://data.example.com/other.parquet"]}})),
            ALLOWED,
            AGAIN,
        ),
        of(
            "`tuning.output`",
            training,
            tuning(json!({"output": {"volumeSource": {"emptyDir": {"medium": "Memory"}}}})),
            ALLOWED,
            AGAIN,
        ),
        Edit {
            beside: || vec![training_settings(1)],
            ..of("`tuning.config`: named later", training, tuning(json!({"config": "settings"})), ALLOWED, AGAIN)
        },
        Edit {
            beside: || vec![training_settings(1)],
            instead: Some(training_settings(2)),
            ..of("the content of that ConfigMap, of a training", trained, json!({}), ALLOWED, NOTHING)
        },
        of("`tuning.method`", training, tuning(json!({"method": "lora"})), REFUSED, AGAIN),
        of(
            "`tuning.method`: the same in other letters",
            training,
            tuning(json!({"method": "QLoRA"})),
            ALLOWED,
            NOTHING,
        ),
        of(
            "`resource.preferredNodes`, of a training",
            training,
            resource(json!({"preferredNodes": ["n"]})),
            ALLOWED,
            NOTHING,
        ),
        of(
            "`tuning.preset`",
            training,
            tuning(json!({"preset": {"name": "phi-3-mini-128k-instruct"}})),
            REFUSED,
            AGAIN,
        ),
    ]
}

/// What can be seen of a Workspace from outside.
#[derive(PartialEq)]
struct Seen {
    pods: BTreeSet<String>,
    templates: Vec<Value>,
    jobs: BTreeSet<String>,
    services: Vec<Value>,
    machines: BTreeSet<String>,
}

fn seen(stage: &MemoryStage) -> Seen {
    let uids = |kind| stage.list(kind).iter().map(|object| object["metadata"]["uid"].to_string()).collect();
    Seen {
        pods: uids(Kind::Pod),
        templates: stage.list(Kind::StatefulSet).iter().map(|set| set["spec"]["template"].clone()).collect(),
        jobs: uids(Kind::Job),
        services: stage.list(Kind::Service).iter().map(|service| service["spec"].clone()).collect(),
        machines: uids(Kind::NodeClaim),
    }
}

/// What an edit does, in the words of the page.
fn effect(edit: &Edit) -> String {
    let mut stage = stage();
    (edit.beside)().iter().for_each(|object| stage.put(object));
    stage.put(&(edit.workspace)());
    until_done(&mut stage);
    stage.pass_time();
    let before = seen(&stage);
    stage.patch(Kind::Workspace, "x", &edit.patch);
    edit.instead.iter().for_each(|object| stage.put(object));
    stage.pass_time();
    (&mut stage as &mut dyn Stage).expect_quiet();
    let after = seen(&stage);
    let is_done = matches!(state(&stage, "x").as_str(), "Ready" | "Succeeded");
    let is_told = ["ResourceReady", "InferenceReady", "JobStarted"].iter().any(|type_| {
        condition(&stage, "x", type_).is_some_and(|(status, _, words)| status == "False" && words.contains("remedy: "))
    });
    let mut effects = Vec::new();
    if after.machines != before.machines {
        effects.push("machines change");
    }
    if after.jobs != before.jobs {
        effects.push(AGAIN);
    }
    match (after.pods == before.pods, after.templates == before.templates) {
        _ if after.jobs != before.jobs => {}
        (false, false) if is_told && !is_done => effects.push(UNPLACED),
        (false, false) => effects.push(ANEW),
        (false, true) => effects.push("the pods are made anew, as they were"),
        (true, false) => effects.push("the pods are to be made anew, and are not"),
        (true, true) if after.services != before.services => effects.push(SERVICE),
        (true, true) if is_told => effects.push(TOLD),
        (true, true) => effects.push(NOTHING),
    }
    if !is_done && !is_told {
        effects.push("it is not ready, and nothing says why");
    }
    effects.join("; ")
}

#[test]
fn what_an_edit_does_is_what_the_page_says() {
    let edits = edits();
    let mut wrong = Vec::new();
    for edit in &edits {
        let found = format!("| {} | {} | {} |", edit.what, admitted(edit), effect(edit));
        let wanted = format!("| {} | {} | {} |", edit.what, edit.admitted, edit.effect);
        if found != wanted {
            wrong.push(format!("expected {wanted}\n   found {found}"));
        } else if !PAGE.lines().any(|line| line == wanted) {
            wrong.push(format!("the page lacks {wanted}"));
        }
    }
    let rows = PAGE.lines().filter(|line| line.contains("| allowed |") || line.contains("| refused |")).count();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(rows, edits.len(), "the page has rows that nobody tries");
}

/// What the webhook says of an edit.
fn admitted(edit: &Edit) -> &'static str {
    let mut stage = stage();
    stage.put(&(edit.workspace)());
    let old = stage.get(Kind::Workspace, "x").unwrap();
    stage.patch(Kind::Workspace, "x", &edit.patch);
    let new = stage.get(Kind::Workspace, "x").unwrap();
    if admission::review(&new, Some(&old), &Settings::default()).allowed { ALLOWED } else { REFUSED }
}
