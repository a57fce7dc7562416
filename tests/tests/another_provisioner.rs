//! An operator that is started with another provisioner than before: what the former was asked for costs money until it is given back.

use jiff::SignedDuration;
use kaito_api::vocabulary::labels;
use kaito_core::memory::World;
use kaito_core::snapshot::Answer;
use kaito_core::{Kind, NodeProvisioner, ObjectKey, Read, Seen, Settings, WorkspacePlanner};
use kaito_tests::cloud_by_hand::CloudByHand;
use kaito_tests::{by_hand, golden, manifests};
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
    // Machines that were asked for one by one are counted by a pool; those of a pool by nobody else.
    for (was, now, asked, machines, label) in [
        (golden::karpenter(), azure(), Kind::NodePool, 2, labels::WORKSPACE),
        (azure(), golden::karpenter(), Kind::NodeClaim, 1, labels::KARPENTER_WORKSPACE_NAME),
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
            (state(&world), &meanwhile["metadata"]["uid"], of_kind(&world, Kind::Node).len()),
            (json!("Ready"), &before["metadata"]["uid"], machines),
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

/// A Workspace of two pods of the user's own on machines that were asked for one by one, and its operator started with Karpenter.
fn two_pods_under_karpenter() -> World {
    let run_with = |provisioner| Settings { provisioner, ..Settings::default() };
    let mut world = World::installed(&run_with(NodeProvisioner::default()));
    let mut manifest = manifests::own_template(NAME);
    manifest["resource"]["count"] = json!(2);
    world.put(&root(), &manifest).unwrap();
    world.advance(SignedDuration::from_hours(2));
    assert_eq!((state(&world), of_kind(&world, Kind::Pod).len()), (json!("Ready"), 2));
    world.run_with(&run_with(golden::karpenter()));
    world.advance(SignedDuration::from_hours(1));
    world
}

/// The machine under a pod is taken away.
fn lose_machine(world: &mut World, pod: &str) {
    let node = of_kind(world, Kind::Pod).into_iter().find(|found| found["metadata"]["name"] == pod).unwrap();
    let node = &node["spec"]["nodeName"];
    let claim = of_kind(world, Kind::NodeClaim).into_iter().find(|found| found["status"]["nodeName"] == *node);
    let name = claim.unwrap()["metadata"]["name"].as_str().unwrap().to_owned();
    world.delete(&ObjectKey::cluster(Kind::NodeClaim, name)).unwrap();
}

fn moves(world: &World) -> usize {
    world.cluster().events().iter().filter(|told| told.notice.reason == "PodsMoved").count()
}

fn is_stranded(world: &World) -> bool {
    of_kind(world, Kind::Pod).iter().any(|pod| pod["status"]["conditions"][0]["reason"] == "Unschedulable")
}

#[test]
fn pods_that_serve_are_not_made_anew_because_another_one_has_lost_the_machine_of_a_former_provisioner() {
    let mut world = two_pods_under_karpenter();
    let uid = |world: &World, name: &str| {
        let found = of_kind(world, Kind::Pod).into_iter().find(|pod| pod["metadata"]["name"] == name);
        found.map(|pod| pod["metadata"]["uid"].clone())
    };
    let serving = uid(&world, "phi-0");
    lose_machine(&mut world, "phi-1");
    world.advance(SignedDuration::from_hours(2));
    assert!(is_stranded(&world) && serving.is_some());
    assert_eq!((uid(&world, "phi-0"), moves(&world)), (serving, 0));
    lose_machine(&mut world, "phi-0");
    world.advance(SignedDuration::from_hours(2));
    assert_eq!((state(&world), moves(&world)), (json!("Ready"), 1));
}

#[test]
fn pods_move_when_one_has_found_no_node_for_five_minutes_and_no_sooner_than_ten_after_they_were_changed() {
    let run_with = |provisioner| Settings { provisioner, ..Settings::default() };
    let mut world = World::installed(&run_with(golden::karpenter()));
    world.put(&root(), &manifests::phi_4_mini(NAME)).unwrap();
    world.advance(SignedDuration::from_hours(1));
    world.run_with(&run_with(NodeProvisioner::default()));
    world.advance(SignedDuration::from_hours(1));
    let set = ObjectKey::new(Kind::StatefulSet, "default", NAME);
    let affinity = |world: &World| of_kind(world, Kind::StatefulSet)[0]["spec"]["template"]["spec"]["affinity"].clone();
    let former = affinity(&world);
    world.delete(&ObjectKey::cluster(Kind::NodePool, "default-phi")).unwrap();
    world.run(SignedDuration::from_hours(1), is_stranded);
    world.advance(SignedDuration::from_mins(4));
    assert!(is_stranded(&world) && moves(&world) == 0, "a node may come back");
    world.advance(SignedDuration::from_secs(90));
    assert_eq!(moves(&world), 1, "at its time and not first at the next look");

    // Somebody undoes it at once.
    let mut undone = of_kind(&world, Kind::StatefulSet).remove(0);
    assert_ne!(affinity(&world), former);
    undone["spec"]["template"]["spec"]["affinity"] = former;
    world.put(&set, &undone).unwrap();
    world.advance(SignedDuration::from_mins(8));
    assert!(is_stranded(&world) && moves(&world) == 1);
    world.advance(SignedDuration::from_mins(4));
    assert_eq!(moves(&world), 2);
    world.advance(SignedDuration::from_hours(1));
    assert_eq!((state(&world), moves(&world)), (json!("Ready"), 2));
}

#[test]
fn claims_that_a_pool_has_left_are_given_back_with_the_workspace() {
    for now in [golden::karpenter(), NodeProvisioner::default(), NodeProvisioner::Byo] {
        let mut cloud = CloudByHand::new("2026-01-01T00:00:00Z".parse().unwrap());
        cloud.settings = Settings { provisioner: now.clone(), ..Settings::default() };
        workspace(&mut cloud);
        let mut left = claim("");
        left["metadata"]["labels"] = json!({
            labels::NODE_POOL: "default-phi", labels::KARPENTER_WORKSPACE_NAME: NAME, labels::KARPENTER_WORKSPACE_NAMESPACE: "default",
        });
        left["metadata"]["finalizers"] = json!(["karpenter.sh/termination"]);
        let held = cloud.put(&left);
        cloud.delete(&root());
        for _ in 0..3 {
            cloud.look(&WorkspacePlanner, &root());
        }
        let told = cloud.get(&root())["status"]["conditions"].to_string();
        assert!(told.contains("NodeClaim"), "{now:?}: {told}");
        assert!(cloud.get(&held)["metadata"]["deletionTimestamp"].is_string(), "{now:?}");
        cloud.free(&held);
        cloud.settle(&WorkspacePlanner, &root());
        assert!(!cloud.has(&held) && !cloud.has(&root()), "{now:?}");
    }
}

#[test]
fn nodes_that_were_taken_are_free_again_when_the_workspace_goes_whoever_makes_machines_by_then() {
    for now in [golden::karpenter(), NodeProvisioner::default(), NodeProvisioner::Byo] {
        let mut cloud = CloudByHand::new("2026-01-01T00:00:00Z".parse().unwrap());
        cloud.settings = Settings { provisioner: now.clone(), ..Settings::default() };
        workspace(&mut cloud);
        let taken = cloud.put(&json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {
                "name": "brought", "annotations": {"kaito.sh/node-taken-at": "2026-01-01T00:00:00Z"},
                "labels": {"apps": NAME, labels::KARPENTER_WORKSPACE_NAME: NAME, labels::KARPENTER_WORKSPACE_NAMESPACE: "default"},
            },
        }));
        cloud.delete(&root());
        cloud.settle(&WorkspacePlanner, &root());
        let node = cloud.get(&taken)["metadata"].clone();
        assert_eq!((cloud.has(&root()), &node["labels"]), (false, &json!({"apps": NAME})), "{now:?}");
    }
}

