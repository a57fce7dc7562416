//! A real API server as a stage: kwok plays the kubelets, our own cloud the machines, and the controller runs under exactly the generated ClusterRole.

use super::clouds::{Clouds, InClouds};
use super::{Stage, belongs};
use crate::control_plane::{ControlPlane, Options};
use crate::environment;
use crate::faults::FaultLayer;
use kaito_core::kinds::Scope;
use kaito_core::memory::{
    ExampleHub, Pace,
    actors::{Cloud, Karpenter},
    installed,
};
use kaito_core::{Kind, NodeProvisioner, Settings, WorkspacePlanner};
use kaito_operator::kube::{Operator, OperatorError, client, client_builder, config};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// The user that the controller is.
pub const USER: &str = "kaito-workspace";
/// How long something may take that takes a second on an idle machine.
const PATIENCE: Duration = Duration::from_secs(90);
/// The same where requests fail: a refusal that comes again is tried again at ever longer intervals.
const PATIENCE_UNDER_FIRE: Duration = Duration::from_secs(240);
/// How many requests of the controller fail on the stage that is under fire.
const ODDS: f64 = 0.1;
/// What every pod prints: the same as in the memory world.
const BENCHMARKED: [&str; 3] = [
    "INFO started",
    "KAITO_BENCHMARK_CONFIG 2026-01-01T00:00:00Z {\"duration_sec\": 60, \"input_tokens\": 2048, \"output_tokens\": 256, \"max_concurrency\": 32}",
    "KAITO_BENCHMARK_RESULT 2026-01-01T00:00:00Z {\"vllm_total_tpm\": 12345.5, \"ttft_avg_ms\": 850.2, \"tpot_avg_ms\": 31.4}",
];
/// What decides which; `KAITO_FIRE_SEED` is another one.
const SEED: u64 = 1;

/// A control plane with the controller and a cloud.
pub struct Operated {
    plane: ControlPlane,
    faults: Option<FaultLayer>,
}

/// How the controller runs.
enum Controller {
    /// The caller brings a program.
    Absent,
    /// In this process.
    Well,
    /// In this process, with faults between it and the API server.
    UnderFire(FaultLayer),
}

impl Operated {
    /// The one that all stories of a test program share; `None` where there is no control plane to be had.
    pub fn shared() -> Option<&'static Operated> {
        static SHARED: OnceLock<Option<Operated>> = OnceLock::new();
        SHARED.get_or_init(|| Operated::start(true)).as_ref()
    }

    /// The one that all stories of a test program share whose controller hears no answer, or the wrong one, to every tenth request; else as [`Operated::shared`].
    pub fn shared_under_fire() -> Option<&'static Operated> {
        static SHARED: OnceLock<Option<Operated>> = OnceLock::new();
        let seed = environment::parsed("KAITO_FIRE_SEED").unwrap_or(SEED);
        SHARED.get_or_init(|| Operated::begin(Controller::UnderFire(FaultLayer::new(seed, ODDS)))).as_ref()
    }

    /// Starts one. `controller` runs in this process; without it, the caller brings a program.
    pub fn start(controller: bool) -> Option<Operated> {
        Self::begin(if controller { Controller::Well } else { Controller::Absent })
    }

    /// Starts one with a controller of these settings, in which each of these namespaces lies in a cloud of its own.
    pub fn in_clouds(clouds: Clouds, settings: &Settings) -> Option<Operated> {
        Self::begin_in(clouds, settings, Controller::Well)
    }

    fn begin(controller: Controller) -> Option<Operated> {
        Self::begin_in(Clouds::new(), &Settings::default(), controller)
    }

    fn begin_in(clouds: Clouds, settings: &Settings, controller: Controller) -> Option<Operated> {
        let plane = furnished(&settings.provisioner)?;
        let faults = match &controller {
            Controller::UnderFire(faults) => Some(faults.clone()),
            Controller::Well | Controller::Absent => None,
        };
        let operated = Operated { plane, faults };
        operated.run_parts(clouds, settings, controller);
        Some(operated)
    }

    /// What goes wrong between the controller and the API server, if anything does.
    pub fn faults(&self) -> Option<&FaultLayer> {
        self.faults.as_ref()
    }

    /// How long something may take.
    pub(super) fn patience(&self) -> Duration {
        if self.faults.is_some() { PATIENCE_UNDER_FIRE } else { PATIENCE }
    }

    /// The control plane.
    pub fn plane(&self) -> &ControlPlane {
        &self.plane
    }

    /// The kubeconfig of the controller's identity.
    pub fn identity(&self) -> PathBuf {
        self.plane.identity(USER, &[]).expect("a certificate")
    }

    /// Runs the controller in this process from now on, where it did not run before.
    pub fn start_controller(&self) {
        let identity = self.identity();
        in_a_thread(async move {
            let ended = control(Clouds::new(), Settings::default(), Controller::Well, &identity).await;
            panic!("the operator ended: {ended:?}");
        });
    }

    /// Runs the cloud, and the controller where it is wanted, in a thread of their own until the process ends.
    fn run_parts(&self, clouds: Clouds, settings: &Settings, controller: Controller) {
        let (admin, identity, settings) = (self.plane.kubeconfig(), self.identity(), settings.clone());
        let cloud = Cloud::new(Pace::instant()).with_kubelets(self.plane.kubelets().expect("kwok runs"));
        in_a_thread(async move {
            let admin = config(Some(&admin)).await.expect("a kubeconfig");
            let mut operator = Operator::builder(client(admin, "simulated-cloud").expect("a client"), settings.clone())
                .planner(Box::new(InClouds { planner: cloud, clouds: clouds.clone() }));
            if settings.provisioner.node_classes().is_some() {
                operator = operator.planner(Box::new(Karpenter));
            }
            let cloud =
                operator.kinds([Kind::NodeClaim, Kind::Node]).manager("simulated-cloud").run(std::future::pending());
            let ended = tokio::join!(cloud, control(clouds, settings, controller, &identity));
            panic!("the operators ended: {ended:?}");
        });
    }

    /// Puts nodes there that somebody brought along; kwok plays their kubelets.
    ///
    /// # Panics
    /// When the API server does not take one.
    pub fn bring(&self, nodes: Vec<Value>) {
        let port = self.plane.kubelets().expect("kwok runs");
        for mut node in nodes {
            let name = node["metadata"]["name"].as_str().expect("a name").to_owned();
            node["metadata"]["annotations"] = json!({"kwok.x-k8s.io/node": "fake"});
            let mut status = node["status"].take();
            status["addresses"] = json!([{"type": "InternalIP", "address": "127.0.0.1"}]);
            status["daemonEndpoints"] = json!({"kubeletEndpoint": {"Port": port}});
            self.plane.apply_text(&node.to_string()).expect("the API server takes it");
            let patch = json!({"status": status}).to_string();
            self.plane
                .run(&["patch", "node", &name, "--subresource=status", "--type=merge", "--patch", &patch])
                .expect("the API server takes it");
        }
    }
}

