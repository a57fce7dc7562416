//! Which taints of a Node keep pods away from it.

use k8s_openapi::api::core::v1::{Node, Taint, Toleration};

/// The effects of taints that keep pods away; the third is only a wish.
const KEEP_AWAY: [&str; 2] = ["NoSchedule", "NoExecute"];

/// The taints of a Node that pods with these tolerations do not go to.
pub(crate) fn untolerated<'n>(node: &'n Node, tolerations: &[Toleration]) -> impl Iterator<Item = &'n Taint> {
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
    taints.iter().filter(|taint| {
        KEEP_AWAY.contains(&&*taint.effect) && !tolerations.iter().any(|toleration| tolerates(toleration, taint))
    })
}

/// Whether a toleration means a taint (`k8s.io/component-helpers/scheduling/corev1`): what it leaves out means every one, but for the value.
fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let means = |asked: Option<&str>, there: &str| asked.is_none_or(|asked| asked.is_empty() || asked == there);
    let value = match toleration.operator.as_deref() {
        None | Some("" | "Equal") => {
            toleration.value.as_deref().unwrap_or_default() == taint.value.as_deref().unwrap_or_default()
        }
        Some(operator) => operator == "Exists",
    };
    means(toleration.key.as_deref(), &taint.key) && means(toleration.effect.as_deref(), &taint.effect) && value
}

/// `team=blue:NoSchedule`, as kubectl writes it.
pub(crate) fn words(taint: &Taint) -> String {
    let value = taint.value.as_deref().filter(|value| !value.is_empty());
    format!("{}{}:{}", taint.key, value.map(|value| format!("={value}")).unwrap_or_default(), taint.effect)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn keeping_away(taint: &Value, toleration: &Value) -> Vec<String> {
        let node: Node = serde_json::from_value(json!({"spec": {"taints": [taint]}})).unwrap();
        let toleration: Toleration = serde_json::from_value(toleration.clone()).unwrap();
        untolerated(&node, &[toleration]).map(words).collect()
    }

    #[test]
    fn a_toleration_means_the_taints_that_kubernetes_says_it_means() {
        let blue = json!({"key": "team", "value": "blue", "effect": "NoSchedule"});
        for toleration in [
            json!({"key": "team", "operator": "Equal", "value": "blue", "effect": "NoSchedule"}),
            json!({"key": "team", "value": "blue"}),
            json!({"key": "team", "operator": "Exists", "effect": ""}),
            json!({"operator": "Exists"}),
        ] {
            assert!(keeping_away(&blue, &toleration).is_empty(), "{toleration}");
        }
        for toleration in [
            json!({"key": "team", "value": "red"}),
            json!({"key": "team"}),
            json!({"key": "team", "operator": "Exists", "effect": "NoExecute"}),
            json!({"key": "other", "operator": "Exists"}),
            json!({"key": "team", "operator": "Like", "value": "blue"}),
        ] {
            assert_eq!(keeping_away(&blue, &toleration), ["team=blue:NoSchedule"], "{toleration}");
        }
        let (other, same) = (json!({"key": "other"}), json!({"key": "a"}));
        assert_eq!(keeping_away(&json!({"key": "a", "effect": "NoExecute"}), &other), ["a:NoExecute"]);
        assert!(keeping_away(&json!({"key": "a", "value": "", "effect": "NoExecute"}), &same).is_empty());
        assert!(keeping_away(&json!({"key": "a", "effect": "PreferNoSchedule"}), &other).is_empty());
    }
}
