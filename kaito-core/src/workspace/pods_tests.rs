use super::*;
use serde_json::{Value, json};

fn pod(name: &str, status: &Value) -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "web"}], "initContainers": [{"name": "puller-style", "args": ["set -ex\n[ ! -z \"${IMG_REF}\" ] || IMG_REF='r.example.com/style:1'\n"]}]},
        "status": status,
    }))
    .unwrap()
}

fn with(state: &Value) -> Value {
    container("containerStatuses", "web", state)
}

fn container(list: &str, name: &str, state: &Value) -> Value {
    let mut status =
        json!({"name": name, "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": state["state"]});
    if state.get("last").is_some() {
        status["lastState"] = state["last"].clone();
    }
    json!({"phase": "Pending", list: [status]})
}

fn waiting(reason: &str, message: &str) -> Value {
    json!({"state": {"waiting": {"reason": reason, "message": message}}})
}

fn ended(reason: &str, exit_code: i32, message: &str) -> Value {
    json!({"terminated": {"reason": reason, "exitCode": exit_code, "message": message}})
}

fn evicted_for(message: &str) -> Value {
    json!({"phase": "Failed", "reason": "Evicted", "message": message})
}

fn scheduled(status: &str, reason: &str, message: &str) -> Value {
    json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": status, "reason": reason, "message": message}]})
}

/// A container that was killed once and runs again.
fn was_killed(is_ready: bool) -> Value {
    let mut status = with(&json!({"state": {"running": {}}, "last": ended("OOMKilled", 137, "")}));
    status["containerStatuses"][0]["ready"] = json!(is_ready);
    status
}

/// A container that ended with this code before, and was started so often.
fn started_again(restarts: i32, exit_code: i32, state: &Value) -> Value {
    let last = ended("Error", exit_code, "Traceback\nValueError: no such model\n");
    let mut status = with(&json!({"state": state, "last": last}));
    status["phase"] = json!("Running");
    status["containerStatuses"][0]["restartCount"] = json!(restarts);
    status
}

