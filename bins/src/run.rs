//! The program `kaito-workspace`, from its options to its end.

use crate::admin::{self, Token};
use crate::flags::Options;
use crate::hub::{self, ClusterTokens};
use crate::kube::{self, ClassKeeper, Operator};
use crate::metrics::Metrics;
use crate::process::Parts;
use crate::recorder::FlightRecorder;
use kaito_core::WorkspacePlanner;
use kaito_core::record::Limits;
use prometheus::Registry;
use prometheus::process_collector::ProcessCollector;
use std::path::Path;
use std::sync::Arc;

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
    let classes = options.settings.provisioner.node_classes().map(|_| {
        let requests = kube::Requests::new(client.clone(), metrics.clone());
        ClassKeeper::new(requests, options.class_kind.clone(), options.node_classes.clone())
    });
    let operator = Operator::builder(client, options.settings)
        .hub(hub::hub(options.hub, Arc::new(tokens)))
        .planner(Box::new(WorkspacePlanner))
        .concurrency(options.concurrency)
        .metrics(metrics)
        .recorder(recorder.clone())
        .build();

    let mut parts = Parts::default();
    let health = admin::health_routes(operator.readiness());
    parts.serve("--health-probe-bind-address", &options.health, health).await?;
    let routes = admin::metrics_routes(registry).merge(admin::debug_routes(recorder, token));
    parts.serve("--metrics-bind-address", &options.metrics, routes).await?;
    if let Some(classes) = classes {
        parts.keep(classes);
    }
    parts.operate(operator);
    parts.run(shutdown).await
}

/// The word in a file; there must be one, so that an empty file opens nothing.
fn token(path: &Path) -> Result<Token, String> {
    let wrong = |why: &str| format!("--debug-token-file={}: {why}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error.to_string()))?;
    Token::of(&text).ok_or_else(|| wrong("the file is empty"))
}
