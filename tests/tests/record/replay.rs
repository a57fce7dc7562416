//! What is recorded is planned again the same; what is altered shows the first difference, at its place.

use super::moods::{Moody, answer, odd_reconcile};
use super::{WIDE, parse, quiet, reconcile, verdicts};
use kaito_core::backend::{BackendError, ErrorKind};
use kaito_core::driver::{Reconciliation, Wish};
use kaito_core::memory::World;
use kaito_core::plan::{Outcome, Remark, Wake};
use kaito_core::read::LogQuery;
use kaito_core::record::{self, Look, Recorder, Recording, Verdict};
use kaito_core::snapshot::{Answer, Unread};
use kaito_core::{Kind, ObjectKey, Plan, Planner, Read, Seen, Settings, Snapshot, WorkspacePlanner};
use kaito_tests::manifests::PLANTED;
use kaito_tests::{arbitrary, cases, manifests};
use proptest::prelude::*;
use serde_json::{Value, json};

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
    let verdicts = super::verdicts(&recording);
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
        prop_assert_eq!(verdicts(&recording), [Verdict::Same]);
    }
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
    assert_eq!(verdicts(&parse(&recorder)), [Verdict::Same]);
    let recording = altered(&recorder, "\"outcome\"", "/outcome", json!("Gone"));
    let wanted = Verdict::Differs {
        told: false,
        at: "/outcome".to_owned(),
        recorded: Some(json!("Gone")),
        now: Some(json!("Converged")),
    };
    assert_eq!(verdicts(&recording), [wanted]);
    let recording = altered(&recorder, "\"outcome\"", "/steps", json!([{"effect": "one too many"}]));
    let wanted = Verdict::Differs {
        told: false,
        at: "/steps/0".to_owned(),
        recorded: Some(json!({"effect": "one too many"})),
        now: None,
    };
    assert_eq!(verdicts(&recording), [wanted]);
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
    let verdicts = super::verdicts(&recording);
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

/// A planner that wants to know what two containers have printed.
struct Curious;

impl Curious {
    fn query(container: &str) -> LogQuery {
        let [namespace, pod, container] = ["default", "one-0", container].map(str::to_owned);
        LogQuery { namespace, pod, container, previous: false, lines: 5, holding: None, bytes: 1000 }
    }
}

impl Planner for Curious {
    fn name(&self) -> &'static str {
        "curious"
    }
    fn roots(&self) -> Kind {
        Kind::Workspace
    }
    fn plan(&self, _: &ObjectKey, snapshot: &Snapshot, _: &Settings) -> Result<Plan, Unread> {
        let said = [snapshot.log(Curious::query("one"))?, snapshot.log(Curious::query("aside"))?];
        let remark = |text: Result<&str, &str>| Remark { topic: "printed", text: format!("{text:?}") };
        let wake = Wake::After(jiff::SignedDuration::from_secs(10));
        Ok(Plan { remarks: said.map(remark).into(), wake, ..Plan::nothing(Outcome::Converged) })
    }
}

#[test]
fn i11_what_a_container_prints_is_recorded_without_its_secrets_and_planned_again_the_same() {
    for refused in [false, true] {
        let root = ObjectKey::new(Kind::Workspace, "default", "one");
        let mut work = Reconciliation::new(root, "2026-01-01T00:00:00Z".parse().unwrap());
        let words = format!("loading with HF_TOKEN={PLANTED}\nGET https://hub/a?token={PLANTED}&b");
        while let Wish::Read(read) = work.next(&Curious, &Settings::default()) {
            let refusal = || BackendError::new(ErrorKind::Forbidden, format!("not allowed with {PLANTED}"));
            let of_one = read == Read::Log(Curious::query("one"));
            work.answered(if of_one && !refused { Ok(Answer::Log(Ok(words.clone()))) } else { Err(refusal()) });
        }
        assert!(work.failure().is_none(), "no reconcile fails for the words of a container");
        let mut recorder = Recorder::new(WIDE);
        recorder.take(&work, &Curious, &Settings::default());
        let text = recorder.to_json();
        assert_eq!((text.contains("loading with"), text.contains("not allowed with")), (!refused, true));
        assert!(!format!("{text} {:?}", work.snapshot()).contains(PLANTED), "{text}");
        let verdicts = record::replay(&parse(&recorder), &[&Curious]);
        assert_eq!(verdicts[0].verdict, Verdict::Same, "{verdicts:?}");
    }
}
