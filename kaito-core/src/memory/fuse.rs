//! A cluster that stops answering after so many effects: the process that talks to it has crashed.

use super::MemoryCluster;
use crate::backend::{BackendError, ClusterBackend, Written};
use crate::effect::Effect;
use crate::object::ObjectKey;
use crate::plan::{Notice, StatusWrite};
use crate::read::Read;
use crate::snapshot::Answer;
use async_trait::async_trait;
use std::sync::atomic::{AtomicU64, Ordering};

/// Burns one unit for each write; when none is left, no call is ever answered, and the caller is dropped where it stands.
pub(super) struct Fuse<'a> {
    cluster: &'a MemoryCluster,
    left: Option<AtomicU64>,
}

impl<'a> Fuse<'a> {
    pub(super) fn new(cluster: &'a MemoryCluster, writes: Option<u64>) -> Self {
        Self { cluster, left: writes.map(AtomicU64::new) }
    }

    /// Writes that are left; `None` when no crash was ordered.
    pub(super) fn left(&self) -> Option<u64> {
        self.left.as_ref().map(|left| left.load(Ordering::Relaxed))
    }

    async fn burn(&self) {
        if self.left() == Some(0) {
            std::future::pending::<()>().await;
        }
    }

    /// The write has happened; whether anybody hears of it is decided by what is left.
    async fn spend(&self) {
        if let Some(left) = &self.left {
            left.fetch_sub(1, Ordering::Relaxed);
            self.burn().await;
        }
    }
}

#[async_trait]
impl ClusterBackend for Fuse<'_> {
    async fn read(&self, read: &Read) -> Result<Answer, BackendError> {
        self.cluster.read(read).await
    }

    async fn perform(&self, effect: &Effect) -> Result<Written, BackendError> {
        self.burn().await;
        let written = self.cluster.perform(effect).await;
        self.spend().await;
        written
    }

    async fn write_status(&self, write: &StatusWrite) -> Result<Written, BackendError> {
        self.burn().await;
        let written = self.cluster.write_status(write).await;
        self.spend().await;
        written
    }

    async fn publish(&self, about: &ObjectKey, uid: &str, notice: &Notice) {
        self.cluster.publish(about, uid, notice).await;
    }
}
