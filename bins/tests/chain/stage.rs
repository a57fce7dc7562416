//! A real API server, an Azure on this machine, and both programs as processes, each under exactly its own rights.

use kaito_api::workspace::Workspace;
use kaito_core::backend::ClusterBackend;
use kaito_core::kinds::Typed;
use kaito_core::memory::Pace;
use kaito_core::read::Selector;
use kaito_core::snapshot::Answer;
use kaito_core::{Kind, NodeProvisioner, Read, Seen, Settings};
use kaito_operator::kube::{self, KubeCluster, Operator};
use kaito_operator::provisioner::MANAGER;
use kaito_operator::rbac;
use kaito_tests::control_plane::ControlPlane;
use kaito_tests::fake_arm::FakeArm;
use kaito_tests::stage::{USER, furnished};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

/// How long something may take. Where every tenth answer is a refusal, one claim in a thousand is refused three times in a row, and is asked for again after one, two and four minutes.
const PATIENCE: Duration = Duration::from_secs(500);
/// Between two looks at everything.
const LOOK: Duration = Duration::from_millis(500);

/// One of the programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    Workspace,
    Provisioner,
    /// Another of the same, as while one Deployment takes the place of another.
    Second,
}

impl Program {
    /// What runs unless a test says otherwise.
    pub const BOTH: [Program; 2] = [Program::Workspace, Program::Provisioner];

    /// Its name as a process.
    fn name(self) -> &'static str {
        match self {
            Program::Workspace | Program::Provisioner => self.user(),
            Program::Second => "another-provisioner",
        }
    }

    /// Who it is to the API server.
    fn user(self) -> &'static str {
        match self {
            Program::Workspace => USER,
            Program::Provisioner | Program::Second => MANAGER,
        }
    }

    fn path(self) -> &'static str {
        match self {
            Program::Workspace => env!("CARGO_BIN_EXE_kaito-workspace"),
            Program::Provisioner | Program::Second => env!("CARGO_BIN_EXE_kaito-gpu-provisioner"),
        }
    }
}

/// What there is of machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machines {
    pub pools: usize,
    pub claims: usize,
    pub nodes: usize,
}

impl Machines {
    /// As many of each.
    pub fn all(count: usize) -> Machines {
        Machines { pools: count, claims: count, nodes: count }
    }
}

pub struct Chain {
    pub plane: ControlPlane,
    pub azure: FakeArm,
    cluster: KubeCluster,
    /// Pools and claims that others have made, by name: they are not counted.
    pub others: BTreeSet<String>,
    ports: [u16; 2],
}

impl Chain {
    /// Everything, with both programs and machines that come and go at once; `None` where there is no control plane to be had.
    pub async fn start() -> Option<Chain> {
        Chain::at(Pace::instant()).await
    }

    /// The same with machines that take their time, by the clock of their cloud.
    pub async fn at(pace: Pace) -> Option<Chain> {
        let plane = furnished(&NodeProvisioner::default())?;
        plane.grant(&rbac::provisioner_role(), MANAGER).expect("the role is taken");
        let azure = FakeArm::start(pace).await;
        azure.make_nodes_on(&plane).await;
        let config = kube::config(Some(&plane.kubeconfig())).await.expect("a kubeconfig");
        let client = kube::client(config, "kaito-tests").expect("a client");
        let cluster = Operator::builder(client, Settings::default()).build().cluster();
        let mut chain = Chain { plane, azure, cluster, others: BTreeSet::new(), ports: free_ports() };
        Program::BOTH.into_iter().for_each(|program| chain.begin(program));
        Some(chain)
    }

    /// Starts a program.
    pub fn begin(&mut self, program: Program) {
        let identity = self.plane.identity(program.user(), &[]).expect("a certificate");
        let mut command = Command::new(program.path());
        command.env("KUBECONFIG", identity);
        let [metrics, health] = self.ports;
        match program {
            Program::Workspace => command
                .args(["--metrics-bind-address=0", "--health-probe-bind-address=0"])
                .env("CLOUD_PROVIDER", "azure"),
            Program::Provisioner => command
                .args([format!("--metrics-port={metrics}"), format!("--health-probe-port={health}")])
                .envs(self.azure.environment()),
            Program::Second => {
                command.args(["--metrics-port=0", "--health-probe-port=0"]).envs(self.azure.environment())
            }
        };
        self.plane.start_program(program.name(), &mut command).expect("it starts");
    }

