//! What a backend adds to the pools of the pure crate: who is asked for what by an effect, and what a refusal is to a driver.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kaito_api::cloud::AgentPool;
use kaito_core::backend::{BackendError, ErrorKind};
use kaito_core::kinds::Typed;
use kaito_core::{Kind, ObjectKey, Seen};
use kaito_provisioner::class::ErrorClass;
use kaito_provisioner::{ArmError, PoolName, PoolRequest, PoolSeen};
use serde_json::Value;

/// What is asked of Azure for an object.
pub(super) fn request(key: &ObjectKey, body: &Value) -> Result<PoolRequest, BackendError> {
    let invalid = |why: String| BackendError::new(ErrorKind::Invalid, format!("{key}: {why}"));
    let name = name(key)?;
    let mut pool: AgentPool = serde_json::from_value(body.clone()).map_err(|error| invalid(error.to_string()))?;
    pool.metadata.name = Some(name.to_string());
    PoolRequest::of_object(&pool).ok_or_else(|| invalid("no agent pool can be called so".to_owned()))
}

/// The name of a pool; one that AKS has none of is refused here.
pub(super) fn name(key: &ObjectKey) -> Result<PoolName, BackendError> {
    PoolName::parse(&key.name).map_err(|why| BackendError::new(ErrorKind::Invalid, format!("{key}: {why}")))
}

/// A pool as Azure shows it, as an object. `going` is since when it is known to be deleted.
pub(super) fn object(seen: &PoolSeen, going: Option<Timestamp>) -> Seen {
    let mut pool = seen.to_object();
    pool.metadata.deletion_timestamp = going.map(Time);
    Seen::decode(Kind::AgentPool, pool.to_wire())
}

/// A refusal of Azure as a backend tells it: its code and words first, and the wait that Azure asks for, if any. Only what our own condition refuses (412) is a race, to be looked at again at once;
/// to Azure's own conflicts patience is the answer.
pub(super) fn refused(error: &ArmError) -> BackendError {
    let kind = match error.class() {
        _ if error.status == Some(412) => ErrorKind::Conflict,
        ErrorClass::Conflict | ErrorClass::Superseded => ErrorKind::Busy,
        ErrorClass::Throttled => ErrorKind::Throttled,
        ErrorClass::Auth => ErrorKind::Forbidden,
        ErrorClass::Quota | ErrorClass::StockOut | ErrorClass::SizeNotAllowed | ErrorClass::Invalid => {
            ErrorKind::Invalid
        }
        _ => ErrorKind::Unavailable,
    };
    BackendError { kind, message: error.failure.message.clone(), retry_after: error.retry_after }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_object_is_asked_for_as_it_says() {
        let key = ObjectKey::cluster(Kind::AgentPool, "ws1");
        let body = json!({
            "metadata": {"labels": {"a": "b"}},
            "spec": {"size": "S", "operatingSystem": "AzureLinux", "diskGib": 64, "taints": ["k=v:NoSchedule"], "zones": ["1"], "spot": true},
        });
        let asked = request(&key, &body).unwrap();
        let sent: Value = serde_json::from_slice(&asked.body()).unwrap();
        assert_eq!(
            sent["properties"],
            json!({
                "count": 1, "vmSize": "S", "osType": "Linux", "osSKU": "AzureLinux", "osDiskSizeGB": 64,
                "type": "VirtualMachineScaleSets", "nodeLabels": {"a": "b"}, "nodeTaints": ["k=v:NoSchedule"],
                "availabilityZones": ["1"], "scaleSetPriority": "Spot", "scaleSetEvictionPolicy": "Delete", "spotMaxPrice": -1,
            })
        );
        for (name, body) in [("Ws-1", body.clone()), ("ws1", json!({"spec": {"diskGib": "many"}})), ("ws1", json!({}))]
        {
            let refusal = request(&ObjectKey::cluster(Kind::AgentPool, name), &body);
            assert!(matches!(refusal, Err(error) if error.kind == ErrorKind::Invalid), "{name} {body}");
        }
    }
}
