//! The kinds a [`Snapshot`](crate::Snapshot) can hold, and how each is watched.
//!
//! [`Kind`] is the vocabulary; [`KINDS`] says what the product needs of each: how it is watched, under which label, with which verbs. Reflectors, the simulator's lag
//! and the ClusterRole all come from that one table. A kind is added by one row in each.

use crate::object::{SecretFacts, Wire};
use crate::provisioner::NodeProvisioner;
use k8s_openapi::api::{
    apps::v1 as apps, batch::v1 as batch, core::v1 as core, discovery::v1 as discovery, storage::v1 as storage,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kaito_api::vocabulary::labels;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

/// Where objects of a kind live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// One object in the whole cluster by each name.
    Cluster,
    /// One object in each namespace by each name.
    Namespaced,
}

/// A Rust type that is one of the [`Kind`]s.
pub trait Typed: Serialize + Sized + Send + Sync + 'static {
    /// Which one.
    const KIND: Kind;
    /// The typed view of an object, if it is of this kind.
    fn of(object: &Object) -> Option<&Self>;
    /// Wraps a value of this type.
    fn into_object(self) -> Object;
    /// The wire form, with `apiVersion` and `kind`.
    fn to_wire(&self) -> Value {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        if let Some(map) = value.as_object_mut() {
            map.entry("apiVersion").or_insert_with(|| json!(Self::KIND.api_version()));
            map.entry("kind").or_insert_with(|| json!(Self::KIND.name()));
        }
        value
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $type:ty, $group:literal, $version:literal, $plural:literal, $scope:ident;)*) => {
        /// A kind of Kubernetes object that a decision can depend on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Kind { $($(#[$doc])* $name,)* }

        impl Kind {
            /// Every kind, in the order of the table.
            pub const ALL: &'static [Kind] = &[$(Kind::$name,)*];
            /// Whether the cloud holds its objects, and not the API server: each of the two may be away while the other is well.
            pub const fn is_of_cloud(self) -> bool { matches!(self, Kind::AgentPool) }
            /// The `kind` of the wire form, such as `StatefulSet`.
            pub const fn name(self) -> &'static str { match self { $(Kind::$name => stringify!($name),)* } }
            /// The API group; empty for core kinds.
            pub const fn group(self) -> &'static str { match self { $(Kind::$name => $group,)* } }
            /// The version that is read and written.
            pub const fn version(self) -> &'static str { match self { $(Kind::$name => $version,)* } }
            /// The plural of the URL, such as `statefulsets`.
            pub const fn plural(self) -> &'static str { match self { $(Kind::$name => $plural,)* } }
            /// Namespaced or not.
            pub const fn scope(self) -> Scope { match self { $(Kind::$name => Scope::$scope,)* } }
        }

        $(impl Typed for $type {
            const KIND: Kind = Kind::$name;
            fn of(object: &Object) -> Option<&Self> {
                match object { Object::$name(inner) => Some(inner), _ => None }
            }
            fn into_object(self) -> Object { Object::$name(std::sync::Arc::new(self)) }
        })*

        /// An object of a known kind, decoded once and shared.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Object { $($(#[$doc])* $name(Arc<$type>),)* }

        impl Object {
            /// Its kind.
            pub fn kind(&self) -> Kind { match self { $(Object::$name(_) => Kind::$name,)* } }
            /// Its metadata.
            pub fn metadata(&self) -> &ObjectMeta { match self { $(Object::$name(inner) => kube_core::Resource::meta(inner.as_ref()),)* } }
            /// Decodes the wire form of a kind; the error is the decoder's own words.
            pub(crate) fn decode_as(kind: Kind, value: &Value) -> Result<Object, String> {
                match kind { $(Kind::$name => <$type as Wire>::from_wire(value).map(|inner| Object::$name(Arc::new(inner))),)* }
            }
            /// The wire form, with `apiVersion` and `kind`.
            pub fn to_value(&self) -> Value { match self { $(Object::$name(inner) => inner.to_wire(),)* } }
        }
    };
}

