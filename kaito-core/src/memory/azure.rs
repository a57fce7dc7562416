//! What Azure says when it gives no machine: one table for the cloud that is simulated here and for one that speaks HTTP.
//!
//! Codes and words: spec/05 §2.10 and §7.4, collected there from karpenter-provider-azure, azure-sdk-for-go-extensions and the documentation of AKS.

use super::CloudFate;
use crate::backend::{BackendError, ErrorKind};
use serde::Serialize;
use std::time::Duration;

/// Until when a refusal is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum Told {
    /// At once: the request is answered by this HTTP status.
    At(u16),
    /// At once, and to every other request as well, reads included: who asks, or the cluster that is asked for, is not known.
    Always(u16),
    /// Minutes later: the request was taken, and its operation and the pool end as `Failed`.
    Later,
}

/// One way to be given no machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct AzureRefusal {
    /// A word for it.
    pub word: &'static str,
    /// When it is told.
    pub told: Told,
    /// Azure's code.
    pub code: &'static str,
    /// Azure's words.
    pub message: &'static str,
    /// Seconds that it asks to wait, where it does.
    pub retry_after_s: Option<u64>,
}

const fn refusal(word: &'static str, told: Told, code: &'static str, message: &'static str) -> AzureRefusal {
    AzureRefusal { word, told, code, message, retry_after_s: None }
}

/// The subscription may not have so many cores in the region: found out before anything is made.
pub const REGIONAL_QUOTA: AzureRefusal = refusal(
    "regional quota",
    Told::At(400),
    "ErrCode_InsufficientVCPUQuota",
    "Insufficient vcpu quota requested 24, remaining 0 for family standardNCADSA100v4Family for region eastus.",
);
/// The subscription may not have so many cores of the family: found out when the machine is made.
pub const FAMILY_QUOTA: AzureRefusal = refusal(
    "family quota",
    Told::Later,
    "QuotaExceeded",
    "Operation could not be completed as it results in exceeding approved standardNCADSA100v4Family Cores quota. Additional details - Deployment Model: Resource Manager, Location: eastus, Current Limit: 0, Current Usage: 0, Additional Required: 24. Submit a request for Quota increase.",
);
/// No such machine is free.
pub const STOCK_OUT: AzureRefusal = refusal(
    "stock-out",
    Told::Later,
    "AllocationFailed",
    "Allocation failed. We do not have sufficient capacity for the requested VM size in this region.",
);
/// No such machine is free in the zone.
pub const ZONAL_STOCK_OUT: AzureRefusal = refusal(
    "zonal stock-out",
    Told::Later,
    "ZonalAllocationFailed",
    "Allocation failed. We do not have sufficient capacity for the requested VM size in this zone.",
);
/// The size is not offered to the subscription.
pub const SIZE_NOT_ALLOWED: AzureRefusal = refusal(
    "size not allowed",
    Told::At(400),
    "BadRequest",
    "The VM size of AgentPoolProfile is not allowed in your subscription in location 'eastus'.",
);
/// Something else is done to the cluster.
pub const OTHER_OPERATION: AzureRefusal = refusal(
    "other operation",
    Told::At(409),
    "OperationNotAllowed",
    "Operation is not allowed: Another operation (Updating) is in progress, please wait for it to finish before starting a new operation.",
);
/// Too many requests.
pub const THROTTLED: AzureRefusal = AzureRefusal {
    retry_after_s: Some(60),
    ..refusal("throttled", Told::At(429), "Throttled", "The PutAgentPoolHandler.PUT request limit has been exceeded.")
};
/// Too many requests of AKS to Compute, which shows when the machine is made.
pub const THROTTLED_BELOW: AzureRefusal = refusal(
    "throttled below",
    Told::Later,
    "ReconcileVMSSAgentPoolFailed",
    "Reconcile VMSS agent pool failed. SubCode: TooManyRequests; Message: The request is being throttled.",
);
/// The identity has no right to do it.
pub const NOT_AUTHORIZED: AzureRefusal = refusal(
    "not authorized",
    Told::At(403),
    "AuthorizationFailed",
    "The client does not have authorization to perform action 'Microsoft.ContainerService/managedClusters/agentPools/write' over scope or the scope is invalid.",
);
/// The machine came, and its node did not become ready in time.
pub const NODES_NOT_READY: AzureRefusal =
    refusal("nodes not ready", Told::Later, "NodesNotReady", "Not all nodes reached Ready state.");
