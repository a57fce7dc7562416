//! Which words of Azure mean what: a table, read from top to bottom. The first row that fits decides, for the error itself, for each of its details, and for the error of an operation.
//!
//! Codes and phrases: spec/05 §2.10, collected there from karpenter-provider-azure, azure-sdk-for-go-extensions and the documentation of AKS, whose waits and reasons these are too. Rows that
//! know a phrase stand above those that only know a code, for `BadRequest` and `OperationNotAllowed` are said of everything.

use crate::class::ErrorClass::{self, *};

/// One row.
#[derive(Debug)]
pub struct Row {
    /// Codes, in any case; any where empty. A message that quotes an error of another service (`Code="..."`, `SubCode: ...`, a document) counts as its code too.
    pub codes: &'static [&'static str],
    /// Phrases of the message in lower case, of which one must be there; any message where empty.
    pub says: &'static [&'static str],
    /// The HTTP status, from and to; any where `None`.
    pub status: Option<(u16, u16)>,
    /// What it means.
    pub class: ErrorClass,
    /// The reason of the condition.
    pub reason: &'static str,
    /// Seconds until the same may be asked again, where the answer asks for none.
    pub retry_s: u64,
}

/// One error of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// Its code; empty where it has none.
    pub code: String,
    /// The finer code that AKS adds in its flat form; mostly empty.
    pub subcode: String,
    /// Its message.
    pub message: String,
}

const fn row(
    codes: &'static [&'static str],
    says: &'static [&'static str],
    class: ErrorClass,
    reason: &'static str,
    retry_s: u64,
) -> Row {
    Row { codes, says, status: None, class, reason, retry_s }
}

const fn at(from: u16, to: u16, class: ErrorClass, reason: &'static str, retry_s: u64) -> Row {
    Row { codes: &[], says: &[], status: Some((from, to)), class, reason, retry_s }
}

const NOTHING: &[&str] = &[];
const MINUTE: u64 = 60;
const HOUR: u64 = 3600;
/// The reason of whatever has no better one; the reference's only one.
pub const LAUNCH_FAILED: &str = "LaunchFailed";
const QUOTA_REACHED: &str = "SubscriptionQuotaReached";
const NO_SIZE: &str = "SKUNotAvailable";

