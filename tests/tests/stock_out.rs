//! A cloud that has no machine for a NodePool of Karpenter: Karpenter asks again at once for each machine that it is refused, so the pool asks for none until its time.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use jiff::SignedDuration;
use kaito_api::vocabulary::labels;
use kaito_core::memory::{CloudFate, Fate, Pace, World};
use kaito_core::{Kind, ObjectKey, Settings, render};
use kaito_tests::stage::{MemoryStage, Stage};
use kaito_tests::{golden, manifests};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const SIZE: &str = "Standard_NV72ads_A10_v5";
const RECORD: &str = "kaito.sh/nodeclaims-given-up";

/// A world with Karpenter, whose cloud has no machine.
fn sold_out() -> MemoryStage {
    world(CloudFate::GivesUp {
        reason: "InsufficientCapacityError".to_owned(),
        message: "no machine is free".to_owned(),
    })
}

fn world(cloud: CloudFate) -> MemoryStage {
    let settings = Settings { provisioner: golden::karpenter(), ..Settings::default() };
    let mut world = World::with_fate(&settings, Pace::default(), &Fate { cloud, ..Fate::default() });
    world.put(&root(), &manifests::two_nodes("two")).unwrap();
    MemoryStage::of(world)
}

fn root() -> ObjectKey {
    ObjectKey::new(Kind::Workspace, "default", "two")
}

fn pool() -> ObjectKey {
    ObjectKey::cluster(Kind::NodePool, "default-two")
}

fn value(stage: &mut MemoryStage, key: &ObjectKey) -> Value {
    stage.world().cluster().with_store(|store| store.value(key).cloned()).unwrap_or_default()
}

/// How many machines the pool asks for: its replicas, as far as its limit lets them be made.
fn replicas(stage: &mut MemoryStage) -> Option<u64> {
    let spec = value(stage, &pool())["spec"].clone();
    let most = spec["limits"]["nodes"].as_str().map_or(u64::MAX, |most| most.parse().unwrap());
    spec["replicas"].as_u64().map(|replicas| replicas.min(most))
}

fn record(stage: &mut MemoryStage) -> Value {
    let found = value(stage, &root());
    found["metadata"]["annotations"][RECORD].as_str().map_or(Value::Null, |text| serde_json::from_str(text).unwrap())
}

/// What NodeClaimReady says.
fn told(stage: &mut MemoryStage) -> String {
    let status = value(stage, &root())["status"].clone();
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    let told = conditions.into_iter().find(|found| found["type"] == "NodeClaimReady").unwrap_or_default();
    format!("{} {}: {}", told["status"], told["reason"], told["message"])
}

fn all(stage: &mut MemoryStage, kind: Kind) -> Vec<Value> {
    let of_kind = |store: &mut kaito_core::memory::Store| -> Vec<Value> {
        store.iter().filter(|(key, _)| key.kind == kind).map(|(_, value)| value.clone()).collect()
    };
    stage.world().cluster().with_store(of_kind)
}

fn uids(stage: &mut MemoryStage, kind: Kind) -> BTreeSet<String> {
    all(stage, kind).iter().map(|claim| claim["metadata"]["uid"].to_string()).collect()
}

/// Somebody deletes a NodeClaim.
fn lose(stage: &mut MemoryStage, claim: &Value) {
    let name = claim["metadata"]["name"].as_str().unwrap();
    stage.world().delete(&ObjectKey::cluster(Kind::NodeClaim, name)).unwrap();
}

/// Plays until the pool asks for so many.
fn until_replicas(stage: &mut MemoryStage, count: u64) {
    for _ in 0..60 * 60 {
        if replicas(stage) == Some(count) {
            break;
        }
        stage.world().advance(SignedDuration::from_secs(1));
    }
    assert_eq!(replicas(stage), Some(count), "{}", told(stage));
}

/// A Node that somebody has brought along, with the user's labels.
fn bring(stage: &mut MemoryStage, name: &str) {
    let room = json!({"nvidia.com/gpu": "2", "cpu": "72", "pods": "110"});
    let node = json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"apps": "two", labels::INSTANCE_TYPE: SIZE}},
        "status": {"capacity": room, "allocatable": room, "conditions": [{"type": "Ready", "status": "True"}]},
    });
    stage.world().put(&ObjectKey::cluster(Kind::Node, name), &node).unwrap();
}

