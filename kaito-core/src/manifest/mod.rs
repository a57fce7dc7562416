//! How objects look.
//!
//! Every function here turns a small typed input into one object or one part of it; none looks at a Workspace, and none reads anything. Composition reads like the table of
//! contents of a pod: see `pod.rs`. Names, ports and paths come from `kaito_presets`; labels and annotations from `kaito_api::vocabulary`.

mod adapters; // LoRA adapters beside the model
mod command; // the server's command line, by data
mod data; // how a training gets its data
mod job; // a training, from beginning to end
mod layout; // how a model is spread over GPUs
mod node_claim; // the request for one machine
mod node_pool; // the request for so many of them
mod own; // the pods of the user's own template
mod pod; // the pod that serves
mod probes; // when it is alive and ready
mod puller; // files out of a container image
mod pusher; // the result of a training into an image
mod quote; // words for a shell
mod revision; // what was asked for, numbered
mod role; // prefill and decode in different pods
mod services; // its addresses
pub mod shell_line; // command lines, as far as their order means something
mod stateful_set; // how many of it
mod tuning; // the pod that tunes
mod volumes; // what is mounted where
mod weights; // where weights come from, and what follows from it

pub use adapters::{Adapter, AdapterSource};
pub use command::Arg;
pub(crate) use command::vllm_args;
pub use job::job;
pub use layout::Layout;
pub use node_claim::{Machine, claim_name, node_claim};
pub use node_pool::{Pool, node_pool, node_pool_name};
pub use own::{Own, own_stateful_set};
pub(crate) use own::{around_own, own_template, tolerations as tolerations_of_own};
pub(crate) use pod::tolerations;
pub(crate) use puller::pulled_image;
pub use puller::{Pull, init_container};
pub(crate) use revision::{Numbered, controller_revision, revision_name};
pub(crate) use services::{Exposure, headless_name, headless_service, service};
pub(crate) use stateful_set::around;
pub use stateful_set::stateful_set;
pub(crate) use tuning::tolerations as tolerations_of_training;
pub use tuning::{Input, Output, Tuning};
pub(crate) use weights::{are_downloaded, on_node};

use crate::workspace::{Engine, Facts};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use std::collections::BTreeMap;

/// Where pods may run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Placement {
    /// Labels that nodes must have: the user's, and those of its machines.
    pub labels: Vec<(String, String)>,
    /// Names of nodes that are taken rather than others with these labels.
    pub preferred: Vec<String>,
}

/// What the pods of a preset Workspace are made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Serving<'a> {
    /// The Workspace's name: also the name of the set, its first Service and the main container.
    pub name: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// The controller reference of the children.
    pub owner: OwnerReference,
    /// The number of the Workspace's revision.
    pub revision: i64,
    /// The annotations of the Workspace that the pods are made from, which are no part of its revision.
    pub asked_by_annotation: String,
    /// Model, machine, runtime.
    pub facts: Facts,
    /// The server.
    pub engine: Engine,
    /// How the model is spread.
    pub layout: Layout,
    /// Labels of the pods, which are the selector too.
    pub pod_labels: BTreeMap<String, String>,
    /// Where its pods may run.
    pub placement: Placement,
    /// The user's ConfigMap with settings of the runtime.
    pub config: Option<MountedConfig<'a>>,
    /// The Secret with the token of the model's repository.
    pub access_secret: Option<&'a str>,
    /// LoRA adapters, in the order of the Workspace.
    pub adapters: Vec<Adapter<'a>>,
    /// The name under which clients ask for the model.
    pub served_name: String,
    /// `--performance-mode`, where it is not the default.
    pub performance_mode: Option<&'a str>,
    /// Whether the start is benchmarked, where the runtime can.
    pub benchmark: bool,
    /// Context length in tokens; `None` lets the engine measure.
    pub max_model_len: Option<u64>,
    /// The directory of the node where the weights lie already, where they are not to be brought.
    pub local_weights: Option<String>,
    /// Whether weights that are brought lie on a claimed local disk; else on an `emptyDir`.
    pub claim_local_disk: bool,
    /// Where images come from.
    pub registry: &'a str,
    /// The mirror of the hub that weights come from, where there is one.
    pub hub: Option<&'a str>,
    /// Whether spot machines of Azure are tolerated.
    pub azure_spot: bool,
}

/// Settings of the runtime as pods mount them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountedConfig<'a> {
    /// The ConfigMap.
    pub name: &'a str,
    /// What the pods read in it, as a digest: remembered on the set. `None` where it cannot be read.
    pub digest: Option<String>,
    /// The digest that the pod template carries: none until an edit of the ConfigMap has made the pods anew.
    pub rolled: Option<String>,
}

impl Serving<'_> {
    /// The address of the first pod, by which workers find their leader.
    pub fn leader(&self) -> String {
        format!("{}-0.{}.{}.svc.cluster.local", self.name, headless_name(self.name), self.namespace)
    }

    /// Whether a pipeline spans several nodes.
    pub fn is_distributed(&self) -> bool {
        self.layout.nodes > 1 && self.engine == Engine::Vllm
    }

    /// Whether the start is benchmarked.
    pub fn benchmarks(&self) -> bool {
        self.benchmark && self.facts.profile.supports.benchmark_probe && self.engine == Engine::Vllm
    }
}

/// A name made of another one, for a container or volume: what would be too long is cut, and told apart by a hash.
fn fitting(prefix: &str, name: &str, suffix: &str) -> String {
    /// The longest DNS label.
    const LONGEST: usize = 63;
    const DIGITS: usize = 8;
    let whole = format!("{prefix}{name}{suffix}");
    if whole.len() <= LONGEST {
        return whole;
    }
    let room = LONGEST.saturating_sub(prefix.len() + suffix.len() + DIGITS + 1);
    let start: String = name.chars().take(room).collect();
    format!("{prefix}{}-{}{suffix}", start.trim_end_matches('-'), crate::hash::short(&[name], DIGITS))
}
