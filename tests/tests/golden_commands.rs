//! Node counts, launch commands and environments of every catalogued model on every machine size that the current runtime serves: as the reference computes them.

use k8s_openapi::api::core::v1::{Container, EnvVar};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kaito_core::cloud::Cloud;
use kaito_core::manifest::{self, Layout, Serving, shell_line};
use kaito_core::sizing::{self, Demand};
use kaito_core::workspace::{Engine, Facts, Task};
use kaito_presets::{GpuVendor, ModelRef, images, model, profile_for, sku};
use kaito_tests::shared;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[test]
fn every_model_is_launched_on_every_size_as_the_reference_launches_it() {
    let Some(path) = shared::path("golden/commands.csv") else { return };
    let (mut compared, mut wrong) = (0, Vec::new());
    for row in csv::Reader::from_path(path).unwrap().into_deserialize::<BTreeMap<String, String>>() {
        let row = row.unwrap();
        if !row["error"].is_empty() {
            continue;
        }
        let sizes: Vec<&str> =
            if row["sku"] == "*" { vec!["Standard_NC24ads_A100_v4"] } else { row["sku"].split('|').collect() };
        for size in sizes {
            let Some(facts) = facts(&row, size) else { continue };
            compared += 1;
            let (nodes, command, env) = launched(&facts);
            let same_nodes = row["runtime"] == "transformers" || nodes.to_string() == row["nodes"];
            let wanted: Value = serde_json::from_str(if row["env"].is_empty() { "{}" } else { &row["env"] }).unwrap();
            if !same_nodes || shell_line::words(&command) != shell_line::words(&row["command"]) || env != wanted {
                wrong.push(format!("{} on {size} ({}): {nodes} nodes, reference {}\n  ours   {command}\n  theirs {}\n  {env} / {wanted}", row["model"], row["runtime"], row["nodes"], row["command"]));
            }
        }
    }
    println!("{compared} launches compared with the reference");
    assert!(compared > 1000, "only {compared} launches");
    assert!(wrong.is_empty(), "{} of {compared} differ:\n{}", wrong.len(), wrong[..wrong.len().min(5)].join("\n"));
}

/// What a row is about; `None` where no published image serves the machine.
fn facts(row: &BTreeMap<String, String>, size: &str) -> Option<Facts> {
    let cloud = match row["cloud"].as_str() {
        "aws" => Cloud::Aws,
        "arc" => Cloud::Arc,
        _ => Cloud::Azure,
    };
    let sku = sku(cloud, size).unwrap_or_else(|| panic!("{size} is not known"));
    let capability = sku.compute_capability.filter(|_| sku.gpu_vendor == GpuVendor::Nvidia)?;
    let engine = if row["runtime"] == "vllm" { Engine::Vllm } else { Engine::Transformers };
    let task = Task::Inference { engine };
    Some(Facts {
        model: ModelRef::Catalogue(model(&row["model"]).unwrap()),
        sku,
        capability,
        profile: profile_for(capability)?,
        task,
    })
}

fn launched(facts: &Facts) -> (u32, String, Value) {
    let demand = Demand::of(facts, None);
    let nodes = if facts.engine() == Some(Engine::Vllm) { sizing::estimate(&demand).unwrap().nodes } else { 1 };
    let layout = Layout::choose(facts, nodes, None);
    let serving = Serving {
        name: "ws",
        namespace: "default",
        owner: OwnerReference::default(),
        revision: 1,
        asked_by_annotation: String::new(),
        facts: facts.clone(),
        engine: facts.engine().unwrap(),
        layout,
        pod_labels: BTreeMap::new(),
        node_labels: BTreeMap::new(),
        config: None,
        access_secret: None,
        adapters: Vec::new(),
        served_name: facts.model.short_name.to_string(),
        performance_mode: None,
        benchmark: true,
        max_model_len: sizing::max_model_len(facts.profile, &facts.model, facts.sku, layout.tensor).unwrap(),
        local_weights: None,
        claim_local_disk: false,
        registry: images::DEFAULT_REGISTRY,
        hub: None,
        azure_spot: true,
    };
    let set = manifest::stateful_set(&serving);
    let container: Container = set.spec.unwrap().template.spec.unwrap().containers.remove(0);
    let env: BTreeMap<String, String> = container.env.unwrap_or_default().into_iter().map(variable).collect();
    (nodes, container.command.unwrap().pop().unwrap(), json!(env))
}

fn variable(variable: EnvVar) -> (String, String) {
    let field =
        variable.value_from.and_then(|source| source.field_ref).map(|field| format!("fieldRef:{}", field.field_path));
    (variable.name, variable.value.or(field).unwrap_or_default())
}
