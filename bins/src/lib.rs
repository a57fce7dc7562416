//! The edges of kaito-rs: where decisions meet a cluster, a command line, and a network.
//!
//! | room | what is there |
//! |---|---|
//! | [`kube`] | the cluster layer on a Kubernetes API server, and [`kube::Operator`], which runs planners on it |
//! | [`admin`] | health, readiness, metrics and the flight recorder over HTTP |
//! | [`arm`] | agent pools of AKS: asked of Azure Resource Manager, and routed to from [`kube::Operator`] |
//! | [`hub`] | models asked of a hub: over the network, or in a folder |
//! | [`metrics`] | what is counted |
//! | [`recorder`] | what the last reconciles saw, planned and did |
//! | [`rbac`] | the rights that the controllers need, from the table of kinds |
//! | [`cli`], [`input`] | the program `kaito`: verbs for people, and manifests read with the place of everything in them |
//! | [`flags`], [`telemetry`], [`run`] | the program `kaito-workspace` |
//! | [`provisioner`] | the program `kaito-gpu-provisioner`: its options, and how it runs |
//!
//! Decisions are made in `kaito_core` and nowhere here.

pub mod admin;
pub mod arm;
mod causes;
pub mod cli;
pub mod flags;
mod http_client;
pub mod hub;
pub mod input;
pub mod kube;
pub mod metrics;
pub mod process;
pub mod provisioner;
pub mod rbac;
pub mod recorder;
pub mod run;
pub mod telemetry;

/// The version that logs, metrics and the user agent carry.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
