//! What is said of a model that is served.

use super::{Draft, View, trouble};
use crate::conditions::Finding;
use crate::failure;
use kaito_api::vocabulary::{ConditionType, reasons};

/// `InferenceReady` and `WorkspaceSucceeded`.
pub(super) fn findings(view: &View<'_>, draft: &Draft, resource: &Finding) -> (Finding, Finding) {
    let blocked = draft.failures.iter().any(|failure| failure.blocks(ConditionType::InferenceReady));
    let inference = if draft.workload.ready && resource.holds && !blocked {
        Finding::yes(
            ConditionType::InferenceReady,
            reasons::INFERENCE_SUCCESS,
            "Inference has been deployed successfully",
        )
    } else {
        trouble(view, draft, ConditionType::InferenceReady).unwrap_or_else(|| {
            Finding::no(
                ConditionType::InferenceReady,
                failure::WORKLOAD_PENDING.name,
                format!("waits for the machines: {}", resource.message),
            )
        })
    };
    let succeeded = if inference.holds {
        Finding::yes(ConditionType::WorkspaceSucceeded, reasons::WORKSPACE_SUCCEEDED, "workspace succeeds")
    } else {
        let cause = if resource.holds { &inference } else { resource };
        let words = format!("workspace is waiting for inference workload readiness: {}", cause.message);
        Finding::no(ConditionType::WorkspaceSucceeded, reasons::WORKSPACE_PENDING, words)
    };
    (inference, succeeded)
}

/// Never back to `Pending` after it was `Ready` once.
pub(super) fn state(before: Option<&str>, findings: &[Finding]) -> &'static str {
    let ready = findings.iter().any(|finding| finding.condition == ConditionType::WorkspaceSucceeded && finding.holds);
    match (ready, before) {
        (true, _) => "Ready",
        (false, Some("Ready" | "NotReady")) => "NotReady",
        (false, _) => "Pending",
    }
}