/// The table.
#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    // Quota. A limit of 0 is not raised within minutes.
    row(NOTHING, &["current limit: 0,"], Quota, QUOTA_REACHED, HOUR),
    row(&["QuotaExceeded", "ErrCode_InsufficientVCPUQuota", "InsufficientVCPUQuota"], NOTHING, Quota, QUOTA_REACHED, 10 * MINUTE),
    row(NOTHING, &["total regional cores quota", "family cores quota", "lowprioritycores quota", "insufficient vcpu quota", "insufficient regional vcpu quota", "submit a request for quota increase"], Quota, QUOTA_REACHED, 10 * MINUTE),
    // Sizes that are not offered.
    row(&["SkuNotAvailable", "VMSizeNotSupported", "AgentPoolVMSizeNotSupported"], NOTHING, SizeNotAllowed, NO_SIZE, 23 * HOUR),
    row(NOTHING, &["is not supported for subscription", "is not allowed in your subscription in location", "is currently not available in location"], SizeNotAllowed, NO_SIZE, 23 * HOUR),
    // Sizes that are out.
    row(&["OverconstrainedZonalAllocationRequest"], NOTHING, StockOut, "OverconstrainedZonalAllocationFailure", HOUR),
    row(&["OverconstrainedAllocationRequest"], NOTHING, StockOut, "OverconstrainedAllocationFailure", HOUR),
    row(&["ZonalAllocationFailed"], NOTHING, StockOut, "ZonalAllocationFailure", HOUR),
    row(&["AllocationFailed"], NOTHING, StockOut, "AllocationFailure", HOUR),
    row(NOTHING, &["do not have sufficient capacity"], StockOut, "AllocationFailure", HOUR),
    row(NOTHING, &["with the following constraints cannot be allocated"], StockOut, "OverconstrainedAllocationFailure", HOUR),
    // Superseded: somebody else has done something to the pool.
    row(&["OperationPreempted", "Canceled", "Cancelled"], NOTHING, Superseded, "OperationSuperseded", 5),
    row(NOTHING, &["canceled by a later operation", "overriden", "overridden"], Superseded, "OperationSuperseded", 5),
    row(&["PreconditionFailed", "EtagMismatch"], NOTHING, Superseded, "PoolChanged", 5),
    // Throttled; by Compute, too, whose refusal arrives as the failure of an operation.
    row(&["TooManyRequests", "Throttled", "ThrottlingExceeded", "SubscriptionRequestsThrottled"], NOTHING, Throttled, "Throttled", MINUTE),
    row(NOTHING, &["toomanyrequests", "too many requests"], Throttled, "Throttled", MINUTE),
    // Something else is under way.
    row(&["AnotherOperationInProgress", "OperationInProgress"], NOTHING, Conflict, "OperationInProgress", 30),
    row(NOTHING, &["another operation", "another agentpool operation", "in progress create node pool operation", "aks-pending-operation"], Conflict, "OperationInProgress", 30),
    // Who asks. A policy or a lock is not who asks, but it is an administrator who ends it.
    row(&["AuthorizationFailed", "LinkedAuthorizationFailed", "InvalidAuthenticationToken", "InvalidAuthenticationTokenTenant", "ExpiredAuthenticationToken", "AuthenticationFailed", "ScopeLocked", "ReadOnlyDisabledSubscription"], NOTHING, Auth, "NotAuthorized", 5 * MINUTE),
    row(&["RequestDisallowedByPolicy"], NOTHING, Invalid, "DisallowedByPolicy", HOUR),
    // The cluster, not the pool. `ResourceNotFound` means the cluster only as the answer to a request (404, below); in an operation it may be a network.
    row(&["ResourceGroupNotFound", "SubscriptionNotFound", "InvalidSubscriptionId"], NOTHING, NoCluster, "ClusterNotFound", 5 * MINUTE),
    // The version of the API, which some clouds learn later than others; they name those that they know.
    row(&["NoRegisteredProviderFound", "InvalidApiVersionParameter", "InvalidResourceType"], NOTHING, NoCluster, "ApiVersionNotSupported", 5 * MINUTE),
    // Requests that are wrong.
    row(&["InvalidParameter", "InvalidTemplateDeployment", "PropertyChangeNotAllowed", "InsufficientSubnetSize", "SubnetIsFull"], NOTHING, Invalid, LAUNCH_FAILED, HOUR),
    row(&["InternalServerError", "InternalOperationError", "ServiceUnavailable", "ServerTimeout", "GatewayTimeout"], NOTHING, Unavailable, LAUNCH_FAILED, 15),
    // What only the status tells.
    at(401, 401, Auth, "NotAuthorized", 5 * MINUTE),
    at(403, 403, Auth, "NotAuthorized", 5 * MINUTE),
    at(404, 404, NoCluster, "ClusterNotFound", 5 * MINUTE),
    at(408, 408, Unavailable, LAUNCH_FAILED, 15),
    at(409, 409, Conflict, "OperationInProgress", 30),
    at(412, 412, Superseded, "PoolChanged", 5),
    at(429, 429, Throttled, "Throttled", MINUTE),
    at(400, 499, Invalid, LAUNCH_FAILED, HOUR),
    at(500, 599, Unavailable, LAUNCH_FAILED, 15),
    at(300, 399, Unreadable, LAUNCH_FAILED, MINUTE),
    row(&["BadRequest", "InvalidRequest"], NOTHING, Invalid, LAUNCH_FAILED, HOUR),
];

/// What is not in the table.
pub const OTHERWISE: Row = row(NOTHING, NOTHING, Unknown, LAUNCH_FAILED, MINUTE);
/// An answer that is none: an accident on the way, and soon over.
pub const NO_ANSWER: Row = row(NOTHING, NOTHING, Unreadable, LAUNCH_FAILED, 15);

/// The row that decides over an answer, and which of its errors it speaks of.
pub fn classify(status: Option<u16>, said: &[Said]) -> (&'static Row, usize) {
    for row in ROWS {
        if row.is_by_status() {
            if row.fits_status(status) {
                return (row, 0);
            }
        } else if let Some(which) = said.iter().position(|said| row.fits(said)) {
            return (row, which);
        }
    }
    (&OTHERWISE, 0)
}

/// The row that decides over words that were kept, such as those of [`Failure`](crate::Failure): the same that decided over the answer.
pub fn of_text(text: &str) -> &'static Row {
    classify(status_of(text), &[Said::of_text(text)]).0
}

/// The HTTP status that words begin or end with: `HTTP 503 Service Unavailable: …`, `Code: … (HTTP 409)`.
fn status_of(text: &str) -> Option<u16> {
    let first = text.strip_prefix("HTTP ").map(|rest| rest.split([' ', ':']).next().unwrap_or_default());
    let last = || text.strip_suffix(')')?.rsplit_once("(HTTP ").map(|(_, number)| number);
    first.or_else(last)?.parse().ok().filter(|status| (100..1000).contains(status))
}

impl Said {
    /// Code and message of words that begin with the code; without one, all of it is the message.
    pub fn of_text(text: &str) -> Self {
        let is_code =
            |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
        let (code, message) = match text.split_once(": ") {
            Some((code, message)) if is_code(code) => (code, message),
            None if is_code(text) => (text, ""),
            _ => ("", text),
        };
        Self { code: code.to_owned(), message: message.to_owned(), ..Self::default() }
    }
}

