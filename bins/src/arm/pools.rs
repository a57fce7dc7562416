//! Reads and effects of agent pools, asked of Azure.
//!
//! An operation's address is kept in memory only, for it may be signed. While it is known, a look at the pool asks the operation and nobody else, no sooner than Azure wants to be asked; until then
//! the pool is as it was seen last. When the operation has ended, and in a process that has started again, the pool itself is asked.

use super::object::{self, refused};
use super::{Exchange, poller::Feed};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use jiff::Timestamp;
use kaito_core::backend::{BackendError, ErrorKind, Written};
use kaito_core::effect::{Effect, WriteMode};
use kaito_core::read::Read;
use kaito_core::snapshot::Answer;
use kaito_core::{Kind, ObjectKey, Seen};
use kaito_provisioner::arm::{DEFAULT_POLL, OperationLink, Pages, Progress, Removal};
use kaito_provisioner::operation::{Ask, Doing, Verdict};
use kaito_provisioner::pool::PoolState;
use kaito_provisioner::{Arm, ArmError, Failure, Operation, PoolName, PoolSeen};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The agent pools of one cluster of AKS, as objects. Cheap to clone; clones share what they know.
#[derive(Clone, Debug)]
pub struct ArmPools {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    arm: Arm,
    exchange: Exchange,
    memory: Mutex<Memory>,
    feed: Mutex<Option<Feed>>,
}

/// What this process has seen and Azure does not tell.
#[derive(Debug, Default)]
struct Memory {
    operations: BTreeMap<PoolName, Running>,
    /// How operations ended whose pools do not say it themselves.
    failures: BTreeMap<PoolName, Failure>,
    /// Since when pools are known to be deleted.
    going: BTreeMap<PoolName, Timestamp>,
    /// When a pool was looked at or changed, by itself: a list that began before may not know of that.
    touched: BTreeMap<PoolName, Instant>,
}

#[derive(Debug)]
struct Running {
    operation: Operation,
    link: OperationLink,
    /// When it is asked next.
    due: Instant,
    /// The pool as it was seen last.
    pool: PoolSeen,
    /// Whether something else was seen of the pool: then it is asked for although the operation goes on.
    is_doubted: bool,
}

/// What is to be done for a look at a pool.
enum Way {
    /// This operation is asked.
    Operation(OperationLink),
    /// The pool is.
    Pool,
    /// Nobody: it is too early.
    AsSeen(Box<PoolSeen>),
}

