//! The scripts of a pod, run by a real shell: the puller with a stand-in for skopeo that serves images from a folder, the downloader with curl itself, the pusher with stand-ins for time and registry.

use kaito_core::manifest::{Pull, init_container};
use kaito_tests::kubelet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
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

struct Stand {
    root: PathBuf,
}

impl Stand {
    fn new(name: &str) -> Stand {
        let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(root.join("bin")).unwrap();
        fs::create_dir_all(root.join("image")).unwrap();
        let stand = Stand { root };
        stand.program("skopeo", SKOPEO);
        stand
    }

    /// Puts a stand-in before the program of that name.
    fn program(&self, name: &str, text: &str) {
        let path = self.root.join("bin").join(name);
        write(&path, text);
        assert!(Command::new("chmod").arg("+x").arg(path).status().unwrap().success());
    }

    fn path(&self) -> String {
        format!("{}:{}", self.root.join("bin").display(), std::env::var("PATH").unwrap_or_default())
    }

    /// Adds a layer with these files, members named with or without `./`.
    fn layer(&self, digest: &str, member: &str, files: &[(&str, &str)]) {
        let folder = self.root.join(digest);
        for (path, text) in files {
            write(&folder.join(path), text);
        }
        let tar = Command::new("tar")
            .arg("-cf")
            .arg(self.root.join("image").join(digest))
            .arg("-C")
            .arg(&folder)
            .arg(member)
            .status();
        assert!(tar.unwrap().success());
        self.over(digest);
    }

    /// Lays a layer that is there over the others.
    fn over(&self, digest: &str) {
        let order = self.root.join("image/order");
        let before = fs::read_to_string(&order).unwrap_or_default();
        write(&order, &format!("{before}sha256:{digest}\n"));
    }

    fn credentials(&self, name: &str) {
        write(&self.root.join("config.d/tone").join(name), "{}");
    }

    /// Runs the script exactly as the container would, but for the places.
    fn run(&self, image: &str, admits: &str) -> Output {
        let target = self.root.join("adapter/tone").display().to_string();
        let pull = Pull {
            name: "puller".into(),
            image,
            target: &target,
            must_hold: Some("adapter_config.json"),
            mounts: Vec::new(),
        };
        let container = init_container(pull);
        let (command, mut args) = (container.command.unwrap(), container.args.unwrap());
        args[4] = self.root.join("config.d").display().to_string();
        let words = command.iter().chain(&args).skip(1).map(|word| kubelet::expanded(word));
        Command::new(&command[0])
            .args(words)
            .env("PATH", self.path())
            .env("STORE", &self.root)
            .env("ADMITS", admits)
            .output()
            .unwrap()
    }

    fn brought(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.root.join("adapter/tone").join(file)).ok()
    }

    fn asked(&self) -> String {
        fs::read_to_string(self.root.join("asked")).unwrap()
    }
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn layers_are_laid_over_each_other_and_only_data_comes() {
    let stand = Stand::new("layers");
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
        let mut left: Vec<String> = fs::read_dir(stand.root.join("adapter/tone"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, [".hidden", "adapter_config.json", "sub"]);
    }
}

#[test]
fn an_image_may_have_a_layer_twice() {
    let stand = Stand::new("twice");
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
    let stand = Stand::new("credentials");
    stand.layer("aa", "data", &[("data/adapter_config.json", "{}")]);
    stand.credentials("first.json");
    stand.credentials("second.json");
    stand.credentials("third.json");
    let output = stand.run("registry.example.com/tone:1", "second.json");
    assert!(output.status.success(), "{}", said(&output));
    let asked = stand.asked();
    let copies: Vec<&str> = asked.lines().filter(|line| line.starts_with("copy")).collect();
    assert_eq!(copies.len(), 3, "{asked}");
    assert!(
        copies[0].contains("--src-no-creds") && copies[1].contains("first.json") && copies[2].contains("second.json")
    );
}

#[test]
fn a_failure_says_what_failed() {
    let stand = Stand::new("failures");
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

/// Answers one request, and says what was asked for.
fn serve_once(listener: &TcpListener) -> String {
    let (stream, _) = listener.accept().unwrap();
    let mut lines = BufReader::new(&stream).lines().map(Result::unwrap);
    let asked = lines.next().unwrap();
    lines.find(String::is_empty);
    (&stream).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nrows").unwrap();
    asked
}

#[test]
fn an_address_with_brackets_is_one_address() {
    let stand = Stand::new("brackets");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/sets/{{a,b}}/part[1-2].parquet", listener.local_addr().unwrap());
    let asked = std::thread::spawn(move || serve_once(&listener));
    let output = Command::new("sh")
        .args(["-c", include_str!("../../kaito-core/src/manifest/data_downloader.sh")])
        .env("DATA_URLS", address)
        .env("DATA_VOLUME_PATH", &stand.root)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(asked.join().unwrap(), "GET /sets/{a,b}/part[1-2].parquet HTTP/1.1");
    assert_eq!(fs::read_to_string(stand.root.join("part[1-2].parquet")).unwrap(), "rows");
}

#[test]
fn a_training_that_begins_late_is_waited_for_and_pushed() {
    let stand = Stand::new("late");
    let results = stand.root.join("results");
    stand.program("oras", "#!/bin/sh\necho \"$*\" >>\"$STORE/asked\"\n");
    for file in ["adapter_config.json", "adapter_model.safetensors"] {
        write(&results.join(file), "x");
    }
    // The image of the trainer comes after 16 minutes, and its result right with it. Nobody else's processes are looked at, and none is ended.
    let time = "slept=0\nsleep() { slept=$((slept + 1)); [ $slept -lt 960 ] || : >\"$SENTINEL_PATH\"; }\ncat() { :; }\ntr() { :; }\ngrep() { return 1; }\n";
    let script = include_str!("../../kaito-core/src/manifest/pusher.sh").replace("trap end_pause EXIT", "");
    let script = format!("{time}{script}");
    let output = Command::new("sh")
        .args(["-c", &script])
        .env("PATH", stand.path())
        .env("STORE", &stand.root)
        .env("VOL_DIR", &results)
        .env("IMG_REF", "registry.example.com/adapter:1")
        .env("ANNOTATIONS_DATA", "{}")
        .env("SENTINEL_PATH", results.join("fine_tuning_completed.txt"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert!(stand.asked().contains("registry.example.com/adapter:1"));
}
