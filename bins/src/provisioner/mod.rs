//! The program `kaito-gpu-provisioner`, from its options to its end. What it decides is a planner's, which is given to [`run`].

mod options;

pub use options::{Command, OptionError, Options};

use crate::admin;
use crate::arm::TimeLimits;
use crate::kube::{self, Operator};
use crate::metrics::Metrics;
use crate::process::Parts;
use kaito_core::driver::Planner;
use prometheus::Registry;
use prometheus::process_collector::ProcessCollector;

/// The field manager of all writes: its own, so that what it owns of a NodeClaim or a Node is told from what others do.
pub const MANAGER: &str = "kaito-gpu-provisioner";

/// Runs planners on the cluster and its agent pools until `shutdown` completes; then ends in order, within 25 seconds.
///
/// Fails when the cluster's address or credentials cannot be read, a port cannot be listened on, or a part ends by itself. A cluster or an Azure that cannot be reached, and an identity that is given
/// no token, are waited for, and readiness says so.
pub async fn run(
    options: Options,
    planners: Vec<Box<dyn Planner>>,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), String> {
    for warning in &options.warnings {
        tracing::warn!("{warning}");
    }
    let registry = Registry::new();
    let metrics = Metrics::register(&registry).map_err(|error| error.to_string())?;
    registry.register(Box::new(ProcessCollector::for_self())).map_err(|error| error.to_string())?;
    let config = kube::config(None).await?;
    let cluster = options.arm.arm.cluster().name().to_owned();
    tracing::info!(version = crate::VERSION, server = %config.cluster_url, cluster, credential = options.arm.mode, "starting");
    let client = kube::client(config, &format!("{MANAGER}/{}", crate::VERSION))?;
    let pools = options.arm.pools(TimeLimits::default())?;
    let builder = Operator::builder(client, options.settings)
        .agent_pools(pools)
        .manager(MANAGER)
        .concurrency(options.concurrency)
        .metrics(metrics);
    let operator = planners.into_iter().fold(builder, kube::OperatorBuilder::planner).build();
    let mut parts = Parts::default();
    let health = admin::health_routes(operator.readiness());
    parts.serve("--health-probe-port", &options.health, health).await?;
    parts.serve("--metrics-port", &options.metrics, admin::metrics_routes(registry)).await?;
    parts.operate(operator);
    parts.run(shutdown).await
}
