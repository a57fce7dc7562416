//! The cluster layer on a Kubernetes API server.
//!
//! [`KubeCluster`] answers reads from [`Stores`](kaito_core::cache::Stores) that watches keep, own recent writes laid over them, or from the API server itself, and carries out writes.
//! [`Operator`] keeps the watches and runs planners on them. Neither installs signal handlers, loggers, crypto providers or global metrics: a program does.
//!
//! Absent on purpose: retries and rate limits. A request is tried once; trying again belongs to the controller's queue, which knows why.

mod cluster; // reads and writes as decisions know them
mod connect; // a client without hidden retries
mod controller; // one planner, its queue, its reconciles
mod events; // what people see in `kubectl describe`
mod hub; // models that are in no catalogue, asked for in the background
mod kinds; // kinds as URLs and wire forms
mod logs; // what containers have printed
mod node_classes; // what machines of Karpenter are like
mod operator; // everything together
mod readiness; // what is still missing
mod requests; // one request, once, with a time limit
mod watch; // keeping a store up to date
mod writer; // one function for each write

pub use cluster::KubeCluster;
pub use connect::{Stack, client, client_builder, config};
pub use node_classes::ClassKeeper;
pub use operator::{Operator, OperatorBuilder, OperatorError};
pub use readiness::Readiness;
pub use requests::Requests;

/// The field manager of the controller of Workspaces.
const WORKSPACE_MANAGER: &str = "kaito-workspace";