    /// `kill -9`; another process takes its place at once.
    pub fn kill(&mut self, program: Program) {
        self.plane.kill_program(program.name()).expect("it can be killed");
        self.begin(program);
    }

    /// What the provisioner answers at its port of health or of metrics: status and text, or why there is none.
    pub async fn ask(&self, path: &str) -> Result<(u16, String), String> {
        let [metrics, health] = self.ports;
        let port = if path == "/metrics" { metrics } else { health };
        let url = format!("http://127.0.0.1:{port}{path}");
        let client = reqwest::Client::builder().no_proxy().build().map_err(|error| error.to_string())?;
        let answer = client.get(url).send().await.map_err(|error| error.to_string())?;
        Ok((answer.status().as_u16(), answer.text().await.map_err(|error| error.to_string())?))
    }

    /// Every object of a kind, as the API server has it.
    pub async fn list(&self, kind: Kind) -> Vec<Seen> {
        match self.cluster.read(&Read::list(kind, None, Selector::default()).live()).await {
            Ok(Answer::List(all)) => all,
            other => panic!("{kind}: {other:?}"),
        }
    }

    /// Every Workspace.
    pub async fn workspaces(&self) -> Vec<Workspace> {
        let decoded = |seen: &Seen| match seen {
            Seen::Decoded(object) => Workspace::of(object).cloned(),
            Seen::Malformed(_) => None,
        };
        self.list(Kind::Workspace).await.iter().filter_map(decoded).collect()
    }

    /// What there is but what others have made.
    pub async fn machines(&self) -> Machines {
        let is_counted = |name: &String| !self.others.contains(name);
        let claims = self.list(Kind::NodeClaim).await.iter().map(|seen| seen.key().name).filter(is_counted).count();
        let nodes = self.list(Kind::Node).await.len();
        Machines { pools: self.azure.states().keys().filter(|name| is_counted(name)).count(), claims, nodes }
    }

    /// Waits until something is true; fails with everything that is there when it never is, and when a program has ended by itself.
    pub async fn until(&mut self, what: &str, mut holds: impl AsyncFnMut(&Chain) -> bool) {
        let start = Instant::now();
        while !holds(self).await {
            self.plane.check().unwrap_or_else(|error| panic!("{what}: {error}"));
            if start.elapsed() > PATIENCE {
                let everything = self.everything().await;
                panic!("never, in {} s: {what}\n{everything}", PATIENCE.as_secs());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn everything(&self) -> String {
        let mut told = String::new();
        for kind in [Kind::Workspace, Kind::NodeClaim, Kind::Node] {
            for seen in self.list(kind).await {
                let Seen::Decoded(object) = &seen else { continue };
                let value = object.to_value();
                let metadata = &value["metadata"];
                let shown = json!({
                    "finalizers": metadata["finalizers"], "deleted": metadata["deletionTimestamp"], "annotations": metadata["annotations"],
                    "conditions": value["status"]["conditions"], "taints": value["spec"]["taints"],
                });
                told.push_str(&format!("{}: {shown:#}\n", seen.key()));
            }
        }
        told.push_str(&format!("{:#?}\n", self.azure.states()));
        for program in Program::BOTH {
            told.push_str(&format!("{}:\n{}\n", program.name(), self.plane.log_tail(program.name())));
        }
        told
    }

    /// What the API server has forbidden to one of the programs: nothing that it needs may be missing in its role.
    pub fn forbidden(&self) -> Vec<Value> {
        let is_ours = |line: &Value| Program::BOTH.iter().any(|program| line["user"]["username"] == program.user());
        self.plane.audit().into_iter().filter(|line| line["responseStatus"]["code"] == 403 && is_ours(line)).collect()
    }
}

/// Ports that nobody listens on.
fn free_ports() -> [u16; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port of this machine"));
    listeners.map(|listener| listener.local_addr().expect("it has an address").port())
}
