//! One function for each way to write.
//!
//! Every one may be *throttled* (429) or find the server *unavailable*: the driver counts the effect as failed, its dependants wait, and the controller comes back
//! with growing pauses, never sooner than the server asked. Every one may be *answered too late*: the write may or may not have happened. That is harmless, because
//! names are deterministic and updates carry a uid or a version: the next look finds what is there, and plans from that.

use super::kinds;
use super::requests::{Body, Requests, with_query};
use http::Method;
use kaito_core::backend::{BackendError, ErrorKind, Written};
use kaito_core::effect::{Effect, MetadataPatch};
use kaito_core::plan::StatusWrite;
use kaito_core::{Kind, ObjectKey, Seen};
use serde_json::{Value, json};

/// Creates an object under our manager.
///
/// *Already there*: told as such; to the driver that is a refusal, what requires the object waits, and the next look, within seconds, tells whose it is. *Gone*: its namespace is gone (404), or going
/// away (403). *Invalid*: the message goes into the status. It never conflicts, and never changes what is there: that is why even an object that will be applied later is created by
/// POST, not by an apply, which would take over a namesake.
pub(super) async fn create(
    requests: &Requests,
    manager: &str,
    key: &ObjectKey,
    body: &Value,
) -> Result<Written, BackendError> {
    let url = with_query(&kinds::collection(key.kind, key.namespace.as_deref()), &[("fieldManager", manager)], None);
    let value = requests.write("create", key.kind, Method::POST, url, (Body::Json, body)).await?;
    Ok(now(key.kind, value))
}

/// Applies our fields to the object with this uid; by force, so that a field that somebody else took is taken back. Fields of others stay.
///
/// *Gone, or a namesake in its place*: the uid makes that a conflict instead of a new object; the driver looks again. *Invalid*: an immutable field; the message goes into
/// the status. *Throttled, unavailable, too late*: see above; applying twice is applying once.
pub(super) async fn apply(
    requests: &Requests,
    manager: &str,
    key: &ObjectKey,
    body: &Value,
    uid: &str,
) -> Result<Written, BackendError> {
    let mut body = body.clone();
    body["metadata"]["uid"] = json!(uid);
    let url = with_query(&kinds::object(key), &[("fieldManager", manager), ("force", "true")], None);
    let applied = requests.write("apply", key.kind, Method::PATCH, url.clone(), (Body::Apply, &body)).await;
    let held = match &applied {
        Ok(value) => take_over(value, manager),
        // What the creation still holds may contradict what is applied: a probe can have one handler only.
        Err(refused) if refused.kind == ErrorKind::Invalid => take_over(&requests.whole(key).await?, manager),
        Err(_) => None,
    };
    let Some(patch) = held else { return applied.map(|value| now(key.kind, value)) };
    // The first apply to an object that we created by POST, or that the Go operator wrote: fields that we no longer wish for are still held by that. From now on they belong
    // to our applies, so that this one, once more, lets them go. A conflict here means: look again, and apply again.
    requests
        .write("patch", key.kind, Method::PATCH, with_query(&kinds::object(key), &[], None), (Body::MergePatch, &patch))
        .await?;
    let value = requests.write("apply", key.kind, Method::PATCH, url, (Body::Apply, &body)).await?;
    Ok(now(key.kind, value))
}

/// Deletes the object with this uid, its dependants after it; of a Job or a Deployment, its pods before it, so that it is gone only when nothing of it works any more.
///
/// *Gone already*: told as not found; the wish is fulfilled. *A namesake in its place*: a conflict; the driver looks again. An object that others hold on to
/// is answered with its deletion time; it is there until they let go.
pub(super) async fn delete(requests: &Requests, key: &ObjectKey, uid: &str) -> Result<Written, BackendError> {
    let order = if matches!(key.kind, Kind::Job | Kind::Deployment) { "Foreground" } else { "Background" };
    let options =
        json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": order, "preconditions": {"uid": uid}});
    let value = requests.write("delete", key.kind, Method::DELETE, kinds::object(key), (Body::Json, &options)).await?;
    let held = value.pointer("/metadata/deletionTimestamp").is_some_and(|time| !time.is_null());
    Ok(if held { now(key.kind, value) } else { Written::Gone })
}

