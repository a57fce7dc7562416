//! The kit of the behaviour tests.

pub mod shared;
