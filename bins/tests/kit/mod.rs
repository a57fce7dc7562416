//! What the tests of the command line share: a good manifest, the program, and the schemas of what it prints.

#![allow(dead_code, reason = "each test uses a part")]

mod schema;

use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A good Workspace; bad inputs differ from it in one thing.
pub const GOOD: &str = "\
apiVersion: kaito.sh/v1beta1
kind: Workspace
metadata:
  name: phi
resource:
  instanceType: Standard_NC24ads_A100_v4
  labelSelector:
    matchLabels:
      apps: phi
inference:
  preset:
    name: phi-4-mini-instruct
";

/// A file that goes away with the test.
pub struct Scratch(PathBuf);

impl Scratch {
    /// A place for one; nothing lies there yet.
    pub fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("kaito-test-{}-{name}", std::process::id())))
    }

    /// With this in it.
    pub fn with(name: &str, text: &str) -> Self {
        let file = Self::new(name);
        std::fs::write(&file.0, text).unwrap();
        file
    }

    pub fn name(&self) -> String {
        self.0.display().to_string()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

pub fn example() -> String {
    root().join("examples/phi-3-mini.yaml").display().to_string()
}

pub fn kaito(args: &[&str], stdin: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kaito"));
    command.args(args).env_remove("CLOUD_PROVIDER");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The program may end before it has read everything.
    let _ = child.stdin.take().unwrap().write_all(stdin);
    child.wait_with_output().unwrap()
}

pub fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub fn good_but(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    GOOD.replace(from, to)
}

pub fn holds(schema: &str, value: &Value) {
    let path = root().join(format!("docs/cli/{schema}.schema.json"));
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(schema::faults(&schema, value, ""), Vec::<String>::new());
}
