//! Azure Resource Manager on this machine, as far as the agent pools of one cluster go: asynchronous operations, ETags, paging, refusals, and everything that may come instead of an answer.
//!
//! What becomes of a pool is decided by the actor of the memory world ([`Aks`]), here with the clock of this machine, which a test sets ahead; what is refused, and in which words, is its table
//! ([`kaito_core::memory::azure`]). Nodes of pools are made in a real cluster, too, where one is given.

mod documents; // pools, operations and errors in JSON
mod nodes; // Nodes in a real cluster
mod order; // what comes instead of an answer
mod routes; // what is asked

pub use order::{Order, Said};

use crate::control_plane::ControlPlane;
use http::Method;
use jiff::{SignedDuration, Timestamp};
use kaito_core::backend::ClusterBackend;
use kaito_core::memory::actors::Aks;
use kaito_core::memory::{CloudFate, MemoryCluster, Pace};
use kaito_core::read::Selector;
use kaito_core::{Kind, ObjectKey, Settings, driver};
use kaito_operator::arm::{ArmPools, Credential, Exchange, StaticToken, TimeLimits};
use kaito_operator::kube::{self, Operator};
use kaito_provisioner::Arm;
use kaito_provisioner::arm::{ClusterId, Endpoint};
use order::Dice;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// The subscription of the only cluster.
pub const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000000";
/// Its resource group.
pub const GROUP: &str = "rg";
/// Its name.
pub const CLUSTER: &str = "aks";
/// The token that is taken, and no other, until a test says otherwise.
pub const TOKEN: &str = "t0k3n";

/// Who makes Nodes in a real cluster.
const NODES: &str = "simulated-aks";
/// Between two looks of the cloud at its pools.
const TICK: Duration = Duration::from_millis(10);

/// One request, as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Its method.
    pub method: Method,
    /// Its path and query.
    pub uri: String,
    /// `If-Match` and `If-None-Match`.
    pub conditions: [Option<String>; 2],
    /// When it arrived.
    pub at: Instant,
}

/// An operation: what is done to which pool.
#[derive(Debug, Clone)]
struct Operation {
    pool: String,
    is_deletion: bool,
}

#[derive(Default)]
struct Inner {
    fate: CloudFate,
    /// How far its clock is ahead of this machine's.
    ahead: SignedDuration,
    /// Whether it does one thing at a time.
    is_serial: bool,
    orders: Vec<(Method, Order)>,
    dice: Option<Dice>,
    page: usize,
    token: String,
    operations: BTreeMap<String, Operation>,
    asked: Vec<Asked>,
    nodes: Option<Arc<dyn ClusterBackend>>,
    kubelets: Option<u16>,
}

/// The cloud behind the addresses.
struct Azure {
    cluster: MemoryCluster,
    inner: Mutex<Inner>,
    /// Held by whoever makes or deletes a pool: what is looked at first holds until it is done.
    turn: Mutex<()>,
    settings: Settings,
    pace: Pace,
    /// `http://127.0.0.1:PORT`.
    base: String,
}

impl Azure {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time here.
    fn now(&self) -> Timestamp {
        Timestamp::now().saturating_add(self.inner().ahead).unwrap_or(Timestamp::MAX)
    }

    /// The cloud goes on with every pool, then tells a real cluster what has become of its Nodes.
    async fn step(&self) {
        let now = self.now();
        self.cluster.set_now(now);
        let (fate, nodes, kubelets) = {
            let inner = self.inner();
            (inner.fate.clone(), inner.nodes.clone(), inner.kubelets)
        };
        let aks = Aks::with_fate(self.pace, fate);
        let aks = kubelets.map_or(aks.clone(), |port| aks.with_kubelets(port));
        for key in self.keys() {
            // What cannot be done now is tried again at the next tick.
            let _ = driver::reconcile(&self.cluster, &aks, &key, &self.settings, now).await;
        }
        for change in self.cluster.take_changes() {
            if let Some(nodes) = &nodes {
                nodes::mirror(nodes.as_ref(), &change).await;
            }
        }
    }

