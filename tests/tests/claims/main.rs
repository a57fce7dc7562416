//! Lives of NodeClaims on agent pools, look by look: what is asked of the cloud and when, what is told, and what is never touched.

mod collect; // what nobody claims
mod happenings; // deaths and losses, each with each
mod held; // the API server lets nothing go
mod launch; // a machine is asked for
mod permit; // when none may be
mod record; // what a claim carries, by clocks that are off
mod reference; // lives that the reference ends badly
mod refusals; // what the cloud refuses
mod repair; // machines that are lost
mod resized; // a size is edited after the launch
mod restart; // a process that dies at every write
mod returning; // nodes that are deleted, and come back
mod silence; // the cloud does not answer
mod strange; // whatever is there
mod surge; // a second node of a pool
mod terminate; // everything is given back
mod unmarked; // pools that have lost their labels
mod unreadable; // claims that cannot be read

use jiff::SignedDuration;
use kaito_api::vocabulary::labels;
use kaito_core::read::Selector;
use kaito_core::{Kind, ObjectKey, Read};
use kaito_provisioner::ClaimPlanner;
use kaito_tests::cloud_by_hand::{CloudByHand, pool};
use serde_json::{Value, json};

/// The name of the claim, and so of its pool.
const NAME: &str = "ws0123456ab";
const MACHINE: &str = "azure:///machine/0";

fn key() -> ObjectKey {
    ObjectKey::cluster(Kind::NodeClaim, NAME)
}

fn node_key() -> ObjectKey {
    ObjectKey::cluster(Kind::Node, "n1")
}

/// How the Nodes of the claim's pool are looked for.
fn nodes() -> Read {
    Read::list(Kind::Node, None, Selector::of(labels::AGENT_POOL.map(|label| (label, NAME))))
}

fn workspace_key() -> ObjectKey {
    ObjectKey::new(Kind::Workspace, "default", "phi")
}

fn claim_with_sizes(sizes: &[&str]) -> Value {
    json!({
        "apiVersion": "karpenter.sh/v1", "kind": "NodeClaim",
        "metadata": {"name": NAME, "labels": {
            "karpenter.sh/nodepool": "kaito", "kaito.sh/workspace": "phi", "kaito.sh/workspacenamespace": "default", "kaito.sh/node-slot": "0",
        }},
        "spec": {
            "nodeClassRef": {"group": "kaito.sh", "kind": "KaitoNodeClass", "name": "default"},
            "requirements": [{"key": "node.kubernetes.io/instance-type", "operator": "In", "values": sizes}],
            "resources": {"requests": {"storage": "107Gi"}},
            "taints": [{"key": "sku", "value": "gpu", "effect": "NoSchedule"}],
        },
    })
}

fn claim() -> Value {
    claim_with_sizes(&["Standard_NC24ads_A100_v4"])
}

fn workspace() -> Value {
    json!({
        "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "metadata": {"name": "phi", "namespace": "default"},
        "resource": {"instanceType": "Standard_NC24ads_A100_v4"}, "inference": {"preset": {"name": "phi-4"}},
        "status": {"targetNodeCount": 1},
    })
}

/// A cluster with a Workspace and its claim.
fn stage_with(claim: &Value) -> CloudByHand {
    let mut cloud = CloudByHand::new("2026-01-01T00:00:00Z".parse().unwrap());
    cloud.put(&workspace());
    cloud.put(claim);
    cloud
}

fn stage() -> CloudByHand {
    stage_with(&claim())
}

/// The same with the machine and its Node, ready.
fn running() -> CloudByHand {
    running_on(MACHINE)
}

/// The same with a machine of this id.
fn running_on(machine: &str) -> CloudByHand {
    let mut cloud = stage();
    cloud.pools_succeed = true;
    cloud.node_joins("n1", NAME, machine);
    cloud.settle(&ClaimPlanner, &key());
    assert_eq!(condition(&cloud, "Ready")[0], "True");
    cloud.take_tried();
    cloud
}

/// Status, reason and message of a condition of the claim.
fn condition(cloud: &CloudByHand, type_: &str) -> [String; 3] {
    let claim = cloud.get(&key());
    let all = claim["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = all.into_iter().find(|condition| condition["type"] == type_).unwrap_or_default();
    ["status", "reason", "message"].map(|field| found[field].as_str().unwrap_or_default().to_owned())
}

/// What the Node says of itself from now on.
fn node_is(cloud: &mut CloudByHand, node: &ObjectKey, ready: &str) {
    let since = cloud.now().to_string();
    cloud.edit(node, |value| {
        value["status"]["conditions"] = json!([{"type": "Ready", "status": ready, "lastTransitionTime": since}]);
    });
}

/// Whether somebody has deleted the claim.
fn is_going(cloud: &CloudByHand) -> bool {
    cloud.get(&key())["metadata"].get("deletionTimestamp").is_some()
}

fn tried(cloud: &CloudByHand, what: &str) -> usize {
    cloud.tried.iter().filter(|tried| tried.starts_with(what)).count()
}

/// Looks at the claim so many times, with ten seconds between.
fn looks(cloud: &mut CloudByHand, times: usize) {
    for _ in 0..times {
        cloud.look(&ClaimPlanner, &key());
        cloud.wait(SignedDuration::from_secs(10));
    }
}

/// Deletes a claim whose pool was just asked for: it goes after the pool, and after any request that may still be under way.
fn takes_its_pool_along(cloud: &mut CloudByHand) {
    cloud.delete(&key());
    looks(cloud, 3);
    assert!(!cloud.has(&pool(NAME)));
    assert!(cloud.has(&key()), "a request may still be under way");
    cloud.wait(SignedDuration::from_mins(2));
    looks(cloud, 2);
    assert!(!cloud.has(&key()));
}
