//! What the start of a server has measured reaches the status: once for each pod, from its log, and without keeping anything from becoming ready.

use jiff::SignedDuration;
use kaito_core::driver::Report;
use kaito_core::memory::{Fate, Pace, PodFate, Store, World};
use kaito_core::read::LogQuery;
use kaito_core::{Kind, ObjectKey, Read, Settings};
use kaito_tests::stage::{MemoryStage, Stage, condition, is_true, state};
use kaito_tests::{by_hand, manifests};
use serde_json::{Value, json};

const BAD: &str = "KAITO_BENCHMARK_RESULT 2026-01-01T00:00:00Z {\"vllm_total_tpm\":-1.0}\n";

fn printing(text: &str) -> Fate {
    Fate { pods: PodFate::Prints { text: text.to_owned() }, ..Fate::default() }
}

fn stage(fate: &Fate) -> MemoryStage {
    MemoryStage::of(World::with_fate(&Settings::default(), Pace::default(), fate))
}

/// One served model, and an hour.
fn served(fate: &Fate, manifest: &Value) -> MemoryStage {
    let mut stage = stage(fate);
    stage.put(manifest);
    stage.world().advance(SignedDuration::from_hours(1));
    assert_eq!(state(&stage, "phi"), "Ready");
    stage
}

fn root() -> ObjectKey {
    ObjectKey::new(Kind::Workspace, "default", "phi")
}

fn status(stage: &dyn Stage) -> Value {
    stage.get(Kind::Workspace, "phi").expect("it is there")["status"].clone()
}

fn figure(stage: &dyn Stage) -> Value {
    status(stage)["performance"]["metrics"]["peakTokensPerMinute"].clone()
}

/// The status, reason and words of the condition.
fn told(stage: &dyn Stage) -> Option<(String, String, String)> {
    condition(stage, "phi", "BenchmarkCompleted")
}

#[test]
fn what_upstream_has_recorded_is_left_as_it_is() {
    let mut stage = served(&Fate::default(), &manifests::phi_4_mini("phi"));
    write_status(&mut stage, |status| {
        for condition in status["conditions"].as_array_mut().into_iter().flatten() {
            if condition["type"] == "BenchmarkCompleted" {
                condition["message"] = json!("benchmark result has been recorded");
            }
        }
        status["performance"]["metrics"]["peakTokensPerMinute"]["value"] = json!("4711");
    });
    let report = look(&mut stage);
    assert!(logs(&report).is_empty() && report.status.is_none());
    assert_eq!(figure(&stage)["value"], "4711");
}

fn write_status(stage: &mut MemoryStage, change: impl FnOnce(&mut Value)) {
    let found = stage.get(Kind::Workspace, "phi").expect("it is there");
    let mut status = found["status"].clone();
    change(&mut status);
    let write = |store: &mut Store| {
        store.write_status(&root(), found["metadata"]["uid"].as_str().unwrap_or_default(), None, &status).map(|_| ())
    };
    stage.world().cluster().with_store(write).expect("it takes the status");
}

/// One look, now.
fn look(stage: &mut MemoryStage) -> Report {
    let now = stage.world().now();
    by_hand::reconcile(stage.world().cluster(), &root(), now).1.expect("it can be read")
}

fn logs(report: &Report) -> Vec<LogQuery> {
    let log = |read: &Read| match read {
        Read::Log(query) => Some(query.clone()),
        Read::Object { .. } | Read::List { .. } | Read::PodsOn { .. } | Read::Model(_) => None,
    };
    report.reads.iter().filter_map(log).collect()
}

#[test]
fn the_figure_is_told_once_and_the_log_of_a_quiet_model_is_left_alone() {
    let mut stage = served(&Fate::default(), &manifests::phi_4_mini("phi"));
    let settings = json!({
        "durationSec": "60", "inputTokens": "2048", "outputTokens": "256", "maxConcurrency": "32",
        "engine": "vllm", "engineVersion": "0.25.1", "quantization": "",
    });
    let wanted =
        json!({"description": "stress/high-concurrency", "unit": "tokens/min", "value": "12345.5", "config": settings});
    assert_eq!(figure(&stage), wanted);
    assert!(is_true(&stage, "phi", "BenchmarkCompleted"));
    assert!(logs(&look(&mut stage)).is_empty());
    (&mut stage as &mut dyn Stage).expect_quiet();
}

#[test]
fn a_status_that_was_stripped_in_whole_or_in_part_is_told_again() {
    let mut stage = served(&Fate::default(), &manifests::phi_4_mini("phi"));
    let before = figure(&stage);
    let strips: [fn(&mut Value); 3] = [
        |status| *status = json!({}),
        |status| drop(status.as_object_mut().expect("an object").remove("performance")),
        |status| status["conditions"] = json!([]),
    ];
    for strip in strips {
        write_status(&mut stage, strip);
        assert_eq!(logs(&look(&mut stage)).len(), 1);
        assert_eq!(figure(&stage), before);
        assert!(is_true(&stage, "phi", "BenchmarkCompleted"));
        assert!(logs(&look(&mut stage)).is_empty());
    }
}

