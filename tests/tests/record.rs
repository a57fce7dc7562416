//! The flight recorder: what is recorded is planned again the same, holds no secret, and says what is wrong when it is altered.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use async_trait::async_trait;
use kaito_core::backend::{BackendError, ClusterBackend, ErrorKind, Written};
use kaito_core::driver::{self, Reconciliation};
use kaito_core::effect::Effect;
use kaito_core::memory::{MemoryCluster, World};
use kaito_core::plan::{Notice, StatusWrite};
use kaito_core::record::{self, Limits, Look, Recorder, Recording, Verdict};
use kaito_core::snapshot::{Answer, Unread};
use kaito_core::{Kind, ObjectKey, Plan, Planner, Read, Seen, Settings, Snapshot, WorkspacePlanner, render};
use kaito_tests::{arbitrary, cases, manifests};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

/// Room for everything.
const WIDE: Limits = Limits { reconciles: usize::MAX, bytes: usize::MAX };

/// A cluster whose answers are a memory cluster's, and that does as it pleases with what it is asked to do.
struct Moody {
    cluster: Arc<MemoryCluster>,
    calls: AtomicUsize,
    /// Every so many calls fails, each time in another way; 0 for none.
    every: usize,
}

impl Moody {
    fn new(cluster: &Arc<MemoryCluster>, every: usize) -> Self {
        Self { cluster: Arc::clone(cluster), calls: AtomicUsize::new(0), every }
    }

    fn mood(&self) -> Result<(), BackendError> {
        const KINDS: [ErrorKind; 6] = [
            ErrorKind::Forbidden,
            ErrorKind::Throttled,
            ErrorKind::Conflict,
            ErrorKind::AlreadyExists,
            ErrorKind::Timeout,
            ErrorKind::NotFound,
        ];
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        if self.every == 0 || !call.is_multiple_of(self.every) {
            return Ok(());
        }
        let kind = KINDS[call / self.every % KINDS.len()];
        let mut error = BackendError::new(kind, format!("call {call} is refused: \"no\"\n"));
        error.retry_after = (kind == ErrorKind::Throttled).then(|| std::time::Duration::from_millis(12_345));
        Err(error)
    }
}

#[async_trait]
impl ClusterBackend for Moody {
    async fn read(&self, read: &Read) -> Result<Answer, BackendError> {
        // Reads fail seldom, so that many plans are made.
        if self.every == 2 {
            self.mood()?;
        }
        self.cluster.read(read).await
    }
    async fn perform(&self, effect: &Effect) -> Result<Written, BackendError> {
        self.mood()?;
        self.cluster.perform(effect).await
    }
    async fn write_status(&self, write: &StatusWrite) -> Result<Written, BackendError> {
        self.mood()?;
        self.cluster.write_status(write).await
    }
    async fn publish(&self, about: &ObjectKey, uid: &str, notice: &Notice) {
        self.cluster.publish(about, uid, notice).await;
    }
}

/// One reconcile of the product, taken down. A memory cluster never lets wait.
fn reconcile(cluster: &dyn ClusterBackend, root: &ObjectKey, now: jiff::Timestamp, recorder: &mut Recorder) {
    let (settings, mut work) = (Settings::default(), Reconciliation::new(root.clone(), now));
    let done = {
        let driven = pin!(driver::drive(&mut work, cluster, &WorkspacePlanner, &settings));
        driven.poll(&mut Context::from_waker(Waker::noop()))
    };
    assert!(matches!(done, Poll::Ready(_)));
    recorder.take(&work, &WorkspacePlanner, &settings);
}

fn parse(recorder: &Recorder) -> Recording {
    Recording::parse(recorder.to_json().as_bytes()).unwrap()
}

fn replay(recording: &Recording) -> Vec<Verdict> {
    record::replay(recording, &[&WorkspacePlanner]).into_iter().map(|replayed| replayed.verdict).collect()
}

/// Worlds from the first look to the end, looked at by us between any two steps, in every mood.
fn eventful(recorder: &mut Recorder) {
    for (every, first) in [(0, 0), (1, 0), (3, 0), (2, 1), (5, 2)] {
        let mut world = World::installed(&Settings::default());
        let all = [manifests::phi_3_mini("one"), manifests::two_nodes("two"), manifests::phi_4_mini("three")];
        for manifest in all.iter().skip(first) {
            let key = ObjectKey::new(Kind::Workspace, "default", manifest["metadata"]["name"].as_str().unwrap());
            world.put(&key, manifest).unwrap();
        }
        let cluster = Moody::new(world.cluster(), every);
        for step in 0..80 {
            for root in world.workspaces() {
                reconcile(&cluster, &root, world.now(), recorder);
            }
            if step == 55 {
                world.delete(&world.workspaces()[0]).unwrap();
            }
            world.step();
        }
    }
}

