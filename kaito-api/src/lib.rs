//! The custom resources of KAITO, as types, as schemas, and as words.
//!
//! A manifest is read into the *hub* type, whatever version it is written in:
//!
//! ```
//! use kaito_api::workspace::{self, Version};
//! use serde_json::json;
//!
//! let manifest = json!({
//!     "apiVersion": "kaito.sh/v1alpha1",
//!     "kind": "Workspace",
//!     "metadata": { "name": "workspace-phi-3-mini" },
//!     "resource": {
//!         "instanceType": "Standard_NC6s_v3",
//!         "labelSelector": { "matchLabels": { "apps": "phi-3" } }
//!     },
//!     "inference": { "preset": { "name": "phi-3-mini-4k-instruct" } }
//! });
//! let (version, ws) = workspace::decode(manifest)?;
//!
//! assert_eq!(version, Version::V1alpha1);
//! assert_eq!(ws.resource().instance_type, "Standard_NC6s_v3");
//! assert_eq!(ws.preset().map(|p| p.name.as_str()), Some("phi-3-mini-4k-instruct"));
//! assert!(ws.shape_errors().is_empty());
//! # Ok::<(), kaito_api::workspace::DecodeError>(())
//! ```
//!
//! | module | what is there |
//! |---|---|
//! | [`workspace`] | the kind `Workspace`: both versions, decoding, defaults, shape rules, revision bytes |
//! | [`karpenter`] | foreign kinds that are written and read: `NodeClaim`, `NodePool` |
//! | [`cloud`] | what a cloud has, in the form of objects: `AgentPool` |
//! | [`vocabulary`] | every label, annotation, finalizer, condition type, reason and well-known name |
//! | [`crd`] | the CustomResourceDefinitions, in the form that is installed |
//! | [`raw`] | parts of an object that belong to somebody else, kept as they came |
//! | [`field_error`] | what is wrong with which field, and what would be right |
//! | [`syntax`] | names, labels and other small grammars of Kubernetes |
//!
//! Deliberately absent: decisions, defaults that depend on a cluster, IO, clocks. Rules that need more than the object itself
//! (known models, sizes, ConfigMaps, the older object) live in `kaito-core`.

pub mod cloud;
pub mod crd;
pub mod field_error;
pub mod karpenter;
mod open_enum;
pub mod raw;
pub mod syntax;
pub mod vocabulary;
pub mod workspace;

pub use k8s_openapi;
pub use kube_core;
pub use schemars;

pub use field_error::{FieldError, FieldErrorKind, FieldPath};
pub use karpenter::{NodeClaim, NodePool};
pub use workspace::Workspace;
