//! What keeps a training from running, told on its own conditions.

use super::{WORDS, pods, stage};
use kaito_core::memory::PodFate;
use kaito_tests::manifests;
use kaito_tests::stage::{Stage, condition, state};

/// What goes wrong with the pods of a training, the condition that tells it, its reason, parts of its words, and the state.
pub(crate) fn fates_of_trainings() -> Vec<(PodFate, &'static str, &'static str, [&'static str; 2], &'static str)> {
    let message = WORDS.to_owned();
    let crash = PodFate::CrashLoop { exit_code: 42, message: format!("Traceback\n{message}") };
    let gone = [
        "(7 attempts failed); the last: pod tune-",
        "init container model-weights-downloader: exit code 9: the cable of rack 7 is out",
    ];
    vec![
        (
            PodFate::NeverMade,
            "JobStarted",
            "WorkspaceTuningJobStatusPending",
            ["has made no pod", "overdue"],
            "Pending",
        ),
        (
            PodFate::Unschedulable { message: message.clone() },
            "JobStarted",
            "Unschedulable",
            ["pod tune-", WORDS],
            "Running",
        ),
        (
            PodFate::ImagePull { message: message.clone() },
            "JobStarted",
            "ImagePullError",
            ["container tune", WORDS],
            "Running",
        ),
        (
            PodFate::CreateConfigError { message: message.clone() },
            "JobStarted",
            "ContainerStartError",
            ["container tune", WORDS],
            "Running",
        ),
        (
            crash,
            "JobStarted",
            "WorkspaceTuningJobStatusFailed",
            ["(7 attempts failed)", "exit code 42: the cable of rack 7 is out"],
            "Failed",
        ),
        (
            PodFate::Ends { exit_code: 139, text: format!("epoch 1\n{message}\n") },
            "JobStarted",
            "WorkspaceTuningJobStatusFailed",
            ["container tune: exit code 139 (SIGSEGV)", "; it printed last: «epoch 1 | the cable of rack 7 is out»"],
            "Failed",
        ),
        (
            PodFate::Ends { exit_code: 1, text: String::new() },
            "JobStarted",
            "WorkspaceTuningJobStatusFailed",
            ["container tune: exit code 1; its log cannot be read: ", "no such file"],
            "Failed",
        ),
        (
            PodFate::InitCrashLoop { exit_code: 9, message },
            "JobStarted",
            "WorkspaceTuningJobStatusFailed",
            gone,
            "Failed",
        ),
        (
            PodFate::OutOfMemory,
            "JobStarted",
            "WorkspaceTuningJobStatusFailed",
            ["(7 attempts failed)", "OOMKilled (exit code 137)"],
            "Failed",
        ),
        (
            PodFate::NeverReady,
            "WorkspaceSucceeded",
            "workspacePending",
            ["the pod of the tuning job is not ready", "overdue"],
            "Running",
        ),
    ]
}

#[test]
fn what_keeps_a_training_from_running_is_told_on_its_own_conditions_and_not_written_again() {
    for (fate, type_, reason, mentions, end) in fates_of_trainings() {
        let mut stage = stage(&pods(fate.clone()));
        stage.put(&manifests::training_on_volume("tune"));
        stage.pass_time();
        let (status, why, words) = condition(&stage, "tune", type_).expect("it is told");
        assert_eq!((status.as_str(), why.as_str()), ("False", reason), "{fate:?}: {words}");
        let (status, _, top) = condition(&stage, "tune", "WorkspaceSucceeded").expect("it is told");
        assert_eq!((status.as_str(), state(&stage, "tune").as_str()), ("False", end), "{fate:?}: {top}");
        for mention in mentions {
            assert!(words.contains(mention) && words.contains("next:"), "{fate:?}: {words}");
            assert!(top.contains(mention), "{fate:?}: the first thing that is read says: {top}");
        }
        (&mut stage as &mut dyn Stage).expect_quiet();
    }
}
