//! What the crates may depend on and name.

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

const PURE: [&str; 4] = ["kaito-api", "kaito-core", "kaito-presets", "kaito-provisioner"];

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The workspace, from `cargo metadata`.
fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--locked", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn i1_the_pure_crates_depend_on_no_runtime_socket_or_tls_crate() {
    let forbidden = [
        "tokio",
        "hyper",
        "reqwest",
        "rustls",
        "openssl",
        "kube-client",
        "kube-runtime",
        "async-std",
        "mio",
        "socket2",
        "ring",
        "aws-lc-rs",
    ];
    for package in PURE {
        // `cargo tree` answers for this package alone, without the features that the programs turn on.
        let output = Command::new(env!("CARGO"))
            .args([
                "tree",
                "-p",
                package,
                "-e",
                "normal",
                "--prefix",
                "none",
                "--format",
                "{p}",
                "--locked",
                "--offline",
            ])
            .current_dir(root())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let names: BTreeSet<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
        let found: Vec<&&str> = forbidden.iter().filter(|name| names.contains(**name)).collect();
        assert!(found.is_empty(), "{package} depends on {found:?}");
    }
    let metadata = metadata();
    let core = metadata["packages"].as_array().unwrap().iter().find(|package| package["name"] == "kaito-core").unwrap();
    let direct = core["dependencies"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|dependency| dependency["kind"].is_null() && dependency["path"].is_null())
        .count();
    assert!(direct <= 14, "kaito-core has {direct} direct dependencies outside the workspace");
}

#[test]
fn i2_no_clock_no_randomness_no_hash_order_in_the_pure_crates() {
    let rules = std::fs::read_to_string(root().join("clippy.toml")).unwrap();
    for banned in [
        "std::time::Instant::now",
        "std::time::SystemTime::now",
        "jiff::Timestamp::now",
        "std::env::var",
        "std::collections::HashMap",
        "std::collections::HashSet",
    ] {
        assert!(rules.contains(banned), "clippy.toml does not ban {banned}");
    }
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(manifest.contains("disallowed_methods = \"deny\"") && manifest.contains("disallowed_types = \"deny\""));
    for package in PURE {
        assert!(!root().join(package).join("clippy.toml").exists(), "{package} must not loosen the rules");
        let text = std::fs::read_to_string(root().join(package).join("Cargo.toml")).unwrap();
        assert!(text.contains("[lints]\nworkspace = true"), "{package} must inherit the rules");
        for source in sources(&root().join(package).join("src")) {
            let text = std::fs::read_to_string(&source).unwrap();
            for banned in
                ["HashMap", "HashSet", "Instant::now", "SystemTime::now", "Timestamp::now", "clippy::disallowed"]
            {
                assert!(!text.contains(banned), "{} names {banned}", source.display());
            }
        }
    }
}

fn sources(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|end| end == "rs"))
        .collect()
}

#[test]
fn i12_library_crates_choose_no_kubernetes_version() {
    let metadata = metadata();
    for package in metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|package| PURE.iter().any(|name| package["name"] == *name))
    {
        for dependency in package["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|dependency| dependency["name"] == "k8s-openapi" && dependency["kind"].is_null())
        {
            let features = dependency["features"].as_array().unwrap();
            assert!(
                !features.iter().any(|feature| feature.as_str().unwrap().starts_with('v')
                    || feature == "latest"
                    || feature == "earliest"),
                "{} enables {features:?}",
                package["name"]
            );
        }
    }
    let ci = std::fs::read_to_string(root().join("xtask/src/ci.rs")).unwrap();
    assert!(ci.contains("1.33") && ci.contains("1.37"), "both ends of the range are built by `cargo xtask ci`");
}
