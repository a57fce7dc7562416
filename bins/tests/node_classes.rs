//! The NodeClasses that `--karpenter-node-classes` names, on a real API server: which are made and changed, which are left alone, what is said of those that Karpenter cannot use, and with what the program ends.
//!
//! The program runs in this process, with its flags and exactly the rights of its role. The classes are of a kind of no cloud, whose definition refuses some of them; nobody looks at them but a test.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail as tests do")]

use kaito_api::vocabulary::labels;
use kaito_core::NodeProvisioner;
use kaito_core::node_classes::{ClassKind, NodeClasses};
use kaito_operator::flags::{Command, Environment, Options};
use kaito_operator::rbac;
use kaito_tests::control_plane::{self, ControlPlane};
use kaito_tests::stage::USER;
use serde_json::{Value, json};
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tracing::subscriber::DefaultGuard;

/// How long something may take that takes a second on an idle machine.
const PATIENCE: Duration = Duration::from_secs(60);
const PLURAL: &str = "scriptedclasses";
const GROUP: &str = "example.com";

/// The kind of the classes; a family is one of two.
fn definition() -> Value {
    let text = || json!({"type": "string"});
    let spec = json!({"type": "object", "properties": {"family": {"type": "string", "enum": ["small", "large"]}, "disk": text(), "zone": text(), "image": text()}});
    let status = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let schema = json!({"type": "object", "properties": {"spec": spec, "status": status}});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": format!("{PLURAL}.{GROUP}")},
        "spec": {
            "group": GROUP, "scope": "Cluster", "names": {"kind": "ScriptedClass", "plural": PLURAL, "singular": "scriptedclass"},
            "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}}, "schema": {"openAPIV3Schema": schema}}],
        },
    })
}

/// A bare API server on which the program may do what its role says.
fn server() -> Option<ControlPlane> {
    let plane = ControlPlane::start_or_skip(control_plane::Options::default()).expect("a control plane")?;
    let [group, version, kind, plural] = [GROUP, "v1", "ScriptedClass", PLURAL].map(str::to_owned);
    let kind = ClassKind { group, version, kind, plural };
    let provisioner = NodeProvisioner::Karpenter(NodeClasses { kind, ..NodeClasses::default() });
    plane.grant(&rbac::cluster_role(&provisioner), USER).expect("the role is taken");
    Some(plane)
}

