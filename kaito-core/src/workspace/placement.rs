//! Which nodes a set of pods asks for, in a form that can be compared: who wrote it in which order is no difference.

use k8s_openapi::api::core::v1::{NodeSelectorRequirement, NodeSelectorTerm, PodTemplateSpec};
use std::collections::BTreeSet;

/// Key, operator and values of one requirement.
type Requirement = (String, String, BTreeSet<String>);
/// What one term asks of labels, then of fields.
type Term = (BTreeSet<Requirement>, BTreeSet<Requirement>);

/// The terms of which a node must fulfil one.
pub(super) fn required(template: &PodTemplateSpec) -> BTreeSet<Term> {
    let affinity = template.spec.as_ref().and_then(|spec| spec.affinity.as_ref()?.node_affinity.as_ref());
    let required = affinity.and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution.as_ref());
    required.into_iter().flat_map(|required| &required.node_selector_terms).map(term).collect()
}

fn term(term: &NodeSelectorTerm) -> Term {
    let all = |list: &Option<Vec<NodeSelectorRequirement>>| list.iter().flatten().map(requirement).collect();
    (all(&term.match_expressions), all(&term.match_fields))
}

fn requirement(one: &NodeSelectorRequirement) -> Requirement {
    (one.key.clone(), one.operator.clone(), one.values.iter().flatten().cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn asks(terms: &Value) -> BTreeSet<Term> {
        let affinity =
            json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}});
        let template = json!({"spec": {"containers": [], "affinity": affinity}});
        required(&serde_json::from_value(template).unwrap())
    }

    #[test]
    fn the_same_nodes_are_asked_for_in_whatever_order_it_is_written() {
        let is = |key: &str, values: Value| json!({"key": key, "operator": "In", "values": values});
        let term = |all: Value| json!([{"matchExpressions": all}]);
        let first = asks(&term(json!([is("a", json!(["x", "y"])), is("b", json!(["z"]))])));
        assert_eq!(first, asks(&term(json!([is("b", json!(["z"])), is("a", json!(["y", "x"]))]))));
        assert_ne!(first, asks(&term(json!([is("a", json!(["x", "y"]))]))), "one less");
        assert_ne!(first, asks(&term(json!([is("a", json!(["x"])), is("b", json!(["z"]))]))), "another value");
        assert!(required(&PodTemplateSpec::default()).is_empty());
    }
}
