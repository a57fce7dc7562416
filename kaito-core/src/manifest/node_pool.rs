//! The request for a number of machines, in the form that Karpenter answers (its static capacity).

use super::node_claim::gpu_taint;
use crate::hash::sha256_hex;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kaito_api::karpenter::{
    Budget, DRIFTED, Disruption, NodeClassRef, NodePool, NodePoolSpec, NodePoolTemplate, NodePoolTemplateMetadata,
    NodePoolTemplateSpec, Requirement,
};
use kaito_api::vocabulary::labels;
use std::collections::BTreeMap;

/// The length of a label: Karpenter writes the name of a pool on its machines.
const LONGEST_NAME: usize = 63;
/// What is left of a longer one, before `-` and the digits of its hash.
const KEPT: usize = 53;
const DIGITS: usize = 9;
/// The group of Azure's classes: where nothing is said, its machines are put into zones of its choice, and what a zone does not have is not looked for in the region.
const AZURE_CLASSES: &str = "karpenter.azure.com";
/// More machines than any Workspace has.
const UNLIMITED: u32 = 1_000_000;
/// Machines that the cloud takes back at any moment: Karpenter prefers them where nothing is said.
const SPOT: &str = "spot";

/// What a NodePool is made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Pool<'a> {
    /// The Workspace's name.
    pub workspace: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// Its uid.
    pub uid: &'a str,
    /// How many machines there shall be.
    pub replicas: u32,
    /// How many there may be meanwhile, where not all of those are to be asked for now.
    pub most: Option<u32>,
    /// Their size.
    pub size: &'a str,
    /// Labels that the user wants on the nodes.
    pub user_labels: BTreeMap<String, String>,
    /// Settings of the machines that are particular to the cloud.
    pub class: NodeClassRef,
    /// The pool that is there: what it says of the kind of its capacity stays, for to say something else would replace its machines.
    pub there: Option<&'a NodePool>,
    /// The InferenceSet that made the Workspace: its machines are renewed one set member after the other, by whoever looks after the whole set.
    pub inference_set: Option<&'a str>,
}

/// `namespace-name`, cut to 53 characters with nine digits of its hash where it is longer than a label may be.
///
/// Pools of two Workspaces may have one name (`c` in `a-b`, and `b-c` in `a`): whose it is, its labels say.
pub fn node_pool_name(namespace: &str, name: &str) -> String {
    let whole = format!("{namespace}-{name}");
    if whole.len() <= LONGEST_NAME {
        return whole;
    }
    let kept: String = whole.chars().take(KEPT).collect();
    let hash: String = sha256_hex(whole.as_bytes()).chars().take(DIGITS).collect();
    format!("{kept}-{hash}")
}

/// A pool whose machines never expire, and are replaced one at a time when they are not what is asked for any more.
pub fn node_pool(pool: &Pool<'_>) -> NodePool {
    let text = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let mut whose = BTreeMap::from([
        text(labels::KARPENTER_WORKSPACE_NAME, pool.workspace),
        text(labels::KARPENTER_WORKSPACE_NAMESPACE, pool.namespace),
    ]);
    if let Some(set) = pool.inference_set {
        whose.extend([
            text(labels::KARPENTER_INFERENCE_SET, set),
            text(labels::KARPENTER_INFERENCE_SET_NAMESPACE, pool.namespace),
        ]);
    }
    let mut of_machines = pool.user_labels.clone();
    of_machines.extend(whose.clone());
    let mut of_pool = whose;
    of_pool.extend([
        text(labels::KARPENTER_MANAGED_BY, labels::MANAGED_BY_KAITO),
        // Not on its machines: a label more in the template would replace those of a pool that an older operator has made.
        text(labels::WORKSPACE_UID, pool.uid),
    ]);
    let metadata = ObjectMeta {
        name: Some(node_pool_name(pool.namespace, pool.workspace)),
        labels: Some(of_pool),
        ..ObjectMeta::default()
    };
    let spec = NodePoolSpec {
        replicas: Some(pool.replicas.into()),
        template: NodePoolTemplate {
            metadata: NodePoolTemplateMetadata { labels: of_machines, ..NodePoolTemplateMetadata::default() },
            spec: machines(pool),
        },
        disruption: Some(Disruption {
            consolidate_after: Some("0s".to_owned()),
            budgets: vec![drift_budget(pool.inference_set.is_some())],
            ..Disruption::default()
        }),
        limits: limit(pool),
        ..NodePoolSpec::default()
    };
    NodePool { metadata, spec, status: None }
}

/// A limit that a pool has is not taken away but raised beyond all that may be asked for: what is left out when it is written stays as it was.
fn limit(pool: &Pool<'_>) -> BTreeMap<String, Quantity> {
    let has_one = pool.there.is_some_and(|there| there.most_nodes().is_some());
    let most = pool.most.or(has_one.then_some(UNLIMITED));
    most.map(|most| ("nodes".to_owned(), Quantity(most.to_string()))).into_iter().collect()
}

/// How many machines may be replaced at once because they are not what is asked for any more: one of a Workspace of its own. Of a set, none until whoever looks after it says so.
fn drift_budget(of_set: bool) -> Budget {
    let nodes = if of_set { "0" } else { "1" };
    Budget { nodes: nodes.to_owned(), reasons: vec![DRIFTED.to_owned()], ..Budget::default() }
}

