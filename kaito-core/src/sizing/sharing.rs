//! How many GPUs of a machine may share the layers of a model.

use super::{Demand, estimate};
use crate::workspace::{Engine, Facts};
use kaito_presets::Shape;

/// Whether vLLM shares layers of this shape out over so many GPUs: each takes as many attention heads, and either as many key-value heads or one that as many GPUs hold
/// (`ModelConfig.verify_with_parallel_config`, `QKVParallelLinear`). Latent attention has no key-value heads to share out. What a repository does not tell is no reason against.
pub fn can_share(shape: &Shape, gpus: u32) -> bool {
    let gpus = gpus.max(1);
    let evenly = |heads: u32| heads == 0 || heads.is_multiple_of(gpus) || gpus.is_multiple_of(heads);
    shape.heads.is_multiple_of(gpus) && (shape.kv_lora_rank.is_some() || evenly(shape.kv_heads))
}

/// How one copy of a model lies on a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spread {
    /// GPUs that share each layer.
    pub tensor: u32,
    /// Groups of them, one after the other, that share the layers.
    pub stages: u32,
}

impl Spread {
    /// GPUs that hold a copy together.
    pub fn gpus(self) -> u32 {
        self.tensor * self.stages
    }

    /// Over all GPUs of a machine: they share each layer where the heads allow it, else as many as may while the fewest are left over.
    pub fn of_machine(facts: &Facts) -> Self {
        let gpus = facts.hardware.gpu_count.max(1);
        let shape = &facts.model.shape;
        let may = |tensor: &u32| is_usual(*tensor, gpus) && can_share(shape, *tensor);
        if facts.engine() != Some(Engine::Vllm) || can_share(shape, gpus) {
            return Self { tensor: gpus, stages: 1 };
        }
        let all = (1..gpus).filter(may).map(|tensor| Self { tensor, stages: gpus / tensor });
        all.max_by_key(|spread| (spread.gpus(), spread.tensor)).unwrap_or(Self { tensor: 1, stages: gpus })
    }

    /// Over the most GPUs that may share its layers, hold it, and leave none over for as many copies more; `None` where there are none.
    pub fn of_copy(facts: &Facts, context: Option<u32>) -> Option<Self> {
        let gpus = facts.hardware.gpu_count.max(1);
        let holds = |tensor: u32| estimate(&Demand::of_group(facts, context, tensor)).is_ok_and(|of| of.nodes == 1);
        let may = |tensor: &u32| gpus.is_multiple_of(*tensor) && can_share(&facts.model.shape, *tensor);
        (1..gpus).rev().filter(may).find(|tensor| holds(*tensor)).map(|tensor| Self { tensor, stages: 1 })
    }
}

/// Groups that are neither whole parts of a machine nor powers of two, the other sizes of a model seldom allow.
fn is_usual(tensor: u32, gpus: u32) -> bool {
    gpus.is_multiple_of(tensor) || tensor.is_power_of_two()
}

/// Why not all GPUs of a machine share each layer; `None` where they do.
pub fn unshared(facts: &Facts, spread: Spread) -> Option<String> {
    let Shape { heads, kv_heads, .. } = facts.model.shape;
    let (gpus, tensor) = (facts.hardware.gpu_count, spread.tensor);
    (tensor < gpus).then(|| {
        format!("each layer is shared by {tensor} of the {gpus} GPUs, for {heads} attention heads and {kv_heads} key-value heads are not shared out over {gpus}")
    })
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
    fn a_model_whose_heads_are_not_shared_out_over_all_gpus_lies_on_them_in_several_copies_or_one_part_after_the_other()
    {
        for (model, size, nodes, context, expected) in [
            ("phi-4", "Standard_NC96ads_A100_v4", 1, None, (4, 1, 1)),
            ("phi-4", "Standard_NC64as_T4_v3", 1, None, (1, 2, 2)),
            ("phi-3-medium-4k-instruct", "Standard_ND96asr_A100_v4", 1, None, (4, 2, 1)),
            ("phi-3-medium-4k-instruct", "Standard_ND96asr_A100_v4", 1, Some(400_000), (1, 2, 4)),
            ("phi-3-medium-4k-instruct", "Standard_ND96asr_A100_v4", 2, None, (1, 2, 8)),
            ("llama-3.3-70b-instruct", "Standard_ND96asr_A100_v4", 1, None, (1, 8, 1)),
        ] {
            let layout = Layout::choose(&facts(model, size), nodes, context);
            let found = (layout.data, layout.tensor, layout.pipeline);
            assert_eq!(found, expected, "{model} on {nodes} × {size}");
            assert_eq!(
                layout.data * layout.tensor * layout.pipeline,
                nodes * layout.gpus_per_node,
                "none is left over"
            );
        }
    }

    #[test]
    fn of_six_gpus_all_are_used_by_parts_that_the_heads_allow() {
        let mut six = facts("llama-3.3-70b-instruct", "Standard_ND96asr_A100_v4");
        six.hardware.gpu_count = 6;
        assert_eq!(Spread::of_machine(&six), Spread { tensor: 2, stages: 3 });
        six.hardware.gpu_count = 8;
        assert_eq!(Spread::of_machine(&six), Spread { tensor: 8, stages: 1 });
    }
}
