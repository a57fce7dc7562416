//! A claim and what belongs to it, as read.

use super::conditions::LAUNCHED;
use super::managed::{annotation, label, owner};
use crate::pool::{PoolName, PoolSeen, PoolState, pool_of_provider_id, read_stamp, stamp};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use kaito_api::NodeClaim;
use kaito_api::cloud::AgentPool;
use kaito_api::vocabulary::labels;
use kaito_core::backend::BackendError;
use kaito_core::effect::{Owned, is_dying};
use kaito_core::kinds::Typed;
use kaito_core::read::{Freshness, Selector};
use kaito_core::snapshot::{Snapshot, Unread};
use kaito_core::{Kind, ObjectKey, Read, Seen};

/// The pool of a claim's name.
#[derive(Debug)]
pub(super) enum Held<'a> {
    /// There is none, as far as the answer is fresh.
    Absent,
    /// It was made for this very claim.
    Own(Box<PoolSeen>, &'a Seen),
    /// It was made for an earlier claim of this name.
    Earlier(Box<PoolSeen>, &'a Seen),
    /// Somebody else has made it.
    Foreign,
    /// Nothing says for whom it was made; but a machine of this claim is in a pool of this name: somebody has replaced its labels, or has made it after the claim's own had gone.
    Unmarked(Box<PoolSeen>),
    /// It cannot be read; in the decoder's words.
    Unreadable(&'a str),
    /// The cloud did not answer: whether there is one is not known. Nothing is bought, and nothing let go.
    Unknown(&'a BackendError),
}

pub(super) struct View<'a> {
    pub(super) key: &'a ObjectKey,
    pub(super) claim: &'a NodeClaim,
    /// The claim as it was read.
    pub(super) seen: &'a Seen,
    pub(super) snapshot: &'a Snapshot,
    /// `None` where no pool can have the claim's name.
    pub(super) pool_name: Option<PoolName>,
    /// The Nodes that AKS has given the name of the pool, by name.
    pub(super) nodes: Vec<&'a Node>,
    /// The same of earlier claims of this name. AKS gives the Nodes of a pool the names, and the machines the ids, that those of its predecessor had.
    pub(super) former_nodes: Vec<&'a Node>,
}

/// What every look reads: known from the root's key alone.
pub(super) fn first_reads(key: &ObjectKey) -> impl Iterator<Item = Read> {
    let own = PoolName::parse(&key.name).ok().map(|_| pool_key(&key.name));
    let nodes = Read::list(Kind::Node, None, nodes_of(&key.name));
    [Read::object(key.clone()), nodes].into_iter().chain(own.map(Read::object))
}

pub(super) fn pool_key(name: &str) -> ObjectKey {
    ObjectKey::cluster(Kind::AgentPool, name)
}

/// The labels by which AKS marks the Nodes of a pool.
pub(super) fn nodes_of(name: &str) -> Selector {
    Selector::of(labels::AGENT_POOL.map(|key| (key, name)))
}

/// The Node of a pool as ours to delete.
pub(super) fn owned_node(node: &Node, pool: &str) -> Option<Owned> {
    let marks = labels::AGENT_POOL.map(|key| (key, pool));
    Owned::by_names(&Seen::Decoded(node.clone().into_object()), &marks)
}

/// The pool as ours to delete.
pub(super) fn owned_pool(pool: &PoolSeen, seen: &Seen) -> Option<Owned> {
    Owned::by_names(seen, &pool.marks()?)
}

impl<'a> View<'a> {
    pub(super) fn new(
        key: &'a ObjectKey,
        claim: &'a NodeClaim,
        seen: &'a Seen,
        snapshot: &'a Snapshot,
    ) -> Result<Self, Unread> {
        let listing = snapshot.list::<Node>(None, nodes_of(&key.name), Freshness::Cached)?;
        let (nodes, former_nodes) = listing.items.into_iter().partition(|node| is_of(node, claim));
        Ok(Self { nodes, former_nodes, ..Self::alone(key, claim, seen, snapshot) })
    }

    /// The claim alone, where nothing else can be read.
    pub(super) fn alone(key: &'a ObjectKey, claim: &'a NodeClaim, seen: &'a Seen, snapshot: &'a Snapshot) -> Self {
        let pool_name = PoolName::parse(&key.name).ok();
        Self { key, claim, seen, snapshot, pool_name, nodes: Vec::new(), former_nodes: Vec::new() }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.snapshot.now()
    }

    pub(super) fn name(&self) -> &str {
        &self.key.name
    }

    pub(super) fn uid(&self) -> &str {
        self.claim.metadata.uid.as_deref().unwrap_or_default()
    }

    pub(super) fn created(&self) -> Timestamp {
        self.claim.metadata.creation_timestamp.as_ref().map_or(self.now(), |time| time.0)
    }

    pub(super) fn annotation(&self, key: &str) -> Option<&str> {
        annotation(&self.claim.metadata, key)
    }

    /// The machine in the cloud's words, once it was known.
    pub(super) fn provider_id(&self) -> Option<&str> {
        self.claim.status.as_ref().map(|status| status.provider_id.as_str()).filter(|id| !id.is_empty())
    }

    /// Whether it had a machine once. For such a claim none is ever asked for again.
    pub(super) fn was_launched(&self) -> bool {
        is_launched(self.claim)
    }

    /// Whether the API server has this very claim now, as far gone as the cache has it: names come back.
    pub(super) fn is_still_there(&self) -> Result<bool, Unread> {
        let Some(live) = self.snapshot.seen(self.key.clone(), Freshness::Live)?.map(Seen::metadata) else {
            return Ok(false);
        };
        Ok(live.uid == self.claim.metadata.uid && is_dying(live) == is_dying(&self.claim.metadata))
    }

    /// When a condition took the status that it has; when the claim was made, where that is not known.
    pub(super) fn since(&self, condition: &str) -> Timestamp {
        let found = self.claim.condition(condition).and_then(|condition| condition.last_transition_time.as_ref());
        found.map_or_else(|| self.created(), |time| time.0)
    }

    /// The pool of the claim's name.
    pub(super) fn pool(&self, freshness: Freshness) -> Result<Held<'a>, Unread> {
        if self.pool_name.is_none() {
            return Ok(Held::Absent);
        }
        let seen = match self.snapshot.seen_of_cloud(pool_key(self.name()), freshness)? {
            Err(error) => return Ok(Held::Unknown(error)),
            Ok(None) => return Ok(Held::Absent),
            Ok(Some(Seen::Malformed(malformed))) => return Ok(Held::Unreadable(&malformed.error)),
            Ok(Some(seen)) => seen,
        };
        let Seen::Decoded(object) = seen else { return Ok(Held::Absent) };
        let Some(pool) = AgentPool::of(object).and_then(PoolSeen::of_object).map(Box::new) else {
            return Ok(Held::Unreadable("it has no name that an agent pool can have"));
        };
        Ok(match (pool.is_ours(), pool.is_of(self.claim)) {
            (false, _) if self.is_named_by_machine() => Held::Unmarked(pool),
            (false, _) => Held::Foreign,
            (true, false) => Held::Earlier(pool, seen),
            (true, true) => Held::Own(pool, seen),
        })
    }

    /// Whether the claim is launched, and its machine says that it is of the pool of this name.
    fn is_named_by_machine(&self) -> bool {
        let of_machine = self.provider_id().and_then(pool_of_provider_id);
        self.claim.is_true(LAUNCHED) && of_machine.is_some() && of_machine == self.pool_name
    }

    /// The same; while something is being done to it, as the cloud has it now: a cache is minutes old.
    pub(super) fn pool_now(&self) -> Result<Held<'a>, Unread> {
        let is_busy =
            |pool: &PoolSeen| matches!(pool.state, PoolState::Creating | PoolState::Deleting | PoolState::Busy(_));
        match self.pool(Freshness::Cached)? {
            Held::Own(pool, _) | Held::Earlier(pool, _) if is_busy(&pool) => self.pool(Freshness::Live),
            there => Ok(there),
        }
    }

    /// The same; where the cache has none, the cloud is asked before that is believed.
    pub(super) fn pool_surely(&self) -> Result<Held<'a>, Unread> {
        match self.pool(Freshness::Cached)? {
            Held::Absent => self.pool(Freshness::Live),
            there => Ok(there),
        }
    }

    /// Whether the cloud still does with the pool what it did when it was read. A plan reads no object twice: it is asked by a list.
    pub(super) fn is_as_read(&self, pool: &PoolSeen) -> Result<bool, Unread> {
        let all = self.snapshot.list::<AgentPool>(None, Selector::default(), Freshness::Live)?;
        let mut pools = all.items.into_iter().filter_map(PoolSeen::of_object);
        Ok(pools.any(|there| there.name == pool.name && there.state == pool.state))
    }

    /// The Nodes of this machine: more than one only where something is very wrong.
    pub(super) fn nodes_with(&self, provider_id: &str) -> Vec<&'a Node> {
        let is_it = |node: &&Node| node.spec.as_ref().and_then(|spec| spec.provider_id.as_deref()) == Some(provider_id);
        self.nodes.iter().copied().filter(is_it).collect()
    }

    /// The Nodes of this claim that the API server has: a cache may not show yet one that has registered just now.
    pub(super) fn live_nodes(&self) -> Result<Vec<&'a Node>, Unread> {
        let nodes = self.snapshot.list::<Node>(None, nodes_of(self.name()), Freshness::Live)?.items;
        Ok(nodes.into_iter().filter(|node| is_of(node, self.claim)).collect())
    }

    /// Whether one of them is such, and nobody deletes it.
    pub(super) fn has_live_node(&self, such: impl Fn(&Node) -> bool) -> Result<bool, Unread> {
        Ok(self.live_nodes()?.into_iter().any(|node| !is_dying(&node.metadata) && such(node)))
    }
}