#[test]
fn of_several_machines_the_first_pod_is_asked() {
    let mut stage = served(&Fate::default(), &manifests::two_nodes("phi"));
    assert_eq!(figure(&stage)["value"], "12345.5");
    write_status(&mut stage, |status| *status = json!({}));
    let asked = logs(&look(&mut stage));
    assert_eq!(asked.iter().map(|query| (&*query.pod, &*query.container)).collect::<Vec<_>>(), [("phi-0", "phi")]);
}

/// What is printed, and the reason and words after the deadline.
#[test]
fn a_result_that_is_missing_is_looked_for_until_a_deadline_and_keeps_nothing_from_being_ready() {
    for (printed, reason, words) in [
        ("", "BenchmarkPending", "no such file"),
        ("INFO started\n", "BenchmarkPending", "none of the last 2000 lines"),
        (BAD, "BenchmarkFailed", "vllm_total_tpm is -1.0"),
        (&BAD[..60], "BenchmarkFailed", "no JSON object follows"),
    ] {
        let mut stage = stage(&printing(printed));
        stage.put(&manifests::phi_4_mini("phi"));
        (&mut stage as &mut dyn Stage).until_refused("phi", "BenchmarkCompleted", "BenchmarkPending", "; next: ");
        assert!(is_true(&stage, "phi", "WorkspaceSucceeded"), "{printed}");
        let first = logs(&look(&mut stage));
        assert_eq!((first.len(), state(&stage, "phi").as_str()), (1, "Ready"), "{printed}");
        stage.pass_time();
        let (_, why, said) = told(&stage).expect("it is told");
        assert!(why == reason && said.contains(words) && said.contains("remedy: "), "{printed}: {why}: {said}");
        assert!(logs(&look(&mut stage)).is_empty(), "{printed}: the log is not read for ever");
        (&mut stage as &mut dyn Stage).expect_quiet();
        // The pod is made anew, and its kubelet keeps what it prints.
        stage.world().set_fate(&Fate::default());
        stage.remove(Kind::Pod, "phi-0");
        stage.world().advance(SignedDuration::from_hours(1));
        assert_eq!((figure(&stage)["value"].as_str(), state(&stage, "phi").as_str()), (Some("12345.5"), "Ready"));
    }
}

#[test]
fn another_pod_is_measured_anew_and_a_flap_is_not() {
    let mut stage = served(&Fate::default(), &manifests::phi_4_mini("phi"));
    let before = told(&stage).expect("it is told");
    let set = stage.get(Kind::StatefulSet, "phi").expect("it is there");
    stage.patch(Kind::Service, "phi", &json!({"spec": {"selector": null}}));
    stage.pass_time();
    assert_eq!((told(&stage), stage.get(Kind::StatefulSet, "phi")), (Some(before.clone()), Some(set)));
    let result = "KAITO_BENCHMARK_RESULT 2026-01-01T00:00:00Z {\"vllm_total_tpm\":777}\n";
    stage.world().set_fate(&printing(result));
    stage.remove(Kind::Pod, "phi-0");
    stage.world().advance(SignedDuration::from_hours(1));
    let after = told(&stage).expect("it is told");
    assert_eq!((&*after.0, figure(&stage)["value"].as_str()), ("True", Some("777")));
    assert!(after.2 != before.2 && after.2.contains("pod phi-0, which was made at 2026-"), "{before:?} {after:?}");
    (&mut stage as &mut dyn Stage).expect_quiet();
}

#[test]
fn what_was_measured_of_an_earlier_request_goes_when_another_is_rolled_out() {
    let mut stage = served(&Fate::default(), &manifests::phi_4_mini("phi"));
    let adapter = json!({"source": {"name": "tone", "image": "registry.example.com/adapters/tone:1"}});
    stage.patch(Kind::Workspace, "phi", &json!({"inference": {"adapters": [adapter]}}));
    stage.until("nothing is said of the earlier one", &|stage| told(stage).is_none() && figure(stage).is_null());
    stage.until("the new one is measured", &|stage| figure(stage)["value"] == "12345.5");
    assert_eq!(state(&stage, "phi"), "Ready");
}

#[test]
fn who_wants_no_benchmark_is_told_of_none_and_figures_of_others_stay() {
    let mut stage = served(&Fate::default(), &manifests::phi_4_mini("phi"));
    let other = json!({"description": "mine", "value": "1"});
    write_status(&mut stage, |status| status["performance"]["metrics"]["other"] = other.clone());
    stage.patch(Kind::Workspace, "phi", &json!({"metadata": {"annotations": {"kaito.sh/disable-benchmark": "true"}}}));
    stage.until("nothing is said of it", &|stage| told(stage).is_none());
    assert_eq!(status(&stage)["performance"], json!({"metrics": {"other": other}}));
    assert!(logs(&look(&mut stage)).is_empty());
    (&mut stage as &mut dyn Stage).expect_quiet();
}

#[test]
fn the_transformers_runtime_measures_nothing() {
    let mut manifest = manifests::preset("phi", "mistral-7b-instruct", "Standard_NC24ads_A100_v4");
    manifest["metadata"]["annotations"] = json!({"kaito.sh/runtime": "transformers"});
    let stage = served(&Fate::default(), &manifest);
    assert_eq!((told(&stage), status(&stage)["performance"].clone()), (None, Value::Null));
}
