//! `kaito`: what will happen to a model on Kubernetes, before anything is paid for.

use std::process::ExitCode;

fn main() -> ExitCode {
    kaito_operator::cli::main()
}
