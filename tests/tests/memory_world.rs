//! Stories that a real API server cannot tell: objects that its schema would refuse, moments that pass too quickly, faults on order.

use async_trait::async_trait;
use jiff::SignedDuration;
use kaito_api::vocabulary::{ImageFamily, annotations};
use kaito_core::backend::{BackendError, ClusterBackend, ErrorKind, Written};
use kaito_core::effect::Effect;
use kaito_core::memory::{MemoryCluster, World};
use kaito_core::plan::{Notice, StatusWrite};
use kaito_core::snapshot::Answer;
use kaito_core::{Kind, NodeProvisioner, ObjectKey, Read, Settings, WorkspacePlanner, driver, manifest, render};
use kaito_tests::stage::{MemoryStage, Stage, condition, is_true, state};
use kaito_tests::{golden, manifests};
use serde_json::{Value, json};
use std::sync::Arc;

fn stage() -> MemoryStage {
    MemoryStage::new("default")
}

#[test]
fn a_missing_token_is_told_while_the_pods_start_and_does_not_keep_them_from_it() {
    let mut stage = stage();
    let mut manifest = manifests::phi_4_mini("gated");
    manifest["inference"]["preset"]["presetOptions"] = json!({"modelAccessSecret": "hub"});
    stage.put(&manifest);
    let world: &mut dyn Stage = &mut stage;
    world.until_refused("gated", "InferenceReady", "ModelAccessSecretNotUsable", "hub");
    world.until_ready("gated");
}

#[test]
fn a_missing_pull_secret_of_an_adapter_is_told_while_the_pods_start() {
    let mut stage = stage();
    stage.put(&manifests::adapters("lora"));
    let world: &mut dyn Stage = &mut stage;
    let words = "inference.adapters[0].source.imagePullSecrets[0]: Secret my-registry does not exist";
    world.until_refused("lora", "InferenceReady", "AdapterPullSecretNotUsable", words);
    world.put(
        &json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "my-registry"}, "data": {"token": ""}}),
    );
    world.until_refused("lora", "InferenceReady", "AdapterPullSecretNotUsable", "has no key .dockerconfigjson");
}

#[test]
fn weights_that_lie_on_the_node_are_read_there_by_every_runtime_and_none_are_brought() {
    let mut slow = manifests::preset("w", "phi-3.5-mini-instruct", "Standard_NV36ads_A10_v5");
    slow["metadata"]["annotations"] = json!({"kaito.sh/runtime": "transformers"});
    let rows = [
        (
            manifests::preset("w", "phi-4-mini-instruct", "Standard_NC24ads_A100_v4"),
            "--load-format=runai_streamer --max-model-len=auto --model=/opt/kaito/models/phi-4-mini-instruct ",
        ),
        (manifests::phi_3_mini("w"), "--model=/opt/kaito/models/phi-3-mini-4k-instruct --"),
        (slow, "--pretrained_model_name_or_path=/opt/kaito/models/phi-3.5-mini-instruct --"),
    ];
    for (mut manifest, flag) in rows {
        let brought = pods_of(&manifest);
        manifest["metadata"]["annotations"]["kaito.sh/use-local-weights"] = json!("true");
        let set = pods_of(&manifest);
        let (pod, server) = (&set["spec"]["template"]["spec"], &set["spec"]["template"]["spec"]["containers"][0]);
        let line = server["command"][2].as_str().unwrap();
        assert!(line.contains(flag) && !line.contains("download-dir") && !line.contains("load_format"), "{line}");
        let directory =
            flag.split_once("/opt").map(|(_, rest)| format!("/opt{}", rest.split(' ').next().unwrap())).unwrap();
        let mounted =
            server["volumeMounts"].as_array().unwrap().iter().find(|mount| mount["mountPath"] == directory.as_str());
        assert_eq!(mounted.map(|mount| &mount["readOnly"]), Some(&json!(true)), "{server}");
        assert!(pod["volumes"].to_string().contains(&format!("\"path\":\"{directory}\"")), "{pod}");
        assert!(pod["initContainers"].is_null() && set["spec"]["volumeClaimTemplates"].is_null(), "{set}");
        assert!(
            !set.to_string().contains("model-weights-volume") && brought.to_string().contains("model-weights-volume")
        );
    }
    let artefact = pods_of(&manifests::phi_3_mini("w"));
    assert_eq!(artefact["spec"]["template"]["spec"]["initContainers"][0]["name"], "model-weights-downloader");
}

