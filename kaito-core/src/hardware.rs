//! What a machine has: as the table of its cloud's sizes says, or as a Node that somebody brought along says of itself.

use k8s_openapi::api::core::v1::Node;
use kaito_api::vocabulary::labels;
use kaito_presets::{ComputeCapability, GpuVendor, Retirement, Sku};
use kube_core::ResourceExt;
use std::borrow::Cow;

/// GPUs and disks of one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hardware {
    /// The size, as its cloud spells it; of a Node that was brought along, the product that its labels name.
    pub name: Cow<'static, str>,
    /// GPUs in the machine.
    pub gpu_count: u32,
    /// Memory of all its GPUs together, in bytes, as advertised.
    pub gpu_memory_bytes: u64,
    /// The GPU: `NVIDIA A10`.
    pub gpu_model: Cow<'static, str>,
    /// Whose GPU it is.
    pub gpu_vendor: GpuVendor,
    /// CUDA compute capability; `None` where the GPU is not NVIDIA's.
    pub compute_capability: Option<ComputeCapability>,
    /// Local NVMe disks that weights can lie on.
    pub nvme: bool,
    /// Bytes of one GPU that a program really sees, where we know of a difference.
    pub visible_bytes_per_gpu: Option<u64>,
    /// Whether each GPU is one slice of a larger one (multi-instance GPU): slices do not work together.
    pub is_sliced: bool,
    /// The cloud withdraws the size, or has.
    pub retirement: Option<Retirement>,
}

impl From<&'static Sku> for Hardware {
    fn from(sku: &'static Sku) -> Self {
        Self {
            name: Cow::Borrowed(sku.name),
            gpu_count: sku.gpu_count,
            gpu_memory_bytes: sku.gpu_memory_bytes,
            gpu_model: Cow::Borrowed(sku.gpu_model),
            gpu_vendor: sku.gpu_vendor,
            compute_capability: sku.compute_capability,
            nvme: sku.nvme,
            visible_bytes_per_gpu: sku.visible_bytes_per_gpu,
            is_sliced: false,
            retirement: sku.retirement,
        }
    }
}

/// Mebibytes in the label of a GPU's memory.
const MIB: u64 = 1 << 20;
/// The reference rounds the memory of a GPU to whole gibibytes (spec/02 §8.3), and so must we to size alike.
const GIB: u64 = 1 << 30;

impl Hardware {
    /// Memory of one GPU in bytes, as advertised.
    pub fn gpu_memory_bytes_each(&self) -> u64 {
        self.gpu_memory_bytes / u64::from(self.gpu_count.max(1))
    }

    /// What the labels of a Node say, which NVIDIA's GPU feature discovery writes: product, number, memory, compute capability; or which of them is missing or no number.
    pub fn of_node(node: &Node) -> Result<Self, String> {
        let text = |key: &str| node.labels().get(key).map(String::as_str).filter(|text| !text.is_empty());
        let missing = |key: &str| format!("node {} has no label {key}", node.name_any());
        let number = |key: &str| {
            let text = text(key).ok_or_else(|| missing(key))?;
            text.parse::<u32>()
                .map_err(|_| format!("label {key} of node {} is {text:?}, and no number", node.name_any()))
        };
        let product = text(labels::GPU_PRODUCT).ok_or_else(|| missing(labels::GPU_PRODUCT))?;
        let (gpu_count, each) = (number(labels::GPU_COUNT)?.max(1), number(labels::GPU_MEMORY)?);
        let each = (u64::from(each) * MIB + GIB / 2) / GIB * GIB;
        let part = |key: &str| text(key).and_then(|text| text.parse::<u8>().ok());
        let compute_capability = part(labels::CUDA_MAJOR)
            .map(|major| ComputeCapability { major, minor: part(labels::CUDA_MINOR).unwrap_or_default() });
        let sliced = text(labels::MIG_CONFIG).is_some_and(|config| config != "all-disabled");
        Ok(Self {
            name: Cow::Owned(product.to_owned()),
            gpu_count,
            gpu_memory_bytes: each.saturating_mul(u64::from(gpu_count)),
            gpu_model: Cow::Owned(product.replace('-', " ")),
            gpu_vendor: GpuVendor::Nvidia,
            compute_capability,
            nvme: false,
            visible_bytes_per_gpu: None,
            is_sliced: sliced && text(labels::MIG_CONFIG_STATE) == Some("success"),
            retirement: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn node(labels: Value) -> Node {
        serde_json::from_value(json!({"metadata": {"name": "gpu-1", "labels": labels}})).unwrap()
    }

    fn labels() -> Value {
        json!({
            "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3", "nvidia.com/gpu.count": "8", "nvidia.com/gpu.memory": "81559",
            "nvidia.com/cuda.compute.major": "9", "nvidia.com/cuda.compute.minor": "0",
        })
    }

    #[test]
    fn a_node_says_what_it_has_in_whole_gibibytes() {
        let hardware = Hardware::of_node(&node(labels())).unwrap();
        assert_eq!((hardware.gpu_count, hardware.gpu_memory_bytes_each()), (8, 80 << 30));
        assert_eq!(hardware.compute_capability, Some(ComputeCapability::new(9, 0)));
        assert_eq!((&*hardware.gpu_model, hardware.is_sliced), ("NVIDIA H100 80GB HBM3", false));
        for (each, gib) in [("23028", 22), ("24576", 24), ("23552", 23), ("95830", 94)] {
            let mut labels = labels();
            labels["nvidia.com/gpu.memory"] = json!(each);
            assert_eq!(Hardware::of_node(&node(labels)).unwrap().gpu_memory_bytes_each(), gib << 30, "{each} MiB");
        }
    }

    #[test]
    fn a_node_whose_labels_are_missing_or_no_numbers_is_named_with_the_label() {
        for (key, value, says) in [
            ("nvidia.com/gpu.product", None, "node gpu-1 has no label nvidia.com/gpu.product"),
            (
                "nvidia.com/gpu.count",
                Some("many"),
                "label nvidia.com/gpu.count of node gpu-1 is \"many\", and no number",
            ),
            ("nvidia.com/gpu.memory", Some(""), "node gpu-1 has no label nvidia.com/gpu.memory"),
            ("nvidia.com/gpu.memory", Some("-1"), "label nvidia.com/gpu.memory of node gpu-1 is \"-1\", and no number"),
        ] {
            let mut labels = labels();
            match value {
                Some(value) => labels[key] = json!(value),
                None => drop(labels.as_object_mut().unwrap().remove(key)),
            }
            assert_eq!(Hardware::of_node(&node(labels)).unwrap_err(), says);
        }
    }

    #[test]
    fn gpus_are_sliced_when_their_layout_is_as_it_was_asked_for() {
        for (config, state, is_sliced) in
            [("all-1g.10gb", "success", true), ("all-1g.10gb", "pending", false), ("all-disabled", "success", false)]
        {
            let mut labels = labels();
            labels["nvidia.com/mig.config"] = json!(config);
            labels["nvidia.com/mig.config.state"] = json!(state);
            assert_eq!(Hardware::of_node(&node(labels)).unwrap().is_sliced, is_sliced, "{config} {state}");
        }
    }
}
