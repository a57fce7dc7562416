//! What a machine has: as the table of its cloud's sizes says, or as a Node that somebody brought along says of itself.

use crate::units;
use k8s_openapi::api::core::v1::Node;
use kaito_api::vocabulary::{labels, names};
use kaito_api::workspace::{MigProfile, MigProfileError, PartitionMode, PartitionSpec};
use kaito_presets::{ComputeCapability, GpuVendor, Retirement, Sku, mig_family};
use kube_core::ResourceExt;
use std::borrow::Cow;
use std::collections::BTreeMap;

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
    /// The profile of the slice that is asked for by name, such as `3g.40gb`; else what counts as a GPU is asked for.
    pub slice: Option<Cow<'static, str>>,
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
            slice: None,
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

    /// What a pod asks its machine for: the resource of whole GPUs, or of slices of one profile.
    pub fn resource(&self) -> Cow<'static, str> {
        match &self.slice {
            Some(profile) => Cow::Owned(format!("{}{profile}", names::NVIDIA_MIG_PREFIX)),
            None => Cow::Borrowed(names::NVIDIA_GPU),
        }
    }

    /// The part of the machine that a Workspace asks for, or why it does not have that. The memory of a slice is that of its profile in whole gibibytes, as the reference counts it.
    pub fn part(self, partition: &PartitionSpec) -> Result<Self, String> {
        match &partition.mode {
            PartitionMode::Mig => self.one_slice(&partition.profile),
            PartitionMode::Accelerator => {
                let count = partition.count.and_then(|count| u32::try_from(count).ok()).unwrap_or(1).max(1);
                if count > self.gpu_count {
                    return Err(format!(
                        "partition.count ({count}) exceeds GPUs available on node ({})",
                        self.gpu_count
                    ));
                }
                let gpu_memory_bytes = self.gpu_memory_bytes_each().saturating_mul(u64::from(count));
                Ok(Self { gpu_count: count, gpu_memory_bytes, ..self })
            }
            PartitionMode::Unknown(_) => Ok(self),
        }
    }

    fn one_slice(self, text: &str) -> Result<Self, String> {
        let profile: MigProfile = text.parse().map_err(|error: MigProfileError| error.to_string())?;
        let whole = mig_family(&self.name, self.gpu_memory_bytes_each() / GIB);
        if let Some(family) = whole.filter(|family| !family.profiles.contains(&text)) {
            let profiles = family.profiles.join(", ");
            return Err(format!("a slice {text} cannot be had of {}, which is divided into {profiles}", self.name));
        }
        Ok(Self {
            gpu_count: 1,
            gpu_memory_bytes: u64::from(profile.memory_gib) * GIB,
            visible_bytes_per_gpu: None,
            is_sliced: true,
            slice: Some(Cow::Owned(text.to_owned())),
            ..self
        })
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
        let (gpu_count, each) = (number(labels::GPU_COUNT)?, number(labels::GPU_MEMORY)?);
        if gpu_count == 0 || each == 0 {
            let key = if gpu_count == 0 { labels::GPU_COUNT } else { labels::GPU_MEMORY };
            return Err(format!("label {key} of node {} is 0", node.name_any()));
        }
        let each = (u64::from(each) * MIB + GIB / 2) / GIB * GIB;
        let part = |keys: [&str; 2]| keys.into_iter().find_map(|key| text(key)?.parse::<u8>().ok());
        let told = part(labels::COMPUTE_MAJOR)
            .map(|major| ComputeCapability { major, minor: part(labels::COMPUTE_MINOR).unwrap_or_default() });
        let compute_capability = told.or_else(|| capability_of(product));
        let sliced = text(labels::MIG_CONFIG).is_some_and(|config| config != "all-disabled");
        // Whoever divides GPUs without NVIDIA's MIG manager (a cloud, a person) writes no layout: feature discovery then names the slice as the product.
        let is_product = text(labels::MIG_STRATEGY) == Some("single") && product.contains("-MIG-");
        Ok(Self {
            name: Cow::Owned(product.to_owned()),
            gpu_count,
            gpu_memory_bytes: each.saturating_mul(u64::from(gpu_count)),
            gpu_model: Cow::Owned(product.replace('-', " ")),
            gpu_vendor: GpuVendor::Nvidia,
            compute_capability,
            nvme: false,
            visible_bytes_per_gpu: None,
            slice: None,
            is_sliced: is_product || (sliced && text(labels::MIG_CONFIG_STATE) == Some("success")),
            retirement: None,
        })
    }
}