/// The set that a Workspace `w` comes to.
fn pods_of(manifest: &Value) -> Value {
    let mut stage = stage();
    stage.put(manifest);
    (&mut stage as &mut dyn Stage).until_ready("w");
    stage.get(Kind::StatefulSet, "w").unwrap()
}

/// A set of the Go operator, or of an older version of this one, remembers nothing of the settings that its pods were made with.
#[test]
fn a_set_that_is_taken_over_learns_its_settings_without_a_restart_and_follows_the_next_edit() {
    const DIGEST: &str = "kaito.sh/inference-config-digest";
    let mut manifest = manifests::phi_4_mini("phi");
    manifest["inference"]["config"] = json!("my-settings");
    for remembered in [json!(null), json!("v0.made-in-another-way")] {
        let mut stage = stage();
        stage.put(&yaml("vllm: {max-model-len: 4096}\n"));
        stage.put(&manifest);
        (&mut stage as &mut dyn Stage).until_ready("phi");
        let before = stage.get(Kind::StatefulSet, "phi").unwrap()["spec"].clone();
        let uid = |stage: &MemoryStage| stage.get(Kind::Pod, "phi-0").unwrap()["metadata"]["uid"].clone();
        let pod = uid(&stage);
        stage.patch(Kind::StatefulSet, "phi", &json!({"metadata": {"annotations": {DIGEST: remembered}}}));
        (&mut stage as &mut dyn Stage).until("it remembers", &|stage| {
            let set = stage.get(Kind::StatefulSet, "phi").unwrap();
            set["metadata"]["annotations"][DIGEST].as_str().is_some_and(|digest| digest.starts_with("v1."))
        });
        (&mut stage as &mut dyn Stage).expect_quiet();
        assert_eq!((stage.get(Kind::StatefulSet, "phi").unwrap()["spec"].clone(), uid(&stage)), (before, pod.clone()));
        stage.put(&yaml("vllm: {max-model-len: 2048}\n"));
        (&mut stage as &mut dyn Stage).until("another pod", &|stage| {
            stage.get(Kind::Pod, "phi-0").is_some_and(|now| now["metadata"]["uid"] != pod)
        });
        (&mut stage as &mut dyn Stage).until_ready("phi");
    }
}

#[test]
fn pods_that_run_are_left_alone_when_an_adapter_is_changed_to_one_that_cannot_be() {
    let mut stage = stage();
    stage.put(&manifests::adapters("lora"));
    let world: &mut dyn Stage = &mut stage;
    world.until_ready("lora");
    let before = world.get(Kind::StatefulSet, "lora");
    let bad = json!([{"source": {"name": "tone", "image": "ACR_REPO_HERE.azurecr.io/ADAPTER_HERE:0.0.1"}}]);
    world.patch(Kind::Workspace, "lora", &json!({"inference": {"adapters": bad}}));
    world.until_refused("lora", "ResourceReady", "InvalidWorkspace", "inference.adapters[0].source.image");
    world.expect_quiet();
    assert_eq!(world.get(Kind::StatefulSet, "lora"), before);
}

/// Everything of a world in which an edit made nothing: the set as it was, and not one machine more.
fn is_left_alone(world: &mut dyn Stage, name: &str, reason: &str, words: &str, edit: &dyn Fn(&mut dyn Stage)) {
    let before = (world.get(Kind::StatefulSet, name), world.list(Kind::NodeClaim).len());
    edit(world);
    world.until_refused(name, "ResourceReady", reason, words);
    world.expect_quiet();
    assert_eq!((world.get(Kind::StatefulSet, name), world.list(Kind::NodeClaim).len()), before);
}