    fn keys(&self) -> Vec<ObjectKey> {
        let all = self.cluster.with_store(|store| store.list(Kind::AgentPool, None, &Selector::default()));
        all.iter().map(kaito_core::Seen::key).collect()
    }

    /// A pool in the form of the store.
    fn pool(&self, name: &str) -> Option<Value> {
        let key = ObjectKey::cluster(Kind::AgentPool, name);
        self.cluster.with_store(|store| store.value(&key).cloned())
    }
}

/// One that listens on this machine, until it is dropped.
pub struct FakeArm {
    azure: Arc<Azure>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for FakeArm {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl FakeArm {
    /// Starts one, whose machines take so long.
    pub async fn start(pace: Pace) -> FakeArm {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port of this machine");
        let base = format!("http://{}", listener.local_addr().expect("it has an address"));
        let inner = Mutex::new(Inner { page: 100, token: TOKEN.to_owned(), ..Inner::default() });
        let cluster = MemoryCluster::new(Timestamp::now());
        let (settings, turn) = (Settings::default(), Mutex::default());
        let azure = Arc::new(Azure { cluster, inner, turn, settings, pace, base });
        let routes = routes::routes(Arc::clone(&azure));
        let serves = tokio::spawn(async move {
            let _ = axum::serve(listener, routes).await;
        });
        let steps = Arc::clone(&azure);
        let works = tokio::spawn(async move {
            loop {
                steps.step().await;
                tokio::time::sleep(TICK).await;
            }
        });
        FakeArm { azure, tasks: vec![serves, works] }
    }

    /// Where it listens, such as `http://127.0.0.1:1234`.
    pub fn endpoint(&self) -> &str {
        &self.azure.base
    }

    /// Its cluster, as a client knows it.
    pub fn arm(&self) -> Arm {
        let cluster = ClusterId::new(SUBSCRIPTION, GROUP, CLUSTER).expect("a cluster");
        Arm::new(Endpoint::parse(self.endpoint()).expect("an endpoint"), cluster)
    }

    /// The product's way to its pools: the real transport, with the token that is taken here.
    pub fn pools(&self) -> ArmPools {
        self.pools_of(self.arm(), Arc::new(StaticToken(TOKEN.to_owned())))
    }

    /// The product's way to the pools of a cluster that may not be there, for somebody who may be nobody.
    pub fn pools_of(&self, arm: Arm, credential: Arc<dyn Credential>) -> ArmPools {
        let exchange = self.exchange(arm.endpoint(), credential);
        ArmPools::new(arm, exchange)
    }

    /// The product's way to send anything, for requests that it never makes itself.
    ///
    /// # Panics
    /// When there is no client to be had.
    pub fn exchange(&self, endpoint: &Endpoint, credential: Arc<dyn Credential>) -> Exchange {
        let limits = TimeLimits { connect: Duration::from_secs(2), request: Duration::from_secs(5) };
        let scope = format!("{}/.default", self.endpoint());
        Exchange::new(endpoint.clone(), credential, scope, None, limits).expect("a client")
    }

    /// The time, by its clock.
    pub fn now(&self) -> Timestamp {
        self.azure.now()
    }

    /// Its clock is set ahead by so much, and with it go its operations.
    pub fn pass(&self, length: SignedDuration) {
        let mut inner = self.azure.inner();
        inner.ahead = inner.ahead.saturating_add(length);
    }

    /// From now on it does one thing at a time: while a pool is made or deleted, every other request for one is refused, its own deletion, too. AKS mostly makes several at once, and gives up what it
    /// makes for a deletion; but it need not (spec/05 §7.4, §7.6).
    pub fn do_one_thing_at_a_time(&self) {
        self.azure.inner().is_serial = true;
    }

    /// From now on pools have this fate.
    pub fn set_fate(&self, fate: CloudFate) {
        self.azure.inner().fate = fate;
    }

    /// The next request of a method is answered so.
    pub fn order(&self, method: Method, order: Order) {
        self.azure.inner().orders.push((method, order));
    }

    /// From now on so many of all requests are answered wrongly, or not; `seed` decides which and how.
    pub fn fail(&self, seed: u64, odds: f64) {
        self.azure.inner().dice = Some(Dice::new(seed, odds));
    }

    /// From now on every request is answered as it should be.
    pub fn be_well(&self) {
        let mut inner = self.azure.inner();
        (inner.dice, inner.fate) = (None, CloudFate::Well);
        inner.orders.clear();
    }

    /// From now on this token is taken and no other.
    pub fn take_only(&self, token: &str) {
        token.clone_into(&mut self.azure.inner().token);
    }

    /// Lists have pages of so many pools.
    pub fn page(&self, pools: usize) {
        self.azure.inner().page = pools.max(1);
    }

    /// From now on Nodes of pools are made in this cluster, too; its kubelets are asked at this port of this machine, where one is given.
    pub fn make_nodes_in(&self, cluster: Arc<dyn ClusterBackend>, kubelets: Option<u16>) {
        let mut inner = self.azure.inner();
        (inner.nodes, inner.kubelets) = (Some(cluster), kubelets);
    }

    /// The same for a control plane with kwok, whose Nodes nobody but a test makes.
    ///
    /// # Panics
    /// When its kubeconfig cannot be used.
    pub async fn make_nodes_on(&self, plane: &ControlPlane) {
        let config = kube::config(Some(&plane.kubeconfig())).await.expect("a kubeconfig");
        let client = kube::client(config, NODES).expect("a client");
        // No watch runs, so that every read is the API server's own.
        let unwatched = Operator::builder(client, Settings::default()).manager(NODES).build().cluster();
        self.make_nodes_in(Arc::new(unwatched), plane.kubelets());
    }

    /// What `kaito-gpu-provisioner` is told to find its cluster here, as variables.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let told = [
            ("ARM_SUBSCRIPTION_ID", SUBSCRIPTION),
            ("ARM_RESOURCE_GROUP", GROUP),
            ("AZURE_CLUSTER_NAME", CLUSTER),
            ("ARM_ENDPOINT", self.endpoint()),
            ("AUTH_MODE", "static-token"),
            ("ARM_TOKEN", TOKEN),
        ];
        told.map(|(name, value)| (name, value.to_owned())).to_vec()
    }

