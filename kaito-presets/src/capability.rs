//! CUDA compute capability.

use std::fmt;

/// The generation of an NVIDIA GPU: 7.0 is Volta, 7.5 Turing, 8.0 Ampere, 9.0 Hopper. Node labels `nvidia.com/gpu.compute.{major,minor}` carry it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ComputeCapability {
    /// The digit before the dot.
    pub major: u8,
    /// The digit after the dot.
    pub minor: u8,
}

impl ComputeCapability {
    /// `major.minor`.
    #[must_use]
    pub const fn new(major: u8, minor: u8) -> Self {
        Self { major, minor }
    }

    /// bfloat16 in hardware begins with Ampere.
    #[must_use]
    pub const fn has_bfloat16(self) -> bool {
        self.major >= 8
    }
}

impl fmt::Display for ComputeCapability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}