/// Every model on a few sizes, looked at for the first time: mostly everything is to be built, and every other write is refused.
fn fresh(recorder: &mut Recorder) {
    let installed: Vec<Seen> = World::installed(&Settings::default())
        .cluster()
        .with_store(|store| store.iter().map(|(key, value)| Seen::decode(key.kind, value.clone())).collect());
    for model in kaito_presets::models() {
        for size in
            ["Standard_NC6s_v3", "Standard_NV72ads_A10_v5", "Standard_NC48ads_A100_v4", "Standard_ND96isr_H100_v5"]
        {
            let mut workspace = manifests::preset(arbitrary::NAME, model.preferred_name(), size);
            workspace["metadata"]["namespace"] = json!(arbitrary::NAMESPACE);
            workspace["metadata"]["uid"] = json!(arbitrary::UID);
            workspace["metadata"]["resourceVersion"] = json!("7");
            let mut objects = installed.clone();
            objects.push(Seen::decode(Kind::Workspace, workspace));
            odd_reconcile(&objects, recorder);
        }
    }
}

#[test]
fn a_thousand_recorded_reconciles_are_planned_again_bit_for_bit() {
    let mut recorder = Recorder::new(WIDE);
    eventful(&mut recorder);
    fresh(&mut recorder);
    let recording = parse(&recorder);
    assert_eq!(recording.reconciles.len(), recorder.len());
    assert!(recorder.len() >= 1000, "only {}", recorder.len());
    let verdicts = replay(&recording);
    let same = verdicts.iter().filter(|verdict| **verdict == Verdict::Same).count();
    println!(
        "{same} of {} recorded reconciles planned again bit for bit; {} bytes each",
        verdicts.len(),
        recorder.bytes() / recorder.len()
    );
    assert!(
        verdicts.iter().all(|verdict| *verdict == Verdict::Same),
        "{:?}",
        verdicts.iter().find(|verdict| **verdict != Verdict::Same)
    );
    // It tells something: plans with steps, plans that were told of refusals, looks that failed.
    let count =
        |is: &dyn Fn(&record::Recorded) -> bool| recording.reconciles.iter().filter(|recorded| is(recorded)).count();
    let building = count(
        &|recorded| matches!(&recorded.first, Look::Plan(plan) if plan["steps"].as_array().is_some_and(|steps| !steps.is_empty())),
    );
    let told = count(&|recorded| recorded.told.is_some() && !recorded.mishaps.is_empty());
    let failed = count(&|recorded| matches!(recorded.first, Look::Unread(_)));
    assert!(building > 100 && told > 100 && failed > 100, "{building} {told} {failed}");
}

/// A machine that is answered from a list of objects, and refused every other write.
fn odd_reconcile(objects: &[Seen], recorder: &mut Recorder) {
    let (root, settings) =
        (ObjectKey::new(Kind::Workspace, arbitrary::NAMESPACE, arbitrary::NAME), Settings::default());
    let mut work = Reconciliation::new(root, "2026-01-01T00:00:00.123456789Z".parse().unwrap());
    let mut writes = 0;
    let mut written = || {
        writes += 1;
        if writes % 2 == 0 { Ok(Written::Gone) } else { Err(BackendError::new(ErrorKind::Invalid, "no such field")) }
    };
    loop {
        match work.next(&WorkspacePlanner, &settings) {
            driver::Wish::Read(read) => work.answered(Ok(answer(objects, &read))),
            driver::Wish::Perform(_) => work.performed(written()),
            driver::Wish::WriteStatus(_) => work.status_written(written()),
            driver::Wish::Publish(..) => {}
            driver::Wish::Done(_) => break,
        }
    }
    recorder.take(&work, &WorkspacePlanner, &settings);
}

fn answer(objects: &[Seen], read: &Read) -> Answer {
    let mut found = objects.iter().filter(|seen| read.matches(seen)).cloned();
    match read {
        Read::Object { .. } => Answer::Object(found.next()),
        Read::List { kind: Kind::Node, .. } if objects.len().is_multiple_of(3) => Answer::NoSuchKind,
        Read::List { .. } => Answer::List(found.collect()),
    }
}

