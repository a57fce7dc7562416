//! What becomes of the Nodes of pools, told to a real cluster, as their kubelets would.

use k8s_openapi::api::core::v1::{Node, Taint};
use kaito_api::vocabulary::labels;
use kaito_core::backend::{BackendError, ClusterBackend, ErrorKind};
use kaito_core::effect::{Effect, MetadataPatch, Owned, WriteMode};
use kaito_core::kinds::Typed;
use kaito_core::memory::Change;
use kaito_core::snapshot::Answer;
use kaito_core::{Kind, ObjectKey, Read, Seen};
use serde_json::{Value, json};
use std::time::Duration;

/// How often something is tried that another writer got in the way of.
const TRIES: usize = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// Tells of one change, whatever it takes; what is no Node's is nothing to a cluster.
pub(super) async fn mirror(cluster: &dyn ClusterBackend, change: &Change) {
    let (old, new) = (change.old.as_ref().and_then(node), change.new.as_ref().and_then(node));
    for _ in 0..TRIES {
        let told = match (old, new) {
            (None, Some(new)) => create(cluster, new).await,
            (Some(old), Some(new)) => update(cluster, old, new).await,
            (Some(old), None) => delete(cluster, old).await,
            (None, None) => return,
        };
        match told {
            Err(error) if error.kind.is_transient() => tokio::time::sleep(PAUSE).await,
            // Done already, by us or by somebody else.
            Ok(()) | Err(_) => return,
        }
    }
}

fn node(seen: &Seen) -> Option<&Node> {
    match seen {
        Seen::Decoded(object) => Node::of(object),
        Seen::Malformed(_) => None,
    }
}

fn key(node: &Node) -> ObjectKey {
    ObjectKey::cluster(Kind::Node, node.metadata.name.clone().unwrap_or_default())
}

fn taints(node: &Node) -> Vec<Taint> {
    node.spec.as_ref().and_then(|spec| spec.taints.clone()).unwrap_or_default()
}

/// The Node as the cluster has it.
async fn live(cluster: &dyn ClusterBackend, key: &ObjectKey) -> Result<Seen, BackendError> {
    match cluster.read(&Read::object(key.clone()).live()).await? {
        Answer::Object(Some(seen)) => Ok(seen),
        _ => Err(BackendError::new(ErrorKind::NotFound, format!("{key} is not there"))),
    }
}

async fn create(cluster: &dyn ClusterBackend, new: &Node) -> Result<(), BackendError> {
    let value = new.to_wire();
    let metadata =
        json!({"name": new.metadata.name, "labels": new.metadata.labels, "annotations": new.metadata.annotations});
    let part = |field: &str| value.get(field).cloned().unwrap_or(Value::Null);
    let body = json!({"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": part("spec"), "status": part("status")});
    cluster.perform(&Effect::Ensure { key: key(new), body, mode: WriteMode::CreateOnly, uid: None }).await.map(drop)
}

/// Status and taints, as far as they have changed: everything else is others' in a real cluster.
async fn update(cluster: &dyn ClusterBackend, old: &Node, new: &Node) -> Result<(), BackendError> {
    let key = key(new);
    if old.status != new.status {
        let uid = live(cluster, &key).await?.metadata().uid.clone().unwrap_or_default();
        let status = serde_json::to_value(&new.status).unwrap_or_default();
        cluster.perform(&Effect::Status { key: key.clone(), uid, status }).await?;
    }
    let gone: Vec<Taint> = taints(old).into_iter().filter(|taint| !taints(new).contains(taint)).collect();
    if gone.is_empty() {
        return Ok(());
    }
    let there = live(cluster, &key).await?;
    let Some(node) = node(&there) else { return Ok(()) };
    let is_gone = |taint: &Taint| gone.iter().any(|gone| (&gone.key, &gone.effect) == (&taint.key, &taint.effect));
    let rest = taints(node).into_iter().filter(|taint| !is_gone(taint)).collect();
    let patch = MetadataPatch { taints: Some(rest), ..MetadataPatch::default() };
    let (uid, resource_version) =
        (node.metadata.uid.clone().unwrap_or_default(), node.metadata.resource_version.clone());
    cluster.perform(&Effect::Metadata { key, uid, resource_version, patch }).await.map(drop)
}

async fn delete(cluster: &dyn ClusterBackend, old: &Node) -> Result<(), BackendError> {
    let there = live(cluster, &key(old)).await?;
    let pool = old.metadata.labels.as_ref().and_then(|all| all.get(labels::AGENT_POOL[0])).cloned().unwrap_or_default();
    let Some(target) = Owned::by_names(&there, &labels::AGENT_POOL.map(|label| (label, pool.as_str()))) else {
        return Ok(());
    };
    cluster.perform(&Effect::Delete { target }).await.map(drop)
}