/// What a Node advertises of its GPUs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Advertised<'a> {
    /// Whole ones, or what counts as one.
    pub(crate) whole: i128,
    /// Slices by their profile.
    pub(crate) slices: BTreeMap<&'a str, i128>,
}

impl<'a> Advertised<'a> {
    /// What stands in `status.allocatable`; what is there none of is left out.
    pub(crate) fn of(node: &'a Node) -> Self {
        let room = node.status.iter().flat_map(|status| status.allocatable.iter().flatten());
        let mut found = Self::default();
        for (resource, quantity) in room {
            let count = units::parse_quantity(&quantity.0).unwrap_or_default() / 1000;
            match resource.strip_prefix(names::NVIDIA_MIG_PREFIX) {
                Some(profile) if count > 0 => drop(found.slices.insert(profile, count)),
                None if resource == names::NVIDIA_GPU => found.whole = count,
                _ => {}
            }
        }
        found
    }

    /// `8 × whole, 2 × 1g.20gb`; empty where nothing is advertised.
    pub(crate) fn words(&self) -> String {
        let whole = (self.whole > 0).then(|| format!("{} × whole", self.whole));
        let slices = self.slices.iter().map(|(profile, count)| format!("{count} × {profile}"));
        whole.into_iter().chain(slices).collect::<Vec<_>>().join(", ")
    }
}

/// Compute capabilities by a word of the product's name (NVIDIA, "CUDA GPU compute capability"), for Nodes that were labelled by hand: feature discovery tells it itself.
const CAPABILITIES: &[(&str, ComputeCapability)] = &[
    ("A10", ComputeCapability::new(8, 6)),
    ("A100", ComputeCapability::new(8, 0)),
    ("A10G", ComputeCapability::new(8, 6)),
    ("A16", ComputeCapability::new(8, 6)),
    ("A2", ComputeCapability::new(8, 6)),
    ("A30", ComputeCapability::new(8, 0)),
    ("A40", ComputeCapability::new(8, 6)),
    ("B200", ComputeCapability::new(10, 0)),
    ("GH200", ComputeCapability::new(9, 0)),
    ("H100", ComputeCapability::new(9, 0)),
    ("H200", ComputeCapability::new(9, 0)),
    ("L4", ComputeCapability::new(8, 9)),
    ("L40", ComputeCapability::new(8, 9)),
    ("L40S", ComputeCapability::new(8, 9)),
    ("T4", ComputeCapability::new(7, 5)),
    ("V100", ComputeCapability::new(7, 0)),
];

