//! Machine sizes, parsers, removed names, architectures, options, settings of trainings.

use std::collections::BTreeMap;
use std::path::Path;

use kaito_presets::GIB;

use super::Files;
use super::data::{self, Parsers, Removed};
use super::rust::{capability, constant, flags, list, module, strings, wrap};

pub fn render(data: &Path, files: &mut Files) -> Result<(), String> {
    skus(&data::read(&data.join("skus.csv"))?, files)?;
    files.insert("parsers.rs".into(), parsers(&data::yaml(&data.join("parsers.yaml"))?));
    files.insert("removed.rs".into(), removed(data::yaml(&data.join("removed.yaml"))?));
    let mut index = String::from("//! Architectures that each release of vLLM knows.\n\n");
    for release in ["vllm-0.8", "vllm-0.25"] {
        let text = data::read(&data.join("architectures").join(format!("{release}.txt")))?;
        let mut names: Vec<String> = text.lines().map(str::to_owned).collect();
        names.sort();
        names.dedup();
        let name = module(release);
        index += &format!("mod {name};\npub(crate) use {name}::{};\n", constant(release));
        let source = format!(
            "//! Architectures that {release} knows, sorted.\n\npub(crate) static {}: &[&str] = {};\n",
            constant(release),
            strings(&names)
        );
        files.insert(format!("architectures/{name}.rs"), source);
    }
    files.insert("architectures/mod.rs".into(), index);
    options(&data.join("options"), files)?;
    training(&data.join("training"), files)
}

/// What the trainer of each image can be told: `Section key takes` a line.
fn training(folder: &Path, files: &mut Files) -> Result<(), String> {
    let mut index = String::from("//! Settings that the trainer of each image knows.\n\n");
    for release in ["trainer-4.51", "trainer-5.14"] {
        let text = data::read(&folder.join(format!("{release}.txt")))?;
        let mut rows = text.lines().map(setting_row).collect::<Result<Vec<_>, _>>()?;
        rows.sort();
        let name = module(release);
        index += &format!("mod {name};\npub(crate) use {name}::{};\n", constant(release));
        let source = format!(
            "//! Settings that the trainer with transformers {} knows, sorted.\n\nuse crate::{{TrainerSetting, TrainerTakes}};\n\n\
             pub(crate) static {}: &[TrainerSetting] = {};\n",
            release.trim_start_matches("trainer-"),
            constant(release),
            list(rows.iter().map(|(section, key, takes)| {
                format!("TrainerSetting {{ section: {section:?}, key: {key:?}, takes: TrainerTakes::{takes} }}")
            }))
        );
        files.insert(format!("training/{name}.rs"), source);
    }
    files.insert("training/mod.rs".into(), index);
    Ok(())
}

fn setting_row(line: &str) -> Result<(&str, &str, String), String> {
    let mut words = line.split(' ');
    let (Some(section), Some(key), Some(takes)) = (words.next(), words.next(), words.next()) else {
        return Err(format!("{line:?} is not `Section key takes`"));
    };
    let choices: Vec<String> = words.map(str::to_owned).collect();
    let takes = match takes {
        "one-of" => format!("OneOf({})", strings(&choices)),
        "some-of" => format!("SomeOf({})", strings(&choices)),
        "any" => "Any".into(),
        "bool" => "Bool".into(),
        "integer" => "Integer".into(),
        "integers" => "Integers".into(),
        "json" => "Json".into(),
        "nothing" => "Nothing".into(),
        "number" => "Number".into(),
        "text" => "Text".into(),
        "texts" => "Texts".into(),
        _ => return Err(format!("{line:?}: {takes} is nothing that a setting takes")),
    };
    if choices.is_empty() == takes.ends_with(')') {
        return Err(format!("{line:?}: words come after one-of and some-of, and after nothing else"));
    }
    Ok((section, key, takes))
}

