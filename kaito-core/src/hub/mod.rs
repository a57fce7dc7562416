//! A hub of models: what a repository there holds, asked by whoever can reach it.
//!
//! The core never goes there: a plan asks for [`Read::Model`](crate::Read), the answer is "pending" at once, and a [`ModelHub`] is asked in the background. What it brings are raw facts of one
//! commit; what follows from them is decided here, like everything else: [`describe`] says of a repository what the catalogue says of its models.

mod config; // what config.json says, whatever it calls it
mod describe; // a repository as a model
mod knowledge; // what a process knows, and when a hub is asked again
mod literals; // JSON as Python writes it
mod weights; // which files are weights

pub use config::Config;
pub use describe::{Undescribed, describe};
pub use knowledge::Knowledge;
pub use literals::standard_json;
pub use weights::{Weights, weights};

use crate::words::quoted;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Which repository, as of when, and with whose permission. No secret: only where the token lies (I11).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ModelQuery {
    /// `owner/repository`, in the user's spelling.
    pub id: String,
    /// The Secret that holds a token under the key `HF_TOKEN`: namespace and name. Without one the operator's own token is used, where it has one.
    pub token: Option<(String, String)>,
}

impl fmt::Display for ModelQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "model {}", self.id)
    }
}

/// What one commit of a repository holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repository {
    /// The repository in its own spelling, which may differ from the one that was asked for in case.
    pub id: String,
    /// The commit that everything here was read at: 40 hexadecimal digits. Of a folder whose commit nobody has written down, something else that is another when what it holds is another.
    pub commit: String,
    /// Whether it is given to nobody without a token.
    pub gated: bool,
    /// Every file, in the hub's order.
    pub files: Vec<RepositoryFile>,
    /// `config.json`, or `params.json` where only that is there; as it stands, which may not be JSON. None where neither is there.
    pub config: Option<ConfigFile>,
}

/// One file of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryFile {
    /// Its path in the repository.
    pub path: String,
    /// Its size in bytes; of a file in large-file storage, that of the content and not of the pointer.
    pub size: u64,
}

/// The file that describes a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigFile {
    /// Its path.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// Why a hub did not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HubErrorKind {
    /// It asks for a token, or does not take this one (401, 403). A hub answers so for repositories that do not exist, too.
    Unauthorized,
    /// It has no such repository (404).
    NotFound,
    /// It asks for patience (429).
    Throttled,
    /// It cannot be reached, is not well, or did not answer in time.
    Unavailable,
    /// What it answered is not what a hub answers: half an answer, a pointer in the place of a file, a page of a proxy.
    Malformed,
    /// It is not asked: this operator was told to use a folder only, and the repository is not there.
    Offline,
    /// The token cannot be had: no such Secret, or no such key in it.
    Token,
    /// It told everything, and what it told is no model that can be served.
    Unservable,
}

/// A hub's refusal, in words that name the address and carry no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct HubError {
    /// Its class.
    pub kind: HubErrorKind,
    /// The hub's words, and what was asked.
    pub message: String,
    /// How long it asks to wait.
    pub retry_after: Option<Duration>,
}

impl HubError {
    /// A refusal of a class, in words.
    pub fn new(kind: HubErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), retry_after: None }
    }

    /// That a commit of a repository is no model that can be served.
    pub fn unservable(id: &str, commit: &str, why: &impl fmt::Display) -> Self {
        let (id, commit) = (quoted(id), quoted(commit));
        Self::new(HubErrorKind::Unservable, format!("{id} at commit {commit} cannot be served: {why}"))
    }
}

/// What is known of a repository when a plan asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ModelAnswer {
    /// Nothing yet: a hub is being asked.
    Pending,
    /// What its newest commit holds, as far as it matters ([`Repository::lean`]).
    Known(#[serde(with = "shared")] Arc<Repository>),
    /// Why the hub did not tell. It is asked again without anybody's doing.
    Refused(HubError),
}

/// A shared repository is written down as one that is not.
mod shared {
    use super::Repository;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::sync::Arc;

    pub(super) fn serialize<S: Serializer>(shared: &Arc<Repository>, serializer: S) -> Result<S::Ok, S::Error> {
        shared.as_ref().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<Repository>, D::Error> {
        Repository::deserialize(deserializer).map(Arc::new)
    }
}

/// No hub at all: what an operator has that was given none.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHub;

#[async_trait]
impl ModelHub for NoHub {
    async fn repository(&self, query: &ModelQuery) -> Result<Repository, HubError> {
        let message = format!("{query} is not in the catalogue, and this program was given no hub to look it up at");
        Err(HubError::new(HubErrorKind::Offline, message))
    }
}

/// A hub of models. Object-safe, so that embedders bring their own.
#[async_trait]
pub trait ModelHub: Send + Sync {
    /// What the newest commit of a repository holds. May take long; never called while a root is being reconciled.
    ///
    /// # Errors
    /// The hub refused, or what it said is no answer.
    async fn repository(&self, query: &ModelQuery) -> Result<Repository, HubError>;
}

/// Repositories for tests.
#[cfg(test)]
mod testing {
    use super::{ConfigFile, Repository, RepositoryFile};

    pub(super) fn repository(id: &str, files: &[(&str, u64)], config: &str) -> Repository {
        let file = |(path, size): &(&str, u64)| RepositoryFile { path: (*path).to_owned(), size: *size };
        Repository {
            id: id.to_owned(),
            commit: "0123456789abcdef0123456789abcdef01234567".to_owned(),
            gated: false,
            files: files.iter().map(file).collect(),
            config: Some(ConfigFile { path: "config.json".to_owned(), text: config.to_owned() }),
        }
    }
}
