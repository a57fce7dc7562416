//! How many GPUs of a machine may share the layers of a model.

use super::{Demand, estimate};
use crate::workspace::{Engine, Facts};
use kaito_presets::Shape;

/// Whether vLLM shares layers of this shape out over so many GPUs: each takes as many attention heads, and either as many key-value heads or one that as many GPUs hold
/// (`ModelConfig.verify_with_parallel_config`, `QKVParallelLinear`). Latent attention has no key-value heads to share out. What a repository does not tell is no reason against.
pub fn can_share(shape: &Shape, gpus: u32) -> bool {
    let evenly = |heads: u32| heads == 0 || heads.is_multiple_of(gpus.max(1)) || gpus.is_multiple_of(heads);
    let heads = shape.heads.is_multiple_of(gpus.max(1));
    heads && (shape.kv_lora_rank.is_some() || evenly(shape.kv_heads))
}

/// GPUs of a machine that share each layer: all of them where the heads allow it. Else the most that hold the model and leave no GPU over, for as many copies; else the most that may.
pub fn tensor_group(facts: &Facts, context: Option<u32>) -> u32 {
    let gpus = facts.hardware.gpu_count.max(1);
    let shape = &facts.model.shape;
    if facts.engine() != Some(Engine::Vllm) || can_share(shape, gpus) {
        return gpus;
    }
    let holds = |group: u32| estimate(&Demand::of_group(facts, context, group)).is_ok_and(|of| of.nodes == 1);
    let most =
        |allowed: &dyn Fn(u32) -> bool| (1..gpus).rev().find(|group| can_share(shape, *group) && allowed(*group));
    let copies = facts.profile.supports.data_parallel;
    most(&|group| copies && gpus.is_multiple_of(group) && holds(group))
        // Groups that are neither whole parts of the machine nor powers of two, the engine's other dimensions seldom allow.
        .or_else(|| most(&|group| gpus.is_multiple_of(group) || group.is_power_of_two()))
        .unwrap_or(1)
}

/// Why a model is not shared out over all GPUs of a machine; `None` where it is.
pub fn unshared(facts: &Facts, group: u32) -> Option<String> {
    let Shape { heads, kv_heads, .. } = facts.model.shape;
    let gpus = facts.hardware.gpu_count;
    (group < gpus)
        .then(|| format!("{group} of the {gpus} GPUs share its layers, for {heads} attention heads and {kv_heads} key-value heads are not shared out over {gpus}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Layout;
    use crate::workspace::testing::facts;

    #[test]
    fn gpus_share_layers_where_vllm_shares_out_the_heads() {
        let shape = |heads, kv_heads, kv_lora_rank| Shape {
            heads,
            kv_heads,
            kv_lora_rank,
            ..facts("phi-4", "Standard_NC6s_v3").model.shape
        };
        let table: &[(Shape, &[u32])] = &[
            (shape(40, 10, None), &[1, 2, 5, 10, 20, 40]),
            (shape(32, 8, None), &[1, 2, 4, 8, 16, 32]),
            (shape(28, 4, None), &[1, 2, 4, 28]),
            (shape(71, 1, None), &[1, 71]),
            (shape(128, 128, Some(512)), &[1, 2, 4, 8, 16, 32, 64, 128]),
            (shape(12, 5, Some(512)), &[1, 2, 3, 4, 6, 12]),
        ];
        for (shape, expected) in table {
            let fit: Vec<u32> = (1..=128).filter(|gpus| can_share(shape, *gpus)).collect();
            assert_eq!(fit, *expected, "{} and {}", shape.heads, shape.kv_heads);
        }
        assert!(can_share(&shape(0, 0, None), 3), "nothing is known of its heads");
    }

    #[test]
    fn a_model_whose_heads_are_not_shared_out_over_all_gpus_lies_on_fewer_in_several_copies_or_leaves_some_idle() {
        for (model, size, expected) in [
            ("phi-4", "Standard_NC96ads_A100_v4", (4, 1)),
            ("phi-4-mini-instruct", "Standard_NC64as_T4_v3", (1, 4)),
            ("phi-3-medium-4k-instruct", "Standard_NC24s_v3", (1, 2)),
        ] {
            let layout = Layout::choose(&facts(model, size), 1, None);
            assert_eq!((layout.data, layout.tensor), expected, "{model} on {size}");
        }
    }
}
