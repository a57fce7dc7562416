//! How much room a recording takes, and what is never in it.

use super::moods::{Moody, answer};
use super::{WIDE, parse, quiet, reconcile, verdicts};
use kaito_core::memory::World;
use kaito_core::record::{Limits, Recorder, Recording, Verdict};
use kaito_core::{Kind, ObjectKey, Seen, Settings, WorkspacePlanner};
use kaito_tests::by_hand;
use kaito_tests::manifests::{self, PLANTED};
use serde_json::{Value, json};

#[test]
fn a_quiet_reconcile_costs_less_than_half_a_kilobyte() {
    let (world, key, mut recorder) = quiet();
    let before = recorder.bytes();
    for _ in 0..100 {
        reconcile(world.cluster(), &key, world.now(), &mut recorder);
    }
    let each = (recorder.bytes() - before) / 100;
    println!("{each} bytes for a quiet reconcile, {before} for the first of a Workspace");
    assert!(each < 512, "{each}");
}

#[test]
fn no_value_of_a_secret_is_in_a_recording() {
    let encoded = "aGZfVGhpc1ZhbHVlTXVzdE5ldmVyQmVTZWVu";
    let copy = json!({"kubectl.kubernetes.io/last-applied-configuration": format!("{{\"data\":\"{PLANTED}\"}}"), "note": PLANTED});
    let metadata = |copy: &Value| json!({"name": "hub", "namespace": "default", "annotations": copy, "managedFields": [{"manager": PLANTED}]});
    let secrets = [
        json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata(&copy), "data": {"HF_TOKEN": encoded}}),
        json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata(&copy), "stringData": {"HF_TOKEN": PLANTED}}),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata(&json!(PLANTED)), "data": PLANTED}),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata(&copy), "data": [encoded], "stringData": PLANTED, "status": PLANTED}),
    ];
    let mut looked = 0;
    for secret in secrets {
        let mut workspace = manifests::phi_4_mini("gated");
        workspace["metadata"]["namespace"] = json!("default");
        workspace["metadata"]["uid"] = json!("u");
        workspace["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/last-applied-configuration": PLANTED});
        workspace["metadata"]["managedFields"] = json!([{"manager": PLANTED}]);
        workspace["inference"]["preset"]["presetOptions"] = json!({"modelAccessSecret": "hub"});
        let objects = [Seen::decode(Kind::Workspace, workspace), Seen::decode(Kind::Secret, secret)];
        let root = ObjectKey::new(Kind::Workspace, "default", "gated");
        let work = by_hand::look(&root, "2026-01-01T00:00:00Z".parse().unwrap(), |read| answer(&objects, read));
        let mut recorder = Recorder::new(WIDE);
        recorder.take(&work, &WorkspacePlanner, &Settings::default());
        let text = recorder.to_json();
        assert!(!text.contains(PLANTED) && !text.contains(encoded), "{text}");
        assert_eq!(verdicts(&parse(&recorder)), [Verdict::Same]);
        looked += usize::from(text.contains("\"kind\":\"Secret\"") && text.contains("hub"));
    }
    assert_eq!(looked, 4, "each Secret was looked at");
}

#[test]
fn the_ring_forgets_the_oldest_and_stays_whole() {
    let (mut tight, mut small) = (
        Recorder::new(Limits { reconciles: 7, bytes: usize::MAX }),
        Recorder::new(Limits { reconciles: usize::MAX, bytes: 60_000 }),
    );
    let mut world = World::installed(&Settings::default());
    for manifest in [manifests::phi_3_mini("one"), manifests::two_nodes("two")] {
        let key = ObjectKey::new(Kind::Workspace, "default", manifest["metadata"]["name"].as_str().unwrap());
        world.put(&key, &manifest).unwrap();
    }
    let cluster = Moody::new(world.cluster(), 3);
    let (mut taken, mut most) = (0_u64, 0);
    while world.step() && taken < 160 {
        for root in world.workspaces() {
            reconcile(&cluster, &root, world.now(), &mut tight);
            reconcile(&cluster, &root, world.now(), &mut small);
            taken += 1;
            // Writing and reading all of it each time would take long.
            for recorder in [&tight, &small].into_iter().filter(|_| taken < 20 || taken.is_multiple_of(7)) {
                let text = recorder.to_json();
                assert!(text.len() <= recorder.bytes() + 1_000, "{} {}", text.len(), recorder.bytes());
                let recording = Recording::parse(text.as_bytes()).unwrap();
                assert_eq!(recording.forgotten + recording.reconciles.len() as u64, taken);
                assert_eq!(recording.reconciles.last().map(|recorded| recorded.number), Some(taken - 1));
                assert!(verdicts(&recording).iter().all(|verdict| *verdict == Verdict::Same));
            }
            assert_eq!(tight.len() as u64, taken.min(7));
            most = most.max(small.len());
            assert!(small.bytes() <= 60_000, "{}", small.bytes());
        }
    }
    assert!(taken >= 100 && (8..taken).contains(&(most as u64)), "{taken} {most}");
}

#[test]
fn nothing_is_recorded_where_there_is_no_room() {
    for limits in [Limits::of_bytes(0), Limits { reconciles: 1, bytes: 100 }] {
        let (world, key, _) = quiet();
        let mut recorder = Recorder::new(limits);
        reconcile(world.cluster(), &key, world.now(), &mut recorder);
        assert!(recorder.is_empty() && recorder.bytes() == 0);
        assert!(parse(&recorder).reconciles.is_empty());
    }
}
