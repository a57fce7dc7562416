//! The provisioner of agent pools: makes machines of AKS for NodeClaims.

use kaito_operator::process;
use kaito_operator::provisioner::{self, Command, Options};
use kaito_provisioner::ClaimPlanner;
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match Options::parse(&arguments, &|name| std::env::var(name).ok()) {
        Ok(Command::Print(text)) => std::io::stdout().write_all(text.as_bytes()).map_err(|error| error.to_string()),
        Ok(Command::Run(options)) => process::until_told(options.verbosity, false, |told| {
            provisioner::run(*options, vec![Box::new(ClaimPlanner)], told)
        }),
        Err(error) => Err(error.to_string()),
    };
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    let _ = writeln!(std::io::stderr(), "kaito-gpu-provisioner: {error}");
    ExitCode::FAILURE
}
