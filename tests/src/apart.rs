//! A test in a process of its own. What a process is told by its environment (proxies, authorities that are trusted) it is told once, so each case is a process: the very program that asks for it,
//! which then runs one of its tests.

use std::process::Command;

/// What a test of this program says on its standard output in a process with this environment, and no other. The test is left out of every other run (`#[ignore]`).
///
/// # Panics
/// When it fails.
pub async fn told(test: &str, variables: &[(&str, &str)]) -> String {
    let mut process = Command::new(std::env::current_exe().expect("this program"));
    process.args(["--exact", test, "--ignored", "--nocapture"]);
    process.env_clear().envs(variables.iter().copied());
    let output = tokio::task::spawn_blocking(move || process.output()).await;
    let output = output.expect("it is waited for").expect("it can be started");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}