/// A whole list, and what is wrong with the rest.
pub(super) struct Listed {
    pub(super) pools: Vec<Seen>,
    pub(super) unreadable: Vec<String>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change of what is kept is one assignment.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ArmPools {
    /// The pools of a cluster, over this way. Nothing is sent yet.
    pub fn new(arm: Arm, exchange: Exchange) -> Self {
        Self { inner: Arc::new(Inner { arm, exchange, memory: Mutex::default(), feed: Mutex::default() }) }
    }

    /// From now on what is seen goes there, too.
    pub(super) fn tell(&self, feed: Feed) {
        *lock(&self.inner.feed) = Some(feed);
    }

    /// Answers a question about agent pools, of Azure itself.
    ///
    /// # Errors
    /// Azure's refusal, its code and words first; or there is no answer.
    pub async fn read(&self, read: &Read) -> Result<Answer, BackendError> {
        match read {
            Read::Object { key, .. } => Ok(Answer::Object(self.look(key).await?)),
            Read::List { .. } => {
                let Listed { pools, unreadable } = self.list().await?;
                if let Some(why) = unreadable.first() {
                    // What cannot be read is there all the same, and its absence would be believed.
                    let words = format!("the list of agent pools cannot be used: {why}");
                    return Err(BackendError::new(ErrorKind::Unavailable, words));
                }
                Ok(Answer::List(pools.into_iter().filter(|seen| read.matches(seen)).collect()))
            }
            Read::PodsOn { .. } | Read::Log(_) | Read::Model(_) => Ok(Answer::NoSuchKind),
        }
    }

    /// Makes or deletes an agent pool.
    ///
    /// # Errors
    /// Azure's refusal, its code and words first; there is no answer, and it may have happened; or nothing of that kind can be done to a pool.
    pub async fn perform(&self, effect: &Effect) -> Result<Written, BackendError> {
        match effect {
            Effect::Ensure { key, body, mode: WriteMode::CreateOnly, uid: None } => self.create(key, body).await,
            Effect::Delete { target } => self.delete(target.key(), target.uid()).await,
            other => {
                let words = format!("{}: an agent pool is made and deleted, and nothing else", other.key());
                Err(BackendError::new(ErrorKind::Invalid, words))
            }
        }
    }

    async fn look(&self, key: &ObjectKey) -> Result<Option<Seen>, BackendError> {
        let name = object::name(key)?;
        let pool = match self.way(&name) {
            Way::AsSeen(pool) => Some(pool),
            Way::Pool => None,
            Way::Operation(link) => self.ask_operation(&name, &link).await.map(Box::new),
        };
        if let Some(pool) = pool {
            return Ok(Some(self.object(*pool)));
        }
        let found = self.get(&name).await?;
        Ok(self.seen(&name, found).await)
    }

    fn way(&self, name: &PoolName) -> Way {
        let memory = lock(&self.inner.memory);
        let Some(running) = memory.operations.get(name) else { return Way::Pool };
        match running.operation.ask(Some(&running.link)) {
            Ask::Operation(_) if running.due > Instant::now() && !running.is_doubted => {
                Way::AsSeen(Box::new(running.pool.clone()))
            }
            Ask::Operation(link) => Way::Operation(link.clone()),
            Ask::Pool(_) => Way::Pool,
        }
    }

    async fn create(&self, key: &ObjectKey, body: &Value) -> Result<Written, BackendError> {
        let request = object::request(key, body)?;
        let answer = self.send(self.inner.arm.create(&request)).await?;
        let started = match self.inner.arm.read_create(&request.name, &answer, Timestamp::now()) {
            Ok(started) => started,
            Err(error) if answer.status() == StatusCode::PRECONDITION_FAILED => {
                // "Create only": there is a pool of that name.
                return Err(BackendError { kind: ErrorKind::AlreadyExists, ..refused(&error) });
            }
            Err(error) => return Err(told(&error)),
        };
        self.started(Doing::Create, &started.pool, started.operation, started.poll_after, started.remark);
        let seen = self.seen(&request.name, Some(started.pool)).await;
        Ok(seen.map_or(Written::Gone, |seen| Written::Now(Box::new(seen))))
    }

    async fn delete(&self, key: &ObjectKey, uid: &str) -> Result<Written, BackendError> {
        let name = object::name(key)?;
        let Some(mut pool) = self.get(&name).await? else {
            self.seen(&name, None).await;
            return Ok(Written::Gone);
        };
        if !pool.is_ours() {
            let words = format!("{key}: no provisioner has made it, and none deletes it");
            return Err(BackendError::new(ErrorKind::Forbidden, words));
        }
        if pool.uid() != uid {
            self.seen(&name, Some(pool)).await;
            let words = format!("{key}: it was made for another claim of that name");
            return Err(BackendError::new(ErrorKind::Conflict, words));
        }
        if pool.state != PoolState::Deleting {
            let answer = self.send(self.inner.arm.delete(&name, pool.etag.as_deref(), true)).await?;
            let removal = self.inner.arm.read_delete(&answer, Timestamp::now()).map_err(|error| told(&error))?;
            let Removal::Started { operation, poll_after, remark } = removal else {
                self.seen(&name, None).await;
                return Ok(Written::Gone);
            };
            (pool.state, pool.failure) = (PoolState::Deleting, None);
            self.started(Doing::Delete, &pool, operation, poll_after, remark);
        }
        let seen = self.seen(&name, Some(pool)).await;
        Ok(seen.map_or(Written::Gone, |seen| Written::Now(Box::new(seen))))
    }

    /// Every pool of the cluster, also those of others.
    pub(super) async fn list(&self) -> Result<Listed, BackendError> {
        let (mut pages, mut request) = (Pages::default(), self.inner.arm.list());
        loop {
            let answer = self.send(request).await?;
            let page = self.inner.arm.read_list(&answer, Timestamp::now()).map_err(|error| told(&error))?;
            let next = pages.take(page).map_err(|why| BackendError::new(ErrorKind::Unavailable, why))?;
            let Some(link) = next else { break };
            request = self.inner.arm.next_page(&link);
        }
        let (pools, unreadable) = pages.finish();
        for (name, running) in &mut lock(&self.inner.memory).operations {
            running.is_doubted |= !pools.iter().any(|pool| pool.name == *name);
        }
        Ok(Listed { pools: pools.into_iter().map(|pool| self.object(pool)).collect(), unreadable })
    }

    /// Whether a pool was seen by itself since then.
    pub(super) fn was_touched(&self, name: &str, since: Instant) -> bool {
        let memory = lock(&self.inner.memory);
        PoolName::parse(name).is_ok_and(|name| memory.touched.get(&name).is_some_and(|touched| *touched >= since))
    }

    /// The pools that were seen by themselves since then; what is older is forgotten.
    pub(super) fn touched(&self, since: Instant) -> Vec<ObjectKey> {
        let mut memory = lock(&self.inner.memory);
        memory.touched.retain(|_, touched| *touched >= since);
        memory.touched.keys().map(|name| ObjectKey::cluster(Kind::AgentPool, name.as_str())).collect()
    }

    async fn get(&self, name: &PoolName) -> Result<Option<PoolSeen>, BackendError> {
        let answer = self.send(self.inner.arm.get(name)).await?;
        self.inner.arm.read_get(name, &answer, Timestamp::now()).map_err(|error| told(&error))
    }

    /// Asks an operation how far it is: the pool as it was seen last, where the operation goes on. What its end means is [`Operation::told`]'s to say.
    async fn ask_operation(&self, name: &PoolName, link: &OperationLink) -> Option<PoolSeen> {
        let progress = match self.send(self.inner.arm.poll(link)).await {
            Ok(answer) => self.inner.arm.read_poll(link, &answer, Timestamp::now()).map_err(|error| told(&error)),
            Err(error) => Err(error),
        };
        let mut memory = lock(&self.inner.memory);
        // Another operation may have begun meanwhile.
        let running = memory.operations.get_mut(name).filter(|running| running.link == *link)?;
        let progress = match progress {
            Ok(progress) => progress,
            Err(error) => {
                // That it does not answer says nothing: the pool is asked.
                running.due = Instant::now() + error.retry_after.unwrap_or(DEFAULT_POLL);
                tracing::debug!(pool = %name, %error, "an operation does not say how far it is");
                return None;
            }
        };
        if let Progress::Failed(error) = &progress {
            tracing::warn!(pool = %name, %error, "an operation has failed");
        }
        if let Progress::Running(wait) = progress {
            running.due = Instant::now() + wait;
        }
        if running.operation.told(&progress) == Verdict::Running {
            let is_doubted = std::mem::take(&mut running.is_doubted);
            return (!is_doubted).then(|| running.pool.clone());
        }
        let ended = memory.operations.remove(name)?;
        if let Some(failure) = ended.operation.failure {
            memory.failures.insert(name.clone(), failure);
        }
        None
    }

    /// Something is done to a pool from now on.
    fn started(
        &self,
        doing: Doing,
        pool: &PoolSeen,
        link: Option<OperationLink>,
        wait: Duration,
        remark: Option<String>,
    ) {
        if let Some(remark) = remark {
            tracing::warn!(pool = %pool.name, remark, "an address is not followed; the pool itself is asked");
        }
        let mut memory = lock(&self.inner.memory);
        memory.failures.remove(&pool.name);
        match link {
            Some(link) => {
                let operation = Operation::begin(pool.name.clone(), doing, Timestamp::now());
                let running =
                    Running { operation, link, due: Instant::now() + wait, pool: pool.clone(), is_doubted: false };
                memory.operations.insert(pool.name.clone(), running)
            }
            None => memory.operations.remove(&pool.name),
        };
    }

    /// A pool that was looked at: told to whoever watches.
    async fn seen(&self, name: &PoolName, found: Option<PoolSeen>) -> Option<Seen> {
        let seen = match found {
            Some(pool) => {
                if let Some(running) = lock(&self.inner.memory).operations.get_mut(name) {
                    running.pool = pool.clone();
                }
                Some(self.object(pool))
            }
            None => {
                let mut memory = lock(&self.inner.memory);
                memory.operations.remove(name);
                memory.failures.remove(name);
                memory.going.remove(name);
                None
            }
        };
        lock(&self.inner.memory).touched.insert(name.clone(), Instant::now());
        let feed = lock(&self.inner.feed).clone();
        if let Some(feed) = feed {
            feed.saw(&ObjectKey::cluster(Kind::AgentPool, name.as_str()), seen.as_ref()).await;
        }
        seen
    }

    /// A pool with what only this process knows of it.
    fn object(&self, mut pool: PoolSeen) -> Seen {
        let mut memory = lock(&self.inner.memory);
        if let Some(running) = memory.operations.get_mut(&pool.name) {
            running.is_doubted |= !pool.is_busy();
        }
        match pool.state {
            PoolState::Succeeded => drop(memory.failures.remove(&pool.name)),
            _ => pool.failure = memory.failures.get(&pool.name).cloned().or(pool.failure.take()),
        }
        if pool.state == PoolState::Deleting {
            let since = *memory.going.entry(pool.name.clone()).or_insert_with(Timestamp::now);
            return object::object(&pool, Some(since));
        }
        memory.going.remove(&pool.name);
        object::object(&pool, None)
    }

    async fn send(&self, request: http::Result<Request<Bytes>>) -> Result<Response<Bytes>, BackendError> {
        let request = request.map_err(|error| BackendError::new(ErrorKind::Invalid, error.to_string()))?;
        Ok(self.inner.exchange.send(request).await?)
    }
}

/// A refusal, with Azure's number for it in the log and nowhere else.
fn told(error: &ArmError) -> BackendError {
    tracing::info!(class = error.class().label(), status = error.status, %error, "Azure refuses");
    refused(error)
}
