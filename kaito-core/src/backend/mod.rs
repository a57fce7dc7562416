//! What the driver stands on. A cluster layer implements [`ClusterBackend`]; `memory` and the kube adapter of `kaito_operator` are two.
//!
//! Not here: the hub of models ([`crate::hub`]). Not here yet: the cloud (`CloudBackend`), which comes with the issue that needs it.

use crate::effect::Effect;
use crate::object::{ObjectKey, Seen};
use crate::plan::{Notice, StatusWrite};
use crate::read::Read;
use crate::snapshot::Answer;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Why a cluster did not do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The object changed since it was read: look again, at once.
    Conflict,
    /// It is gone, or never was.
    NotFound,
    /// The name is taken.
    AlreadyExists,
    /// The server will never accept this; its message says why.
    Invalid,
    /// Not allowed: RBAC, admission, quota, or a namespace that is going away.
    Forbidden,
    /// Something else is being done there: the same may be asked again when that has ended. Not [`Conflict`](Self::Conflict): to look again at once helps nobody.
    Busy,
    /// The server asks for patience.
    Throttled,
    /// The server cannot be reached, or is not well.
    Unavailable,
    /// No answer in time: it may or may not have happened.
    Timeout,
}

impl ErrorKind {
    /// Whether trying the very same thing again may help.
    pub fn is_transient(self) -> bool {
        match self {
            ErrorKind::Conflict
            | ErrorKind::Busy
            | ErrorKind::Throttled
            | ErrorKind::Unavailable
            | ErrorKind::Timeout => true,
            ErrorKind::NotFound | ErrorKind::AlreadyExists | ErrorKind::Invalid | ErrorKind::Forbidden => false,
        }
    }

    /// A word for a metric's label.
    pub fn label(self) -> &'static str {
        match self {
            ErrorKind::Conflict => "conflict",
            ErrorKind::NotFound => "not_found",
            ErrorKind::AlreadyExists => "already_exists",
            ErrorKind::Invalid => "invalid",
            ErrorKind::Forbidden => "forbidden",
            ErrorKind::Busy => "busy",
            ErrorKind::Throttled => "throttled",
            ErrorKind::Unavailable => "unavailable",
            ErrorKind::Timeout => "timeout",
        }
    }
}

/// A refusal, with the cluster's own words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BackendError {
    /// Its class.
    pub kind: ErrorKind,
    /// The cluster's message.
    pub message: String,
    /// How long the server asks to wait.
    pub retry_after: Option<Duration>,
}

impl BackendError {
    /// A refusal of a class, in words.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), retry_after: None }
    }
}

/// What a write did.
#[derive(Debug, Clone, PartialEq)]
pub enum Written {
    /// The object as it is now.
    Now(Box<Seen>),
    /// It is gone.
    Gone,
}

impl Written {
    /// The version of the object after the write.
    pub fn resource_version(&self) -> Option<&str> {
        match self {
            Written::Now(seen) => seen.metadata().resource_version.as_deref(),
            Written::Gone => None,
        }
    }
}

/// A cluster: object-safe, so that embedders bring their own.
#[async_trait]
pub trait ClusterBackend: Send + Sync {
    /// Answers questions. A kind that the cluster does not know is [`Answer::NoSuchKind`], not an error.
    async fn read(&self, read: &Read) -> Result<Answer, BackendError>;

    /// Carries out one effect.
    async fn perform(&self, effect: &Effect) -> Result<Written, BackendError>;

    /// Writes the status of a root, provided that it has not changed since `resource_version`.
    async fn write_status(&self, write: &StatusWrite) -> Result<Written, BackendError>;

    /// Publishes an event about an object; a failure is the backend's to log, never a reason to stop.
    async fn publish(&self, about: &ObjectKey, uid: &str, notice: &Notice);
}

#[async_trait]
impl<T: ClusterBackend + ?Sized> ClusterBackend for std::sync::Arc<T> {
    async fn read(&self, read: &Read) -> Result<Answer, BackendError> {
        (**self).read(read).await
    }
    async fn perform(&self, effect: &Effect) -> Result<Written, BackendError> {
        (**self).perform(effect).await
    }
    async fn write_status(&self, write: &StatusWrite) -> Result<Written, BackendError> {
        (**self).write_status(write).await
    }
    async fn publish(&self, about: &ObjectKey, uid: &str, notice: &Notice) {
        (**self).publish(about, uid, notice).await;
    }
}
