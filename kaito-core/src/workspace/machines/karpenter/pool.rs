//! Whose pool it is that has the name of a Workspace's, and what Karpenter says of it.

use crate::effect::{Owned, is_dying};
use crate::failure::{self, Failure};
use crate::kinds::{Kind, Typed};
use crate::manifest;
use crate::object::{ObjectKey, Seen};
use crate::words::{quoted, whole};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kaito_api::karpenter::NodePool;
use kaito_api::vocabulary::{labels, reasons};

/// Conditions by which Karpenter refuses a pool (`pkg/apis/v1/nodepool_status.go`).
const REFUSALS: [&str; 2] = ["ValidationSucceeded", "NodeClassReady"];

/// The reason of its condition NodeRegistrationHealthy where machines were launched and did not join; where they were not launched, it is that of the launch (`nodeclaim/lifecycle/liveness.go`).
const NOT_JOINED: &str = "RegistrationFailed";

/// The pool of a Workspace.
pub(super) fn key(workspace: &ObjectKey) -> ObjectKey {
    ObjectKey::cluster(Kind::NodePool, manifest::node_pool_name(workspace.namespace(), &workspace.name))
}

/// What has that name.
#[derive(Debug, Clone, Copy)]
pub(super) enum Named<'a> {
    /// Nothing.
    Absent,
    /// Our pool.
    Ours(&'a NodePool),
    /// Our pool, which cannot be read.
    Unreadable(&'a Seen),
    /// That of an earlier Workspace of this name, with its uid.
    Former(&'a Seen),
    /// Somebody else's.
    Foreign(&'a Seen),
}

impl<'a> Named<'a> {
    /// It is ours if it carries our uid, or, from an older operator, our names and no uid.
    pub(super) fn of(seen: Option<&'a Seen>, workspace: &ObjectKey, uid: &str) -> Self {
        let Some(seen) = seen else { return Named::Absent };
        let found = seen.labels();
        let names_us = super::own_labels(workspace).matches(&found);
        match found.get(labels::WORKSPACE_UID).map(String::as_str) {
            _ if !names_us => Named::Foreign(seen),
            Some(other) if other != uid => Named::Former(seen),
            _ => match seen {
                Seen::Decoded(object) => NodePool::of(object).map_or(Named::Foreign(seen), Named::Ours),
                Seen::Malformed(_) => Named::Unreadable(seen),
            },
        }
    }

    pub(super) fn is_absent(&self) -> bool {
        matches!(self, Named::Absent)
    }

    /// Our pool, readable or not.
    pub(super) fn ours(&self) -> Option<&'a ObjectMeta> {
        match self {
            Named::Ours(pool) => Some(&pool.metadata),
            Named::Unreadable(seen) => Some(seen.metadata()),
            Named::Absent | Named::Former(_) | Named::Foreign(_) => None,
        }
    }

    /// How many machines our pool asks for now: its replicas, as far as its limit lets them be made.
    pub(super) fn asks(&self) -> u32 {
        self.most().unwrap_or(u32::MAX).min(self.replicas())
    }

    /// How many of its machines there may be, where it is limited.
    pub(super) fn most(&self) -> Option<u32> {
        match self {
            Named::Ours(pool) => pool.most_nodes(),
            Named::Absent | Named::Unreadable(_) | Named::Former(_) | Named::Foreign(_) => None,
        }
    }

    /// Its replicas.
    pub(super) fn replicas(&self) -> u32 {
        match self {
            Named::Ours(pool) => pool.spec.replicas.and_then(|count| u32::try_from(count).ok()).unwrap_or_default(),
            Named::Absent | Named::Unreadable(_) | Named::Former(_) | Named::Foreign(_) => 0,
        }
    }

    /// The proof that our pool is ours, where nobody has deleted it yet.
    pub(super) fn owned(&self, workspace: &ObjectKey, uid: &str) -> Option<Owned> {
        let seen = match self {
            Named::Ours(pool) => Seen::Decoded((*pool).clone().into_object()),
            Named::Unreadable(seen) => (*seen).clone(),
            Named::Absent | Named::Former(_) | Named::Foreign(_) => return None,
        };
        let names = super::own_labels(workspace).0;
        let names: Vec<(&str, &str)> = names.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let by_names = || Owned::by_names(&seen, &names);
        Owned::by_label(&seen, labels::WORKSPACE_UID, uid).or_else(by_names).filter(|_| !is_dying(seen.metadata()))
    }

    /// Why there is no pool of ours to speak of.
    pub(super) fn trouble(&self) -> Option<Failure> {
        match self {
            Named::Absent | Named::Ours(_) | Named::Former(_) => None,
            Named::Unreadable(seen) => {
                let error = match seen {
                    Seen::Malformed(malformed) => malformed.error.as_str(),
                    Seen::Decoded(_) => "",
                };
                let cause = format!("NodePool {} cannot be read: {}", seen.key().name, quoted(error));
                Some(Failure::new(&failure::MALFORMED_OBJECT, cause))
            }
            Named::Foreign(seen) => {
                let found = seen.labels();
                let whose = [labels::KARPENTER_WORKSPACE_NAMESPACE, labels::KARPENTER_WORKSPACE_NAME];
                let whose = whose.map(|key| found.get(key).map(String::as_str).unwrap_or_default());
                let whose = match whose {
                    ["", ""] => "carries no label of a Workspace".to_owned(),
                    [namespace, name] => format!("is of Workspace {}/{}", quoted(namespace), quoted(name)),
                };
                let cause = format!("NodePool {} exists and {whose}", seen.key().name);
                Some(Failure::new(&failure::NODE_POOL_TAKEN, cause))
            }
        }
    }

    /// What Karpenter has against our pool, in its own words and with its own reason.
    pub(super) fn refusal(&self) -> Option<Failure> {
        let Named::Ours(pool) = self else { return None };
        let refused = REFUSALS.iter().filter_map(|type_| pool.condition(type_));
        let refused = refused.into_iter().find(|condition| condition.status == "False")?;
        let name = pool.metadata.name.as_deref().unwrap_or_default();
        let class = &pool.spec.template.spec.node_class_ref;
        let of_class = match refused.type_.as_str() {
            "NodeClassReady" => format!(" ({} {})", quoted(&class.kind), quoted(&class.name)),
            _ => String::new(),
        };
        let said = if refused.message.is_empty() { &refused.reason } else { &refused.message };
        let cause = format!("NodePool {name}: {}{of_class}: {}", refused.type_, whole(said));
        let mut failure = Failure::new(&failure::NODE_POOL_REFUSED, cause);
        failure.own_reason = Some(refused.reason.clone()).filter(|reason| !reason.is_empty());
        Some(failure)
    }

    /// What Karpenter remembers of the last launches, or else of machines that did not join: the claims are gone.
    pub(super) fn unhealthy(&self, is_launched: bool) -> Option<String> {
        let Named::Ours(pool) = self else { return None };
        let condition = pool.condition("NodeRegistrationHealthy").filter(|condition| condition.status == "False")?;
        let is_told = !condition.message.is_empty() && condition.reason != reasons::AWAITING_RECONCILIATION;
        let of_these = (condition.reason == NOT_JOINED) == is_launched;
        let name = pool.metadata.name.as_deref().unwrap_or_default();
        let words = || format!("NodePool {name}: {}: {}: {}", condition.type_, condition.reason, condition.message);
        (is_told && of_these).then(|| whole(&words()))
    }

    /// What can be said of our pool when nothing comes of it, with so many claims.
    pub(super) fn standing(&self, claims: usize) -> Option<String> {
        let Named::Ours(pool) = self else { return None };
        let name = pool.metadata.name.as_deref().unwrap_or_default();
        let class = &pool.spec.template.spec.node_class_ref;
        match pool.condition("Ready") {
            None => Some(format!(
                "NodePool {name}: Karpenter has not looked at it: it does not run, or does not know {}.{}",
                quoted(&class.kind),
                quoted(&class.group)
            )),
            Some(ready) if ready.status == "True" && claims == 0 && self.asks() > 0 => Some(format!(
                "NodePool {name} is ready and has no NodeClaim: Karpenter's feature gate StaticCapacity may be off"
            )),
            Some(ready) if ready.status != "True" && !ready.message.is_empty() => {
                Some(format!("NodePool {name}: {}: {}", quoted(&ready.reason), whole(&ready.message)))
            }
            Some(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pool(labels: &Value) -> Seen {
        let body = json!({"metadata": {"name": "a-b-c", "uid": "p", "labels": labels}, "spec": {"template": {}}});
        Seen::decode(Kind::NodePool, body)
    }

    #[test]
    fn a_pool_is_ours_by_our_uid_or_by_our_names_alone_and_a_namesakes_never() {
        let workspace = ObjectKey::new(Kind::Workspace, "a", "b-c");
        let names = |namespace: &str, name: &str| json!({labels::KARPENTER_WORKSPACE_NAME: name, labels::KARPENTER_WORKSPACE_NAMESPACE: namespace});
        let with_uid = |mut all: Value, uid: &str| {
            all[labels::WORKSPACE_UID] = json!(uid);
            all
        };
        let kind = |labels: Value| {
            let seen = pool(&labels);
            let named = Named::of(Some(&seen), &workspace, "u");
            (
                named.ours().is_some(),
                named.owned(&workspace, "u").is_some(),
                named.trouble().map(|failure| failure.cause),
            )
        };
        assert_eq!(kind(with_uid(names("a", "b-c"), "u")), (true, true, None));
        assert_eq!(kind(names("a", "b-c")), (true, true, None), "an older operator's");
        assert_eq!(kind(with_uid(names("a", "b-c"), "former")), (false, false, None), "it goes, and ours comes");
        let (ours, owned, told) = kind(with_uid(names("a-b", "c"), "other"));
        assert_eq!(
            (ours, owned, told.as_deref()),
            (false, false, Some("NodePool a-b-c exists and is of Workspace a-b/c"))
        );
        let (ours, _, told) = kind(json!({}));
        assert!(!ours && told.is_some_and(|told| told.ends_with("carries no label of a Workspace")));
    }
}