impl Row {
    /// Whether it is the finer code of an error that this row is found by, and not the other one.
    pub(super) fn knows_only_the_finer_code_of(&self, said: &Said) -> bool {
        let knows = |code: &str| self.codes.iter().any(|known| known.eq_ignore_ascii_case(code));
        knows(&said.subcode) && !knows(&said.code)
    }

    fn is_by_status(&self) -> bool {
        self.status.is_some()
    }

    fn fits_status(&self, status: Option<u16>) -> bool {
        matches!((self.status, status), (Some((from, to)), Some(status)) if (from..=to).contains(&status))
    }

    fn fits(&self, said: &Said) -> bool {
        let message = said.message.to_ascii_lowercase();
        let is_code = |code: &&str| {
            said.code.eq_ignore_ascii_case(code)
                || said.subcode.eq_ignore_ascii_case(code)
                || quotes_code(&message, &code.to_ascii_lowercase())
        };
        (self.codes.is_empty() || self.codes.iter().any(is_code))
            && (self.says.is_empty() || self.says.iter().any(|phrase| message.contains(phrase)))
    }
}

/// Whether a message in lower case quotes such a code, in whatever form the service behind AKS writes one.
fn quotes_code(message: &str, code: &str) -> bool {
    let is_of_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    message.match_indices(code).any(|(at, _)| {
        let (before, after) = (&message[..at], &message[at + code.len()..]);
        let name = before.trim_end_matches([' ', '"', '\'', '\\']);
        let is_named = name
            .strip_suffix(['=', ':'])
            .is_some_and(|name| name.trim_end_matches(['"', '\'', '\\']).ends_with("code"));
        is_named && !after.starts_with(is_of_word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(status: u16, code: &str, message: &str) -> (ErrorClass, &'static str) {
        let said = Said { code: code.to_owned(), message: message.to_owned(), ..Said::default() };
        let (row, _) = classify((status > 0).then_some(status), &[said]);
        (row.class, row.reason)
    }

    #[test]
    fn every_row_of_the_collected_refusals_is_known() {
        let exceeding = |what: &str| {
            format!(
                "Operation could not be completed as it results in exceeding approved {what} quota. Additional details"
            )
        };
        for (status, code, message, class, reason) in [
            (403, "OperationNotAllowed", exceeding("Total Regional Cores").as_str(), Quota, QUOTA_REACHED),
            (0, "QuotaExceeded", &exceeding("standardNCADSA100v4Family Cores"), Quota, QUOTA_REACHED),
            (
                400,
                "ErrCode_InsufficientVCPUQuota",
                "Insufficient vcpu quota requested 24, remaining 0",
                Quota,
                QUOTA_REACHED,
            ),
            (403, "OperationNotAllowed", &exceeding("LowPriorityCores"), Quota, QUOTA_REACHED),
            (409, "Whatever", "Submit a request for Quota increase", Quota, QUOTA_REACHED),
            (409, "SkuNotAvailable", "The requested size", SizeNotAllowed, NO_SIZE),
            (400, "VMSizeNotSupported", "", SizeNotAllowed, NO_SIZE),
            (
                400,
                "BadRequest",
                "Virtual Machine size: 'X' is not supported for subscription 0",
                SizeNotAllowed,
                NO_SIZE,
            ),
            (
                400,
                "BadRequest",
                "The VM size of AgentPoolProfile:a is not allowed in your subscription in location 'b'.",
                SizeNotAllowed,
                NO_SIZE,
            ),
            (0, "AllocationFailed", "", StockOut, "AllocationFailure"),
            (0, "ZonalAllocationFailed", "", StockOut, "ZonalAllocationFailure"),
            (0, "OverconstrainedAllocationRequest", "", StockOut, "OverconstrainedAllocationFailure"),
            (0, "OverconstrainedZonalAllocationRequest", "", StockOut, "OverconstrainedZonalAllocationFailure"),
            (
                0,
                "ReconcileVMSSAgentPoolFailed",
                "Code=\"AllocationFailed\" Message=\"Allocation failed.\"",
                StockOut,
                "AllocationFailure",
            ),
            (400, "InvalidParameter", "osDiskSizeGB", Invalid, LAUNCH_FAILED),
            (400, "BadRequest", "something else", Invalid, LAUNCH_FAILED),
            (0, "BadRequest", "something else", Invalid, LAUNCH_FAILED),
            (400, "InvalidTemplateDeployment", "", Invalid, LAUNCH_FAILED),
            (400, "PropertyChangeNotAllowed", "", Invalid, LAUNCH_FAILED),
            (401, "", "", Auth, "NotAuthorized"),
            (403, "AuthorizationFailed", "", Auth, "NotAuthorized"),
            (
                409,
                "OperationNotAllowed",
                "Operation is not allowed: Another operation (Updating) is in progress",
                Conflict,
                "OperationInProgress",
            ),
            (
                409,
                "OperationNotAllowed",
                "Another agentpool operation (nodepool1 - Creating) is in progress",
                Conflict,
                "OperationInProgress",
            ),
            (
                409,
                "OperationNotAllowed",
                "there's an in progress create node pool operation",
                Conflict,
                "OperationInProgress",
            ),
            (409, "Conflict", "The agent pool is being updated.", Conflict, "OperationInProgress"),
            (409, "AnotherOperationInProgress", "", Conflict, "OperationInProgress"),
            (429, "Throttled", "", Throttled, "Throttled"),
            (429, "TooManyRequests", "", Throttled, "Throttled"),
            (429, "", "", Throttled, "Throttled"),
            (0, "ReconcileVMSSAgentPoolFailed", "Reconcile failed: SubCode: TooManyRequests", Throttled, "Throttled"),
            (408, "", "", Unavailable, LAUNCH_FAILED),
            (500, "InternalServerError", "", Unavailable, LAUNCH_FAILED),
            (502, "", "<html>", Unavailable, LAUNCH_FAILED),
            (0, "OperationPreempted", "overriden and canceled by a later operation", Superseded, "OperationSuperseded"),
            (
                0,
                "Whatever",
                "The operation was overriden and canceled by a later operation",
                Superseded,
                "OperationSuperseded",
            ),
            (412, "PreconditionFailed", "etag mismatch", Superseded, "PoolChanged"),
            (
                400,
                "NoRegisteredProviderFound",
                "No registered resource provider found for location 'chinaeast2' and API version '2026-03-01'",
                NoCluster,
                "ApiVersionNotSupported",
            ),
            (404, "ResourceGroupNotFound", "", NoCluster, "ClusterNotFound"),
            (404, "", "", NoCluster, "ClusterNotFound"),
            (404, "ResourceNotFound", "", NoCluster, "ClusterNotFound"),
            (0, "ResourceNotFound", "The Resource 'Microsoft.Network/virtualNetworks/v'", Unknown, LAUNCH_FAILED),
            (
                429,
                "OperationNotAllowed",
                "The server rejected the request because too many requests",
                Throttled,
                "Throttled",
            ),
            (
                0,
                "ReconcileVMSSAgentPoolFailed",
                "VMSSAgentPoolReconciler retry failed: Code='SubnetIsFull' Message='Subnet s is full'",
                Invalid,
                LAUNCH_FAILED,
            ),
            (
                0,
                "CreateVMSSAgentPoolFailed",
                r#"Failed: { "error": { "code": "ZonalAllocationFailed", "message": "m" } }"#,
                StockOut,
                "ZonalAllocationFailure",
            ),
            (0, "Reconcile", r#"{\"code\":\"SkuNotAvailable\"}"#, SizeNotAllowed, NO_SIZE),
            (0, "Reconcile", "SubCode: SkuNotAvailable; m", SizeNotAllowed, NO_SIZE),
            (0, "Reconcile", "Code: SkuNotAvailableYet", Unknown, LAUNCH_FAILED),
            (0, "Reconcile", "the code SkuNotAvailable", Unknown, LAUNCH_FAILED),
            (
                0,
                "Reconcile",
                "VM(s) with the following constraints cannot be allocated, because the condition is too restrictive.",
                StockOut,
                "OverconstrainedAllocationFailure",
            ),
            (302, "", "", Unreadable, LAUNCH_FAILED),
            (0, "NodesNotReady", "Not all nodes reached Ready state", Unknown, LAUNCH_FAILED),
        ] {
            assert_eq!(meaning(status, code, message), (class, reason), "{status} {code} {message}");
        }
    }

    #[test]
    fn no_row_is_hidden_by_the_rows_above_it() {
        for (index, row) in ROWS.iter().enumerate() {
            let samples = row.codes.iter().map(|code| (*code, "")).chain(row.says.iter().map(|phrase| ("", *phrase)));
            for (code, message) in samples {
                let said = Said { code: code.to_owned(), message: message.to_owned(), ..Said::default() };
                let found = ROWS.iter().position(|other| !other.is_by_status() && other.fits(&said));
                assert_eq!(found, Some(index), "{code} {message}");
            }
            let phrases = row.says.iter().all(|phrase| *phrase == phrase.to_ascii_lowercase());
            assert!(phrases, "phrases are compared in lower case: {row:?}");
        }
    }
}