/// The request is wrong in the eyes of AKS.
pub const INVALID_PARAMETER: AzureRefusal = refusal(
    "invalid parameter",
    Told::At(400),
    "InvalidParameter",
    "The value of parameter agentPoolProfile.vnetSubnetID is invalid. Error details: the subnet is delegated to another service.",
);
/// The token is too old, and there is no other.
pub const CREDENTIAL_EXPIRED: AzureRefusal = refusal(
    "credential expired",
    Told::Always(401),
    "ExpiredAuthenticationToken",
    "The access token expiry UTC time is earlier than current UTC time.",
);
/// Whoever gives tokens gives none: nothing is sent at all.
pub const NO_TOKEN: AzureRefusal = refusal(
    "no token",
    Told::Always(401),
    "AADSTS7000222",
    "The provided client secret keys for app '00000000-0000-0000-0000-000000000001' are expired. Visit the Azure portal to create new keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: https://aka.ms/certCreds",
);
/// The cluster whose pools are asked for is not there.
pub const NO_CLUSTER: AzureRefusal = refusal(
    "no cluster",
    Told::Always(404),
    "ResourceNotFound",
    "The Resource 'Microsoft.ContainerService/managedClusters/aks' under resource group 'rg' was not found.",
);

/// Every row that may come and go; those of [`Told::Always`] stay until somebody changes a setting.
pub const REFUSALS: &[&AzureRefusal] = &[
    &REGIONAL_QUOTA,
    &FAMILY_QUOTA,
    &STOCK_OUT,
    &ZONAL_STOCK_OUT,
    &SIZE_NOT_ALLOWED,
    &OTHER_OPERATION,
    &THROTTLED,
    &THROTTLED_BELOW,
    &NOT_AUTHORIZED,
    &NODES_NOT_READY,
    &INVALID_PARAMETER,
];

impl AzureRefusal {
    /// The refusal as a backend tells it: the code first.
    fn error(&self, status: u16) -> BackendError {
        let kind = match status {
            401 | 403 => ErrorKind::Forbidden,
            409 => ErrorKind::Busy,
            429 => ErrorKind::Throttled,
            404 | 500.. => ErrorKind::Unavailable,
            _ => ErrorKind::Invalid,
        };
        let retry_after = self.retry_after_s.map(Duration::from_secs);
        // Where the code alone says nothing, the status goes with the words.
        let end = if status == 404 { " (HTTP 404)" } else { "" };
        BackendError { retry_after, ..BackendError::new(kind, format!("{}: {}{end}", self.code, self.message)) }
    }
}

/// A refusal of a request for an agent pool, which anybody else would tell in other words.
pub(super) fn in_its_words(error: BackendError) -> BackendError {
    let said = match error.kind {
        ErrorKind::Conflict => OTHER_OPERATION.error(409),
        ErrorKind::Throttled => THROTTLED.error(429),
        ErrorKind::Forbidden => REGIONAL_QUOTA.error(400),
        _ => return error,
    };
    BackendError { retry_after: error.retry_after.or(said.retry_after), ..said }
}

/// What is said of a pool of this size under a fate, if anything is.
pub fn refuses<'a>(fate: &'a CloudFate, size: &str) -> Option<&'a AzureRefusal> {
    match fate {
        CloudFate::Azure { refusal, size: only } if only.as_deref().is_none_or(|only| only == size) => Some(refusal),
        _ => None,
    }
}

/// What becomes of a request for a pool of this size, where it is refused at once.
pub(super) fn at_once(fate: &CloudFate, size: &str) -> Option<BackendError> {
    let refusal = refuses(fate, size)?;
    match refusal.told {
        Told::At(status) | Told::Always(status) => Some(refusal.error(status)),
        Told::Later => None,
    }
}

/// What becomes of every request and question, where the cloud answers none.
pub(super) fn always(fate: &CloudFate) -> Option<BackendError> {
    match fate {
        CloudFate::Azure { refusal: refusal @ AzureRefusal { told: Told::Always(status), .. }, .. } => {
            Some(refusal.error(*status))
        }
        _ => None,
    }
}
