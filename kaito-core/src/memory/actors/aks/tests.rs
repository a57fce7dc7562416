use super::*;
use crate::memory::actors::Machines;
use crate::memory::azure::{FAMILY_QUOTA, REFUSALS, Told};
use crate::memory::{Fate, Halt, World};
use jiff::SignedDuration;
use serde_json::Value;

const SIZE: &str = "Standard_NC24ads_A100_v4";
const STAMP: &str = "2026-01-01T00-00-00Z";

fn key() -> ObjectKey {
    ObjectKey::cluster(Kind::AgentPool, "ws0123456ab")
}

fn pool() -> Value {
    json!({
        "metadata": {"labels": {"kaito.sh/workspace": "phi", "kaito.sh/creation-timestamp": STAMP}},
        "spec": {"size": SIZE, "diskGib": 128, "taints": ["sku=gpu:NoSchedule"]},
    })
}

/// A world with a pool that was asked for.
fn world(cloud: CloudFate) -> World {
    let mut world = World::with_fate(&Settings::default(), Pace::default(), &Fate { cloud, ..Fate::default() });
    world.set_machines(Machines::OfPools);
    world.put(&key(), &pool()).unwrap();
    world
}

fn settle(world: &mut World) {
    assert_eq!(world.run(SignedDuration::from_hours(1), |_| false), Halt::Settled);
}

fn value(world: &World, key: &ObjectKey) -> Option<Value> {
    world.cluster().with_store(|store| store.value(key).cloned())
}

fn state(world: &World) -> String {
    value(world, &key()).map_or("gone".to_owned(), |pool| pool["status"]["state"].as_str().unwrap_or("none").to_owned())
}

fn node(world: &World) -> Option<Value> {
    world
        .cluster()
        .with_store(|store| store.iter().find(|(key, _)| key.kind == Kind::Node).map(|(_, value)| value.clone()))
}

#[test]
fn a_pool_becomes_a_node_and_takes_it_along() {
    let mut world = world(CloudFate::Well);
    assert_eq!((state(&world).as_str(), node(&world)), ("Creating", None));
    let joined = world.run(SignedDuration::from_hours(1), |world| node(world).is_some());
    let young = node(&world).unwrap();
    assert_eq!((joined, &young["status"]["conditions"][0]["status"]), (Halt::Reached, &json!("False")));
    assert_eq!(young["spec"]["taints"][0]["key"], NOT_READY);
    settle(&mut world);
    let grown = node(&world).unwrap();
    assert_eq!(grown["spec"]["taints"], json!([{"key": "sku", "value": "gpu", "effect": "NoSchedule"}]));
    assert_eq!((&grown["status"]["allocatable"]["nvidia.com/gpu"], state(&world).as_str()), (&json!("1"), "Succeeded"));
    for (label, value) in [("agentpool", "ws0123456ab"), ("kaito.sh/workspace", "phi"), (labels::INSTANCE_TYPE, SIZE)] {
        assert_eq!(grown["metadata"]["labels"][label], value);
    }
    let id = grown["spec"]["providerID"].as_str().unwrap();
    assert!(id.contains("/virtualMachineScaleSets/aks-ws0123456ab-20562481-vmss/virtualMachines/0"), "{id}");
    assert_eq!(value(&world, &key()).unwrap()["metadata"]["uid"], STAMP, "a pool is known by the time of its claim");

    world.delete(&key()).unwrap();
    assert_eq!((state(&world).as_str(), node(&world).is_some()), ("Deleting", true));
    settle(&mut world);
    assert_eq!((state(&world).as_str(), node(&world)), ("gone", None));
}

#[test]
fn a_node_that_others_took_away_does_not_come_again() {
    let mut world = world(CloudFate::Well);
    settle(&mut world);
    let name = node(&world).unwrap()["metadata"]["name"].as_str().unwrap().to_owned();
    world.delete(&ObjectKey::cluster(Kind::Node, name)).unwrap();
    settle(&mut world);
    assert_eq!((state(&world).as_str(), node(&world)), ("Succeeded", None));
}

#[test]
fn a_machine_registers_when_the_dying_node_of_its_name_is_gone() {
    let mut world = world(CloudFate::Well);
    settle(&mut world);
    let mut old = node(&world).unwrap();
    let name = ObjectKey::cluster(Kind::Node, old["metadata"]["name"].as_str().unwrap());
    old["metadata"]["finalizers"] = json!(["karpenter.sh/termination"]);
    world.put(&name, &old).unwrap();
    world.delete(&key()).unwrap();
    settle(&mut world);
    assert!(
        value(&world, &key()).is_none() && value(&world, &name).unwrap()["metadata"]["deletionTimestamp"].is_string()
    );
    world.put(&key(), &pool()).unwrap();
    world.run(SignedDuration::from_hours(1), |_| false);
    assert_eq!(state(&world), "Creating", "its name is taken");
    let freed = MetadataPatch { finalizers: Some(Vec::new()), ..MetadataPatch::default() };
    let uid = old["metadata"]["uid"].as_str().unwrap().to_owned();
    world.cluster().with_store(|store| store.patch_metadata(&name, &uid, None, &freed)).unwrap();
    settle(&mut world);
    let young = node(&world).unwrap();
    assert!(state(&world) == "Succeeded" && young["metadata"]["uid"] != old["metadata"]["uid"]);
}

