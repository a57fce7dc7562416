//! Whatever goes wrong and stays so is told on the Workspace, in the words of whoever saw it (I10).

mod catalogue; // every row of the failure catalogue, provoked
mod trainings; // what keeps a training from running

use kaito_core::memory::{CloudFate, Fate, Pace, PodFate, World};
use kaito_core::{Kind, ObjectKey, Settings};
use kaito_tests::manifests;
use kaito_tests::stage::{MemoryStage, Stage, condition, is_true, state};
use serde_json::{Value, json};

const WORDS: &str = "the cable of rack 7 is out";

fn stage(fate: &Fate) -> MemoryStage {
    stage_with(&Settings::default(), fate)
}

fn stage_with(settings: &Settings, fate: &Fate) -> MemoryStage {
    MemoryStage::of(World::with_fate(settings, Pace::default(), fate))
}

fn cloud(cloud: CloudFate) -> Fate {
    Fate { cloud, ..Fate::default() }
}

fn pods(pods: PodFate) -> Fate {
    Fate { pods, ..Fate::default() }
}

/// What goes wrong, the condition that tells it first, its reason, and a part of its words.
fn fates() -> Vec<(Fate, &'static str, &'static str, &'static str)> {
    let message = WORDS.to_owned();
    let reason = "InsufficientCapacityError".to_owned();
    vec![
        (
            cloud(CloudFate::Refuses { reason: reason.clone(), message: message.clone() }),
            "ResourceReady",
            "InsufficientCapacityError",
            WORDS,
        ),
        (
            cloud(CloudFate::PartlyRefuses { reason, message: message.clone() }),
            "ResourceReady",
            "InsufficientCapacityError",
            WORDS,
        ),
        (cloud(CloudFate::NeverLaunches), "ResourceReady", "NodeClaimNotReady", "overdue"),
        (
            cloud(CloudFate::NeverRegisters),
            "ResourceReady",
            "NodeClaimNotReady",
            "Registered: Node not registered with cluster; overdue",
        ),
        (cloud(CloudFate::NodeNeverReady { message: message.clone() }), "NodesReady", "NodeNotReady", WORDS),
        (
            cloud(CloudFate::GpusNeverAppear),
            "ResourceReady",
            "NodePluginsNotReady",
            "shows 0 of 2 in nvidia.com/gpu; overdue",
        ),
        (pods(PodFate::Unschedulable { message: message.clone() }), "InferenceReady", "Unschedulable", WORDS),
        (pods(PodFate::ImagePull { message: message.clone() }), "InferenceReady", "ImagePullError", WORDS),
        (pods(PodFate::CreateConfigError { message: message.clone() }), "InferenceReady", "ContainerStartError", WORDS),
        (
            pods(PodFate::CrashLoop { exit_code: 42, message: format!("Traceback\n{message}") }),
            "InferenceReady",
            "ContainerCrashLoopBackOff",
            "(exit code 42): the cable of rack 7 is out",
        ),
        (
            pods(PodFate::OutOfMemory),
            "InferenceReady",
            "ContainerOOMKilled",
            "container llama: OOMKilled (exit code 137)",
        ),
        (
            pods(PodFate::NeverReady),
            "InferenceReady",
            "WorkspaceInferenceStatusPending",
            "containers with unready status: [llama]; overdue",
        ),
        (
            pods(PodFate::Evicted { message: format!("low on resource: ephemeral-storage: {message}") }),
            "InferenceReady",
            "NodeDiskPressure",
            WORDS,
        ),
        (pods(PodFate::NeverServes), "InferenceReady", "EndpointNotServing", "no endpoint of Service llama"),
    ]
}

#[test]
fn every_fate_ends_explained_on_the_condition_that_a_user_looks_at_first() {
    for (fate, type_, reason, mention) in fates() {
        let mut stage = stage(&fate);
        stage.put(&manifests::two_nodes("llama"));
        stage.pass_time();
        let (status, why, words) = condition(&stage, "llama", type_).expect("it is told");
        assert_eq!((status.as_str(), why.as_str()), ("False", reason), "{fate:?}: {words}");
        assert!(words.contains(mention) && words.contains("next:"), "{fate:?}: {words}");
        let (status, _, top) = condition(&stage, "llama", "WorkspaceSucceeded").expect("it is told");
        assert_eq!(status, "False", "{fate:?}");
        assert!(top.contains(mention), "{fate:?}: the first thing that is read says: {top}");
        assert_eq!(state(&stage, "llama"), "Pending", "{fate:?}");
    }
}

