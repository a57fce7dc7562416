//! The real Karpenter honours our NodePools: Workspaces of many sizes become ready, one is scaled, one deleted, a Node is deleted by hand; there are as many Nodes as machines are needed then, and none at the end.
//!
//! The program itself runs here, with its flags and exactly the rights of its role; it makes the class of Karpenter's simulated cloud that its pools name.

use kaito_api::vocabulary::labels;
use kaito_core::memory::installed;
use kaito_core::node_classes::{ClassKind, NodeClasses};
use kaito_core::{NodeProvisioner, Settings};
use kaito_operator::flags::{Command, Environment, Options};
use kaito_tests::control_plane::{self, ControlPlane};
use kaito_tests::manifests;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long something may take that takes seconds on an idle machine.
const PATIENCE: Duration = Duration::from_secs(150);
const CLASSES: &str = r#"[{"name":"default","default":true,"spec":{}}]"#;
const CLASS: [(&str, &str); 4] = [
    ("group", "karpenter.kwok.sh"),
    ("kind", "KWOKNodeClass"),
    ("version", "v1alpha1"),
    ("resource-name", "kwoknodeclasses"),
];
/// Sizes without fast local disks and with them, of one GPU and of several.
const SIZES: [&str; 6] = [
    "Standard_NV36ads_A10_v5",
    "Standard_NV72ads_A10_v5",
    "Standard_NC24ads_A100_v4",
    "Standard_NC48ads_A100_v4",
    "Standard_NC96ads_A100_v4",
    "Standard_NC40ads_H100_v5",
];
/// The Workspaces whose fate is told.
const SCALED: &str = "own-1";
const DELETED: &str = "own-2";
const UNLUCKY: &str = "own-3";

/// Ten servers of the user's own, of all sizes; three of them on two machines.
fn workspaces() -> Vec<Value> {
    (0..10)
        .map(|number| {
            let mut manifest = manifests::own_template(&format!("own-{number}"));
            manifest["metadata"]["namespace"] = json!("default");
            manifest["resource"]["instanceType"] = json!(size_of(number));
            manifest["resource"]["count"] = json!(machines_of(number));
            manifest
        })
        .collect()
}

fn size_of(number: usize) -> &'static str {
    SIZES[number % SIZES.len()]
}

fn machines_of(number: usize) -> usize {
    if number % 4 == 3 || number == 8 { 2 } else { 1 }
}

/// A cluster with Karpenter, and our program on it.
struct Cluster {
    plane: ControlPlane,
}

impl Cluster {
    fn start() -> Option<Cluster> {
        let options =
            control_plane::Options { controller_manager: true, kwok: true, ..control_plane::Options::default() };
        let mut plane = ControlPlane::start_or_skip(options).expect("a control plane")?;
        plane.apply(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../crds/kaito.sh_workspaces.yaml")).expect("the CRD");
        plane.start_karpenter().expect("Karpenter runs");
        for (_, object) in installed(&Settings::default()) {
            plane.apply_text(&object.to_string()).expect("the chart's object is taken");
        }
        let kind = |at: usize| CLASS[at].1.to_owned();
        let kind = ClassKind { group: kind(0), kind: kind(1), version: kind(2), plural: kind(3) };
        let provisioner = NodeProvisioner::Karpenter(NodeClasses { kind, ..NodeClasses::default() });
        let role = serde_json::to_value(kaito_operator::rbac::cluster_role(&provisioner)).expect("a role");
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "kaito"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": kaito_operator::rbac::NAME},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "kaito-workspace"}],
        });
        for object in [role, binding] {
            plane.apply_text(&object.to_string()).expect("the role is taken");
        }
        let cluster = Cluster { plane };
        cluster.run_the_program();
        Some(cluster)
    }

    /// Runs it in a thread of its own until the process ends.
    fn run_the_program(&self) {
        let kubeconfig = self.plane.identity("kaito-workspace", &[]).expect("a certificate");
        let mut words = vec![
            "--node-provisioner=karpenter".to_owned(),
            format!("--karpenter-node-classes={CLASSES}"),
            format!("--kubeconfig={}", kubeconfig.display()),
            "--metrics-bind-address=0".to_owned(),
            "--health-probe-bind-address=0".to_owned(),
        ];
        words.extend(CLASS.map(|(what, value)| format!("--karpenter-node-class-{what}={value}")));
        let variable = |name: &str| (name == "CLOUD_PROVIDER").then(|| "azure".to_owned());
        let parsed = Options::parse(&words, &Environment { variable: &variable, namespace: None });
        let Ok(Command::Run(options)) = parsed else { panic!("{parsed:?}") };
        std::thread::spawn(move || {
            let _ = rustls::crypto::ring::default_provider().install_default();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let ended = runtime.block_on(kaito_operator::run::run(*options, std::future::pending()));
            panic!("the program ended: {ended:?}");
        });
    }

    fn list(&self, resource: &str) -> Vec<Value> {
        let text = self.plane.run(&["get", resource, "--all-namespaces", "--output=json"]).expect("they can be listed");
        let list: Value = serde_json::from_str(&text).expect("kubectl prints JSON");
        list["items"].as_array().expect("a list has items").clone()
    }

    /// How many of these there are that nobody has deleted, by the Workspace that their labels name.
    fn by_workspace(&self, resource: &str) -> BTreeMap<String, usize> {
        let mut found = BTreeMap::new();
        for object in self.list(resource) {
            let metadata = &object["metadata"];
            if metadata["deletionTimestamp"].is_null() {
                let name = metadata["labels"][labels::KARPENTER_WORKSPACE_NAME].as_str().unwrap_or("nobody");
                *found.entry(name.to_owned()).or_default() += 1;
            }
        }
        found
    }

    fn replicas(&self) -> BTreeMap<String, usize> {
        let of = |pool: &Value| {
            let name = pool["metadata"]["labels"][labels::KARPENTER_WORKSPACE_NAME].as_str().unwrap_or("nobody");
            (name.to_owned(), pool["spec"]["replicas"].as_u64().unwrap_or_default() as usize)
        };
        self.list("nodepools.karpenter.sh").iter().map(of).collect()
    }

    fn are_of_the_size_asked_for(&self) {
        for node in self.list("nodes") {
            let label = |key: &str| node["metadata"]["labels"][key].as_str().unwrap_or_default();
            let owner = label(labels::KARPENTER_WORKSPACE_NAME);
            let number = owner.trim_start_matches("own-").parse().unwrap_or_else(|_| panic!("a Node of {owner:?}"));
            assert_eq!(label(labels::INSTANCE_TYPE), size_of(number), "the Node of {owner}");
        }
    }

    /// Waits until each Workspace is ready, and has as many replicas, NodeClaims and Nodes as machines are wanted.
    fn until(&self, what: &str, wanted: &BTreeMap<String, usize>) {
        let begin = Instant::now();
        loop {
            let states = self.list("workspaces.kaito.sh");
            let unready: Vec<&Value> = states.iter().filter(|found| found["status"]["state"] != "Ready").collect();
            let counts = [self.replicas(), self.by_workspace("nodeclaims.karpenter.sh"), self.by_workspace("nodes")];
            // Karpenter's simulated cloud forgets the Node of a machine that is given back before it is up.
            let is_up = |node: &Value| node["metadata"]["labels"][labels::INITIALIZED] == "true";
            let are_up = self.list("nodes").iter().all(is_up);
            if unready.is_empty()
                && are_up
                && states.len() == wanted.len()
                && counts.iter().all(|count| count == wanted)
            {
                println!("{what}: {:.0} s", begin.elapsed().as_secs_f64());
                return self.are_of_the_size_asked_for();
            }
            assert!(
                begin.elapsed() < PATIENCE,
                "never: {what}\nwanted {wanted:?}\nreplicas, claims, nodes: {counts:?}\n{:#}\nKarpenter: {}",
                json!(unready.iter().map(|found| found["status"].clone()).collect::<Vec<_>>()),
                self.plane.log_tail("karpenter")
            );
            std::thread::sleep(Duration::from_millis(500));
        }
    }
}

