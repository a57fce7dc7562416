//! Machine sizes with GPUs, by cloud.
//!
//! Source: the SKU tables of KAITO v0.12.0 (`pkg/sku`); V100 and T4 sizes, which v0.12 dropped, from v0.11 and from what Azure and AWS publish. `Standard_ND96asr_A100_v4`
//! is the reference's misspelling of Azure's `Standard_ND96asr_v4`; both are here.

use std::cmp::Ordering;

use crate::generated::skus::{arc, aws, azure};
use crate::{ComputeCapability, nearest::closest};

/// Who rents the machine out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cloud {
    /// Azure.
    Azure,
    /// Amazon Web Services.
    Aws,
    /// Azure Arc: machines on own premises.
    Arc,
}

impl Cloud {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Azure, Self::Aws, Self::Arc];

    /// As in the variable `CLOUD_PROVIDER`: `azure`, `aws`, `arc`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Azure => "azure",
            Self::Aws => "aws",
            Self::Arc => "arc",
        }
    }
}

/// Whose accelerator it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GpuVendor {
    /// NVIDIA: the only one a published runtime image serves.
    Nvidia,
    /// AMD.
    Amd,
    /// Trainium and Inferentia.
    AwsNeuron,
}

/// A machine size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sku {
    /// Whose size it is.
    pub cloud: Cloud,
    /// As the cloud spells it: `Standard_NC24ads_A100_v4`.
    pub name: &'static str,
    /// GPUs in the machine.
    pub gpu_count: u32,
    /// Memory of all its GPUs together, in bytes, as advertised.
    pub gpu_memory_bytes: u64,
    /// As the reference spells it: `NVIDIA A10`.
    pub gpu_model: &'static str,
    /// Whose GPU it is.
    pub gpu_vendor: GpuVendor,
    /// CUDA compute capability; `None` where the GPU is not NVIDIA's.
    pub compute_capability: Option<ComputeCapability>,
    /// Local NVMe disks that weights can lie on.
    pub nvme: bool,
    /// Bytes of one GPU that a program really sees, where we know of a difference; about right, not measured.
    pub visible_bytes_per_gpu: Option<u64>,
    /// The cloud withdraws the size, or has.
    pub retirement: Option<Retirement>,
}

/// The end of a size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retirement {
    /// Its last day, as the cloud announced it: `2025-09-30`.
    pub date: &'static str,
    /// The smallest size in this table with no less GPU memory that the runtime profile `current` serves.
    pub replacement: &'static str,
}

impl Sku {
    /// bfloat16 in hardware; said of NVIDIA's only.
    #[must_use]
    pub fn bfloat16(&self) -> bool {
        self.compute_capability.is_some_and(ComputeCapability::has_bfloat16)
    }

    /// Memory of one GPU in bytes, as advertised.
    #[must_use]
    pub const fn gpu_memory_bytes_each(&self) -> u64 {
        self.gpu_memory_bytes / self.gpu_count as u64
    }
}

/// Every size of a cloud, sorted by name, case aside.
#[must_use]
pub fn skus(cloud: Cloud) -> &'static [Sku] {
    match cloud {
        Cloud::Azure => azure::SKUS,
        Cloud::Aws => aws::SKUS,
        Cloud::Arc => arc::SKUS,
    }
}

/// The size of that name, in any case; [`Sku::name`] is the spelling to use.
#[must_use]
pub fn sku(cloud: Cloud, name: &str) -> Option<&'static Sku> {
    let sizes = skus(cloud);
    sizes.binary_search_by(|known| caseless(known.name, name)).ok().map(|at| &sizes[at])
}

/// At most `n` sizes of a cloud whose names look like `name`, the likeliest first; retired ones are not suggested.
#[must_use]
pub fn nearest_skus(cloud: Cloud, name: &str, n: usize) -> Vec<&'static str> {
    let offered = skus(cloud).iter().filter(|sku| sku.retirement.is_none());
    closest(name, n, offered.map(|sku| (sku.name, sku.name)))
}

/// Order of two names, case aside.
fn caseless(a: &str, b: &str) -> Ordering {
    a.bytes().map(|c| c.to_ascii_lowercase()).cmp(b.bytes().map(|c| c.to_ascii_lowercase()))
}
