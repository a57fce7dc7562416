//! The pods of the user's own template, one a machine.
//!
//! The template stands in the set as JSON, with every field that it was written with, also those that this build does not know. Added is what ties the pods to their address and to their machines:
//! labels, a node affinity, tolerations. They follow from what of a Workspace never changes, so that a set can be repaired without a restart of its pods. Nothing else is added: no ports, probes or variables.

use super::{Placement, pod, stateful_set};
use crate::compat;
use crate::kinds::Typed;
use k8s_openapi::api::apps::v1::StatefulSetSpec;
use k8s_openapi::api::core::v1::Toleration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, OwnerReference};
use kaito_api::raw::RawPodTemplate;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What the set of the user's own pods is made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Own<'a> {
    /// The Workspace's name: also the name of the set and of its first Service.
    pub name: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// The controller reference.
    pub owner: OwnerReference,
    /// The number of the Workspace's revision.
    pub revision: i64,
    /// Machines, one pod on each.
    pub nodes: u32,
    /// The user's template.
    pub template: &'a RawPodTemplate,
    /// Labels of the pods, which are the selector too.
    pub pod_labels: BTreeMap<String, String>,
    /// Where its pods may run.
    pub placement: Placement,
    /// Whether spot machines of Azure are tolerated.
    pub azure_spot: bool,
}

/// The set, in its wire form. Pods start one after the other and have no names of their own in the DNS, as upstream.
pub fn own_stateful_set(own: &Own<'_>) -> Value {
    let mut body = around_own(own);
    body["spec"]["template"] = own_template(own);
    body
}

/// The set around an empty template.
pub(crate) fn around_own(own: &Own<'_>) -> Value {
    let spec = StatefulSetSpec {
        replicas: i32::try_from(own.nodes).ok(),
        selector: LabelSelector { match_labels: Some(own.pod_labels.clone()), match_expressions: None },
        ..StatefulSetSpec::default()
    };
    compat::stateful_set(stateful_set::metadata(own.name, own.namespace, &own.owner, own.revision), spec).to_wire()
}

/// The user's template with what is added to it.
pub(crate) fn own_template(own: &Own<'_>) -> Value {
    let mut template = own.template.0.clone();
    let labels = within(&mut template, &["metadata", "labels"]);
    for (key, value) in &own.pod_labels {
        *within(labels, &[key]) = json!(value);
    }
    let spec = within(&mut template, &["spec"]);
    keep_to_machines(spec, own);
    tolerate(within(spec, &["tolerations"]), own.azure_spot);
    template
}

/// Adds to what the user's pods tolerate what ours do.
fn tolerate(there: &mut Value, azure_spot: bool) {
    let ours = pod::tolerations(azure_spot, None).into_iter().map(|toleration| json!(toleration));
    let missing: Vec<Value> = ours.filter(|ours| !there.as_array().is_some_and(|all| all.contains(ours))).collect();
    extend(there, missing);
}

/// What the pods of a template tolerate, as far as it can be read.
pub(crate) fn tolerations(template: &RawPodTemplate, azure_spot: bool) -> Vec<Toleration> {
    let mut all = template.0.pointer("/spec/tolerations").cloned().unwrap_or_default();
    tolerate(&mut all, azure_spot);
    let all = all.as_array().into_iter().flatten();
    all.filter_map(|one| serde_json::from_value(one.clone()).ok()).collect()
}

/// The pods go to their own machines and to no other. One of the user's terms must hold, so ours joins each of them; what the user prefers, and asks of other pods, stays as it is.
fn keep_to_machines(spec: &mut Value, own: &Own<'_>) {
    const PREFERRED: [&str; 3] = ["affinity", "nodeAffinity", "preferredDuringSchedulingIgnoredDuringExecution"];
    const TERMS: [&str; 4] =
        ["affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms"];
    let preferred: Vec<Value> = pod::preferences(&own.placement).iter().map(|term| json!(term)).collect();
    if !preferred.is_empty() {
        extend(within(spec, &PREFERRED), preferred);
    }
    if own.placement.labels.is_empty() {
        return;
    }
    let terms = within(spec, &TERMS);
    if terms.as_array().is_none_or(Vec::is_empty) {
        *terms = json!([{}]);
    }
    let ours = pod::node_requirements(&own.placement.labels);
    for term in terms.as_array_mut().into_iter().flatten() {
        extend(within(term, &["matchExpressions"]), ours.iter().map(|requirement| json!(requirement)));
    }
}

