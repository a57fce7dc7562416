//! What stands around the core: the command line, and everything that talks to the world.

pub mod cli;
pub mod input;