/// What is said of a pod, the row that it becomes, and what the words mention.
fn table() -> Vec<(Value, Option<&'static Reason>, &'static str)> {
    let mut looping = waiting("CrashLoopBackOff", "back-off 5m0s");
    looping["last"] = ended("Error", 1, "Traceback\n  File\nValueError: no such model\n");
    let mut silent = waiting("CrashLoopBackOff", "back-off 5m0s");
    silent["last"] = ended("Error", 134, "");
    let mut locked_out = waiting("CrashLoopBackOff", "back-off 5m0s");
    let last_words = "Traceback\nhuggingface_hub.errors.GatedRepoError: 401 Client Error.\n\nAccess to model a/b is restricted and you are not in the list.\n";
    locked_out["last"] = ended("Error", 1, last_words);
    let mut hungry = waiting("CrashLoopBackOff", "back-off 5m0s");
    hungry["last"] = ended("OOMKilled", 137, "");
    let mut table = vec![
        (with(&hungry), Some(&failure::CONTAINER_OOM_KILLED), "pod a: container web: OOMKilled (exit code 137)"),
        (
            with(&json!({"state": ended("OOMKilled", 137, "")})),
            Some(&failure::CONTAINER_OOM_KILLED),
            "container web: OOMKilled",
        ),
        (
            with(&looping),
            Some(&failure::CONTAINER_CRASH_LOOP),
            "pod a: container web: CrashLoopBackOff (exit code 1): ValueError: no such model",
        ),
        (
            with(&locked_out),
            Some(&failure::MODEL_ACCESS_DENIED),
            "pod a: container web: exit code 1: huggingface_hub.errors.GatedRepoError: 401 Client Error.",
        ),
        (
            container("initContainerStatuses", "puller-style", &locked_out),
            Some(&failure::CONTAINER_CRASH_LOOP),
            "Access to model a/b is restricted",
        ),
        (with(&silent), Some(&failure::CONTAINER_CRASH_LOOP), "container web: CrashLoopBackOff (exit code 134)"),
        (
            with(&waiting("CrashLoopBackOff", "back-off 5m0s restarting")),
            Some(&failure::CONTAINER_CRASH_LOOP),
            "CrashLoopBackOff: back-off 5m0s restarting",
        ),
        (
            container("initContainerStatuses", "puller-style", &looping),
            Some(&failure::CONTAINER_CRASH_LOOP),
            "init container puller-style, which pulls r.example.com/style:1: CrashLoopBackOff (exit code 1)",
        ),
        (
            container("initContainerStatuses", "puller-style", &waiting("ErrImagePull", "no route")),
            Some(&failure::IMAGE_PULL_ERROR),
            "init container puller-style, which pulls r.example.com/style:1: ErrImagePull: no route",
        ),
        (
            evicted_for("The node was low on resource: ephemeral-storage."),
            Some(&failure::NODE_DISK_PRESSURE),
            "pod a: Evicted: The node was low on resource: ephemeral-storage.",
        ),
        (evicted_for("The node had condition: [DiskPressure]."), Some(&failure::NODE_DISK_PRESSURE), "DiskPressure"),
        (evicted_for("The node was low on resource: memory."), Some(&failure::NODE_MEMORY_PRESSURE), "memory"),
        (evicted_for("Pod was rejected"), Some(&failure::POD_EVICTED), "rejected"),
        (
            scheduled("False", "Unschedulable", "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."),
            Some(&failure::UNSCHEDULABLE),
            "pod a: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu.",
        ),
        (scheduled("False", "SchedulingGated", ""), None, ""),
        (scheduled("True", "", ""), None, ""),
        (with(&waiting("ContainerCreating", "")), None, ""),
        (with(&json!({"state": ended("Completed", 0, "")})), None, ""),
        (
            json!({"phase": "Failed", "reason": "UnexpectedAdmissionError", "message": "Allocate failed due to no healthy devices present"}),
            Some(&failure::POD_FAILED),
            "pod a: UnexpectedAdmissionError: Allocate failed due to no healthy devices present",
        ),
        (json!({"phase": "Failed", "reason": "Shutdown"}), Some(&failure::POD_FAILED), "pod a: Shutdown"),
        (json!({"phase": "Failed"}), None, ""),
        (was_killed(false), Some(&failure::CONTAINER_OOM_KILLED), "container web: OOMKilled"),
        // It came back: what became of it before explains nothing any more.
        (was_killed(true), None, ""),
        (json!(null), None, ""),
    ];
    for reason in reasons::WAITING_IMAGE_PULL {
        table.push((with(&waiting(reason, "manifest unknown")), Some(&failure::IMAGE_PULL_ERROR), "manifest unknown"));
    }
    for reason in reasons::WAITING_CONTAINER_START {
        let status = with(&waiting(reason, "secret \"hub\" not found"));
        table.push((status, Some(&failure::CONTAINER_START_ERROR), "secret \"hub\" not found"));
    }
    table
}

#[test]
fn what_a_kubelet_says_becomes_the_row_that_it_belongs_to_in_its_own_words() {
    for (status, row, mention) in table() {
        let pod = pod("a", &status);
        let cause = classify(&[&pod]);
        assert_eq!(cause.as_ref().map(|cause| cause.row), row, "{status}");
        assert!(cause.is_none_or(|cause| cause.words.contains(mention)), "{status}: {:?}", classify(&[&pod]));
    }
    let rows: Vec<_> = table().into_iter().filter_map(|(_, row, _)| row).collect();
    for row in [
        &failure::CONTAINER_OOM_KILLED,
        &failure::IMAGE_PULL_ERROR,
        &failure::CONTAINER_START_ERROR,
        &failure::CONTAINER_CRASH_LOOP,
        &failure::MODEL_ACCESS_DENIED,
        &failure::NODE_DISK_PRESSURE,
        &failure::NODE_MEMORY_PRESSURE,
        &failure::POD_EVICTED,
        &failure::POD_FAILED,
        &failure::UNSCHEDULABLE,
    ] {
        assert!(rows.contains(&row), "{} is provoked", row.name);
    }
}