fn machines(pool: &Pool<'_>) -> NodePoolTemplateSpec {
    let asks = |key: &str| pool.user_labels.contains_key(key);
    let mut requirements = vec![Requirement::is_in(labels::INSTANCE_TYPE, [pool.size])];
    // What the user asks for by a label, Karpenter takes for a requirement: two of one kind would contradict each other.
    if pool.class.group == AZURE_CLASSES && !asks(labels::ZONE) && !asks(labels::AZURE_PLACEMENT_SCOPE) {
        requirements.push(Requirement::is_in(labels::AZURE_PLACEMENT_SCOPE, [labels::AZURE_REGIONAL]));
    }
    let no_spot = || Some(Requirement::is_not_in(labels::CAPACITY_TYPE, [SPOT]));
    let capacity = pool.there.map_or_else(no_spot, capacity);
    requirements.extend(capacity.filter(|_| !asks(labels::CAPACITY_TYPE)));
    NodePoolTemplateSpec {
        node_class_ref: pool.class.clone(),
        requirements,
        taints: vec![gpu_taint()],
        expire_after: Some("Never".to_owned()),
        ..NodePoolTemplateSpec::default()
    }
}

/// What a pool says of the kind of its capacity: on demand, reserved, spot.
fn capacity(pool: &NodePool) -> Option<Requirement> {
    pool.spec.template.spec.requirements.iter().find(|requirement| requirement.key == labels::CAPACITY_TYPE).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a pool is made from, with a class of this group.
    fn asked(group: &str) -> Pool<'static> {
        Pool {
            workspace: "phi",
            namespace: "default",
            uid: "u",
            replicas: 3,
            most: None,
            size: "A",
            user_labels: BTreeMap::new(),
            class: NodeClassRef { group: group.to_owned(), kind: "k".to_owned(), name: "n".to_owned() },
            there: None,
            inference_set: None,
        }
    }

    #[test]
    fn the_name_of_a_pool_is_a_label() {
        assert_eq!(node_pool_name("default", "myworkspace"), "default-myworkspace");
        let (namespace, fits, too_long) = ("n".repeat(31), "w".repeat(31), "w".repeat(32));
        assert_eq!(node_pool_name(&namespace, &fits), format!("{namespace}-{fits}"));
        let cut = node_pool_name(&namespace, &too_long);
        assert_eq!((cut.len(), cut.as_bytes()[53]), (63, b'-'));
        assert!(cut.starts_with(&namespace) && cut[54..].bytes().all(|digit| digit.is_ascii_hexdigit()), "{cut}");
        // As the reference names them (golden/karpenter/pool-name-cut.yaml).
        let named = node_pool_name("ns-that-together-with-the-name-exceeds-the-limit", "kp-with-a-longish-name");
        assert!(named.ends_with("-kp-w-d33bcf05b"), "{named}");
    }

    #[test]
    fn a_member_of_a_set_is_marked_and_its_machines_are_not_renewed_by_themselves() {
        let pool = |inference_set| node_pool(&Pool { inference_set, ..asked("g") });
        let budget = |pool: &NodePool| pool.spec.disruption.clone().unwrap().budgets[0].nodes.clone();
        let (alone, member) = (pool(None), pool(Some("set")));
        assert_eq!((budget(&alone), budget(&member)), ("1".to_owned(), "0".to_owned()));
        let set = |pool: &NodePool| pool.spec.template.metadata.labels.get(labels::KARPENTER_INFERENCE_SET).cloned();
        assert_eq!((set(&alone), set(&member).as_deref()), (None, Some("set")));
    }

    #[test]
    fn machines_that_are_taken_back_at_any_moment_are_had_only_where_the_user_asks_for_them() {
        let made = |group: &str, user_labels: &[(&str, &str)], there: Option<&NodePool>| {
            let user_labels = user_labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
            node_pool(&Pool { user_labels, there, ..asked(group) })
        };
        let told = |pool: NodePool| {
            let told = pool.spec.template.spec.requirements.into_iter().skip(1);
            told.map(|told| format!("{} {} {}", told.key, told.operator, told.values.join(","))).collect::<Vec<_>>()
        };
        let (regional, no_spot) =
            ("karpenter.azure.com/placement-scope In regional", "karpenter.sh/capacity-type NotIn spot");
        assert_eq!(told(made("g", &[], None)), [no_spot], "the scope is a word of Azure's");
        assert_eq!(told(made(AZURE_CLASSES, &[("gpu", "a")], None)), [regional, no_spot]);
        assert_eq!(told(made("g", &[(labels::CAPACITY_TYPE, "spot")], None)), [""; 0]);
        assert_eq!(told(made(AZURE_CLASSES, &[(labels::ZONE, "eastus-1")], None)), [no_spot]);
        assert_eq!(told(made(AZURE_CLASSES, &[(labels::AZURE_PLACEMENT_SCOPE, "zonal")], None)), [no_spot]);
        // Pools that others have made keep their machines.
        let mut there = made("g", &[], None);
        there.spec.template.spec.requirements.pop();
        assert_eq!(told(made("g", &[], Some(&there))), [""; 0]);
        there.spec.template.spec.requirements.push(Requirement::is_in(labels::CAPACITY_TYPE, ["on-demand"]));
        assert_eq!(told(made("g", &[], Some(&there))), ["karpenter.sh/capacity-type In on-demand"]);
    }

    #[test]
    fn a_limit_is_raised_and_not_left_out_where_there_is_one() {
        let most = |most, there: Option<&NodePool>| node_pool(&Pool { most, there, ..asked("g") }).most_nodes();
        assert_eq!(most(None, None), None);
        let limited = node_pool(&Pool { most: Some(2), ..asked("g") });
        assert_eq!((limited.most_nodes(), limited.spec.replicas), (Some(2), Some(3)));
        assert_eq!(most(Some(1), Some(&limited)), Some(1));
        assert_eq!(most(None, Some(&limited)), Some(UNLIMITED));
    }
}
