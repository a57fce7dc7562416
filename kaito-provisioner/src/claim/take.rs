//! What a claim takes over from its machine.

use super::draft::Draft;
use super::view::View;
use crate::pool::PoolSeen;
use kaito_api::NodeClaim;
use kaito_api::vocabulary::labels::CLUSTER_UID;
use std::collections::BTreeMap;

/// Domains whose labels say what a machine is, and are not the claim's to give (Karpenter, `RestrictedLabelDomains`).
const RESTRICTED: [&str; 3] = ["kubernetes.io", "k8s.io", "karpenter.sh"];

/// The labels of the pool but that of the cluster, and what the claim requires of its machine; the claim's own win (spec/05 §3.3).
pub(super) fn labels(view: &View<'_>, draft: &mut Draft, pool: &PoolSeen) {
    let mut all = pool.as_claim(None).labels;
    all.extend(required(view.claim));
    let own = view.claim.metadata.labels.as_ref();
    let is_own = |key: &String| own.is_some_and(|own| own.contains_key(key));
    draft.claim.labels.extend(all.into_iter().filter(|(key, _)| !is_own(key) && key != CLUSTER_UID));
}

/// Labels that a claim requires, where it says exactly one value.
fn required(claim: &NodeClaim) -> BTreeMap<String, String> {
    let said = claim.spec.requirements.iter().filter(|said| said.operator == "In" && !is_restricted(&said.key));
    said.filter_map(|said| match said.values.as_slice() {
        [value] => Some((said.key.clone(), value.clone())),
        _ => None,
    })
    .collect()
}

fn is_restricted(key: &str) -> bool {
    let domain = key.split_once('/').map_or("", |(domain, _)| domain);
    RESTRICTED
        .iter()
        .any(|restricted| domain.strip_suffix(restricted).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}
