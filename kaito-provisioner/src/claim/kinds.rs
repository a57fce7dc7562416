//! What the planner needs of each kind.

use kaito_core::Kind;
use kaito_core::kinds::{KindUse, Watch};

/// The kinds of [`ClaimPlanner`](super::ClaimPlanner), how each is watched, and the rights on it. Agent pools are Azure's, so that they need no right of Kubernetes: the verbs are those of its API.
pub const CLAIM_KINDS: &[KindUse] = &[
    KindUse {
        // Every claim: which of them are ours to answer says the class of some, and a label of others.
        kind: Kind::NodeClaim,
        watch: Watch::Full,
        label: None,
        verbs: &["get", "list", "watch", "patch", "delete"],
        subresources: &[("status", &["patch"])],
        custom: true,
    },
    KindUse {
        kind: Kind::AgentPool,
        watch: Watch::Full,
        label: None,
        verbs: &["get", "list", "watch", "create", "delete"],
        subresources: &[],
        custom: false,
    },
    KindUse {
        // Every Node: one that joins carries the labels of its pool, and none of ours is certain to be on it.
        kind: Kind::Node,
        watch: Watch::Full,
        label: None,
        verbs: &["get", "list", "watch", "patch", "delete"],
        subresources: &[],
        custom: false,
    },
    KindUse {
        // Asked for live, while a Node is emptied.
        kind: Kind::Pod,
        watch: Watch::Poll,
        label: None,
        verbs: &["get", "list"],
        subresources: &[("eviction", &["create"])],
        custom: false,
    },
    KindUse {
        // One, whose uid tells this cluster from others: before a machine is paid for, or taken for one that nobody claims.
        kind: Kind::Namespace,
        watch: Watch::Poll,
        label: None,
        verbs: &["get"],
        subresources: &[],
        custom: false,
    },
    KindUse {
        // Asked for live, before a machine is paid for, or taken for one that nobody claims.
        kind: Kind::Workspace,
        watch: Watch::Poll,
        label: None,
        verbs: &["get"],
        subresources: &[],
        custom: true,
    },
];
