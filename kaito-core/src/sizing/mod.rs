//! How many machines a model needs.
//!
//! [`estimate`] is the reference's own formula for now (constants with their source below), so that its numbers can be compared. It over-counts the KV cache where layers of other kinds are counted as
//! full attention, and under-counts that of latent attention (MLA), which every GPU holds whole and the formula divides by the GPUs; a later issue replaces the body with a ledger by family. The interface
//! stays.

mod context;
mod sharing;

pub use context::{gpu_memory_hundredths, max_model_len, part};
pub use sharing::{Spread, can_share, unshared};

use crate::units::{Bytes, GIB};
use crate::workspace::Facts;

/// Share of a GPU's memory that a server may use (`nodesestimator/estimator.go`: 0.84).
const UTILISATION: f64 = 0.84;
/// Weights in memory over weights on disk (1.02).
const WEIGHT_EXPANSION: f64 = 1.02;
/// Overhead that grows with the weights on a GPU (1.05 = 1 + 0.05).
const WEIGHT_OVERHEAD: f64 = 1.05;
/// CUDA, activations: 2.3 GiB on each GPU.
const BASE_OVERHEAD_GIB: f64 = 2.3;
/// Tokens of context that are planned for where the user names none.
const DEFAULT_CONTEXT: u32 = 2048;

/// What is to be served, and on what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// Size of the weight files.
    pub weights: Bytes,
    /// KV cache of one token over all layers, in bytes.
    pub kv_bytes_per_token: u64,
    /// Tokens of context, where the user names a length.
    pub context: Option<u32>,
    /// GPUs in one machine.
    pub gpus_per_node: u32,
    /// Memory of all GPUs of one machine.
    pub gpu_memory: Bytes,
}

impl Demand {
    /// A model on machines of a size.
    pub fn of(facts: &Facts, context: Option<u32>) -> Demand {
        Demand {
            weights: Bytes(facts.model.weights_bytes),
            kv_bytes_per_token: facts.model.kv_bytes_per_token,
            context,
            gpus_per_node: facts.hardware.gpu_count,
            gpu_memory: Bytes(facts.hardware.gpu_memory_bytes),
        }
    }

    /// The same where so many GPUs of each machine are used together.
    pub fn of_group(facts: &Facts, context: Option<u32>, gpus: u32) -> Demand {
        let whole = Self::of(facts, context);
        let gpu_memory = Bytes(whole.memory_of_a_gpu().0.saturating_mul(u64::from(gpus)));
        Demand { gpus_per_node: gpus, gpu_memory, ..whole }
    }

    /// The same on one GPU alone.
    #[must_use]
    pub fn of_one_gpu(self) -> Demand {
        Demand { gpus_per_node: 1, gpu_memory: self.memory_of_a_gpu(), ..self }
    }

    /// Memory of one GPU.
    pub fn memory_of_a_gpu(&self) -> Bytes {
        Bytes(self.gpu_memory.0 / u64::from(self.gpus_per_node.max(1)))
    }
}

/// What it takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Machines.
    pub nodes: u32,
    /// GPUs that the weights alone need; at most all GPUs of those machines.
    pub gpus: u32,
    /// Memory of one GPU that may be used.
    pub usable_per_gpu: Bytes,
    /// Weights, all GPUs together.
    pub weights: Bytes,
    /// KV cache on one GPU.
    pub kv_per_gpu: Bytes,
    /// Overhead on one GPU that does not depend on the weights.
    pub overhead_per_gpu: Bytes,
}

/// One GPU is too small for anything of this model.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error(
    "{usable} of a GPU with {advertised} can be used, and {needed} are taken before the first weight is loaded (KV cache {kv})"
)]
pub struct TooSmall {
    /// Memory of one GPU.
    pub advertised: Bytes,
    /// Of it, usable.
    pub usable: Bytes,
    /// Overhead and KV cache.
    pub needed: Bytes,
    /// KV cache alone.
    pub kv: Bytes,
}