/// Changes finalizers, labels and annotations, provided that the object has not changed since it was read.
///
/// *Conflict*: it has; the driver looks again at once. *Gone*: told as not found; nothing is left to change.
pub(super) async fn metadata(
    requests: &Requests,
    manager: &str,
    key: &ObjectKey,
    uid: &str,
    resource_version: Option<&str>,
    patch: &MetadataPatch,
) -> Result<Written, BackendError> {
    let mut body = patch.to_value();
    body["metadata"]["uid"] = json!(uid);
    if let Some(version) = resource_version {
        body["metadata"]["resourceVersion"] = json!(version);
    }
    let url = with_query(&kinds::object(key), &[("fieldManager", manager)], None);
    let value = requests.write("patch", key.kind, Method::PATCH, url, (Body::MergePatch, &body)).await?;
    let freed = value.pointer("/metadata/deletionTimestamp").is_some_and(|time| !time.is_null())
        && value.pointer("/metadata/finalizers").and_then(Value::as_array).is_none_or(Vec::is_empty);
    Ok(if freed { Written::Gone } else { now(key.kind, value) })
}

/// Asks a pod to go. *Throttled*: a budget of disruption keeps it.
pub(super) async fn evict(requests: &Requests, key: &ObjectKey, uid: &str) -> Result<Written, BackendError> {
    let url = format!("{}/eviction", kinds::object(key));
    let body = json!({
        "apiVersion": "policy/v1", "kind": "Eviction",
        "metadata": {"name": key.name, "namespace": key.namespace()},
        "deleteOptions": {"preconditions": {"uid": uid}},
    });
    requests.write("evict", key.kind, Method::POST, url, (Body::Json, &body)).await?;
    Ok(Written::Gone)
}

/// Replaces the whole status of a root, provided that it has not changed since it was read: what is no longer said must not stay, so this is no merge.
///
/// *Conflict*: somebody changed the root, or it is a namesake; the driver looks again at once. *Gone*: nothing is left to say.
pub(super) async fn status(requests: &Requests, manager: &str, write: &StatusWrite) -> Result<Written, BackendError> {
    let operations = json!([
        {"op": "add", "path": "/metadata/uid", "value": write.uid},
        {"op": "add", "path": "/metadata/resourceVersion", "value": write.resource_version},
        {"op": "add", "path": "/status", "value": write.status},
    ]);
    let url = status_url(&write.key, manager);
    let value =
        requests.write("patch_status", write.key.kind, Method::PATCH, url, (Body::JsonPatch, &operations)).await?;
    Ok(now(write.key.kind, value))
}

/// Merges into the status of an object that others write too, whatever its version. Only actors of a simulated world do.
///
/// *A namesake in its place*: a conflict; the driver looks again. *Gone*: told as not found.
pub(super) async fn foreign_status(
    requests: &Requests,
    manager: &str,
    key: &ObjectKey,
    uid: &str,
    status: &Value,
) -> Result<Written, BackendError> {
    let body = json!({"metadata": {"uid": uid}, "status": status});
    let value = requests
        .write("patch_status", key.kind, Method::PATCH, status_url(key, manager), (Body::MergePatch, &body))
        .await?;
    Ok(now(key.kind, value))
}

/// A plan that changes what is created once has a defect.
pub(super) fn never_changed(key: &ObjectKey) -> BackendError {
    BackendError::new(ErrorKind::Invalid, format!("{key} is created once and never changed"))
}

/// An effect that is newer than this cluster layer.
pub(super) fn unknown(effect: &Effect) -> BackendError {
    BackendError::new(ErrorKind::Invalid, format!("this cluster layer cannot {} {}", effect.verb(), effect.key()))
}

fn status_url(key: &ObjectKey, manager: &str) -> String {
    with_query(&format!("{}/status", kinds::object(key)), &[("fieldManager", manager)], None)
}

fn now(kind: Kind, value: Value) -> Written {
    Written::Now(Box::new(Seen::decode(kind, value)))
}

/// The field manager of the Go operator, after its program (`docker/workspace/Dockerfile`: `-o manager`). Others may share the name: it is the one who made the object, and said whose it is.
const FORMER: &str = "manager";

/// The patch that turns the fields of a creation, ours or the Go operator's, into fields of our applies; `None` where there is no such entry.
fn take_over(object: &Value, manager: &str) -> Option<Value> {
    let entries = object.pointer("/metadata/managedFields")?.as_array()?;
    let is_main = |entry: &Value| entry.get("subresource").and_then(Value::as_str).is_none_or(str::is_empty);
    let is_former =
        |entry: &Value| entry["manager"] == FORMER && entry.pointer("/fieldsV1/f:metadata/f:ownerReferences").is_some();
    let is_written = |entry: &Value| {
        is_main(entry) && entry["operation"] == "Update" && (entry["manager"] == manager || is_former(entry))
    };
    let is_applied = |entry: &Value| is_main(entry) && entry["operation"] == "Apply" && entry["manager"] == manager;
    let mut taken = entries.iter().find(|entry| is_written(entry))?.clone();
    taken["manager"] = json!(manager);
    taken["operation"] = json!("Apply");
    for entry in entries.iter().filter(|entry| is_written(entry)) {
        unite(&mut taken["fieldsV1"], &entry["fieldsV1"]);
    }
    let others = entries.iter().filter(|entry| !is_written(entry) && !is_applied(entry)).cloned();
    let all: Vec<Value> = others.chain([taken]).collect();
    Some(json!({"metadata": {
        "uid": object.pointer("/metadata/uid"), "resourceVersion": object.pointer("/metadata/resourceVersion"), "managedFields": all,
    }}))
}

