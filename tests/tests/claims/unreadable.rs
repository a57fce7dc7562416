//! Claims that cannot be read: told once in the decoder's words, kept while they stand, and given back as any other when they go.

use super::{
    MACHINE, NAME, claim, condition, key, looks, node_key, running, stage_with, takes_its_pool_along, tried,
    workspace_key,
};
use jiff::SignedDuration;
use kaito_core::memory::World;
use kaito_core::memory::actors::Machines;
use kaito_core::{Kind, ObjectKey, Settings};
use kaito_provisioner::ClaimPlanner;
use kaito_tests::cloud_by_hand::{CloudByHand, pool};
use serde_json::{Value, json};
use std::sync::Arc;

/// What somebody writes into a claim that no decoder reads.
const GARBLED: [fn(&mut Value); 4] = [
    |claim| claim["spec"]["requirements"] = json!("A100"),
    |claim| claim["spec"]["taints"] = json!({"sku": "gpu"}),
    |claim| claim["spec"]["nodeClassRef"] = json!("default"),
    |claim| drop(claim.as_object_mut().map(|claim| claim.remove("spec"))),
];

#[test]
fn one_that_goes_gives_its_machine_back_as_any_other() {
    for garble in GARBLED {
        let mut cloud = running();
        cloud.put(&json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "default"},
            "spec": {"nodeName": "n1", "containers": [{"name": "a"}]}, "status": {"phase": "Running"},
        }));
        cloud.edit(&key(), garble);
        cloud.delete(&key());
        looks(&mut cloud, 8);
        let order: Vec<&str> =
            cloud.tried.iter().map(String::as_str).filter(|tried| !tried.contains("status")).collect();
        let wanted = [
            "delete Node n1",
            "patch Node n1",
            "evict Pod web",
            "delete AgentPool ws0123456ab",
            "patch Node n1",
            "patch NodeClaim ws0123456ab",
        ];
        assert_eq!(order, wanted);
        assert!(!cloud.has(&key()) && !cloud.has(&node_key()) && !cloud.has(&pool(NAME)));
    }
}

#[test]
fn one_whose_status_cannot_be_read_goes_as_well() {
    for garble in [
        |claim: &mut Value| claim["status"]["conditions"] = json!("Ready"),
        |claim: &mut Value| claim["status"]["conditions"][0]["lastTransitionTime"] = json!("just now"),
        |claim: &mut Value| claim["status"] = json!("lost"),
    ] {
        let mut cloud = running();
        let mut value = cloud.get(&key());
        garble(&mut value);
        cloud.status_is(&key(), &value["status"]);
        cloud.delete(&key());
        looks(&mut cloud, 8);
        assert!(!cloud.has(&key()) && !cloud.has(&node_key()) && !cloud.has(&pool(NAME)), "{:?}", cloud.tried);
    }
}

#[test]
fn the_grace_period_of_one_that_goes_is_read_though_the_rest_is_not() {
    let mut wanted = claim();
    wanted["spec"]["terminationGracePeriod"] = json!("2h");
    let mut cloud = stage_with(&wanted);
    cloud.pools_succeed = true;
    cloud.node_joins("n1", NAME, MACHINE);
    cloud.settle(&ClaimPlanner, &key());
    cloud.put(&json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web", "namespace": "default", "annotations": {"karpenter.sh/do-not-disrupt": "true"}},
        "spec": {"nodeName": "n1", "containers": [{"name": "a"}]}, "status": {"phase": "Running"},
    }));
    cloud.edit(&key(), GARBLED[0]);
    cloud.delete(&key());
    looks(&mut cloud, 4);
    cloud.wait(SignedDuration::from_mins(90));
    looks(&mut cloud, 4);
    assert!(cloud.has(&pool(NAME)), "pods may take two hours");
    cloud.wait(SignedDuration::from_mins(30));
    looks(&mut cloud, 4);
    assert!(!cloud.has(&pool(NAME)) && !cloud.has(&key()));
}

#[test]
fn one_whose_machine_is_being_made_takes_the_pool_along() {
    let mut cloud = stage_with(&claim());
    cloud.look(&ClaimPlanner, &key());
    cloud.edit(&key(), GARBLED[0]);
    takes_its_pool_along(&mut cloud);
}

#[test]
fn one_that_stands_is_told_once_with_what_would_be_right_and_keeps_its_machine() {
    let mut cloud = running();
    cloud.edit(&key(), GARBLED[0]);
    let before = [key(), node_key(), pool(NAME)].map(|key| cloud.get(&key)["status"].clone());
    for _ in 0..5 {
        cloud.look(&ClaimPlanner, &key());
        cloud.wait(SignedDuration::from_mins(20));
    }
    assert_eq!(before, [key(), node_key(), pool(NAME)].map(|key| cloud.get(&key)["status"].clone()));
    assert_eq!(cloud.take_tried(), ["patch NodeClaim ws0123456ab"], "that it was told is remembered");
    let [notice] = &cloud.notices[..] else { panic!("{:?}", cloud.notices) };
    assert!(notice.warning && notice.reason == "MalformedObject");
    for words in ["spec.requirements: invalid type: string \"A100\", expected a sequence", "; next: ", "; remedy: "] {
        assert!(notice.note.contains(words), "{words}: {}", notice.note);
    }
}

