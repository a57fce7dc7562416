//! The agent pool of a NodeClaim: [`PoolRequest`] as it is asked for, [`PoolSeen`] as Azure shows it.
//!
//! What a claim asks for and a pool cannot give is refused in words before anything is paid for; nothing is dropped silently. Sources: spec/05 §2, the numbered bugs S5-B, and
//! `data/arm` beside the specification.

mod body; // the JSON that is sent
mod disk; // how large the disk is
mod labels; // labels and taints, and which of them AKS refuses
mod name; // what a pool may be called
pub(crate) mod object; // a pool as an object of a snapshot
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
