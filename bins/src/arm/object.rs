//! Agent pools as objects, and back.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kaito_api::cloud::{AgentPool, AgentPoolFailure, AgentPoolSpec, AgentPoolStatus, OperatingSystem};
use kaito_core::backend::{BackendError, ErrorKind};
use kaito_core::kinds::Typed;
use kaito_core::{Kind, ObjectKey, Seen};
use kaito_provisioner::class::{ErrorClass, Failure};
use kaito_provisioner::pool::{OsSku, Priority, stamp};
use kaito_provisioner::{ArmError, PoolName, PoolRequest, PoolSeen};
use serde_json::Value;

/// The uid of a pool that does not say for which claim it was made.
const UNSTAMPED: &str = "unstamped";

/// What is asked of Azure for an object.
pub(super) fn request(key: &ObjectKey, body: &Value) -> Result<PoolRequest, BackendError> {
    let invalid = |why: String| BackendError::new(ErrorKind::Invalid, format!("{key}: {why}"));
    let name = name(key)?;
    let mut body = body.clone();
    body["metadata"]["name"] = Value::from(name.as_str());
    let pool: AgentPool = serde_json::from_value(body).map_err(|error| invalid(error.to_string()))?;
    let AgentPoolSpec { size, operating_system, disk_gib, taints, zones, spot } = pool.spec;
    let os_sku = match operating_system {
        OperatingSystem::Ubuntu => OsSku::Ubuntu,
        OperatingSystem::AzureLinux => OsSku::AzureLinux,
    };
    let priority = if spot { Priority::Spot } else { Priority::Regular };
    let labels = pool.metadata.labels.unwrap_or_default();
    Ok(PoolRequest { name, size, os_sku, disk_gib, labels, taints, zones, priority, remarks: Vec::new() })
}

/// The name of a pool; one that AKS has none of is refused here.
pub(super) fn name(key: &ObjectKey) -> Result<PoolName, BackendError> {
    PoolName::parse(&key.name).map_err(|why| BackendError::new(ErrorKind::Invalid, format!("{key}: {why}")))
}

/// A pool as Azure shows it, as an object. `going` is since when it is known to be deleted.
///
/// Its uid is the time of the claim that it was made for ([`uid`]): another pool of the name has another one. Its
/// version begins with the ETag; state and failure stand behind it, because Azure does not promise that they move the ETag.
pub(super) fn object(seen: &PoolSeen, going: Option<Timestamp>) -> Seen {
    let failure = seen.failure.as_ref().map(said);
    let state = seen.state.word().to_owned();
    let etag = seen.etag.as_deref().unwrap_or_default();
    let code = failure.as_ref().map_or("", |failure| failure.code.as_str());
    let mut pool = AgentPool::new(
        seen.name.as_str(),
        AgentPoolSpec { size: seen.size.clone(), spot: seen.is_spot, ..AgentPoolSpec::default() },
    );
    pool.metadata.resource_version = Some(format!("{etag}/{state}/{code}"));
    pool.metadata.uid = Some(uid(seen));
    pool.metadata.labels = Some(seen.labels.clone());
    pool.metadata.deletion_timestamp = going.map(Time);
    pool.status = Some(AgentPoolStatus { state, failure, image: seen.image.clone() });
    Seen::decode(Kind::AgentPool, pool.to_wire())
}

/// What tells a pool from another of its name: the time of its claim.
pub(super) fn uid(seen: &PoolSeen) -> String {
    seen.claim_created().map_or_else(|| UNSTAMPED.to_owned(), stamp)
}

/// A failure as code and words. What begins with no code has none.
fn said(failure: &Failure) -> AgentPoolFailure {
    let text = failure.message.as_str();
    let end = text.find([':', ' ']).unwrap_or(text.len());
    let (first, rest) = text.split_at(end);
    let is_code = !first.is_empty() && first.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
    // `Code: words` and `Code (finer code): words`; `Words of a sentence` begins with none.
    match rest.strip_prefix(": ").or_else(|| rest.strip_prefix(" ").filter(|rest| rest.starts_with('('))) {
        Some(words) if is_code => AgentPoolFailure { code: first.to_owned(), message: words.to_owned() },
        None if is_code && rest.is_empty() => AgentPoolFailure { code: first.to_owned(), message: String::new() },
        _ => AgentPoolFailure { code: String::new(), message: text.to_owned() },
    }
}

/// A refusal of Azure as a backend tells it: its code and words first.
pub(super) fn refused(error: &ArmError) -> BackendError {
    let kind = match error.class() {
        ErrorClass::Superseded => ErrorKind::Conflict,
        ErrorClass::Throttled => ErrorKind::Throttled,
        ErrorClass::Auth => ErrorKind::Forbidden,
        ErrorClass::Quota | ErrorClass::StockOut | ErrorClass::SizeNotAllowed | ErrorClass::Invalid => {
            ErrorKind::Invalid
        }
        // Another operation, too: what is planned from is as it was read, so that looking again would help nobody, and its words are told.
        _ => ErrorKind::Unavailable,
    };
    BackendError { kind, message: error.failure.message.clone(), retry_after: Some(error.retry_after) }
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

    #[test]
    fn a_failure_is_told_as_code_and_words() {
        for (message, code, words) in [
            ("QuotaExceeded: no cores", "QuotaExceeded", "no cores"),
            ("ReconcileFailed (TooManyRequests): later", "ReconcileFailed", "(TooManyRequests): later"),
            ("AllocationFailed", "AllocationFailed", ""),
            ("The operation has failed", "", "The operation has failed"),
            ("HTTP 500: no", "", "HTTP 500: no"),
            ("", "", ""),
        ] {
            let failure = said(&Failure::new(ErrorClass::Unknown, "", message));
            assert_eq!((failure.code.as_str(), failure.message.as_str()), (code, words));
        }
    }
}