/// The number of machines, by the arithmetic of spec/04 §8.3: GPUs by weights over what a GPU has left, an exact fit counting one more, then rounded up to machines.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the reference computes in float64; amounts stay far below 2^53"
)]
pub fn estimate(demand: &Demand) -> Result<Estimate, TooSmall> {
    let gpus = demand.gpus_per_node.max(1);
    let per_gpu = demand.memory_of_a_gpu().0;
    let usable = per_gpu as f64 * UTILISATION;
    let kv = f64::from(demand.context.unwrap_or(DEFAULT_CONTEXT)) * demand.kv_bytes_per_token as f64 / f64::from(gpus);
    let overhead = BASE_OVERHEAD_GIB * GIB as f64;
    let bytes = |amount: f64| Bytes(amount as u64);
    if usable <= overhead + kv {
        return Err(TooSmall {
            advertised: Bytes(per_gpu),
            usable: bytes(usable),
            needed: bytes(overhead + kv),
            kv: bytes(kv),
        });
    }
    let weights = demand.weights.0 as f64 * WEIGHT_EXPANSION;
    let needed = ((weights / ((usable - overhead - kv) / WEIGHT_OVERHEAD)).trunc() as u32).saturating_add(1);
    Ok(Estimate {
        nodes: needed.div_ceil(gpus),
        gpus: needed,
        usable_per_gpu: bytes(usable),
        weights: bytes(weights),
        kv_per_gpu: bytes(kv),
        overhead_per_gpu: bytes(overhead),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The worked examples of spec/02 §7.4: weights GiB, KV bytes a token, GiB of a GPU, GPUs, nodes.
    #[test]
    fn the_worked_examples_of_the_reference_come_out() {
        let table = [
            (8.0, 0, 24, 1, 1),
            (13.44, 8192, 24, 1, 1),
            (16.0, 0, 24, 1, 1),
            (17.0, 0, 24, 1, 2),
            (62.5, 163_840, 80, 1, 2),
            (64.0, 0, 80, 2, 1),
            (140.0, 0, 80, 4, 1),
            (640.0, 0, 80, 8, 2),
            (7.12, 393_216, 16, 1, 1),
        ];
        for (gib, kv_bytes_per_token, gpu, gpus_per_node, nodes) in table {
            let demand = Demand {
                weights: Bytes((gib * GIB as f64) as u64),
                kv_bytes_per_token,
                context: None,
                gpus_per_node,
                gpu_memory: Bytes::gib(gpu * u64::from(gpus_per_node)),
            };
            assert_eq!(estimate(&demand).unwrap().nodes, nodes, "{gib} GiB on {gpus_per_node} × {gpu} GiB");
        }
    }

    #[test]
    fn a_repository_may_say_any_number() {
        use crate::workspace::testing::facts;
        use kaito_presets::{Model, ModelRef};
        let sizes = [0, 1, u64::from(u32::MAX), u64::MAX - 1, u64::MAX];
        for (preset, size) in
            [("phi-3-mini-4k-instruct", "Standard_NC6s_v3"), ("phi-3-mini-128k-instruct", "Standard_NV72ads_A10_v5")]
        {
            let of = facts(preset, size);
            for (weights_bytes, kv_bytes_per_token) in sizes.into_iter().flat_map(|a| sizes.map(|b| (a, b))) {
                let model = Model { weights_bytes, kv_bytes_per_token, ..(*of.model).clone() };
                let of = Facts { model: ModelRef::Hub(model.into()), ..of.clone() };
                for context in [None, Some(u32::MAX)] {
                    let nodes = estimate(&Demand::of(&of, context)).map_or(u32::MAX, |estimate| estimate.nodes);
                    assert!(nodes > 1 || weights_bytes < 1 << 40, "{weights_bytes}");
                    let layout = crate::manifest::Layout::choose(&of, 1, context);
                    assert_eq!(layout.data * layout.tensor, of.hardware.gpu_count);
                }
                let length = max_model_len(of.profile, &of.model, &of.hardware, 1);
                assert!(weights_bytes < u64::MAX - 1 || length.is_err() || length == Ok(None));
            }
        }
    }

    #[test]
    fn a_context_that_leaves_nothing_is_refused_in_numbers() {
        let demand = Demand {
            weights: Bytes::gib(8),
            kv_bytes_per_token: 131_072,
            context: Some(131_072),
            gpus_per_node: 1,
            gpu_memory: Bytes::gib(16),
        };
        assert_eq!(
            estimate(&demand).unwrap_err().to_string(),
            "13.4 GiB of a GPU with 16.0 GiB can be used, and 18.3 GiB are taken before the first weight is loaded (KV cache 16.0 GiB)"
        );
    }
}