/// What each release of vLLM can be told: `name takes` a line.
fn options(folder: &Path, files: &mut Files) -> Result<(), String> {
    let mut index = String::from("//! Options that each release of vLLM knows.\n\n");
    for release in ["vllm-0.8", "vllm-0.25"] {
        let text = data::read(&folder.join(format!("{release}.txt")))?;
        let mut rows = text.lines().map(option_row).collect::<Result<Vec<_>, _>>()?;
        rows.sort();
        let name = module(release);
        index += &format!("mod {name};\npub(crate) use {name}::{};\n", constant(release));
        let source = format!(
            "//! Options that {release} knows, sorted.\n\nuse crate::Takes::{{Integer, Nothing, Number, Text}};\nuse crate::VllmOption;\n\n\
             pub(crate) static {}: &[VllmOption] = {};\n",
            constant(release),
            list(rows.iter().map(|(name, takes)| format!("VllmOption {{ name: {name:?}, takes: {takes} }}")))
        );
        files.insert(format!("options/{name}.rs"), source);
    }
    files.insert("options/mod.rs".into(), index);
    Ok(())
}

fn option_row(line: &str) -> Result<(&str, &'static str), String> {
    let (name, takes) = line.split_once(' ').ok_or_else(|| format!("{line:?} is not `name takes`"))?;
    let takes = match takes {
        "nothing" => "Nothing",
        "integer" => "Integer",
        "number" => "Number",
        "text" => "Text",
        _ => return Err(format!("{line:?}: an option takes nothing, integer, number or text")),
    };
    Ok((name, takes))
}

fn removed(mut presets: Vec<Removed>) -> String {
    presets.sort_by(|a, b| a.name.cmp(&b.name));
    let rows = presets.iter().map(|preset| {
        format!(
            "Removed {{ name: {:?}, first_release: {:?}, last_release: {:?}, replacement: {:?} }}",
            preset.name, preset.first_release, preset.last_release, preset.replacement
        )
    });
    format!(
        "//! Names that once were presets.\n\nuse crate::Removed;\n\npub(crate) static REMOVED: &[Removed] = {};\n",
        list(rows)
    )
}

fn parsers(tables: &Parsers) -> String {
    let mut out = String::from(
        "//! Parsers, templates and flags by name prefix and by architecture; sorted.\n\nuse crate::Flag;\n\n",
    );
    for (name, table) in [
        ("TOOL_CALL_PARSER_BY_PREFIX", &tables.tool_call_parser_by_prefix),
        ("TOOL_CALL_PARSER_BY_ARCHITECTURE", &tables.tool_call_parser_by_architecture),
        ("REASONING_PARSER_BY_PREFIX", &tables.reasoning_parser_by_prefix),
        ("REASONING_PARSER_BY_ARCHITECTURE", &tables.reasoning_parser_by_architecture),
        ("CHAT_TEMPLATE_BY_PREFIX", &tables.chat_template_by_prefix),
        ("TOKENIZER_MODE_BY_PREFIX", &tables.tokenizer_mode_by_prefix),
        ("ARCHITECTURE_BY_PREFIX", &tables.architecture_by_prefix),
    ] {
        let rows = list(table.iter().map(|pair| format!("{pair:?}")));
        out += &format!("pub(crate) static {name}: &[(&str, &str)] = {rows};\n\n");
    }
    let rows =
        list(tables.vllm_flags_by_prefix.iter().map(|(prefix, texts)| format!("({prefix:?}, {})", flags(texts))));
    out += &format!("pub(crate) static VLLM_FLAGS_BY_PREFIX: &[(&str, &[Flag])] = {rows};\n\n");
    for (name, items) in [
        ("NO_REASONING_PARSER", &tables.no_reasoning_parser),
        ("HYBRID_KV", &tables.hybrid_kv),
        ("NO_KV_OFFLOAD", &tables.no_kv_offload),
        ("DEEPGEMM", &tables.deepgemm),
        ("FLASHINFER_NVCC", &tables.flashinfer_nvcc),
    ] {
        let mut items = items.clone();
        items.sort();
        out += &format!("pub(crate) static {name}: &[&str] = {};\n\n", strings(&items));
    }
    out
}