#[test]
fn a_cloud_without_machines_is_asked_at_our_pace_and_not_at_karpenters() {
    let mut stage = sold_out();
    let (mut asked, mut idle) = (BTreeSet::new(), 0);
    for _ in 0..2 * 60 * 60 {
        stage.world().advance(SignedDuration::from_secs(1));
        asked.extend(uids(&mut stage, Kind::NodeClaim));
        idle += u32::from(replicas(&mut stage) == Some(0));
    }
    // At once, after 1, 2, 4, 8 and 16 minutes, then every half hour. Each time two machines, and what Karpenter makes until it is told.
    assert!((16..=40).contains(&asked.len()), "{} claims in two hours", asked.len());
    assert!(idle > 115 * 60, "{idle} seconds without a wish");
    assert_eq!(record(&mut stage)["times"], 8);
    stage.world().set_fate(&Fate::default());
    (&mut stage as &mut dyn Stage).until_ready("two");
    assert_eq!((replicas(&mut stage), record(&mut stage)), (Some(2), Value::Null));
    (&mut stage as &mut dyn Stage).expect_quiet();
}

#[test]
fn a_pool_that_asks_for_nothing_is_left_alone_until_its_time_and_nobody_says_that_it_is_asked_for() {
    let mut stage = sold_out();
    until_replicas(&mut stage, 0);
    for _ in 0..3 {
        until_replicas(&mut stage, 2);
        assert!(told(&mut stage).contains("; asked for: default-two; next:"), "{}", told(&mut stage));
        until_replicas(&mut stage, 0);
    }
    let (writes, words) = (stage.writes(), told(&mut stage));
    assert!(
        words.contains("NodeClaimGivenUp")
            && words.contains(" (2 are not asked for before 2026-01-01T00:15:04Z); next:"),
        "{words}"
    );
    assert!(!words.contains("asked for: default-two"), "{words}");
    for _ in 0..6 * 60 {
        stage.world().advance(SignedDuration::from_secs(1));
        assert_eq!((stage.writes(), told(&mut stage), replicas(&mut stage)), (writes, words.clone(), Some(0)));
    }
    assert!(all(&mut stage, Kind::NodeClaim).is_empty());
    until_replicas(&mut stage, 2);
    stage.world().set_fate(&Fate::default());
    (&mut stage as &mut dyn Stage).until_ready("two");
}

#[test]
fn a_node_that_is_brought_along_ends_the_wait_for_a_machine() {
    let mut stage = sold_out();
    until_replicas(&mut stage, 0);
    bring(&mut stage, "brought-0");
    stage.world().advance(SignedDuration::from_secs(10));
    let label = value(&mut stage, &ObjectKey::cluster(Kind::Node, "brought-0"))["metadata"]["labels"]
        [labels::KARPENTER_WORKSPACE_NAME]
        .clone();
    assert_eq!((label, replicas(&mut stage)), (json!("two"), Some(0)), "{}", told(&mut stage));
    until_replicas(&mut stage, 1);
    until_replicas(&mut stage, 0);
    assert!(told(&mut stage).contains(" (1 are not asked for"), "{}", told(&mut stage));
    bring(&mut stage, "brought-1");
    (&mut stage as &mut dyn Stage).until_ready("two");
    assert_eq!((replicas(&mut stage), record(&mut stage)), (Some(0), Value::Null));
    (&mut stage as &mut dyn Stage).expect_quiet();
}

#[test]
fn a_machine_that_is_there_stays_while_there_is_no_other() {
    let mut stage = world(CloudFate::Well);
    (&mut stage as &mut dyn Stage).until_ready("two");
    let before = uids(&mut stage, Kind::Node);
    let lost = all(&mut stage, Kind::NodeClaim).remove(0);
    let sold_out = CloudFate::GivesUp { reason: "InsufficientCapacityError".to_owned(), message: String::new() };
    stage.world().set_fate(&Fate { cloud: sold_out, ..Fate::default() });
    lose(&mut stage, &lost);
    until_replicas(&mut stage, 1);
    let words = told(&mut stage);
    assert!(
        words.contains(" (1 are not asked for before 2026-") && words.contains("; asked for: default-two"),
        "{words}"
    );
    for _ in 0..3 {
        until_replicas(&mut stage, 2);
        until_replicas(&mut stage, 1);
    }
    assert_eq!(uids(&mut stage, Kind::Node).intersection(&before).count(), 1, "the other one is as it was");
    stage.world().set_fate(&Fate::default());
    (&mut stage as &mut dyn Stage).until_ready("two");
    assert_eq!(replicas(&mut stage), Some(2));
}

