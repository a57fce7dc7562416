//! `cargo xtask`: generators, the control plane for tests, and the one command that runs every check.

mod gen_crds;

use std::io::Write;
use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask <task> [options]

  gen-crds [--check]   write crds/*.yaml from the types of kaito-api, or say which file is stale
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let rest = args.get(1..).unwrap_or_default();
    match args.first().map(String::as_str) {
        Some("gen-crds") => gen_crds::run(rest),
        _ => {
            // Nothing is left to do when even the usage cannot be written.
            let _ = std::io::stderr().write_all(USAGE.as_bytes());
            ExitCode::from(2)
        }
    }
}
