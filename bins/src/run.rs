//! The program `kaito-workspace`, from its options to its end.

use crate::admin::{self, BindAddress, Token};
use crate::flags::Options;
use crate::hub::{self, ClusterTokens};
use crate::kube::{self, Operator};
use crate::metrics::Metrics;
use crate::recorder::FlightRecorder;
use axum::Router;
use kaito_core::WorkspacePlanner;
use kaito_core::record::Limits;
use prometheus::Registry;
use prometheus::process_collector::ProcessCollector;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// From the signal to the end at the latest; a pod is killed after 30 seconds.
const SHUTDOWN: Duration = Duration::from_secs(25);

/// Runs until `shutdown` completes; then ends in order, within 25 seconds.
///
/// Fails when the cluster's address or credentials or the token cannot be read, an address cannot be listened on, or a part ends by itself. A cluster that cannot be reached is waited for.
pub async fn run(options: Options, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<(), String> {
    for warning in &options.warnings {
        tracing::warn!("{warning}");
    }
    let registry = Registry::new();
    let metrics = Metrics::register(&registry).map_err(|error| error.to_string())?;
    registry.register(Box::new(ProcessCollector::for_self())).map_err(|error| error.to_string())?;

    let recorder = FlightRecorder::new(Limits::of_bytes(options.recorder_bytes));
    let token = options.debug_token_file.as_deref().map(token).transpose()?;

    let config = kube::config(options.kubeconfig.as_deref()).await?;
    tracing::info!(version = crate::VERSION, server = %config.cluster_url, cloud = options.settings.cloud.as_str(), "starting");
    let client = kube::client(config, &format!("kaito-workspace/{}", crate::VERSION))?;
    let tokens = ClusterTokens::new(kube::Requests::new(client.clone(), metrics.clone()), options.hub.token.clone());
    let operator = Operator::builder(client, options.settings)
        .hub(hub::hub(options.hub, Arc::new(tokens)))
        .planner(Box::new(WorkspacePlanner))
        .concurrency(options.concurrency)
        .metrics(metrics)
        .recorder(recorder.clone())
        .build();

    let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
    let readiness = operator.readiness();
    serve(&mut tasks, "--health-probe-bind-address", &options.health, admin::health_routes(readiness.clone()), &stop)
        .await?;
    let routes = admin::metrics_routes(registry).merge(admin::debug_routes(recorder, token));
    serve(&mut tasks, "--metrics-bind-address", &options.metrics, routes, &stop).await?;
    tasks.spawn(tell(readiness, stop.clone()));
    let stopped = stop.clone();
    tasks.spawn(async move { operator.run(stopped.cancelled_owned()).await.map_err(|error| error.to_string()) });

    let ended = tokio::select! {
        () = shutdown => None,
        ended = tasks.join_next() => ended,
    };
    tracing::info!("stopping");
    stop.cancel();
    if tokio::time::timeout(SHUTDOWN, async { while tasks.join_next().await.is_some() {} }).await.is_err() {
        tracing::warn!("not everything ended within {} seconds", SHUTDOWN.as_secs());
    }
    match ended {
        None => Ok(()),
        Some(Ok(Ok(()))) => Err("a part ended unexpectedly".to_owned()),
        Some(Ok(Err(error))) => Err(error),
        Some(Err(error)) => Err(error.to_string()),
    }
}

/// The word in a file; there must be one, so that an empty file opens nothing.
fn token(path: &Path) -> Result<Token, String> {
    let wrong = |why: &str| format!("--debug-token-file={}: {why}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error.to_string()))?;
    Token::of(&text).ok_or_else(|| wrong("the file is empty"))
}

async fn serve(
    tasks: &mut JoinSet<Result<(), String>>,
    flag: &str,
    address: &BindAddress,
    routes: Router,
    stop: &CancellationToken,
) -> Result<(), String> {
    let listener = address.listen().await.map_err(|error| format!("{flag}={address}: {error}"))?;
    if let Some(listener) = listener {
        let stop = stop.clone().cancelled_owned();
        tasks.spawn(async move { admin::serve(listener, routes, stop).await.map_err(|error| error.to_string()) });
    }
    Ok(())
}

/// Says once what is waited for, each time that changes, and when all is there.
async fn tell(readiness: kube::Readiness, stop: CancellationToken) -> Result<(), String> {
    let (mut told, mut ticks) = (None, tokio::time::interval(Duration::from_secs(1)));
    ticks.tick().await; // the first comes at once, before anything can be there
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let missing = readiness.missing();
        if told.as_ref() == Some(&missing) {
            continue;
        }
        match missing.as_slice() {
            [] => tracing::info!("ready"),
            all => tracing::warn!("not ready: {}", all.join("; ")),
        }
        told = Some(missing);
    }
    Ok(())
}
