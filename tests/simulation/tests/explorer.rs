//! Every order of the effects, at a small scope; and bugs that it finds, to show that it can.

#![allow(clippy::print_stdout, reason = "the figures are what it is run for")]

use kaito_core::driver::Planner;
use kaito_core::effect::Effect;
use kaito_core::memory::explore::{Explored, Explorer, Scope};
use kaito_core::object::Seen;
use kaito_core::plan::Plan;
use kaito_core::snapshot::{Answer, Snapshot, Unread};
use kaito_core::{Kind, ObjectKey, Settings, WorkspacePlanner, hash};
use kaito_simulation::bugs::BUGS;
use kaito_simulation::scenarios::{Objects, preset};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Instant;

const ONE_GPU: &str = "Standard_NV36ads_A10_v5";
const TWO_GPUS: &str = "Standard_NV72ads_A10_v5";

/// A Workspace on one machine.
fn small(name: &str) -> (ObjectKey, Value) {
    preset(name, "phi-4-mini-instruct", ONE_GPU, "shared")
}

/// Objects that look like ours and are somebody else's.
fn others() -> Objects {
    let claim = json!({
        "apiVersion": "karpenter.sh/v1", "kind": "NodeClaim",
        "metadata": {"name": "theirs", "labels": {"apps": "shared", "kaito.sh/workspace": "one", "kaito.sh/workspacenamespace": "elsewhere"}},
        "spec": {
            "nodeClassRef": {"group": "karpenter.azure.com", "kind": "AKSNodeClass", "name": "default"},
            "requirements": [{"key": "node.kubernetes.io/instance-type", "operator": "In", "values": [ONE_GPU]}],
        },
    });
    let service =
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "one-theirs", "namespace": "default"}});
    vec![
        (ObjectKey::cluster(Kind::NodeClaim, "theirs"), claim),
        (ObjectKey::new(Kind::Service, "default", "one-theirs"), service),
    ]
}

fn scope(workspaces: Objects, crashes: u32, deletions: u32) -> Scope {
    Scope { workspaces, others: others(), crashes, deletions, most_states: 100_000_000 }
}

/// Explores, and prints the figures and every violation.
fn explore(what: &str, scope: &Scope, planner: Arc<dyn Planner>) -> Explored {
    let start = Instant::now();
    let explored = Explorer::with_planner(scope, &Settings::default(), planner).explore();
    println!("{what}: {explored}, {:.1} s", start.elapsed().as_secs_f64());
    for violation in &explored.violations {
        println!("{violation}");
    }
    explored
}

fn keeps_its_promises(what: &str, scope: &Scope) {
    let explored = explore(what, scope, Arc::new(WorkspacePlanner));
    assert!(explored.complete && explored.longest.is_some() && explored.ends > 0, "{explored}");
    assert!(explored.violations.is_empty(), "{explored}");
}

#[test]
fn two_workspaces_on_two_nodes_end_well_in_every_order_with_a_crash_anywhere() {
    keeps_its_promises("two Workspaces, one crash", &scope(vec![small("one"), small("two")], 1, 0));
}

#[test]
fn one_workspace_on_two_nodes_ends_well_in_every_order_with_a_crash_anywhere() {
    let pair = preset("qwen", "qwen2.5-coder-32b-instruct", TWO_GPUS, "qwen");
    keeps_its_promises("one Workspace with two nodes, one crash", &scope(vec![pair], 1, 0));
}

#[test]
fn a_workspace_that_is_deleted_at_any_moment_goes_without_a_trace_with_a_crash_anywhere() {
    keeps_its_promises("one Workspace, one crash, one deletion", &scope(vec![small("one")], 1, 1));
}

#[test]
#[ignore = "takes about ten minutes and 2 GiB"]
fn larger_scopes_hold_too() {
    keeps_its_promises("two Workspaces, one deletion", &scope(vec![small("one"), small("two")], 0, 1));
    keeps_its_promises("one Workspace, three crashes, one deletion", &scope(vec![small("one")], 3, 1));
}

#[test]
fn a_machine_that_is_bought_twice_after_a_crash_is_found_and_only_after_a_crash() {
    let explored = |crashes| {
        let scope = Scope { most_states: 20_000, ..scope(vec![small("one")], crashes, 0) };
        explore("a planner that forgets its machines", &scope, Arc::new(Forgetful))
    };
    let calm = explored(0);
    assert!(calm.complete && calm.violations.is_empty(), "{calm}");
    let found = explored(1).violations;
    let twice = found.iter().find(|violation| violation.invariant == "I7").expect("two machines");
    assert!(twice.path.iter().any(|line| line.contains("crashes")), "{twice}");
}

#[test]
fn bugs_of_the_field_that_need_neither_lag_nor_time_are_found() {
    let scope = scope(vec![small("one")], 1, 1);
    for upstream in FOUND {
        let bug = BUGS.iter().find(|bug| bug.upstream == *upstream).expect("a bug of the table");
        let explored = explore(bug.what, &Scope { most_states: 100_000, ..scope.clone() }, bug.planner());
        assert!(!explored.violations.is_empty(), "{upstream}: {explored}");
    }
}

/// The rest needs news that come late, longer names, other machines, a missing definition, or a clock.
const FOUND: &[&str] =
    &["kaito#2201, #2032, #1999", "kaito#2134", "kaito#2182, #2274", "KServe#6043 (analogue)", "grove#671 (analogue)"];

/// Believes that there is no machine until its own status says so, and names machines after how the Workspace looks.
struct Forgetful;

impl Planner for Forgetful {
    fn name(&self) -> &'static str {
        "forgetful"
    }

    fn roots(&self) -> Kind {
        Kind::Workspace
    }

    fn plan(&self, root: &ObjectKey, snapshot: &Snapshot, settings: &Settings) -> Result<Plan, Unread> {
        let body = snapshot.answers().find_map(|(_, answer)| match answer {
            Answer::Object(Some(Seen::Decoded(object))) if object.key() == *root => Some(object.to_value()),
            _ => None,
        });
        let body = body.unwrap_or_default();
        let knows = body["status"]["targetNodeCount"].is_number();
        let mut seen = Snapshot::new(snapshot.now());
        for (read, answer) in snapshot.answers() {
            let hidden = !knows && read.kind() == Some(Kind::NodeClaim);
            seen.answer(read.clone(), if hidden { Answer::List(Vec::new()) } else { answer.clone() });
        }
        let planned = WorkspacePlanner.plan(root, &seen, settings);
        let asked = snapshot.need(seen.reads());
        let mut plan = planned?;
        asked?;
        for step in &mut plan.steps {
            if let Effect::Ensure { key, body: claim, uid: None, .. } = &mut step.effect
                && key.kind == Kind::NodeClaim
            {
                key.name = format!("ws{}", hash::short(&[&key.name, &body["metadata"]["annotations"].to_string()], 9));
                claim["metadata"]["name"] = json!(key.name);
            }
        }
        Ok(plan)
    }
}
