//! How a control plane comes up: which parts, with which flags, and when it is ready.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::certificates::{self, Authority, Pair};
use super::error::At;
use super::process::Family;
use super::{Assets, ControlPlane, Error, Options, kubeconfig};

pub(super) const AUDIT_LOG: &str = "audit.log";
pub(super) const POD_LOG: &str = "pod.log";

const ETCD: &str = "etcd";
const API_SERVER: &str = "kube-apiserver";
const CONTROLLER_MANAGER: &str = "kube-controller-manager";
const SCHEDULER: &str = "kube-scheduler";
const KWOK: &str = "kwok";

const AUDIT_POLICY: &str = r#"{"apiVersion": "audit.k8s.io/v1", "kind": "Policy",
"omitStages": ["RequestReceived", "ResponseStarted"], "rules": [{"level": "Metadata"}]}"#;

/// Starts what `options` name and waits until it serves. A port that another process took meanwhile: once more, with other ports.
pub(super) fn launch(assets: Assets, options: &Options) -> Result<ControlPlane, Error> {
    for _ in 0..2 {
        match attempt(assets.clone(), options) {
            Err(Error::Part { log, .. }) if log.contains("address already in use") => {}
            other => return other,
        }
    }
    attempt(assets, options)
}

fn attempt(assets: Assets, options: &Options) -> Result<ControlPlane, Error> {
    let folder = create_folder()?;
    let family = Family::found(folder.clone())?;
    let [client_port, peer_port, api_port, kubelet_port] = free_ports()?;
    let authority = Authority::create(&folder)?;
    let service_accounts = certificates::service_accounts(&folder)?;
    let server = format!("https://127.0.0.1:{api_port}");
    kubeconfig::write(&folder, &server, &authority, kubeconfig::ADMIN, &["system:masters"])?;

    let deadline = Instant::now() + options.patience;
    let mut start = Start { assets: &assets, folder: &folder, family, deadline };
    start.etcd(client_port, peer_port)?;
    start.api_server(options, [client_port, api_port], &authority, &service_accounts)?;
    start.until_open(API_SERVER, api_port)?;
    start.until_answered(API_SERVER, "/readyz")?;
    // The server is ready a moment before the first namespace is there.
    start.until_answered(API_SERVER, "/api/v1/namespaces/default")?;
    if options.kwok {
        start.kwok(options, kubelet_port, &authority.server(&folder, KWOK)?)?;
    }
    if options.controller_manager {
        start.controller_manager(options, &authority, &service_accounts)?;
        start.scheduler()?;
        start.until_answered(CONTROLLER_MANAGER, "/api/v1/namespaces/default/serviceaccounts/default")?;
    }
    if options.kwok {
        start.until_open(KWOK, kubelet_port)?;
    }
    let family = start.family;
    let kubelets = options.kwok.then_some(kubelet_port);
    Ok(ControlPlane { assets, folder, server, audit: options.audit, authority, kubelets, family })
}

/// A control plane that is coming up.
struct Start<'a> {
    assets: &'a Assets,
    folder: &'a Path,
    family: Family,
    deadline: Instant,
}