/// Settings that name a context of so many tokens.
fn length(tokens: u32) -> Value {
    yaml(&format!("vllm: {{max-model-len: {tokens}}}\n"))
}

fn yaml(settings: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "my-settings"}, "data": {"inference_config.yaml": settings}})
}

/// A model that is served with settings of its own.
fn stage_with_settings() -> MemoryStage {
    let mut manifest = manifests::preset("phi", "phi-3.5-mini-instruct", "Standard_NV36ads_A10_v5");
    manifest["inference"]["config"] = json!("my-settings");
    let mut stage = stage();
    stage.put(&length(8192));
    stage.put(&manifest);
    stage
}

#[test]
fn settings_for_which_the_gpus_have_no_memory_reach_no_pods_that_run() {
    let mut stage = stage_with_settings();
    let world: &mut dyn Stage = &mut stage;
    world.until_ready("phi");
    is_left_alone(world, "phi", "ModelDoesNotFit", "Standard_NV36ads_A10_v5", &|world| world.put(&length(131_072)));
    world.put(&length(4096));
    world.until_ready("phi");
    let template = &world.get(Kind::StatefulSet, "phi").unwrap()["spec"]["template"];
    assert!(template["metadata"]["annotations"]["kaito.sh/inference-config-digest"].is_string(), "{template}");
}

#[test]
fn settings_that_come_to_be_beyond_the_gpus_before_there_is_a_pod_make_none() {
    let mut stage = stage_with_settings();
    let world: &mut dyn Stage = &mut stage;
    world.until("a machine is on its way", &|stage| !stage.list(Kind::NodeClaim).is_empty());
    world.put(&length(131_072));
    world.until_refused("phi", "ResourceReady", "ModelDoesNotFit", "Standard_NV36ads_A10_v5");
    world.expect_quiet();
    assert!(world.get(Kind::StatefulSet, "phi").is_none());
    world.put(&length(8192));
    world.until_ready("phi");
}

#[test]
fn a_model_that_takes_more_machines_than_there_are_takes_the_place_of_none_that_runs() {
    let mut stage = stage();
    stage.put(&manifests::phi_4_mini("phi"));
    let world: &mut dyn Stage = &mut stage;
    world.until_ready("phi");
    let name = |name: &str| json!({"inference": {"preset": {"name": name}}});
    let words = "takes 4 nodes of Standard_NV36ads_A10_v5 now, and this Workspace has 1";
    is_left_alone(world, "phi", "MoreNodesThanAsked", words, &|world| {
        world.patch(Kind::Workspace, "phi", &name("qwen2.5-coder-32b-instruct"));
    });
    let before = world.get(Kind::StatefulSet, "phi");
    world.patch(Kind::Workspace, "phi", &name("phi-4-mini-instruct"));
    world.until_ready("phi");
    assert_eq!(world.get(Kind::StatefulSet, "phi"), before);
}

/// A set of the Go operator with a length that its server took, or with groups that somebody has laid over more machines by hand.
#[test]
fn a_model_that_runs_as_it_is_asked_for_is_not_stopped_by_a_formula_that_says_it_cannot() {
    for settings in [length(131_072), yaml("vllm: {tensor-parallel-size: 2}\n")] {
        let mut stage = stage_with_settings();
        (&mut stage as &mut dyn Stage).until_ready("phi");
        let pod = stage.get(Kind::Pod, "phi-0").unwrap();
        stage.put(&settings);
        stage.patch(
            Kind::StatefulSet,
            "phi",
            &json!({"metadata": {"annotations": {"kaito.sh/inference-config-digest": null}}}),
        );
        stage.pass_time();
        (&mut stage as &mut dyn Stage).until_ready("phi");
        (&mut stage as &mut dyn Stage).expect_quiet();
        assert_eq!(stage.get(Kind::Pod, "phi-0").unwrap()["metadata"]["uid"], pod["metadata"]["uid"]);
    }
}

