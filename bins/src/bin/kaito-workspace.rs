//! The Workspace controller.

use kaito_operator::flags::{Command, Environment, Options};
use kaito_operator::{run, telemetry};
use std::io::Write;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

const NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let variable = |name: &str| std::env::var(name).ok();
    let environment = Environment { variable: &variable, namespace: std::fs::read_to_string(NAMESPACE_FILE).ok() };
    let outcome = match Options::parse(&arguments, &environment) {
        Ok(Command::Print(text)) => std::io::stdout().write_all(text.as_bytes()).map_err(|error| error.to_string()),
        Ok(Command::Run(options)) => start(*options),
        Err(error) => Err(error.to_string()),
    };
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    let _ = writeln!(std::io::stderr(), "kaito-workspace: {error}");
    ExitCode::FAILURE
}

fn start(options: Options) -> Result<(), String> {
    // One provider for the whole process; that it is there already is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    telemetry::install(options.verbosity, options.json_logs)?;
    let words = |error: std::io::Error| error.to_string();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(words)?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(words)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(words)?;
        let told = async move {
            tokio::select! { _ = terminate.recv() => (), _ = interrupt.recv() => () }
        };
        run::run(options, told).await
    })
}
