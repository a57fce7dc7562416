//! A real control plane for a test: etcd and kube-apiserver on free loopback ports, and as [`Options`] say kube-controller-manager,
//! kube-scheduler and kwok (fake kubelets).
//!
//! ```no_run
//! use kaito_tests::control_plane::{ControlPlane, Options};
//! # fn main() -> Result<(), kaito_tests::control_plane::Error> {
//! let Some(plane) = ControlPlane::start_or_skip(Options { kwok: true, ..Options::default() })? else { return Ok(()) };
//! plane.run(&["create", "namespace", "team"])?;
//! # Ok(()) }
//! ```
//!
//! The programs lie in the folder that `cargo xtask control-plane` prints and `cargo xtask test` hands over; without it a test that
//! calls [`ControlPlane::start_or_skip`] says `SKIPPED: …` and passes, or fails where the variable `CI` is set.
//!
//! Everything is gone when the value is dropped, also when the test panics, is interrupted or is killed.
//!
//! Absent on purpose: kubelets (no container runs, a Service has no data path), admission of ServiceAccounts (a Pod gets no token
//! mounted), and limits on requests (a slow test is then the fault of the controller).

mod assets;
mod certificates;
mod error;
mod karpenter;
mod kubeconfig;
mod launch;
mod process;

pub use assets::Assets;
pub use error::Error;

use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use crate::environment;
use certificates::Authority;
use error::At;
use k8s_openapi::api::rbac::v1::ClusterRole;
use process::Family;
use serde_json::json;

/// What runs, and how. The default is a bare API server.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// kube-controller-manager and kube-scheduler: StatefulSets and Jobs make Pods, owners take their children along, Pods find Nodes.
    pub controller_manager: bool,
    /// kwok: a Node annotated `kwok.x-k8s.io/node=fake` becomes Ready, Pods on it run, Pods of a Job complete.
    pub kwok: bool,
    /// Nodes never lose their readiness for want of a heartbeat, and none is sent: for tests that count requests or load the server.
    pub calm: bool,
    /// Every request leaves a line in [`ControlPlane::audit_log`].
    pub audit: bool,
    /// How long the start may take.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            controller_manager: false,
            kwok: false,
            calm: false,
            audit: false,
            patience: Duration::from_secs(120),
        }
    }
}

/// A running control plane.
#[derive(Debug)]
pub struct ControlPlane {
    assets: Assets,
    folder: PathBuf,
    server: String,
    audit: bool,
    authority: Authority,
    kubelets: Option<u16>,
    family: Family,
}

impl ControlPlane {
    /// Starts one and waits until it serves.
    ///
    /// # Errors
    /// When the programs are not at hand, or one of them fails; the error then shows the end of its log.
    pub fn start(options: Options) -> Result<ControlPlane, Error> {
        launch::launch(Assets::from_environment()?, &options)
    }

    /// As [`start`](Self::start); but where the programs are not at hand it says so, and there is none.
    ///
    /// # Errors
    /// As [`start`](Self::start); in CI also when the programs are not at hand.
    pub fn start_or_skip(options: Options) -> Result<Option<ControlPlane>, Error> {
        match Self::start(options) {
            Err(why @ Error::NoAssets) if !environment::is_required() => {
                environment::skipped(&why.to_string());
                Ok(None)
            }
            other => other.map(Some),
        }
    }

    /// The one control plane that the tests of a process share, with every part, calm and audited; started by the first who asks.
    /// Keep to a namespace of your own.
    ///
    /// # Errors
    /// As [`start_or_skip`](Self::start_or_skip), the same for everybody.
    pub fn shared() -> Result<Option<&'static ControlPlane>, &'static Error> {
        static SHARED: OnceLock<Result<Option<ControlPlane>, Error>> = OnceLock::new();
        let options =
            || Options { controller_manager: true, kwok: true, calm: true, audit: true, ..Options::default() };
        SHARED.get_or_init(|| Self::start_or_skip(options())).as_ref().map(Option::as_ref)
    }

    /// The programs and files it was started from.
    #[must_use]
    pub fn assets(&self) -> &Assets {
        &self.assets
    }

    /// The folder of its data, logs and keys.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The address of the API server.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// A kubeconfig that may do everything (user `admin`, group `system:masters`).
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    /// The file of requests, one JSON object (`audit.k8s.io/v1` Event, level Metadata) a line, written when a request is answered;
    /// none without [`Options::audit`].
    #[must_use]
    pub fn audit_log(&self) -> Option<PathBuf> {
        self.audit.then(|| self.folder.join(launch::AUDIT_LOG))
    }

