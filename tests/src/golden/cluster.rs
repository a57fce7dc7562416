//! Cases on a real API server, all at once: one request for all their objects, one look at all of them.

use super::Case;
use crate::stage::{Operated, is_of_kubernetes};
use kaito_api::vocabulary::labels;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What is looked at.
const KINDS: &str = "workspaces.v1beta1.kaito.sh,controllerrevisions,configmaps,jobs,services,statefulsets,nodeclaims.karpenter.sh,nodepools.karpenter.sh,persistentvolumeclaims,pods";

/// A cluster in which many cases play beside each other.
pub struct Cluster {
    operated: Operated,
}

/// What is there of one case.
#[derive(Debug, Clone, Default)]
pub struct There {
    /// Every object of its namespace and every NodeClaim and NodePool for it, by kind and name.
    pub objects: BTreeMap<(String, String), Value>,
}

impl There {
    /// Its Workspace.
    pub fn workspace(&self) -> Option<&Value> {
        self.objects.values().find(|object| object["kind"] == "Workspace")
    }

    /// `status.state` of its Workspace.
    pub fn state(&self) -> &str {
        self.workspace().and_then(|found| found["status"]["state"].as_str()).unwrap_or_default()
    }

    /// What the controller made: what was applied, and what Kubernetes itself makes, aside.
    pub fn made(&self, applied: &[Value]) -> Vec<Value> {
        let is_applied = |object: &Value| {
            applied.iter().any(|applied| {
                applied["kind"] == object["kind"] && applied["metadata"]["name"] == object["metadata"]["name"]
            })
        };
        self.objects.values().filter(|object| !is_applied(object) && !is_of_kubernetes(object)).cloned().collect()
    }
}

impl Cluster {
    /// One in which each case has the cloud that the reference ran in, and the nodes that stood there; `None` where there is no control plane to be had. What else the cases ran with is the same for all.
    pub fn of(cases: &[Case]) -> Option<Cluster> {
        let clouds = cases.iter().map(|case| (case.namespace.clone(), case.cloud)).collect();
        let operated = Operated::in_clouds(clouds, &cases.first()?.settings())?;
        let nodes: BTreeMap<String, Value> =
            cases.iter().flat_map(Case::nodes).map(|node| (node["metadata"]["name"].to_string(), node)).collect();
        operated.bring(nodes.into_values().collect());
        Some(Self::with_namespaces(operated, cases))
    }

    /// One in which no controller runs yet; each case is in the cloud of the default settings.
    pub fn without_controller(cases: &[Case]) -> Option<Cluster> {
        Some(Self::with_namespaces(Operated::start(false)?, cases))
    }

    fn with_namespaces(operated: Operated, cases: &[Case]) -> Cluster {
        let cluster = Cluster { operated };
        let namespace =
            |case: &Case| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": case.namespace}});
        cluster.apply(cases.iter().map(namespace).collect());
        cluster
    }

    /// What it runs on.
    pub fn operated(&self) -> &Operated {
        &self.operated
    }

    /// Applies objects, in this order.
    ///
    /// # Panics
    /// When one of them is not taken.
    pub fn apply(&self, objects: Vec<Value>) {
        if !objects.is_empty() {
            let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
            self.operated.plane().apply_text(&list.to_string()).expect("the API server takes it");
        }
    }

    /// Creates objects with this field manager.
    ///
    /// # Panics
    /// When one of them is not taken.
    pub fn create_as(&self, manager: &str, objects: Vec<Value>) {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
        self.operated.plane().create_text(&list.to_string(), manager).expect("the API server takes it");
    }

    /// What is there of each case, in their order. Claims for volumes that wait for a disk get one.
    ///
    /// # Panics
    /// When nothing can be read.
    pub fn look(&self, cases: &[&Case]) -> Vec<There> {
        let text = self.operated.plane().run(&["get", KINDS, "--all-namespaces", "--output=json"]);
        let list: Value = serde_json::from_str(&text.expect("objects can be listed")).expect("kubectl prints JSON");
        let mut found: BTreeMap<String, There> = BTreeMap::new();
        for object in list["items"].as_array().into_iter().flatten() {
            let text = |value: &Value| value.as_str().map(str::to_owned);
            let of = text(&object["metadata"]["namespace"])
                .or_else(|| text(&object["metadata"]["labels"][labels::WORKSPACE_NAMESPACE]))
                .or_else(|| text(&object["metadata"]["labels"][labels::KARPENTER_WORKSPACE_NAMESPACE]));
            let key =
                (text(&object["kind"]).unwrap_or_default(), text(&object["metadata"]["name"]).unwrap_or_default());
            found.entry(of.unwrap_or_default()).or_default().objects.insert(key, object.clone());
        }
        let waiting =
            |object: &&Value| object["kind"] == "PersistentVolumeClaim" && object["status"]["phase"] == "Pending";
        let all = found.values().flat_map(|there| there.objects.values());
        self.apply(all.filter(waiting).map(disk).collect());
        cases.iter().map(|case| found.get(&case.namespace).cloned().unwrap_or_default()).collect()
    }
}

/// A disk for one claim and for no other.
fn disk(claim: &Value) -> Value {
    let metadata = &claim["metadata"];
    json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": format!("disk-{}", metadata["uid"].as_str().unwrap_or_default())},
        "spec": {
            "capacity": {"storage": claim["spec"]["resources"]["requests"]["storage"]}, "accessModes": claim["spec"]["accessModes"],
            "storageClassName": claim["spec"]["storageClassName"].as_str().unwrap_or_default(), "hostPath": {"path": "/tmp"},
            "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": metadata["namespace"], "name": metadata["name"], "uid": metadata["uid"]},
        },
    })
}
