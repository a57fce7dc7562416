//! The script that pushes the result of a training, run by a real shell with a stand-in for oras, and with a folder in the place of `/proc`.

use kaito_api::vocabulary::containers;
use kaito_tests::stand::{Stand, said};
use kaito_tests::training_pod;
use std::process::{Child, Command, Output};

/// Keeps what is packed. A push fails as often as `stumbles` has lines.
const ORAS: &str = r#"#!/bin/sh
printf '%s\n' "$*" >>"$STORE/asked"
case $1 in
  push) cp layer.tar.gz config.json annotations.json "$STORE/" ;;
  cp)
    [ -s "$STORE/stumbles" ] || exit 0
    sed -i 1d "$STORE/stumbles"
    exit 1 ;;
esac
"#;

/// Each second that is waited for is one turn of the test's own.
const SLEEP: &str = r#"#!/bin/sh
echo "$1" >>"$STORE/slept"
turn=$(wc -l <"$STORE/slept")
[ ! -f "$STORE/turn-$turn" ] || . "$STORE/turn-$turn"
"#;

/// What a trainer's command line looks like in `/proc`.
const TRAINS: &str =
    "mkdir -p \"$STORE/proc/77\"; printf 'python3\\0/workspace/tfs/fine_tuning.py\\0' >\"$STORE/proc/77/cmdline\"\n";
const ENDS: &str = "rm -r \"$STORE/proc/77\"\n";
const RESULT: &str = "mkdir -p \"$STORE/results\"; echo cfg >\"$STORE/results/adapter_config.json\"; echo w >\"$STORE/results/adapter_model.safetensors\"\n";
const SENTINEL: &str = "mkdir -p \"$STORE/results\"; : >\"$STORE/results/fine_tuning_completed.txt\"\n";

/// A pod with a container that waits to be ended.
struct Pod {
    stand: Stand,
    pause: Child,
}

impl Pod {
    fn new(name: &str) -> Pod {
        let stand = Stand::new(env!("CARGO_TARGET_TMPDIR"), &format!("pusher-{name}"));
        stand.program("oras", ORAS);
        stand.program("sleep", SLEEP);
        // It lasts longer than the test, and is ended by the script or by the test.
        let pause = Command::new("/bin/sh").args(["-c", "exec sleep 600"]).spawn().unwrap();
        stand.write(&format!("proc/{}/comm", pause.id()), "pause\n");
        stand.write("proc/1/comm", "pause\n");
        Pod { stand, pause }
    }

    /// In the so many-th second, this happens in the pod.
    fn at(&self, second: u32, what: &[&str]) {
        self.stand.write(&format!("turn-{second}"), &what.concat());
    }

    fn push(&self) -> Output {
        let container = training_pod::container(containers::PUSHER, &["https://data.example.com/x.json"]);
        self.stand.run(&container, &[("/mnt/results", "results"), ("/proc/", "proc/")])
    }

    /// Whether the waiting container was ended.
    fn has_ended(&mut self) -> bool {
        use std::os::unix::process::ExitStatusExt;
        let ended = (0..100).find_map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            self.pause.try_wait().unwrap()
        });
        ended.is_some_and(|status| status.signal() == Some(15))
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        let _ = self.pause.kill();
        let _ = self.pause.wait();
    }
}

#[test]
fn a_result_is_packed_below_data_and_pushed_and_the_pod_ends() {
    let mut pod = Pod::new("pushed");
    pod.at(5, &[TRAINS]);
    pod.at(9, &[RESULT, SENTINEL, ENDS]);
    let output = pod.push();
    assert!(output.status.success(), "{}", said(&output));
    assert!(pod.has_ended());
    let asked = pod.stand.read("asked");
    assert!(asked.ends_with(" registry.example.com/team/adapter:0.0.1\n"), "{asked}");
    let unpacked = Command::new("/bin/sh")
        .args(["-c", "gzip -d layer.tar.gz && sha256sum layer.tar && tar -xf layer.tar"])
        .current_dir(pod.stand.path(""))
        .output()
        .unwrap();
    let digest = String::from_utf8(unpacked.stdout).unwrap();
    let config: serde_json::Value = serde_json::from_str(&pod.stand.read("config.json")).unwrap();
    assert_eq!(config["rootfs"]["diff_ids"][0], format!("sha256:{}", digest.split(' ').next().unwrap()));
    assert_eq!(pod.stand.names("data"), ["adapter_config.json", "adapter_model.safetensors"]);
    assert_eq!(pod.stand.read("annotations.json"), r#"{"$manifest":{"sh.kaito.model.name":"phi-3-mini-4k-instruct"}}"#);
}

#[test]
fn a_training_that_begins_late_is_waited_for() {
    let mut pod = Pod::new("late");
    // Its image comes after a quarter of an hour.
    pod.at(910, &[TRAINS]);
    pod.at(912, &[RESULT, SENTINEL, ENDS]);
    let output = pod.push();
    assert!(output.status.success(), "{}", said(&output));
    assert!(pod.has_ended());
}

#[test]
fn a_training_that_ends_without_a_result_is_told_and_the_pod_ends() {
    for (name, left, words) in [
        ("nothing", "", "the training has ended without a result"),
        ("no-files", SENTINEL, "adapter_config.json is missing or empty"),
    ] {
        let mut pod = Pod::new(name);
        pod.at(1, &[TRAINS]);
        pod.at(3, &[left, ENDS]);
        let output = pod.push();
        assert_eq!(output.status.code(), Some(1), "{name}");
        let last = pod.stand.read("last-words");
        assert!(last.starts_with("pusher: ") && last.contains(words), "{name}: {last}");
        assert!(pod.has_ended(), "{name}");
        assert_eq!(pod.stand.read("asked"), "", "{name}: nothing is pushed");
    }
}

#[test]
fn a_registry_that_stumbles_is_asked_again_and_one_that_never_takes_it_is_told() {
    for (stumbles, code) in [(4, 0), (5, 1)] {
        let mut pod = Pod::new(&format!("stumbles-{stumbles}"));
        pod.at(1, &[RESULT, SENTINEL]);
        pod.stand.write("stumbles", &"again\n".repeat(stumbles));
        let output = pod.push();
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
        let pushes = pod.stand.read("asked").lines().filter(|line| line.starts_with("cp ")).count();
        assert_eq!(pushes, 5, "{stumbles}");
        let told = pod.stand.read("last-words").contains("registry.example.com/team/adapter:0.0.1 cannot be pushed");
        assert_eq!(told, code == 1);
        assert!(pod.has_ended());
    }
}