#[test]
fn what_is_wrong_with_the_users_own_pods_is_told_in_the_same_words() {
    let message = WORDS.to_owned();
    for (fate, reason, words) in [
        (PodFate::ImagePull { message: message.clone() }, "ImagePullError", ["pod own-0", "container server"]),
        (PodFate::CrashLoop { exit_code: 42, message }, "ContainerCrashLoopBackOff", ["container server", WORDS]),
        (PodFate::NeverReady, "WorkspaceInferenceStatusPending", ["0 of 1 pods are ready", "overdue"]),
    ] {
        let mut stage = stage(&pods(fate));
        stage.put(&manifests::own_template("own"));
        for word in words {
            (&mut stage as &mut dyn Stage).until_refused("own", "InferenceReady", reason, word);
        }
        assert_eq!(state(&stage, "own"), "Pending");
    }
}

#[test]
fn a_volume_that_cannot_be_bound_is_told_with_the_claim_that_the_scheduler_does_not_name() {
    for (message, mention) in [
        (
            "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
            "PersistentVolumeClaims.; its claims: law; next:",
        ),
        ("persistentvolumeclaim \"law\" not found", "persistentvolumeclaim \"law\" not found; next:"),
    ] {
        let mut stage = stage(&pods(PodFate::Unschedulable { message: message.to_owned() }));
        stage.put(&manifests::secret("my-registry", "kubernetes.io/dockerconfigjson", &[".dockerconfigjson"]));
        stage.put(&manifests::adapters("phi"));
        (&mut stage as &mut dyn Stage).until_refused("phi", "InferenceReady", "Unschedulable", mention);
    }
}

#[test]
fn what_is_wrong_for_good_is_told_once_and_not_written_again() {
    for (fate, ..) in fates() {
        let mut stage = stage(&fate);
        stage.put(&manifests::two_nodes("llama"));
        stage.pass_time();
        (&mut stage as &mut dyn Stage).expect_quiet();
    }
}

#[test]
fn a_container_that_is_started_again_and_ends_again_is_told_once_whether_it_runs_just_now_or_not() {
    let message = WORDS.to_owned();
    for (fate, expected) in [
        (PodFate::CrashLoop { exit_code: 42, message: message.clone() }, "ContainerCrashLoopBackOff"),
        (PodFate::CrashLoop { exit_code: 139, message: String::new() }, "ContainerCrashLoopBackOff"),
        (PodFate::InitCrashLoop { exit_code: 9, message }, "ContainerCrashLoopBackOff"),
        (PodFate::OutOfMemory, "ContainerOOMKilled"),
    ] {
        let mut stage = stage(&pods(fate.clone()));
        stage.put(&manifests::secret("my-registry", "kubernetes.io/dockerconfigjson", &[".dockerconfigjson"]));
        stage.put(&manifests::adapters("phi"));
        (&mut stage as &mut dyn Stage).until_refused("phi", "InferenceReady", expected, "phi-0");
        let (words, writes) = (condition(&stage, "phi", "InferenceReady"), stage.writes());
        let (mut ran, mut restarts) = (0, std::collections::BTreeSet::new());
        for _ in 0..60 {
            stage.world().advance(jiff::SignedDuration::from_secs(30));
            let status = stage.get(Kind::Pod, "phi-0").expect("it is there")["status"].clone();
            let all = ["initContainerStatuses", "containerStatuses"].map(|list| status[list].as_array().cloned());
            let all: Vec<Value> = all.into_iter().flatten().flatten().collect();
            let loops = all.iter().find(|container| container["restartCount"] != 0).expect("one is restarted");
            ran += u32::from(loops["state"].get("running").is_some());
            restarts.insert(loops["restartCount"].as_u64());
            assert_eq!(condition(&stage, "phi", "InferenceReady"), words, "{fate:?}: {loops}");
        }
        assert!(ran >= 5 && restarts.len() >= 4, "{fate:?}: it runs in between: {ran}, {restarts:?}");
        assert_eq!(stage.writes(), writes, "{fate:?}: a restart is no news");
    }
}