#[test]
fn a_node_that_is_brought_along_late_ends_the_wait_of_a_pod_that_has_lost_its_machine() {
    let mut stage = world(CloudFate::Well);
    (&mut stage as &mut dyn Stage).until_ready("two");
    let sold_out = CloudFate::GivesUp { reason: "InsufficientCapacityError".to_owned(), message: String::new() };
    stage.world().set_fate(&Fate { cloud: sold_out, ..Fate::default() });
    let lost = all(&mut stage, Kind::NodeClaim).remove(0);
    lose(&mut stage, &lost);
    stage.world().advance(SignedDuration::from_mins(40));
    assert_eq!(replicas(&mut stage), Some(1), "{}", told(&mut stage));
    bring(&mut stage, "brought-0");
    stage.world().advance(SignedDuration::from_mins(30));
    (&mut stage as &mut dyn Stage).until_ready("two");
    let node = value(&mut stage, &ObjectKey::cluster(Kind::Node, "brought-0"));
    assert!(node["metadata"]["annotations"]["kaito.sh/node-taken-at"].is_string(), "{node}");
    assert_eq!((replicas(&mut stage), all(&mut stage, Kind::NodeClaim).len()), (Some(1), 1));
}

#[test]
fn claims_that_are_launched_or_on_their_way_are_asked_for_until_they_are_refused() {
    for (fate, later, refused, wanted) in [
        (CloudFate::NeverLaunches, 1, true, 2),
        (CloudFate::NeverLaunches, 0, true, 2),
        (CloudFate::NeverLaunches, -1, true, 0),
        (CloudFate::NeverLaunches, -1, false, 2),
        (CloudFate::NeverRegisters, -1, true, 2),
    ] {
        let mut stage = world(fate.clone());
        stage.world().advance(SignedDuration::from_mins(10));
        let claims = all(&mut stage, Kind::NodeClaim);
        assert_eq!(claims.len(), 2);
        let made: jiff::Timestamp = claims[0]["metadata"]["creationTimestamp"].as_str().unwrap().parse().unwrap();
        let last = made + SignedDuration::from_secs(later);
        let record = json!({"times": 9, "first": last.to_string(), "last": last.to_string(), "refused": refused});
        let annotation = json!({"metadata": {"annotations": {RECORD: record.to_string()}}});
        stage.patch(Kind::Workspace, "two", &annotation);
        stage.world().advance(SignedDuration::from_mins(5));
        assert_eq!(replicas(&mut stage), Some(wanted), "{fate:?}, {later} s later, refused: {refused}");
        stage.world().advance(SignedDuration::from_mins(15));
        assert_eq!(replicas(&mut stage), Some(2), "it is asked for again at its time: {fate:?}");
    }
}

#[test]
fn a_machine_that_was_launched_and_never_joined_is_asked_for_again_by_karpenter_alone() {
    let mut stage = world(CloudFate::NeverRegisters);
    stage.world().advance(SignedDuration::from_mins(15));
    let lost = all(&mut stage, Kind::NodeClaim).remove(0);
    lose(&mut stage, &lost);
    for _ in 0..10 {
        stage.world().advance(SignedDuration::from_secs(10));
        assert_eq!(replicas(&mut stage), Some(2));
    }
    let words = told(&mut stage);
    assert!(words.contains("NodeClaimGivenUp") && words.contains("; asked for: default-two"), "{words}");
    assert!(!words.contains("not asked for"), "{words}");
}

