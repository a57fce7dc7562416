//! Where the reference fails on a manifest, or waits for ever, ours reaches the end that its user wants, or says in words why it cannot: one by one.

use kaito_core::memory::World;
use kaito_core::render;
use kaito_tests::golden;
use serde_json::Value;

/// (manifest, what becomes of it here, words that are said). The manifests of Arc name sizes of Azure, or a placeholder; parts of GPUs are asked for where machines are made; in this world no hub can be reached.
const ENDS: &[(&str, &str, &str)] = &[
    (
        "accelerator-too-many.yaml",
        "ResourceReady PartNotPossible",
        "node byo-a100x4-0 does not do: partition.count (9) exceeds GPUs available on node (4)",
    ),
    ("config-longer-than-gpu.yaml", "ResourceReady ModelDoesNotFit", "KV cache 48.0 GiB"),
    ("hub-id-not-catalogued.yaml", "ResourceReady ModelNotAtHand", "someone/some-model-7b"),
    (
        "inference-phi-3-mini-128k-adapters.yaml",
        "ResourceReady InvalidWorkspace",
        "ACR_REPO_HERE and ADAPTER_HERE are placeholders",
    ),
    ("inference-phi-3-mini-4k.yaml", "Ready", ""),
    (
        "kaito_workspace_accelerator.yaml",
        "ResourceReady InvalidWorkspace",
        "resource.partition: parts of GPUs are given only of",
    ),
    (
        "kaito_workspace_deepseek_r1_distill_qwen_14b.yaml",
        "ResourceReady UnknownInstanceType",
        "it is one of cloud azure",
    ),
    ("kaito_workspace_phi_3.5-instruct.yaml", "ResourceReady UnknownInstanceType", "<your-vm-sku>"),
    ("kaito_workspace_phi_3_medium_128k.yaml", "ResourceReady UnknownInstanceType", "it is one of cloud azure"),
    ("kaito_workspace_phi_3_medium_4k.yaml", "ResourceReady UnknownInstanceType", "<your-vm-sku>"),
    ("kaito_workspace_phi_3_mini_128k.yaml", "ResourceReady UnknownInstanceType", "<your-vm-sku>"),
    ("kaito_workspace_tuning_falcon_7b_mental.yaml", "ResourceReady UnknownPreset", "was removed after v0.10.0"),
    ("kaito_workspace_tuning_falcon_7b_oai.yaml", "ResourceReady UnknownPreset", "was removed after v0.10.0"),
    ("kaito_workspace_tuning_phi_3_with_pvc_volume.yaml", "Succeeded", ""),
    ("name-too-long.yaml", "ResourceReady InvalidWorkspace", "metadata.name: must be at most 52 characters"),
    ("no-node.yaml", "ResourceReady NotEnoughNodes", "no node has the labels gpu=unobtainium"),
    ("node-without-gpu-labels.yaml", "ResourceReady GpuLabelsMissing", "node byo-bare-0 has no label"),
    (
        "not-enough-nodes.yaml",
        "ResourceReady NotEnoughNodes",
        "1 of 5 nodes are ready: no other node has the labels gpu=a10",
    ),
    ("phi4mini-a2.yaml", "Ready", ""),
    ("sku-lower-case.yaml", "Ready", ""),
    ("sku-unknown-t4.yaml", "Ready", ""),
    ("sku-unknown.yaml", "ResourceReady ModelDoesNotFit", "microsoft/phi-4 on Standard_NC4as_T4_v3"),
    ("transformers-unsupported.yaml", "ResourceReady NoRuntimeForGpu", "leave out the annotation kaito.sh/runtime"),
    ("tune-config-absent.yaml", "ResourceReady TuningConfigNotUsable", "ConfigMap not-there does not exist"),
    ("tune-method-capitals.yaml", "Succeeded", ""),
    ("tune-mistral.yaml", "Succeeded", ""),
    ("tune-output-outside.yaml", "ResourceReady TuningConfigNotUsable", "bad-training is for another method"),
    ("tune-untunable.yaml", "ResourceReady ModelNotTunable", "these can: "),
    ("tuning-phi-3-mini-128k-qlora.yaml", "Succeeded", ""),
    ("tuning-phi-3-mini-4k-qlora.yaml", "Succeeded", ""),
];

#[test]
fn every_manifest_that_the_reference_does_not_finish_has_an_end_here() {
    let cases = golden::unfinished();
    if cases.is_empty() {
        return;
    }
    let (mut wrong, mut listed) = (Vec::new(), 0);
    for case in &cases {
        for step in &case.steps {
            let mut world = case.world();
            step.put(&mut world, &case.namespace);
            render::settle(&mut world);
            let (end, words) = end(&world);
            match ENDS.iter().find(|(file, ..)| *file == step.file) {
                Some((_, wanted, mention)) if *wanted == end && words.contains(mention) => listed += 1,
                found => wrong.push(format!("({:?}, {end:?}, {words:?}), // {found:?}", step.file)),
            }
        }
    }
    println!("{listed} manifests that the reference does not finish");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(listed, ENDS.len(), "a row is of no manifest");
}

/// The state of the Workspace, where it is the one that is wanted; else the first condition that does not hold, with its words.
fn end(world: &World) -> (String, String) {
    let root = world.workspaces().remove(0);
    let status = world.cluster().with_store(|store| store.value(&root).cloned()).unwrap()["status"].clone();
    let state = status["state"].as_str().unwrap_or_default();
    if ["Ready", "Succeeded"].contains(&state) {
        return (state.to_owned(), String::new());
    }
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    let of = |type_: &str| conditions.iter().find(|found| found["type"] == type_ && found["status"] == "False");
    let told = ["ResourceReady", "InferenceReady", "JobStarted", "WorkspaceSucceeded"].into_iter().find_map(of);
    let text = |field: &str| told.and_then(|told| told[field].as_str()).unwrap_or_default().to_owned();
    let type_: Value = told.map(|told| told["type"].clone()).unwrap_or_default();
    (format!("{} {}", type_.as_str().unwrap_or_default(), text("reason")), text("message"))
}
