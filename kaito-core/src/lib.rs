//! What a KAITO object needs next, decided without a clock, without IO, and without a way to fail.
//!
//! A decision is made from a [`Snapshot`] by a [`Planner`]; the [`driver`] reads what it asks for and carries out what it wants, on any
//! [`ClusterBackend`](backend::ClusterBackend). The same planner runs in the controller, in the command line, and in the [`memory`] world:
//!
//! ```
//! use kaito_core::memory::{Halt, World};
//! use kaito_core::{Kind, ObjectKey, Settings};
//! use jiff::SignedDuration;
//! use serde_json::json;
//!
//! let mut world = World::installed(&Settings::default());
//! let key = ObjectKey::new(Kind::Workspace, "default", "phi-3");
//! world.put(&key, &json!({
//!     "apiVersion": "kaito.sh/v1alpha1", "kind": "Workspace", "metadata": {"name": "phi-3", "namespace": "default"},
//!     "resource": {"instanceType": "Standard_NC6s_v3", "labelSelector": {"matchLabels": {"apps": "phi-3"}}},
//!     "inference": {"preset": {"name": "phi-3-mini-4k-instruct"}},
//! }))?;
//! let set = ObjectKey::new(Kind::StatefulSet, "default", "phi-3");
//! assert_eq!(world.run(SignedDuration::from_hours(1), |world| world.get(&set).is_some()), Halt::Reached);
//! # Ok::<(), kaito_core::backend::BackendError>(())
//! ```
//!
//! | room | what is there |
//! |---|---|
//! | [`workspace`] | the planner of Workspaces, step by step |
//! | [`manifest`] | how objects look |
//! | [`runtime_config`], [`training`] | what a user tells the server, or the trainer, and what is wrong with it |
//! | [`sizing`] | how many machines a model needs |
//! | [`failure`] | every failure and wait, with its deadline and remedy |
//! | [`admission`] | whether an object would be admitted, with the nearest known name; rules as rows |
//! | [`driver`], [`backend`] | the only async code, and what it stands on |
//! | [`hub`] | models that are in no catalogue: what a hub knows of them |
//! | [`snapshot`], [`read`], [`read_index`], [`cache`] | looking |
//! | [`plan`], [`effect`], [`conditions`] | deciding and saying |
//! | [`record`] | the flight recorder, and planning again what was recorded |
//! | [`render`] | the objects that a wish comes to |
//! | [`words`] | words of others, as they may stand in ours |
//! | [`memory`] | a cluster in memory, with a clock of its own |
//!
//! Deliberately absent: tokio, sockets, clocks, randomness, hash maps (I1, I2).

pub mod admission;
pub mod backend;
pub mod cache;
pub mod cloud;
mod compat;
pub mod conditions;
pub mod diff;
pub mod driver;
pub mod effect;
pub mod failure;
mod findings;
pub mod gates;
pub mod hardware;
pub mod hash;
pub mod hub;
pub mod kinds;
pub mod manifest;
pub mod memory;
pub mod node_classes;
pub mod object;
pub mod plan;
pub mod provisioner;
pub mod read;
pub mod read_index;
pub mod record;
pub mod render;
pub mod runtime_config;
pub mod settings;
mod settings_file;
pub mod sizing;
pub mod snapshot;
mod taints;
pub mod training;
pub mod units;
pub mod words;
pub mod workspace;

pub use driver::Planner;
pub use kinds::{KINDS, Kind};
pub use object::{Object, ObjectKey, Seen};
pub use plan::Plan;
pub use provisioner::NodeProvisioner;
pub use read::Read;
pub use read_index::ReadIndex;
pub use settings::Settings;
pub use snapshot::Snapshot;
pub use workspace::WorkspacePlanner;
