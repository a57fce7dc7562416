//! The groups of GPUs that the user sizes, and the operator's where the user says nothing, against the GPUs that there are.

use super::options::known;
use super::{Finding, Setting};
use crate::manifest::Layout;
use crate::sizing;
use crate::units::Bytes;
use crate::workspace::Facts;

const TENSOR: &str = "tensor-parallel-size";
const MEMORY: &str = "gpu-memory-utilization";

/// Settings with which the server holds other weights than are counted here, holds some of them elsewhere, or minds no share of the memory.
const OTHER_WEIGHTS: [&str; 10] = [
    "cpu-offload-gb",
    "enable-expert-parallel",
    "hf-overrides",
    "kv-cache-memory-bytes",
    "load-format",
    "model",
    "offload-backend",
    "offload-group-size",
    "offload-params",
    "quantization",
];

/// One group, as it will be.
struct Group<'a> {
    option: &'static str,
    size: u64,
    /// Where the user says so.
    said: Option<&'a Setting>,
}

/// Why the GPUs of a layout do not suffice for what the settings ask for, if they do not.
pub(super) fn beyond(settings: &[Setting], layout: &Layout, facts: &Facts) -> Option<Finding> {
    let group = |(option, ours): (&'static str, u32)| {
        let said = last(settings, option, facts);
        let said = said.and_then(|setting| Some((setting, setting.text().parse::<u64>().ok()?)));
        let (said, size) = said.unzip();
        Group { option, size: size.unwrap_or(u64::from(ours)), said }
    };
    let groups =
        [(TENSOR, layout.tensor), ("pipeline-parallel-size", layout.pipeline), ("data-parallel-size", layout.data)]
            .map(group);
    beyond_heads(&groups[0], facts)
        .or_else(|| beyond_count(&groups, layout, facts))
        .or_else(|| beyond_memory(&groups[..2], settings, facts))
}

/// The last of the settings that gives an option, as the server reads it.
fn last<'a>(settings: &'a [Setting], option: &str, facts: &Facts) -> Option<&'a Setting> {
    settings.iter().rfind(|setting| known(&setting.name(), facts).is_some_and(|known| known.name == option))
}

/// A group that the heads of the model are not shared out over: the server ends with an assertion.
fn beyond_heads(tensor: &Group<'_>, facts: &Facts) -> Option<Finding> {
    let group = u32::try_from(tensor.size).ok()?;
    let setting = tensor.said.filter(|_| !sizing::can_share(&facts.model.shape, group))?;
    Some(setting.finding(unshared(facts, group)))
}

/// More GPUs than there are.
fn beyond_count(groups: &[Group<'_>], layout: &Layout, facts: &Facts) -> Option<Finding> {
    let needed = groups.iter().fold(1_u64, |all, group| all.saturating_mul(group.size));
    let there = u64::from(layout.nodes.max(1)) * u64::from(layout.gpus_per_node.max(1));
    let setting = groups.iter().find_map(|group| group.said).filter(|_| needed > there)?;
    let factor = |group: &Group<'_>| {
        format!("{} {}{}", group.option, group.size, if group.said.is_some() { "" } else { " (the operator's)" })
    };
    let factors: Vec<String> = groups.iter().filter(|group| group.size > 1).map(factor).collect();
    Some(setting.finding(format!(
        "asks for {needed} GPUs ({}); {there} on {} of {}",
        factors.join(" × "),
        if layout.nodes > 1 { format!("{} machines", layout.nodes) } else { "1 machine".to_owned() },
        facts.hardware.name
    )))
}

/// A copy on so few GPUs, or in so small a share of each, that its weights alone find no room: the server ends while it loads them. What the operator chooses itself is sized with more than the weights.
fn beyond_memory(copy: &[Group<'_>], settings: &[Setting], facts: &Facts) -> Option<Finding> {
    let share = last(settings, MEMORY, facts);
    let setting = copy.iter().find_map(|group| group.said).or(share)?;
    if OTHER_WEIGHTS.iter().any(|option| last(settings, option, facts).is_some()) {
        return None;
    }
    let told = share.and_then(|share| share.text().parse::<f64>().ok());
    let hundredths = f64::from(sizing::gpu_memory_hundredths(facts.profile, &facts.hardware));
    let share = told.unwrap_or(hundredths / 100.0);
    let gpus = copy.iter().fold(1_u64, |all, group| all.saturating_mul(group.size)).max(1);
    let (weights, memory) = (facts.model.weights_bytes / gpus, facts.hardware.gpu_memory_bytes_each());
    let usable = sizing::part(memory, share);
    let place = if gpus == 1 { "the GPU that holds".to_owned() } else { format!("each of the {gpus} GPUs that hold") };
    (weights > usable).then(|| {
        setting.finding(format!(
            "leaves {} for {} of weights on {place} a copy of {} ({share} of {})",
            Bytes(usable),
            Bytes(weights),
            facts.model.id,
            Bytes(memory)
        ))
    })
}

/// Why GPUs cannot share the layers of a model, and how many can.
fn unshared(facts: &Facts, group: u32) -> String {
    let shape = &facts.model.shape;
    let fit: Vec<String> = (1..=facts.hardware.gpu_count.max(1))
        .filter(|group| sizing::can_share(shape, *group))
        .map(|group| group.to_string())
        .collect();
    format!(
        "is {group}, and {group} GPUs cannot share the {} attention heads and {} key-value heads of {}; expected one of {}",
        shape.heads,
        shape.kv_heads,
        facts.model.id,
        fit.join(", ")
    )
}
