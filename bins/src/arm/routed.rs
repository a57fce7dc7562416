//! One cluster for decisions: agent pools at Azure, everything else at the API server.

use super::ArmPools;
use crate::kube::KubeCluster;
use async_trait::async_trait;
use kaito_core::backend::{BackendError, ClusterBackend, ErrorKind, Written};
use kaito_core::cache::Found;
use kaito_core::effect::Effect;
use kaito_core::plan::{Notice, StatusWrite};
use kaito_core::read::Freshness;
use kaito_core::snapshot::Answer;
use kaito_core::{Kind, ObjectKey, Read};

/// A cluster, and the agent pools below it, where there is somebody to ask for them.
#[derive(Clone)]
pub struct Routed {
    cluster: KubeCluster,
    pools: Option<ArmPools>,
}

impl Routed {
    /// A cluster with its pools. Without any, pools are asked of the API server, which knows no such kind.
    pub fn new(cluster: KubeCluster, pools: Option<ArmPools>) -> Self {
        Self { cluster, pools }
    }

    fn pools_of(&self, kind: Option<Kind>) -> Option<&ArmPools> {
        self.pools.as_ref().filter(|_| kind == Some(Kind::AgentPool))
    }
}

#[async_trait]
impl ClusterBackend for Routed {
    async fn read(&self, read: &Read) -> Result<Answer, BackendError> {
        let Some(pools) = self.pools_of(read.kind()) else { return self.cluster.read(read).await };
        let found = match read.freshness() {
            Freshness::Cached => self.cluster.stores().find(read),
            Freshness::Live => Found::AskServer,
        };
        match found {
            Found::Object(seen) => Ok(Answer::Object(seen)),
            Found::List(list) => Ok(Answer::List(list)),
            Found::NoSuchKind => Ok(Answer::NoSuchKind),
            Found::AskServer => pools.read(read).await,
        }
    }

    async fn perform(&self, effect: &Effect) -> Result<Written, BackendError> {
        match self.pools_of(Some(effect.key().kind)) {
            Some(pools) => pools.perform(effect).await,
            None => self.cluster.perform(effect).await,
        }
    }

    async fn write_status(&self, write: &StatusWrite) -> Result<Written, BackendError> {
        if self.pools_of(Some(write.key.kind)).is_some() {
            let words = format!("{}: Azure alone says how an agent pool is", write.key);
            return Err(BackendError::new(ErrorKind::Invalid, words));
        }
        self.cluster.write_status(write).await
    }

    async fn publish(&self, about: &ObjectKey, uid: &str, notice: &Notice) {
        self.cluster.publish(about, uid, notice).await;
    }
}
