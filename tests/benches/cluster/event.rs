//! How long a new Workspace waits until the controller writes: from the moment at which the API server is sent it until it is sent the first write about it, both by its own clock, from the audit log.
//!
//! Nobody makes machines there, so that nothing else is at work on this computer: a test cluster's kubelets and controllers would be measured with it.

use crate::{Beside, binary};
use jiff::Timestamp;
use kaito_core::backend::ClusterBackend;
use kaito_core::effect::{Effect, WriteMode};
use kaito_core::{Kind, ObjectKey};
use kaito_tests::manifests;
use kaito_tests::stage::USER;
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

const WORKSPACES: usize = 200;
const NAMES: &str = "event";
/// Between two of them: ten a second.
const PAUSE: Duration = Duration::from_millis(100);

/// Measures `kaito-workspace` on a control plane of its own.
pub fn event_to_write() {
    let Some(program) = binary("kaito-workspace") else { return };
    crate::on_a_runtime(async {
        let Some(Beside { mut plane, cluster }) = Beside::start().await else { return };
        let mut command = Command::new(program);
        let identity = plane.identity(USER, &[]).expect("a certificate");
        command.args(["--metrics-bind-address=0", "--health-probe-bind-address=0"]).env("KUBECONFIG", identity);
        plane.start_program(USER, command.env("CLOUD_PROVIDER", "azure")).expect("it starts");
        tokio::time::sleep(Duration::from_secs(3)).await;
        for number in 0..WORKSPACES {
            let name = format!("{NAMES}{number}");
            let key = ObjectKey::new(Kind::Workspace, "default", &name);
            let body = manifests::phi_4_mini(&name);
            let made = Effect::Ensure { key, body, mode: WriteMode::CreateOnly, uid: None };
            cluster.perform(&made).await.expect("the API server takes it");
            tokio::time::sleep(PAUSE).await;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        let mut times = waits(&plane.audit());
        assert_eq!(times.len(), WORKSPACES, "every Workspace is written about");
        times.sort();
        println!("\nevent to write, {WORKSPACES} new Workspaces, ten a second: {}", crate::percentiles(&times));
    });
}

/// Of every Workspace, how long it waited for the first write: its own or that of its first revision, whichever is first.
fn waits(audit: &[Value]) -> Vec<Duration> {
    let mut sent: BTreeMap<String, Timestamp> = BTreeMap::new();
    let mut written: BTreeMap<String, Timestamp> = BTreeMap::new();
    for line in audit.iter().filter(|line| line["verb"] == "create" || line["verb"] == "patch") {
        let name = line["objectRef"]["name"].as_str().unwrap_or_default();
        // A revision has the name of its Workspace, and a hash.
        let Some(name) = name.split('-').next().filter(|name| name.starts_with(NAMES)) else { continue };
        let first = if line["user"]["username"] == USER { &mut written } else { &mut sent };
        let text = line["requestReceivedTimestamp"].as_str().unwrap_or_default();
        let at: Timestamp = text.parse().expect("a time in the audit log");
        let first = first.entry(name.to_owned()).or_insert(at);
        *first = at.min(*first);
    }
    let wait = |(name, sent): (&String, &Timestamp)| written.get(name)?.duration_since(*sent).try_into().ok();
    sent.iter().filter_map(wait).collect()
}
