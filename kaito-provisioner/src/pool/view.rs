//! A pool as a claim would describe it, and the Node of a pool (spec/05 §2.5, §2.6, §2.9).

use super::PoolName;
use super::seen::{PoolSeen, PoolState};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use kaito_api::vocabulary::labels;
use std::collections::BTreeMap;

/// What a pool says of the claim that it was made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimView {
    /// The name of both.
    pub name: PoolName,
    /// The labels of the pool, with size and node pool; a claim takes them over when it is launched.
    pub labels: BTreeMap<String, String>,
    /// When the claim was created, if the pool says so.
    pub created: Option<Timestamp>,
    /// The machine, in the cloud's words, if its Node is there.
    pub provider_id: Option<String>,
    /// The image of the machine, if it is made.
    pub image_id: Option<String>,
    /// Whether the pool goes away.
    pub is_deleting: bool,
}

impl PoolSeen {
    /// The pool as a claim, with the machine of its Node.
    pub fn as_claim(&self, provider_id: Option<&str>) -> ClaimView {
        let mut all = self.labels.clone();
        if !self.size.is_empty() {
            all.insert(labels::INSTANCE_TYPE.to_owned(), self.size.clone());
        }
        // Never written by anybody who is known; the reference lets a tag win over the label.
        if let Some(pool) = self.tags.get(labels::NODE_POOL) {
            all.insert(labels::NODE_POOL.to_owned(), pool.clone());
        }
        let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        ClaimView {
            name: self.name.clone(),
            labels: all,
            created: self.claim_created(),
            provider_id: provider_id.and_then(filled),
            image_id: filled(&self.image),
            is_deleting: self.state == PoolState::Deleting,
        }
    }
}

/// The Node of a pool.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NodeOf<'a> {
    /// None has joined, or it does not say yet which machine it is.
    NotYet,
    /// This one, with its machine in the cloud's words.
    Is(&'a Node, &'a str),
    /// More than one: AKS makes a spare at times, which goes again.
    Several(usize),
}

impl<'a> NodeOf<'a> {
    /// The machine, in the cloud's words.
    pub fn provider_id(self) -> Option<&'a str> {
        match self {
            NodeOf::Is(_, id) => Some(id),
            NodeOf::NotYet | NodeOf::Several(_) => None,
        }
    }
}

/// The Node of a pool among `nodes`: the only one that AKS has labelled so, in both of its spellings. Whether it is ready is not asked.
pub fn node_of<'a>(pool: &PoolName, nodes: impl IntoIterator<Item = &'a Node>) -> NodeOf<'a> {
    let is_of_pool = |node: &&Node| {
        let own = node.metadata.labels.as_ref();
        labels::AGENT_POOL
            .iter()
            .all(|key| own.and_then(|all| all.get(*key)).map(String::as_str) == Some(pool.as_str()))
    };
    let mut found = nodes.into_iter().filter(is_of_pool);
    let (Some(node), others) = (found.next(), found.count()) else {
        return NodeOf::NotYet;
    };
    if others > 0 {
        return NodeOf::Several(others + 1);
    }
    let id = node.spec.as_ref().and_then(|spec| spec.provider_id.as_deref()).filter(|id| !id.is_empty());
    id.map_or(NodeOf::NotYet, |id| NodeOf::Is(node, id))
}

/// The pool that a machine belongs to, by the name of its scale set (`aks-POOL-HASH-vmss`): for Nodes that carry no label of their pool. `None` where AKS did not make the machine. Case of the
/// fixed words does not count (S5-B9).
pub fn pool_of_provider_id(id: &str) -> Option<PoolName> {
    let path = id.strip_prefix("azure://")?;
    let mut parts = path.split('/').skip_while(|part| !part.eq_ignore_ascii_case("virtualMachineScaleSets"));
    let (_, set, machines) = (parts.next()?, parts.next()?, parts.next()?);
    let mut words = set.split('-');
    let (start, pool) = (words.next()?, words.next()?);
    let is_of_aks = start.eq_ignore_ascii_case("aks") && machines.eq_ignore_ascii_case("virtualMachines");
    if is_of_aks { PoolName::parse(pool).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn node(pool: [Option<&str>; 2], id: &str) -> Node {
        let own =
            labels::AGENT_POOL.iter().zip(pool).filter_map(|(key, value)| Some(((*key).to_owned(), value?.into())));
        let own: serde_json::Map<String, serde_json::Value> = own.collect();
        serde_json::from_value(json!({"metadata": {"labels": own}, "spec": {"providerID": id}})).unwrap()
    }

    #[test]
    fn a_pool_has_one_node_that_says_which_machine_it_is() {
        let pool = PoolName::parse("a").unwrap();
        let both = |name| [Some(name), Some(name)];
        for (nodes, id) in [
            (vec![node(both("a"), "x"), node(both("b"), "y")], Some("x")),
            (vec![node(both("a"), "x"), node(both("a"), "y")], None),
            (vec![node(both("a"), "")], None),
            (vec![node([Some("a"), None], "x"), node([None, Some("a")], "x"), node([Some("a"), Some("b")], "x")], None),
            (vec![], None),
        ] {
            assert_eq!(node_of(&pool, &nodes).provider_id(), id, "{nodes:?}");
        }
        let spare = [node(both("a"), "x"), node(both("a"), "")];
        assert_eq!(node_of(&pool, &spare), NodeOf::Several(2));
    }

    #[test]
    fn a_machine_belongs_to_the_pool_in_the_name_of_its_scale_set() {
        let at = |provider: &str, set: &str| {
            pool_of_provider_id(&format!(
                "azure:///subscriptions/0/resourceGroups/MC_rg/providers/{provider}/{set}/virtualMachines/0"
            ))
        };
        let sets = "Microsoft.Compute/virtualMachineScaleSets";
        for (provider, set, pool) in [
            (sets, "aks-ws0123456ab-20562481-vmss", Some("ws0123456ab")),
            ("microsoft.compute/virtualmachinescalesets", "AKS-ws0123456ab-20562481-vmss", Some("ws0123456ab")),
            (sets, "aks-ws0123456ab", Some("ws0123456ab")),
            (sets, "plainvmss", None),
            (sets, "my-vmss-1", None),
            (sets, "aks--1", None),
            (sets, "aks-Not_a_pool-1", None),
            ("Microsoft.Compute/other", "aks-a-1", None),
        ] {
            assert_eq!(at(provider, set).as_ref().map(PoolName::as_str), pool, "{provider}/{set}");
        }
        for id in [
            "",
            "aws:///us-east-1a/i-0",
            "azure://",
            "azure:///x/virtualMachineScaleSets",
            "azure:///x/virtualMachineScaleSets/aks-a-1",
        ] {
            assert_eq!(pool_of_provider_id(id), None, "{id}");
        }
    }
}
