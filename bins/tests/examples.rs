//! The Deployments of the examples start the programs as they are.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail as tests do")]

mod kit;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Container;
use kaito_operator::{flags, provisioner};
use serde_json::Value;

fn variable(container: &Container, name: &str) -> Option<String> {
    // What AKS sets where the label of its workload identity stands.
    let of_aks = [("AZURE_CLIENT_ID", "c"), ("AZURE_TENANT_ID", "t"), ("AZURE_FEDERATED_TOKEN_FILE", "/token")];
    let own = container.env.iter().flatten().find(|variable| variable.name == name).and_then(|v| v.value.clone());
    own.or_else(|| of_aks.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
}

#[test]
fn the_deployments_of_the_examples_are_understood_by_their_programs_and_run_as_the_accounts_of_roles() {
    let text = std::fs::read_to_string(kit::root().join("examples/aks/deployments.yaml")).unwrap();
    let deployments: Vec<Deployment> = serde_saphyr::from_multiple(&text).unwrap();
    let roles = kit::out(&kit::kaito(&["roles"], b""));
    assert_eq!(deployments.len(), 2);
    for deployment in deployments {
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
