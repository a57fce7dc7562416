//! Condition types of a Workspace.

/// A condition type of a Workspace; all are written by the operator, into `status.conditions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ConditionType {
    /// Enough nodes are there, ready, and offer their GPUs.
    NodesReady,
    /// Enough NodeClaims are ready. Absent where nodes are brought by the user.
    NodeClaimReady,
    /// Everything the workload stands on is ready: nodes, claims, and the mirror when weights are streamed.
    ResourceReady,
    /// The mirror of the model is filled. Only written when weights are streamed.
    ModelMirrorReady,
    /// The model answers requests.
    InferenceReady,
    /// The tuning Job has begun.
    JobStarted,
    /// The benchmark after loading has a result, or has failed for good.
    BenchmarkCompleted,
    /// The Workspace does what it is for: the model serves, or the tuning is done.
    WorkspaceSucceeded,
    /// The Workspace is being deleted.
    WorkspaceDeleting,
}

impl ConditionType {
    /// All types, in the order of the work.
    pub const ALL: [Self; 9] = [
        Self::NodeClaimReady,
        Self::NodesReady,
        Self::ModelMirrorReady,
        Self::ResourceReady,
        Self::InferenceReady,
        Self::JobStarted,
        Self::BenchmarkCompleted,
        Self::WorkspaceSucceeded,
        Self::WorkspaceDeleting,
    ];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NodesReady => "NodesReady",
            Self::NodeClaimReady => "NodeClaimReady",
            Self::ResourceReady => "ResourceReady",
            Self::ModelMirrorReady => "ModelMirrorReady",
            Self::InferenceReady => "InferenceReady",
            Self::JobStarted => "JobStarted",
            Self::BenchmarkCompleted => "BenchmarkCompleted",
            Self::WorkspaceSucceeded => "WorkspaceSucceeded",
            Self::WorkspaceDeleting => "WorkspaceDeleting",
        }
    }

    /// The type with this word, if it is one of ours.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.as_str() == word)
    }
}

impl std::fmt::Display for ConditionType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_reads_back() {
        for t in ConditionType::ALL {
            assert_eq!(ConditionType::parse(t.as_str()), Some(t));
        }
        assert_eq!(ConditionType::parse("Ready"), None);
    }
}