/// One file a cloud, in the order of the enum, each sorted by name, case aside.
fn skus(csv: &str, files: &mut Files) -> Result<(), String> {
    let mut lines = csv.lines();
    if lines.next() != Some(SKU_COLUMNS) {
        return Err(format!("skus.csv: the columns should be {SKU_COLUMNS}"));
    }
    let mut clouds: BTreeMap<&str, BTreeMap<String, String>> = BTreeMap::new();
    for line in lines {
        let (cloud, rest) = line.split_once(',').unwrap_or((line, ""));
        let (name, row) = sku(cloud, rest).map_err(|why| format!("skus.csv: {line}: {why}"))?;
        if clouds.entry(cloud).or_default().insert(name, row).is_some() {
            return Err(format!("skus.csv: {line}: twice"));
        }
    }
    let mut index = String::from("//! Machine sizes, one file a cloud.\n\n");
    for (cloud, rows) in &clouds {
        index += &format!("pub(crate) mod {cloud};\n");
        let uses = if rows.values().any(|row| row.contains("Retirement {")) { "Retirement, Sku" } else { "Sku" };
        let source = format!(
            "//! Machine sizes of {cloud}, sorted by name, case aside.\n\n\
             use crate::{{Cloud, ComputeCapability, GpuVendor, {uses}}};\n\n\
             pub(crate) static SKUS: &[Sku] = {};\n",
            list(rows.values())
        );
        files.insert(format!("skus/{cloud}.rs"), source);
    }
    files.insert("skus/mod.rs".into(), index);
    Ok(())
}

const SKU_COLUMNS: &str =
    "cloud,name,gpu_count,gib_per_gpu,gpu_model,nvme,compute_capability,visible_gib_per_gpu,retired,replacement";

fn sku(cloud: &str, rest: &str) -> Result<(String, String), String> {
    let columns: Vec<&str> = rest.split(',').collect();
    let [name, count, gib, model, nvme, compute, visible, date, replacement] = columns[..] else {
        return Err("needs ten columns".into());
    };
    let number = |text: &str| text.parse::<u64>().map_err(|_| format!("{text:?} is not a number"));
    let cloud = match cloud {
        "azure" => "Azure",
        "aws" => "Aws",
        "arc" => "Arc",
        _ => return Err(format!("no cloud {cloud:?}")),
    };
    let vendor = match model.split(' ').next() {
        Some("NVIDIA") => "Nvidia",
        Some("AMD") => "Amd",
        Some("AWS") => "AwsNeuron",
        _ => return Err(format!("whose GPU is {model:?}?")),
    };
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let compute = text(compute).map(|text| capability(&text)).transpose()?;
    let visible = text(visible).map(|text| tenths(&text).map(|tenths| tenths * GIB / 10)).transpose()?;
    let retirement = text(date).map(|date| format!("Retirement {{ date: {date:?}, replacement: {replacement:?} }}"));
    let row = format!(
        "Sku {{ cloud: Cloud::{cloud}, name: {name:?}, gpu_count: {}, gpu_memory_bytes: {}, gpu_model: {model:?}, \
         gpu_vendor: GpuVendor::{vendor}, compute_capability: {}, nvme: {nvme}, \
         visible_bytes_per_gpu: {}, retirement: {} }}",
        number(count)?,
        number(count)? * number(gib)? * GIB,
        wrap(compute),
        wrap(visible),
        wrap(retirement),
    );
    Ok((name.to_ascii_lowercase(), row))
}

/// Tenths in `15.8`.
fn tenths(text: &str) -> Result<u64, String> {
    let digits: String = text.split_once('.').map(|(whole, tenth)| format!("{whole}{tenth}")).unwrap_or_default();
    digits.parse().map_err(|_| format!("{text:?} is not a number with one decimal"))
}
