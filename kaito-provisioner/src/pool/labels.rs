//! Labels and taints of the node, and which of them AKS refuses.

use super::refusal::wrong;
use super::{size, stamp};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Taint;
use kaito_api::vocabulary::{aks, labels};
use kaito_api::{FieldError, FieldPath, NodeClaim, syntax};
use std::collections::BTreeMap;

/// The labels that a pool is asked for: the claim's and `required`, and ours.
pub(super) fn of(
    claim: &NodeClaim,
    required: BTreeMap<String, String>,
    size: &str,
    created: Timestamp,
    errors: &mut Vec<FieldError>,
) -> BTreeMap<String, String> {
    let mut all = BTreeMap::from([(labels::NODE_POOL.to_owned(), labels::NODE_POOL_KAITO.to_owned())]);
    for (key, value) in claim.metadata.labels.iter().flatten() {
        if let Err(why) = check(key, value) {
            errors.push(wrong(FieldPath::from("metadata.labels").key(key), why));
        }
        all.insert(key.clone(), value.clone());
    }
    for (key, value) in required {
        if let Err(why) = check(&key, &value) {
            errors.push(wrong(FieldPath::from("spec.requirements"), format!("{key}={value} {why}")));
        }
        all.insert(key, value);
    }
    if !all.contains_key(labels::WORKSPACE) && !all.contains_key(labels::RAG_ENGINE) {
        let class = &claim.spec.node_class_ref.name;
        let class = if syntax::label_value(class).is_ok() { class.clone() } else { String::new() };
        all.insert(labels::KAITO_NODE_CLASS.to_owned(), class);
    }
    all.insert(labels::MACHINE_TYPE.to_owned(), size::machine_type(size).to_owned());
    all.insert(labels::CREATION_TIMESTAMP.to_owned(), stamp(created));
    all
}

/// Whether AKS gives a node this label; else why not, and what would be right.
fn check(key: &str, value: &str) -> Result<(), String> {
    syntax::label_key(key)?;
    syntax::label_value(value).map_err(|expected| format!("{expected}, and is {value:?}"))?;
    match aks::refusal_of_label(key) {
        None => Ok(()),
        Some(why) => Err(why.to_owned()),
    }
}

/// The taints that a pool is asked for, as AKS writes them. Those that somebody takes away later (`startupTaints`) are not among them: AKS would put them back (spec/05 §7.2).
pub(super) fn taints(taints: &[Taint], errors: &mut Vec<FieldError>) -> Vec<String> {
    let mut written = Vec::with_capacity(taints.len());
    for (index, taint) in taints.iter().enumerate() {
        let field = |name: &str| FieldPath::from("spec.taints").index(index).key(name);
        let value = taint.value.as_deref().unwrap_or_default();
        if let Err(expected) = syntax::label_key(&taint.key) {
            errors.push(wrong(field("key"), expected));
        }
        if let Err(expected) = syntax::label_value(value) {
            errors.push(wrong(field("value"), expected));
        }
        if !["NoSchedule", "PreferNoSchedule", "NoExecute"].contains(&taint.effect.as_str()) {
            errors.push(wrong(field("effect"), "must be NoSchedule, PreferNoSchedule or NoExecute"));
        }
        written.push(format!("{}={value}:{}", taint.key, taint.effect));
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_aks_refuses_are_refused_first() {
        for key in [
            "apps",
            "example.com/a",
            "kaito.sh/workspace",
            "node.kubernetes.io/instance-type",
            "a.node.kubernetes.io/b",
            "kubernetes.io/os",
            "node-role.kubernetes.io/gpu",
            "mykubernetes.io/a",
            "nvidia.com/gpu.deploy.driver",
        ] {
            assert_eq!(check(key, "v"), Ok(()), "{key}");
        }
        for (key, value, says) in [
            ("kubernetes.azure.com/gpu-driver", "none", "keeps kubernetes.azure.com"),
            ("x.kubernetes.azure.com/y", "none", "keeps kubernetes.azure.com"),
            ("kubernetes.io/lifecycle", "a", "below kubernetes.io"),
            ("node-restriction.kubernetes.io/a", "a", "below kubernetes.io"),
            ("a.k8s.io/b", "a", "below kubernetes.io"),
            ("agentpool", "a", "written by AKS"),
            ("a b", "a", "must be a label key"),
            ("a", "a b", "and is \"a b\""),
        ] {
            assert!(check(key, value).unwrap_err().contains(says), "{key}");
        }
    }

    #[test]
    fn taints_are_written_as_aks_has_them() {
        let taint = |key: &str, value: Option<&str>, effect: &str| Taint {
            key: key.to_owned(),
            value: value.map(str::to_owned),
            effect: effect.to_owned(),
            time_added: None,
        };
        let mut errors = Vec::new();
        let written =
            taints(&[taint("sku", Some("gpu"), "NoSchedule"), taint("a.io/b", None, "NoExecute")], &mut errors);
        assert_eq!((written, errors.len()), (vec!["sku=gpu:NoSchedule".to_owned(), "a.io/b=:NoExecute".to_owned()], 0));
        taints(&[taint("a=b:NoExecute", Some("x,y"), "Never")], &mut errors);
        let paths: Vec<String> = errors.iter().map(|error| error.path.to_string()).collect();
        assert_eq!(paths, ["spec.taints[0].key", "spec.taints[0].value", "spec.taints[0].effect"]);
    }
}
