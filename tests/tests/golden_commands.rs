//! Node counts, launch commands and environments of every catalogued model on every machine size that the current runtime serves: as the reference computes them.

use k8s_openapi::api::core::v1::{Container, EnvVar};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kaito_api::vocabulary::annotations;
use kaito_core::failure::{self, Failure};
use kaito_core::manifest::{self, Layout, Placement, Serving, shell_line};
use kaito_core::sizing::{self, Demand};
use kaito_core::workspace::{Engine, Facts, Looked, resolve};
use kaito_presets::{GpuVendor, Model, ModelRef, Sku, images, model, profile_for, sku};
use kaito_tests::golden::{self, Launch};
use kaito_tests::manifests;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[test]
fn every_model_is_launched_on_every_size_as_the_reference_launches_it() {
    let Some(rows) = golden::launches("commands.csv") else { return };
    let (mut tally, mut wrong) = (BTreeMap::new(), Vec::new());
    for row in rows {
        for size in row.sizes() {
            let (kind, difference) = compared(&row, size);
            *tally.entry(kind).or_insert(0) += 1;
            wrong.extend(
                difference.map(|difference| {
                    format!("{} on {size} ({}): {difference}", row.text("model"), row.text("runtime"))
                }),
            );
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong[..wrong.len().min(5)].join("\n"));
    let wanted = [
        ("launched", 1624),
        ("launched with the weights counted once", 23),
        ("launched on fewer GPUs: the heads are not shared out over all", 16),
        ("refused, as the reference does: no code for Transformers", 27),
        ("refused: not of NVIDIA", 560),
        ("refused: the kernels of the model begin at newer GPUs", 70),
    ];
    assert_eq!(tally, BTreeMap::from(wanted));
}

/// What becomes of a model on a machine, and how that differs from the reference.
fn compared(row: &Launch, size: &str) -> (&'static str, Option<String>) {
    let settings = row.settings();
    let machine = sku(settings.cloud, size).unwrap_or_else(|| panic!("{size} is not known"));
    let is_refused = |failure: Failure| {
        let words = (*failure.reason != failure::NO_RUNTIME).then(|| failure.message());
        words.map(|words| format!("refused for another reason: {words}"))
    };
    match (found(row, size), row.text("error").is_empty()) {
        (Err(failure), true) if machine.gpu_vendor != GpuVendor::Nvidia => {
            ("refused: not of NVIDIA", is_refused(failure))
        }
        (Err(failure), true) if lacks_kernels(row, machine) => {
            ("refused: the kernels of the model begin at newer GPUs", is_refused(failure))
        }
        (Err(failure), true) => ("refused", Some(failure.message())),
        (Err(failure), false) => ("refused, as the reference does: no code for Transformers", is_refused(failure)),
        (Ok(_), false) => ("launched", Some("the reference refuses it".to_owned())),
        (Ok(facts), true) => {
            let (kind, layout) = laid(&facts);
            match (launch_differs(row, &facts, layout), counted_twice(&facts)) {
                (Some(_), Some(facts)) => {
                    ("launched with the weights counted once", launch_differs(row, &facts, laid(&facts).1))
                }
                (difference, _) => (kind, difference),
            }
        }
    }
}

fn lacks_kernels(row: &Launch, machine: &Sku) -> bool {
    let (Ok(model), Some(capability)) = (model(row.text("model")), machine.compute_capability) else { return false };
    let first = model.architectures.iter().filter_map(|name| profile_for(capability)?.first_capability(name));
    first.into_iter().any(|first| capability < first)
}

fn found(row: &Launch, size: &str) -> Result<Facts, Failure> {
    let mut manifest = manifests::preset("ws", row.text("model"), size);
    manifest["metadata"]["annotations"] = json!({annotations::RUNTIME: row.text("runtime")});
    let (_, workspace) = kaito_api::workspace::decode(manifest).unwrap();
    resolve(&workspace, &row.settings(), &Looked::default()).map(|subject| subject.model().expect("a model").clone())
}

/// How the reference lays a model over its machines, which is how it is laid here, but where the engine would end: ten key-value heads, say, are not shared out over four GPUs.
fn laid(facts: &Facts) -> (&'static str, Option<Layout>) {
    let gpus = facts.hardware.gpu_count;
    let ours = Layout::choose(facts, 1, None);
    if ours.tensor > 1 && !sizing::can_share(&facts.model.shape, gpus) {
        (
            "launched on fewer GPUs: the heads are not shared out over all",
            Some(Layout { data: 1, tensor: gpus, ..ours }),
        )
    } else {
        ("launched", None)
    }
}

/// A model as the reference counts it where its repository holds the weights once more in its maker's own format; `None` of one that does not.
fn counted_twice(facts: &Facts) -> Option<Facts> {
    let weights_bytes = (facts.model.family == "gpt-oss").then_some(facts.model.weights_bytes * 2)?;
    let model = Model { weights_bytes, ..Model::clone(&facts.model) };
    Some(Facts { model: ModelRef::Hub(model.into()), ..facts.clone() })
}

fn launch_differs(row: &Launch, facts: &Facts, of_theirs: Option<Layout>) -> Option<String> {
    let (nodes, command, env) = launched(facts, of_theirs);
    let same_nodes = row.text("runtime") == "transformers" || nodes.to_string() == row.text("nodes");
    let wanted = row.environment();
    let same_command = shell_line::words(&command) == shell_line::words(row.text("command"));
    (!same_nodes || !same_command || env != wanted).then(|| {
        let (theirs, command_of_theirs) = (row.text("nodes"), row.text("command"));
        format!(
            "{nodes} nodes, reference {theirs}\n  ours   {command}\n  theirs {command_of_theirs}\n  {env} / {wanted}"
        )
    })
}

fn launched(facts: &Facts, layout: Option<Layout>) -> (u32, String, Value) {
    let demand = Demand::of(facts, None);
    let nodes = if facts.engine() == Some(Engine::Vllm) { sizing::estimate(&demand).unwrap().nodes } else { 1 };
    let layout = layout.unwrap_or_else(|| Layout::choose(facts, nodes, None));
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
        placement: Placement::default(),
        config: None,
        access_secret: None,
        adapters: Vec::new(),
        served_name: facts.model.short_name.to_string(),
        performance_mode: None,
        benchmark: true,
        max_model_len: sizing::max_model_len(facts.profile, &facts.model, &facts.hardware, layout.tensor).unwrap(),
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
