//! The agent pool of a NodeClaim: [`PoolRequest`] as it is asked for, [`PoolSeen`] as Azure shows it.
//!
//! What a claim asks for and a pool cannot give is refused in words before anything is paid for; nothing is dropped silently. Sources: spec/05 §2, the numbered bugs S5-B, and
//! `data/arm` beside the specification.

mod body; // the JSON that is sent
mod disk; // how large the disk is
mod labels; // labels and taints, and which of them AKS refuses
mod name; // what a pool may be called
mod refusal; // what cannot be asked for
mod request; // a claim made into a request
mod requirements; // statements of a claim about labels of its machine
mod seen; // what Azure shows
mod size; // which machine
mod stamp; // a time in a label
mod view; // a pool as a claim, and its Node

pub use name::{BadName, PoolName};
pub use refusal::Refusal;
pub use request::{OsSku, PoolRequest, Priority};
pub use seen::{PoolSeen, PoolState};
pub use size::sizes;
pub use stamp::{read_stamp, stamp};
pub use view::{ClaimView, NodeOf, node_of, pool_of_provider_id};

/// Labels and taints of pools that only the provisioner writes or reads.
pub mod keys {
    /// When the claim of a pool was created, as [`stamp`](super::stamp) writes it.
    pub const CREATED: &str = "kaito.sh/creation-timestamp";
    /// `gpu` or `cpu`.
    pub const MACHINE_TYPE: &str = kaito_api::vocabulary::labels::MACHINE_TYPE;
    /// The name of the node class, on pools whose claim names neither a Workspace nor a RAGEngine: by one of the three a pool and its Node are known to be ours (S5-B7). Karpenter's
    /// form for the class of a node: group, `/`, kind in lower case.
    pub const NODE_CLASS: &str = "kaito.sh/kaitonodeclass";
    /// The name of the pool on its Nodes; written by AKS, in two spellings.
    pub const POOL_OF_NODE: [&str; 2] = ["agentpool", "kubernetes.azure.com/agentpool"];
    /// `on-demand` or `spot`, in Karpenter's words.
    pub const CAPACITY_TYPE: &str = "karpenter.sh/capacity-type";
    /// The zone of a machine, such as `eastus-1`.
    pub const ZONE: &str = "topology.kubernetes.io/zone";
    /// The label by which older Kubernetes called the size.
    pub const OLD_INSTANCE_TYPE: &str = "beta.kubernetes.io/instance-type";
}