#[test]
fn pods_of_the_users_own_that_run_are_left_alone_when_the_template_is_broken_and_follow_when_it_is_whole_again() {
    let mut stage = stage();
    stage.put(&manifests::own_template("own"));
    let world: &mut dyn Stage = &mut stage;
    world.until_ready("own");
    let before = world.get(Kind::StatefulSet, "own");
    world.patch(Kind::Workspace, "own", &json!({"inference": {"template": {"spec": {"containers": "server"}}}}));
    world.until_refused("own", "ResourceReady", "InvalidWorkspace", "inference.template");
    world.expect_quiet();
    assert_eq!((world.get(Kind::StatefulSet, "own"), world.list(Kind::NodeClaim).len()), (before, 1));
    let mut whole = manifests::own_template("own");
    whole["inference"]["template"]["spec"]["containers"][0]["image"] = json!("registry.example.com/llm/server:2");
    world.put(&whole);
    world.until_ready("own");
    let set = world.get(Kind::StatefulSet, "own").unwrap();
    assert_eq!(set["spec"]["template"]["spec"]["containers"][0]["image"], "registry.example.com/llm/server:2");
}

#[test]
fn beside_a_template_what_only_our_runtimes_take_is_unused_and_keeps_nobody_waiting() {
    let mut stage = stage();
    let mut manifest = manifests::own_template("own");
    manifest["resource"]["count"] = json!(2);
    manifest["metadata"]["annotations"] = json!({"kaito.sh/runtime": "transformers"});
    // Neither of the two exists.
    manifest["inference"]["config"] = json!("no-such-settings");
    let secrets = json!(["no-such-secret"]);
    manifest["inference"]["adapters"] = json!([
        {"source": {"name": "tone", "image": "registry.example.com/a:1", "imagePullSecrets": secrets}, "strength": "0.5"},
    ]);
    stage.put(&manifest);
    let world: &mut dyn Stage = &mut stage;
    world.until_ready("own");
    assert_eq!((world.list(Kind::NodeClaim).len(), world.list(Kind::Pod).len()), (2, 2));
    assert!(!world.get(Kind::Service, "own").unwrap().to_string().contains("kv-events"));
    let pod = world.get(Kind::StatefulSet, "own").unwrap()["spec"]["template"].to_string();
    assert!(!pod.contains("tone") && !pod.contains("no-such"), "{pod}");
}

#[test]
fn an_object_that_cannot_be_read_is_named_and_does_not_stop_the_others() {
    let mut stage = stage();
    let mut broken = manifests::phi_4_mini("broken");
    broken["resource"]["count"] = json!("two");
    stage.put(&broken);
    stage.put(&manifests::phi_4_mini("whole"));
    let world: &mut dyn Stage = &mut stage;
    world.until_ready("whole");
    let (status, reason, words) = condition(world, "broken", "ResourceReady").expect("it is told");
    assert_eq!((status.as_str(), reason.as_str()), ("False", "InvalidWorkspace"));
    assert!(words.contains("count"), "{words}");
    world.expect_quiet();
}

#[test]
fn a_claim_that_cannot_be_read_keeps_its_slot_so_that_no_machine_is_bought_twice() {
    let mut stage = stage();
    stage.put(&manifests::phi_4_mini("phi"));
    (&mut stage as &mut dyn Stage).until_ready("phi");
    let claim = stage.list(Kind::NodeClaim).remove(0);
    let mut broken = claim.clone();
    broken["spec"]["requirements"] = json!("none");
    stage.put(&broken);
    stage.pass_time();
    assert_eq!(stage.list(Kind::NodeClaim).len(), 1);
    let (_, reason, words) = condition(&stage, "phi", "ResourceReady").expect("it is told");
    assert_eq!(reason, "MalformedObject");
    assert!(words.contains(claim["metadata"]["name"].as_str().expect("a name")), "{words}");
}

