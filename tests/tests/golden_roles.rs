//! What the reference makes of Workspaces that prefill and decode is what we make of them. The controller that makes such Workspaces comes with the issue "MultiRoleInference".

use kaito_core::Settings;
use kaito_core::memory::World;
use kaito_core::render;
use kaito_tests::allowed::Comparison;
use kaito_tests::{golden, normal, shared};
use serde_json::{Value, json};
use std::path::Path;

const NAMESPACE: &str = "NS";

#[test]
fn the_pods_of_a_role_are_those_of_the_reference() {
    let (Some(goldens), Some(corpus)) = (shared::path("golden/mri"), shared::path("corpus/variants/mri")) else {
        return;
    };
    // Nothing else of the pods is ours alone.
    let meant = golden::DIFFERENCES.iter().filter(|row| row.path.ends_with("terminationMessagePolicy"));
    let mut comparison = Comparison::allowing(meant);
    let mut roles = 0;
    for name in ["phi4mini-pair.yaml", "runtime-config.yaml"] {
        let golden = documents(&goldens.join(name)).remove(0);
        let objects = golden["objects"].as_array().unwrap();
        let mut world = World::installed(&Settings::default());
        let manifest = documents(&corpus.join(name));
        let configs: Vec<Value> = manifest.into_iter().filter(|document| document["kind"] == "ConfigMap").collect();
        golden::put(&mut world, NAMESPACE, &configs);
        let workspaces: Vec<Value> = objects.iter().filter(|object| object["kind"] == "Workspace").map(asked).collect();
        roles += workspaces.len();
        golden::put(&mut world, NAMESPACE, &workspaces);
        comparison.compare(&[name], &sets(render::render(&mut world)), &sets(objects.clone()));
    }
    assert!(roles >= 4, "{roles} Workspaces");
    comparison.conclude();
}

fn documents(path: &Path) -> Vec<Value> {
    // Generated names are placeholders there, and none that a server takes.
    let text = std::fs::read_to_string(path).unwrap().replace("CHILD-", "child-");
    serde_saphyr::from_multiple(&text).unwrap()
}

/// A Workspace as it was asked for.
fn asked(workspace: &Value) -> Value {
    let mut asked = workspace.clone();
    asked.as_object_mut().unwrap().remove("status");
    asked["metadata"].as_object_mut().unwrap().retain(|field, _| ["name", "labels"].contains(&field.as_str()));
    asked
}

/// What is asked of the sets of pods, by name.
fn sets(objects: Vec<Value>) -> std::collections::BTreeMap<String, Value> {
    let sets = objects.into_iter().filter(|object| object["kind"] == "StatefulSet");
    let plain = sets
        .map(|set| json!({"kind": "StatefulSet", "metadata": {"name": set["metadata"]["name"]}, "spec": set["spec"]}));
    normal::by_name(plain.collect())
}