kinds! {
    /// What the user asks for.
    Workspace = kaito_api::Workspace, "kaito.sh", "v1beta1", "workspaces", Namespaced;
    /// A request for one machine, answered by a provisioner.
    NodeClaim = kaito_api::karpenter::NodeClaim, "karpenter.sh", "v1", "nodeclaims", Cluster;
    /// A request for a number of machines of one kind, which Karpenter turns into NodeClaims.
    NodePool = kaito_api::karpenter::NodePool, "karpenter.sh", "v1", "nodepools", Cluster;
    /// The machine behind a NodeClaim, as AKS has it; no API server does.
    AgentPool = kaito_api::cloud::AgentPool, "cloud.kaito.sh", "v1", "agentpools", Cluster;
    /// A machine that joined.
    Node = core::Node, "", "v1", "nodes", Cluster;
    /// One of the pods of a workload.
    Pod = core::Pod, "", "v1", "pods", Namespaced;
    /// The address of a workload.
    Service = core::Service, "", "v1", "services", Namespaced;
    /// Which pods an address leads to, and whether they answer; written by Kubernetes.
    EndpointSlice = discovery::EndpointSlice, "discovery.k8s.io", "v1", "endpointslices", Namespaced;
    /// The pods that serve a model.
    StatefulSet = apps::StatefulSet, "apps", "v1", "statefulsets", Namespaced;
    /// The pods that served a model up to upstream's 0.7.
    Deployment = apps::Deployment, "apps", "v1", "deployments", Namespaced;
    /// The pod that tunes a model, until it has succeeded or failed for good.
    Job = batch::Job, "batch", "v1", "jobs", Namespaced;
    /// What a Workspace asked for at one time.
    ControllerRevision = apps::ControllerRevision, "apps", "v1", "controllerrevisions", Namespaced;
    /// Settings of a runtime, written by the user.
    ConfigMap = core::ConfigMap, "", "v1", "configmaps", Namespaced;
    /// A local disk that a pod's weights lie on.
    PersistentVolumeClaim = core::PersistentVolumeClaim, "", "v1", "persistentvolumeclaims", Namespaced;
    /// Whether fast local disks can be claimed.
    StorageClass = storage::StorageClass, "storage.k8s.io", "v1", "storageclasses", Cluster;
    /// Type and keys of a Secret; its values never enter the core (I11).
    Secret = SecretFacts, "", "v1", "secrets", Namespaced;
    /// A namespace.
    Namespace = core::Namespace, "", "v1", "namespaces", Cluster;
}

/// How the cluster layer keeps itself informed of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    /// Whole objects are watched and cached.
    Full,
    /// Only metadata is watched; content is read by name when a plan asks for it.
    Meta,
    /// Neither listed nor watched; read by name, and again every 5 to 60 seconds while a failure names the object.
    Poll,
}

/// One row of [`KINDS`].
#[derive(Debug, Clone, Copy)]
pub struct KindUse {
    /// The kind.
    pub kind: Kind,
    /// How it is watched.
    pub watch: Watch,
    /// The label that an object must carry to be watched; `None` watches all. Keeps the cache small in large clusters.
    pub label: Option<&'static str>,
    /// The verbs that the controllers need on the kind itself.
    pub verbs: &'static [&'static str],
    /// Sub-resources and the verbs on them.
    pub subresources: &'static [(&'static str, &'static [&'static str])],
    /// Whether the kind comes from a CRD, which may not be installed yet.
    pub custom: bool,
}

