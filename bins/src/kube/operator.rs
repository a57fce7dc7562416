//! Watches, stores and controllers as one thing that runs until it is told to stop.

use super::cluster::KubeCluster;
use super::controller::Controller;
use super::hub::Models;
use super::readiness::Readiness;
use super::requests::Requests;
use super::watch::Keeper;
use crate::arm::{self, ArmPools, Routed};
use crate::metrics::Metrics;
use crate::recorder::FlightRecorder;
use kaito_core::cache::Stores;
use kaito_core::driver::Planner;
use kaito_core::hub::{ModelHub, NoHub};
use kaito_core::kinds::{KindUse, Watch};
use kaito_core::{Kind, Settings};
use kube_client::Client;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How many changes a controller may lag behind before the watches wait for it.
const BACKLOG: usize = 1024;

/// Why an operator ended by itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OperatorError {
    /// There is nothing to run.
    #[error("no planner was given")]
    NoPlanner,
    /// A part ended that never should: a defect. The process is better started again than left half alive.
    #[error("{part} ended unexpectedly{cause}")]
    Ended {
        /// Which part.
        part: String,
        /// Why, where that is known.
        cause: String,
    },
}

/// Planners on a cluster, not running yet.
pub struct Operator {
    planners: Vec<Arc<dyn Planner>>,
    rows: Vec<KindUse>,
    cluster: KubeCluster,
    pools: Option<ArmPools>,
    requests: Requests,
    settings: Arc<Settings>,
    concurrency: usize,
    metrics: Metrics,
    recorder: FlightRecorder,
    readiness: Readiness,
}

/// What an [`Operator`] is made from.
pub struct OperatorBuilder {
    client: Client,
    settings: Settings,
    planners: Vec<Arc<dyn Planner>>,
    kinds: Option<Vec<Kind>>,
    concurrency: usize,
    manager: String,
    metrics: Option<Metrics>,
    recorder: FlightRecorder,
    hub: Arc<dyn ModelHub>,
    pools: Option<ArmPools>,
}

impl OperatorBuilder {
    /// Runs this planner, beside those given before. Each has its own queue; all share the watches.
    #[must_use]
    pub fn planner(mut self, planner: Box<dyn Planner>) -> Self {
        self.planners.push(Arc::from(planner));
        self
    }

    /// Watches only these kinds, for planners that need few; else all that they say they need. The kinds of roots are watched in any case.
    #[must_use]
    pub fn kinds(mut self, kinds: impl IntoIterator<Item = Kind>) -> Self {
        self.kinds = Some(kinds.into_iter().collect());
        self
    }

    /// How many roots each planner looks at at once; 5 unless told, at least 1.
    #[must_use]
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = concurrency.max(1);
        self
    }

    /// The field manager of all writes; `kaito-workspace` unless told.
    #[must_use]
    pub fn manager(mut self, manager: impl Into<String>) -> Self {
        self.manager = manager.into();
        self
    }

    /// Counts here; else into counters that nobody reads.
    #[must_use]
    pub fn metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = Some(metrics);
        self
    }

    /// Takes down every reconcile here; else nothing is recorded.
    #[must_use]
    pub fn recorder(mut self, recorder: FlightRecorder) -> Self {
        self.recorder = recorder;
        self
    }

    /// Asks this hub for models that are in no catalogue; without one, they are refused in words.
    #[must_use]
    pub fn hub(mut self, hub: Arc<dyn ModelHub>) -> Self {
        self.hub = hub;
        self
    }

    /// Asks for agent pools there; without that, they are a kind that the API server does not know.
    #[must_use]
    pub fn agent_pools(mut self, pools: ArmPools) -> Self {
        self.pools = Some(pools);
        self
    }

    /// The operator. Nothing is sent yet.
    pub fn build(self) -> Operator {
        let tables: Vec<_> = self.planners.iter().map(|planner| planner.kinds(&self.settings)).collect();
        let roots: Vec<_> = self.planners.iter().map(|planner| planner.roots()).collect();
        let rows = rows(&tables, self.kinds.as_deref(), &roots);
        let metrics = self.metrics.unwrap_or_else(Metrics::unread);
        let stores = Arc::new(Stores::new(&rows));
        let requests = Requests::new(self.client, metrics.clone());
        Operator {
            planners: self.planners,
            cluster: KubeCluster::new(requests.clone(), Arc::clone(&stores), &self.manager)
                .with_models(Models::new(self.hub)),
            pools: self.pools,
            requests,
            rows,
            settings: Arc::new(self.settings),
            concurrency: self.concurrency,
            metrics,
            recorder: self.recorder,
            readiness: Readiness::new(stores),
        }
    }

    /// [`OperatorBuilder::build`], then [`Operator::run`].
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), OperatorError> {
        self.build().run(shutdown).await
    }
}

impl Operator {
    /// An operator over a client. [`super::client`] makes one that does not retry behind our back; with another, waits are longer than they are said to be.
    pub fn builder(client: Client, settings: Settings) -> OperatorBuilder {
        let manager = super::WORKSPACE_MANAGER.to_owned();
        OperatorBuilder {
            client,
            settings,
            planners: Vec::new(),
            kinds: None,
            concurrency: 5,
            manager,
            metrics: None,
            recorder: FlightRecorder::off(),
            hub: Arc::new(NoHub),
            pools: None,
        }
    }