#[test]
fn a_broken_workspace_can_be_deleted_and_gives_its_machines_back() {
    let mut stage = stage();
    stage.put(&manifests::phi_4_mini("phi"));
    (&mut stage as &mut dyn Stage).until_ready("phi");
    let mut broken = stage.get(Kind::Workspace, "phi").expect("it is there");
    broken["resource"]["count"] = json!("two");
    stage.put(&broken);
    stage.pass_time();
    assert!(!stage.list(Kind::NodeClaim).is_empty(), "what runs goes on");
    stage.remove(Kind::Workspace, "phi");
    stage.until("nothing is left", &|world| {
        world.list(Kind::NodeClaim).is_empty() && world.get(Kind::Workspace, "phi").is_none()
    });
}

#[test]
fn a_stripped_status_never_shrinks_a_workload() {
    let mut stage = stage();
    stage.put(&manifests::two_nodes("coder"));
    (&mut stage as &mut dyn Stage).until_ready("coder");
    let claims = |stage: &MemoryStage| {
        stage.list(Kind::NodeClaim).iter().map(|claim| claim["metadata"]["uid"].clone()).collect::<Vec<_>>()
    };
    let before = claims(&stage);
    let uid = stage.get(Kind::Workspace, "coder").expect("it is there")["metadata"]["uid"]
        .as_str()
        .expect("a uid")
        .to_owned();
    let key = ObjectKey::new(Kind::Workspace, "default", "coder");
    stage
        .world()
        .cluster()
        .with_store(|store| store.write_status(&key, &uid, None, &json!({})).map(|_| ()))
        .expect("stripped");
    stage.pass_time();
    assert_eq!(before, claims(&stage));
    assert!(is_true(&stage, "coder", "WorkspaceSucceeded") && state(&stage, "coder") == "Ready");
}

#[test]
fn machines_stay_while_the_api_server_does_not_serve_workspaces() {
    for (provisioner, kind) in [(NodeProvisioner::default(), Kind::NodeClaim), (golden::karpenter(), Kind::NodePool)] {
        let mut world = World::installed(&Settings { provisioner, ..Settings::default() });
        world.put(&ObjectKey::new(Kind::Workspace, "default", "phi"), &manifests::phi_4_mini("phi")).unwrap();
        render::settle(&mut world);
        let uids = |world: &World| {
            world.cluster().with_store(|store| {
                let found = store.iter().filter(|(key, _)| [kind, Kind::Node].contains(&key.kind));
                found.map(|(_, value)| value["metadata"]["uid"].clone()).collect::<Vec<_>>()
            })
        };
        let before = uids(&world);
        assert_eq!(before.len(), 2, "a machine and what asks for it");
        world.serve(Kind::Workspace, false);
        world.advance(SignedDuration::from_hours(1));
        assert_eq!(uids(&world), before, "nobody can tell that the Workspace is gone");
        world.serve(Kind::Workspace, true);
        world.advance(SignedDuration::from_hours(1));
        assert_eq!(uids(&world), before);
    }
}

#[test]
fn a_machine_has_the_images_that_its_workspace_names_else_those_of_the_operators_flag() {
    for (named, asked) in [(None, "azurelinux"), (Some("Ubuntu"), "ubuntu"), (Some("no-such"), "azurelinux")] {
        let settings = Settings { image_family: ImageFamily::AzureLinux, ..Settings::default() };
        let mut world = World::installed(&settings);
        let mut manifest = manifests::phi_4_mini("phi");
        if let Some(named) = named {
            manifest["metadata"]["annotations"] = json!({annotations::NODE_IMAGE_FAMILY: named});
        }
        world.put(&ObjectKey::new(Kind::Workspace, "default", "phi"), &manifest).unwrap();
        render::settle(&mut world);
        let claims = world.cluster().with_store(|store| {
            let claims = store.iter().filter(|(key, _)| key.kind == Kind::NodeClaim);
            claims
                .map(|(_, claim)| claim["metadata"]["annotations"][annotations::NODE_IMAGE_FAMILY].clone())
                .collect::<Vec<_>>()
        });
        assert_eq!(claims, [asked], "{named:?}");
    }
}

