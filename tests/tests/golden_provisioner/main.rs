//! What the reference asks of Azure is what we ask, and what it makes of pools and of refusals is what we make, but for the differences in the tables. Recorded by running the reference's own
//! provider over a scripted cloud (`golden/provisioner`).

mod asked; // claims, and what is asked for
mod converted; // pools, as claims
mod lived; // lives of claims
mod told; // answers, and how they end

use bytes::Bytes;
use http::Response;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use kaito_provisioner::Arm;
use kaito_provisioner::arm::{ClusterId, Endpoint};
use kaito_provisioner::pool::ClaimView;
use kaito_tests::shared;
use serde_json::{Value, json};

/// Lines of a file; none where the recordings are absent.
fn lines(file: &str) -> Vec<Value> {
    let Some(path) = shared::path(&format!("golden/provisioner/{file}")) else {
        return Vec::new();
    };
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn id(line: &Value) -> &str {
    line["id"].as_str().unwrap()
}

fn is_bug(line: &Value) -> bool {
    line.get("reference_bug").is_some()
}

fn arm() -> Arm {
    let cluster = ClusterId::new("00000000-0000-0000-0000-000000000000", "rg", "aks").unwrap();
    Arm::new(Endpoint::parse("https://management.azure.com").unwrap(), cluster)
}

fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

fn answer(status: u16, body: &Value) -> Response<Bytes> {
    Response::builder().status(status).body(Bytes::from(body.to_string())).unwrap()
}

fn nodes(line: &Value) -> Vec<Node> {
    line["nodes"].as_array().unwrap().iter().map(|node| serde_json::from_value(node.clone()).unwrap()).collect()
}

/// The fields of a view by the names of the recordings, as objects that can be compared.
fn view(ours: &ClaimView) -> Value {
    json!({
        "name": ours.name, "labels": ours.labels, "creationTimestamp": ours.created.map(|time| time.to_string()),
        "providerID": ours.provider_id, "imageID": ours.image_id, "isDeleting": ours.is_deleting,
    })
}

fn recorded_view(theirs: &Value) -> Value {
    let (metadata, status) = (&theirs["metadata"], &theirs["status"]);
    json!({
        "name": metadata["name"], "labels": metadata["labels"], "creationTimestamp": metadata["creationTimestamp"],
        "providerID": status["providerID"], "imageID": status["imageID"], "isDeleting": metadata.get("deletionTimestamp").is_some(),
    })
}
