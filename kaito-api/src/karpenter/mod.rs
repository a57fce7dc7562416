//! Kinds of Karpenter that are written and read: so far the NodeClaim.
//!
//! Karpenter and the GPU provisioner own these definitions; nothing here is installed by us. Reading is lenient, because foreign controllers write here.

mod nodeclaim;

pub use nodeclaim::{
    NodeClaim, NodeClaimCondition, NodeClaimResources, NodeClaimSpec, NodeClaimStatus, NodeClassRef, Requirement,
};
