//! The command line: whatever is put in, it answers yes, no, or that and where it cannot be read; it never fails itself.

use kaito_core::memory::World;
use kaito_core::record::{Limits, Recorder};
use kaito_core::{Settings, WorkspacePlanner};
use kaito_operator::input;
use kaito_tests::command::{Ran, kaito};
use kaito_tests::edits::{edited, edits};
use kaito_tests::{arbitrary, by_hand, cases, manifests};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use std::sync::OnceLock;

const MANIFESTS: &[&str] = &[
    include_str!("../../../examples/phi-3-mini.yaml"),
    include_str!("../../../examples/phi-3-mini-adapter.yaml"),
    include_str!("../../../examples/own-template.yaml"),
    "# two objects, and a Workspace that refers to both\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: tuned, labels: {a: b}}\ndata:\n  inference_config.yaml: |\n    vllm:\n      max-model-len: 4096\n---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: hub\nstringData: {HF_TOKEN: x}\n---\napiVersion: kaito.sh/v1beta1\nkind: Workspace\nmetadata:\n  name: phi\n  annotations: &all\n    kaito.sh/runtime: vllm\n  labels:\n    <<: *all\nresource:\n  instanceType: Standard_NC24ads_A100_v4\n  labelSelector:\n    matchLabels:\n      apps: phi\ninference:\n  preset:\n    name: phi-4-mini-instruct\n    presetOptions: {modelAccessSecret: hub}\n  config: tuned\n",
    "{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [{\"apiVersion\": \"kaito.sh/v1beta1\", \"kind\": \"Workspace\",\n \"metadata\": {\"name\": \"phi\"}, \"resource\": {\"instanceType\": \"Standard_NC6s_v3\", \"labelSelector\": {\"matchLabels\": {\"a\": \"b\"}}},\n \"inference\": {\"preset\": {\"name\": \"phi-3-mini-4k-instruct\"}}}]}\n",
];

fn manifest() -> impl Strategy<Value = String> {
    (select(MANIFESTS), edits()).prop_map(|(text, edits)| edited(text, &edits))
}

/// A Workspace of good YAML whose fields are odd.
fn odd() -> impl Strategy<Value = String> {
    let good = select(vec![
        manifests::phi_3_mini("w"),
        manifests::two_nodes("w"),
        manifests::adapters("w"),
        manifests::own_template("w"),
    ]);
    (good, arbitrary::damage()).prop_map(|(value, damage)| arbitrary::hurt(value, &damage).to_string())
}

/// Holds that a program answered, and how.
pub(super) fn answered(ran: &Ran, about: &str) -> Result<(), TestCaseError> {
    prop_assert!(ran.code <= 2, "{}: {about:?}", ran.err);
    prop_assert!(ran.code != 2 || !ran.err.is_empty(), "why it cannot be read is said: {about:?}");
    let is_odd = |c: char| c.is_control() && c != '\n';
    prop_assert!(
        !ran.err.contains(is_odd) && !ran.out.contains(is_odd),
        "words never move the cursor: {}{}",
        ran.out,
        ran.err
    );
    Ok(())
}

/// Reads it as `-f -` does; holds that everything that is wrong has a place in the text.
pub(super) fn placed(bytes: &[u8]) -> Result<(), TestCaseError> {
    let Err(problems) = input::read(&["-".to_owned()], "default", &mut &*bytes) else { return Ok(()) };
    prop_assert!(!problems.is_empty());
    // A line feed, a carriage return, or both end a line of YAML.
    let lines = bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() + 1;
    for problem in problems {
        match problem.place {
            Some(place) => prop_assert!((1..=lines + 1).contains(&place.line) && place.column >= 1, "{problem}"),
            None => prop_assert!(problem.detail.starts_with("no document"), "{problem}"),
        }
        prop_assert!(!problem.detail.is_empty() && problem.to_string().len() < 4000, "{problem}");
    }
    Ok(())
}

/// What one look at a new Workspace was recorded as.
fn recording() -> &'static Value {
    static RECORDING: OnceLock<Value> = OnceLock::new();
    RECORDING.get_or_init(|| {
        let mut world = World::installed(&Settings::default());
        let key = kaito_core::ObjectKey::new(kaito_core::Kind::Workspace, "default", "w");
        world.put(&key, &manifests::phi_4_mini("w")).unwrap();
        let mut recorder = Recorder::new(Limits { reconciles: 9, bytes: usize::MAX });
        for _ in 0..3 {
            let work = by_hand::look(&key, world.now(), |read| world.cluster().answer(read));
            recorder.take(&work, &WorkspacePlanner, &Settings::default());
            for _ in 0..12 {
                world.step();
            }
        }
        serde_json::from_str(&recorder.to_json()).unwrap()
    })
}

proptest! {
    #![proptest_config(cases::config(1500))]

    #[test]
    fn any_bytes_are_read_or_refused_with_line_and_column(bytes in vec(any::<u8>(), 0..300), text in any::<String>()) {
        placed(&bytes)?;
        placed(text.as_bytes())?;
    }

    #[test]
    fn a_manifest_that_was_damaged_is_read_or_refused_with_line_and_column(text in manifest()) {
        placed(text.as_bytes())?;
    }

    #[test]
    fn any_word_is_explained_or_is_no_reason(word in any::<String>()) {
        prop_assume!(!word.starts_with('-'));
        let ran = kaito(&["explain", &word], b"");
        answered(&ran, &word)?;
    }

    #[test]
    fn any_review_is_answered(review in prop_oneof![odd(), any::<String>(), super::anything().prop_map(|value| value.to_string())]) {
        answered(&kaito(&["validate", "--review", "-"], review.as_bytes()), &review)?;
    }
}

proptest! {
    #![proptest_config(cases::config(40))]

    #[test]
    fn a_recording_that_was_damaged_is_replayed_or_refused(damage in arbitrary::damage(), edits in edits(), form in select(vec!["table", "json", "yaml"])) {
        let text = arbitrary::hurt(recording().clone(), &damage).to_string();
        answered(&kaito(&["replay", "-", "-o", form], text.as_bytes()), "odd fields")?;
        let text = edited(&text, &edits);
        answered(&kaito(&["replay", "-", "-o", form], text.as_bytes()), "edited")?;
    }

    #[test]
    fn every_verb_answers_whatever_is_put_in(text in prop_oneof![2 => manifest(), 2 => odd(), 1 => any::<String>()], form in select(vec!["json", "yaml"])) {
        for words in [["validate", "-f", "-", "-o", "table"], ["validate", "-f", "-", "-o", form], ["simulate", "-f", "-", "-o", form], ["simulate", "-f", "-", "-o", "table"], ["render", "-f", "-", "-o", form]] {
            let ran = kaito(&words, text.as_bytes());
            answered(&ran, &text)?;
        }
    }

    #[test]
    fn what_is_read_by_one_verb_is_read_by_all_and_what_is_refused_is_not_ready(text in prop_oneof![manifest(), odd()]) {
        let validate = kaito(&["validate", "-f", "-", "-o", "json"], text.as_bytes());
        let simulate = kaito(&["simulate", "-f", "-", "-o", "json"], text.as_bytes());
        if validate.code == 2 {
            prop_assert_eq!(simulate.code, 2, "{}", text);
        }
        prop_assert!(simulate.code != 0 || validate.code == 0, "ready and refused: {text}\n{}", validate.out);
        if simulate.code < 2 && !simulate.out.is_empty() {
            let told: Value = serde_json::from_str(&simulate.out).unwrap();
            prop_assert_eq!(&told["ready"], &json!(simulate.code == 0));
        }
    }
}
