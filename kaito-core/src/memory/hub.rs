//! The hub of models of a world: repositories that were put there by hand, and what becomes of those who ask.

use super::HubFate;
use crate::hub::{ConfigFile, HubError, HubErrorKind, ModelAnswer, ModelHub, ModelQuery, Repository, RepositoryFile};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The one model that every hub in memory holds, so that a simulation needs no more than its name.
pub const EXAMPLE_MODEL: &str = "kaito-rs/example-7b";

/// A hub in memory.
#[derive(Debug, Clone)]
pub(super) struct Hub {
    /// By id in lower case.
    repositories: BTreeMap<String, Repository>,
    fate: HubFate,
}

impl Hub {
    pub(super) fn new() -> Self {
        let mut hub = Self { repositories: BTreeMap::new(), fate: HubFate::default() };
        hub.publish(example());
        hub
    }

    /// Puts a repository there, in the place of an older one.
    pub(super) fn publish(&mut self, repository: Repository) {
        self.repositories.insert(repository.id.to_ascii_lowercase(), repository);
    }

    pub(super) fn set_fate(&mut self, fate: HubFate) {
        self.fate = fate;
    }

    /// Whether those who ask hear nothing.
    pub(super) fn is_silent(&self) -> bool {
        self.fate == HubFate::Silent
    }

    /// What a real one would say.
    pub(super) fn said(&self, query: &ModelQuery) -> Result<Repository, HubError> {
        match &self.fate {
            HubFate::Well | HubFate::Silent => {}
            HubFate::Refuses { kind, message } => return Err(HubError::new(*kind, message.as_str())),
        }
        self.repositories.get(&query.id.to_ascii_lowercase()).cloned().ok_or_else(|| {
            let message = format!("{query} is not at hand in this simulation, which reaches no hub");
            HubError::new(HubErrorKind::Offline, message)
        })
    }

    /// The same for somebody who does not wait.
    pub(super) fn answer(&self, query: &ModelQuery) -> ModelAnswer {
        match self.said(query).and_then(Repository::lean) {
            Ok(repository) => ModelAnswer::Known(Arc::new(repository)),
            Err(error) => ModelAnswer::Refused(error),
        }
    }
}

/// The hub of a fresh world for who has no world: an operator on a cluster of tests.
#[derive(Debug, Clone, Copy, Default)]
pub struct ExampleHub;

#[async_trait]
impl ModelHub for ExampleHub {
    async fn repository(&self, query: &ModelQuery) -> Result<Repository, HubError> {
        Hub::new().said(query)
    }
}

/// A model of the most common architecture that fits the smallest machines.
fn example() -> Repository {
    let config = r#"{"architectures": ["LlamaForCausalLM"], "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "max_position_embeddings": 8192}"#;
    Repository {
        id: EXAMPLE_MODEL.to_owned(),
        commit: "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00".to_owned(),
        gated: false,
        files: vec![RepositoryFile { path: "model.safetensors".to_owned(), size: 7 << 30 }],
        config: Some(ConfigFile { path: "config.json".to_owned(), text: config.to_owned() }),
    }
}