/// Adds fields to a set of fields.
fn unite(fields: &mut Value, more: &Value) {
    for (field, below) in more.as_object().into_iter().flatten() {
        unite(&mut fields[field], below);
        if fields[field].is_null() {
            fields[field] = below.clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;
    use http::{Request, Response};
    use kube_client::Client;
    use kube_client::client::Body as HttpBody;
    use std::sync::{Arc, Mutex};

    #[tokio::test]
    async fn what_runs_pods_is_gone_only_after_them() {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&asked);
        let service = tower::service_fn(move |request: Request<HttpBody>| {
            let heard = Arc::clone(&heard);
            async move {
                let body = request.into_body().collect_bytes().await?;
                let options: Value = serde_json::from_slice(&body).expect("options");
                heard.lock().expect("no panic").push(options);
                Ok::<_, kube_client::Error>(Response::new(HttpBody::from(b"{}".to_vec())))
            }
        });
        let requests = Requests::new(Client::new(service, "default"), Metrics::unread());
        for (kind, order) in
            [(Kind::Job, "Foreground"), (Kind::Deployment, "Foreground"), (Kind::StatefulSet, "Background")]
        {
            let deleted = delete(&requests, &ObjectKey::new(kind, "a", "b"), "u").await;
            assert!(matches!(deleted, Ok(Written::Gone)), "{deleted:?}");
            let options = asked.lock().unwrap().pop().unwrap();
            assert_eq!((&options["propagationPolicy"], &options["preconditions"]["uid"]), (&json!(order), &json!("u")));
        }
    }

    #[test]
    fn the_fields_of_our_creation_become_fields_of_our_applies() {
        let entry = |manager: &str, operation: &str, fields: &str| json!({"manager": manager, "operation": operation, "fieldsV1": {fields: {}}});
        let mut status = entry("kaito-workspace", "Update", "f:status");
        status["subresource"] = json!("status");
        let fields = [
            entry("kaito-workspace", "Apply", "f:new"),
            entry("kaito-workspace", "Update", "f:old"),
            entry("kubectl", "Update", "f:x"),
            status.clone(),
        ];
        let object = json!({"metadata": {"uid": "u", "resourceVersion": "7", "managedFields": fields}});
        let patch = take_over(&object, "kaito-workspace").unwrap();
        assert_eq!(
            patch["metadata"]["managedFields"],
            json!([entry("kubectl", "Update", "f:x"), status, entry("kaito-workspace", "Apply", "f:old")])
        );
        assert!(take_over(&object, "kaito-other").is_none());
    }

    #[test]
    fn the_fields_of_the_go_operator_become_fields_of_our_applies_too() {
        let entry = |manager: &str, operation: &str, fields: Value| json!({"manager": manager, "operation": operation, "fieldsV1": fields});
        let spec = |field: &str| json!({"f:spec": {field: {}}});
        let made = json!({"f:metadata": {"f:ownerReferences": {}}, "f:spec": {"f:old": {}}});
        let fields = [
            entry("manager", "Update", made.clone()),
            entry("kaito-workspace", "Update", spec("f:annotated")),
            entry("kaito-workspace", "Apply", spec("f:new")),
            entry("kubectl-edit", "Update", spec("f:x")),
        ];
        let object =
            |fields: &[Value]| json!({"metadata": {"uid": "u", "resourceVersion": "7", "managedFields": fields}});
        let mut both = made;
        both["f:spec"]["f:annotated"] = json!({});
        let taken = take_over(&object(&fields), "kaito-workspace").unwrap();
        assert_eq!(
            taken["metadata"]["managedFields"],
            json!([entry("kubectl-edit", "Update", spec("f:x")), entry("kaito-workspace", "Apply", both)])
        );
        let namesake = [entry("manager", "Update", spec("f:theirs"))];
        assert!(take_over(&object(&namesake), "kaito-workspace").is_none(), "another operator of that name");
    }
}
