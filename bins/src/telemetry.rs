//! Logs of a program. A library never installs them.

use tracing_subscriber::EnvFilter;

/// How much is logged unless `RUST_LOG` says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verbosity {
    /// What went wrong and is not tried again.
    Errors,
    /// What we change, and what others refuse.
    #[default]
    Changes,
    /// Every plan.
    Plans,
    /// What the libraries under us do.
    Libraries,
}

/// The number of `-v`, as Kubernetes' programs take it.
impl From<u8> for Verbosity {
    fn from(number: u8) -> Self {
        match number {
            0..=3 => Self::Changes,
            4..=7 => Self::Plans,
            8.. => Self::Libraries,
        }
    }
}

fn directives(verbosity: Verbosity) -> &'static str {
    match verbosity {
        Verbosity::Errors => "error",
        Verbosity::Changes => {
            "warn,kaito_operator=info,kaito_core=info,kaito_provisioner=info,kaito_workspace=info,kaito_gpu_provisioner=info"
        }
        Verbosity::Plans => {
            "info,kaito_operator=debug,kaito_core=debug,kaito_provisioner=debug,kaito_workspace=debug,kaito_gpu_provisioner=debug"
        }
        Verbosity::Libraries => "debug,hyper_util=info,tower=info,h2=info",
    }
}

/// Logs to standard error, as text or as JSON lines. `RUST_LOG` wins over `verbosity`. Fails when a logger is installed already.
pub fn install(verbosity: Verbosity, json: bool) -> Result<(), String> {
    let filter = std::env::var("RUST_LOG").ok().and_then(|told| EnvFilter::try_new(told).ok());
    let filter = filter.unwrap_or_else(|| EnvFilter::new(directives(verbosity)));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let installed = if json { logs.json().try_init() } else { logs.with_ansi(false).try_init() };
    installed.map_err(|error| error.to_string())
}
