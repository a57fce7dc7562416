//! A pool as an object of a snapshot, and back: what a planner reads and writes, and what a backend makes of Azure's documents.

use super::request::{OsSku, PoolRequest, Priority};
use super::{PoolName, PoolSeen, PoolState, stamp};
use crate::arm::errors::{self, Said};
use crate::class::Failure;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kaito_api::cloud::{AgentPool, AgentPoolFailure, AgentPoolSpec, AgentPoolStatus, OperatingSystem};
use kaito_api::vocabulary::labels;
use std::collections::BTreeMap;

/// What stands between the parts of a version.
const PART: char = '/';

/// The uid of a pool that does not say for which claim it was made.
const UNSTAMPED: &str = "unstamped";

impl PoolRequest {
    /// The object that is asked for.
    pub fn to_object(&self) -> AgentPool {
        let metadata = ObjectMeta {
            name: Some(self.name.to_string()),
            labels: Some(self.labels.clone()),
            ..ObjectMeta::default()
        };
        let spec = AgentPoolSpec {
            size: self.size.clone(),
            operating_system: match self.os_sku {
                OsSku::Ubuntu => OperatingSystem::Ubuntu,
                OsSku::AzureLinux => OperatingSystem::AzureLinux,
            },
            disk_gib: self.disk_gib,
            taints: self.taints.clone(),
            zones: self.zones.clone(),
            spot: self.priority == Priority::Spot,
        };
        AgentPool { metadata, spec, status: None }
    }

    /// The request that an object was made of, for a backend that has to send it; `None` where no pool can be called so.
    pub fn of_object(pool: &AgentPool) -> Option<Self> {
        Some(Self {
            name: PoolName::parse(pool.metadata.name.as_deref()?).ok()?,
            size: pool.spec.size.clone(),
            os_sku: match pool.spec.operating_system {
                OperatingSystem::Ubuntu => OsSku::Ubuntu,
                OperatingSystem::AzureLinux => OsSku::AzureLinux,
            },
            disk_gib: pool.spec.disk_gib,
            labels: pool.metadata.labels.clone().unwrap_or_default(),
            taints: pool.spec.taints.clone(),
            zones: pool.spec.zones.clone(),
            priority: if pool.spec.spot { Priority::Spot } else { Priority::Regular },
            remarks: Vec::new(),
        })
    }
}

impl PoolSeen {
    /// What tells this pool from another of its name: the time of the claim that it was made for.
    pub fn uid(&self) -> String {
        self.claim_created().map_or_else(|| UNSTAMPED.to_owned(), stamp)
    }

    /// The object that a planner sees, and that a cache keeps. Its version begins with the ETag; state and failure stand behind it, because Azure does not promise that they move the ETag.
    pub fn to_object(&self) -> AgentPool {
        let state = self.state.word().to_owned();
        let failure = self.failure.as_ref().map(|failure| {
            let said = in_parts(&failure.message);
            AgentPoolFailure { code: said.code, message: said.message }
        });
        let (etag, code) = (self.etag.as_deref().unwrap_or_default(), failure.as_ref().map_or("", |said| &said.code));
        let metadata = ObjectMeta {
            name: Some(self.name.to_string()),
            labels: Some(self.labels.clone()),
            uid: Some(self.uid()),
            resource_version: Some(format!("{etag}{PART}{state}{PART}{code}")),
            ..ObjectMeta::default()
        };
        let spec = AgentPoolSpec { size: self.size.clone(), spot: self.is_spot, ..AgentPoolSpec::default() };
        let status = AgentPoolStatus { state, failure, image: self.image.clone() };
        AgentPool { metadata, spec, status: Some(status) }
    }

    /// The pool that an object shows; `None` where no pool can be called so. One without a status was asked for, and the cloud has not said anything of it yet.
    pub fn of_object(pool: &AgentPool) -> Option<Self> {
        let status = pool.status.clone();
        let status = status.unwrap_or(AgentPoolStatus { state: "Creating".to_owned(), ..AgentPoolStatus::default() });
        Some(Self {
            name: PoolName::parse(pool.metadata.name.as_deref()?).ok()?,
            state: PoolState::parse(&status.state),
            failure: status.failure.map(|failure| said(&failure.code, &failure.message)),
            size: pool.spec.size.clone(),
            count: 1,
            labels: pool.metadata.labels.clone().unwrap_or_default(),
            tags: BTreeMap::new(),
            image: status.image,
            etag: pool.metadata.resource_version.as_deref().and_then(etag).map(str::to_owned),
            is_spot: pool.spec.spot,
        })
    }

