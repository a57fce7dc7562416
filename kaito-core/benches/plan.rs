//! One plan: of a Workspace that is ready, and of one for which everything is to be built; and taking down a quiet reconcile.
//!
//! Promise: at most 150 µs when quiet, at most 1 ms when everything is built, at most 50 µs for the flight recorder (`cargo xtask bench` prints all).

use criterion::{Criterion, criterion_group, criterion_main};
use jiff::Timestamp;
use kaito_core::driver::{Reconciliation, Wish};
use kaito_core::memory::World;
use kaito_core::record::{Limits, Recorder};
use kaito_core::snapshot::{Answer, Unread};
use kaito_core::{Kind, ObjectKey, Plan, Planner, Read, Seen, Settings, Snapshot, WorkspacePlanner, render};
use serde_json::json;
use std::hint::black_box;

fn workspace(size: &str) -> serde_json::Value {
    json!({
        "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "metadata": {"name": "bench", "namespace": "default"},
        "resource": {"instanceType": size, "labelSelector": {"matchLabels": {"apps": "bench"}}},
        "inference": {"preset": {"name": "llama-3.3-70b-instruct"}},
    })
}

fn answer(objects: &[Seen], read: &Read) -> Answer {
    let mut found = objects.iter().filter(|seen| read.matches(seen)).cloned();
    match read {
        Read::Object { .. } => Answer::Object(found.next()),
        Read::List { .. } => Answer::List(found.collect()),
        Read::PodsOn { .. } => Answer::List(Vec::new()),
        Read::Model(_) => Answer::Model(kaito_core::hub::ModelAnswer::Pending),
        Read::Log(_) => Answer::Log(Err("there is no such pod".to_owned())),
    }
}

/// Answers every question from the objects of a world, until the plan is made.
fn settled(objects: &[Seen], root: &ObjectKey, now: Timestamp) -> Snapshot {
    let mut snapshot = Snapshot::new(now);
    while let Err(Unread(reads)) = WorkspacePlanner.plan(root, &snapshot, &Settings::default()) {
        for read in reads {
            let answer = answer(objects, &read);
            snapshot.answer(read, answer);
        }
    }
    snapshot
}

fn plan(snapshot: &Snapshot, root: &ObjectKey, settings: &Settings) -> Option<Plan> {
    snapshot.start_round();
    WorkspacePlanner.plan(root, snapshot, settings).ok()
}

fn bench(criterion: &mut Criterion) {
    let (settings, root) = (Settings::default(), ObjectKey::new(Kind::Workspace, "default", "bench"));
    let mut world = World::installed(&settings);
    let put = world.put(&root, &workspace("Standard_NC48ads_A100_v4"));
    assert!(put.is_ok(), "the world takes the manifest");
    let objects = |world: &World| {
        world.cluster().with_store(|store| {
            store.iter().map(|(key, value)| Seen::decode(key.kind, value.clone())).collect::<Vec<_>>()
        })
    };
    let fresh = settled(&objects(&world), &root, world.now());
    render::settle(&mut world);
    let ready = settled(&objects(&world), &root, world.now());
    assert!(plan(&ready, &root, &settings).is_some_and(|plan| plan.is_quiet()), "a ready Workspace is quiet");
    assert!(plan(&fresh, &root, &settings).is_some_and(|plan| plan.steps.len() >= 6), "everything is to be built");

    // The objects are those of a cache: the same ones each time.
    let objects = objects(&world);
    let mut quiet = Reconciliation::new(root.clone(), world.now());
    while let Wish::Read(read) = quiet.next(&WorkspacePlanner, &settings) {
        quiet.answered(Ok(answer(&objects, &read)));
    }
    let mut recorder = Recorder::new(Limits::default());
    criterion.bench_function("record/quiet", |bench| {
        bench.iter(|| recorder.take(black_box(&quiet), &WorkspacePlanner, &settings));
    });
    criterion.bench_function("plan/quiet", |bench| bench.iter(|| plan(black_box(&ready), &root, &settings)));
    criterion.bench_function("plan/full", |bench| bench.iter(|| plan(black_box(&fresh), &root, &settings)));
}

criterion_group!(benches, bench);
criterion_main!(benches);
