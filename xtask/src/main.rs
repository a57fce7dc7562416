//! `cargo xtask`: generators, the control plane for tests, and the one command that runs every check.
//!
//! It speaks on stderr; stdout is for what a script would read, and for the programs it runs.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to the person who runs it")]

mod bench;
mod ci;
mod control_plane;
mod gen_crds;
mod gen_docs;
mod gen_presets;
mod steps;
mod test;

use std::process::ExitCode;

/// A subcommand: what `ci` and a person call it by, and what it does.
struct Command {
    name: &'static str,
    about: &'static str,
    run: fn(&[String]) -> Result<(), String>,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "bench",
        about: "every figure that is promised: plans, processes, requests, memory",
        run: bench::run,
    },
    Command { name: "ci", about: "every check, the tests last; stops at the first that fails", run: ci::run },
    Command {
        name: "control-plane",
        about: "find or build the control plane for tests, and print its folder",
        run: control_plane::run,
    },
    Command {
        name: "gen-crds",
        about: "the definitions in crds/ from the types; --check only compares",
        run: gen_crds::run,
    },
    Command {
        name: "gen-docs",
        about: "docs/reasons.md and docs/parity.md from their tables; --check only compares",
        run: gen_docs::run,
    },
    Command {
        name: "gen-presets",
        about: "the compiled registry from its data files; --check only compares",
        run: gen_presets::run,
    },
    Command {
        name: "test",
        about: "cargo test with the control plane at hand; arguments go to cargo test",
        run: test::run,
    },
];

/// The subcommand of that name, if this build has it.
fn command(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.name == name)
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    if matches!(name.as_str(), "" | "help" | "-h" | "--help") {
        eprintln!("usage: cargo xtask COMMAND");
        for Command { name, about, .. } in COMMANDS {
            eprintln!("  {name:<14} {about}");
        }
        return if name.is_empty() { ExitCode::from(2) } else { ExitCode::SUCCESS };
    }
    let Some(command) = command(&name) else {
        let known: Vec<&str> = COMMANDS.iter().map(|command| command.name).collect();
        eprintln!("xtask: unknown subcommand {name}; known: {}", known.join(", "));
        return ExitCode::from(2);
    };
    match (command.run)(&rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("xtask {name}: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Whether this runs where nobody watches: there, what cannot be checked is a failure and not a skip.
fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty())
}