#[test]
fn karpenter_honours_our_pools_through_scaling_loss_and_deletion() {
    let Some(cluster) = Cluster::start() else { return };
    let plane = &cluster.plane;
    let list = json!({"apiVersion": "v1", "kind": "List", "items": workspaces()});
    plane.apply_text(&list.to_string()).expect("the API server takes them");
    let mut wanted: BTreeMap<String, usize> =
        (0..10).map(|number| (format!("own-{number}"), machines_of(number))).collect();
    cluster.until("ten Workspaces of six sizes are ready", &wanted);

    let class = plane.run(&["get", "kwoknodeclasses", "default", "--output=json"]).expect("the program has made it");
    let class: Value = serde_json::from_str(&class).expect("JSON");
    assert_eq!(class["metadata"]["labels"][labels::KARPENTER_DEFAULT], "true");

    // The number that was settled on stands in the status.
    for count in [3, 1] {
        let patch = json!({"status": {"targetNodeCount": count}}).to_string();
        let words = ["patch", "workspaces.kaito.sh", SCALED, "--subresource=status", "--type=merge", "--patch", &patch];
        plane.run(&words).expect("the API server takes it");
        wanted.insert(SCALED.to_owned(), count);
        cluster.until(&format!("one is scaled to {count}"), &wanted);
    }

    plane.run(&["delete", "workspaces.kaito.sh", DELETED, "--timeout=60s"]).expect("it goes");
    wanted.remove(DELETED);
    cluster.until("one is deleted", &wanted);

    let of_unlucky = format!("{}={UNLUCKY}", labels::KARPENTER_WORKSPACE_NAME);
    let name = |objects: &[Value]| objects[0]["metadata"]["name"].as_str().expect("a name").to_owned();
    let nodes = plane.run(&["get", "nodes", "--selector", &of_unlucky, "--output=json"]).expect("they are there");
    let nodes: Value = serde_json::from_str(&nodes).expect("JSON");
    let lost = name(nodes["items"].as_array().expect("items"));
    plane.run(&["delete", "node", &lost, "--wait=false"]).expect("it is there");
    plane.run(&["wait", "--for=delete", &format!("node/{lost}"), "--timeout=90s"]).expect("Karpenter lets it go");
    cluster.until("a Node was deleted by hand", &wanted);

    plane.run(&["delete", "workspaces.kaito.sh", "--all", "--timeout=120s"]).expect("they go");
    wanted.clear();
    cluster.until("nothing is left", &wanted);
    assert!(cluster.list("nodeclaims.karpenter.sh").is_empty(), "nor anything that is on its way out for ever");
}
