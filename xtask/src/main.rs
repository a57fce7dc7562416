//! `cargo xtask`: generators, the control plane for tests, and the one command that runs every check.
fn main() {}
