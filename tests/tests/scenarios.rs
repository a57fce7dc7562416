//! Short stories of a user and a cluster: told once, played in the memory world and on a real API server, with the same end.

use kaito_core::Kind;
use kaito_core::memory::EXAMPLE_MODEL;
use kaito_tests::manifests;
use kaito_tests::stage::{Operated, RealStage, Stage, condition, is_true, state};
use kaito_tests::{scenarios, under_fire};
use serde_json::{Value, json};
use std::collections::BTreeSet;

scenarios! {
    fn the_seed_becomes_ready_and_then_nothing_is_written_any_more(world) {
        world.put(&manifests::phi_3_mini("phi"));
        world.until_ready("phi");
        assert!(is_true(world, "phi", "ResourceReady") && is_true(world, "phi", "InferenceReady") && is_true(world, "phi", "WorkspaceSucceeded"));
        assert_eq!((world.list(Kind::NodeClaim).len(), world.list(Kind::Node).len()), (1, 1));
        let set = world.get(Kind::StatefulSet, "phi").unwrap();
        assert_eq!(set["spec"]["template"]["spec"]["containers"][0]["image"], "mcr.microsoft.com/aks/kaito/kaito-base:0.0.2");
        world.expect_quiet();
    }

    fn what_the_start_of_a_server_has_measured_reaches_its_status(world) {
        world.put(&manifests::phi_4_mini("phi"));
        world.until("the figure is told", &|world| {
            let workspace = world.get(Kind::Workspace, "phi").unwrap_or_default();
            workspace["status"]["performance"]["metrics"]["peakTokensPerMinute"]["value"] == "12345.5"
        });
        assert!(is_true(world, "phi", "BenchmarkCompleted"));
        world.until_ready("phi");
        world.expect_quiet();
    }

    fn deleting_a_workspace_leaves_nothing(world) {
        world.put(&manifests::phi_3_mini("phi"));
        world.until_ready("phi");
        world.remove(Kind::Workspace, "phi");
        world.until("nothing is left", &|world| {
            [Kind::Workspace, Kind::NodeClaim, Kind::Node, Kind::StatefulSet, Kind::Service, Kind::ControllerRevision, Kind::EndpointSlice, Kind::Pod].iter().all(|kind| world.list(*kind).is_empty())
        });
    }

    fn a_model_that_takes_two_machines_gets_two_and_one_address(world) {
        world.put(&manifests::two_nodes("llama"));
        world.until_ready("llama");
        assert_eq!(world.list(Kind::NodeClaim).len(), 2);
        let workspace = world.get(Kind::Workspace, "llama").unwrap();
        assert_eq!(workspace["status"]["targetNodeCount"], 2);
        assert_eq!(workspace["status"]["workerNodes"].as_array().unwrap().len(), 2);
        let set = world.get(Kind::StatefulSet, "llama").unwrap();
        assert_eq!(set["spec"]["replicas"], 2);
        world.expect_quiet();
    }

    fn a_model_of_a_hub_becomes_ready_at_the_commit_that_was_found_and_what_was_found_is_kept(world) {
        world.put(&manifests::preset("llama", EXAMPLE_MODEL, "Standard_NV36ads_A10_v5"));
        world.until_ready("llama");
        let set = world.get(Kind::StatefulSet, "llama").unwrap();
        let command = set["spec"]["template"]["spec"]["containers"][0]["command"][2].as_str().unwrap().to_owned();
        assert!(command.contains("--revision=c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00"), "{command}");
        let revisions = world.list(Kind::ControllerRevision);
        assert!(revisions.iter().any(|revision| revision["metadata"]["annotations"]["kaito.sh/resolved-model"].is_string()));
        world.expect_quiet();
    }

    fn an_unknown_preset_is_named_with_its_nearest_and_no_machine_is_paid_for(world) {
        world.put(&manifests::preset("typo", "phi-4-mini-instruckt", "Standard_NV36ads_A10_v5"));
        world.until_refused("typo", "ResourceReady", "UnknownPreset", "phi-4-mini-instruct");
        world.expect_quiet();
        assert!(world.list(Kind::NodeClaim).is_empty() && world.get(Kind::StatefulSet, "typo").is_none());
        world.patch(Kind::Workspace, "typo", &json!({"inference": {"preset": {"name": "phi-4-mini-instruct"}}}));
        world.until_ready("typo");
    }

    fn an_unknown_size_is_named_with_its_nearest_and_no_machine_is_paid_for(world) {
        world.put(&manifests::preset("typo", "phi-4-mini-instruct", "Standard_NC24ads_A100_v5"));
        world.until_refused("typo", "ResourceReady", "UnknownInstanceType", "Standard_NC24ads_A100_v4");
        world.expect_quiet();
        assert!(world.list(Kind::NodeClaim).is_empty());
    }

    fn a_size_without_nvidia_gpus_is_refused_in_words(world) {
        world.put(&manifests::preset("amd", "phi-4-mini-instruct", "Standard_NG32ads_V620_v1"));
        world.until_refused("amd", "ResourceReady", "NoRuntimeForGpu", "AMD");
        assert!(world.list(Kind::NodeClaim).is_empty());
    }

    fn both_inference_and_tuning_is_refused_before_a_machine_is_paid_for(world) {
        let mut manifest = manifests::phi_4_mini("both");
        manifest["tuning"] = json!({"preset": {"name": "phi-4"}, "method": "lora", "input": {"urls": ["https://example.com/a"]}, "output": {"image": "r.example.com/a:b", "imagePushSecret": "s"}});
        world.put(&manifest);
        world.until_refused("both", "ResourceReady", "InvalidWorkspace", "tuning");
        assert!(world.list(Kind::NodeClaim).is_empty());
    }

    fn a_workspace_that_is_refused_does_not_stop_the_others(world) {
        world.put(&manifests::preset("bad", "no-such-model", "Standard_NC24ads_A100_v4"));
        world.put(&manifests::phi_4_mini("good"));
        world.until_ready("good");
        assert_eq!(state(world, "bad"), "Pending");
    }

    fn a_missing_config_map_is_named_and_its_arrival_ends_the_wait(world) {
        let mut manifest = manifests::phi_4_mini("set");
        manifest["inference"]["config"] = json!("my-settings");
        world.put(&manifest);
        world.until_refused("set", "ResourceReady", "InferenceConfigNotUsable", "my-settings");
        assert!(world.list(Kind::NodeClaim).is_empty(), "no machine is paid for before the settings are there");
        world.put(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "my-settings"}, "data": {"inference_config.yaml": "vllm:\n  max-model-len: 4096\n"}}));
        world.until_ready("set");
        let set = world.get(Kind::StatefulSet, "set").unwrap();
        assert!(set.to_string().contains("--kaito-config-file=/mnt/config/inference_config.yaml"));
    }

    fn settings_that_break_or_vanish_stop_no_running_model(world) {
        let settings = |yaml: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "my-settings"}, "data": {"inference_config.yaml": yaml}});
        let mut manifest = manifests::phi_4_mini("set");
        manifest["inference"]["config"] = json!("my-settings");
        world.put(&settings("vllm:\n  max-model-len: 4096\n"));
        world.put(&manifest);
        world.until_ready("set");
        let before = world.get(Kind::StatefulSet, "set").unwrap()["spec"].clone();
        world.put(&settings("vllm: [\n"));
        world.until_refused("set", "ResourceReady", "InferenceConfigNotUsable", "is not YAML: ");
        world.remove(Kind::ConfigMap, "my-settings");
        world.until_refused("set", "ResourceReady", "InferenceConfigNotUsable", "my-settings does not exist");
        world.expect_quiet();
        assert_eq!(world.get(Kind::StatefulSet, "set").unwrap()["spec"], before);
        assert_eq!(world.list(Kind::NodeClaim).len(), 1);
        world.put(&settings("vllm:\n  max-model-len: 4096\n"));
        world.until_ready("set");
    }

    fn an_edit_of_the_settings_makes_the_pods_anew_exactly_once(world) {
        let settings = |yaml: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "my-settings"}, "data": {"inference_config.yaml": yaml}});
        let digests = |world: &dyn Stage| {
            let set = world.get(Kind::StatefulSet, "set").unwrap();
            let of = |pointer: &str| set.pointer(&format!("{pointer}/metadata/annotations/kaito.sh~1inference-config-digest")).cloned();
            (of("").unwrap(), of("/spec/template"))
        };
        let mut manifest = manifests::phi_4_mini("set");
        manifest["inference"]["config"] = json!("my-settings");
        world.put(&settings("vllm:\n  max-model-len: 4096\n"));
        world.put(&manifest);
        world.until_ready("set");
        let first = world.get(Kind::StatefulSet, "set").unwrap()["spec"].clone();
        let (remembered, on_pods) = digests(world);
        assert_eq!(on_pods, None, "a new set has the template of the reference");

        // The server is told the same, in other words.
        world.put(&settings("# as before\nvllm: {max_model_len: '4096'}\n"));
        world.expect_quiet();
        assert_eq!(world.get(Kind::StatefulSet, "set").unwrap()["spec"], first);

        world.put(&settings("vllm:\n  max-model-len: 2048\n"));
        world.until("the pods are made anew", &|world| digests(world).1.is_some());
        world.until_ready("set");
        let second = world.get(Kind::StatefulSet, "set").unwrap()["spec"].clone();
        let (now, on_pods) = digests(world);
        assert_eq!(Some(&now), on_pods.as_ref());
        assert_ne!(now, remembered);
        let mut but_for_the_mark = second.clone();
        but_for_the_mark["template"]["metadata"]["annotations"] = first["template"]["metadata"]["annotations"].clone();
        if first["template"]["metadata"]["annotations"].is_null() {
            but_for_the_mark["template"]["metadata"].as_object_mut().unwrap().remove("annotations");
        }
        assert_eq!(but_for_the_mark, first, "nothing but the mark of the edit");
        world.until("the pod has it too", &|world| {
            let pod = world.get(Kind::Pod, "set-0");
            pod.is_some_and(|pod| pod["metadata"]["annotations"]["kaito.sh/inference-config-digest"] == now)
        });
        world.expect_quiet();
        assert_eq!(world.get(Kind::StatefulSet, "set").unwrap()["spec"], second, "once");
        assert_eq!(world.list(Kind::NodeClaim).len(), 1, "the machine stays");
    }

    fn the_longest_name_is_served_and_one_letter_more_is_refused_before_a_machine_is_paid_for(world) {
        let (longest, longer) = ("n".repeat(52), "n".repeat(53));
        world.put(&manifests::phi_4_mini(&longest));
        world.put(&manifests::phi_4_mini(&longer));
        world.until_ready(&longest);
        world.until_refused(&longer, "ResourceReady", "InvalidWorkspace", "metadata.name: must be at most 52 characters");
        assert_eq!((world.list(Kind::NodeClaim).len(), world.list(Kind::Pod).len()), (1, 1));
    }

    fn a_service_of_somebody_else_is_left_alone_and_named(world) {
        let theirs = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "phi", "labels": {"team": "other"}}, "spec": {"ports": [{"name": "web", "port": 8080, "targetPort": 8080}], "selector": {"app": "other"}}});
        world.put(&theirs);
        world.put(&manifests::phi_4_mini("phi"));
        world.until_refused("phi", "InferenceReady", "NameTaken", "phi");
        world.expect_quiet();
        assert!(world.list(Kind::NodeClaim).is_empty(), "no machine is paid for while a name is taken");
        let left = world.get(Kind::Service, "phi").unwrap();
        assert_eq!((&left["spec"]["selector"]["app"], &left["metadata"]["labels"]["team"]), (&json!("other"), &json!("other")));
    }

    fn a_service_that_was_changed_by_hand_is_repaired_and_additions_of_others_stay(world) {
        world.put(&manifests::phi_4_mini("phi"));
        world.until_ready("phi");
        world.patch(Kind::Service, "phi", &json!({"metadata": {"annotations": {"team": "other"}}, "spec": {"selector": {"kaito.sh/workspace": "somewhere-else"}}}));
        world.until("the selector is ours again", &|world| world.get(Kind::Service, "phi").is_some_and(|service| service["spec"]["selector"]["kaito.sh/workspace"] == "phi"));
        assert_eq!(world.get(Kind::Service, "phi").unwrap()["metadata"]["annotations"]["team"], "other");
        world.until_ready("phi"); // Meanwhile the address led nowhere, and that was told.
    }

    fn a_machine_that_is_taken_away_is_replaced(world) {
        world.put(&manifests::phi_4_mini("phi"));
        world.until_ready("phi");
        let first = name(&world.list(Kind::NodeClaim)[0]);
        let uid = world.list(Kind::NodeClaim)[0]["metadata"]["uid"].clone();
        world.remove(Kind::NodeClaim, &first);
        world.until("another claim stands for it", &move |world| world.list(Kind::NodeClaim).iter().any(|claim| claim["metadata"]["uid"] != uid));
        assert_eq!(world.list(Kind::NodeClaim).len(), 1, "never two at once");
        world.until("the workload is back", &|world| state(world, "phi") == "Ready" && world.list(Kind::Node).len() == 1);
    }

    fn a_missing_push_secret_is_named_and_its_arrival_ends_the_wait(world) {
        world.put(&manifests::tuning("tune"));
        world.until("the machine is there", &|world| is_true(world, "tune", "ResourceReady"));
        world.until_refused("tune", "JobStarted", "SecretNotFound", "my-push-secret");
        let (_, _, words) = condition(world, "tune", "JobStarted").unwrap();
        assert!(words.contains("tuning.output.imagePushSecret") && words.contains(world.namespace()), "{words}");
        assert_eq!((world.get(Kind::Job, "tune"), state(world, "tune").as_str()), (None, "Pending"));
        world.put(&manifests::registry_secret("my-push-secret"));
        world.until_state("tune", "Succeeded");
        assert!(is_true(world, "tune", "JobStarted") && is_true(world, "tune", "WorkspaceSucceeded"));
        assert!(world.get(Kind::Service, "tune").is_none(), "a training answers nobody");
        world.expect_quiet();
        assert_eq!(world.list(Kind::NodeClaim).len(), 1, "the machine stays until the Workspace goes");
    }

    fn an_edited_tuning_makes_a_new_job(world) {
        world.put(&manifests::training_on_volume("tune"));
        world.until_state("tune", "Succeeded");
        let first = world.get(Kind::Job, "tune").unwrap()["metadata"]["uid"].clone();
        world.patch(Kind::Workspace, "tune", &json!({"tuning": {"input": {"urls": ["https://data.example.com/sets/other.parquet"]}}}));
        world.until("another Job stands in its place", &move |world| {
            world.get(Kind::Job, "tune").is_some_and(|job| job["metadata"]["uid"] != first && job.to_string().contains("other.parquet"))
        });
        world.until_state("tune", "Succeeded");
        let second = world.get(Kind::Job, "tune").unwrap();
        assert_eq!(second["metadata"]["annotations"]["workspace.kaito.io/revision"], "2");
        assert_eq!(world.list(Kind::NodeClaim).len(), 1, "on the same machine");
        world.expect_quiet();
    }

    fn the_users_own_template_is_never_overwritten(world) {
        let text = "training_config:\n  ModelConfig:\n    torch_dtype: float16\n    pretrained_model_name_or_path: /workspace/weights\n  QuantizationConfig:\n    load_in_4bit: true\n  TrainingArguments:\n    output_dir: /mnt/mine\n  DataCollator:\n    mlm: true\n";
        let own = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "qlora-params-template-volta-turing"}, "data": {"training_config.yaml": text}});
        world.put(&own);
        world.put(&manifests::registry_secret("my-push-secret"));
        world.put(&manifests::tuning("tune"));
        world.until_state("tune", "Succeeded");
        assert_eq!(world.get(Kind::ConfigMap, "qlora-params-template-volta-turing").unwrap()["data"], own["data"]);
        let job = world.get(Kind::Job, "tune").unwrap().to_string();
        assert!(job.contains("/mnt/mine") && job.contains("qlora-params-template-volta-turing"));
    }

    fn bfloat16_on_a_gpu_without_it_is_refused_before_a_machine_is_paid_for(world) {
        let text = "training_config:\n  ModelConfig:\n    torch_dtype: bfloat16\n";
        world.put(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine"}, "data": {"training_config.yaml": text}}));
        let mut manifest = manifests::tuning("tune");
        manifest["tuning"]["config"] = json!("mine");
        world.put(&manifest);
        world.until_refused("tune", "ResourceReady", "TuningConfigNotUsable", "ModelConfig.torch_dtype is bfloat16");
        world.expect_quiet();
        assert!(world.list(Kind::NodeClaim).is_empty() && world.get(Kind::Job, "tune").is_none());
    }

    fn settings_for_another_method_are_refused_before_a_machine_is_paid_for(world) {
        let settings = |text: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine"}, "data": {"training_config.yaml": text}});
        let weights = "  ModelConfig:\n    torch_dtype: float16\n    pretrained_model_name_or_path: /workspace/weights\n  DataCollator:\n    mlm: true\n";
        world.put(&settings(&format!("training_config:\n{weights}")));
        world.put(&manifests::registry_secret("my-push-secret"));
        let mut manifest = manifests::tuning("tune");
        manifest["tuning"]["config"] = json!("mine");
        world.put(&manifest);
        world.put(&manifests::phi_4_mini("good"));
        world.until_refused("tune", "ResourceReady", "TuningConfigNotUsable", "QuantizationConfig quantises nothing, and tuning.method is qlora");
        world.until_ready("good");
        assert!(world.get(Kind::Job, "tune").is_none() && world.list(Kind::NodeClaim).len() == 1);
        world.put(&settings(&format!("training_config:\n{weights}  QuantizationConfig:\n    load_in_4bit: true\n")));
        world.until_state("tune", "Succeeded");
    }

    fn a_placeholder_left_in_a_tuning_is_named_before_a_machine_is_paid_for(world) {
        let mut manifest = manifests::tuning("tune");
        manifest["tuning"]["output"] = json!({"image": "ACR_REPO_HERE.azurecr.io/IMAGE_NAME_HERE:0.0.1", "imagePushSecret": "ACR_REGISTRY_SECRET_HERE"});
        world.put(&manifest);
        world.until_refused("tune", "ResourceReady", "InvalidWorkspace", "tuning.output.image");
        world.until_refused("tune", "ResourceReady", "InvalidWorkspace", "tuning.output.imagePushSecret");
        assert!(world.list(Kind::NodeClaim).is_empty());
    }

    fn a_model_that_cannot_be_tuned_is_told_with_those_that_can(world) {
        let mut manifest = manifests::tuning("tune");
        manifest["tuning"]["preset"]["name"] = json!("llama-3.1-8b-instruct");
        world.put(&manifest);
        world.until_refused("tune", "ResourceReady", "ModelNotTunable", "phi-4-mini-instruct");
        assert!(world.list(Kind::NodeClaim).is_empty());
    }

    fn a_job_of_somebody_else_is_left_alone_and_named(world) {
        let pod = json!({"restartPolicy": "Never", "containers": [{"name": "a", "image": "registry.example.com/a:1"}]});
        world.put(&json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "tune", "labels": {"team": "other"}}, "spec": {"suspend": true, "template": {"metadata": {"labels": {"team": "other"}}, "spec": pod}}}));
        world.put(&manifests::registry_secret("my-push-secret"));
        world.put(&manifests::tuning("tune"));
        world.until_refused("tune", "JobStarted", "NameTaken", "tune");
        world.expect_quiet();
        assert!(world.list(Kind::NodeClaim).is_empty(), "no machine is paid for while a name is taken");
        assert!(world.get(Kind::Job, "tune").unwrap()["metadata"]["ownerReferences"].is_null());
    }

    fn an_adapter_is_pulled_and_served_and_one_more_rolls_the_pods(world) {
        let adapter = |name: &str| json!({"source": {"name": name, "image": format!("registry.example.com/adapters/{name}:1"), "imagePullSecrets": ["my-registry"]}, "strength": "1.0"});
        world.put(&json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson", "metadata": {"name": "my-registry"}, "stringData": {".dockerconfigjson": "{\"auths\":{}}"}}));
        let mut manifest = manifests::phi_3_mini("phi");
        manifest["inference"]["adapters"] = json!([adapter("tone")]);
        world.put(&manifest);
        world.until_ready("phi");
        let pod = world.get(Kind::StatefulSet, "phi").unwrap()["spec"]["template"]["spec"].clone();
        assert_eq!(pullers(world, "phi"), ["puller-tone"]);
        assert!(pod["containers"][0]["volumeMounts"].to_string().contains("/mnt/adapter"));
        for flag in ["--enable-lora", "--max-lora-rank=16", "--max-loras=1"] {
            assert!(pod["containers"][0]["command"].to_string().contains(flag), "{flag}");
        }
        world.expect_quiet();

        world.patch(Kind::Workspace, "phi", &json!({"inference": {"adapters": [adapter("tone"), adapter("law")]}}));
        world.until("the pods are of the second revision", &|world| pullers(world, "phi") == ["puller-tone", "puller-law"]);
        world.until_ready("phi");
        let set = world.get(Kind::StatefulSet, "phi").unwrap();
        assert_eq!(set["metadata"]["annotations"]["workspace.kaito.io/revision"], "2");
        assert!(set.to_string().contains("--max-loras=2"));
        assert_eq!(world.list(Kind::NodeClaim).len(), 1, "the machine stays");
        world.expect_quiet();
    }

    fn an_annotation_that_comes_later_rolls_out(world) {
        world.put(&manifests::phi_4_mini("phi"));
        world.until_ready("phi");
        let container = |world: &dyn Stage| world.get(Kind::StatefulSet, "phi").unwrap()["spec"]["template"]["spec"]["containers"][0].clone();
        assert!(container(world)["startupProbe"]["exec"].is_object() && container(world).to_string().contains("vllm"));
        // A probe of another kind: what stood there before must go.
        world.patch(Kind::Workspace, "phi", &json!({"metadata": {"annotations": {"kaito.sh/disable-benchmark": "true", "kaito.sh/performance-mode": "throughput"}}}));
        world.until("the pods are as the annotations say", &|world| container(world)["startupProbe"]["httpGet"].is_object());
        world.until_ready("phi");
        assert!(container(world)["startupProbe"]["exec"].is_null() && container(world).to_string().contains("--performance-mode=throughput"));
        let pod = world.get(Kind::Pod, "phi-0").unwrap();
        assert!(pod.to_string().contains("--performance-mode=throughput"), "the pod is a new one");
        assert_eq!(world.list(Kind::NodeClaim).len(), 1, "the machine stays");
        world.expect_quiet();
    }

    fn a_template_of_the_users_own_is_served_and_an_edit_of_it_rolls_out(world) {
        world.put(&manifests::own_template("own"));
        world.until_ready("own");
        let template = |world: &dyn Stage| world.get(Kind::StatefulSet, "own").unwrap()["spec"]["template"].clone();
        let first = template(world);
        assert_eq!(first["metadata"]["labels"], json!({"team": "blue", "kaito.sh/workspace": "own"}));
        assert_eq!(first["spec"]["hostnameOverride"], "server", "newer than the types of this build");
        assert_eq!(first["spec"]["tolerations"][0], json!({"key": "team", "operator": "Exists"}));
        assert!(first["spec"]["affinity"]["nodeAffinity"].to_string().contains("kaito.sh/workspacenamespace"));
        assert!(world.get(Kind::Service, "own").is_some() && world.get(Kind::Service, "own-headless").is_some());
        world.expect_quiet();

        let mut containers = manifests::own_template("own")["inference"]["template"]["spec"]["containers"].clone();
        containers[0]["image"] = json!("registry.example.com/llm/server:2");
        world.patch(Kind::Workspace, "own", &json!({"inference": {"template": {"spec": {"containers": containers}}}}));
        world.until("its pod has the new image", &|world| {
            world.get(Kind::Pod, "own-0").is_some_and(|pod| pod["spec"]["containers"][0]["image"] == "registry.example.com/llm/server:2")
        });
        world.until_ready("own");
        let set = world.get(Kind::StatefulSet, "own").unwrap();
        assert_eq!(set["metadata"]["annotations"]["workspace.kaito.io/revision"], "2");
        assert_eq!(world.list(Kind::NodeClaim).len(), 1, "the machine stays");
        world.expect_quiet();

        // A repair of what is around the template changes nothing in it.
        let second = template(world);
        world.patch(Kind::StatefulSet, "own", &json!({"spec": {"replicas": 2}}));
        world.until("it has one pod again", &|world| world.get(Kind::StatefulSet, "own").unwrap()["spec"]["replicas"] == 1);
        world.until_ready("own");
        assert_eq!(template(world), second);
        world.expect_quiet();

        world.remove(Kind::Workspace, "own");
        world.until("nothing is left", &|world| {
            [Kind::Workspace, Kind::NodeClaim, Kind::Node, Kind::StatefulSet, Kind::Service, Kind::ControllerRevision, Kind::Pod].iter().all(|kind| world.list(*kind).is_empty())
        });
    }

    fn of_two_requests_with_one_number_one_gets_another_and_what_runs_is_what_is_asked_for(world) {
        let template = |motto: &str| {
            let mut own = manifests::own_template("own");
            own["inference"]["template"]["spec"]["containers"][0]["args"] = json!(["--motto", motto]);
            own
        };
        let runs = |world: &dyn Stage, motto: &str| {
            let set = world.get(Kind::StatefulSet, "own").unwrap_or_default();
            set["spec"]["template"]["spec"]["containers"][0]["args"][1] == motto
        };
        let requests = |world: &dyn Stage| {
            let all = world.list(Kind::ControllerRevision).into_iter();
            all.filter(|revision| revision["data"]["inference"].is_object()).collect::<Vec<_>>()
        };
        world.put(&template("a < b && c > d"));
        world.until_ready("own");
        world.put(&template("else"));
        world.until("the edit rolls out", &|world| runs(world, "else"));
        // As two processes leave it of which neither sees what the other has numbered.
        let first = requests(world).into_iter().find(|revision| revision["revision"] == 1).unwrap();
        world.remove(Kind::ControllerRevision, &name(&first));
        let [labels, annotations, owners] = ["labels", "annotations", "ownerReferences"].map(|field| first["metadata"][field].clone());
        world.put(&json!({
            "apiVersion": "apps/v1", "kind": "ControllerRevision", "revision": 2, "data": first["data"],
            "metadata": {"name": name(&first), "labels": labels, "annotations": annotations, "ownerReferences": owners},
        }));
        let numbers = |world: &dyn Stage| requests(world).iter().map(|revision| revision["revision"].to_string()).collect::<BTreeSet<_>>();
        world.until("each has a number of its own", &|world| numbers(world).len() == 2);
        world.until_ready("own");
        world.put(&template("a < b && c > d"));
        world.until("what runs is what is asked for", &|world| runs(world, "a < b && c > d"));
        world.until_ready("own");
        world.expect_quiet();
    }

    fn a_template_that_no_node_takes_is_corrected_and_its_pod_follows(world) {
        let mut nowhere = manifests::own_template("own");
        nowhere["inference"]["template"]["spec"]["nodeSelector"] = json!({"example.com/room": "none"});
        world.put(&nowhere);
        world.until_refused("own", "InferenceReady", "Unschedulable", "pod own-0");
        world.expect_quiet();
        world.patch(Kind::Workspace, "own", &json!({"inference": {"template": {"spec": {"nodeSelector": null}}}}));
        world.until_ready("own");
        assert_eq!(world.list(Kind::NodeClaim).len(), 1, "the machine stays");
        world.expect_quiet();
    }

    fn a_template_that_no_pod_can_be_made_of_is_refused_before_a_machine_is_paid_for(world) {
        let mut nothing = manifests::own_template("nothing");
        nothing["inference"]["template"]["spec"]["containers"] = json!([]);
        let mut greedy = manifests::own_template("greedy");
        greedy["inference"]["template"]["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] = json!(2);
        let mut twice = manifests::own_template("twice");
        twice["inference"]["preset"] = json!({"name": "phi-4-mini-instruct"});
        for manifest in [&nothing, &greedy, &twice] {
            world.put(manifest);
        }
        world.until_refused("nothing", "ResourceReady", "InvalidWorkspace", "inference.template.spec.containers: a pod has at least one container");
        world.until_refused("greedy", "ResourceReady", "InvalidWorkspace", "inference.template.spec.containers: ask for 2 of nvidia.com/gpu, and Standard_NV36ads_A10_v5 has 1");
        world.until_refused("twice", "ResourceReady", "InvalidWorkspace", "inference.template: cannot be set beside preset");
        world.expect_quiet();
        assert!(world.list(Kind::NodeClaim).is_empty() && world.list(Kind::StatefulSet).is_empty());
    }

    fn a_strength_that_vllm_cannot_honour_is_honoured_or_refused_before_a_machine_is_paid_for(world) {
        let weak = json!([{"source": {"name": "my-tone", "image": "registry.example.com/adapters/tone:1"}, "strength": "0.5"}]);
        let mut manifest = manifests::preset("weak", "phi-4-mini-instruct", "Standard_NC24ads_A100_v4");
        manifest["inference"]["adapters"] = weak.clone();
        world.put(&manifest);
        world.until_refused("weak", "ResourceReady", "InvalidWorkspace", "inference.adapters[0].strength: \"0.5\"");
        world.expect_quiet();
        assert!(world.list(Kind::NodeClaim).is_empty());

        let mut manifest = manifests::preset("soft", "phi-3.5-mini-instruct", "Standard_NV36ads_A10_v5");
        manifest["inference"]["adapters"] = weak;
        world.put(&manifest);
        world.until_ready("soft");
        let set = world.get(Kind::StatefulSet, "soft").unwrap();
        let server = &set["spec"]["template"]["spec"]["containers"][0];
        assert!(server["command"][2].as_str().unwrap().starts_with("env my-tone=0.5 accelerate launch"), "{server}");
        assert_eq!(server["env"], json!([{"name": "my-tone", "value": "0.5"}]));
    }

    fn touching_a_workspace_changes_nothing(world) {
        world.put(&manifests::two_nodes("llama"));
        world.until_ready("llama");
        let before = world.ending();
        world.patch(Kind::Workspace, "llama", &json!({"metadata": {"annotations": {"touched": "yes"}}}));
        world.expect_quiet();
        assert_eq!(before, world.ending());
    }
}

