//! The script of the puller, run by a real shell with a stand-in for skopeo that serves images from a folder.

use kaito_core::manifest::{Pull, init_container};
use kaito_tests::stand::{Stand, said};
use serde_json::json;
use std::fs;
use std::process::{Command, Output};

/// Says what it was asked, lets in whom it shall, and lays out what a copy would.
const SKOPEO: &str = r#"#!/bin/sh
echo "$*" >>"$STORE/asked"
last=; for word in "$@"; do last=$word; done
case $1 in
  copy)
    case "$*" in *"$ADMITS"*) cp -r "$STORE/image" "${last#dir:}" ;; *) echo "unauthorized" >&2; exit 1 ;; esac ;;
  inspect) cat "${last#dir:}/order" ;;
esac
"#;

struct Images(Stand);

impl Images {
    fn new(name: &str) -> Images {
        let stand = Stand::new(env!("CARGO_TARGET_TMPDIR"), name);
        stand.program("skopeo", SKOPEO);
        fs::create_dir_all(stand.path("image")).unwrap();
        Images(stand)
    }

    /// Adds a layer with these files, members named with or without `./`.
    fn layer(&self, digest: &str, member: &str, files: &[(&str, &str)]) {
        for (path, text) in files {
            self.0.write(&format!("{digest}/{path}"), text);
        }
        let tar = Command::new("tar")
            .arg("-cf")
            .arg(self.0.path("image").join(digest))
            .arg("-C")
            .arg(self.0.path(digest))
            .arg(member)
            .status();
        assert!(tar.unwrap().success());
        self.over(digest);
    }

    /// Lays a layer that is there over the others.
    fn over(&self, digest: &str) {
        self.0.write("image/order", &format!("{}sha256:{digest}\n", self.0.read("image/order")));
    }

    fn credentials(&self, name: &str) {
        self.0.write(&format!("config.d/tone/{name}"), "{}");
    }

    /// Runs the script exactly as the container would, but for the places.
    fn run(&self, image: &str, admits: &str) -> Output {
        let pull = Pull {
            name: "puller".into(),
            image,
            target: "/mnt/adapter/tone",
            must_hold: Some("adapter_config.json"),
            mounts: Vec::new(),
        };
        let mut container = json!(init_container(pull));
        container["env"] = json!([{"name": "ADMITS", "value": admits}]);
        self.0.run(&container, &[("/mnt/adapter", "adapter"), ("/root/.docker/config.d", "config.d")])
    }

    fn brought(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.0.path("adapter/tone").join(file)).ok()
    }
}

#[test]
fn layers_are_laid_over_each_other_and_only_data_comes() {
    let stand = Images::new("layers");
    stand.layer("aa", ".", &[("data/adapter_config.json", "old"), ("data/sub/weights", "w"), ("etc/passwd", "x")]);
    stand.layer("bb", "data", &[("data/adapter_config.json", "new"), ("data/.hidden", "h")]);
    stand.layer("cc", "etc", &[("etc/hosts", "x")]);
    for _ in 0..2 {
        // The second time as after a restart of the pod, when the volume is still there.
        let output = stand.run("registry.example.com/tone:1", "--src-no-creds");
        assert!(output.status.success(), "{}", said(&output));
        assert_eq!(stand.brought("adapter_config.json").as_deref(), Some("new"));
        assert_eq!(
            (stand.brought("sub/weights").as_deref(), stand.brought(".hidden").as_deref()),
            (Some("w"), Some("h"))
        );
        assert_eq!(stand.0.names("adapter/tone"), [".hidden", "adapter_config.json", "sub"]);
    }
}

#[test]
fn an_image_may_have_a_layer_twice() {
    let stand = Images::new("twice");
    stand.layer("aa", "data", &[("data/adapter_config.json", "first")]);
    stand.layer("bb", "data", &[("data/adapter_config.json", "second"), ("data/weights", "w")]);
    stand.over("aa");
    let output = stand.run("i", "copy");
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(stand.brought("adapter_config.json").as_deref(), Some("first"));
    assert_eq!(stand.brought("weights").as_deref(), Some("w"));
}

#[test]
fn credentials_are_tried_one_after_the_other_until_one_opens() {
    let stand = Images::new("credentials");
    stand.layer("aa", "data", &[("data/adapter_config.json", "{}")]);
    stand.credentials("first.json");
    stand.credentials("second.json");
    stand.credentials("third.json");
    let output = stand.run("registry.example.com/tone:1", "second.json");
    assert!(output.status.success(), "{}", said(&output));
    let asked = stand.0.read("asked");
    let copies: Vec<&str> = asked.lines().filter(|line| line.starts_with("copy")).collect();
    assert_eq!(copies.len(), 3, "{asked}");
    assert!(
        copies[0].contains("--src-no-creds") && copies[1].contains("first.json") && copies[2].contains("second.json")
    );
}

#[test]
fn a_failure_says_what_failed() {
    let stand = Images::new("failures");
    stand.credentials("only.json");
    let image = "registry.example.com/$(touch hacked);`id` 'x\"";
    let output = stand.run(image, "nothing");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said(&output)
            .contains(&format!("cannot pull {image}: neither without credentials nor with any of the 1 given")),
        "{}",
        said(&output)
    );

    stand.layer("aa", "etc", &[("etc/hosts", "x")]);
    let output = stand.run("i", "copy");
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("i has no directory /data"), "{}", said(&output));

    stand.layer("bb", "data", &[("data/readme", "x")]);
    let output = stand.run("i", "copy");
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("i has no file /data/adapter_config.json"), "{}", said(&output));
}
