//! The API server as a [`ClusterBackend`].

use super::hub::Models;
use super::requests::{Missing, Requests};
use super::{events, logs, writer};
use async_trait::async_trait;
use kaito_core::backend::{BackendError, ClusterBackend, Written};
use kaito_core::cache::{Found, Stores};
use kaito_core::effect::{Effect, WriteMode};
use kaito_core::hub::NoHub;
use kaito_core::plan::{Notice, StatusWrite};
use kaito_core::read::Freshness;
use kaito_core::snapshot::Answer;
use kaito_core::{Kind, ObjectKey, Read};
use std::sync::Arc;

/// Reads from the stores where they can answer, from the API server else; writes to the API server, and remembers each write until the stores have it.
#[derive(Clone)]
pub struct KubeCluster {
    requests: Requests,
    stores: Arc<Stores>,
    models: Models,
    manager: Arc<str>,
}

impl KubeCluster {
    /// A cluster over these stores. `manager` is the field manager of all writes, and must be the same for ever: fields written under another name stay behind.
    pub fn new(requests: Requests, stores: Arc<Stores>, manager: &str) -> Self {
        Self { requests, stores, models: Models::new(Arc::new(NoHub)), manager: manager.into() }
    }

    /// The same with a hub of models. It is asked only while [`Operator`](super::Operator) runs.
    #[must_use]
    pub(super) fn with_models(self, models: Models) -> Self {
        Self { models, ..self }
    }

    /// What is known of models that are in no catalogue.
    pub(super) fn models(&self) -> &Models {
        &self.models
    }

    /// What the watches have told.
    pub fn stores(&self) -> &Arc<Stores> {
        &self.stores
    }

    async fn ask(&self, read: &Read) -> Result<Answer, BackendError> {
        let answer = match read {
            Read::Object { key, .. } => self.requests.get(key).await.map(|seen| {
                seen.iter().for_each(|seen| self.stores.keep_content(seen));
                Answer::Object(seen)
            }),
            Read::List { kind, namespace, selector, .. } => {
                let labels = ("labelSelector", selector.to_string());
                self.requests.list(*kind, namespace.as_deref(), (labels.0, &labels.1)).await.map(Answer::List)
            }
            Read::PodsOn { node } => {
                let field = format!("spec.nodeName={node}");
                self.requests.list(Kind::Pod, None, ("fieldSelector", &field)).await.map(Answer::List)
            }
            Read::Model(query) => return Ok(Answer::Model(self.models.answer(query))),
            Read::Log(query) => return logs::last_lines(&self.requests, query).await.map(|text| Answer::Log(Ok(text))),
        };
        match answer {
            Ok(answer) => Ok(answer),
            Err(Missing::Kind) => Ok(Answer::NoSuchKind),
            Err(Missing::Answer(error)) => Err(error),
        }
    }

    fn remember(&self, written: &Written) {
        if let Written::Now(seen) = written {
            self.stores.wrote(seen);
        }
    }
}

#[async_trait]
impl ClusterBackend for KubeCluster {
    async fn read(&self, read: &Read) -> Result<Answer, BackendError> {
        let found = match read.freshness() {
            Freshness::Cached => self.stores.find(read),
            Freshness::Live => Found::AskServer,
        };
        match found {
            Found::Object(seen) => Ok(Answer::Object(seen)),
            Found::List(list) => Ok(Answer::List(list)),
            Found::NoSuchKind => Ok(Answer::NoSuchKind),
            Found::AskServer => self.ask(read).await,
        }
    }

    async fn perform(&self, effect: &Effect) -> Result<Written, BackendError> {
        let written = match effect {
            Effect::Ensure { key, body, mode: WriteMode::CreateOnly, uid: None }
            | Effect::Ensure { key, body, mode: WriteMode::Apply, uid: None } => {
                writer::create(&self.requests, &self.manager, key, body).await?
            }
            Effect::Ensure { key, body, mode: WriteMode::Apply, uid: Some(uid) } => {
                writer::apply(&self.requests, &self.manager, key, body, uid).await?
            }
            Effect::Ensure { key, mode: WriteMode::CreateOnly, uid: Some(_), .. } => {
                return Err(writer::never_changed(key));
            }
            Effect::Delete { target } => {
                let written = writer::delete(&self.requests, target.key(), target.uid()).await?;
                if written == Written::Gone {
                    self.stores.removed(target.key(), target.uid());
                }
                written
            }
            Effect::Evict { key, uid } => writer::evict(&self.requests, key, uid).await?,
            Effect::Metadata { key, uid, resource_version, patch } => {
                writer::metadata(&self.requests, &self.manager, key, uid, resource_version.as_deref(), patch).await?
            }
            Effect::Status { key, uid, status } => {
                writer::foreign_status(&self.requests, &self.manager, key, uid, status).await?
            }
            other => return Err(writer::unknown(other)),
        };
        self.remember(&written);
        Ok(written)
    }

    async fn write_status(&self, write: &StatusWrite) -> Result<Written, BackendError> {
        let written = writer::status(&self.requests, &self.manager, write).await?;
        self.remember(&written);
        Ok(written)
    }

    async fn publish(&self, about: &ObjectKey, uid: &str, notice: &Notice) {
        events::publish(&self.requests, &self.manager, about, uid, notice).await;
    }
}
