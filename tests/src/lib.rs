//! The kit of the behaviour tests.
//!
//! - [`control_plane`]: a real kube-apiserver with what belongs to it, started and stopped by a test.

pub mod control_plane;
