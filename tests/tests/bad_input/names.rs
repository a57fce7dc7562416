//! Names at the limits of their length: what a server would refuse later is refused first, with the field; what it takes is served.

use super::{BAD, expect_told, machines, world};
use kaito_core::Kind;
use kaito_core::memory::{Fate, World};
use kaito_core::{ObjectKey, Settings};
use kaito_tests::manifests;
use kaito_tests::stage::{MemoryStage, Stage, condition};
use serde_json::{Value, json};

fn long(length: usize) -> String {
    "n".repeat(length)
}

/// The longest name of a Workspace: Kubernetes labels the pods of a set with its name, `-` and ten digits, in a value of at most 63 characters.
const LONGEST: usize = 52;

#[test]
fn a_workspace_of_one_letter_and_one_of_the_longest_name_are_served() {
    for (name, namespace) in [(long(1), "a".to_owned()), (long(LONGEST), long(63))] {
        let mut stage = MemoryStage::new(&namespace);
        stage.put(&manifests::two_nodes(&name));
        (&mut stage as &mut dyn Stage).until_ready(&name);
        assert_eq!(stage.list(Kind::Pod).len(), 2);
    }
}

#[test]
fn a_workspace_with_one_letter_more_is_refused_before_a_machine_is_paid_for() {
    for length in [LONGEST + 1, LONGEST + 2, 63] {
        let mut stage = world(&Fate::default());
        let name = long(length);
        stage.put(&manifests::phi_4_mini(&name));
        stage.pass_time();
        let (_, reason, words) = condition(&stage, &name, "ResourceReady").unwrap();
        assert_eq!(reason, "InvalidWorkspace", "{length}: {words}");
        assert!(words.contains("metadata.name: must be at most 52 characters"), "{length}: {words}");
        assert!(machines(&stage, &name).is_empty());
    }
}

#[test]
fn names_that_no_server_takes_are_not_taken() {
    let mut world = World::installed(&Settings::default());
    for name in ["", "Upper", "a_b", "-a", "a-", "ü", "a/b", "..", &long(254)] {
        let mut body = manifests::phi_4_mini("x");
        body["metadata"]["name"] = json!(name);
        assert!(world.put(&ObjectKey::new(Kind::Workspace, "default", name), &body).is_err(), "{name:?}");
    }
    let mut body = manifests::phi_4_mini("x");
    body["metadata"]["labels"] = json!({"a": long(64)});
    assert!(world.put(&super::key("x"), &body).is_err());
}

/// A change of a good Workspace; what it is refused for, where it is.
fn limits() -> Vec<(&'static str, Value, Option<&'static str>)> {
    let labels = |key: &str, value: &str| json!({"resource": {"labelSelector": {"matchLabels": {key: value}}}});
    let adapter =
        |name: &str| json!({"inference": {"adapters": [{"source": {"name": name, "image": "r.example.com/a:1"}}]}});
    let config = |name: &str| json!({"inference": {"config": name}});
    let token = |name: &str| json!({"inference": {"preset": {"name": "phi-3-mini-4k-instruct", "presetOptions": {"modelAccessSecret": name}}}});
    vec![
        ("a label value of 63", labels("apps", &long(63)), None),
        ("a label value of 64", labels("apps", &long(64)), Some("resource.labelSelector.matchLabels.apps")),
        ("a label key of 63", labels(&long(63), "x"), None),
        ("a label key of 64", labels(&long(64), "x"), Some("must be a label key")),
        ("a label key with a prefix of 253", labels(&format!("{}/x", long(253)), "x"), None),
        ("a label key with a prefix of 254", labels(&format!("{}/x", long(254)), "x"), Some("must be a label key")),
        ("an adapter of 63", adapter(&long(63)), None),
        ("an adapter of 64", adapter(&long(64)), Some("inference.adapters[0].source.name")),
        ("a ConfigMap of 253", config(&long(253)), None),
        ("a ConfigMap of 254", config(&long(254)), Some("inference.config")),
        ("a ConfigMap elsewhere", config("../../kube-system/configmaps/x"), Some("inference.config")),
        ("a Secret of 253", token(&long(253)), None),
        ("a Secret of 254", token(&long(254)), Some("presetOptions.modelAccessSecret")),
        ("a Secret elsewhere", token("../x"), Some("presetOptions.modelAccessSecret")),
    ]
}

#[test]
fn everything_else_with_a_name_is_served_up_to_its_limit_and_refused_beyond() {
    for (story, change, refused) in limits() {
        let mut stage = world(&Fate::default());
        let yaml = json!({"inference_config.yaml": "vllm: {}\n"});
        stage.put(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": long(253)}, "data": yaml}));
        stage.put(
            &json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": long(253)}, "data": {"HF_TOKEN": ""}}),
        );
        stage.put(&manifests::phi_3_mini(BAD));
        stage.patch(Kind::Workspace, BAD, &change);
        match refused {
            None => (&mut stage as &mut dyn Stage).until_ready(BAD),
            Some(field) => {
                stage.pass_time();
                expect_told(&stage, story, "ResourceReady", "InvalidWorkspace", &[field]);
                assert!(machines(&stage, BAD).is_empty(), "{story}");
            }
        }
    }
}

#[test]
fn a_running_model_that_is_given_an_impossible_reference_goes_on_and_nothing_elsewhere_is_read() {
    let changes = limits().into_iter().filter(|(_, _, refused)| {
        refused.is_some_and(|field| field == "inference.config" || field.starts_with("preset"))
    });
    let pods = |stage: &MemoryStage| -> Vec<Value> {
        stage.list(Kind::Pod).iter().map(|pod| json!([pod["metadata"]["name"], pod["metadata"]["uid"]])).collect()
    };
    for (story, change, refused) in changes {
        let mut stage = world(&Fate::default());
        stage.put(&manifests::phi_3_mini(BAD));
        (&mut stage as &mut dyn Stage).until_ready(BAD);
        let before = pods(&stage);
        assert_eq!(before.len(), 1, "{story}");
        stage.patch(Kind::Workspace, BAD, &change);
        stage.pass_time();
        let said = stage.get(Kind::Workspace, BAD).unwrap()["status"]["conditions"].to_string();
        assert!(said.contains(refused.unwrap()), "{story}: {said}");
        assert_eq!(pods(&stage), before, "{story}: what runs goes on");
        let now = stage.world().now();
        let (work, _) = super::clock::look(&mut stage, BAD, now);
        let impossible = |read: &kaito_core::Read| match read {
            kaito_core::Read::Object { key, .. } => key.name.contains('/') || key.name.len() > 253,
            kaito_core::Read::List { .. } | kaito_core::Read::Model(_) => false,
            kaito_core::Read::PodsOn { node } => node.contains('/') || node.len() > 253,
            kaito_core::Read::Log(query) => query.pod.contains('/') || query.pod.len() > 253,
        };
        let asked: Vec<_> = work.snapshot().reads().into_iter().filter(impossible).collect();
        assert!(asked.is_empty(), "{story}: {asked:?}");
        assert_eq!(machines(&stage, BAD).len(), 1, "{story}");
    }
}