/// Installs one of these definitions, and waits until the server names its kind to who asks.
fn install(plane: &ControlPlane, name: &str) {
    match name {
        "nodepools.karpenter.sh" => plane.apply(&plane.assets().node_pool_crd().unwrap()),
        "nodeclaims.karpenter.sh" => plane.apply(&plane.assets().node_claim_crd().unwrap()),
        _ => plane.apply_text(&definition().to_string()),
    }
    .expect("the definition is taken");
    let (plural, group) = name.split_once('.').unwrap();
    let begin = Instant::now();
    let is_named = || {
        let kinds = plane.run(&["get", "--raw", &format!("/apis/{group}/v1")]);
        kinds.is_ok_and(|kinds| kinds.contains(&format!("\"name\":\"{plural}\"")))
    };
    while !is_named() {
        assert!(begin.elapsed() < PATIENCE, "{name} is never served");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// What has to be installed, in the order in which it is looked for.
const INSTALLED: [&str; 3] = ["nodepools.karpenter.sh", "nodeclaims.karpenter.sh", "scriptedclasses.example.com"];

/// One with Karpenter's kinds, which the tests share: each has a class of its own name.
fn shared() -> Option<&'static ControlPlane> {
    static SHARED: OnceLock<Option<ControlPlane>> = OnceLock::new();
    let start = || {
        let plane = server()?;
        INSTALLED.iter().for_each(|name| install(&plane, name));
        Some(plane)
    };
    SHARED.get_or_init(start).as_ref()
}

/// What a program has logged.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<u8>>>);

impl Write for Heard {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The program, on the thread of the test.
struct Program {
    heard: Heard,
    running: JoinHandle<Result<(), String>>,
    stop: oneshot::Sender<()>,
    _logs: DefaultGuard,
}

impl Program {
    /// Starts it with a list of classes, and with more flags, which win.
    fn start(plane: &ControlPlane, classes: &Value, more: &[&str]) -> Program {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let heard = Heard::default();
        let writer = heard.clone();
        let logs = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        let _logs = tracing::subscriber::set_default(logs);
        let kubeconfig: PathBuf = plane.identity(USER, &[]).expect("a certificate");
        let mut words = vec![
            "--node-provisioner=karpenter".to_owned(),
            format!("--karpenter-node-classes={classes}"),
            format!("--karpenter-node-class-group={GROUP}"),
            "--karpenter-node-class-kind=ScriptedClass".to_owned(),
            format!("--karpenter-node-class-resource-name={PLURAL}"),
            "--karpenter-node-class-version=v1".to_owned(),
            format!("--kubeconfig={}", kubeconfig.display()),
            "--metrics-bind-address=0".to_owned(),
            "--health-probe-bind-address=0".to_owned(),
        ];
        words.extend(more.iter().map(|&word| word.to_owned()));
        let variable = |name: &str| (name == "CLOUD_PROVIDER").then(|| "azure".to_owned());
        let parsed = Options::parse(&words, &Environment { variable: &variable, namespace: None });
        let Ok(Command::Run(options)) = parsed else { panic!("{parsed:?}") };
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(async move {
            let told = async {
                let _ = stopped.await;
            };
            kaito_operator::run::run(*options, told).await
        });
        Program { heard, running, stop, _logs }
    }

    fn heard(&self) -> String {
        String::from_utf8_lossy(&self.heard.0.lock().unwrap()).into_owned()
    }

    /// How often it has said this.
    fn has_said(&self, words: &str) -> usize {
        self.heard().lines().filter(|line| line.contains(words)).count()
    }

    async fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let begin = Instant::now();
        while !holds() {
            assert!(!self.running.is_finished(), "it has ended before this: {what}\n{}", self.heard());
            assert!(begin.elapsed() < PATIENCE, "never: {what}\n{}", self.heard());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Ends it, as somebody does who is content.
    async fn stop(self) {
        let _ = self.stop.send(());
        self.running.await.expect("it does not panic").expect("it runs until it is told to end");
    }

    /// Why it ends by itself.
    async fn ends(self) -> String {
        let ended = tokio::time::timeout(PATIENCE, self.running).await;
        let ended =
            ended.unwrap_or_else(|_| panic!("it runs on:\n{}", String::from_utf8_lossy(&self.heard.0.lock().unwrap())));
        ended.expect("it does not panic").expect_err("nobody told it to end")
    }
}

fn class(plane: &ControlPlane, name: &str) -> Option<Value> {
    let text = plane.run(&["get", PLURAL, name, "--ignore-not-found", "--output=json"]).expect("it can be asked for");
    (!text.is_empty()).then(|| serde_json::from_str(&text).expect("kubectl prints JSON"))
}

/// One class, which is the default.
fn only(name: &str, spec: &Value) -> Value {
    json!([{"name": name, "default": true, "spec": spec}])
}

/// What Karpenter says of a class.
fn judge(plane: &ControlPlane, name: &str, ready: &str, reason: &str, message: &str) {
    let condition = json!({"type": "Ready", "status": ready, "reason": reason, "message": message});
    let patch = format!("--patch={}", json!({"status": {"conditions": [condition]}}));
    plane.run(&["patch", PLURAL, name, "--subresource=status", "--type=merge", &patch]).expect("the server takes it");
}

#[tokio::test]
async fn a_class_that_somebody_else_has_made_is_left_as_it_is_and_that_is_told() {
    let Some(plane) = shared() else { return };
    for (name, label) in [("plain", None), ("flagged", Some("somebody"))] {
        let mut theirs = json!({"apiVersion": "example.com/v1", "kind": "ScriptedClass", "metadata": {"name": name}, "spec": {"family": "small"}});
        if let Some(label) = label {
            theirs["metadata"]["labels"] = json!({labels::KARPENTER_MANAGED_BY: label});
        }
        plane.apply_text(&theirs.to_string()).expect("the server takes it");
        let before = class(plane, name);

        let program = Program::start(plane, &only(name, &json!({"family": "large"})), &[]);
        let told = format!("{name} is there already and not labelled karpenter.kaito.sh/managed-by=kaito");
        program.until("it tells that it leaves the class alone", || program.has_said(&told) == 1).await;
        judge(plane, name, "True", "Ready", "");
        program.until("it uses the class", || program.has_said("every ScriptedClass is ready") == 1).await;
        program.stop().await;
        let after = class(plane, name);
        for part in ["/spec", "/metadata/labels", "/metadata/generation"] {
            let part = |class: &Option<Value>| class.as_ref().and_then(|class| class.pointer(part)).cloned();
            assert_eq!(part(&before), part(&after), "{name}");
        }
    }
}

#[tokio::test]
async fn an_edit_of_the_flag_is_applied_to_a_class_of_ours_and_what_others_added_to_it_stays() {
    let Some(plane) = shared() else { return };
    let spec = |name: &str| class(plane, name).map_or(Value::Null, |class| class["spec"].clone());
    let made_of = json!({"family": "small", "disk": "1Ti", "zone": "a"});
    let first = Program::start(plane, &only("edited", &made_of), &[]);
    first.until("it makes the class", || spec("edited") == made_of).await;
    first.stop().await;
    let made = class(plane, "edited").unwrap()["metadata"].clone();
    assert_eq!(made["labels"][labels::KARPENTER_MANAGED_BY], labels::MANAGED_BY_KAITO);
    // Somebody adds what we say nothing of, and changes what we do.
    let theirs = r#"--patch={"spec":{"image":"theirs","disk":"9Ti"}}"#;
    plane.run(&["patch", PLURAL, "edited", "--type=merge", theirs]).unwrap();

    let classes =
        json!([{"name": "edited", "spec": {"family": "large", "disk": "2Ti"}}, {"name": "new", "default": true}]);
    let second = Program::start(plane, &classes, &[]);
    second.until("the second is made", || class(plane, "new").is_some()).await;
    let edited = json!({"family": "large", "disk": "2Ti", "image": "theirs"});
    assert_eq!(spec("edited"), edited, "and what is no longer said is gone");
    let edited = class(plane, "edited").unwrap();
    assert_eq!(edited["metadata"]["uid"], made["uid"], "it is the same class: another would replace the machines");
    assert_eq!(edited["metadata"]["labels"][labels::KARPENTER_DEFAULT], Value::Null, "another is the default now");
    second.stop().await;
}

/// By how much the clock is moved at once: less than a request may take, so that none is given up.
const LEAP: Duration = Duration::from_secs(4);

/// Moves the clock of this thread on, and lets everybody do what is due.
async fn leap() {
    tokio::time::pause();
    tokio::time::advance(LEAP).await;
    tokio::time::resume();
    tokio::time::sleep(Duration::from_millis(50)).await;
}

#[tokio::test]
async fn a_class_that_is_not_ready_after_two_minutes_is_told_once_in_karpenters_words_and_keeps_nobody_from_being_served()
 {
    let Some(plane) = shared() else { return };
    let begin = tokio::time::Instant::now();
    let classes = json!([{"name": "good", "default": true}, {"name": "slow"}, {"name": "unseen"}]);
    let program = Program::start(plane, &classes, &[]);
    program.until("the classes are made", || class(plane, "unseen").is_some()).await;
    judge(plane, "good", "True", "Ready", "");
    judge(plane, "slow", "False", "ImageNotFound", "no image of that name");

    let words = "not ready after 120 s: ScriptedClass";
    while program.has_said(words) == 0 {
        assert!(begin.elapsed() < Duration::from_secs(180), "never told:\n{}", program.heard());
        leap().await;
    }
    assert!(begin.elapsed() >= Duration::from_secs(120), "told after {:?}:\n{}", begin.elapsed(), program.heard());
    let told = "slow: ImageNotFound: no image of that name; unseen: Karpenter has not looked at it yet; machines of it are waited for";
    assert_eq!(program.has_said(told), 1, "{}", program.heard());
    assert_eq!(program.has_said("good: "), 0, "{}", program.heard());

    let end = begin.elapsed() + Duration::from_secs(150);
    while begin.elapsed() < end {
        leap().await;
    }
    assert_eq!(program.has_said(words), 1, "it is told once:\n{}", program.heard());
    assert!(!program.running.is_finished(), "{}", program.heard());
    for name in ["slow", "unseen"] {
        judge(plane, name, "True", "Ready", "");
    }
    program.until("all are ready", || program.has_said("every ScriptedClass is ready") == 1).await;
    program.stop().await;
}

#[tokio::test]
async fn without_karpenters_kinds_the_program_ends_and_names_the_one_that_is_missing() {
    let Some(plane) = server() else { return };
    let classes = only("first", &json!({"family": "small"}));
    for name in INSTALLED {
        let why = Program::start(&plane, &classes, &[]).ends().await;
        let words = format!(
            "--node-provisioner=karpenter: the API server does not know {name} in version v1; Karpenter must be installed first"
        );
        assert!(why.contains(&words), "{name}: {why}");
        install(&plane, name);
    }
    let elsewhere = [
        ("--karpenter-node-class-version=v2", "scriptedclasses.example.com in version v2"),
        ("--karpenter-node-class-resource-name=classes", "classes.example.com in version v1"),
    ];
    for (flag, words) in elsewhere {
        let why = Program::start(&plane, &classes, &[flag]).ends().await;
        assert!(why.contains(words) && why.contains("-version and -resource-name say which"), "{flag}: {why}");
    }
    assert_eq!(class(&plane, "first"), None);
    let program = Program::start(&plane, &classes, &[]);
    program.until("all is there, and the class is made", || class(&plane, "first").is_some()).await;
    program.stop().await;
}

#[tokio::test]
async fn a_class_that_the_api_server_calls_invalid_ends_the_program_with_its_words() {
    let Some(plane) = shared() else { return };
    for (spec, words) in [
        (
            json!({"family": "medium"}),
            "spec.family: Unsupported value: \"medium\": supported values: \"small\", \"large\"",
        ),
        // An apply is typed: what the definition does not have is refused as well, and not dropped.
        (json!({"famly": "small"}), ".spec.famly: field not declared in schema"),
    ] {
        let why = Program::start(plane, &only("wrong", &spec), &[]).ends().await;
        assert!(why.starts_with("--karpenter-node-classes: ") && why.contains(words), "{why}");
        assert_eq!(class(plane, "wrong"), None);
    }
}
