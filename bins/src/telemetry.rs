//! Logs of a program. A library never installs them.

use tracing_subscriber::EnvFilter;

/// How much is logged unless `RUST_LOG` says otherwise: our own changes, or from level 4 on every plan, from 8 on what the libraries under us do.
fn directives(verbosity: u8) -> &'static str {
    match verbosity {
        0..=3 => {
            "warn,kaito_operator=info,kaito_core=info,kaito_provisioner=info,kaito_workspace=info,kaito_gpu_provisioner=info"
        }
        4..=7 => {
            "info,kaito_operator=debug,kaito_core=debug,kaito_provisioner=debug,kaito_workspace=debug,kaito_gpu_provisioner=debug"
        }
        8.. => "debug,hyper_util=info,tower=info,h2=info",
    }
}

/// Logs to standard error, as text or as JSON lines. `RUST_LOG` wins over `verbosity`. Fails when a logger is installed already.
pub fn install(verbosity: u8, json: bool) -> Result<(), String> {
    let filter = std::env::var("RUST_LOG").ok().and_then(|told| EnvFilter::try_new(told).ok());
    let filter = filter.unwrap_or_else(|| EnvFilter::new(directives(verbosity)));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let installed = if json { logs.json().try_init() } else { logs.with_ansi(false).try_init() };
    installed.map_err(|error| error.to_string())
}
