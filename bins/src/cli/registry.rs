//! `kaito models` and `kaito skus`: what is known before any cluster is looked at.

use super::Verdict;
use super::args::{Form, Models, Skus};
use super::console::{Console, Defect};
use super::output::{self, Items, Typed};
use super::supported;
use super::table::Table;
use kaito_presets::{GIB, GpuVendor};
use serde::Serialize;

/// A model, told to a program.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Model {
    name: &'static str,
    id: &'static str,
    aliases: &'static [&'static str],
    family: &'static str,
    license: &'static str,
    gated: Option<bool>,
    multimodal: bool,
    weights_bytes: u64,
    kv_bytes_per_token: u64,
    max_model_len: Option<u64>,
    attention: &'static str,
    dtype: &'static str,
    quantization: Option<&'static str>,
    tool_call_parser: Option<&'static str>,
    reasoning_parser: Option<&'static str>,
    tunable: bool,
}

/// A machine size, told to a program.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Sku {
    cloud: &'static str,
    name: &'static str,
    gpu_count: u32,
    gpu_model: &'static str,
    gpu_vendor: &'static str,
    gpu_memory_bytes: u64,
    compute_capability: Option<String>,
    nvme: bool,
    retirement: Option<Retirement>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Retirement {
    date: &'static str,
    replacement: &'static str,
}

/// Prints the models, or one.
pub fn models(args: &Models, console: &mut Console<'_>) -> Result<Verdict, Defect> {
    if args.configmap {
        console.print(&supported::config_map(&args.namespace)?)?;
        return Ok(Verdict::Yes);
    }
    let found: Vec<&'static kaito_presets::Model> = match &args.name {
        None => kaito_presets::models().to_vec(),
        Some(name) => match kaito_presets::model(name) {
            Ok(model) => vec![model],
            Err(unknown) => {
                console.remark(&unknown.to_string());
                return Ok(Verdict::No);
            }
        },
    };
    let mut table = Table::new(&["NAME", "WEIGHTS", "CONTEXT", "ATTENTION", "DTYPE", "LICENSE", "ID"]);
    for model in &found {
        let context = model.token_limit.map(|tokens| tokens.to_string()).unwrap_or_default();
        let dtype = model.quantization.as_ref().map_or(model.dtype, |quantization| &*quantization.method);
        let cells = [
            model.preferred_name(),
            &*model.weights_text,
            &context,
            model.attention.as_str(),
            dtype,
            &*model.license,
            &*model.id,
        ];
        table.row(cells.map(str::to_owned));
    }
    show(
        "Model",
        "ModelList",
        found.into_iter().map(model).collect(),
        &table,
        args.name.is_some(),
        args.output.form,
        console,
    )
}

/// Prints the machine sizes of a cloud, or one.
pub fn skus(args: &Skus, console: &mut Console<'_>) -> Result<Verdict, Defect> {
    let cloud = args.cloud.cloud;
    let found: Vec<&kaito_presets::Sku> = match &args.name {
        None => kaito_presets::skus(cloud).iter().collect(),
        Some(name) => {
            let Some(sku) = kaito_presets::sku(cloud, name) else {
                console.remark(&kaito_core::workspace::unknown_size(cloud, name));
                return Ok(Verdict::No);
            };
            vec![sku]
        }
    };
    let mut table = Table::new(&["NAME", "GPUS", "GPU", "MEMORY EACH", "CAPABILITY", "ENDS"]);
    for sku in &found {
        table.row([
            sku.name.to_owned(),
            sku.gpu_count.to_string(),
            sku.gpu_model.to_owned(),
            format!("{}Gi", sku.gpu_memory_bytes_each() / GIB),
            sku.compute_capability.map(|capability| capability.to_string()).unwrap_or_default(),
            sku.retirement.map_or("", |retirement| retirement.date).to_owned(),
        ]);
    }
    show("Sku", "SkuList", found.into_iter().map(sku).collect(), &table, args.name.is_some(), args.output.form, console)
}

#[expect(clippy::too_many_arguments, reason = "one call for each of the two lists")]
fn show<T: Serialize>(
    kind: &'static str,
    list: &'static str,
    mut items: Vec<T>,
    table: &Table,
    single: bool,
    form: Form,
    console: &mut Console<'_>,
) -> Result<Verdict, Defect> {
    let one = if single { items.pop().map(|item| Typed::new(kind, item)) } else { None };
    let text = match (form, one) {
        (Form::Table, _) => table.render(console.look),
        (Form::Json, Some(item)) => output::json(&item)?,
        (Form::Yaml, Some(item)) => output::yaml(&item)?,
        (Form::Json, None) => output::json(&Typed::new(list, Items { items }))?,
        (Form::Yaml, None) => output::yaml(&Typed::new(list, Items { items }))?,
    };
    console.print(&text)?;
    Ok(Verdict::Yes)
}

fn model(model: &'static kaito_presets::Model) -> Model {
    Model {
        name: model.preferred_name(),
        id: &model.id,
        aliases: model.aliases,
        family: model.family,
        license: &model.license,
        gated: model.gated,
        multimodal: model.multimodal,
        weights_bytes: model.weights_bytes,
        kv_bytes_per_token: model.kv_bytes_per_token,
        max_model_len: model.token_limit,
        attention: model.attention.as_str(),
        dtype: model.dtype,
        quantization: model.quantization.as_ref().map(|quantization| &*quantization.method),
        tool_call_parser: model.tool_call_parser,
        reasoning_parser: model.reasoning_parser,
        tunable: model.tuning.is_some(),
    }
}

fn sku(sku: &kaito_presets::Sku) -> Sku {
    let retirement = |end: kaito_presets::Retirement| Retirement { date: end.date, replacement: end.replacement };
    Sku {
        cloud: sku.cloud.as_str(),
        name: sku.name,
        gpu_count: sku.gpu_count,
        gpu_model: sku.gpu_model,
        gpu_vendor: match sku.gpu_vendor {
            GpuVendor::Nvidia => "nvidia",
            GpuVendor::Amd => "amd",
            GpuVendor::AwsNeuron => "aws-neuron",
        },
        gpu_memory_bytes: sku.gpu_memory_bytes,
        compute_capability: sku.compute_capability.map(|capability| capability.to_string()),
        nvme: sku.nvme,
        retirement: sku.retirement.map(retirement),
    }
}
