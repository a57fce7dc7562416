//! What is no recording, or not one of this version, is refused in words.

use super::moods::odd_reconcile;
use super::{WIDE, parse, quiet, verdicts};
use kaito_core::Settings;
use kaito_core::record::{Recorder, Recording};
use kaito_tests::{arbitrary, cases};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

proptest! {
    #![proptest_config(cases::config(200))]

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
            Ok(recording) => prop_assert!(verdicts(&recording).len() <= 2),
            Err(error) => prop_assert!(!error.what.is_empty()),
        }
        let short = &altered.as_bytes()[..cut.index(altered.len())];
        prop_assert!(Recording::parse(short).unwrap_err().to_string().contains("not JSON"));
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
