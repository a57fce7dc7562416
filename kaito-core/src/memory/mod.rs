//! A cluster in memory, with a clock of its own: the embedded default of the CLI, the simulator, and the explorer.
//!
//! [`World`] holds a [`MemoryCluster`], runs the planners of the product and its own actors (the cloud, the StatefulSet and Job controllers, the kubelet, the garbage collector) on the
//! same driver, and moves the clock to the next thing that happens. Nothing sleeps.
//!
//! Not here: HTTP and the protocol of watches (news come late, or again as a list, and that is all), field managers beyond "what did I set last", admission chains. What needs those is tested on a
//! real API server.

mod actor; // a part of the rest of a cluster, at work
pub mod actors; // the rest of a cluster, as planners
pub mod azure; // what Azure says when it gives no machine
mod cluster; // the store as a `ClusterBackend`
pub mod explore; // every order of the effects, at a small scope
mod fate; // what goes wrong in it
mod faults; // what can go wrong, and the dice
mod hub; // a hub of models
mod installed; // what a fresh cluster with the chart holds
mod laws; // what a server refuses
mod ledger; // what was asked of the cloud, and on what grounds
mod logs; // what containers print
mod pace; // how long things take
mod replica; // a process of the product
mod rights; // what a process may do
pub mod simulation; // one run with faults, and its judge
mod store; // objects, versions, finalizers
mod timeline; // what happened, in words
mod turn; // what happens next
mod world; // clock, processes, actors

pub use cluster::{MemoryCluster, Published};
pub use fate::{CloudFate, Fate, HubFate, PodFate};
pub use faults::{Fault, Faults};
pub use hub::{EXAMPLE_MODEL, ExampleHub};
pub use installed::installed;
pub use logs::PRINTS;
pub use pace::Pace;
pub use rights::Right;
pub use store::{Change, Store, Verb};
pub use timeline::{Moment, Timeline};
pub use world::{Halt, World};
