//! How a model is spread over GPUs.

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
    /// Machines that share the layers.
    pub pipeline: u32,
}

impl Layout {
    /// One machine with several GPUs, each of which could hold the model twice over: a copy on each GPU. Else all GPUs of a machine share each layer, and machines share the
    /// layers (spec/03 §4.3 rule 11).
    pub fn choose(facts: &Facts, nodes: u32) -> Layout {
        let gpus = facts.sku.gpu_count.max(1);
        let copies = u64::from(gpus) * 2 * facts.model.weights_bytes < facts.sku.gpu_memory_bytes;
        let spread = nodes == 1
            && gpus > 1
            && copies
            && facts.profile.supports.data_parallel
            && facts.engine() == Some(Engine::Vllm);
        let (data, tensor) = if spread { (gpus, 1) } else { (1, gpus) };
        Layout { nodes, gpus_per_node: gpus, data, tensor, pipeline: nodes.max(1) }
    }

    /// Whether every GPU holds a copy.
    pub fn is_data_parallel(&self) -> bool {
        self.data > 1
    }
}
