//! The promises of the product, tried in simulated worlds.
//!
//! [`scenarios`] is what is simulated, with the published manifests ([`corpus`]) among it; [`bugs`] puts bugs back that this field is known for, to show that the simulator finds them. The tests beside it run them by the thousand, on all
//! [`cores`], and say of what they find how it is seen again ([`replay`]); how many, the [`environment`] says.

#[path = "../../src/brought.rs"]
pub mod brought;
pub mod bugs;
pub mod cores;
pub mod corpus;
#[path = "../../src/environment.rs"]
pub mod environment;
pub mod replay;
pub mod scenarios;

/// Half of a simulated run is small objects that come and go; this allocator takes half the time for them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