#[test]
fn a_refusal_right_after_a_machine_that_never_joined_stops_the_pool_too() {
    let mut stage = world(CloudFate::NeverRegisters);
    stage.world().advance(SignedDuration::from_mins(15));
    let sold_out = CloudFate::GivesUp { reason: "InsufficientCapacityError".to_owned(), message: String::new() };
    stage.world().set_fate(&Fate { cloud: sold_out, ..Fate::default() });
    for claim in all(&mut stage, Kind::NodeClaim) {
        lose(&mut stage, &claim);
    }
    stage.world().advance(SignedDuration::from_secs(20));
    assert_eq!(replicas(&mut stage), Some(0), "{}", told(&mut stage));
}

#[test]
fn a_workspace_that_goes_while_nothing_is_asked_for_leaves_nothing() {
    let mut stage = sold_out();
    until_replicas(&mut stage, 0);
    stage.remove(Kind::Workspace, "two");
    render::settle(stage.world());
    assert_eq!((value(&mut stage, &root()), value(&mut stage, &pool())), (Value::Null, Value::Null));
}

#[test]
fn a_refusal_of_which_karpenter_tells_an_event_only_is_told_with_the_place_of_its_words() {
    let mut stage = sold_out();
    until_replicas(&mut stage, 0);
    let words = told(&mut stage);
    assert!(!words.contains("awaiting reconciliation"), "{words}");
    let told_at = "; its words, if it had any, are in the events of NodeClaim default-two-";
    let (_, rest) = words.split_once(told_at).unwrap_or_else(|| panic!("{words}"));
    let (claim, rest) = rest.split_once(": ").unwrap();
    let command = format!("kubectl get event -A --field-selector involvedObject.name=default-two-{claim} (2 are not");
    assert!(rest.starts_with(&command), "{words}");
}

#[test]
fn words_of_a_launch_that_failed_outlive_a_refusal_without_words_and_not_a_launch() {
    let gives_up = |reason: &str| CloudFate::GivesUp { reason: reason.to_owned(), message: "8 of 8 vCPUs".to_owned() };
    let mut stage = world(gives_up("SubscriptionQuotaReached"));
    until_replicas(&mut stage, 0);
    let quota = "SubscriptionQuotaReached: 8 of 8 vCPUs";
    assert!(told(&mut stage).contains(&format!("; the provisioner said: {quota} (2 are not")), "{}", told(&mut stage));
    stage.world().set_fate(&Fate { cloud: gives_up("InsufficientCapacityError"), ..Fate::default() });
    until_replicas(&mut stage, 2);
    until_replicas(&mut stage, 0);
    let words = told(&mut stage);
    let both = format!(
        "; the provisioner said: {quota}; its last words, if it had any, are in the events of NodeClaim default-two-"
    );
    assert!(words.contains(&both), "{words}");

    stage.world().set_fate(&Fate { cloud: CloudFate::NeverRegisters, ..Fate::default() });
    until_replicas(&mut stage, 2);
    stage.world().advance(SignedDuration::from_mins(15));
    let lost = all(&mut stage, Kind::NodeClaim).remove(0);
    lose(&mut stage, &lost);
    stage.world().advance(SignedDuration::from_secs(1));
    let words = told(&mut stage);
    assert!(words.contains("; the provisioner said: NodeClaim default-two-"), "{words}");
    assert!(words.contains(": Registered: Node not registered with cluster; asked for"), "{words}");
    assert!(!words.contains("Quota") && !words.contains("events of"), "{words}");
}

#[test]
fn what_the_pool_says_of_launches_that_failed_is_told_where_a_claim_says_nothing() {
    let mut stage = sold_out();
    until_replicas(&mut stage, 0);
    let mut status = value(&mut stage, &pool())["status"].clone();
    status["conditions"].as_array_mut().unwrap().push(json!({
        "type": "NodeRegistrationHealthy", "status": "False", "reason": "SubscriptionQuotaReached", "message": "8 of 8 vCPUs",
    }));
    let uid = value(&mut stage, &pool())["metadata"]["uid"].as_str().unwrap().to_owned();
    stage.world().cluster().with_store(|store| store.write_status(&pool(), &uid, None, &status)).unwrap();
    until_replicas(&mut stage, 2);
    until_replicas(&mut stage, 0);
    let said = "; the provisioner said: NodePool default-two: NodeRegistrationHealthy: SubscriptionQuotaReached: 8 of 8 vCPUs; its last words, if it had any, are in the events of";
    assert!(told(&mut stage).contains(said), "{}", told(&mut stage));
}
