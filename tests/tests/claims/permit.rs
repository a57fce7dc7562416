//! When a machine may not be asked for: nobody wants it, or its name is taken.

use super::{MACHINE, NAME, claim, condition, key, running, stage, stage_with, tried, workspace_key};
use jiff::SignedDuration;
use kaito_core::memory::Right;
use kaito_core::snapshot::Answer;
use kaito_core::{Kind, Read, Seen};
use kaito_provisioner::ClaimPlanner;
use kaito_tests::cloud_by_hand::{CloudByHand, pool};
use serde_json::json;

/// A change of the world.
type Change = fn(&mut CloudByHand);

#[test]
fn a_machine_that_nobody_wants_is_not_paid_for_until_somebody_does() {
    let gone: Change = |cloud| cloud.delete(&workspace_key());
    let dying: Change = |cloud| {
        cloud.edit(&workspace_key(), |value| value["metadata"]["finalizers"] = json!(["workspace.finalizer.kaito.sh"]));
        cloud.delete(&workspace_key());
    };
    let smaller: Change =
        |cloud| cloud.edit(&key(), |value| value["metadata"]["labels"]["kaito.sh/node-slot"] = json!("1"));
    let another: Change =
        |cloud| cloud.edit(&key(), |value| value["metadata"]["labels"]["kaito.sh/workspace-uid"] = json!("former"));
    for (what, change, reason) in [
        ("gone", gone, "WorkspaceGone"),
        ("dying", dying, "WorkspaceGone"),
        ("needs fewer", smaller, "SlotNotNeeded"),
        ("another", another, "WorkspaceGone"),
    ] {
        let mut cloud = stage();
        change(&mut cloud);
        cloud.settle(&ClaimPlanner, &key());
        let [status, told, message] = condition(&cloud, "Launched");
        assert_eq!([status.as_str(), told.as_str()], ["False", reason], "{what}: {message}");
        assert!(message.starts_with(&format!("{reason}: Workspace default/phi")), "{what}: {message}");
        assert_eq!(tried(&cloud, "create"), 0, "{what}");
    }
    let mut cloud = stage();
    cloud.cached.insert(Read::object(workspace_key()).live(), Answer::NoSuchKind);
    cloud.settle(&ClaimPlanner, &key());
    let told = "NoWorkspaces: the API server has no workspaces of kaito.sh/v1beta1, and the claim was made for Workspace default/phi; no machine is asked for";
    assert_eq!(condition(&cloud, "Launched"), ["False", "NoWorkspaces", told]);
    let mut cloud = stage();
    smaller(&mut cloud);
    cloud.settle(&ClaimPlanner, &key());
    cloud.edit(&workspace_key(), |value| value["status"]["targetNodeCount"] = json!(2));
    cloud.look(&ClaimPlanner, &key());
    assert_eq!(tried(&cloud, "create AgentPool"), 1, "the slot is needed again");
}

#[test]
fn a_claim_that_is_gone_behind_an_old_cache_costs_nothing() {
    let mut cloud = stage();
    let seen = Seen::decode(key().kind, cloud.get(&key()));
    cloud.cached.insert(Read::object(key()), Answer::Object(Some(seen)));
    cloud.delete(&key());
    cloud.look(&ClaimPlanner, &key());
    assert_eq!(tried(&cloud, "create"), 0);
}

#[test]
fn the_pool_of_somebody_else_is_left_alone_and_named() {
    let mut cloud = stage();
    cloud.put(&json!({
        "apiVersion": "cloud.kaito.sh/v1", "kind": "AgentPool", "metadata": {"name": NAME, "labels": {"team": "a"}},
        "spec": {"size": "Standard_D2s_v5"}, "status": {"state": "Succeeded"},
    }));
    cloud.node_joins("theirs", NAME, MACHINE);
    cloud.settle(&ClaimPlanner, &key());
    let [status, reason, message] = condition(&cloud, "Launched");
    assert_eq!([status.as_str(), reason.as_str()], ["False", "NameTaken"]);
    assert!(message.contains("it is left alone"), "{message}");
    cloud.delete(&key());
    cloud.settle(&ClaimPlanner, &key());
    assert!(!cloud.has(&key()) && cloud.has(&pool(NAME)));
    assert_eq!((tried(&cloud, "delete"), tried(&cloud, "patch Node ")), (0, 0));
}

