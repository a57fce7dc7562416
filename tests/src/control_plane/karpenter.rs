//! The real Karpenter, with a simulated cloud.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use kaito_core::cloud::Cloud;
use serde_json::{Value, json};

use super::error::At;
use super::{ControlPlane, Error, launch};

const KARPENTER: &str = "karpenter";
const PATIENCE: Duration = Duration::from_secs(60);

/// Starts it, and waits until it answers.
pub(super) fn start(plane: &mut ControlPlane) -> Result<(), Error> {
    let assets = plane.assets.clone();
    for crd in [assets.node_claim_crd()?, assets.node_pool_crd()?, assets.kwok_node_class_crd()?] {
        plane.apply(&crd)?;
    }
    plane.run(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"])?;
    let types = plane.folder.join("instance-types.json");
    fs::write(&types, instance_types().to_string()).at(types.to_string_lossy())?;
    let [metrics, health] = launch::free_ports()?;
    let mut command = Command::new(assets.file(KARPENTER)?);
    command.env("KUBECONFIG", plane.kubeconfig()).env("SYSTEM_NAMESPACE", "default").args([
        "-disable-leader-election".to_owned(),
        "-feature-gates=StaticCapacity=true".to_owned(),
        format!("-instance-types-file-path={}", types.display()),
        format!("-metrics-port={metrics}"),
        format!("-health-probe-port={health}"),
    ]);
    plane.family.start(KARPENTER, &mut command)?;
    let begin = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, health)).is_err() {
        plane.family.check()?;
        if begin.elapsed() > PATIENCE {
            return Err(plane.family.late(KARPENTER, "nobody listens"));
        }
        sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// What the simulated cloud has: the sizes of Azure.
fn instance_types() -> Value {
    let one = |value: &str| json!([value]);
    let all = kaito_presets::skus(Cloud::Azure).iter().map(|sku| {
        let gpus = sku.gpu_count;
        let offering = json!({"Price": 1.0 * f64::from(gpus), "Available": true, "Requirements": [
            {"key": "karpenter.sh/capacity-type", "operator": "In", "values": one("on-demand")},
            {"key": "topology.kubernetes.io/zone", "operator": "In", "values": one("zone-a")},
        ]});
        let resources = json!({
            "cpu": (24 * gpus).to_string(), "memory": format!("{}Gi", 220 * gpus), "pods": "110", "ephemeral-storage": "4Ti", "nvidia.com/gpu": gpus.to_string(),
        });
        json!({"name": sku.name, "architecture": "amd64", "operatingSystems": ["linux"], "offerings": [offering], "resources": resources})
    });
    Value::Array(all.collect())
}