/// The value at a path. What is no map on the way becomes one.
fn within<'v>(value: &'v mut Value, path: &[&str]) -> &'v mut Value {
    path.iter().fold(value, |value, key| {
        if !value.is_object() {
            *value = json!({});
        }
        &mut value[*key]
    })
}

/// Adds to a list. What is none becomes one.
fn extend(list: &mut Value, more: impl IntoIterator<Item = Value>) {
    match list {
        Value::Array(items) => items.extend(more),
        other => *other = more.into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(template: Value) -> Value {
        let template = RawPodTemplate(template);
        let own = Own {
            name: "own",
            namespace: "team",
            owner: OwnerReference::default(),
            revision: 3,
            nodes: 2,
            template: &template,
            pod_labels: [("kaito.sh/workspace".to_owned(), "own".to_owned())].into(),
            placement: Placement {
                labels: [("apps", "own"), ("kaito.sh/workspace", "own"), ("kaito.sh/workspacenamespace", "team")]
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
                    .into(),
                preferred: Vec::new(),
            },
            azure_spot: false,
        };
        own_stateful_set(&own)
    }

    fn is(key: &str, value: &str) -> Value {
        json!({"key": key, "operator": "In", "values": [value]})
    }

    #[test]
    fn what_the_user_wrote_stays_and_what_ties_the_pods_to_their_machines_is_added() {
        let spec = json!({
            "containers": [{"name": "server", "image": "a", "resources": {"limits": {"nvidia.com/gpu": 1}}, "fromTheFuture": {"x": [1, null]}}],
            "alsoNew": true,
        });
        let body =
            made(json!({"metadata": {"labels": {"team": "blue", "kaito.sh/workspace": "another"}}, "spec": spec}));
        let mut wanted = spec;
        let terms = json!([{"matchExpressions": [is("apps", "own"), is("kaito.sh/workspace", "own"), is("kaito.sh/workspacenamespace", "team")]}]);
        wanted["affinity"] =
            json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}});
        wanted["tolerations"] = json!([
            {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
            {"key": "sku", "operator": "Equal", "value": "gpu", "effect": "NoSchedule"},
        ]);
        let labels = json!({"team": "blue", "kaito.sh/workspace": "own"});
        assert_eq!(body["spec"]["template"], json!({"metadata": {"labels": labels}, "spec": wanted}));
        assert_eq!(body["spec"]["selector"], json!({"matchLabels": {"kaito.sh/workspace": "own"}}));
        assert_eq!(body["metadata"]["annotations"], json!({"workspace.kaito.io/revision": "3"}));
        assert_eq!((&body["spec"]["replicas"], &body["spec"]["serviceName"]), (&json!(2), &Value::Null));
    }

    #[test]
    fn the_users_own_rules_of_placement_hold_beside_ours() {
        let zone = |value: &str| json!({"matchExpressions": [is("zone", value)]});
        let by_name = json!({"matchFields": [is("metadata.name", "gpu-1")]});
        let prefers = json!([{"weight": 1, "preference": zone("c")}]);
        let apart =
            json!({"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "kubernetes.io/hostname"}]});
        let sku = json!({"key": "sku", "operator": "Equal", "value": "gpu", "effect": "NoSchedule"});
        let body = made(json!({"spec": {
            "containers": [{"name": "server"}],
            "tolerations": [sku, {"key": "team", "operator": "Exists"}],
            "affinity": {"podAntiAffinity": apart, "nodeAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": prefers,
                "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [zone("a"), by_name]},
            }},
        }}));
        let spec = &body["spec"]["template"]["spec"];
        let ours = [is("apps", "own"), is("kaito.sh/workspace", "own"), is("kaito.sh/workspacenamespace", "team")];
        let (mut first, mut second) = (zone("a"), by_name);
        extend(&mut first["matchExpressions"], ours.clone());
        extend(&mut second["matchExpressions"], ours);
        let node = &spec["affinity"]["nodeAffinity"];
        assert_eq!(node["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"], json!([first, second]));
        assert_eq!(node["preferredDuringSchedulingIgnoredDuringExecution"], prefers);
        assert_eq!(spec["affinity"]["podAntiAffinity"], apart);
        let gpu = json!({"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"});
        assert_eq!(spec["tolerations"], json!([sku, {"key": "team", "operator": "Exists"}, gpu]));
    }
}