proptest! {
    #![proptest_config(cases::config(200))]

    #[test]
    fn whatever_the_cluster_holds_it_is_seen_again_and_planned_again_the_same(objects in arbitrary::cluster()) {
        let mut recorder = Recorder::new(WIDE);
        odd_reconcile(&objects, &mut recorder);
        let recording = parse(&recorder);
        for (read, recorded) in &recording.reconciles[0].answers {
            prop_assert_eq!(recorded, &answer(&objects, read));
        }
        prop_assert_eq!(replay(&recording), [Verdict::Same]);
    }

    #[test]
    fn an_altered_recording_is_replayed_or_refused_in_words_and_never_panics(
        objects in arbitrary::cluster(),
        damage in arbitrary::damage(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut recorder = Recorder::new(WIDE);
        odd_reconcile(&objects, &mut recorder);
        odd_reconcile(&objects[..1], &mut recorder);
        let document: Value = serde_json::from_str(&recorder.to_json()).unwrap();
        let altered = arbitrary::hurt(document, &damage).to_string();
        match Recording::parse(altered.as_bytes()) {
            Ok(recording) => prop_assert!(replay(&recording).len() <= 2),
            Err(error) => prop_assert!(!error.what.is_empty()),
        }
        let short = &altered.as_bytes()[..cut.index(altered.len())];
        prop_assert!(Recording::parse(short).unwrap_err().to_string().contains("not JSON"));
    }
}

/// A settled world with one Workspace, its key, and one reconcile of it, taken down.
fn quiet() -> (World, ObjectKey, Recorder) {
    let mut world = World::installed(&Settings::default());
    let key = ObjectKey::new(Kind::Workspace, "default", "one");
    world.put(&key, &manifests::phi_4_mini("one")).unwrap();
    render::settle(&mut world);
    let mut recorder = Recorder::new(WIDE);
    reconcile(world.cluster(), &key, world.now(), &mut recorder);
    (world, key, recorder)
}

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
    const PLANTED: &str = "hf_ThisValueMustNeverBeSeen";
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
        let mut work = Reconciliation::new(root, "2026-01-01T00:00:00Z".parse().unwrap());
        while let driver::Wish::Read(read) = work.next(&WorkspacePlanner, &Settings::default()) {
            work.answered(Ok(answer(&objects, &read)));
        }
        let mut recorder = Recorder::new(WIDE);
        recorder.take(&work, &WorkspacePlanner, &Settings::default());
        let text = recorder.to_json();
        assert!(!text.contains(PLANTED) && !text.contains(encoded), "{text}");
        assert_eq!(replay(&parse(&recorder)), [Verdict::Same]);
        looked += usize::from(text.contains("\"kind\":\"Secret\"") && text.contains("hub"));
    }
    assert_eq!(looked, 4, "each Secret was looked at");
}

/// The document of a recorder, with one thing changed in the content that `named` finds by its text.
fn altered(recorder: &Recorder, named: &str, pointer: &str, put: Value) -> Recording {
    let mut document: Value = serde_json::from_str(&recorder.to_json()).unwrap();
    let contents = document["contents"].as_object_mut().unwrap();
    let mut found = contents.values_mut().filter(|content| content.to_string().contains(named));
    let content = found.next().unwrap();
    *content.pointer_mut(&format!("/full{pointer}")).unwrap() = put;
    assert!(found.next().is_none(), "{named} is in one content");
    Recording::parse(document.to_string().as_bytes()).unwrap()
}

#[test]
fn an_altered_plan_shows_the_first_difference_at_its_place() {
    let (_, _, recorder) = quiet();
    assert_eq!(replay(&parse(&recorder)), [Verdict::Same]);
    let recording = altered(&recorder, "\"outcome\"", "/outcome", json!("Gone"));
    let wanted = Verdict::Differs {
        told: false,
        at: "/outcome".to_owned(),
        recorded: Some(json!("Gone")),
        now: Some(json!("Converged")),
    };
    assert_eq!(replay(&recording), [wanted]);
    let recording = altered(&recorder, "\"outcome\"", "/steps", json!([{"effect": "one too many"}]));
    let wanted = Verdict::Differs {
        told: false,
        at: "/steps/0".to_owned(),
        recorded: Some(json!({"effect": "one too many"})),
        now: None,
    };
    assert_eq!(replay(&recording), [wanted]);
}