#[test]
fn what_a_namesake_has_asked_for_is_not_taken_by_who_still_sees_the_former() {
    type Held = fn(&str) -> Value;
    for (provisioner, of) in [(NodeProvisioner::default(), claim as Held), (golden::karpenter(), pool)] {
        let mut cloud = CloudByHand::new("2026-01-01T00:00:00Z".parse().unwrap());
        cloud.settings = Settings { provisioner, ..Settings::default() };
        workspace(&mut cloud);
        let former = cloud.answer(&Read::object(root()));
        cloud.delete(&root());
        cloud.free(&root());
        let uid = workspace(&mut cloud);
        let held = cloud.put(&of(&uid));
        cloud.cached.insert(Read::object(root()), former);
        cloud.look(&WorkspacePlanner, &root());
        assert!(cloud.has(&held), "{held}: {:?}", cloud.tried);
    }
}

#[test]
fn the_slot_of_a_claim_of_an_older_operator_is_not_filled_while_it_goes() {
    let mut cloud = CloudByHand::new("2026-01-01T00:00:00Z".parse().unwrap());
    let uid = workspace(&mut cloud);
    let mut former = claim(&uid);
    former["metadata"]["labels"] = json!({
        labels::WORKSPACE: NAME, labels::WORKSPACE_NAMESPACE: "default", labels::NODE_POOL: labels::NODE_POOL_KAITO,
    });
    former["metadata"]["finalizers"] = json!(["karpenter.sh/termination"]);
    let former = cloud.put(&former);
    cloud.delete(&former);
    for _ in 0..3 {
        cloud.look(&WorkspacePlanner, &root());
    }
    let asked = |cloud: &CloudByHand| cloud.tried.iter().filter(|tried| tried.starts_with("create NodeClaim")).count();
    assert_eq!(asked(&cloud), 0, "{:?}", cloud.tried);
    cloud.free(&former);
    cloud.wait(SignedDuration::from_mins(2));
    cloud.settle(&WorkspacePlanner, &root());
    assert_eq!(asked(&cloud), 1, "{:?}", cloud.tried);
}

#[test]
fn the_machines_of_a_workspace_that_the_cache_lacks_and_nobody_can_read_are_kept() {
    let broken = json!({
        "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "resource": {"count": "two"},
        "metadata": {"name": NAME, "namespace": "default", "uid": "there"},
    });
    let there = Seen::decode(Kind::Workspace, broken);
    assert!(matches!(there, Seen::Malformed(_)));
    for (provisioner, kind, held) in [
        (NodeProvisioner::default(), Kind::NodeClaim, claim("there")),
        (golden::karpenter(), Kind::NodePool, pool("there")),
    ] {
        let settings = Settings { provisioner, ..Settings::default() };
        let mut held = held;
        held["metadata"]["uid"] = json!("held");
        let objects = [Seen::decode(kind, held)];
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        for (live, goes) in [(Some(there.clone()), false), (None, true)] {
            let plan = by_hand::plan_with(&root(), now, &settings, |read| match &live {
                Some(there) if *read == Read::object(root()).live() => Answer::Object(Some(there.clone())),
                _ => by_hand::answer(&objects, read),
            });
            assert_eq!(plan.steps.iter().any(|step| step.effect.verb() == "delete"), goes, "{kind}");
        }
    }
}
