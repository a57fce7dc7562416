//! The rights that the controllers need, from the table of kinds: what is read or written and nothing else.

use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kaito_core::kinds::KindUse;
use kaito_core::{Kind, NodeProvisioner, kinds};
use kaito_provisioner::claim::CLAIM_KINDS;

/// The name of the role of `kaito-workspace`.
pub const NAME: &str = "kaito-workspace-clusterrole";
/// The name of the role of `kaito-gpu-provisioner`.
pub const PROVISIONER_NAME: &str = "kaito-gpu-provisioner-clusterrole";

/// The ClusterRole of `kaito-workspace`: one rule for each kind that is read or written where machines come from there ([`kinds::of`]), one for each of its sub-resources, and one to publish events.
pub fn cluster_role(provisioner: &NodeProvisioner) -> ClusterRole {
    // Made and kept at start; what stands in them is looked at by Karpenter alone.
    let classes = provisioner.node_classes().map(|classes| &classes.kind);
    let classes = classes.map(|kind| rule(&kind.group, &kind.plural, &["get", "create", "patch"]));
    role(NAME, kinds::of(provisioner), classes)
}

/// The ClusterRole of `kaito-gpu-provisioner`, made so from [`CLAIM_KINDS`]. What it may do at Azure is said there.
pub fn provisioner_role() -> ClusterRole {
    role(PROVISIONER_NAME, CLAIM_KINDS, None)
}

fn role(name: &str, table: &[KindUse], beside: Option<PolicyRule>) -> ClusterRole {
    let mut rules = Vec::new();
    // No API server has agent pools.
    for row in table.iter().filter(|row| row.kind != Kind::AgentPool) {
        let (group, plural) = (row.kind.group(), row.kind.plural());
        rules.push(rule(group, plural, row.verbs));
        rules.extend(row.subresources.iter().map(|(name, verbs)| rule(group, &format!("{plural}/{name}"), verbs)));
    }
    rules.extend(beside);
    rules.push(rule("events.k8s.io", "events", &["create"]));
    ClusterRole {
        metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
        rules: Some(rules),
        aggregation_rule: None,
    }
}

fn rule(group: &str, resource: &str, verbs: &[&str]) -> PolicyRule {
    PolicyRule {
        api_groups: Some(vec![group.to_owned()]),
        resources: Some(vec![resource.to_owned()]),
        verbs: verbs.iter().map(|verb| (*verb).to_owned()).collect(),
        ..PolicyRule::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kaito_core::node_classes::NodeClasses;

    fn verbs(resource: &str) -> Vec<String> {
        verbs_where(&NodeProvisioner::default(), resource)
    }

    fn verbs_where(provisioner: &NodeProvisioner, resource: &str) -> Vec<String> {
        verbs_in(cluster_role(provisioner), resource)
    }

    fn verbs_in(role: ClusterRole, resource: &str) -> Vec<String> {
        let rules = role.rules.unwrap_or_default();
        let mut found = rules
            .into_iter()
            .filter(|rule| rule.resources.as_ref().is_some_and(|all| all.iter().any(|name| name == resource)));
        found.next().map(|rule| rule.verbs).unwrap_or_default()
    }

    #[test]
    fn rights_are_those_of_the_table() {
        assert_eq!(verbs("secrets"), ["get"]);
        assert_eq!(verbs("workspaces"), ["get", "list", "watch", "patch"]);
        assert_eq!(verbs("workspaces/status"), ["patch"]);
        assert_eq!(verbs("events"), ["create"]);
        assert_eq!(verbs("pods/log"), ["get"]);
        assert_eq!(verbs("endpointslices"), ["get", "list", "watch"], "they are looked at and never written");
        assert_eq!(
            verbs("pods"),
            ["get", "list", "watch", "delete"],
            "those that keep their set from replacing them go"
        );
        assert!(verbs("nodeclaims").contains(&"delete".to_owned()));
        let all = cluster_role(&NodeProvisioner::default()).rules.unwrap_or_default();
        assert!(all.iter().flat_map(|rule| &rule.verbs).all(|verb| verb != "*"));
    }

    #[test]
    fn the_provisioner_makes_no_claim_and_writes_no_pod() {
        let verbs = |resource: &str| verbs_in(provisioner_role(), resource);
        assert_eq!(verbs("nodeclaims"), ["get", "list", "watch", "patch", "delete"]);
        assert_eq!(verbs("nodeclaims/status"), ["patch"]);
        assert_eq!(verbs("pods"), ["get", "list"]);
        assert_eq!(verbs("pods/eviction"), ["create"]);
        assert_eq!(verbs("workspaces"), ["get"]);
        assert!(verbs("agentpools").is_empty() && verbs("secrets").is_empty());
    }

    #[test]
    fn whoever_brings_nodes_along_gives_no_right_to_ask_for_machines_or_to_delete_nodes() {
        let karpenter = NodeProvisioner::Karpenter(NodeClasses::default());
        assert_eq!(verbs_where(&karpenter, "aksnodeclasses"), ["get", "create", "patch"]);
        assert_eq!(verbs_where(&karpenter, "nodeclaims"), ["get", "list", "watch", "delete"], "Karpenter makes them");
        assert_eq!(
            verbs_where(&NodeProvisioner::Byo, "nodeclaims"),
            ["list", "delete"],
            "from before they were brought"
        );
        assert_eq!(
            verbs_where(&NodeProvisioner::default(), "nodepools"),
            ["get", "list", "delete"],
            "from before they were claimed"
        );
        assert_eq!(verbs_where(&NodeProvisioner::Byo, "nodes"), ["get", "list", "watch", "patch"]);
        assert_eq!(verbs_where(&NodeProvisioner::Byo, "statefulsets"), verbs("statefulsets"));
    }
}
