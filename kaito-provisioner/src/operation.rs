//! An operation that takes minutes, and what of it survives a restart.
//!
//! Written down are the pool, what is done to it, since when, and why it failed: an [`Operation`]. Where the operation can be asked for is not ([`OperationLink`]: it may be signed); after a
//! restart, or when Azure has forgotten the operation, the *pool* is asked for, which says how far it is, and why it failed.

use crate::arm::{OperationLink, Progress};
use crate::class::{ErrorClass, Failure};
use crate::pool::{PoolName, PoolSeen, PoolState};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// What is done to a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Doing {
    /// It is made.
    Create,
    /// It is deleted.
    Delete,
}

/// An operation on a pool, in the form in which it is written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// The pool.
    pub pool: PoolName,
    /// What is done.
    pub doing: Doing,
    /// Since when: when it was asked for, whether or not an answer came.
    pub started_at: Timestamp,
    /// Why it failed, once it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// What to ask for next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ask<'a> {
    /// How far the operation is.
    Operation(&'a OperationLink),
    /// The pool itself.
    Pool(&'a PoolName),
}

/// How an operation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Under way.
    Running,
    /// The operation tells no more: the pool is asked for, and its address forgotten.
    AskPool,
    /// The pool is as it was asked for; or gone, where that was asked for.
    Done,
    /// It is not: [`Operation::failure`] says why, and by its class whether it is begun again.
    Failed,
}

impl Operation {
    /// How long a pool may look as if it had not been asked for: an answer that was lost on its way, a process that died before it sent, and reads that lag. No longer, for to ask twice makes no
    /// second pool: a request makes one only where there is none.
    const UNMADE_FOR: SignedDuration = SignedDuration::from_secs(30);
    /// How long a pool may look as if nobody had deleted it.
    const UNDELETED_FOR: SignedDuration = SignedDuration::from_mins(2);

    /// One that is asked for now. To be written down before the request is sent: an answer may never arrive.
    pub fn begin(pool: PoolName, doing: Doing, now: Timestamp) -> Self {
        Self { pool, doing, started_at: now, failure: None }
    }

    /// What to ask for next; `link` is what this process remembers.
    pub fn ask<'a>(&'a self, link: Option<&'a OperationLink>) -> Ask<'a> {
        link.map_or(Ask::Pool(&self.pool), Ask::Operation)
    }

    /// Takes in how far the operation is. Its success is only believed when the pool shows it.
    pub fn told(&mut self, progress: &Progress) -> Verdict {
        match progress {
            Progress::Running(_) => Verdict::Running,
            Progress::Succeeded | Progress::Forgotten => Verdict::AskPool,
            Progress::Failed(error) if error.class() == ErrorClass::Superseded => Verdict::AskPool,
            Progress::Failed(error) if self.doing == Doing::Delete && error.code.eq_ignore_ascii_case("NotFound") => {
                Verdict::AskPool
            }
            Progress::Failed(error) => self.fail(error.failure.clone()),
        }
    }

    /// Takes in the pool as it is; `None` where it is not there.
    pub fn seen(&mut self, pool: Option<&PoolSeen>, now: Timestamp) -> Verdict {
        match self.doing {
            Doing::Create => self.seen_while_made(pool, now),
            Doing::Delete => self.seen_while_deleted(pool, now),
        }
    }

    fn seen_while_made(&mut self, pool: Option<&PoolSeen>, now: Timestamp) -> Verdict {
        let Some(pool) = pool else {
            return self.unseen(
                now,
                Self::UNMADE_FOR,
                "NotCreated: the agent pool is not there: the request did not arrive, or somebody has deleted it",
            );
        };
        match &pool.state {
            PoolState::Succeeded => {
                self.failure = None;
                Verdict::Done
            }
            PoolState::Creating | PoolState::Busy(_) => Verdict::Running,
            PoolState::Deleting => self.supersede("Deleting: the agent pool is being deleted"),
            PoolState::Canceled => self.supersede("Canceled: somebody has stopped the creation of the agent pool"),
            PoolState::Failed => self.failed(pool),
        }
    }

    fn seen_while_deleted(&mut self, pool: Option<&PoolSeen>, now: Timestamp) -> Verdict {
        let Some(pool) = pool else {
            self.failure = None;
            return Verdict::Done;
        };
        match &pool.state {
            PoolState::Deleting => Verdict::Running,
            // It may have failed long before it was to be deleted.
            PoolState::Failed if now.duration_since(self.started_at) >= Self::UNDELETED_FOR => self.failed(pool),
            PoolState::Failed
            | PoolState::Succeeded
            | PoolState::Canceled
            | PoolState::Creating
            | PoolState::Busy(_) => {
                self.unseen(now, Self::UNDELETED_FOR, "NotDeleted: the agent pool is there and is not being deleted")
            }
        }
    }

    /// The pool does not show what was asked for: at first that is waited for. A beginning that lies far ahead was written by a clock that is wrong, and says nothing of how long ago it was.
    fn unseen(&mut self, now: Timestamp, within: SignedDuration, why: &str) -> Verdict {
        if now.duration_since(self.started_at).abs() < within { Verdict::Running } else { self.supersede(why) }
    }

    fn supersede(&mut self, why: &str) -> Verdict {
        self.fail(Failure::new(ErrorClass::Superseded, "OperationSuperseded", why))
    }

    /// A pool that has failed: with the words that the operation has left, else with its own, else without a cause.
    fn failed(&mut self, pool: &PoolSeen) -> Verdict {
        let told = self.failure.take().or_else(|| pool.failure.clone());
        self.fail(told.unwrap_or_else(|| {
            let words = "ProvisioningFailed: the agent pool has failed, and Azure does not say why";
            Failure::new(ErrorClass::Unknown, crate::arm::errors::LAUNCH_FAILED, words)
        }))
    }

    fn fail(&mut self, failure: Failure) -> Verdict {
        self.failure = Some(failure);
        Verdict::Failed
    }
}
