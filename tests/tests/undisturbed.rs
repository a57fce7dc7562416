//! Trainings on machines of Karpenter: nothing replaces a machine before its training is over, and nothing waits for a training that nobody wants any more.

use jiff::SignedDuration;
use kaito_core::memory::{Halt, World};
use kaito_core::{Kind, NodeProvisioner, ObjectKey, Settings};
use kaito_tests::{golden, manifests, value};
use serde_json::{Value, json};

const UNDISTURBED: &str = "karpenter.sh/do-not-disrupt";

fn root() -> ObjectKey {
    ObjectKey::new(Kind::Workspace, "default", "tune")
}

fn job() -> ObjectKey {
    ObjectKey::new(Kind::Job, "default", "tune")
}

/// The names of everything of a kind, each with whether somebody has deleted it.
fn there(world: &World, kind: Kind) -> Vec<(String, bool)> {
    world.cluster().with_store(|store| {
        let all = store.iter().filter(|(key, _)| key.kind == kind);
        all.map(|(key, value)| (key.name.clone(), !value["metadata"]["deletionTimestamp"].is_null())).collect()
    })
}

/// A training that runs.
fn training(provisioner: NodeProvisioner) -> World {
    let mut world = World::installed(&Settings { provisioner, ..Settings::default() });
    world.put(&root(), &manifests::training_on_volume("tune")).unwrap();
    let runs = |world: &World| value(world, &job()).is_some_and(|job| job["status"]["ready"] == 1);
    assert_eq!(world.run(SignedDuration::from_hours(1), runs), Halt::Reached);
    world
}

#[test]
fn the_pods_of_a_training_say_to_karpenter_that_they_are_not_to_be_disturbed() {
    for (provisioner, wanted) in
        [(golden::karpenter(), json!({UNDISTURBED: "true"})), (NodeProvisioner::default(), Value::Null)]
    {
        let world = training(provisioner);
        assert_eq!(value(&world, &job()).unwrap()["spec"]["template"]["metadata"]["annotations"], wanted);
    }
}

#[test]
fn a_job_that_stands_is_not_made_anew_for_it() {
    let mut world = training(NodeProvisioner::default());
    let before = value(&world, &job()).unwrap();
    world.run_with(&Settings { provisioner: golden::karpenter(), ..Settings::default() });
    world.advance(SignedDuration::from_mins(20));
    let after = value(&world, &job()).unwrap();
    assert_eq!((&after["metadata"]["uid"], &after["spec"]), (&before["metadata"]["uid"], &before["spec"]));
}

#[test]
fn a_training_ends_with_its_workspace_before_its_machine_can() {
    let mut world = training(golden::karpenter());
    world.delete(&root()).unwrap();
    let goes = |world: &World| there(world, Kind::NodeClaim).iter().all(|(_, dying)| *dying);
    assert_eq!(world.run(SignedDuration::from_mins(5), goes), Halt::Reached);
    assert_eq!(there(&world, Kind::NodeClaim).len(), 1, "Karpenter waits for the end of the pod");
    let is_gone = |world: &World| there(world, Kind::Job).is_empty() && there(world, Kind::Pod).is_empty();
    assert_eq!(world.run(SignedDuration::from_secs(60), is_gone), Halt::Reached);
    assert!(value(&world, &root()).is_some() && !there(&world, Kind::NodeClaim).is_empty());
    world.advance(SignedDuration::from_mins(30));
    assert_eq!((value(&world, &root()), there(&world, Kind::NodeClaim)), (None, Vec::new()));
}

/// A machine is not taken before such pods are over, whoever makes it.
#[test]
fn a_server_of_the_users_own_that_is_not_to_be_disturbed_ends_with_its_workspace() {
    let (azure, karpenter) = (NodeProvisioner::default(), golden::karpenter());
    for (provisioner, says) in [(karpenter.clone(), "true"), (azure, "true"), (karpenter, "false")] {
        let mut world = World::installed(&Settings { provisioner, ..Settings::default() });
        let mut manifest = manifests::own_template("own");
        manifest["inference"]["template"]["metadata"]["annotations"] = json!({UNDISTURBED: says});
        let (root, set) =
            [Kind::Workspace, Kind::StatefulSet].map(|kind| ObjectKey::new(kind, "default", "own")).into();
        world.put(&root, &manifest).unwrap();
        let serves = |world: &World| value(world, &set).is_some_and(|set| set["status"]["readyReplicas"] == 1);
        assert_eq!(world.run(SignedDuration::from_hours(1), serves), Halt::Reached);
        world.delete(&root).unwrap();
        let ends = |world: &World| value(world, &set).is_none() && value(world, &root).is_some();
        let ended = world.run(SignedDuration::from_mins(1), ends) == Halt::Reached;
        assert_eq!(ended, says == "true", "{says}");
        world.advance(SignedDuration::from_hours(1));
        assert_eq!((value(&world, &root), there(&world, Kind::NodeClaim)), (None, Vec::new()), "{says}");
    }
}
