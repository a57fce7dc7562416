//! `cargo xtask bench`: every figure that the project promises, printed.

use std::path::{Path, PathBuf};

use crate::control_plane::{self, Found};
use crate::steps::{self, Outcome, Step};

pub fn run(arguments: &[String]) -> Result<(), String> {
    if !arguments.is_empty() {
        return Err("usage: cargo xtask bench".to_owned());
    }
    steps::run(vec![
        Step::cargo("one plan", &[], &["bench", "--package", "kaito-core", "--bench", "plan"]),
        Step::cargo("programs", &[], &["build", "--release", "--package", "kaito-bins", "--bins"]),
        Step::new(
            "processes",
            "KAITO_RELEASE=target/release cargo bench --profile dev --package kaito-tests --bench cluster",
            processes,
        ),
    ])
}

/// The release programs, as processes, on a real control plane where there is one.
fn processes() -> Result<Outcome, String> {
    let mut command = steps::cargo();
    command
        .args(["bench", "--profile", "dev", "--package", "kaito-tests", "--bench", "cluster"])
        .env("KAITO_RELEASE", release());
    if let Found::Folder(folder) = control_plane::find()? {
        command.env("KAITO_CONTROL_PLANE", folder);
    }
    steps::status(command).map(|()| Outcome::Done)
}

/// Where cargo puts release programs.
fn release() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from).join("release")
}