    /// Labels that tell this pool from every other one: the proof that it is ours to delete. `None` for one that is not.
    pub fn marks(&self) -> Option<Vec<(&str, &str)>> {
        let known = [
            labels::NODE_POOL,
            labels::WORKSPACE,
            labels::RAG_ENGINE,
            labels::KAITO_NODE_CLASS,
            labels::CREATION_TIMESTAMP,
        ];
        let found = known.iter().filter_map(|key| Some((*key, self.labels.get(*key)?.as_str())));
        self.is_ours().then(|| found.collect())
    }
}

/// The ETag in a version: the whole of one that somebody else than [`PoolSeen::to_object`] has made.
fn etag(version: &str) -> Option<&str> {
    let parts: Vec<&str> = version.rsplitn(3, PART).collect();
    let etag = if let [_, _, etag] = parts.as_slice() { etag } else { version };
    Some(etag).filter(|etag| !etag.is_empty())
}

/// What a refusal in the cloud's words means.
pub(crate) fn said(code: &str, message: &str) -> Failure {
    let text = match (code, message) {
        ("", message) => message.to_owned(),
        (code, "") => code.to_owned(),
        (code, message) => format!("{code}: {message}"),
    };
    let row = errors::of_text(&text);
    Failure::new(row.class, row.reason, &text)
}

/// Code and message of words that begin with the code.
pub(crate) fn in_parts(words: &str) -> Said {
    Said::of_text(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::ErrorClass;
    use kaito_api::NodeClaim;
    use serde_json::json;

    fn request() -> PoolRequest {
        let claim: NodeClaim = serde_json::from_value(json!({
            "metadata": {"name": "ws0", "creationTimestamp": "2026-01-02T03:04:05Z", "labels": {"kaito.sh/workspace": "phi"},
                "annotations": {"kaito.sh/node-image-family": "azurelinux"}},
            "spec": {
                "requirements": [
                    {"key": "node.kubernetes.io/instance-type", "operator": "In", "values": ["Standard_NC24ads_A100_v4"]},
                    {"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["spot"]},
                    {"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["eastus-1"]},
                ],
                "taints": [{"key": "sku", "value": "gpu", "effect": "NoSchedule"}],
                "resources": {"requests": {"storage": "107Gi"}},
            },
        }))
        .unwrap();
        PoolRequest::of(&claim).unwrap()
    }

    #[test]
    fn a_request_survives_being_an_object() {
        let request = request();
        assert_eq!(PoolRequest::of_object(&request.to_object()), Some(request.clone()));
        let wire = serde_json::to_value(request.to_object()).unwrap();
        let back: AgentPool = serde_json::from_value(wire).unwrap();
        assert_eq!(PoolRequest::of_object(&back).map(|request| request.body()), Some(request.body()));
    }

    #[test]
    fn a_pool_that_was_asked_for_is_being_made_until_the_cloud_says_otherwise() {
        let seen = PoolSeen::of_object(&request().to_object()).unwrap();
        assert_eq!((seen.state.clone(), seen.is_ours()), (PoolState::Creating, true));
        assert_eq!(seen.claim_created().map(stamp).as_deref(), Some("2026-01-02T03-04-05Z"));
    }

    #[test]
    fn a_pool_survives_being_an_object_with_the_words_of_its_failure() {
        let mut seen = PoolSeen::of_object(&request().to_object()).unwrap();
        seen.failure = Some(said("SkuNotAvailable", "The requested size is not available"));
        seen.state = PoolState::Failed;
        seen.image = "image".to_owned();
        seen.etag = Some("etag".to_owned());
        let object = seen.to_object();
        assert_eq!(object.metadata.uid.as_deref(), Some("2026-01-02T03-04-05Z"));
        assert_eq!(PoolSeen::of_object(&object), Some(seen.clone()));
        assert_eq!(object.metadata.resource_version.as_deref(), Some("etag/Failed/SkuNotAvailable"));
        let another = PoolSeen { state: PoolState::Succeeded, ..seen.clone() };
        assert_ne!(another.to_object().metadata.resource_version, object.metadata.resource_version);
        assert_eq!(seen.failure.map(|failure| failure.class), Some(ErrorClass::SizeNotAllowed));
    }

    #[test]
    fn words_begin_with_a_code_where_they_do() {
        for (words, code, message) in [
            ("QuotaExceeded: no cores", "QuotaExceeded", "no cores"),
            ("TooManyRequests: later (ReconcileFailed)", "TooManyRequests", "later (ReconcileFailed)"),
            ("TooManyRequests: (ReconcileFailed)", "TooManyRequests", "(ReconcileFailed)"),
            ("AllocationFailed", "AllocationFailed", ""),
            ("The operation has failed", "", "The operation has failed"),
            ("", "", ""),
            ("HTTP 503 Service Unavailable: sorry", "", "HTTP 503 Service Unavailable: sorry"),
            ("no cores", "", "no cores"),
            (": no cores", "", ": no cores"),
        ] {
            let said = in_parts(words);
            assert_eq!((said.code.as_str(), said.message.as_str()), (code, message));
        }
    }
}