#[test]
fn machines_that_a_provisioner_gives_up_are_asked_for_ever_more_rarely_and_its_words_stay() {
    let fate = cloud(CloudFate::GivesUp { reason: "SubscriptionQuotaReached".to_owned(), message: WORDS.to_owned() });
    let mut stage = stage(&fate);
    stage.put(&manifests::phi_4_mini("phi"));
    let claims = |stage: &dyn Stage| -> Vec<String> {
        stage.list(Kind::NodeClaim).iter().map(|claim| claim["metadata"]["uid"].to_string()).collect()
    };
    let mut asked = std::collections::BTreeSet::new();
    for _ in 0..6 * 60 {
        stage.world().advance(jiff::SignedDuration::from_mins(1));
        asked.extend(claims(&stage));
    }
    assert!((6..=16).contains(&asked.len()), "{} claims in six hours", asked.len());
    // Whether a claim is there just now or not: it is told why none came, on what is read first too.
    for _ in 0..40 {
        stage.world().advance(jiff::SignedDuration::from_mins(1));
        for type_ in ["NodeClaimReady", "ResourceReady", "WorkspaceSucceeded"] {
            let (status, reason, words) = condition(&stage, "phi", type_).expect("it is told");
            assert_eq!(status, "False");
            assert!(words.contains(WORDS) && words.contains("remedy:"), "{type_}: {reason}: {words}");
        }
        let (.., nodes) = condition(&stage, "phi", "NodesReady").expect("it is told");
        assert!(nodes.contains("overdue since"), "the wait goes on, however often a machine is asked for: {nodes}");
    }
    let says = |stage: &dyn Stage| condition(stage, "phi", "NodeClaimReady").map(|(_, reason, _)| reason);
    (&mut stage as &mut dyn Stage)
        .until("no claim is there", &|stage| says(stage).as_deref() == Some("NodeClaimGivenUp"));
    let (.., words) = condition(&stage, "phi", "NodeClaimReady").expect("it is told");
    assert!(words.contains("NodeClaims in a row were deleted since 2026-"), "{words}");
    stage.world().set_fate(&Fate::default());
    (&mut stage as &mut dyn Stage).until_ready("phi");
    (&mut stage as &mut dyn Stage).expect_quiet();
    let annotations = stage.get(Kind::Workspace, "phi").expect("it is there")["metadata"]["annotations"].clone();
    assert!(!annotations.to_string().contains("given-up"), "what is over is forgotten: {annotations}");
}

#[test]
fn pods_that_are_made_anew_again_and_again_are_overdue_all_the_same() {
    let mut stage = stage(&pods(PodFate::NeverReady));
    stage.put(&manifests::phi_4_mini("phi"));
    let mut told = std::collections::BTreeSet::new();
    for minutes in (0..240).step_by(10) {
        stage.world().advance(jiff::SignedDuration::from_mins(10));
        if stage.get(Kind::Pod, "phi-0").is_some() {
            stage.remove(Kind::Pod, "phi-0");
        }
        let (.., words) = condition(&stage, "phi", "InferenceReady").expect("it is told");
        if minutes >= 120 {
            assert!(words.contains("overdue since"), "{words}");
            told.insert(words);
        }
    }
    assert_eq!(told.len(), 1, "the words change with every pod: {told:#?}");
}

#[test]
fn ready_is_said_only_while_an_endpoint_serves() {
    let mut stage = stage(&Fate::default());
    stage.put(&manifests::phi_4_mini("phi"));
    (&mut stage as &mut dyn Stage).until("the set is ready", &|world| {
        world.get(Kind::StatefulSet, "phi").is_some_and(|set| set["status"]["readyReplicas"] == 1)
    });
    (&mut stage as &mut dyn Stage).until_ready("phi");
    stage.pass_time();
    // Somebody takes the endpoints away: the slice is not theirs to keep, but the time until it is mended is told.
    let slice = stage
        .list(Kind::EndpointSlice)
        .into_iter()
        .find(|slice| slice["metadata"]["labels"]["kubernetes.io/service-name"] == "phi")
        .expect("a slice");
    let mut broken = slice.clone();
    broken["endpoints"] = json!([]);
    stage.put(&broken);
    (&mut stage as &mut dyn Stage).until_refused("phi", "InferenceReady", "EndpointNotServing", "Service phi");
    assert_eq!(state(&stage, "phi"), "NotReady");
    (&mut stage as &mut dyn Stage).until_ready("phi");
}

#[test]
fn pods_of_somebody_else_under_our_label_are_not_looked_at() {
    let mut stage = stage(&pods(PodFate::NeverReady));
    let theirs = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "theirs", "labels": {"kaito.sh/workspace": "phi"}},
        "spec": {"containers": [{"name": "c"}], "nodeName": "elsewhere"},
        "status": {"phase": "Failed", "reason": "Evicted", "message": "of no concern"},
    });
    stage.put(&theirs);
    stage.put(&manifests::phi_4_mini("phi"));
    stage.pass_time();
    let (_, reason, words) = condition(&stage, "phi", "InferenceReady").expect("it is told");
    assert_eq!(reason, "WorkspaceInferenceStatusPending", "{words}");
}

#[test]
fn a_secret_that_a_pod_must_have_is_named_by_the_kubelet_and_its_arrival_starts_the_pod() {
    let mut stage = stage(&Fate::default());
    let owner = json!([{"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "u"}]);
    let wants = json!([{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]);
    stage.put(&json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}, "status": {}}));
    stage.put(&json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "ownerReferences": owner},
        "spec": {"nodeName": "n", "containers": [{"name": "c", "env": wants}]},
    }));
    let says = |stage: &dyn Stage| stage.get(Kind::Pod, "p").map(|pod| pod["status"]["containerStatuses"][0].clone());
    let refuses = |words: &'static str| {
        move |stage: &dyn Stage| says(stage).is_some_and(|said| said["state"]["waiting"]["message"] == words)
    };
    stage.until("the Secret is named", &refuses("secret \"s\" not found"));
    let secret = |keys: Value| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": keys});
    stage.put(&secret(json!({"other": ""})));
    stage.until("the key is named", &refuses("couldn't find key k in Secret default/s"));
    stage.put(&secret(json!({"k": ""})));
    stage.until("it runs", &|stage| says(stage).is_some_and(|said| said["ready"] == true));
}

