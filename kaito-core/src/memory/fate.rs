//! What goes wrong in a simulated world, and stays so: plain data, so that a fault is an input like any other.

use super::azure::AzureRefusal;
use crate::hub::HubErrorKind;
use serde::Serialize;

/// What becomes of machines, of pods and of questions. By default, all goes well.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Fate {
    /// Of machines.
    pub cloud: CloudFate,
    /// Of pods.
    pub pods: PodFate,
    /// Of those who ask for models.
    pub hub: HubFate,
}

/// What becomes of those who ask a hub for a model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub enum HubFate {
    /// They are told.
    #[default]
    Well,
    /// Nobody answers, not even that there is no answer.
    Silent,
    /// It refuses.
    Refuses {
        /// In which way.
        kind: HubErrorKind,
        /// In its own words.
        message: String,
    },
}

/// What becomes of the machines that are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub enum CloudFate {
    /// They come.
    #[default]
    Well,
    /// The cloud refuses each of them.
    Refuses {
        /// In one word, such as `InsufficientCapacityError`.
        reason: String,
        /// In its own words.
        message: String,
    },
    /// The cloud refuses those of odd slots, so that half of a group comes; of a pool, those whose name ends in an odd digit.
    PartlyRefuses {
        /// In one word.
        reason: String,
        /// In its own words.
        message: String,
    },
    /// The cloud refuses each of them, and the provisioner deletes what it was asked for, as Karpenter does: at once and without a word on it, where there is no capacity or the class is not ready; else
    /// after five minutes in which it says why.
    GivesUp {
        /// In one word.
        reason: String,
        /// In its own words.
        message: String,
    },
    /// The cloud says nothing, and no machine is launched.
    NeverLaunches,
    /// They run, and never join as Nodes.
    NeverRegisters,
    /// They join, and their Nodes never are ready.
    NodeNeverReady {
        /// In the kubelet's words.
        message: String,
    },
    /// Their Nodes are ready and never advertise GPUs.
    GpusNeverAppear,
    /// They come, and never go again.
    NeverTerminates,
    /// Azure refuses them in its own words.
    Azure {
        /// In which.
        refusal: &'static AzureRefusal,
        /// Those of this size; all, where none is named.
        size: Option<String>,
    },
    /// They come, and when they should go their Nodes do, and never what they were made of.
    TerminatesPartly,
    /// They come, and their deletion fails.
    FailsToTerminate {
        /// In one word.
        reason: String,
        /// In the cloud's own words.
        message: String,
    },
}

/// What becomes of pods.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub enum PodFate {
    /// They become ready.
    #[default]
    Well,
    /// Nobody makes them: a quota or an admission policy keeps the controllers of their sets and Jobs from it.
    NeverMade,
    /// No node takes them.
    Unschedulable {
        /// In the scheduler's words.
        message: String,
    },
    /// The image of their first container cannot be pulled.
    ImagePull {
        /// In the registry's words.
        message: String,
    },
    /// Their first container cannot be made.
    CreateConfigError {
        /// In the kubelet's words.
        message: String,
    },
    /// Their init containers end with an error, again and again, and run in between; pods without any become ready.
    InitCrashLoop {
        /// With which they end.
        exit_code: i32,
        /// What they said last.
        message: String,
    },
    /// Their first container ends with an error, again and again, and runs in between.
    CrashLoop {
        /// With which it ends.
        exit_code: i32,
        /// What it said last.
        message: String,
    },
    /// Their first container takes more main memory than there is.
    OutOfMemory,
    /// They run and never answer their readiness probe.
    NeverReady,
    /// They run, and the node evicts them; they are made anew when it is well again.
    Evicted {
        /// In the kubelet's words, such as `The node was low on resource: ephemeral-storage.`
        message: String,
    },
    /// A node is given them and turns them away, as one does whose device plugin has lost its GPUs.
    Rejected {
        /// In one word, such as `UnexpectedAdmissionError`.
        reason: String,
        /// In the kubelet's words.
        message: String,
    },
    /// They are ready, and no address leads to them.
    NeverServes,
    /// Their first container prints this and ends with an error; the kubelet says no more than the number.
    Ends {
        /// With which it ends.
        exit_code: i32,
        /// What it prints; nothing, where it is lost.
        text: String,
    },
    /// They become ready, and print this and nothing else.
    Prints {
        /// What they print; nothing, where it is lost.
        text: String,
    },
}

impl PodFate {
    /// Whether a container ends with an error each time that it is started.
    pub(super) fn ends_again(&self) -> bool {
        matches!(self, Self::InitCrashLoop { .. } | Self::CrashLoop { .. } | Self::OutOfMemory | Self::Ends { .. })
    }
}
