//! `cargo xtask ci`: every check, the cheap ones first and the tests last. `.ci/run` is this and nothing more.

use std::path::PathBuf;

use crate::steps::{self, Outcome, Step};
use crate::test::Building;

/// Subcommands that write files of the repository; each knows `--check`, which writes nothing and fails where a file would change.
const GENERATORS: &[&str] = &["gen-crds", "gen-docs", "gen-presets"];

/// The library crates, which must build at both ends of the range of Kubernetes versions (invariant I12); the one that everything here is built with needs no step of its own.
const LIBRARIES: &[&str] = &["kaito-api", "kaito-core", "kaito-presets", "kaito-provisioner"];
const ENDS: &[&str] = &["1.33", "1.37"];
/// Chosen in `.cargo/config.toml`, or by an exported variable.
const VERSION: &str = "K8S_OPENAPI_ENABLED_VERSION";

pub fn run(arguments: &[String]) -> Result<(), String> {
    if let Some(word) = arguments.first() {
        return Err(format!("takes no arguments, not {word}; for some tests only: cargo xtask test {word}"));
    }
    let building = Building::default();
    let mut steps = vec![
        crate::test::begin(&building),
        Step::cargo("format", &[], &["fmt", "--all", "--check"]),
        Step::cargo("lints", &[], &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
        Step::cargo("documentation", &[("RUSTDOCFLAGS", "-D warnings")], &["doc", "--workspace", "--no-deps"]),
    ];
    steps.extend(GENERATORS.iter().map(|name| generator(name)));
    let here = std::env::var(VERSION).unwrap_or_default();
    steps.extend(ENDS.iter().filter(|version| **version != here).map(|version| end(version)));
    steps.extend(crate::test::plan(&[], &building));
    steps::run(steps)
}

fn generator(name: &'static str) -> Step {
    Step::new(name, format!("cargo xtask {name} --check"), move || match crate::command(name) {
        Some(command) => (command.run)(&["--check".to_owned()]).map(|()| Outcome::Done),
        None => Err(format!("no generator is called {name}")),
    })
}

/// The libraries against one version of Kubernetes, in a target folder of its own: the version is part of k8s-openapi's build,
/// so that in the common folder this would throw away everything built on it.
fn end(version: &str) -> Step {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    let target = target.join(format!("kubernetes-{version}"));
    let target = target.to_string_lossy();
    let mut arguments = vec!["check", "--target-dir", &target];
    for library in LIBRARIES {
        arguments.extend(["-p", library]);
    }
    Step::cargo(format!("kubernetes {version}"), &[(VERSION, version)], &arguments)
}