/// A control plane with everything, audited and calm: the definitions, what the chart installs, and a user [`USER`] with exactly the generated ClusterRole. `None` where there is none to be had.
///
/// # Panics
/// When it does not come up.
pub fn furnished(provisioner: &NodeProvisioner) -> Option<ControlPlane> {
    let options = Options { controller_manager: true, kwok: true, calm: true, audit: true, ..Options::default() };
    let plane = ControlPlane::start_or_skip(options).unwrap_or_else(|error| panic!("no control plane: {error}"))?;
    let crds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crds/kaito.sh_workspaces.yaml");
    let claims = plane.assets().node_claim_crd().expect("the CRD comes with the control plane");
    let pools = plane.assets().node_pool_crd().expect("the CRD comes with the control plane");
    for crd in [crds, claims, pools] {
        plane.apply(&crd).expect("the CRD is taken");
    }
    plane.run(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]).expect("the CRDs are served");
    for (_, object) in installed(&Settings::default()) {
        plane.apply_text(&object.to_string()).expect("the chart's object is taken");
    }
    plane.grant(&kaito_operator::rbac::cluster_role(provisioner), USER).expect("the role is taken");
    plane.set_pod_log(&BENCHMARKED).expect("the log is written");
    Some(plane)
}

/// Runs something that never ends in a thread of its own.
fn in_a_thread(work: impl Future<Output = ()> + Send + 'static) {
    std::thread::spawn(move || {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        runtime.block_on(work);
    });
}

/// Runs the controller under its own identity, if it runs here.
async fn control(
    clouds: Clouds,
    settings: Settings,
    controller: Controller,
    identity: &Path,
) -> Result<(), OperatorError> {
    let config = config(Some(identity)).await.expect("a kubeconfig");
    let client = match controller {
        Controller::Absent => std::future::pending().await,
        Controller::Well => client(config, USER),
        Controller::UnderFire(faults) => {
            client_builder(config, USER).map(|builder| builder.with_layer(&faults).build())
        }
    };
    let operator = Operator::builder(client.expect("a client"), settings);
    let planner = InClouds { planner: WorkspacePlanner, clouds };
    operator.planner(Box::new(planner)).hub(Arc::new(ExampleHub)).run(std::future::pending()).await
}