/// Whether a claim had a machine once.
pub(super) fn is_launched(claim: &NodeClaim) -> bool {
    let has_machine = claim.status.as_ref().is_some_and(|status| !status.provider_id.is_empty());
    claim.is_true(LAUNCHED) || has_machine
}

/// Whether a Node is of the pool of this very claim: by its owner, and before it has one by the time that its pool bears. One that says neither is believed by its name.
pub(super) fn is_of(node: &Node, claim: &NodeClaim) -> bool {
    if let Some(owner) = owner(&node.metadata) {
        return claim.metadata.uid.as_deref() == Some(owner.uid.as_str());
    }
    let told = label(&node.metadata, labels::CREATION_TIMESTAMP).and_then(read_stamp);
    let created = claim.metadata.creation_timestamp.as_ref();
    told.is_none_or(|told| created.is_none_or(|created| stamp(told) == stamp(created.0)))
}

/// What is being done to a pool, in Azure's word: it is made, started, stopped or changed. One that goes away, or that nobody works on, is not meant.
pub(super) fn in_motion(state: &PoolState) -> Option<&str> {
    match state {
        PoolState::Creating | PoolState::Busy(_) => Some(state.word()),
        PoolState::Succeeded | PoolState::Failed | PoolState::Canceled | PoolState::Deleting => None,
    }
}

/// The status of a Node's condition `Ready`, and since when; a Node without one is not ready since it was made.
pub(super) fn ready(node: &Node) -> (&str, Option<Timestamp>) {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    let found = conditions.into_iter().flatten().find(|condition| condition.type_ == "Ready");
    let made = node.metadata.creation_timestamp.as_ref().map(|time| time.0);
    match found {
        Some(ready) => (ready.status.as_str(), ready.last_transition_time.as_ref().map(|time| time.0).or(made)),
        None => ("Unknown", made),
    }
}
