//! An operator that is started with another provisioner than before: what the former was asked for costs money until it is given back.

use jiff::SignedDuration;
use kaito_api::vocabulary::labels;
use kaito_core::memory::World;
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

/// Objects of a kind in a world.
fn of_kind(world: &World, kind: Kind) -> Vec<Value> {
    world.cluster().with_store(|store| {
        let of_kind = store.iter().filter(|(key, _)| key.kind == kind);
        of_kind.map(|(_, value)| value.clone()).collect()
    })
}

fn state(world: &World) -> Value {
    world
        .cluster()
        .with_store(|store| store.value(&root()).map_or(Value::Null, |value| value["status"]["state"].clone()))
}

#[test]
fn a_model_that_runs_serves_on_under_another_provisioner_and_goes_to_its_machines_when_the_former_ones_are_gone() {
    let azure = NodeProvisioner::default;
    let run_with = |provisioner| Settings { provisioner, ..Settings::default() };
    for (was, now, asked, label) in [
        (golden::karpenter(), azure(), Kind::NodePool, labels::WORKSPACE),
        (azure(), golden::karpenter(), Kind::NodeClaim, labels::KARPENTER_WORKSPACE_NAME),
    ] {
        let mut world = World::installed(&run_with(was));
        world.put(&root(), &manifests::phi_4_mini(NAME)).unwrap();
        world.advance(SignedDuration::from_hours(1));
        assert_eq!(state(&world), "Ready", "{asked}");
        let [before] = &of_kind(&world, Kind::Pod)[..] else { panic!("one pod") };
        let former = of_kind(&world, asked);

        world.run_with(&run_with(now));
        world.advance(SignedDuration::from_hours(2));
        let [meanwhile] = &of_kind(&world, Kind::Pod)[..] else { panic!("one pod") };
        assert_eq!(
            (state(&world), &meanwhile["metadata"]["uid"]),
            (json!("Ready"), &before["metadata"]["uid"]),
            "{asked}"
        );

        for object in &former {
            let name = object["metadata"]["name"].as_str().unwrap();
            world.delete(&ObjectKey::cluster(asked, name)).unwrap();
        }
        world.advance(SignedDuration::from_hours(2));
        let [pod] = &of_kind(&world, Kind::Pod)[..] else { panic!("one pod") };
        assert_eq!(state(&world), "Ready", "{asked}: {}", pod["status"]);
        assert_ne!(pod["metadata"]["uid"], before["metadata"]["uid"]);
        let node = pod["spec"]["nodeName"].as_str().unwrap();
        let node = of_kind(&world, Kind::Node).into_iter().find(|found| found["metadata"]["name"] == node).unwrap();
        assert_eq!(node["metadata"]["labels"][label], NAME, "{asked}: a machine of the provisioner that there is now");
    }
}
