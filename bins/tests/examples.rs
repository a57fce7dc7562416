//! What the examples and the page on machines say is what the programs understand.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail as tests do")]

mod kit;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Container};
use kaito_operator::{flags, provisioner};
use serde_json::Value;
use std::collections::BTreeMap;

fn read(file: &str) -> String {
    std::fs::read_to_string(kit::root().join(file)).unwrap()
}

fn variable(container: &Container, name: &str) -> Option<String> {
    // What AKS sets where the label of its workload identity stands.
    let of_aks = [("AZURE_CLIENT_ID", "c"), ("AZURE_TENANT_ID", "t"), ("AZURE_FEDERATED_TOKEN_FILE", "/token")];
    let own = container.env.iter().flatten().find(|variable| variable.name == name).and_then(|v| v.value.clone());
    own.or_else(|| of_aks.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
}

#[test]
fn the_deployments_of_the_examples_are_understood_by_their_programs_and_run_as_the_accounts_of_roles() {
    let roles = kit::out(&kit::kaito(&["roles"], b""));
    for file in ["examples/install/kaito-workspace.yaml", "examples/install/kaito-gpu-provisioner.yaml"] {
        let deployment: Deployment = serde_saphyr::from_str(&read(file)).unwrap();
        let (name, pod) = (deployment.metadata.name.unwrap(), deployment.spec.unwrap().template.spec.unwrap());
        let account = format!("namespace: {}", deployment.metadata.namespace.unwrap());
        assert!(roles.contains(&format!("name: {}", pod.service_account_name.unwrap())) && roles.contains(&account));
        let container = &pod.containers[0];
        let [program] = container.command.as_deref().unwrap() else { panic!("{name}") };
        let arguments = container.args.clone().unwrap_or_default();
        let of = |name: &str| variable(container, name);
        let environment = flags::Environment { variable: &of, namespace: None };
        let [metrics, health] = match program.as_str() {
            "kaito-workspace" => match flags::Options::parse(&arguments, &environment).unwrap() {
                flags::Command::Run(options) => [options.metrics, options.health],
                flags::Command::Print(text) => panic!("{text}"),
            },
            "kaito-gpu-provisioner" => match provisioner::Options::parse(&arguments, &of).unwrap() {
                provisioner::Command::Run(options) => {
                    assert!(options.warnings.is_empty() && options.arm.mode == "workload-identity");
                    [options.metrics, options.health]
                }
                provisioner::Command::Print(text) => panic!("{text}"),
            },
            other => panic!("{other}"),
        };
        assert!(format!("{metrics:?}").contains("8080") && format!("{health:?}").contains("8081"));
        let probes = [&container.liveness_probe, &container.readiness_probe];
        for probe in probes {
            let port = serde_json::to_value(probe).unwrap()["httpGet"]["port"].clone();
            assert_eq!(port, Value::from(8081), "{name}");
        }
    }
}

#[test]
fn the_templates_of_trainings_in_the_examples_are_those_of_the_world_in_memory() {
    let maps: Vec<ConfigMap> = serde_saphyr::from_multiple(&read("examples/install/training-templates.yaml")).unwrap();
    let given: BTreeMap<String, String> = maps
        .into_iter()
        .map(|map| (map.metadata.name.unwrap(), map.data.unwrap().remove("training_config.yaml").unwrap()))
        .collect();
    let known = ["lora", "qlora"].map(|method| {
        (format!("{method}-params-template"), read(&format!("kaito-core/src/memory/{method}_params_template.yaml")))
    });
    assert_eq!(given, BTreeMap::from(known));
}

/// The words of a command line as a shell splits them: at blanks, but not in single quotes.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for character in line.chars().chain([' ']) {
        match character {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty())),
            other => word.push(other),
        }
    }
    words
}

#[test]
fn the_definition_of_claims_that_the_page_on_machines_names_is_the_one_that_we_test_with() {
    let modules = read("xtask/control-plane/modules.txt");
    let tested = modules.lines().find_map(|line| line.strip_prefix("sigs.k8s.io/karpenter ")?.split(' ').next());
    let address = format!("/karpenter/{}/pkg/apis/crds/karpenter.sh_nodeclaims.yaml", tested.expect("a version"));
    assert!(read("docs/provisioning.md").contains(&address), "no {address}");
}

#[test]
fn the_flags_of_the_page_on_machines_are_those_of_the_controller_and_of_the_command_line() {
    let page = read("docs/provisioning.md").replace("\\\n", " ");
    let lines: Vec<&str> = page.lines().filter(|line| line.starts_with("CLOUD_PROVIDER=")).collect();
    assert_eq!(lines.len(), 4, "{lines:#?}");
    for line in lines {
        let words = words(line);
        let [cloud, program, flags @ ..] = words.as_slice() else { panic!("{line}") };
        assert_eq!(program, "kaito-workspace");
        let cloud = cloud.trim_start_matches("CLOUD_PROVIDER=").to_owned();
        let of = |name: &str| (name == "CLOUD_PROVIDER").then(|| cloud.clone());
        let parsed = flags::Options::parse(flags, &flags::Environment { variable: &of, namespace: None });
        let Ok(flags::Command::Run(options)) = parsed else { panic!("{line}") };
        assert!(options.warnings.is_empty(), "{line}: {:?}", options.warnings);
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let roles = kit::kaito(&[&["roles", "--cloud", &cloud][..], &flags].concat(), b"");
        assert_eq!(roles.status.code(), Some(0), "{line}: {}", kit::err(&roles));
        let plural = format!("- {}\n", options.class_kind.plural);
        assert_eq!(kit::out(&roles).contains(&plural), line.contains("karpenter"), "{line}");
        let simulated = kit::kaito(&[&["simulate", "-f", "-", "--cloud", &cloud][..], &flags].concat(), b"");
        assert!(!kit::err(&simulated).contains("unexpected argument"), "{line}: {}", kit::err(&simulated));
    }
}
