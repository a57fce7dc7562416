//! When pods are made anew for the nodes of another provisioner than before.
//!
//! What their set asks of nodes is compared by the labels alone by which a provisioner tells its machines: a policy that adds something else moves nothing.

use super::draft::Draft;
use super::view::View;
use super::workload::changed_at;
use super::{machines, pods};
use crate::compat;
use crate::snapshot::Unread;
use jiff::SignedDuration;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{NodeSelectorRequirement, PodTemplateSpec};
use std::collections::BTreeSet;

/// A pod finds no node for so long before its set is made anew: a node that starts again is back by then.
const STRANDED: SignedDuration = SignedDuration::from_mins(5);

/// So much time lies between a change of the pods and a move: whoever undoes what we write shall not be answered at once each time.
const PAUSE: SignedDuration = SignedDuration::from_mins(10);

/// Whether a set serves nobody and has had a pod without a node for a while because it asks for machines of another provisioner than there is now, while machines of this one are ready.
pub(super) fn is_stranded(
    view: &View<'_>,
    draft: &mut Draft,
    set: &StatefulSet,
    wanted: impl FnOnce() -> Option<PodTemplateSpec>,
) -> Result<bool, Unread> {
    let Some(uid) = set.metadata.uid.as_deref().filter(|_| draft.machines.nodes_ready) else { return Ok(false) };
    let all = pods::of(view, uid)?;
    let Some(since) = all.iter().filter_map(|pod| pods::unschedulable_since(pod)).min() else { return Ok(false) };
    if all.into_iter().any(pods::is_ready) {
        return Ok(false);
    }
    let keys = machines::telling(view);
    let running = compat::stateful_set_spec(set).map(|spec| asked(&spec.template, &keys));
    if wanted().is_none_or(|wanted| running == Some(asked(&wanted, &keys))) {
        return Ok(false);
    }
    let times = [Some((since, STRANDED)), changed_at(set).map(|changed| (changed, PAUSE))];
    let at = times.into_iter().flatten().filter_map(|(since, wait)| since.checked_add(wait).ok()).max();
    match at.filter(|at| view.now() < *at) {
        Some(at) => draft.look_again(at.duration_since(view.now())),
        None => return Ok(true),
    }
    Ok(false)
}

/// Key, operator and values of one requirement.
type Requirement = (String, String, BTreeSet<String>);

/// What a template asks of these labels, in whatever order and in how many terms it is written.
fn asked(template: &PodTemplateSpec, keys: &BTreeSet<String>) -> BTreeSet<Requirement> {
    let affinity = template.spec.as_ref().and_then(|spec| spec.affinity.as_ref()?.node_affinity.as_ref());
    let required = affinity.and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution.as_ref());
    let terms = required.into_iter().flat_map(|required| &required.node_selector_terms);
    let all = terms.flat_map(|term| term.match_expressions.iter().flatten());
    all.filter(|one| keys.contains(&one.key)).map(requirement).collect()
}

fn requirement(one: &NodeSelectorRequirement) -> Requirement {
    (one.key.clone(), one.operator.clone(), one.values.iter().flatten().cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn asks(all: &Value) -> BTreeSet<Requirement> {
        let terms = json!([{"matchExpressions": all}]);
        let affinity =
            json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}});
        let template = json!({"spec": {"containers": [], "affinity": affinity}});
        let keys = ["a", "b"].map(str::to_owned).into();
        asked(&serde_json::from_value(template).unwrap(), &keys)
    }

    #[test]
    fn the_same_machines_are_asked_for_in_whatever_order_it_is_written_and_whatever_else_is_asked() {
        let is = |key: &str, values: Value| json!({"key": key, "operator": "In", "values": values});
        let first = asks(&json!([is("a", json!(["x", "y"])), is("b", json!(["z"]))]));
        assert_eq!(first, asks(&json!([is("b", json!(["z"])), is("a", json!(["y", "x"]))])));
        assert_eq!(first, asks(&json!([is("a", json!(["x", "y"])), is("b", json!(["z"])), is("zone", json!(["1"]))])));
        assert_ne!(first, asks(&json!([is("a", json!(["x", "y"]))])), "one less");
        assert_ne!(first, asks(&json!([is("a", json!(["x"])), is("b", json!(["z"]))])), "another value");
        assert!(asked(&PodTemplateSpec::default(), &["a".to_owned()].into()).is_empty());
    }
}
