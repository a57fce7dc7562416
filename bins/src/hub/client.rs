//! Three questions to a hub: which commit, which files, which config.
//!
//! Facts of the protocol: <https://huggingface.co/docs/hub/api>, and what the Python client of the hub reads of the answers. Everything after the first question is asked at the commit that it
//! told, so that a repository that changes meanwhile is not seen half old and half new.

use super::address::{Endpoint, RepositoryId};
use super::answer::{self, About};
use super::exchange::{Answer, Exchange, TimeLimits, refusal};
use super::token::{HubToken, TokenSource};
use super::{CONFIGS, MOST_CONFIG};
use async_trait::async_trait;
use http::StatusCode;
use kaito_core::hub::{ConfigFile, HubError, HubErrorKind, ModelHub, ModelQuery, Repository, RepositoryFile};
use std::fmt;
use std::sync::Arc;

/// Bytes of a list of files at most, all pages together, and of what is told about a model. The largest repositories have some thousand files of 200 bytes each.
const MOST_LISTED: usize = 32 << 20;

/// Pages of a list of files at most; a page has a thousand.
const MOST_PAGES: usize = 200;

/// A hub over the network. Asks once, keeps nothing.
pub struct HubClient {
    endpoint: Endpoint,
    tokens: Arc<dyn TokenSource>,
    limits: TimeLimits,
    exchange: Exchange,
}

impl fmt::Debug for HubClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubClient")
            .field("endpoint", &self.endpoint)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl ModelHub for HubClient {
    async fn repository(&self, query: &ModelQuery) -> Result<Repository, HubError> {
        let id = RepositoryId::parse(&query.id)?;
        match tokio::time::timeout(self.limits.total, self.ask(&id, query)).await {
            Ok(answer) => answer,
            Err(_) => {
                let words = format!("told nothing whole about {id} within {:?}", self.limits.total);
                Err(refusal(HubErrorKind::Unavailable, &self.endpoint.to_string(), &words))
            }
        }
    }
}

impl HubClient {
    /// A client of the hub at an address. Connects when something is asked.
    pub fn new(endpoint: Endpoint, tokens: Arc<dyn TokenSource>, limits: TimeLimits) -> Self {
        let exchange = Exchange::new(&endpoint, limits.request);
        Self { endpoint, tokens, limits, exchange }
    }

    async fn ask(&self, id: &RepositoryId, query: &ModelQuery) -> Result<Repository, HubError> {
        let token = self.tokens.token(query.token.as_ref()).await?;
        let asker = Asker { hub: self, token: token.as_ref() };
        let answer = asker.repository(id).await;
        // Wherever a server's words went, the token is not among them.
        answer.map_err(|error| match &token {
            Some(token) => HubError { message: token.hidden_in(&error.message), ..error },
            None => error,
        })
    }
}

/// A client and whom it asks for.
struct Asker<'a> {
    hub: &'a HubClient,
    token: Option<&'a HubToken>,
}

impl Asker<'_> {
    async fn repository(&self, id: &RepositoryId) -> Result<Repository, HubError> {
        let answer = self.get(&format!("api/models/{id}/revision/main"), MOST_LISTED).await?.accepted(self.token)?;
        let about = About::read(&answer.body).map_err(|complaint| answer.complain(&complaint))?;
        let files = self.files(&about).await?;
        let config = self.config(&about, &files).await?;
        Ok(Repository { id: about.id.to_string(), commit: about.commit, gated: about.gated, files, config })
    }

    async fn files(&self, about: &About) -> Result<Vec<RepositoryFile>, HubError> {
        let tree = format!("api/models/{}/tree/{}", about.id, about.commit);
        let (mut files, mut query, mut left) = (Vec::new(), "recursive=true".to_owned(), MOST_LISTED);
        for _ in 0..MOST_PAGES {
            let answer = self.get(&format!("{tree}?{query}"), left).await?.accepted(self.token)?;
            files.extend(answer::files(&answer.body).map_err(|complaint| answer.complain(&complaint))?);
            left = left.saturating_sub(answer.body.len());
            match answer.header("link").and_then(answer::next_page) {
                None => return Ok(files),
                Some(next) if next == query => {
                    return Err(answer.complain(&"names itself as the next page".to_owned()));
                }
                Some(next) => query = next.to_owned(),
            }
        }
        let words = format!("lists files on more than {MOST_PAGES} pages, which no model has");
        Err(refusal(HubErrorKind::Unservable, &self.hub.endpoint.at(&tree), &words))
    }

    /// The first that is listed and given; the refusal where one is listed and none is given.
    async fn config(&self, about: &About, files: &[RepositoryFile]) -> Result<Option<ConfigFile>, HubError> {
        let mut refused = Ok(None);
        for path in CONFIGS.into_iter().filter(|path| files.iter().any(|file| file.path == *path)) {
            let answer = self.get(&format!("{}/resolve/{}/{path}", about.id, about.commit), MOST_CONFIG).await?;
            if answer.status == StatusCode::NOT_FOUND {
                refused = answer.accepted(self.token).map(|_| None);
                continue;
            }
            let mut answer = answer.accepted(self.token)?;
            let body = std::mem::take(&mut answer.body);
            let text = answer::config(body).map_err(|complaint| answer.complain(&complaint))?;
            return Ok(Some(ConfigFile { path: path.to_owned(), text }));
        }
        refused
    }

    async fn get(&self, path: &str, most: usize) -> Result<Answer, HubError> {
        self.hub.exchange.get(&self.hub.endpoint.at(path), self.token, most).await
    }
}