#[test]
fn every_refusal_is_told_in_azures_words_at_once_or_by_the_pool() {
    for refusal in REFUSALS {
        let mut world = World::installed(&Settings::default());
        world.set_machines(Machines::OfPools);
        world.set_fate(&Fate { cloud: CloudFate::Azure { refusal, size: Some(SIZE.to_owned()) }, ..Fate::default() });
        let ask = Effect::Ensure { key: key(), body: pool(), mode: WriteMode::CreateOnly, uid: None };
        match (refusal.told, world.cluster().carry_out(&ask)) {
            (Told::At(_), Err(error)) => {
                assert!(error.message.starts_with(refusal.code), "{error}");
                assert_eq!(error.retry_after.map(|wait| wait.as_secs()), refusal.retry_after_s);
            }
            (Told::Later, Ok(_)) => {
                world.set_fate(&Fate { cloud: CloudFate::Azure { refusal, size: None }, ..Fate::default() });
                settle(&mut world);
                let failure = &value(&world, &key()).unwrap()["status"]["failure"];
                assert_eq!((state(&world).as_str(), &failure["code"]), ("Failed", &json!(refusal.code)));
            }
            (told, answer) => panic!("{}: {told:?} {answer:?}", refusal.word),
        }
    }
}

#[test]
fn a_refusal_of_another_size_is_none() {
    let mut world = world(CloudFate::Azure { refusal: &FAMILY_QUOTA, size: Some("Standard_NC6s_v3".to_owned()) });
    settle(&mut world);
    assert_eq!(state(&world), "Succeeded");
    let mut odd = pool();
    odd["spec"]["size"] = json!("Standard_NoSuchSize");
    let key = ObjectKey::cluster(Kind::AgentPool, "odd");
    world.put(&key, &odd).unwrap();
    settle(&mut world);
    assert_eq!(value(&world, &key).unwrap()["status"]["failure"]["code"], SIZE_NOT_ALLOWED.code);
}

#[test]
fn a_deletion_may_stop_half_way_or_fail_and_is_begun_again() {
    for (fate, ends) in [
        (CloudFate::TerminatesPartly, ("Deleting", false)),
        (
            CloudFate::FailsToTerminate { reason: "InternalOperationError".into(), message: "no".into() },
            ("Failed", false),
        ),
        (CloudFate::NeverTerminates, ("Deleting", true)),
    ] {
        let mut world = world(fate.clone());
        settle(&mut world);
        world.delete(&key()).unwrap();
        settle(&mut world);
        assert_eq!((state(&world).as_str(), node(&world).is_some()), ends, "{fate:?}");
        let is_going = value(&world, &key()).unwrap()["metadata"].get("deletionTimestamp").is_some();
        assert_eq!(is_going, ends.0 == "Deleting", "what failed is not going any more");
        world.set_fate(&Fate::default());
        world.delete(&key()).unwrap();
        settle(&mut world);
        assert_eq!((state(&world).as_str(), node(&world)), ("gone", None), "{fate:?}");
    }
}

#[test]
fn machines_have_the_fates_of_every_cloud() {
    let message = || "no network".to_owned();
    for (fate, ends) in [
        (CloudFate::NeverLaunches, ("Creating", None)),
        (CloudFate::NeverRegisters, ("Succeeded", None)),
        (CloudFate::NodeNeverReady { message: message() }, ("Succeeded", Some(("False", false)))),
        (CloudFate::GpusNeverAppear, ("Succeeded", Some(("True", false)))),
        (CloudFate::Refuses { reason: "Odd".into(), message: message() }, ("Failed", None)),
        (CloudFate::PartlyRefuses { reason: "Odd".into(), message: message() }, ("Succeeded", Some(("True", true)))),
    ] {
        let mut world = world(fate.clone());
        settle(&mut world);
        let node = node(&world);
        let shown = node.as_ref().map(|node| {
            let status = &node["status"];
            (status["conditions"][0]["status"].as_str().unwrap(), status["allocatable"].get("nvidia.com/gpu").is_some())
        });
        assert_eq!((state(&world).as_str(), shown), ends, "{fate:?}");
    }
}