#[test]
fn a_size_that_the_cloud_does_not_have_ends_in_the_clouds_own_words() {
    let mut stage = stage();
    // Known to the registry for its memory, unknown to this region: the simulated cloud has only what it is told.
    stage.put(&manifests::phi_4_mini("phi"));
    (&mut stage as &mut dyn Stage).until("a claim is made", &|world| !world.list(Kind::NodeClaim).is_empty());
    let claim = stage.list(Kind::NodeClaim).remove(0);
    let key = ObjectKey::cluster(Kind::NodeClaim, claim["metadata"]["name"].as_str().expect("a name"));
    let refused = json!({"conditions": [{"type": "Launched", "status": "False", "reason": "InsufficientCapacityError", "message": "no Standard_NV36ads_A10_v5 left in zone 1"}]});
    let uid = claim["metadata"]["uid"].as_str().expect("a uid").to_owned();
    stage
        .world()
        .cluster()
        .with_store(|store| store.write_status(&key, &uid, None, &refused).map(|_| ()))
        .expect("refused");
    let world: &mut dyn Stage = &mut stage;
    world.until_refused(
        "phi",
        "ResourceReady",
        "InsufficientCapacityError",
        "no Standard_NV36ads_A10_v5 left in zone 1",
    );
}

#[test]
fn a_write_under_an_old_version_is_refused_as_a_conflict() {
    let mut stage = stage();
    stage.put(&manifests::phi_4_mini("phi"));
    let key = ObjectKey::new(Kind::Workspace, "default", "phi");
    let uid =
        stage.get(Kind::Workspace, "phi").expect("it is there")["metadata"]["uid"].as_str().expect("a uid").to_owned();
    let refusal = stage
        .world()
        .cluster()
        .with_store(|store| store.write_status(&key, &uid, Some("0"), &json!({})).expect_err("a conflict"));
    assert_eq!(refusal.kind, ErrorKind::Conflict);
    render::settle(stage.world());
    assert_eq!(state(&stage, "phi"), "Ready");
}

#[test]
fn a_claim_of_our_name_that_is_not_ours_is_named_and_left_alone() {
    let mut stage = stage();
    stage.put(&manifests::phi_4_mini("phi"));
    let uid =
        stage.get(Kind::Workspace, "phi").expect("it is there")["metadata"]["uid"].as_str().expect("a uid").to_owned();
    let name = manifest::claim_name(&uid, 0, 0);
    stage.put(&json!({"apiVersion": "karpenter.sh/v1", "kind": "NodeClaim", "metadata": {"name": name, "labels": {"team": "other"}}, "spec": {}}));
    let world: &mut dyn Stage = &mut stage;
    world.until("it is told", &|world| {
        condition(world, "phi", "InferenceReady").is_some_and(|(_, reason, _)| reason == "NameTaken")
    });
    let theirs = world.get(Kind::NodeClaim, &name).expect("it is still there");
    assert_eq!(theirs["metadata"]["labels"], json!({"team": "other"}));
}

/// A cluster in which somebody deletes the root at the worst moment: after it was read, before anything is written.
struct Vanishing<'a> {
    cluster: &'a MemoryCluster,
    root: ObjectKey,
}

#[async_trait]
impl ClusterBackend for Vanishing<'_> {
    async fn read(&self, read: &Read) -> Result<Answer, BackendError> {
        self.cluster.read(read).await
    }
    async fn perform(&self, effect: &Effect) -> Result<Written, BackendError> {
        let _ = self.cluster.with_store(|store| store.delete(&self.root, None));
        self.cluster.perform(effect).await
    }
    async fn write_status(&self, write: &StatusWrite) -> Result<Written, BackendError> {
        self.cluster.write_status(write).await
    }
    async fn publish(&self, about: &ObjectKey, uid: &str, notice: &Notice) {
        self.cluster.publish(about, uid, notice).await;
    }
}

