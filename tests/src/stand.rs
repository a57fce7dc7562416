//! A folder in which a real shell runs the scripts of our containers, with programs beside it that stand in for those of an image.

use crate::kubelet;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Hands on what it reads, and keeps for the test what is meant for a kubelet.
const TEE: &str = "#!/bin/sh\ncat >\"$STORE/last-words\"\ncat \"$STORE/last-words\"\n";

/// The folder. Programs in it find it under `$STORE`.
#[derive(Debug)]
pub struct Stand {
    root: PathBuf,
}

impl Stand {
    /// An empty folder of this name below the folder for what tests leave (`CARGO_TARGET_TMPDIR`).
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn new(below: &str, name: &str) -> Stand {
        let root = Path::new(below).join(name);
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(root.join("bin")).expect("a folder can be made");
        let stand = Stand { root };
        stand.program("tee", TEE);
        stand
    }

    /// A place in it.
    pub fn path(&self, below: &str) -> PathBuf {
        self.root.join(below)
    }

    /// A program that is found before any other of its name.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn program(&self, name: &str, text: &str) {
        let below = format!("bin/{name}");
        self.write(&below, text);
        let mode = Command::new("chmod").arg("+x").arg(self.path(&below)).status();
        assert!(mode.expect("chmod can be run").success());
    }

    /// Writes a file, with the folders that lead there.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, below: &str, text: &str) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder can be made");
        fs::write(path, text).expect("a file can be written");
    }

    /// What a file holds; nothing where there is none.
    pub fn read(&self, below: &str) -> String {
        fs::read_to_string(self.path(below)).unwrap_or_default()
    }

    /// The names in a folder, sorted.
    pub fn names(&self, below: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(below)).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Runs a container as a kubelet starts it. In its words and variables, `moved` are places of an image and those in the folder that stand for them.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn run(&self, container: &Value, moved: &[(&str, &str)]) -> Output {
        let place = |text: &str| {
            moved.iter().fold(kubelet::expanded(text), |text, (from, to)| {
                text.replace(from, &self.path(to).display().to_string())
            })
        };
        let list = |field: &str| container[field].as_array().cloned().unwrap_or_default();
        let words: Vec<String> =
            list("command").iter().chain(&list("args")).filter_map(Value::as_str).map(place).collect();
        let variables = list("env");
        let told = variables.iter().map(|variable| {
            let text = |field: &str| variable[field].as_str().unwrap_or_default();
            (text("name").to_owned(), place(text("value")))
        });
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap_or_default());
        let (program, words) = words.split_first().expect("a command");
        Command::new(program)
            .args(words)
            .envs(told)
            .env("PATH", path)
            .env("STORE", &self.root)
            .current_dir(&self.root)
            .output()
            .expect("the script can be run")
    }
}

/// What a script said on stderr.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
