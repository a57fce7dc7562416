//! Machines that are lost: what may be replaced, what may not, and what is told of those that are there.

use super::{BAD, expect_told, good_settings, machines, until_ready, with_config, world};
use jiff::SignedDuration;
use kaito_core::effect::MetadataPatch;
use kaito_core::memory::{CloudFate, Fate};
use kaito_core::{Kind, ObjectKey};
use kaito_tests::manifests;
use kaito_tests::stage::{MemoryStage, Stage, condition, is_true, state};
use serde_json::{Value, json};

/// A training that has ended, with the result on a volume.
fn trained() -> MemoryStage {
    let mut stage = world(&Fate::default());
    stage.put(&manifests::training_on_volume(BAD));
    (&mut stage as &mut dyn Stage).until_state(BAD, "Succeeded");
    stage
}

/// Takes all machines away, as a cloud may.
fn lose(stage: &mut MemoryStage) {
    for claim in stage.list(Kind::NodeClaim) {
        stage.remove(Kind::NodeClaim, claim["metadata"]["name"].as_str().unwrap());
    }
}

#[test]
fn no_machine_is_bought_for_a_training_that_would_be_refused_today() {
    for (change, reason, mention) in [
        (json!({"tuning": {"config": "nowhere"}}), "TuningConfigNotUsable", "ConfigMap nowhere does not exist"),
        (json!({"resource": {"count": 2}}), "InvalidWorkspace", "resource.count"),
    ] {
        let mut stage = trained();
        lose(&mut stage);
        stage.pass_time();
        stage.patch(Kind::Workspace, BAD, &change);
        stage.pass_time();
        expect_told(&stage, reason, "ResourceReady", reason, &[mention, "no machine is asked for"]);
        assert!(machines(&stage, BAD).is_empty(), "{reason}: a machine was bought");
        let (_, _, words) = condition(&stage, BAD, "NodeClaimReady").unwrap();
        assert!(!words.contains("waits for the provisioner"), "{reason}: {words}");
        (&mut stage as &mut dyn Stage).expect_quiet();
    }
}

#[test]
fn no_machine_is_bought_for_a_model_whose_settings_are_gone_and_their_return_brings_it() {
    let mut stage = world(&Fate::default());
    stage.put(&good_settings());
    stage.put(&with_config());
    until_ready(&mut stage, BAD);
    stage.remove(Kind::ConfigMap, "my-settings");
    stage.pass_time();
    lose(&mut stage);
    stage.pass_time();
    expect_told(&stage, "settings", "ResourceReady", "InferenceConfigNotUsable", &["no machine is asked for"]);
    assert!(machines(&stage, BAD).is_empty());
    let (_, _, words) = condition(&stage, BAD, "NodeClaimReady").unwrap();
    assert!(!words.contains("waits for the provisioner"), "{words}");
    stage.put(&good_settings());
    until_ready(&mut stage, BAD);
}

#[test]
fn no_machine_is_bought_while_a_set_of_somebody_else_has_the_name() {
    let mut stage = world(&Fate::default());
    stage.put(&json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": BAD},
        "spec": {"replicas": 0, "serviceName": "theirs", "selector": {"matchLabels": {"app": "theirs"}}, "template": {"metadata": {"labels": {"app": "theirs"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}},
    }));
    stage.put(&manifests::phi_4_mini(BAD));
    stage.pass_time();
    expect_told(
        &stage,
        "taken",
        "InferenceReady",
        "NameTaken",
        &["StatefulSet default/bad", "no machine is asked for"],
    );
    assert!(machines(&stage, BAD).is_empty());
    let (_, _, top) = condition(&stage, BAD, "WorkspaceSucceeded").unwrap();
    assert!(top.contains("StatefulSet default/bad") && top.contains("remedy:"), "what is read first says why: {top}");
    stage.remove(Kind::StatefulSet, BAD);
    until_ready(&mut stage, BAD);
}

#[test]
fn no_machine_is_bought_while_a_set_or_job_of_the_name_cannot_be_read() {
    let mut training = manifests::tuning(BAD);
    training["tuning"]["output"] = json!({"volumeSource": {"emptyDir": {}}});
    let broken = [
        (manifests::phi_4_mini(BAD), Kind::StatefulSet, json!({"apiVersion": "apps/v1", "kind": "StatefulSet"})),
        (training, Kind::Job, json!({"apiVersion": "batch/v1", "kind": "Job"})),
    ];
    for (workspace, kind, mut object) in broken {
        let mut stage = world(&Fate::default());
        object["metadata"] = json!({"name": BAD, "labels": {"kaito.sh/workspace": BAD}});
        object["spec"] = json!({"template": "none"});
        stage.put(&object);
        stage.put(&workspace);
        stage.pass_time();
        let mentions: &[&str] = &[&format!("{kind} default/bad cannot be read"), "no machine is asked for"];
        expect_told(&stage, "broken", "ResourceReady", "MalformedChild", mentions);
        assert!(machines(&stage, BAD).is_empty(), "{kind}");
        stage.remove(kind, BAD);
        (&mut stage as &mut dyn Stage)
            .until("it is done", &|stage| matches!(state(stage, BAD).as_str(), "Ready" | "Succeeded"));
    }
}

