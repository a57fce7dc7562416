//! The promises of the product, tried in simulated worlds.
//!
//! [`scenarios`] is what is simulated; [`bugs`] puts bugs back that this field is known for, to show that the simulator finds them. The tests beside it run them by the thousand.

pub mod bugs;
pub mod scenarios;