#[test]
fn another_fault_of_it_is_told_anew_and_so_is_the_same_after_it_could_be_read() {
    let mut cloud = running();
    let told = |cloud: &mut CloudByHand| {
        looks(cloud, 3);
        std::mem::take(&mut cloud.notices).len()
    };
    let right = cloud.get(&key())["spec"].clone();
    cloud.edit(&key(), GARBLED[0]);
    assert_eq!(told(&mut cloud), 1);
    cloud.edit(&key(), GARBLED[1]);
    assert_eq!(told(&mut cloud), 1);
    cloud.edit(&key(), |claim| claim["spec"] = right);
    assert_eq!(told(&mut cloud), 0);
    assert_eq!(condition(&cloud, "Ready")[0], "True");
    cloud.edit(&key(), GARBLED[1]);
    assert_eq!(told(&mut cloud), 1);
}

#[test]
fn for_one_that_could_never_be_read_no_machine_is_asked_for_and_its_end_is_nobodys_but_its_own() {
    let mut wanted = claim();
    GARBLED[0](&mut wanted);
    let mut cloud = stage_with(&wanted);
    looks(&mut cloud, 4);
    assert_eq!(tried(&cloud, "create"), 0);
    assert_eq!(cloud.notices.len(), 1);
    cloud.delete(&key());
    looks(&mut cloud, 2);
    assert!(!cloud.has(&key()));
}

#[test]
fn one_of_another_provisioner_is_left_to_that_whatever_cannot_be_read_of_it() {
    let of_karpenter = json!({"group": "karpenter.azure.com", "kind": "AKSNodeClass", "name": "default"});
    for (class, labels) in [
        (of_karpenter, json!({"kaito.sh/workspace": "phi"})),
        (json!("default"), json!({"karpenter.sh/nodepool": "general"})),
    ] {
        let mut wanted = claim();
        GARBLED[0](&mut wanted);
        wanted["spec"]["nodeClassRef"] = class;
        wanted["metadata"]["labels"] = labels;
        wanted["metadata"]["finalizers"] = json!(["karpenter.sh/termination"]);
        let mut cloud = stage_with(&wanted);
        looks(&mut cloud, 2);
        cloud.delete(&key());
        looks(&mut cloud, 3);
        assert_eq!(cloud.take_tried(), [""; 0]);
        assert!(cloud.notices.is_empty() && cloud.has(&ObjectKey::cluster(Kind::NodeClaim, NAME)));
    }
}

#[test]
fn a_workspace_whose_claim_cannot_be_read_goes_and_leaves_nothing() {
    for garble in GARBLED {
        let mut world = World::installed(&Settings::default());
        world.set_machines(Machines::OfPools);
        world.add_process(Arc::new(ClaimPlanner));
        let workspace = workspace_key();
        let manifest = kaito_tests::manifests::phi_4_mini("phi");
        world.put(&workspace, &manifest).unwrap();
        world.advance(SignedDuration::from_hours(1));
        let of = |world: &World, kind: Kind| -> Vec<Value> {
            let is_kind = |(key, value): (&ObjectKey, &Value)| (key.kind == kind).then(|| value.clone());
            world.cluster().with_store(|store| store.iter().filter_map(is_kind).collect())
        };
        let mut claim = of(&world, Kind::NodeClaim).pop().unwrap();
        garble(&mut claim);
        let name = claim["metadata"]["name"].as_str().unwrap().to_owned();
        world.put(&ObjectKey::cluster(Kind::NodeClaim, name), &claim).unwrap();
        world.advance(SignedDuration::from_hours(1));
        assert_eq!(of(&world, Kind::AgentPool).len(), 1, "what serves goes on");
        world.delete(&workspace).unwrap();
        world.advance(SignedDuration::from_hours(2));
        let left = [Kind::Workspace, Kind::NodeClaim, Kind::AgentPool, Kind::Node].map(|kind| of(&world, kind).len());
        assert_eq!(left, [0; 4]);
    }
}

#[test]
fn the_pool_of_one_that_has_lost_its_labels_too_is_kept() {
    let mut cloud = running();
    cloud.edit(&key(), |claim| {
        claim["spec"]["nodeClassRef"] = json!("default");
        claim["metadata"]["labels"] = json!({});
    });
    cloud.wait(SignedDuration::from_hours(1));
    cloud.take_tried();
    cloud.settle(&ClaimPlanner, &key());
    assert!(cloud.has(&pool(NAME)) && cloud.has(&node_key()), "a claim of its name is there");
    assert_eq!(tried(&cloud, "delete"), 0);
}