impl KindUse {
    /// The row for a kind; `None` for one that whoever has this table does not read.
    pub fn of(table: &'static [KindUse], kind: Kind) -> Option<&'static KindUse> {
        table.iter().find(|row| row.kind == kind)
    }

    /// Widens how the kind is watched to what somebody else needs of it too.
    pub fn share(&mut self, other: &KindUse) {
        self.label = self.label.filter(|label| other.label == Some(label));
        if self.watch != other.watch {
            let whole = [self.watch, other.watch].contains(&Watch::Full);
            self.watch = if whole { Watch::Full } else { Watch::Meta };
        }
        self.custom |= other.custom;
    }

    /// Whether watches tell of its changes.
    pub fn is_watched(&self) -> bool {
        self.watch != Watch::Poll
    }
}

/// What the Workspace controller needs of each kind where machines are asked for by NodeClaims.
pub const KINDS: &[KindUse] = &with_machines::<{ COMMON.len() + AZURE_MACHINES.len() }>(AZURE_MACHINES);

/// The same where they are asked for by NodePools.
const KARPENTER_KINDS: &[KindUse] = &with_machines::<{ COMMON.len() + KARPENTER_MACHINES.len() }>(KARPENTER_MACHINES);

/// The same where somebody brings them along.
const BYO_KINDS: &[KindUse] = &with_machines::<{ COMMON.len() + BYO_MACHINES.len() }>(BYO_MACHINES);

/// What the Workspace controller needs of each kind, by who makes the machines: rights follow from it.
pub fn of(provisioner: &NodeProvisioner) -> &'static [KindUse] {
    match provisioner {
        NodeProvisioner::AzureGpuProvisioner => KINDS,
        NodeProvisioner::Karpenter(_) => KARPENTER_KINDS,
        NodeProvisioner::Byo => BYO_KINDS,
    }
}

/// The rows of machines, then those that every Workspace needs.
const fn with_machines<const N: usize>(machines: &[KindUse]) -> [KindUse; N] {
    let mut all = [COMMON[0]; N];
    let mut at = 0;
    while at < N {
        all[at] = if at < machines.len() { machines[at] } else { COMMON[at - machines.len()] };
        at += 1;
    }
    all
}

/// NodeClaims of ours, and the Nodes that they become.
const AZURE_MACHINES: &[KindUse] = &[
    KindUse {
        kind: Kind::NodeClaim,
        watch: Watch::Full,
        label: Some(labels::WORKSPACE),
        verbs: &["get", "list", "watch", "create", "delete"],
        subresources: &[],
        custom: true,
    },
    FORMER_POOL,
    KindUse {
        kind: Kind::Node,
        watch: Watch::Full,
        label: Some(labels::WORKSPACE),
        verbs: &["get", "list", "watch", "patch"],
        subresources: &[],
        custom: false,
    },
];

/// NodePools, the NodeClaims that Karpenter makes of them, and Nodes: some that somebody brought along may do as well.
const KARPENTER_MACHINES: &[KindUse] = &[
    KindUse {
        // All of them, so that it costs no request to know that a name is free.
        kind: Kind::NodePool,
        watch: Watch::Full,
        label: None,
        verbs: &["get", "list", "watch", "create", "patch", "delete"],
        subresources: &[],
        custom: true,
    },
    KindUse {
        // Karpenter makes and deletes its own; those that were asked for one by one, before Karpenter was chosen, are given back.
        kind: Kind::NodeClaim,
        watch: Watch::Full,
        label: Some(labels::NODE_POOL),
        verbs: &["get", "list", "watch", "delete"],
        subresources: &[],
        custom: true,
    },
    OTHERS_NODE,
];

/// What asked for machines before somebody brought them along is given back when a Workspace goes.
const BYO_MACHINES: &[KindUse] = &[
    OTHERS_NODE,
    KindUse {
        kind: Kind::NodeClaim,
        watch: Watch::Poll,
        label: None,
        verbs: &["list", "delete"],
        subresources: &[],
        custom: true,
    },
    FORMER_POOL,
];

/// Nodes that others make, and that carry whatever labels their owner likes: ours are written on them.
const OTHERS_NODE: KindUse = KindUse {
    kind: Kind::Node,
    watch: Watch::Full,
    label: None,
    verbs: &["get", "list", "watch", "patch"],
    subresources: &[],
    custom: false,
};

/// The pool of a Workspace from when Karpenter was asked for its machines.
const FORMER_POOL: KindUse = KindUse {
    kind: Kind::NodePool,
    watch: Watch::Poll,
    label: None,
    verbs: &["get", "list", "delete"],
    subresources: &[],
    custom: true,
};

