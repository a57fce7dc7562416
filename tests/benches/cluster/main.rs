//! The programs, measured: `kaito simulate` as a process, `kaito-workspace` on a real API server, counted from the audit log, and `kaito-gpu-provisioner` beside an Azure on this machine. Run by
//! `cargo xtask bench`.

mod claim;
mod event;

use kaito_core::{Kind, NodeProvisioner, Settings};
use kaito_operator::kube::{self, KubeCluster, Operator};
use kaito_tests::budget::Requests;
use kaito_tests::control_plane::ControlPlane;
use kaito_tests::manifests;
use kaito_tests::stage::{Operated, RealStage, Stage, furnished, state};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn main() {
    simulate();
    claim::claim_to_put();
    event::event_to_write();
    let Some(binary) = binary("kaito-workspace") else { return };
    let Some(operated) = Operated::start(false) else { return };
    let operated: &'static Operated = Box::leak(Box::new(operated));
    controller(operated, &binary);
}

/// A release program beside this one, named by `xtask bench`.
fn binary(name: &str) -> Option<PathBuf> {
    let folder = kaito_tests::environment::set("KAITO_RELEASE")?;
    let path = PathBuf::from(folder).join(name);
    path.exists().then_some(path)
}

/// A control plane on which a program is measured alone, and a way to write there.
struct Beside {
    plane: ControlPlane,
    cluster: KubeCluster,
}

impl Beside {
    async fn start() -> Option<Beside> {
        let plane = furnished(&NodeProvisioner::default())?;
        let config = kube::config(Some(&plane.kubeconfig())).await.expect("a kubeconfig");
        let client = kube::client(config, "kaito-bench").expect("a client");
        let cluster = Operator::builder(client, Settings::default()).build().cluster();
        Some(Beside { plane, cluster })
    }
}

fn on_a_runtime(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("a runtime").block_on(work);
}

fn megabytes(kilobytes: u64) -> f64 {
    kilobytes as f64 / 1024.0
}

/// Of waits in order, that of the middle and the longest ones.
fn percentiles(sorted: &[Duration]) -> String {
    let at = |percent: usize| sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)].as_secs_f64() * 1e3;
    format!("median {:.1} ms, p90 {:.1} ms, p99 {:.1} ms (promise 50)", at(50), at(90), at(99))
}

/// One number of `/proc/PID/status`, in kB.
fn memory(pid: u32, field: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(field)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or_default()
}

fn simulate() {
    let Some(kaito) = binary("kaito") else {
        println!("SKIPPED: KAITO_RELEASE names no folder with the programs; run `cargo xtask bench`");
        return;
    };
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/phi-3-mini.yaml");
    let (mut times, mut peak) = (Vec::new(), 0);
    for _ in 0..21 {
        let start = Instant::now();
        let mut child = Command::new(&kaito)
            .args(["simulate", "-f", example])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        while child.try_wait().expect("it can be waited for").is_none() {
            peak = peak.max(memory(child.id(), "VmHWM"));
            std::thread::sleep(Duration::from_micros(300));
        }
        times.push(start.elapsed());
    }
    times.sort();
    println!(
        "kaito simulate, whole process, 21 runs: median {:.3} s (promise 0.3), peak {:.1} MB (promise 40)",
        times[10].as_secs_f64(),
        megabytes(peak)
    );
}

fn controller(operated: &'static Operated, binary: &PathBuf) {
    let size = std::fs::metadata(binary).map_or(0, |metadata| metadata.len());
    let mut child = Command::new(binary)
        .args(["--metrics-bind-address=0", "--health-probe-bind-address=0"])
        .env("KUBECONFIG", operated.identity())
        .env("CLOUD_PROVIDER", "azure")
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut stage = RealStage::new(operated, "bench");
    std::thread::sleep(Duration::from_secs(3));
    let before = Requests::so_far(operated);
    stage.put(&manifests::phi_3_mini("w0"));
    (&mut stage as &mut dyn Stage).until_ready("w0");
    std::thread::sleep(Duration::from_secs(3));
    let made = Requests::so_far(operated).since(&before);
    println!("\nrequests of one Workspace from apply to ready; one more event, for its size is withdrawn\n{made}");
    crowd(operated, &mut stage, &mut child, size);
    let _ = child.kill();
    let _ = child.wait();
}

fn crowd(operated: &Operated, stage: &mut RealStage, child: &mut Child, size: u64) {
    let start = Instant::now();
    for index in 1..20 {
        stage.put(&manifests::phi_3_mini(&format!("w{index}")));
    }
    stage.until("20 Workspaces are ready", &|stage| {
        let all = stage.list(Kind::Workspace);
        all.len() == 20 && all.iter().all(|workspace| workspace["status"]["state"] == "Ready")
    });
    println!(
        "\n20 Workspaces ready {:.1} s after 19 were applied one by one; {}",
        start.elapsed().as_secs_f64(),
        state(stage, "w19")
    );
    std::thread::sleep(Duration::from_secs(20));
    let before = Requests::so_far(operated);
    std::thread::sleep(Duration::from_secs(45));
    let made = Requests::so_far(operated).since(&before);
    println!("quiet, 20 ready Workspaces, 45 s: {} requests but watch renewals (promise 0) {made:?}", made.total());
    println!(
        "kaito-workspace: {:.1} MB resident (promise 20), binary {:.1} MB (promise 14)",
        megabytes(memory(child.id(), "VmRSS")),
        size as f64 / 1e6
    );
}