#[test]
fn an_altered_fact_shows_what_would_have_been_decided() {
    let (_, _, recorder) = quiet();
    let recording = altered(
        &recorder,
        "\"instanceType\":\"Standard_NV36ads_A10_v5\",\"labelSelector\":{\"matchLabels\":{\"apps\":\"one\"}}},\"status\"",
        "/object/metadata/annotations",
        json!({"kaito.sh/enablelb": "True"}),
    );
    let verdicts = replay(&recording);
    let [Verdict::Differs { told: false, at, recorded, now }] = &verdicts[..] else { panic!("{verdicts:?}") };
    assert_eq!((at.as_str(), recorded), ("/remarks/2", &None));
    assert!(now.as_ref().is_some_and(|now| now.to_string().contains("spec.type differs")), "{now:?}");
}

/// The planner of a later version, which wants to know more.
struct Later;

impl Planner for Later {
    fn name(&self) -> &'static str {
        WorkspacePlanner.name()
    }
    fn roots(&self) -> Kind {
        Kind::Workspace
    }
    fn plan(&self, root: &ObjectKey, snapshot: &Snapshot, settings: &Settings) -> Result<Plan, Unread> {
        snapshot
            .need([Read::object(root.clone()), Read::object(ObjectKey::cluster(Kind::Namespace, root.namespace()))])?;
        WorkspacePlanner.plan(root, snapshot, settings)
    }
}

#[test]
fn a_build_that_asks_for_more_is_told_what_was_not_recorded() {
    let (_, _, recorder) = quiet();
    let recording = parse(&recorder);
    let asked = Read::object(ObjectKey::cluster(Kind::Namespace, "default"));
    let verdicts = record::replay(&recording, &[&Later]);
    assert_eq!(verdicts[0].verdict, Verdict::Unanswered { told: false, reads: vec![asked] });
    assert_eq!(record::replay(&recording, &[])[0].verdict, Verdict::NoSuchPlanner);
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
                assert!(replay(&recording).iter().all(|verdict| *verdict == Verdict::Same));
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

#[test]
fn what_is_no_recording_is_told_what_is_wrong_and_where() {
    let (_, _, recorder) = quiet();
    let good: Value = serde_json::from_str(&recorder.to_json()).unwrap();
    let name = good["reconciles"][0]["answers"].as_str().unwrap().to_owned();
    let other = "0".repeat(32);
    let table = [
        ("/apiVersion", json!("v1"), "expected Recording of recording.kaito.sh/v1, found Recording of v1"),
        ("/reconciles/0/root/kind", json!("Workspac"), "reconciles[0].root.kind: unknown variant `Workspac`"),
        (
            "/reconciles/0/answers",
            json!(other),
            "reconciles[0].answers: there is no content 00000000000000000000000000000000",
        ),
        ("/reconciles/0/answers", json!("x"), "reconciles[0].answers: expected 32 hex digits, found \"x\""),
        ("/reconciles/0/now", json!("yesterday"), "reconciles[0].now: "),
        (&format!("/contents/{name}"), json!({}), "expected either full, or base and changes"),
        (&format!("/contents/{name}"), json!({"base": name, "changes": []}), "made from itself"),
        (&format!("/contents/{name}"), json!({"full": [{"read": 1}]}), &format!("contents.{name}[0].read: ")),
        ("/contents", json!(null), "contents: "),
    ];
    for (pointer, put, words) in table {
        let mut document = good.clone();
        *document.pointer_mut(pointer).unwrap() = put;
        let error = Recording::parse(document.to_string().as_bytes()).unwrap_err().to_string();
        assert!(error.contains(words), "{words}: {error}");
    }
}

#[test]
fn settings_are_recorded_and_those_of_another_version_are_told() {
    let (_, _, recorder) = quiet();
    let recording = parse(&recorder);
    assert_eq!(*recording.reconciles[0].settings, Settings::default());
    let mut document: Value = serde_json::from_str(&recorder.to_json()).unwrap();
    let name = document["reconciles"][0]["settings"].as_str().unwrap().to_owned();
    let settings = &mut document["contents"][&name]["full"];
    settings.as_object_mut().unwrap().remove("image_family");
    assert!(
        Recording::parse(document.to_string().as_bytes()).is_ok(),
        "a setting that is newer than the recording has its default"
    );
    document["contents"][&name]["full"]["gates"]["teleport"] = json!(true);
    let error = Recording::parse(document.to_string().as_bytes()).unwrap_err();
    assert_eq!(error.at, format!("contents.{name}.gates"));
    assert!(error.what.contains("teleport"));
}

#[test]
fn any_bytes_are_refused_in_words() {
    let mut runner = TestRunner::new(cases::config(1500));
    runner
        .run(&prop::collection::vec(any::<u8>(), 0..200), |bytes| {
            prop_assert!(!Recording::parse(&bytes).unwrap_err().to_string().is_empty());
            Ok(())
        })
        .unwrap();
}
