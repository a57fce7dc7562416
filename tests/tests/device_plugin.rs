//! The device plugin that the examples bring runs on every machine that is made for a Workspace, and on no other.

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{NodeSelectorTerm, Taint, Toleration};
use kaito_api::NodeClaim;
use kaito_api::karpenter::NodePool;
use kaito_core::kinds::Typed;
use kaito_core::memory::World;
use kaito_core::{Kind, ObjectKey, Settings, render};
use kaito_provisioner::PoolRequest;
use kaito_tests::{golden, manifests};
use std::collections::BTreeMap;

fn plugin() -> DaemonSet {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/nvidia-device-plugin.yaml");
    serde_saphyr::from_str(&std::fs::read_to_string(path).expect("the example is there")).expect("a DaemonSet")
}

/// Labels and taints of a machine.
type Machine = (BTreeMap<String, String>, Vec<Taint>);

/// What the first object of a kind comes to that is made for a Workspace.
fn made<T: Typed + Clone>(settings: &Settings, kind: Kind) -> T {
    let mut world = World::installed(settings);
    world.put(&ObjectKey::new(Kind::Workspace, "default", "two"), &manifests::two_nodes("two")).expect("it is taken");
    render::settle(&mut world);
    let found = world.cluster().with_store(|store| {
        let key = store.iter().map(|(key, _)| key.clone()).find(|key| key.kind == kind);
        store.get(&key.expect("one is made")).cloned()
    });
    let Some(kaito_core::Seen::Decoded(object)) = found else { panic!("it can be read") };
    T::of(&object).expect("of that kind").clone()
}

fn of_aks() -> Machine {
    let claim: NodeClaim = made(&Settings::default(), Kind::NodeClaim);
    (PoolRequest::of(&claim).expect("a pool can be made of it").labels, claim.spec.taints)
}

fn of_karpenter() -> Machine {
    let settings = Settings { provisioner: golden::karpenter(), ..Settings::default() };
    let pool: NodePool = made(&settings, Kind::NodePool);
    (pool.spec.template.metadata.labels, pool.spec.template.spec.taints)
}

fn matches(term: &NodeSelectorTerm, labels: &BTreeMap<String, String>) -> bool {
    term.match_expressions.iter().flatten().all(|wanted| {
        let found = labels.get(&wanted.key);
        match wanted.operator.as_str() {
            "Exists" => found.is_some(),
            "In" => found.is_some_and(|found| wanted.values.iter().flatten().any(|value| value == found)),
            other => panic!("{other} is not understood here"),
        }
    })
}

/// As Kubernetes has it: an empty effect is every effect.
fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let is_effect = toleration.effect.as_deref().is_none_or(|effect| effect == taint.effect);
    let is_key = toleration.key.as_deref() == Some(taint.key.as_str());
    is_effect && is_key && (toleration.operator.as_deref() == Some("Exists") || toleration.value == taint.value)
}

#[test]
fn it_runs_on_every_machine_that_is_made_for_a_workspace_and_on_no_other() {
    let pod = plugin().spec.expect("a spec").template.spec.expect("a pod");
    let affinity = pod.affinity.and_then(|affinity| affinity.node_affinity).expect("it chooses its nodes");
    let terms =
        affinity.required_during_scheduling_ignored_during_execution.expect("it requires them").node_selector_terms;
    let tolerations = pod.tolerations.expect("it tolerates taints");
    let spot = Taint {
        key: "kubernetes.azure.com/scalesetpriority".to_owned(),
        value: Some("spot".to_owned()),
        effect: "NoSchedule".to_owned(),
        time_added: None,
    };
    for (labels, taints) in [of_aks(), of_karpenter()] {
        assert!(terms.iter().any(|term| matches(term, &labels)), "{labels:?}");
        for taint in taints.iter().chain([&spot]) {
            assert!(tolerations.iter().any(|toleration| tolerates(toleration, taint)), "{taint:?}");
        }
    }
    for other in [BTreeMap::new(), BTreeMap::from([("kaito.sh/machine-type".to_owned(), "cpu".to_owned())])] {
        assert!(!terms.iter().any(|term| matches(term, &other)), "{other:?}");
    }
}
