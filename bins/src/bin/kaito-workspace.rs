//! The Workspace controller.

use kaito_operator::flags::{Command, Environment, Options};
use kaito_operator::{VERSION, run, telemetry};
use std::io::Write;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

const NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let namespace = std::fs::read_to_string(NAMESPACE_FILE).ok();
    let outcome =
        match Options::parse(&arguments, &Environment { variable: &|name| std::env::var(name).ok(), namespace }) {
            Ok(Command::Version) => writeln!(std::io::stdout(), "{VERSION}").map_err(|error| error.to_string()),
            Ok(Command::Help(text)) => write!(std::io::stdout(), "{text}").map_err(|error| error.to_string()),
            Ok(Command::Run(options)) => start(*options),
            Err(error) => Err(error.to_string()),
        };
    if let Err(error) = outcome {
        let _ = writeln!(std::io::stderr(), "kaito-workspace: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn start(options: Options) -> Result<(), String> {
    // One provider for the whole process; that it is there already is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    telemetry::install(options.verbosity, options.json_logs).map_err(|error| error.to_string())?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| error.to_string())?;
        run::run(options, async move {
            tokio::select! { _ = terminate.recv() => (), _ = interrupt.recv() => () }
        })
        .await
    })
}
