//! How a model is spread over GPUs.

use crate::sizing::{self, Demand, Spread};
use crate::workspace::{Engine, Facts};

/// Sizes of the parallel groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Machines, one pod on each.
    pub nodes: u32,
    /// GPUs of each machine.
    pub gpus_per_node: u32,
    /// Copies of the model on one machine.
    pub data: u32,
    /// GPUs that share each layer.
    pub tensor: u32,
    /// Groups that share the layers, one after the other: as many on each machine.
    pub pipeline: u32,
}

impl Layout {
    /// One machine with several GPUs, each of which could hold the model twice over: a copy on each GPU. Else all GPUs of a machine share each layer, or as many as the heads of the model
    /// allow ([`Spread`]), and machines share the layers (spec/03 §4.3 rule 11). Unlike there, a copy must leave its GPU room for the KV cache of the context that is asked for: machines are counted as if their GPUs shared it.
    pub fn choose(facts: &Facts, nodes: u32, context: Option<u32>) -> Layout {
        let gpus = facts.hardware.gpu_count.max(1);
        if facts.hardware.is_sliced {
            return Self::in_slices(facts, nodes, gpus);
        }
        let whole = Spread::of_machine(facts);
        let may_copy = nodes == 1 && facts.profile.supports.data_parallel && facts.engine() == Some(Engine::Vllm);
        let twice = facts.model.weights_bytes.saturating_mul(u64::from(gpus) * 2) < facts.hardware.gpu_memory_bytes;
        let spread = if may_copy && twice && is_held_by_one_gpu(facts, context) {
            Spread::ONE
        } else if may_copy && whole.stages > 1 {
            Spread::of_copy(facts, context).unwrap_or(whole)
        } else {
            whole
        };
        let Spread { tensor, stages } = spread;
        Layout { nodes, gpus_per_node: gpus, data: gpus / spread.gpus(), tensor, pipeline: nodes.max(1) * stages }
    }

    /// Slices of a GPU do not work together: a copy on each, where the server can have several; else one slice is used.
    fn in_slices(facts: &Facts, nodes: u32, slices: u32) -> Layout {
        let copies = facts.profile.supports.data_parallel && facts.engine() == Some(Engine::Vllm);
        let data = if copies { slices } else { 1 };
        Layout { nodes, gpus_per_node: data, data, tensor: 1, pipeline: nodes.max(1) }
    }

    /// GPUs of a machine that hold the layers of one copy together.
    pub fn shared_by(&self) -> u32 {
        self.tensor * (self.pipeline / self.nodes.max(1)).max(1)
    }

    /// Whether a machine holds several copies.
    pub fn is_data_parallel(&self) -> bool {
        self.data > 1
    }
}

fn is_held_by_one_gpu(facts: &Facts, context: Option<u32>) -> bool {
    sizing::estimate(&Demand::of(facts, context).of_one_gpu()).is_ok_and(|estimate| estimate.gpus == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::testing::facts;

    #[test]
    fn a_copy_lies_on_each_gpu_only_where_its_context_has_room_beside_it() {
        let two_a10 = facts("phi-3-mini-128k-instruct", "Standard_NV72ads_A10_v5");
        let groups = |context| {
            let layout = Layout::choose(&two_a10, 1, context);
            (layout.data, layout.tensor)
        };
        assert_eq!((groups(None), groups(Some(8192))), ((2, 1), (2, 1)));
        // 24 GiB of cache: more than one of the two GPUs has, and less than both.
        assert_eq!(groups(Some(65_536)), (1, 2));
    }
}