fn capability_of(product: &str) -> Option<ComputeCapability> {
    let is_in = |word: &str| product.split(['-', ' ']).any(|part| part == word);
    CAPABILITIES.iter().find(|(word, _)| is_in(word)).map(|(_, capability)| *capability)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn node(labels: &Value) -> Node {
        serde_json::from_value(json!({"metadata": {"name": "gpu-1", "labels": labels}})).unwrap()
    }

    fn labels() -> Value {
        json!({
            "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3", "nvidia.com/gpu.count": "8", "nvidia.com/gpu.memory": "81559",
            "nvidia.com/gpu.compute.major": "9", "nvidia.com/gpu.compute.minor": "0",
        })
    }

    #[test]
    fn a_node_says_what_it_has_in_whole_gibibytes() {
        let hardware = Hardware::of_node(&node(&labels())).unwrap();
        assert_eq!((hardware.gpu_count, hardware.gpu_memory_bytes_each()), (8, 80 << 30));
        assert_eq!(hardware.compute_capability, Some(ComputeCapability::new(9, 0)));
        assert_eq!((&*hardware.gpu_model, hardware.is_sliced), ("NVIDIA H100 80GB HBM3", false));
        // As the reference spells it; the word of feature discovery counts before it.
        let mut otherwise = labels();
        otherwise["nvidia.com/cuda.compute.major"] = json!("7");
        assert_eq!(
            Hardware::of_node(&node(&otherwise)).unwrap().compute_capability,
            Some(ComputeCapability::new(9, 0))
        );
        otherwise.as_object_mut().unwrap().remove("nvidia.com/gpu.compute.major");
        otherwise["nvidia.com/cuda.compute.minor"] = json!("5");
        otherwise.as_object_mut().unwrap().remove("nvidia.com/gpu.compute.minor");
        assert_eq!(
            Hardware::of_node(&node(&otherwise)).unwrap().compute_capability,
            Some(ComputeCapability::new(7, 5))
        );
        for (each, gib) in [("23028", 22), ("24576", 24), ("23552", 23), ("95830", 94)] {
            let mut labels = labels();
            labels["nvidia.com/gpu.memory"] = json!(each);
            assert_eq!(Hardware::of_node(&node(&labels)).unwrap().gpu_memory_bytes_each(), gib << 30, "{each} MiB");
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
            ("nvidia.com/gpu.count", Some("00"), "label nvidia.com/gpu.count of node gpu-1 is 0"),
            ("nvidia.com/gpu.memory", Some(""), "node gpu-1 has no label nvidia.com/gpu.memory"),
            ("nvidia.com/gpu.memory", Some("-1"), "label nvidia.com/gpu.memory of node gpu-1 is \"-1\", and no number"),
        ] {
            let mut labels = labels();
            match value {
                Some(value) => labels[key] = json!(value),
                None => drop(labels.as_object_mut().unwrap().remove(key)),
            }
            assert_eq!(Hardware::of_node(&node(&labels)).unwrap_err(), says);
        }
    }

    #[test]
    fn a_node_that_was_labelled_by_hand_has_the_capability_of_its_product() {
        let mut labels = labels();
        for (product, capability) in
            [("Tesla-V100-SXM2-16GB", Some((7, 0))), ("NVIDIA-A10-24Q", Some((8, 6))), ("X", None)]
        {
            labels["nvidia.com/gpu.product"] = json!(product);
            labels.as_object_mut().unwrap().remove("nvidia.com/gpu.compute.major");
            let hardware = Hardware::of_node(&node(&labels)).unwrap();
            assert_eq!(hardware.compute_capability.map(|it| (it.major, it.minor)), capability, "{product}");
        }
    }

    #[test]
    fn a_part_of_a_machine_is_so_many_gpus_or_one_slice_and_no_more_than_it_has() {
        let whole = || Hardware::of_node(&node(&labels())).unwrap();
        let part = |partition: Value| whole().part(&serde_json::from_value(partition).unwrap());
        let two = part(json!({"mode": "accelerator", "count": 2})).unwrap();
        assert_eq!((two.gpu_count, two.gpu_memory_bytes_each(), &*two.resource()), (2, 80 << 30, "nvidia.com/gpu"));
        let said = part(json!({"mode": "accelerator", "count": 9})).unwrap_err();
        assert_eq!(said, "partition.count (9) exceeds GPUs available on node (8)");
        let slice = part(json!({"mode": "mig", "profile": "3g.40gb"})).unwrap();
        assert_eq!((slice.gpu_count, slice.gpu_memory_bytes, slice.is_sliced), (1, 40 << 30, true));
        assert_eq!(slice.resource(), "nvidia.com/mig-3g.40gb");
        let said = part(json!({"mode": "mig", "profile": "1g.5gb"})).unwrap_err();
        assert!(
            said.starts_with("a slice 1g.5gb cannot be had of NVIDIA-H100-80GB-HBM3, which is divided into 1g.10gb")
        );
    }

    #[test]
    fn gpus_are_sliced_when_their_layout_is_as_it_was_asked_for() {
        for (config, state, is_sliced) in
            [("all-1g.10gb", "success", true), ("all-1g.10gb", "pending", false), ("all-disabled", "success", false)]
        {
            let mut labels = labels();
            labels["nvidia.com/mig.config"] = json!(config);
            labels["nvidia.com/mig.config.state"] = json!(state);
            assert_eq!(Hardware::of_node(&node(&labels)).unwrap().is_sliced, is_sliced, "{config} {state}");
        }
    }

    #[test]
    fn gpus_are_sliced_whoever_has_divided_them() {
        for (strategy, product, is_sliced) in [
            (Some("single"), "NVIDIA-A100-SXM4-80GB-MIG-1g.20gb", true),
            (Some("single"), "NVIDIA-A100-SXM4-80GB", false),
            (Some("mixed"), "NVIDIA-A100-SXM4-80GB", false),
            (None, "NVIDIA-A100-SXM4-80GB-MIG-1g.20gb", false),
        ] {
            let mut labels = labels();
            labels["nvidia.com/gpu.product"] = json!(product);
            strategy.into_iter().for_each(|strategy| labels["nvidia.com/mig.strategy"] = json!(strategy));
            assert_eq!(Hardware::of_node(&node(&labels)).unwrap().is_sliced, is_sliced, "{strategy:?} {product}");
        }
    }
}
