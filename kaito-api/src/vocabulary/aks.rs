//! Which labels AKS gives no node of a pool.

use super::labels::AGENT_POOL;

/// Keys below `kubernetes.io` and `k8s.io` that a node may be given: what a kubelet may say of itself (Kubernetes, `kubelet/pkg/apis/well_known_labels.go`), which AKS repeats in its
/// refusal ("node label keys in the 'kubernetes.io' or 'k8s.io' namespace must begin with an allowed prefix", <https://github.com/Azure/AKS/issues/1937>).
const ALLOWED: [&str; 14] = [
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "kubernetes.io/arch",
    "kubernetes.io/instance-type",
    "beta.kubernetes.io/os",
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/instance-type",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
    "failure-domain.kubernetes.io/zone",
    "failure-domain.kubernetes.io/region",
    "node.kubernetes.io/instance-type",
];
/// Prefixes there that are allowed with everything below them; roles since <https://github.com/Azure/AKS/issues/4628>.
const ALLOWED_PREFIXES: [&str; 3] = ["kubelet.kubernetes.io", "node.kubernetes.io", "node-role.kubernetes.io"];

/// Why AKS gives no node a label of this key, and what would be right.
pub fn refusal_of_label(key: &str) -> Option<&'static str> {
    let prefix = key.split_once('/').map_or("", |(prefix, _)| prefix);
    let is_below =
        |domain: &str| prefix == domain || prefix.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    if AGENT_POOL.contains(&key) {
        return Some("is written by AKS and holds the name of the pool; must not be set");
    }
    if is_below("kubernetes.azure.com") {
        return Some(
            "is refused by AKS, which keeps kubernetes.azure.com for its own labels; must have another prefix",
        );
    }
    let is_kubernetes = is_below("kubernetes.io") || is_below("k8s.io");
    (is_kubernetes && !ALLOWED.contains(&key) && !ALLOWED_PREFIXES.iter().any(|allowed| is_below(allowed))).then_some(
        "is refused by AKS: below kubernetes.io and k8s.io a node may only be given labels such as node.kubernetes.io/...; must have another prefix",
    )
}