under_fire! {
    deleting_a_workspace_leaves_nothing,
    a_workspace_that_is_refused_does_not_stop_the_others,
    a_missing_config_map_is_named_and_its_arrival_ends_the_wait,
    a_service_that_was_changed_by_hand_is_repaired_and_additions_of_others_stay,
    a_machine_that_is_taken_away_is_replaced,
}

/// The init containers of a set that pull images, in order.
fn pullers(world: &dyn Stage, set: &str) -> Vec<String> {
    let set = world.get(Kind::StatefulSet, set).unwrap();
    let before = set["spec"]["template"]["spec"]["initContainers"].as_array().cloned().unwrap_or_default();
    before.iter().map(name_in_pod).filter(|name| name.starts_with("puller-")).collect()
}

fn name_in_pod(container: &Value) -> String {
    container["name"].as_str().unwrap_or_default().to_owned()
}

fn name(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap().to_owned()
}

#[test]
fn kubectl_shows_the_columns_that_the_users_manifests_were_written_for() {
    let Some(operated) = Operated::shared() else { return };
    let mut stage = RealStage::new(operated, "s-columns");
    stage.put(&manifests::phi_3_mini("phi"));
    (&mut stage as &mut dyn Stage).until_ready("phi");
    let table = |arguments: &[&str]| -> Vec<Vec<String>> {
        let text = operated.plane().run(arguments).unwrap();
        text.lines().map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
    };
    let plain = table(&["get", "workspace", "--namespace=s-columns"]);
    assert_eq!(plain[0], ["NAME", "INSTANCE", "RESOURCEREADY", "INFERENCEREADY", "WORKSPACEREADY", "AGE"]);
    assert_eq!(plain[1][..5], ["phi", "Standard_NC6s_v3", "True", "True", "True"]);
    let wide = table(&["get", "wk", "--namespace=s-columns", "--output=wide"]);
    for column in ["JOBSTARTED", "WORKSPACESUCCEEDED", "TARGETNODECOUNT", "STATE"] {
        assert!(wide[0].iter().any(|found| found == column), "{column} is among {:?}", wide[0]);
    }
    stage.clear();
}

