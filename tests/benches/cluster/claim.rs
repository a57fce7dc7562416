//! How long a claim waits until Azure is asked for its machine: from the moment at which somebody sends the claim to the API server, so with all that is read and written down in between.

use crate::{Beside, binary};
use kaito_core::backend::ClusterBackend;
use kaito_core::effect::{Effect, WriteMode};
use kaito_core::memory::Pace;
use kaito_core::{Kind, ObjectKey};
use kaito_operator::kube::KubeCluster;
use kaito_operator::{provisioner, rbac};
use kaito_tests::fake_arm::FakeArm;
use kaito_tests::manifests;
use serde_json::json;
use std::process::Command;
use std::time::{Duration, Instant};

const CLAIMS: usize = 200;
const PATIENCE: Duration = Duration::from_secs(30);

/// Measures `kaito-gpu-provisioner` on a control plane of its own.
pub fn claim_to_put() {
    let Some(program) = binary(provisioner::MANAGER) else { return };
    crate::on_a_runtime(async {
        let Some(Beside { mut plane, cluster }) = Beside::start().await else { return };
        plane.grant(&rbac::provisioner_role(), provisioner::MANAGER).expect("the role is taken");
        plane.apply_text(&manifests::phi_3_mini("w").to_string()).expect("the API server takes it");
        // Pools stay in the making, so that nothing but launches is measured.
        let azure = FakeArm::start(Pace::default()).await;
        let mut command = Command::new(program);
        let identity = plane.identity(provisioner::MANAGER, &[]).expect("a certificate");
        command.args(["--metrics-port=0", "--health-probe-port=0"]).env("KUBECONFIG", identity);
        plane.start_program(provisioner::MANAGER, command.envs(azure.environment())).expect("it starts");
        tokio::time::sleep(Duration::from_secs(3)).await;
        let mut times = Vec::new();
        for number in 0..CLAIMS {
            times.push(once(&cluster, &azure, &format!("wsbench{number}")).await);
        }
        times.sort();
        println!(
            "\nclaim to PUT, {CLAIMS} claims one after the other: {}, {} PUTs",
            crate::percentiles(&times),
            azure.made()
        );
    });
}

async fn once(cluster: &KubeCluster, azure: &FakeArm, name: &str) -> Duration {
    let key = ObjectKey::cluster(Kind::NodeClaim, name);
    let body = json!({
        "apiVersion": "karpenter.sh/v1", "kind": "NodeClaim",
        "metadata": {"name": name, "labels": {"kaito.sh/workspace": "w", "kaito.sh/workspacenamespace": "default", "karpenter.sh/nodepool": "kaito"}},
        "spec": {
            "nodeClassRef": {"group": "kaito.sh", "kind": "KaitoNodeClass", "name": "default"},
            "requirements": [{"key": "node.kubernetes.io/instance-type", "operator": "In", "values": ["Standard_NC24ads_A100_v4"]}],
            "resources": {"requests": {"storage": "100Gi"}},
        },
    });
    let start = Instant::now();
    cluster
        .perform(&Effect::Ensure { key, body, mode: WriteMode::CreateOnly, uid: None })
        .await
        .expect("the API server takes it");
    loop {
        if let Some(at) = azure.was_asked_for(name) {
            return at.saturating_duration_since(start);
        }
        assert!(start.elapsed() < PATIENCE, "{name} is never asked for");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
