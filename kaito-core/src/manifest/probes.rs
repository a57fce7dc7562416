//! When a pod is alive and ready.

use super::quote::quote;
use super::{Serving, role};
use k8s_openapi::api::core::v1::{ExecAction, HTTPGetAction, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kaito_presets::paths::{BENCHMARK, MULTI_NODE_HEALTH_CHECK as HEALTH_CHECK};
use kaito_presets::ports;

/// Seconds between two looks.
const PERIOD: i32 = 10;

/// The three probes of the main container: startup, liveness, readiness.
pub(super) struct Probes {
    pub(super) startup: Probe,
    pub(super) liveness: Probe,
    pub(super) readiness: Probe,
}

pub(super) fn of(serving: &Serving<'_>) -> Probes {
    if serving.is_distributed() { distributed(serving) } else { single(serving) }
}

/// One server, asked by HTTP; its start may be a benchmark.
fn single(serving: &Serving<'_>) -> Probes {
    let http = || http(role::port(serving));
    let startup = if serving.benchmarks() {
        Probe { timeout_seconds: Some(600), ..exec(["python3", BENCHMARK]) }
    } else {
        http()
    };
    Probes {
        startup: Probe { failure_threshold: Some(patience(serving)), ..startup },
        liveness: Probe { failure_threshold: Some(3), ..http() },
        readiness: Probe { initial_delay_seconds: Some(30), ..http() },
    }
}

/// Several pods, one server: every pod asks its leader. A worker passes its start at once, else a rolling update would wait for itself.
fn distributed(serving: &Serving<'_>) -> Probes {
    let leader = serving.leader();
    let leader = quote(&leader);
    let alive = format!("python3 {HEALTH_CHECK} liveness --leader-address={leader} --ray-port={}", ports::RAY);
    let ready =
        format!("python3 {HEALTH_CHECK} readiness --leader-address={leader} --vllm-port={}", role::port(serving));
    let readiness =
        Probe { initial_delay_seconds: Some(0), timeout_seconds: Some(1), failure_threshold: Some(1), ..shell(&ready) };
    let startup = if serving.benchmarks() {
        let line = format!("if [ \"$POD_INDEX\" = \"0\" ]; then python3 {BENCHMARK}; else true; fi");
        Probe { timeout_seconds: Some(600), ..shell(&line) }
    } else {
        Probe { timeout_seconds: Some(1), ..shell(&ready) }
    };
    Probes {
        startup: Probe { failure_threshold: Some(patience(serving)), ..startup },
        liveness: Probe {
            initial_delay_seconds: Some(60),
            timeout_seconds: Some(5),
            failure_threshold: Some(1),
            termination_grace_period_seconds: Some(1),
            ..shell(&alive)
        },
        readiness,
    }
}

/// How many looks a start may take.
fn patience(serving: &Serving<'_>) -> i32 {
    i32::try_from(serving.facts.start_seconds().div_ceil(10)).unwrap_or(i32::MAX)
}

fn http(port: u16) -> Probe {
    let action = HTTPGetAction {
        path: Some("/health".to_owned()),
        port: IntOrString::Int(i32::from(port)),
        ..HTTPGetAction::default()
    };
    Probe { http_get: Some(action), period_seconds: Some(PERIOD), ..Probe::default() }
}

fn exec<const N: usize>(words: [&str; N]) -> Probe {
    let action = ExecAction { command: Some(words.iter().map(|word| (*word).to_owned()).collect()) };
    Probe { exec: Some(action), period_seconds: Some(PERIOD), ..Probe::default() }
}

fn shell(line: &str) -> Probe {
    exec(["/bin/sh", "-c", line])
}