#[test]
fn the_pool_of_an_earlier_claim_of_the_name_goes_before_the_claims_own_is_asked_for() {
    let mut cloud = stage_with(&claim());
    cloud.pools_linger = true;
    cloud.put(&json!({
        "apiVersion": "cloud.kaito.sh/v1", "kind": "AgentPool",
        "metadata": {"name": NAME, "labels": {"kaito.sh/workspace": "phi", "karpenter.sh/nodepool": "kaito", "kaito.sh/creation-timestamp": "2025-12-31T00-00-00Z"}},
        "spec": {"size": "Standard_NC24ads_A100_v4"}, "status": {"state": "Succeeded"},
    }));
    cloud.node_joins("former", NAME, MACHINE);
    cloud.look(&ClaimPlanner, &key());
    cloud.wait(SignedDuration::from_secs(10));
    cloud.look(&ClaimPlanner, &key());
    assert_eq!((tried(&cloud, "delete AgentPool"), tried(&cloud, "create")), (1, 0));
    assert!(condition(&cloud, "Launched")[2].contains("of an earlier claim of this name goes away"));
    cloud.delete(&pool(NAME));
    cloud.look(&ClaimPlanner, &key());
    assert_eq!(tried(&cloud, "create AgentPool"), 1);
    assert_eq!(cloud.get(&pool(NAME))["metadata"]["labels"]["kaito.sh/creation-timestamp"], "2026-01-01T00-00-00Z");
}

#[test]
fn a_workspace_that_may_not_be_read_is_told_once_and_nothing_is_paid_for_or_let_go() {
    let mut cloud = stage();
    cloud.withheld.push(Right::on("get", Kind::Workspace));
    for _ in 0..4 {
        cloud.look_in_vain(&ClaimPlanner, &key());
        cloud.wait(SignedDuration::from_mins(5));
    }
    let [status, reason, message] = condition(&cloud, "Launched");
    assert_eq!([status.as_str(), &reason], ["Unknown", "ReadRefused"]);
    assert!(
        message.contains("cannot get resource \"workspaces\"") && message.contains("; next: asks again"),
        "{message}"
    );
    assert_eq!(cloud.notices.len(), 1, "{:?}", cloud.notices);
    assert_eq!(tried(&cloud, "create"), 0);
    cloud.withheld.clear();
    cloud.look(&ClaimPlanner, &key());
    assert_eq!(tried(&cloud, "create AgentPool"), 1);
    assert!(!condition(&cloud, "Launched")[2].contains("forbidden"));
}

#[test]
fn a_machine_that_nobody_may_look_after_stays_and_says_so_until_somebody_may() {
    let mut cloud = running();
    cloud.withheld.push(Right::on("list", Kind::Node));
    cloud.look_in_vain(&ClaimPlanner, &key());
    let before = condition(&cloud, "NodeHealthy");
    assert_eq!([before[0].as_str(), &before[1]], ["Unknown", "ReadRefused"]);
    assert_eq!(condition(&cloud, "Ready")[0], "True");
    cloud.look_in_vain(&ClaimPlanner, &key());
    assert_eq!(condition(&cloud, "NodeHealthy"), before);
    cloud.delete(&key());
    cloud.look_in_vain(&ClaimPlanner, &key());
    assert!(condition(&cloud, "Drained")[2].contains("cannot list resource \"nodes\""));
    assert!(cloud.has(&key()) && cloud.has(&pool(NAME)));
    let mut cloud = running();
    cloud.settings.node_repair = false;
    cloud.edit(&key(), |claim| {
        let conditions = claim["status"]["conditions"].as_array_mut().unwrap();
        conditions.push(json!({"type": "NodeHealthy", "status": "Unknown", "reason": "ReadRefused", "message": "x", "lastTransitionTime": "2026-01-01T00:00:00Z"}));
    });
    cloud.settle(&ClaimPlanner, &key());
    assert_eq!(condition(&cloud, "NodeHealthy")[0], "True");
}