#[test]
fn a_stripped_status_changes_no_wait() {
    let key = ObjectKey::new(Kind::Workspace, "default", "llama");
    for (fate, type_) in [
        (cloud(CloudFate::NeverLaunches), "NodeClaimReady"),
        (cloud(CloudFate::NodeNeverReady { message: WORDS.to_owned() }), "NodesReady"),
        (cloud(CloudFate::GpusNeverAppear), "NodesReady"),
        (pods(PodFate::NeverReady), "InferenceReady"),
        (pods(PodFate::NeverServes), "InferenceReady"),
    ] {
        let mut stage = stage(&fate);
        stage.put(&manifests::two_nodes("llama"));
        stage.pass_time();
        let before = condition(&stage, "llama", type_).expect("it is told");
        assert!(before.2.contains("overdue since"), "{before:?}");
        let uid = stage.get(Kind::Workspace, "llama").expect("it is there")["metadata"]["uid"].clone();
        let strip = |store: &mut kaito_core::memory::Store| {
            store.write_status(&key, uid.as_str().unwrap_or_default(), None, &json!({})).map(|_| ())
        };
        stage.world().cluster().with_store(strip).expect("stripped");
        stage.pass_time();
        let after = condition(&stage, "llama", type_).expect("it is told");
        assert_eq!(before, after, "the same wait, since the same time");
        assert!(!is_true(&stage, "llama", "WorkspaceSucceeded"));
    }
}

#[test]
fn a_node_that_says_something_else_at_each_heartbeat_is_told_once_and_in_full_when_it_is_overdue() {
    let said = |minutes| format!("PLEG is not healthy: pleg was last seen active {minutes}m2.5s ago");
    let mut stage = stage(&cloud(CloudFate::NodeNeverReady { message: said(3) }));
    stage.put(&manifests::phi_4_mini("phi"));
    (&mut stage as &mut dyn Stage).until_refused("phi", "NodesReady", "NodeNotReady", ": KubeletNotReady; next: ");
    let before = stage.get(Kind::Workspace, "phi");
    let node = stage.list(Kind::Node).remove(0);
    let key = ObjectKey::cluster(Kind::Node, node["metadata"]["name"].as_str().expect("a name"));
    let uid = node["metadata"]["uid"].as_str().expect("a uid").to_owned();
    let mut status = node["status"].clone();
    status["conditions"][0]["message"] = json!(said(4));
    let write = |store: &mut kaito_core::memory::Store| store.write_status(&key, &uid, None, &status).map(|_| ());
    stage.world().cluster().with_store(write).expect("a heartbeat");
    stage.world().run(jiff::SignedDuration::from_mins(1), |_| false);
    assert_eq!(stage.get(Kind::Workspace, "phi"), before);
    stage.pass_time();
    let (.., words) = condition(&stage, "phi", "NodesReady").expect("it is told");
    assert!(words.contains(&format!(": KubeletNotReady: {}; overdue since 2026-", said(4))), "{words}");
}

#[test]
fn gpus_that_go_away_are_waited_for_from_then_on() {
    let mut stage = stage(&Fate::default());
    stage.put(&manifests::phi_4_mini("phi"));
    (&mut stage as &mut dyn Stage).until_ready("phi");
    stage.pass_time();
    let node = stage.list(Kind::Node).remove(0);
    let key = ObjectKey::cluster(Kind::Node, node["metadata"]["name"].as_str().expect("a name"));
    let mut status = node["status"].clone();
    status["allocatable"]["nvidia.com/gpu"] = json!("0");
    let uid = node["metadata"]["uid"].as_str().expect("a uid").to_owned();
    let write = |store: &mut kaito_core::memory::Store| store.write_status(&key, &uid, None, &status).map(|_| ());
    stage.world().cluster().with_store(write).expect("the plugin is gone");
    stage.patch(
        Kind::Workspace,
        "phi",
        &json!({"metadata": {"annotations": {"touched": "so that the world goes on"}}}),
    );
    (&mut stage as &mut dyn Stage).until_refused("phi", "NodesReady", "NodePluginsNotReady", "until 2026-");
    stage.pass_time();
    let (.., words) = condition(&stage, "phi", "NodesReady").expect("it is told");
    assert!(words.contains("shows 0 of 1 in nvidia.com/gpu; overdue since 2026-"), "{words}");
}