    /// Its lines, decoded. The last one may still be written: it counts when it is whole.
    ///
    /// # Panics
    /// Without such a file, or where it cannot be read.
    pub fn audit(&self) -> Vec<Value> {
        let path = self.audit_log().expect("the control plane keeps an audit log");
        let text = std::fs::read_to_string(path).expect("the audit log can be read");
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| serde_json::from_str(line).expect("a line of the audit log")).collect()
    }

    /// The last lines that a part (`kube-apiserver`, `etcd`, …) wrote.
    #[must_use]
    pub fn log_tail(&self, part: &str) -> String {
        process::tail(&self.folder.join(format!("{part}.log")))
    }

    /// A kubeconfig for a user of that name in those groups, who may do what RBAC allows and nothing else. A ServiceAccount is
    /// `system:serviceaccount:NAMESPACE:NAME` in `system:serviceaccounts` and `system:serviceaccounts:NAMESPACE`.
    ///
    /// # Errors
    /// With more than two groups (a certificate made here has room for two), or when a file cannot be written.
    pub fn identity(&self, name: &str, groups: &[&str]) -> Result<PathBuf, Error> {
        kubeconfig::write(&self.folder, &self.server, &self.authority, name, groups)
    }

    /// Runs kubectl as admin, to its end.
    ///
    /// # Errors
    /// When kubectl does not start; what it answers, and its exit status, are in the output.
    pub fn kubectl<S: AsRef<str>>(&self, arguments: &[S]) -> Result<Output, Error> {
        self.kubectl_as(&self.kubeconfig(), arguments)
    }

    /// Runs kubectl with another kubeconfig, such as one of [`identity`](Self::identity).
    ///
    /// # Errors
    /// As [`kubectl`](Self::kubectl).
    pub fn kubectl_as<S: AsRef<str>>(&self, kubeconfig: &Path, arguments: &[S]) -> Result<Output, Error> {
        self.kubectl_command(kubeconfig, arguments).output().at("kubectl")
    }

    /// kubectl, not yet started: for a test that keeps it running (`--watch`) or writes to it.
    #[must_use]
    pub fn kubectl_command<S: AsRef<str>>(&self, kubeconfig: &Path, arguments: &[S]) -> Command {
        let mut command = launch::kubectl(&self.assets, &self.folder, kubeconfig);
        command.args(arguments.iter().map(AsRef::as_ref));
        command
    }

    /// Runs kubectl as admin and answers what it printed.
    ///
    /// # Errors
    /// When its exit status is not 0, with what it said.
    pub fn run<S: AsRef<str>>(&self, arguments: &[S]) -> Result<String, Error> {
        success(arguments, &self.kubectl(arguments)?)
    }

    /// Applies a file (server-side).
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn apply(&self, path: &Path) -> Result<String, Error> {
        self.run(&["apply", "--server-side", "-f", &path.to_string_lossy()])
    }

    /// Applies YAML or JSON text (server-side).
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn apply_text(&self, text: &str) -> Result<String, Error> {
        self.feed(&["apply", "--server-side", "-f", "-"], text)
    }

    /// Creates what the text holds, with that field manager. Only the server looks at it: kubectl refuses `null` where a revision records that nothing was asked for.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn create_text(&self, text: &str, manager: &str) -> Result<String, Error> {
        self.feed(&["create", "--validate=ignore", &format!("--field-manager={manager}"), "-f", "-"], text)
    }

    /// Runs kubectl as admin with text on its standard input.
    fn feed(&self, arguments: &[&str], text: &str) -> Result<String, Error> {
        let mut command = self.kubectl_command(&self.kubeconfig(), arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().at("kubectl")?;
        if let Some(mut input) = child.stdin.take() {
            input.write_all(text.as_bytes()).at("kubectl's input")?;
        }
        success(arguments, &child.wait_with_output().at("kubectl")?)
    }

    /// The port of this machine on which kwok plays the kubelets, where there is kwok.
    pub fn kubelets(&self) -> Option<u16> {
        self.kubelets
    }

    /// What the log of every Pod on a kwok Node shows from now on.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn set_pod_log(&self, lines: &[&str]) -> Result<(), Error> {
        let lines = lines.iter().map(|line| format!("2026-01-01T00:00:00.000000000Z stdout F {line}\n"));
        fs::write(self.folder.join(launch::POD_LOG), lines.collect::<String>()).at(launch::POD_LOG)
    }

    /// Starts a program beside the others; what it says is in [`log_tail`](Self::log_tail) of its name. It ends with the control plane at the latest.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_program(&mut self, name: &'static str, command: &mut Command) -> Result<(), Error> {
        self.family.start(name, command)
    }

    /// Ends a program of that name as `kill -9` does; none is as good.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill_program(&mut self, name: &'static str) -> Result<(), Error> {
        self.family.kill(name)
    }

    /// Fails where a part or a program has ended by itself, with what it said last.
    ///
    /// # Errors
    /// As said.
    pub fn check(&mut self) -> Result<(), Error> {
        self.family.check()
    }

    /// Gives a user exactly the rights of a role.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn grant(&self, role: &ClusterRole, user: &str) -> Result<(), Error> {
        let name = role.metadata.name.as_deref().unwrap_or_default();
        let group = "rbac.authorization.k8s.io";
        let binding = json!({
            "apiVersion": format!("{group}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": user},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
            "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
        });
        self.apply_text(&json!(role).to_string())?;
        self.apply_text(&binding.to_string()).map(drop)
    }

    /// Starts Karpenter with its simulated cloud (KWOKNodeClass, static capacity), which has every machine size of Azure, after its definitions. Needs kwok and the controller manager, which play the kubelets
    /// of its Nodes and let claims follow their pool.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start_karpenter(&mut self) -> Result<(), Error> {
        karpenter::start(self)
    }

    /// Stops everything and removes the folder, as a drop does, and tells what did not work.
    ///
    /// # Errors
    /// When a part cannot be stopped or the folder cannot be removed.
    pub fn stop(mut self) -> Result<(), Error> {
        self.family.stop()
    }
}

fn success<S: AsRef<str>>(arguments: &[S], output: &Output) -> Result<String, Error> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let arguments: Vec<&str> = arguments.iter().map(AsRef::as_ref).collect();
    let said = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
    Err(Error::Kubectl { arguments: arguments.join(" "), said })
}
