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
    /// A copy on one GPU.
    pub const ONE: Self = Self { tensor: 1, stages: 1 };

    /// GPUs that hold a copy together.
    pub fn gpus(self) -> u32 {
        self.tensor * self.stages
    }

    /// Over all GPUs of a machine: in one group that shares each layer, where the heads allow it, else in as few as they allow.
    pub fn of_machine(facts: &Facts) -> Self {
        let tensor = groups(facts).next().unwrap_or(1);
        Self { tensor, stages: facts.hardware.gpu_count.max(1) / tensor }
    }

    /// Over the largest group that shares each layer and holds a copy, so that every group of a machine has one; `None` where no group holds it.
    pub fn of_copy(facts: &Facts, context: Option<u32>) -> Option<Self> {
        let holds = |tensor: &u32| estimate(&Demand::of_group(facts, context, *tensor)).is_ok_and(|of| of.nodes == 1);
        groups(facts).find(holds).map(|tensor| Self { tensor, stages: 1 })
    }
}

/// The sizes of groups that a machine divides into and that may share the layers, the largest first. Only vLLM minds the heads.
fn groups(facts: &Facts) -> impl Iterator<Item = u32> {
    let (gpus, shape) = (facts.hardware.gpu_count.max(1), facts.model.shape);
    let minds = facts.engine() == Some(Engine::Vllm);
    (1..=gpus).rev().filter(move |tensor| gpus.is_multiple_of(*tensor) && (!minds || can_share(&shape, *tensor)))
}

/// Why not all GPUs of a machine share each layer; `None` where they do.
pub fn unshared(facts: &Facts) -> Option<String> {
    let Shape { heads, kv_heads, .. } = facts.model.shape;
    let (gpus, tensor) = (facts.hardware.gpu_count, Spread::of_machine(facts).tensor);
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