#[test]
fn a_loop_is_told_in_the_same_words_whatever_its_container_does_just_now() {
    const WORDS: &str = "pod a: container web: CrashLoopBackOff (exit code 1): ValueError: no such model";
    let running = json!({"running": {}});
    let ends = ended("Error", 1, "ValueError: no such model");
    for (restarts, state) in [
        (1, &waiting("CrashLoopBackOff", "back-off 10s")["state"]),
        (2, &running),
        (2, &ends),
        (2, &waiting("CrashLoopBackOff", "back-off 20s")["state"]),
        (3, &waiting("ContainerCreating", "")["state"]),
        (700, &running),
    ] {
        let pod = pod("a", &started_again(restarts, 1, state));
        let cause = classify(&[&pod]).map(|cause| (cause.row, cause.words));
        assert_eq!(cause, Some((&failure::CONTAINER_CRASH_LOOP, WORDS.to_owned())), "{restarts}: {state}");
    }
    // What is no loop, or has a better name.
    let mut ready = started_again(9, 1, &running);
    ready["containerStatuses"][0]["ready"] = json!(true);
    let mut evicted = started_again(9, 1, &ends);
    evicted["phase"] = json!("Failed");
    evicted["reason"] = json!("Evicted");
    for (status, row) in [
        (started_again(1, 1, &running), None),
        (started_again(1, 1, &ends), None),
        (started_again(9, 0, &running), None),
        (started_again(9, 1, &ended("Completed", 0, "")), None),
        (ready, None),
        (evicted, Some(&failure::POD_EVICTED)),
        (started_again(9, 1, &waiting("ErrImagePull", "not found")["state"]), Some(&failure::IMAGE_PULL_ERROR)),
    ] {
        assert_eq!(classify(&[&pod("a", &status)]).map(|cause| cause.row), row, "{status}");
    }
}

#[test]
fn the_most_telling_sign_in_any_pod_wins() {
    let unplaced = pod("a", &scheduled("False", "Unschedulable", "0/1 nodes are available"));
    let loops = pod("b", &with(&waiting("CrashLoopBackOff", "back-off")));
    let pulls = pod("c", &with(&waiting("ImagePullBackOff", "not found")));
    let all = [&unplaced, &loops, &pulls];
    let first = |pods: &[&Pod]| classify(pods).map(|cause| cause.row.name);
    assert_eq!(first(&all), Some("ImagePullError"));
    assert_eq!(first(&all[..2]), Some("ContainerCrashLoopBackOff"));
    assert_eq!(first(&all[..1]), Some("Unschedulable"));
    assert_eq!(first(&[]), None);
}

#[test]
fn what_became_of_a_pod_that_is_ready_today_does_not_hide_what_is_wrong_with_another() {
    let mut ready = was_killed(false);
    ready["conditions"] = json!([{"type": "Ready", "status": "True"}]);
    let ready = pod("a", &ready);
    let pulls = pod("b", &with(&waiting("ImagePullBackOff", "not found")));
    assert_eq!(classify(&[&ready, &pulls]).map(|cause| cause.row.name), Some("ImagePullError"));
    assert_eq!(classify(&[&ready]), None);
}

#[test]
fn words_are_cut_and_hold_no_secret() {
    let said = format!("GET https://me:hunter2@r.example.com/v2: {}", "x".repeat(500));
    let cause = classify(&[&pod("a", &with(&waiting("ErrImagePull", &said)))]).unwrap();
    assert!(cause.words.ends_with("...") && cause.words.len() < 320, "{}", cause.words);
    assert!(!cause.words.contains("hunter2"));
}

#[test]
fn the_first_container_of_a_pod_is_blamed_before_those_that_end_because_of_it() {
    let status = |name: &str, code: i32| json!({"name": name, "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": ended("Error", code, "")});
    let mut pod = pod("a", &json!({"phase": "Failed", "containerStatuses": [status("pusher", 1), status("web", 2)]}));
    let beside = serde_json::from_value(json!({"name": "pusher"})).unwrap();
    pod.spec.as_mut().unwrap().containers.push(beside);
    assert_eq!(failure_of_last(&[&pod]).unwrap().words, "pod a: container web: exit code 2");
}

#[test]
fn since_when_a_pod_is_ready_is_known_only_of_one_that_is() {
    let at = "2026-01-02T00:00:00Z";
    let timed = |status: &str| {
        let ready = json!([{"type": "Ready", "status": status, "lastTransitionTime": at}]);
        ready_since(&pod("a", &json!({"phase": "Running", "conditions": ready})))
    };
    assert_eq!((timed("False"), timed("True")), (None, Some(at.parse().unwrap())));
}

#[test]
fn how_a_pod_stands_is_told_in_the_kubelets_words_where_it_has_any() {
    assert!(standing(&[]).unwrap().contains("no pod is there"));
    let told = |status: Value| standing(&[&pod("a", &status)]).unwrap();
    assert_eq!(told(with(&waiting("ContainerCreating", ""))), "pod a: container web: ContainerCreating");
    let unready = json!([{"type": "Ready", "status": "False", "message": "containers with unready status: [web]", "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
    assert_eq!(
        told(json!({"phase": "Running", "conditions": unready})),
        "pod a: containers with unready status: [web]"
    );
}