/// What every Workspace needs, wherever its machines come from.
const COMMON: &[KindUse] = &[
    KindUse {
        kind: Kind::Workspace,
        watch: Watch::Full,
        label: None,
        verbs: &["get", "list", "watch", "patch"],
        // `finalizers`: asked for by clusters that check who may block the deletion of an owner.
        subresources: &[("status", &["patch"]), ("finalizers", &["update"])],
        custom: true,
    },
    KindUse {
        kind: Kind::ControllerRevision,
        watch: Watch::Full,
        label: Some(labels::REVISION_WORKSPACE_NAME),
        verbs: &["get", "list", "watch", "create", "patch", "delete"],
        subresources: &[],
        custom: false,
    },
    KindUse {
        kind: Kind::Service,
        watch: Watch::Full,
        label: None,
        verbs: &["get", "list", "watch", "create", "patch"],
        subresources: &[],
        custom: false,
    },
    KindUse {
        kind: Kind::StatefulSet,
        watch: Watch::Full,
        label: None,
        // `delete`: one whose pods are not to be disturbed would keep the machine that its Workspace waits for.
        verbs: &["get", "list", "watch", "create", "patch", "delete"],
        subresources: &[],
        custom: false,
    },
    KindUse {
        kind: Kind::Job,
        watch: Watch::Full,
        label: Some(labels::WORKSPACE),
        // No `patch`: a Job cannot change; another one is made in its place.
        verbs: &["get", "list", "watch", "create", "delete"],
        subresources: &[],
        custom: false,
    },
    KindUse {
        kind: Kind::Pod,
        watch: Watch::Full,
        label: Some(labels::WORKSPACE),
        // `delete`: a set that waits for a pod which never becomes ready does not replace it.
        verbs: &["get", "list", "watch", "delete"],
        // What a benchmark has measured, and what a training said last.
        subresources: &[("log", &["get"])],
        custom: false,
    },
    KindUse {
        // Services of the reference carry no label that could be copied to their slices, so every slice is watched; only the conditions of its endpoints are kept.
        kind: Kind::EndpointSlice,
        watch: Watch::Full,
        label: Some(labels::SERVICE_NAME),
        verbs: &["get", "list", "watch"],
        subresources: &[],
        custom: false,
    },
    KindUse {
        kind: Kind::ConfigMap,
        watch: Watch::Meta,
        label: None,
        // `create`: the default settings of a training are copied beside the Workspace.
        verbs: &["get", "list", "watch", "create"],
        subresources: &[],
        custom: false,
    },
    KindUse {
        // Asked for where a pod shows that there is one of an older version; it gives way to a StatefulSet.
        kind: Kind::Deployment,
        watch: Watch::Poll,
        label: None,
        verbs: &["get", "delete"],
        subresources: &[],
        custom: false,
    },
    KindUse {
        // Asked for where a pod that has a local disk finds no node; given up where the node of the disk is gone.
        kind: Kind::PersistentVolumeClaim,
        watch: Watch::Poll,
        label: None,
        verbs: &["get", "delete"],
        subresources: &[],
        custom: false,
    },
    KindUse {
        // Asked for once, when a workload is made.
        kind: Kind::StorageClass,
        watch: Watch::Poll,
        label: None,
        verbs: &["get"],
        subresources: &[],
        custom: false,
    },
    KindUse { kind: Kind::Secret, watch: Watch::Poll, label: None, verbs: &["get"], subresources: &[], custom: false },
];

impl Kind {
    /// `group/version`, or just the version for core kinds.
    pub fn api_version(self) -> String {
        match self.group() {
            "" => self.version().to_owned(),
            group => format!("{group}/{}", self.version()),
        }
    }

    /// The kind of a wire form, whatever its version.
    pub fn named(api_version: &str, kind: &str) -> Option<Kind> {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        Kind::ALL.iter().copied().find(|k| k.name() == kind && k.group() == group)
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
