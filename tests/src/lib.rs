//! The kit of the behaviour tests.
//!
//! - [`allowed`]: tables of what may differ from the reference, which tell of rows that nothing needs any more.
//! - [`apart`]: a test in a process of its own.
//! - [`arbitrary`]: clusters with strange objects, for properties.
//! - [`brought`]: nodes that somebody brought along, as they stood beside the reference.
//! - [`budget`]: requests of a controller, counted, and the fewest that a Workspace can take.
//! - [`by_hand`]: one reconcile, driven by a test.
//! - [`cases`]: how many cases a property tries; [`edits`]: texts that were damaged.
//! - [`cloud_by_hand`]: a cluster with the agent pools of its cloud, in which a planner is driven look by look.
//! - [`command`]: the command line in this process.
//! - [`control_plane`]: a real kube-apiserver with what belongs to it, started and stopped by a test.
//! - [`environment`]: what the environment says of a run of the tests, and how a test is skipped.
//! - [`fake_arm`]: Azure Resource Manager on this machine, as far as agent pools go, with everything that it may answer.
//! - [`faults`]: what goes wrong between a client and a real API server, as a layer in the client's stack.
//! - [`golden`]: what the reference made of manifests, and the one table of what we do otherwise.
//! - [`made`]: the kinds of objects that the controller makes.
//! - [`manifests`]: Workspaces that tests use again and again.
//! - [`normal`]: objects in a form in which two clusters can be compared.
//! - [`scenarios!`] and [`stage`]: stories told once, played in the memory world and on a real API server.
//! - [`stand`]: a folder in which a real shell runs the scripts of our containers; [`training_pod`]: those of a training.
//! - [`shared`]: the collected behaviour of the reference beside the project, where it is.
//! - [`tls`]: servers with certificates of a test's own authority, and a proxy that leads to them.

pub mod allowed;
pub mod apart;
pub mod arbitrary;
pub mod brought;
pub mod budget;
pub mod by_hand;
pub mod cases;
pub mod cloud_by_hand;
pub mod command;
pub mod control_plane;
pub mod edits;
pub mod environment;
pub mod fake_arm;
pub mod faults;
pub mod golden;
pub mod kubelet;
pub mod made;
pub mod manifests;
pub mod normal;
mod scenario;
pub mod shared;
pub mod stage;
pub mod stand;
pub mod tls;
pub mod training_pod;

use kaito_core::ObjectKey;
use kaito_core::memory::World;
use serde_json::Value;

/// An object of a world as it is stored; `None` where it is not there.
pub fn value(world: &World, key: &ObjectKey) -> Option<Value> {
    world.cluster().with_store(|store| store.value(key).cloned())
}