/// One namespace of it.
pub struct RealStage {
    operated: &'static Operated,
    namespace: String,
}

impl RealStage {
    /// A fresh namespace.
    pub fn new(operated: &'static Operated, namespace: &str) -> Self {
        operated.plane.run(&["create", "namespace", namespace]).expect("the namespace is new");
        Self { operated, namespace: namespace.to_owned() }
    }

    /// Gives the machines back, so that later stories do not share a cluster with them.
    pub fn clear(&mut self) {
        let _ = self.kubectl(&["delete", "workspaces.kaito.sh", "--all", "--wait=false"]);
    }

    /// What a kubelet or a controller of the cluster says of an object.
    pub fn patch_status(&mut self, kind: Kind, name: &str, status: &Value) {
        let patch = json!({"status": status}).to_string();
        self.kubectl(&["patch", &resource(kind), name, "--subresource=status", "--type=merge", "--patch", &patch])
            .expect("the API server takes it");
    }

    fn kubectl(&self, arguments: &[&str]) -> Result<String, String> {
        let all: Vec<&str> = ["--namespace", &self.namespace].into_iter().chain(arguments.iter().copied()).collect();
        self.operated.plane.run(&all).map_err(|error| error.to_string())
    }

    /// What kubectl answers, decoded.
    fn json(&self, arguments: &[&str]) -> Result<Value, String> {
        let all: Vec<&str> = arguments.iter().copied().chain(["--output=json"]).collect();
        Ok(serde_json::from_str(&self.kubectl(&all)?).expect("kubectl prints JSON"))
    }
}

fn resource(kind: Kind) -> String {
    if kind.group().is_empty() {
        kind.plural().to_owned()
    } else {
        format!("{}.{}.{}", kind.plural(), kind.version(), kind.group())
    }
}

impl Stage for RealStage {
    fn namespace(&self) -> &str {
        &self.namespace
    }

    fn put(&mut self, document: &Value) {
        let mut document = document.clone();
        document["metadata"]["namespace"] = json!(self.namespace);
        self.operated.plane.apply_text(&document.to_string()).expect("the API server takes it");
    }

    fn patch(&mut self, kind: Kind, name: &str, patch: &Value) {
        self.kubectl(&["patch", &resource(kind), name, "--type=merge", "--patch", &patch.to_string()])
            .expect("the API server takes it");
    }

    fn remove(&mut self, kind: Kind, name: &str) {
        self.kubectl(&["delete", &resource(kind), name, "--wait=false"]).expect("it is there");
    }

    fn get(&self, kind: Kind, name: &str) -> Option<Value> {
        match self.json(&["get", &resource(kind), name]) {
            Ok(object) => Some(object),
            Err(error) if error.contains("(NotFound)") => None,
            Err(error) => panic!("{kind} {name} cannot be read: {error}"),
        }
    }

    fn list(&self, kind: Kind) -> Vec<Value> {
        let (resource, selector) =
            (resource(kind), format!("--selector=kaito.sh/workspacenamespace={}", self.namespace));
        let mut arguments = vec!["get", resource.as_str()];
        if kind.scope() == Scope::Cluster {
            arguments.push(&selector);
        }
        let list = self.json(&arguments).unwrap_or_else(|error| panic!("{kind} cannot be listed: {error}"));
        let items = list["items"].as_array().expect("a list has items").clone();
        items.into_iter().filter(|object| belongs(object, &self.namespace)).collect()
    }

    fn until(&mut self, what: &str, holds: &dyn Fn(&dyn Stage) -> bool) {
        let start = Instant::now();
        let patience = self.operated.patience();
        while start.elapsed() < patience {
            if holds(self) {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let statuses: Vec<Value> =
            self.list(Kind::Workspace).into_iter().map(|workspace| workspace["status"].clone()).collect();
        panic!("never, in {} s: {what}\n{:#}", patience.as_secs(), json!(statuses));
    }

    fn pass_time(&mut self) {
        std::thread::sleep(Duration::from_secs(2));
    }

    fn writes(&self) -> u64 {
        let machines: Vec<Value> = [Kind::NodeClaim, Kind::Node]
            .iter()
            .flat_map(|kind| self.list(*kind))
            .map(|object| object["metadata"]["name"].clone())
            .collect();
        let is_ours = |line: &&Value| {
            let object = &line["objectRef"];
            let writes = ["create", "update", "patch", "delete"].iter().any(|verb| line["verb"] == *verb);
            writes
                && line["user"]["username"] == USER
                && (object["namespace"] == self.namespace || machines.contains(&object["name"]))
        };
        self.operated.plane.audit().iter().filter(is_ours).count() as u64
    }
}
