//! Clusters that refuse what they are asked to do.

use async_trait::async_trait;
use kaito_core::backend::{BackendError, ClusterBackend, ErrorKind, Written};
use kaito_core::effect::Effect;
use kaito_core::memory::MemoryCluster;
use kaito_core::plan::{Notice, StatusWrite};
use kaito_core::record::Recorder;
use kaito_core::snapshot::Answer;
use kaito_core::{Kind, ObjectKey, Read, Seen};
use kaito_tests::{arbitrary, by_hand};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A cluster whose answers are a memory cluster's, and that does as it pleases with what it is asked to do.
pub(super) struct Moody {
    cluster: Arc<MemoryCluster>,
    calls: AtomicUsize,
    /// Every so many calls fails, each time in another way; 0 for none.
    every: usize,
}

impl Moody {
    pub(super) fn new(cluster: &Arc<MemoryCluster>, every: usize) -> Self {
        Self { cluster: Arc::clone(cluster), calls: AtomicUsize::new(0), every }
    }

    fn mood(&self) -> Result<(), BackendError> {
        const KINDS: [ErrorKind; 6] = [
            ErrorKind::Forbidden,
            ErrorKind::Throttled,
            ErrorKind::Conflict,
            ErrorKind::AlreadyExists,
            ErrorKind::Timeout,
            ErrorKind::NotFound,
        ];
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        if self.every == 0 || !call.is_multiple_of(self.every) {
            return Ok(());
        }
        let kind = KINDS[call / self.every % KINDS.len()];
        let mut error = BackendError::new(kind, format!("call {call} is refused: \"no\"\n"));
        error.retry_after = (kind == ErrorKind::Throttled).then(|| std::time::Duration::from_millis(12_345));
        Err(error)
    }
}

#[async_trait]
impl ClusterBackend for Moody {
    async fn read(&self, read: &Read) -> Result<Answer, BackendError> {
        // Reads fail seldom, so that many plans are made.
        if self.every == 2 {
            self.mood()?;
        }
        self.cluster.read(read).await
    }
    async fn perform(&self, effect: &Effect) -> Result<Written, BackendError> {
        self.mood()?;
        self.cluster.perform(effect).await
    }
    async fn write_status(&self, write: &StatusWrite) -> Result<Written, BackendError> {
        self.mood()?;
        self.cluster.write_status(write).await
    }
    async fn publish(&self, about: &ObjectKey, uid: &str, notice: &Notice) {
        self.cluster.publish(about, uid, notice).await;
    }
}

/// A cluster that holds a list of objects, misses a kind now and then, and refuses every other write.
struct Odd<'a> {
    objects: &'a [Seen],
    writes: AtomicUsize,
}

impl Odd<'_> {
    fn written(&self) -> Result<Written, BackendError> {
        let is_gone = self.writes.fetch_add(1, Ordering::Relaxed) % 2 == 1;
        if is_gone { Ok(Written::Gone) } else { Err(BackendError::new(ErrorKind::Invalid, "no such field")) }
    }
}

#[async_trait]
impl ClusterBackend for Odd<'_> {
    async fn read(&self, read: &Read) -> Result<Answer, BackendError> {
        Ok(answer(self.objects, read))
    }
    async fn perform(&self, _: &Effect) -> Result<Written, BackendError> {
        self.written()
    }
    async fn write_status(&self, _: &StatusWrite) -> Result<Written, BackendError> {
        self.written()
    }
    async fn publish(&self, _: &ObjectKey, _: &str, _: &Notice) {}
}

/// One look at the odd Workspace among these objects, taken down.
pub(super) fn odd_reconcile(objects: &[Seen], recorder: &mut Recorder) {
    let root = ObjectKey::new(Kind::Workspace, arbitrary::NAMESPACE, arbitrary::NAME);
    let cluster = Odd { objects, writes: AtomicUsize::new(0) };
    super::reconcile(&cluster, &root, "2026-01-01T00:00:00.123456789Z".parse().unwrap(), recorder);
}

/// What such a cluster answers.
pub(super) fn answer(objects: &[Seen], read: &Read) -> Answer {
    match read {
        Read::List { kind: Kind::Node, .. } if objects.len().is_multiple_of(3) => Answer::NoSuchKind,
        _ => by_hand::answer(objects, read),
    }
}
