//! What a cloud has, in the form of objects: so far the agent pool of AKS.
//!
//! No API server serves these kinds. A provisioner reads and writes them as it does a cluster's, through a backend that speaks the cloud's own language; a simulated world simply holds them.

mod agent_pool;

pub use agent_pool::{AgentPool, AgentPoolFailure, AgentPoolSpec, AgentPoolStatus, OperatingSystem};
