//! An operator that is started with another provisioner than before: what the former was asked for costs money until it is given back.

use kaito_api::vocabulary::labels;
use kaito_core::{Kind, NodeProvisioner, ObjectKey, Settings, WorkspacePlanner};
use kaito_tests::cloud_by_hand::CloudByHand;
use kaito_tests::{golden, manifests};
use serde_json::{Value, json};

const NAME: &str = "phi";

fn root() -> ObjectKey {
    ObjectKey::new(Kind::Workspace, "default", NAME)
}

/// A Workspace that our finalizer holds; its uid.
fn workspace(cloud: &mut CloudByHand) -> String {
    let mut manifest = manifests::phi_4_mini(NAME);
    manifest["metadata"]["namespace"] = json!("default");
    manifest["metadata"]["finalizers"] = json!(["workspace.finalizer.kaito.sh"]);
    cloud.put(&manifest);
    cloud.get(&root())["metadata"]["uid"].as_str().unwrap().to_owned()
}

fn claim(uid: &str) -> Value {
    json!({
        "apiVersion": "karpenter.sh/v1", "kind": "NodeClaim",
        "metadata": {"name": "wsformer", "labels": {
            labels::WORKSPACE: NAME, labels::WORKSPACE_NAMESPACE: "default", labels::WORKSPACE_UID: uid, labels::NODE_POOL: labels::NODE_POOL_KAITO, labels::NODE_SLOT: "0", labels::NODE_INCARNATION: "0",
        }},
        "spec": {"nodeClassRef": {"group": "kaito.sh", "kind": "KaitoNodeClass", "name": "default"}, "requirements": []},
    })
}

fn pool(uid: &str) -> Value {
    json!({
        "apiVersion": "karpenter.sh/v1", "kind": "NodePool",
        "metadata": {"name": "default-phi", "labels": {
            labels::KARPENTER_WORKSPACE_NAME: NAME, labels::KARPENTER_WORKSPACE_NAMESPACE: "default", labels::WORKSPACE_UID: uid,
        }},
        "spec": {"replicas": 1, "template": {"spec": {"nodeClassRef": {"group": "karpenter.azure.com", "kind": "AKSNodeClass", "name": "default"}, "requirements": []}}},
    })
}

#[test]
fn what_a_former_provisioner_was_asked_for_is_given_back_before_a_workspace_goes() {
    let azure = NodeProvisioner::default;
    type Former = fn(&str) -> Value;
    for (was, now, is_ours) in [
        (claim as Former, golden::karpenter(), true),
        (claim, NodeProvisioner::Byo, true),
        (pool, azure(), true),
        (pool, NodeProvisioner::Byo, true),
        (pool, azure(), false),
        (claim, NodeProvisioner::Byo, false),
    ] {
        let mut cloud = CloudByHand::new("2026-01-01T00:00:00Z".parse().unwrap());
        cloud.settings = Settings { provisioner: now, ..Settings::default() };
        let uid = workspace(&mut cloud);
        let held = cloud.put(&was(if is_ours { &uid } else { "of-another" }));
        cloud.delete(&root());
        cloud.look(&WorkspacePlanner, &root());
        assert_eq!((cloud.has(&held), cloud.has(&root())), (!is_ours, is_ours), "{held}: {:?}", cloud.tried);
        if is_ours {
            let told = cloud.get(&root())["status"]["conditions"].to_string();
            assert!(told.contains(held.kind.name()), "{held}: {told}");
            cloud.settle(&WorkspacePlanner, &root());
            assert!(!cloud.has(&root()), "{held}");
        }
    }
}