    /// When a pool was first asked for.
    pub fn was_asked_for(&self, name: &str) -> Option<Instant> {
        let end = format!("/agentPools/{name}");
        let is_it = |asked: &&Asked| {
            asked.method == Method::PUT && asked.uri.split('?').next().is_some_and(|path| path.ends_with(&end))
        };
        self.azure.inner().asked.iter().find(is_it).map(|asked| asked.at)
    }

    /// How many pools were ever made on request.
    pub fn made(&self) -> usize {
        self.azure.inner().operations.values().filter(|operation| !operation.is_deletion).count()
    }

    /// Every request so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.azure.inner().asked.clone()
    }

    /// Every pool with its state.
    pub fn states(&self) -> BTreeMap<String, String> {
        let name = |key: &ObjectKey| key.name.clone();
        let state = |key: &ObjectKey| {
            let pool = self.azure.pool(&key.name)?;
            pool.pointer("/status/state")?.as_str().map(str::to_owned)
        };
        self.azure.keys().iter().map(|key| (name(key), state(key).unwrap_or_default())).collect()
    }

    /// Every Node that its machines have made.
    pub fn nodes(&self) -> Vec<String> {
        let all = self.azure.cluster.with_store(|store| store.list(Kind::Node, None, &Selector::default()));
        all.iter().map(|seen| seen.key().name).collect()
    }

    /// Somebody else makes a pool.
    pub fn intrude(&self, name: &str, labels: &[(&str, &str)]) {
        let labels: BTreeMap<&str, &str> = labels.iter().copied().collect();
        let body = serde_json::json!({"metadata": {"labels": labels}, "spec": {"size": "Standard_D4s_v5"}});
        let key = ObjectKey::cluster(Kind::AgentPool, name);
        self.azure.cluster.with_store(|store| store.create(&key, &body)).expect("the name is free");
    }
}
