//! What ends a program before it begins: settings that nothing can be done with.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail as tests do")]

mod kit;

use kaito_tests::fake_arm::{CLUSTER, GROUP, SUBSCRIPTION};
use kit::Scratch;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long a program may take to see that it cannot begin.
const PATIENCE: Duration = Duration::from_secs(30);
/// A cluster that nobody asks any more.
const KUBECONFIG: &str = r#"{"apiVersion": "v1", "kind": "Config", "current-context": "a",
    "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}], "users": [{"name": "a", "user": {}}],
    "clusters": [{"name": "a", "cluster": {"server": "http://127.0.0.1:1"}}]}"#;

/// What the provisioner of agent pools says when it ends by itself, and whether it calls that a success.
fn ends(variables: &[(&str, &str)]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kaito-gpu-provisioner"));
    command.args(["--metrics-port=0", "--health-probe-port=0"]).env_clear().envs(variables.iter().copied());
    let mut program = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let start = Instant::now();
    let status = loop {
        if let Some(status) = program.try_wait().unwrap() {
            break status;
        }
        if start.elapsed() > PATIENCE {
            program.kill().unwrap();
            panic!("{variables:?}: it runs");
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let mut said = String::new();
    program.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (status.success(), said)
}

#[test]
fn a_bundle_of_authorities_that_cannot_be_used_is_named_and_nothing_runs() {
    let kubeconfig = Scratch::with("starts-kubeconfig", KUBECONFIG);
    let text = Scratch::with("starts-bundle", "no certificate of anybody");
    let (kubeconfig, text) = (kubeconfig.name(), text.name());
    let usual = [
        ("KUBECONFIG", kubeconfig.as_str()),
        ("ARM_SUBSCRIPTION_ID", SUBSCRIPTION),
        ("ARM_RESOURCE_GROUP", GROUP),
        ("AZURE_CLUSTER_NAME", CLUSTER),
        ("AUTH_MODE", "static-token"),
        ("ARM_TOKEN", "t0k3n"),
    ];
    for (bundle, words) in [(text.as_str(), "holds no certificate"), ("/nowhere/at/all.pem", "No such file")] {
        let (is_good, said) = ends(&[&usual[..], &[("ARM_CA_BUNDLE", bundle)]].concat());
        let last = said.lines().last().unwrap_or_default();
        assert!(!is_good, "{said}");
        assert!(last.starts_with(&format!("kaito-gpu-provisioner: ARM_CA_BUNDLE={bundle}: ")), "{said}");
        assert!(last.contains(words) && !said.contains("t0k3n"), "{said}");
    }
}
