//! How long a change waits until the controller writes: from the moment at which the API server is sent a new Workspace until it is sent the first write about it, both by its own clock, from the audit log.

use jiff::Timestamp;
use kaito_tests::manifests;
use kaito_tests::stage::{Operated, RealStage, Stage, USER};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const WORKSPACES: usize = 200;
const NAMES: &str = "event";
const PATIENCE: Duration = Duration::from_secs(30);

/// Measures a controller that runs.
pub fn event_to_write(operated: &Operated, stage: &mut RealStage) {
    for number in 0..WORKSPACES {
        stage.put(&manifests::phi_3_mini(&format!("{NAMES}{number}")));
    }
    let start = Instant::now();
    let mut times = loop {
        let times = waits(&operated.audit());
        if times.len() == WORKSPACES {
            break times;
        }
        assert!(start.elapsed() < PATIENCE, "{} of {WORKSPACES} Workspaces were written to", times.len());
        std::thread::sleep(Duration::from_secs(1));
    };
    times.sort();
    println!("\nevent to write, {WORKSPACES} new Workspaces one after the other: {}", crate::percentiles(&times));
}

/// Of every Workspace, how long it waited.
fn waits(audit: &[Value]) -> Vec<Duration> {
    let mut sent: BTreeMap<&str, Timestamp> = BTreeMap::new();
    let mut written: BTreeMap<&str, Timestamp> = BTreeMap::new();
    for line in audit.iter().filter(|line| line["objectRef"]["resource"] == "workspaces") {
        let Some(name) = line["objectRef"]["name"].as_str().filter(|name| name.starts_with(NAMES)) else { continue };
        if !matches!(line["verb"].as_str(), Some("create" | "patch")) {
            continue;
        }
        let first = if line["user"]["username"] == USER { &mut written } else { &mut sent };
        let text = line["requestReceivedTimestamp"].as_str().unwrap_or_default();
        let at: Timestamp = text.parse().expect("a time in the audit log");
        let first = first.entry(name).or_insert(at);
        *first = at.min(*first);
    }
    let wait = |(name, sent): (&&str, &Timestamp)| written.get(*name)?.duration_since(*sent).try_into().ok();
    sent.iter().filter_map(wait).collect()
}
