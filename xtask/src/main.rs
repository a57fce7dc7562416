//! `cargo xtask`: generators, the control plane for tests, and the one command that runs every check.

mod gen_presets; // kaito-presets/data -> kaito-presets/src/generated

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let task = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let done = match task.as_str() {
        "gen-presets" => gen_presets::run(&rest),
        _ => Err(format!("no task is called {task:?}: gen-presets [--check]")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            let _ = writeln!(std::io::stderr(), "xtask: {why}");
            ExitCode::FAILURE
        }
    }
}