#[test]
fn a_machine_of_a_running_model_is_replaced_though_a_rule_would_refuse_the_model_today() {
    let mut stage = world(&Fate::default());
    stage.put(&manifests::phi_4_mini(BAD));
    until_ready(&mut stage, BAD);
    let before = machines(&stage, BAD);
    stage.patch(Kind::Workspace, BAD, &json!({"resource": {"count": 1_000_000}}));
    stage.pass_time();
    assert_eq!(state(&stage, BAD), "NotReady", "an edit is refused");
    // A version before the rule has followed the edit.
    stage.patch(Kind::StatefulSet, BAD, &json!({"metadata": {"annotations": {"workspace.kaito.io/revision": "2"}}}));
    stage.pass_time();
    assert_eq!(state(&stage, BAD), "Ready");
    lose(&mut stage);
    stage.pass_time();
    assert_eq!((machines(&stage, BAD).len(), state(&stage, BAD).as_str()), (1, "Ready"));
    assert_ne!(machines(&stage, BAD), before);
}

/// The machine goes, and nobody sees it going.
fn vanish(stage: &mut MemoryStage) {
    let metadata = stage.list(Kind::NodeClaim)[0]["metadata"].clone();
    let text = |field: &str| metadata[field].as_str().unwrap();
    let (key, freed) = (
        ObjectKey::cluster(Kind::NodeClaim, text("name")),
        MetadataPatch { finalizers: Some(Vec::new()), ..MetadataPatch::default() },
    );
    stage.world().cluster().with_store(|store| store.patch_metadata(&key, text("uid"), None, &freed)).unwrap();
    stage.world().delete(&key).unwrap();
    assert!(machines(stage, BAD).is_empty());
}

#[test]
fn a_claim_that_came_and_went_between_two_looks_is_counted_and_not_replaced_at_once() {
    let mut stage = world(&Fate { cloud: CloudFate::NeverLaunches, ..Fate::default() });
    stage.put(&manifests::phi_4_mini(BAD));
    let told = |stage: &MemoryStage| condition(stage, BAD, "NodeClaimReady").unwrap();
    for (times, words) in [(1, "the NodeClaim was deleted at"), (2, "2 NodeClaims in a row were deleted since")] {
        stage.until("a machine is asked for", &|stage| !stage.list(Kind::NodeClaim).is_empty());
        stage.world().advance(SignedDuration::from_secs(10));
        vanish(&mut stage);
        stage.world().advance(SignedDuration::from_secs(30));
        let (_, reason, said) = told(&stage);
        assert!(reason == "NodeClaimGivenUp" && said.contains(words), "{said}");
        assert!(machines(&stage, BAD).is_empty(), "{times}: it is asked for again after a minute");
    }
}

#[test]
fn a_claim_that_was_given_up_is_counted_once_though_its_name_is_quoted() {
    let mut stage = world(&Fate { cloud: CloudFate::NeverRegisters, ..Fate::default() });
    stage.put(&manifests::phi_4_mini(BAD));
    stage.until("a machine is launched", &|stage| {
        stage.list(Kind::NodeClaim).first().is_some_and(|claim| claim["status"]["providerID"].is_string())
    });
    let claim = stage.list(Kind::NodeClaim)[0]["metadata"]["name"].as_str().unwrap().to_owned();
    stage.remove(Kind::NodeClaim, &claim);
    stage.until("it goes", &|stage| stage.list(Kind::NodeClaim).is_empty());
    let told = |stage: &MemoryStage| condition(stage, BAD, "NodeClaimReady").unwrap().2;
    assert!(told(&stage).contains(&format!("NodeClaim {claim}: ")), "{}", told(&stage));
    stage.world().advance(SignedDuration::from_secs(120));
    assert_eq!(machines(&stage, BAD).len(), 1, "{}", told(&stage));
    assert!(!told(&stage).contains("2 NodeClaims"), "{}", told(&stage));
}

#[test]
fn a_machine_that_came_and_is_lost_between_two_looks_is_replaced_at_once() {
    let mut stage = world(&Fate::default());
    stage.put(&manifests::phi_4_mini(BAD));
    until_ready(&mut stage, BAD);
    vanish(&mut stage);
    stage.world().advance(SignedDuration::from_secs(10));
    assert_eq!(machines(&stage, BAD).len(), 1);
    until_ready(&mut stage, BAD);
}

