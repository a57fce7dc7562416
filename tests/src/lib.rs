//! The kit of the behaviour tests.
//!
//! - [`arbitrary`]: clusters with strange objects, for properties.
//! - [`cases`]: how many cases a property tries; [`edits`]: texts that were damaged.
//! - [`command`]: the command line in this process.
//! - [`control_plane`]: a real kube-apiserver with what belongs to it, started and stopped by a test.
//! - [`faults`]: what goes wrong between a client and a real API server, as a layer in the client's stack.
//! - [`manifests`]: Workspaces that tests use again and again.
//! - [`normal`]: objects in a form in which two clusters can be compared.
//! - [`scenarios!`] and [`stage`]: stories told once, played in the memory world and on a real API server.
//! - [`shared`]: the collected behaviour of the reference beside the project, where it is.

pub mod arbitrary;
pub mod cases;
pub mod command;
pub mod control_plane;
pub mod edits;
pub mod faults;
pub mod manifests;
pub mod normal;
mod scenario;
pub mod shared;
pub mod stage;
