//! Where the reference has run until now, our controller goes on: nothing is restarted, trained anew, bought or numbered twice, and what changes is listed with a reason.

use kaito_core::driver::Planner;
use kaito_core::memory::World;
use kaito_core::plan::{Outcome, Plan};
use kaito_core::snapshot::{Snapshot, Unread};
use kaito_core::{Kind, ObjectKey, Seen, Settings, WorkspacePlanner, render};
use kaito_tests::allowed::{Allowed, Comparison};
use kaito_tests::golden::{self, Case, Step};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What changes when our controller takes over, and why.
const CHANGES: &[Allowed] = &[
    Allowed {
        file: "*",
        path: "StatefulSet.metadata.annotations.kaito.sh/asked-by-annotation",
        reason: "the annotations that the pods are made from, so that a change of them rolls out from now on; no pod depends on it",
    },
    Allowed {
        file: "*",
        path: "StatefulSet.metadata.annotations.kaito.sh/inference-config-digest",
        reason: "the settings that the ConfigMap holds now, so that its next edit rolls out; no pod depends on it",
    },
    Allowed {
        file: "*",
        path: "NodePool.metadata.labels.kaito.sh/workspace-uid",
        reason: "whose pool it is, so that a namesake's is never taken; no label of a machine, so that none is replaced",
    },
    Allowed {
        file: "inference.template",
        path: "StatefulSet.metadata.annotations",
        reason: "the revision, which the reference writes on sets of presets only; no pod depends on it",
    },
    Allowed {
        file: "step-template-image.2.yaml",
        path: "StatefulSet.spec.template.spec.containers",
        reason: "the user's edit, which the reference took and forgot (S3-B5, D24): the one restart",
    },
    Allowed {
        file: "step-annotations.2.yaml",
        path: "Service.spec",
        reason: "the address outside of the cluster that was asked for and forgotten (S3-B6, D29)",
    },
];

/// The product, which does nothing before its time has come.
struct Later(Arc<AtomicBool>);

impl Planner for Later {
    fn name(&self) -> &'static str {
        WorkspacePlanner.name()
    }
    fn roots(&self) -> Kind {
        WorkspacePlanner.roots()
    }
    fn plan(&self, root: &ObjectKey, snapshot: &Snapshot, settings: &Settings) -> Result<Plan, Unread> {
        if self.0.load(Ordering::Relaxed) {
            return WorkspacePlanner.plan(root, snapshot, settings);
        }
        Ok(Plan::nothing(Outcome::Converged))
    }
    fn root_of(&self, object: &Seen) -> Option<ObjectKey> {
        WorkspacePlanner.root_of(object)
    }
}

#[test]
fn what_the_reference_made_is_taken_over_as_it_is() {
    let cases = golden::cases();
    if cases.is_empty() {
        return;
    }
    let mut comparison = Comparison::allowing(CHANGES);
    let mut taken = 0;
    for case in &cases {
        for step in &case.steps {
            take_over(case, step, &mut comparison);
            taken += 1;
        }
    }
    println!("{taken} Workspaces taken over, with {} changes", CHANGES.len());
    assert!(taken >= 86, "only {taken} were taken over");
    comparison.conclude();
}

fn take_over(case: &Case, step: &Step, comparison: &mut Comparison<'_>) {
    let begins = Arc::new(AtomicBool::new(false));
    let mut world = case.world_with(Arc::new(Later(Arc::clone(&begins))));
    golden::put(&mut world, &case.namespace, &golden::former::workspaces(case, step));
    let root = world.workspaces().remove(0);
    let uid = world.get(&root).unwrap().metadata().uid.clone().unwrap();
    golden::put(&mut world, &case.namespace, &golden::former::children(case, step, &uid));
    render::settle(&mut world);
    let (made, identities) = (objects(&world), identities(&world));
    begins.store(true, Ordering::Relaxed);
    world.start_again();
    render::settle(&mut world);
    comparison.compare(&step.about(), &golden::ours(objects(&world)), &golden::ours(made));
    let now = crate::identities(&world);
    let may_restart = CHANGES.iter().any(|row| row.file == step.file && row.path.contains("spec.template"));
    for (key, uid) in &identities {
        let is_same = now.get(key) == Some(uid);
        assert!(is_same || (may_restart && key.kind == Kind::Pod), "{}: {key} is not what it was", step.file);
    }
    assert_eq!(identities.len(), now.len(), "{}: {identities:?} {now:?}", step.file);
}

/// Every object of the world but the chart's own.
fn objects(world: &World) -> Vec<Value> {
    let release = world.settings().release_namespace.as_str();
    world.cluster().with_store(|store| {
        store.iter().filter(|(key, _)| key.namespace() != release).map(|(_, value)| value.clone()).collect()
    })
}

/// The uids of what must not be made anew.
fn identities(world: &World) -> BTreeMap<ObjectKey, String> {
    let kinds =
        [Kind::ControllerRevision, Kind::Job, Kind::Node, Kind::NodeClaim, Kind::Pod, Kind::Service, Kind::StatefulSet];
    let uid = |value: &Value| value["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    world.cluster().with_store(|store| {
        let kept = store.iter().filter(|(key, _)| kinds.contains(&key.kind));
        kept.map(|(key, value)| (key.clone(), uid(value))).collect()
    })
}
