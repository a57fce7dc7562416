//! Which machine.

use super::refusal::{Refusal, missing};
use super::requirements::{self, about};
use kaito_api::NodeClaim;
use kaito_api::vocabulary::labels;
use kaito_core::cloud::Cloud;

/// The sizes that a claim names, in its order, as the cloud spells them: the first is asked for, the others when it is refused. At least one (S5-B10).
pub fn sizes(claim: &NodeClaim) -> Result<Vec<String>, Refusal> {
    let requirements = &claim.spec.requirements;
    let wanted = requirements::size(requirements);
    let refuse = |detail: &str| Refusal::of(about(labels::INSTANCE_TYPE, detail));
    if let Some(operator) = wanted.odd() {
        return Err(refuse(&format!("cannot be compared with {operator}; must name sizes with In")));
    }
    if wanted.any_of.is_none() {
        let key = labels::INSTANCE_TYPE;
        let detail = format!(
            "must name the machine's size: {key} In [Standard_NC24ads_A100_v4]. What it must not be, or that it exists, says too little"
        );
        return Err(Refusal::of(missing("spec.requirements", detail)));
    }
    let left = requirements::agreeing(requirements, wanted.named());
    if left.is_empty() {
        return Err(refuse("leaves no size: what one requirement names, another excludes"));
    }
    let mut sizes: Vec<String> = Vec::new();
    for name in left {
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b)) {
            return Err(refuse(&format!("has {name:?}, which is no size of Azure, such as Standard_NC24ads_A100_v4")));
        }
        let spelled = kaito_presets::sku(Cloud::Azure, name).map_or(name, |known| known.name).to_owned();
        if !sizes.contains(&spelled) {
            sizes.push(spelled);
        }
    }
    Ok(sizes)
}

/// `gpu` or `cpu`: what the catalogue says, and for a size that is in none, what Azure's naming says: N stands for accelerators (S5-B21).
pub(super) fn machine_type(size: &str) -> &'static str {
    let family = size.get(.."Standard_".len()).filter(|start| start.eq_ignore_ascii_case("Standard_"));
    let family = family.map_or(size, |start| &size[start.len()..]);
    let is_gpu = kaito_presets::sku(Cloud::Azure, size).is_some() || family.starts_with(['N', 'n']);
    if is_gpu { "gpu" } else { "cpu" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn asked(requirements: &Value) -> Result<Vec<String>, String> {
        let claim = json!({"metadata": {}, "spec": {"requirements": requirements}});
        sizes(&serde_json::from_value(claim).unwrap()).map_err(|refusal| refusal.to_string())
    }

    fn said(operator: &str, values: &[&str]) -> Value {
        json!({"key": "node.kubernetes.io/instance-type", "operator": operator, "values": values})
    }

    #[test]
    fn sizes_are_tried_in_the_order_of_the_claim() {
        for (requirements, sizes) in [
            (json!([said("In", &["B", "A", "B"])]), &["B", "A"][..]),
            (json!([said("In", &["B", "A"]), said("NotIn", &["B"]), said("Exists", &[])]), &["A"]),
            (json!([said("In", &["B", "A", "C"]), said("In", &["C", "B"])]), &["B", "C"]),
            (json!([{"key": "beta.kubernetes.io/instance-type", "operator": "In", "values": ["A"]}]), &["A"]),
            (json!([said("In", &["standard_nc24ads_a100_V4"])]), &["Standard_NC24ads_A100_v4"]),
            (
                json!([said("In", &["A", "b"]), {"key": "karpenter.azure.com/sku-name", "operator": "In", "values": ["B"]}]),
                &["b"],
            ),
        ] {
            assert_eq!(asked(&requirements).unwrap(), sizes, "{requirements}");
        }
    }

    #[test]
    fn a_claim_without_a_size_is_refused_in_words() {
        for (requirements, says) in [
            (json!([]), "must name the machine's size"),
            (json!([said("NotIn", &["A"])]), "must name the machine's size"),
            (json!([said("Exists", &[])]), "must name the machine's size"),
            (json!([said("In", &[])]), "leaves no size"),
            (json!([said("In", &["A"]), said("DoesNotExist", &[])]), "leaves no size"),
            (json!([said("In", &["A"]), said("In", &["B"])]), "leaves no size"),
            (json!([said("In", &["A"]), said("Gt", &["1"])]), "cannot be compared with Gt"),
            (json!([said("In", &["../x"])]), "\"../x\", which is no size"),
        ] {
            let error = asked(&requirements).unwrap_err();
            assert!(
                error.contains("node.kubernetes.io/instance-type") && error.contains(says),
                "{requirements}: {error}"
            );
        }
    }

    #[test]
    fn accelerators_are_known_by_the_catalogue_and_by_their_family() {
        for (size, is) in [
            ("Standard_NC24ads_A100_v4", "gpu"),
            ("standard_nc24ads_a100_v4", "gpu"),
            ("Standard_ND128isr_NEW_v9", "gpu"),
            ("Standard_D8s_v5", "cpu"),
            ("Standard_DNx", "cpu"),
            ("n", "gpu"),
            ("", "cpu"),
        ] {
            assert_eq!(machine_type(size), is, "{size}");
        }
    }
}