    /// What is missing and what hangs, while it runs.
    pub fn readiness(&self) -> Readiness {
        self.readiness.clone()
    }

    /// The cluster as its planners see it.
    pub fn cluster(&self) -> KubeCluster {
        self.cluster.clone()
    }

    /// Runs until `shutdown` completes, then lets reconciles that are under way end, for 20 seconds at most.
    ///
    /// Fails when a part ends by itself, and before anything is sent when there is no planner. A cluster that cannot be reached, lacks a definition or refuses a
    /// request is no failure: [`Readiness`] says so, and it is tried again.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), OperatorError> {
        if self.planners.is_empty() {
            return Err(OperatorError::NoPlanner);
        }
        let stop = CancellationToken::new();
        let mut tasks: JoinSet<Result<String, OperatorError>> = JoinSet::new();
        let mut listeners = Vec::new();
        for planner in &self.planners {
            let (sender, changes) = mpsc::channel(BACKLOG);
            listeners.push(sender);
            let controller = Controller {
                planner: Arc::clone(planner),
                backend: Routed::new(self.cluster.clone(), self.pools.clone()),
                stores: Arc::clone(self.cluster.stores()),
                settings: Arc::clone(&self.settings),
                concurrency: self.concurrency,
                metrics: self.metrics.clone(),
                recorder: self.recorder.clone(),
                readiness: self.readiness.clone(),
                changes,
            };
            let (part, stop) = (format!("the {} controller", planner.name()), stop.clone());
            tasks.spawn(async move {
                match controller.run(stop).await {
                    Ok(()) => Ok(part),
                    Err(error) => Err(OperatorError::Ended { part, cause: format!(": {error}") }),
                }
            });
        }
        let polled = self.pools.as_ref().filter(|_| self.rows.iter().any(|row| row.kind == Kind::AgentPool));
        if let Some(pools) = polled {
            let poller = pools.clone().keep(Arc::clone(self.cluster.stores()), listeners.clone(), arm::EVERY);
            let stop = stop.clone();
            tasks.spawn(async move {
                stop.run_until_cancelled(poller).await;
                Ok("the list of agent pools".to_owned())
            });
        }
        let is_polled = |kind: Kind| kind == Kind::AgentPool && polled.is_some();
        for row in self.rows.iter().filter(|row| row.is_watched() && !is_polled(row.kind)) {
            let keeper = Keeper {
                client: self.requests.client(),
                stores: Arc::clone(self.cluster.stores()),
                row: *row,
                listeners: listeners.clone(),
            };
            let (part, stop) = (format!("the watch of {}", row.kind.plural()), stop.clone());
            tasks.spawn(async move {
                stop.run_until_cancelled(keeper.run()).await;
                Ok(part)
            });
        }
        let (models, stopped) = (self.cluster.models().clone(), stop.clone());
        tasks.spawn(async move {
            stopped.run_until_cancelled(models.run(listeners)).await;
            Ok("the hub of models".to_owned())
        });
        let ended = tokio::select! {
            () = shutdown => None,
            ended = tasks.join_next() => ended,
        };
        stop.cancel();
        while tasks.join_next().await.is_some() {}
        match ended {
            None => Ok(()),
            Some(Ok(Ok(part))) => Err(OperatorError::Ended { part, cause: String::new() }),
            Some(Ok(Err(error))) => Err(error),
            Some(Err(error)) => Err(OperatorError::Ended { part: "a task".to_owned(), cause: format!(": {error}") }),
        }
    }
}

/// The kinds to watch: rows of the planners' tables, and whole objects of roots that these do not know.
fn rows(tables: &[&'static [KindUse]], wanted: Option<&[Kind]>, roots: &[Kind]) -> Vec<KindUse> {
    let is_wanted = |kind: Kind| roots.contains(&kind) || wanted.is_none_or(|wanted| wanted.contains(&kind));
    let mut rows: Vec<KindUse> = Vec::new();
    for row in tables.iter().copied().flatten().filter(|row| is_wanted(row.kind)) {
        match rows.iter_mut().find(|known| known.kind == row.kind) {
            Some(known) => known.share(row),
            None => rows.push(*row),
        }
    }
    let others = roots.iter().chain(wanted.unwrap_or_default());
    for kind in others {
        if !rows.iter().any(|row| row.kind == *kind) {
            rows.push(KindUse {
                kind: *kind,
                watch: Watch::Full,
                label: None,
                verbs: &[],
                subresources: &[],
                custom: false,
            });
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use kaito_core::KINDS;

    #[test]
    fn an_actor_watches_its_roots_and_little_else() {
        let kinds = |rows: Vec<KindUse>| rows.into_iter().map(|row| row.kind).collect::<Vec<_>>();
        assert_eq!(rows(&[KINDS], None, &[Kind::Workspace]).len(), KINDS.len());
        assert_eq!(kinds(rows(&[KINDS], Some(&[Kind::Node]), &[Kind::NodeClaim])), [Kind::NodeClaim, Kind::Node]);
        assert_eq!(kinds(rows(&[KINDS], Some(&[]), &[Kind::Namespace])), [Kind::Namespace]);
        assert_eq!(rows(&[KINDS, KINDS], None, &[]).len(), KINDS.len(), "planners share the watches");
    }
}