#[tokio::test]
async fn no_machine_is_bought_for_a_workspace_that_vanishes_between_reading_and_writing() {
    let mut stage = stage();
    stage.put(&manifests::phi_4_mini("phi"));
    let root = ObjectKey::new(Kind::Workspace, "default", "phi");
    let cluster = Arc::clone(stage.world().cluster());
    let backend = Vanishing { cluster: &cluster, root: root.clone() };
    let report = driver::reconcile(&backend, &WorkspacePlanner, &root, &Settings::default(), stage.world().now())
        .await
        .expect("the cluster can be read");
    assert!(report.again, "looked at again at once");
    assert!(stage.list(Kind::NodeClaim).is_empty(), "{:?}", report.written);
}

#[tokio::test]
async fn a_look_at_a_model_that_is_served_asks_for_no_job() {
    let mut stage = stage();
    stage.put(&manifests::phi_4_mini("phi"));
    (&mut stage as &mut dyn Stage).until_ready("phi");
    let root = ObjectKey::new(Kind::Workspace, "default", "phi");
    let (cluster, now) = (Arc::clone(stage.world().cluster()), stage.world().now());
    let report = driver::reconcile(&*cluster, &WorkspacePlanner, &root, &Settings::default(), now)
        .await
        .expect("it can be read");
    let of_jobs: Vec<&Read> = report.reads.iter().filter(|read| read.kind() == Some(Kind::Job)).collect();
    assert!(of_jobs.is_empty(), "none is cached, so that each look is a request: {of_jobs:?}");
}

#[test]
fn a_training_that_is_over_buys_no_machine_again() {
    let mut stage = stage();
    stage.put(&manifests::registry_secret("my-push-secret"));
    stage.put(&manifests::tuning("tune"));
    let world: &mut dyn Stage = &mut stage;
    world.until_state("tune", "Succeeded");
    let claim = world.list(Kind::NodeClaim)[0]["metadata"]["name"].as_str().expect("a name").to_owned();
    world.remove(Kind::NodeClaim, &claim);
    world.pass_time();
    assert!(world.list(Kind::NodeClaim).is_empty());
    assert_eq!(state(world, "tune"), "Succeeded");
    let (status, _, words) = condition(world, "tune", "ResourceReady").expect("it is told");
    assert!(status == "False" && words.contains("the training is over"), "{words}");
    world.expect_quiet();
}

#[test]
fn a_secret_without_credentials_for_a_registry_is_told_by_its_missing_key() {
    let mut stage = stage();
    let mut secret = manifests::registry_secret("my-push-secret");
    secret["stringData"] = json!({"password": "x"});
    stage.put(&secret);
    stage.put(&manifests::tuning("tune"));
    let world: &mut dyn Stage = &mut stage;
    world.until_refused("tune", "JobStarted", "SecretNotUsable", ".dockerconfigjson");
    world.put(&manifests::registry_secret("my-push-secret"));
    world.until_state("tune", "Succeeded");
}

#[test]
fn a_template_that_the_chart_lost_is_told_before_a_machine_is_paid_for() {
    let mut stage = stage();
    let release = stage.world().settings().release_namespace.clone();
    let template = ObjectKey::new(Kind::ConfigMap, release, "qlora-params-template");
    stage.world().delete(&template).expect("it is there");
    stage.put(&manifests::tuning("tune"));
    let world: &mut dyn Stage = &mut stage;
    world.until_refused(
        "tune",
        "ResourceReady",
        "TuningConfigNotUsable",
        "ConfigMap qlora-params-template does not exist",
    );
    assert!(world.list(Kind::NodeClaim).is_empty());
}