#[test]
fn a_pod_that_cannot_pull_is_told_in_the_kubelets_words() {
    let Some(operated) = Operated::shared() else { return };
    let mut stage = RealStage::new(operated, "s-pull");
    stage.put(&manifests::phi_4_mini("phi"));
    (&mut stage as &mut dyn Stage).until_ready("phi");
    let said = stage.get(Kind::Pod, "phi-0").unwrap()["status"].clone();
    let is_ready = |condition: &Value| ["Ready", "ContainersReady"].iter().any(|type_| condition["type"] == *type_);
    let mut broken = json!({"conditions": said["conditions"], "containerStatuses": said["containerStatuses"]});
    for condition in broken["conditions"].as_array_mut().unwrap().iter_mut().filter(|condition| is_ready(condition)) {
        condition["status"] = json!("False");
    }
    let container = &mut broken["containerStatuses"][0];
    container["ready"] = json!(false);
    container["state"] = json!({"waiting": {"reason": "ImagePullBackOff", "message": "manifest unknown in rack 7"}});
    stage.patch_status(Kind::Pod, "phi-0", &broken);
    let world: &mut dyn Stage = &mut stage;
    world.until_refused("phi", "InferenceReady", "ImagePullError", "manifest unknown in rack 7");
    world.until("it is no more called ready", &|world| state(world, "phi") == "NotReady");
    // Its images came: the kubelet says so, and Kubernetes publishes the address again.
    let well = json!({"conditions": said["conditions"], "containerStatuses": said["containerStatuses"]});
    stage.patch_status(Kind::Pod, "phi-0", &well);
    (&mut stage as &mut dyn Stage).until_ready("phi");
    stage.clear();
}
