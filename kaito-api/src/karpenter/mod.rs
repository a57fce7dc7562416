//! Kinds of Karpenter that are written and read: the NodeClaim and the NodePool.
//!
//! Karpenter and the GPU provisioner own these definitions; nothing here is installed by us. Reading is lenient, because foreign controllers write here.

mod node_pool;
mod nodeclaim;

pub use node_pool::{
    Budget, DRIFTED, Disruption, NodePool, NodePoolSpec, NodePoolStatus, NodePoolTemplate, NodePoolTemplateMetadata,
    NodePoolTemplateSpec,
};
pub use nodeclaim::{
    NodeClaim, NodeClaimCondition, NodeClaimResources, NodeClaimSpec, NodeClaimStatus, NodeClassRef, Requirement,
};
