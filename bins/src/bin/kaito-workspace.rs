//! The Workspace controller.

use kaito_operator::flags::{Command, Environment, Options};
use kaito_operator::{process, run};
use std::io::Write;
use std::process::ExitCode;

const NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let variable = |name: &str| std::env::var(name).ok();
    let environment = Environment { variable: &variable, namespace: std::fs::read_to_string(NAMESPACE_FILE).ok() };
    let outcome = match Options::parse(&arguments, &environment) {
        Ok(Command::Print(text)) => std::io::stdout().write_all(text.as_bytes()).map_err(|error| error.to_string()),
        Ok(Command::Run(options)) => {
            process::until_told(options.verbosity, options.json_logs, |told| run::run(*options, told))
        }
        Err(error) => Err(error.to_string()),
    };
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    let _ = writeln!(std::io::stderr(), "kaito-workspace: {error}");
    ExitCode::FAILURE
}