impl Start<'_> {
    fn part(&mut self, name: &'static str, flags: &[String]) -> Result<(), Error> {
        self.family.start(name, Command::new(self.assets.file(name)?).args(flags))
    }

    fn etcd(&mut self, client_port: u16, peer_port: u16) -> Result<(), Error> {
        let (client, peer) = (format!("http://127.0.0.1:{client_port}"), format!("http://127.0.0.1:{peer_port}"));
        self.part(
            ETCD,
            &[
                format!("--data-dir={}", self.path("etcd")),
                format!("--listen-client-urls={client}"),
                format!("--advertise-client-urls={client}"),
                format!("--listen-peer-urls={peer}"),
                format!("--initial-advertise-peer-urls={peer}"),
                format!("--initial-cluster=default={peer}"),
                "--unsafe-no-fsync".to_owned(),
                "--quota-backend-bytes=8589934592".to_owned(),
            ],
        )
    }

    fn api_server(
        &mut self,
        options: &Options,
        [etcd_port, port]: [u16; 2],
        authority: &Authority,
        service_accounts: &Pair,
    ) -> Result<(), Error> {
        let serving = authority.server(self.folder, API_SERVER)?;
        let mut flags = vec![
            format!("--etcd-servers=http://127.0.0.1:{etcd_port}"),
            "--bind-address=127.0.0.1".to_owned(),
            "--advertise-address=127.0.0.1".to_owned(),
            format!("--secure-port={port}"),
            format!("--cert-dir={}", self.path("serving")),
            format!("--tls-cert-file={}", serving.certificate.display()),
            format!("--tls-private-key-file={}", serving.key.display()),
            format!("--client-ca-file={}", authority.certificate.display()),
            "--authorization-mode=RBAC".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-key-file={}", service_accounts.certificate.display()),
            format!("--service-account-signing-key-file={}", service_accounts.key.display()),
            "--service-cluster-ip-range=10.96.0.0/12".to_owned(),
            "--allow-privileged".to_owned(),
            "--disable-admission-plugins=ServiceAccount".to_owned(),
            "--max-requests-inflight=0".to_owned(),
            "--max-mutating-requests-inflight=0".to_owned(),
            "--enable-priority-and-fairness=false".to_owned(),
        ];
        if options.audit {
            let policy = self.path("audit-policy.json");
            fs::write(&policy, AUDIT_POLICY).at(&policy)?;
            flags.push(format!("--audit-policy-file={policy}"));
            flags.push(format!("--audit-log-path={}", self.path(AUDIT_LOG)));
            flags.push("--audit-log-maxsize=10000".to_owned()); // MiB: never a second file
        }
        self.part(API_SERVER, &flags)
    }

    fn controller_manager(
        &mut self,
        options: &Options,
        authority: &Authority,
        service_accounts: &Pair,
    ) -> Result<(), Error> {
        self.part(
            CONTROLLER_MANAGER,
            &[
                format!("--kubeconfig={}", self.path("kubeconfig")),
                "--leader-elect=false".to_owned(),
                "--secure-port=0".to_owned(),
                "--use-service-account-credentials=false".to_owned(),
                format!("--service-account-private-key-file={}", service_accounts.key.display()),
                format!("--root-ca-file={}", authority.certificate.display()),
                format!("--node-monitor-grace-period={}", if options.calm { "24h" } else { "40s" }),
                "--concurrent-statefulset-syncs=20".to_owned(),
                "--kube-api-qps=500".to_owned(),
                "--kube-api-burst=1000".to_owned(),
            ],
        )
    }

    fn scheduler(&mut self) -> Result<(), Error> {
        let kubeconfig = format!("--kubeconfig={}", self.path("kubeconfig"));
        self.part(SCHEDULER, &[kubeconfig, "--leader-elect=false".to_owned(), "--secure-port=0".to_owned()])
    }

    fn kwok(&mut self, options: &Options, port: u16, serving: &Pair) -> Result<(), Error> {
        let stages = self.assets.file("kwok-stages.yaml")?;
        let config = fs::read_to_string(&stages).at(stages.to_string_lossy())?;
        // Nodes of Karpenter's simulated cloud come with what they have for pods alone.
        let mut config =
            config.replace("with .status.capacity }}", "with (or .status.capacity .status.allocatable) }}");
        let log = self.path(POD_LOG);
        fs::write(&log, "").at(&log)?;
        let _ = write!(
            config,
            "---\napiVersion: kwok.x-k8s.io/v1alpha1\nkind: ClusterLogs\nmetadata: {{name: all}}\n\
             spec: {{logs: [{{logsFile: {log:?}, follow: false}}]}}\n"
        );
        let path = self.path("kwok.yaml");
        fs::write(&path, config).at(&path)?;
        self.part(
            KWOK,
            &[
                format!("--kubeconfig={}", self.path("kubeconfig")),
                format!("--config={path}"),
                "--manage-all-nodes=false".to_owned(),
                "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake".to_owned(),
                format!("--node-lease-duration-seconds={}", if options.calm { 0 } else { 40 }),
                "--node-ip=127.0.0.1".to_owned(),
                format!("--node-port={port}"),
                format!("--server-address=127.0.0.1:{port}"),
                format!("--tls-cert-file={}", serving.certificate.display()),
                format!("--tls-private-key-file={}", serving.key.display()),
            ],
        )
    }

    /// Waits until something listens; much cheaper than to start kubectl.
    fn until_open(&mut self, part: &'static str, port: u16) -> Result<(), Error> {
        self.until(part, |_| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map(|_| ()).map_err(|e| e.to_string()))
    }

    /// Waits until the API server answers a path with success.
    fn until_answered(&mut self, part: &'static str, path: &str) -> Result<(), Error> {
        self.until(part, |start| {
            let mut kubectl = kubectl(start.assets, start.folder, &start.folder.join("kubeconfig"));
            let output = kubectl.args(["get", "--raw", path]).output().map_err(|error| error.to_string())?;
            if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
        })
    }

    fn until(&mut self, part: &'static str, mut look: impl FnMut(&Self) -> Result<(), String>) -> Result<(), Error> {
        loop {
            let seen = look(self);
            self.family.check()?;
            match seen {
                Ok(()) => return Ok(()),
                Err(why) if Instant::now() > self.deadline => return Err(self.family.late(part, why.trim_end())),
                Err(_) => sleep(Duration::from_millis(50)),
            }
        }
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).to_string_lossy().into_owned()
    }
}

/// kubectl with that kubeconfig, which leaves nothing outside of `folder` and reads none of the person's settings.
pub(super) fn kubectl(assets: &Assets, folder: &Path, kubeconfig: &Path) -> Command {
    let mut command = Command::new(assets.folder().join("kubectl"));
    command.env("HOME", folder).env_remove("KUBERC").env("KUBECONFIG", kubeconfig);
    command
}

/// A new folder that only this user may read: there are keys in it.
fn create_folder() -> Result<PathBuf, Error> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("kaito-control-plane-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let folder = std::env::temp_dir().join(name);
    DirBuilder::new().mode(0o700).create(&folder).at(folder.to_string_lossy())?;
    Ok(folder)
}

/// Ports that nobody listens on, all different.
pub(super) fn free_ports<const N: usize>() -> Result<[u16; N], Error> {
    let mut listeners = Vec::new();
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).at("a free port")?;
        *port = listener.local_addr().at("a free port")?.port();
        listeners.push(listener);
    }
    Ok(ports)
}
