//! Finalizers: each is set by the controller of its kind and taken away by it when everything is given back.

/// On a Workspace: holds it until its nodes are given back.
pub const WORKSPACE: &str = "workspace.finalizer.kaito.sh";
/// On an InferenceSet: holds it until its Workspaces are gone.
pub const INFERENCE_SET: &str = "inferenceset.finalizer.kaito.sh";
/// On a RAGEngine: holds it until its nodes are given back.
pub const RAG_ENGINE: &str = "ragengine.finalizer.kaito.sh";
/// On a MultiRoleInference: holds it until its InferenceSets are gone.
pub const MULTI_ROLE_INFERENCE: &str = "multiroleinference.kaito.sh/finalizer";
/// On a managed ModelMirror: holds it until its volume is cleaned.
pub const MODEL_MIRROR: &str = "kaito.sh/model-mirror-cleanup";
/// On the volume claim of a managed ModelMirror: holds it while the mirror is in use.
pub const MODEL_MIRROR_CLAIM: &str = "kaito.sh/model-mirror-protection";
/// On a NodeClaim and its Node: holds them until the machine is given back. Karpenter's word, which its successors write too.
pub const KARPENTER_TERMINATION: &str = "karpenter.sh/termination";
