//! The kit of the behaviour tests.
//!
//! - [`control_plane`]: a real kube-apiserver with what belongs to it, started and stopped by a test.
//! - [`normal`]: objects in a form in which two clusters can be compared.
//! - [`shared`]: the collected behaviour of the reference beside the project, where it is.

pub mod control_plane;
pub mod normal;
pub mod shared;
