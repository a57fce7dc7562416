//! What holds of every plan, whatever the cluster holds.

use super::plan_from;
use kaito_core::effect::Effect;
use kaito_core::plan::{Outcome, Wake};
use kaito_core::{Kind, ObjectKey, Plan, Planner, Read, Seen, Settings, WorkspacePlanner};
use kaito_tests::{arbitrary, cases};
use proptest::prelude::*;

/// Bad input becomes a condition: a Workspace that is there and is not let go says how it stands and why, now or since before.
fn is_told(plan: &Plan, objects: &[Seen], root: &ObjectKey) -> Result<(), TestCaseError> {
    let found = objects.iter().find(|seen| seen.key() == *root);
    let is_going = found.is_some_and(|seen| seen.metadata().deletion_timestamp.is_some());
    if plan.outcome == Outcome::Gone {
        prop_assert!(found.is_none() || is_going, "what is there is not gone");
    }
    let Some(seen) = found.filter(|_| plan.outcome != Outcome::Gone) else { return Ok(()) };
    let status = match (&plan.status, seen) {
        (Some(written), _) => written.status.clone(),
        (None, Seen::Decoded(object)) => object.to_value()["status"].clone(),
        (None, Seen::Malformed(malformed)) => malformed.status.clone(),
    };
    let types: &[&str] = if is_going { &["WorkspaceDeleting"] } else { &["ResourceReady", "WorkspaceSucceeded"] };
    for type_ in types {
        let said = status["conditions"].as_array().into_iter().flatten().find(|said| said["type"] == *type_);
        let text = |field: &str| said.and_then(|said| said[field].as_str()).unwrap_or_default();
        prop_assert!(["True", "False"].contains(&text("status")), "{type_}: {status}");
        prop_assert!(!text("reason").is_empty() && !text("message").is_empty(), "{type_} says not why: {status}");
    }
    // Ours carry the generation that they were made from; what others wrote is theirs.
    let all = status["conditions"].as_array().into_iter().flatten();
    for condition in all.filter(|condition| condition["observedGeneration"].is_i64()) {
        prop_assert!(!condition["message"].as_str().unwrap_or_default().is_empty(), "{condition}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases::config(1500))]

    #[test]
    fn i3_planning_cannot_fail_or_panic_whatever_the_cluster_holds(objects in arbitrary::cluster()) {
        let root = ObjectKey::new(Kind::Workspace, arbitrary::NAMESPACE, arbitrary::NAME);
        let (plan, snapshot) = plan_from(&objects, &root);
        is_told(&plan, &objects, &root)?;
        // What nobody watches is asked for by those alone who look again by themselves.
        let asks_for_logs = snapshot.reads().iter().any(|read| matches!(read, Read::Log(_)));
        prop_assert!(!asks_for_logs || matches!(plan.wake, Wake::After(_)), "{:?}", plan.wake);
    }

    #[test]
    fn i4_the_same_snapshot_gives_the_same_plan_byte_for_byte(objects in arbitrary::cluster()) {
        let root = ObjectKey::new(Kind::Workspace, arbitrary::NAMESPACE, arbitrary::NAME);
        let (plan, snapshot) = plan_from(&objects, &root);
        let again = WorkspacePlanner.plan(&root, &snapshot, &Settings::default()).unwrap();
        prop_assert_eq!(serde_json::to_string(&plan).unwrap(), serde_json::to_string(&again).unwrap());
    }

    #[test]
    fn i6_nothing_is_deleted_that_does_not_carry_our_uid_or_label(objects in arbitrary::cluster()) {
        let root = ObjectKey::new(Kind::Workspace, arbitrary::NAMESPACE, arbitrary::NAME);
        let (plan, snapshot) = plan_from(&objects, &root);
        let uid = objects.iter().find(|seen| seen.key() == root).and_then(|seen| seen.metadata().uid.clone()).unwrap_or_default();
        for step in &plan.steps {
            if let Effect::Delete { target } = &step.effect {
                let victim = objects.iter().find(|seen| seen.key() == *target.key()).expect("only what was seen can be deleted");
                let labels = victim.labels();
                let label = |key: &str| labels.get(key).map(String::as_str);
                let is_owned = victim.metadata().owner_references.iter().flatten().any(|owner| owner.uid == uid);
                let is_named = label("kaito.sh/workspace") == Some(arbitrary::NAME) && label("kaito.sh/workspacenamespace") == Some(arbitrary::NAMESPACE);
                // Left by an earlier Workspace of this name: nobody's, once the API server itself has shown in this very round that whoever has the name now has another uid.
                let is_looked_up = snapshot.reads().contains(&Read::object(root.clone()).live());
                let is_free = label("kaito.sh/workspace-uid").is_none_or(|of| of == uid || is_looked_up);
                prop_assert!(is_owned || (is_named && is_free), "{} is not ours: {:?}", target.key(), victim.metadata());
            }
        }
    }
}
