//! The objects of a capture as a cluster has them in which the reference has run until now.

use super::{Case, Step, form};
use serde_json::{Map, Value, json};

/// The Workspaces of a step, with the finalizer and the annotations that the reference wrote on them.
pub fn workspaces(case: &Case, step: &Step) -> Vec<Value> {
    let captured = |name: &Value| {
        let all = step.golden["objects"].as_array().into_iter().flatten();
        all.into_iter().find(|object| object["kind"] == "Workspace" && object["metadata"]["name"] == *name)
    };
    let mut objects = step.objects(&case.namespace);
    for object in objects.iter_mut().filter(|object| object["kind"] == "Workspace") {
        let Some(theirs) = captured(&object["metadata"]["name"]) else { continue };
        for field in ["annotations", "finalizers"] {
            object["metadata"][field] = theirs["metadata"][field].clone();
        }
    }
    objects
}

/// What the reference made, owned by the Workspace with this uid. Placeholders of names become names that a server takes.
pub fn children(case: &Case, step: &Step, uid: &str) -> Vec<Value> {
    let all = step.golden["objects"].as_array().into_iter().flatten();
    let made = all.filter(|object| object["kind"] != "Workspace").cloned();
    made.map(|object| owned(form::named(object, &case.namespace), uid)).collect()
}

fn owned(mut object: Value, uid: &str) -> Value {
    for owner in object["metadata"]["ownerReferences"].as_array_mut().into_iter().flatten() {
        owner["uid"] = json!(uid);
    }
    if let Some(name) = object["metadata"]["name"].as_str().map(str::to_lowercase) {
        object["metadata"]["name"] = json!(name);
    }
    if let Some(map) = object.as_object_mut() {
        map.remove("status");
    }
    if object["kind"] == "Job" {
        without_identity(&mut object);
    }
    object
}

/// Labels that a server makes of a Job's own uid, and refuses when they are of another.
fn without_identity(job: &mut Value) {
    let ours = |map: &mut Map<String, Value>| {
        map.retain(|key, _| !["controller-uid", "job-name"].iter().any(|word| key.ends_with(word)));
    };
    job["spec"].as_object_mut().into_iter().for_each(|spec| drop(spec.remove("selector")));
    for pointer in ["/metadata/labels", "/spec/template/metadata/labels"] {
        job.pointer_mut(pointer).and_then(Value::as_object_mut).into_iter().for_each(ours);
    }
}
