//! Agent pools of AKS, over the network.
//!
//! What is asked and what answers mean is decided in `kaito_provisioner::arm`; here are sockets, clocks and tokens. [`ArmPools`] answers reads and effects of agent pools, and lists them now and
//! then, as a watch would tell of them; [`Routed`] is a cluster that asks it for pools and the API server for everything else. Nothing tries again by itself: that belongs to a controller's queue.

mod credential; // with whose permission
mod exchange; // one request to Azure, once
mod object; // agent pools as objects, and back
mod options; // what the environment tells
mod poller; // what a watch would tell
mod pools; // reads and effects
mod routed; // pools here, everything else at the API server

pub use credential::{
    AccessToken, AzureCli, ClientSecret, Credential, CredentialError, Identity, ManagedIdentity, StaticToken,
    WorkloadIdentity,
};
pub use exchange::{Exchange, ExchangeError, TimeLimits};
pub use options::{ArmOptions, OptionError, VARIABLES};
pub use poller::EVERY;
pub use pools::ArmPools;
pub use routed::Routed;