/// Whether the machines are told of as they are, ready and by name.
fn expect_machines_told(stage: &MemoryStage, story: &str) {
    let found = stage.get(Kind::Workspace, BAD).unwrap();
    assert_eq!(found["status"]["workerNodes"].as_array().map(Vec::len), Some(1), "{story}: {}", found["status"]);
    for type_ in ["NodeClaimReady", "NodesReady"] {
        assert!(is_true(stage, BAD, type_), "{story}: {:?}", condition(stage, BAD, type_));
    }
}

#[test]
fn machines_that_are_there_are_told_of_whatever_stands_in_the_way_of_the_rest() {
    let mut stage = world(&Fate::default());
    stage.put(&good_settings());
    stage.put(&with_config());
    until_ready(&mut stage, BAD);
    // The revision's name is taken by what records another request.
    let revision = stage.list(Kind::ControllerRevision).remove(0);
    let name = revision["metadata"]["name"].as_str().unwrap().to_owned();
    let hash = |text: &Value| json!({"metadata": {"annotations": {"workspace.kaito.io/hash": text}}});
    stage.patch(Kind::ControllerRevision, &name, &hash(&json!("of another")));
    stage.pass_time();
    expect_told(&stage, "revision", "InferenceReady", "NameTaken", &["records another hash"]);
    expect_machines_told(&stage, "revision");
    stage.patch(
        Kind::ControllerRevision,
        &name,
        &hash(&revision["metadata"]["annotations"]["workspace.kaito.io/hash"]),
    );
    until_ready(&mut stage, BAD);
    // Nothing can be sized: the status was stripped, and the settings are gone.
    stage.remove(Kind::ConfigMap, "my-settings");
    super::write_status(&mut stage, Kind::Workspace, BAD, &json!({}));
    stage.pass_time();
    expect_told(&stage, "size", "ResourceReady", "InferenceConfigNotUsable", &[]);
    expect_machines_told(&stage, "size");
}

#[test]
fn a_claim_that_vanishes_when_it_was_overdue_is_counted_too() {
    let mut stage = world(&Fate { cloud: CloudFate::NeverRegisters, ..Fate::default() });
    stage.put(&manifests::phi_4_mini(BAD));
    stage.world().advance(SignedDuration::from_mins(45));
    let told = |stage: &MemoryStage| condition(stage, BAD, "NodeClaimReady").unwrap();
    let (.., words) = told(&stage);
    assert!(words.contains("overdue since") && words.contains("; asked for: "), "{words}");
    vanish(&mut stage);
    stage.world().advance(SignedDuration::from_secs(30));
    assert_eq!(told(&stage).1, "NodeClaimGivenUp");
    assert!(machines(&stage, BAD).is_empty(), "it is asked for again after a minute");
}

#[test]
fn a_claim_that_was_refused_and_vanished_is_counted_too() {
    let refuses = CloudFate::Refuses { reason: "Quota".to_owned(), message: "8 of 8".to_owned() };
    let mut stage = world(&Fate { cloud: refuses, ..Fate::default() });
    stage.put(&manifests::phi_4_mini(BAD));
    let reason = |stage: &dyn Stage| condition(stage, BAD, "NodeClaimReady").map(|told| told.1);
    stage.until("it is refused", &|stage| reason(stage).as_deref() == Some("Quota"));
    vanish(&mut stage);
    stage.world().advance(SignedDuration::from_secs(30));
    assert_eq!(reason(&stage).as_deref(), Some("NodeClaimGivenUp"));
    assert!(machines(&stage, BAD).is_empty(), "it is asked for again after a minute");
}

#[test]
fn of_two_machines_each_is_missed() {
    for last in [false, true] {
        let mut stage = world(&Fate { cloud: CloudFate::NeverLaunches, ..Fate::default() });
        let mut manifest = manifests::two_nodes(BAD);
        manifest["metadata"]["name"] = json!(BAD);
        stage.put(&manifest);
        stage.until("both are asked for", &|stage| stage.list(Kind::NodeClaim).len() == 2);
        stage.world().advance(SignedDuration::from_secs(10));
        let mut claims = stage.list(Kind::NodeClaim);
        claims.sort_by_key(|claim| claim["metadata"]["name"].as_str().map(str::to_owned));
        let lost = claims.swap_remove(usize::from(last))["metadata"].clone();
        let key = ObjectKey::cluster(Kind::NodeClaim, lost["name"].as_str().unwrap());
        let freed = MetadataPatch { finalizers: Some(Vec::new()), ..MetadataPatch::default() };
        let uid = lost["uid"].as_str().unwrap().to_owned();
        stage.world().cluster().with_store(|store| store.patch_metadata(&key, &uid, None, &freed)).unwrap();
        stage.world().delete(&key).unwrap();
        stage.world().advance(SignedDuration::from_secs(30));
        assert_eq!(condition(&stage, BAD, "NodeClaimReady").unwrap().1, "NodeClaimGivenUp", "{last}");
        assert_eq!(stage.list(Kind::NodeClaim).len(), 1, "{last}");
    }
}
