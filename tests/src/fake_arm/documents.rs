//! Pools, operations and errors as Azure writes them.

use super::order::Said;
use super::{CLUSTER, GROUP, SUBSCRIPTION};
use serde_json::{Value, json};

/// The path of the cluster.
pub(super) fn cluster_path() -> String {
    format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.ContainerService/managedClusters/{CLUSTER}"
    )
}

/// A refusal in the form of Azure Resource Manager.
pub(super) fn refusal(status: u16, code: &str, message: &str) -> Said {
    Said::new(status, json!({"error": {"code": code, "message": message}}).to_string())
}

/// A refusal in the flat form of AKS.
pub(super) fn flat(status: u16, code: &str, message: &str) -> Said {
    let body = json!({"code": code, "details": null, "message": message, "subcode": ""});
    Said::new(status, body.to_string())
}

/// What AKS says of a pool that is not there: in words of its own, and in those of the service behind it, which has a code for nothing.
pub(super) fn no_pool(name: &str) -> Said {
    let behind = json!([{"code": "Unspecified", "message": "rpc error: code = NotFound desc = Agent Pool not found"}]);
    let message = format!(
        "Could not find the agentpool: {name} in subscription: {SUBSCRIPTION}, resourceGroup: {GROUP}, resourceName: {CLUSTER}."
    );
    let body = json!({"code": "NotFound", "details": behind, "message": message, "subcode": "GetAgentPool_NotFound"});
    Said::new(404, body.to_string())
}

/// The ETag of a pool.
pub(super) fn etag(pool: &Value) -> String {
    let version = pool.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default();
    format!("etag-{version}")
}

/// A pool of the store as Azure shows it.
pub(super) fn pool(name: &str, pool: &Value) -> Value {
    let at = |path: &str| pool.pointer(path).cloned().unwrap_or_default();
    let or = |path: &str, otherwise: Value| pool.pointer(path).cloned().unwrap_or(otherwise);
    let mut properties = json!({
        "count": 1, "vmSize": at("/spec/size"), "osDiskSizeGB": or("/spec/diskGib", json!(128)), "osType": "Linux",
        "osSKU": or("/spec/operatingSystem", json!("Ubuntu")), "type": "VirtualMachineScaleSets", "mode": "User",
        "nodeLabels": or("/metadata/labels", json!({})), "nodeTaints": or("/spec/taints", json!([])),
        "provisioningState": at("/status/state"), "eTag": etag(pool), "powerState": {"code": "Running"},
        "nodeImageVersion": at("/status/image"),
    });
    if pool.pointer("/spec/spot") == Some(&json!(true)) {
        properties["scaleSetPriority"] = json!("Spot");
    }
    if let Some(failure) = pool.pointer("/status/failure").filter(|failure| failure.is_object()) {
        properties["status"] = json!({"provisioningError": failure});
    }
    let id = format!("{}/agentPools/{name}", cluster_path());
    json!({"id": id, "name": name, "type": "Microsoft.ContainerService/managedClusters/agentPools", "properties": properties})
}

/// What is asked for, as the store takes it; or why not.
pub(super) fn asked(name: &str, body: &[u8]) -> Result<Value, Said> {
    let invalid = |why: &str| flat(400, "InvalidParameter", why);
    let is_name = name.len() <= 12
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if !is_name {
        return Err(invalid(&format!("The value of parameter agentPoolName {name} is invalid.")));
    }
    let body: Value = serde_json::from_slice(body).map_err(|_| flat(400, "InvalidRequestContent", "no JSON"))?;
    let properties = body.get("properties").filter(|found| found.is_object());
    let properties = properties.ok_or_else(|| invalid("Required parameter properties is missing (null)."))?;
    let or = |field: &str, otherwise: Value| properties.get(field).cloned().unwrap_or(otherwise);
    let size = properties.get("vmSize").and_then(Value::as_str).filter(|size| !size.is_empty());
    let size = size.ok_or_else(|| invalid("Required parameter vmSize is missing (null)."))?;
    if properties.get("count") != Some(&json!(1)) {
        return Err(invalid("Here a pool has one machine."));
    }
    let labels = or("nodeLabels", json!({}));
    if labels.as_object().is_none_or(|all| all.keys().any(|key| key.starts_with("kubernetes.azure.com/"))) {
        return Err(invalid("The label prefix kubernetes.azure.com is reserved."));
    }
    Ok(json!({
        "metadata": {"labels": labels},
        "spec": {
            "size": size, "diskGib": or("osDiskSizeGB", json!(128)), "operatingSystem": or("osSKU", json!("Ubuntu")),
            "taints": or("nodeTaints", json!([])), "zones": or("availabilityZones", json!([])),
            "spot": properties.get("scaleSetPriority") == Some(&json!("Spot")),
        },
    }))
}

/// How far an operation on a pool is; the pool is gone where there is none.
pub(super) fn operation(id: &str, is_deletion: bool, pool: Option<&Value>) -> Value {
    let state = pool.and_then(|pool| pool.pointer("/status/state")).and_then(Value::as_str);
    let failure = pool.and_then(|pool| pool.pointer("/status/failure")).cloned().unwrap_or_default();
    let mut document = json!({"name": id, "startTime": "2026-01-01T00:00:00Z"});
    let status = match (is_deletion, state) {
        (true, None) | (false, Some("Succeeded")) => "Succeeded",
        (_, Some("Failed")) => {
            document["error"] = failure;
            "Failed"
        }
        // Somebody has deleted what was being made.
        (false, None | Some("Deleting")) => {
            document["error"] = json!({"code": "OperationPreempted", "message": "The operation was overriden and canceled by a later operation."});
            "Canceled"
        }
        (_, Some(_)) => "InProgress",
    };
    document["status"] = json!(status);
    document
}
