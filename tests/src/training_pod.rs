//! The containers of a training, as they come of a Workspace.

use crate::manifests;
use crate::stage::{MemoryStage, Stage};
use kaito_core::Kind;
use serde_json::{Value, json};

/// A container of the Job that comes of a training with these addresses.
///
/// # Panics
/// When there never is a Job, or it has no such container.
pub fn container(name: &str, addresses: &[&str]) -> Value {
    let mut stage = MemoryStage::new("default");
    let mut manifest = manifests::tuning("tune");
    manifest["tuning"]["input"]["urls"] = json!(addresses);
    stage.put(&manifests::registry_secret("my-push-secret"));
    stage.put(&manifest);
    (&mut stage as &mut dyn Stage).until("the Job", &|stage| stage.get(Kind::Job, "tune").is_some());
    let job = stage.get(Kind::Job, "tune").expect("it is there");
    let pod = &job["spec"]["template"]["spec"];
    let all = ["initContainers", "containers"].into_iter().filter_map(|list| pod[list].as_array()).flatten();
    all.into_iter().find(|container| container["name"] == name).expect("the container is there").clone()
}
