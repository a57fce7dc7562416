//! Keeps one store up to date, for ever.

use super::kinds::{self, Raw};
use super::requests::chain;
use futures::{StreamExt, stream::BoxStream};
use kaito_core::Seen;
use kaito_core::cache::{Change, Stores};
use kaito_core::kinds::{KindUse, Watch};
use kube_client::{Api, Client, Error as ClientError};
use kube_runtime::watcher::{self, Config, Error, Event, watcher};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// After an error, doubling.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// No longer than this, so that a definition that was installed is found soon.
const LONGEST_WAIT: Duration = Duration::from_secs(15);
/// Small pages: a page is held twice while it is decoded.
const PAGE: u32 = 100;

/// A watch of one kind. It lists by pages, then watches: a streamed list would begin at whatever version the server's cache has, which may be older than what was seen.
pub(super) struct Keeper {
    pub(super) client: Client,
    pub(super) stores: Arc<Stores>,
    pub(super) row: KindUse,
    /// Those who depend on it. A slow one slows the watch, and loses nothing.
    pub(super) listeners: Vec<mpsc::Sender<Change>>,
}

impl Keeper {
    /// Watches until it is dropped. Errors are kept in the store, where readiness finds them, and tried again.
    pub(super) async fn run(self) {
        let mut wait = FIRST_WAIT;
        loop {
            // A fresh stream begins with a list. After a 404 it must: the kind may come back with other objects under the same versions.
            let mut stream = self.stream();
            let mut list = Vec::new();
            while let Some(event) = stream.next().await {
                match event {
                    Ok(event) => {
                        wait = FIRST_WAIT;
                        self.take(event, &mut list).await;
                    }
                    Err(error) => {
                        let missing = code(&error) == Some(404);
                        self.complain(&error, missing).await;
                        tokio::time::sleep(wait).await;
                        wait = wait.saturating_mul(2).min(LONGEST_WAIT);
                        if missing {
                            break;
                        }
                    }
                }
            }
        }
    }

    fn stream(&self) -> BoxStream<'static, Result<Event<Seen>, Error>> {
        let kind = self.row.kind;
        let api: Api<Raw> = Api::all_with(self.client.clone(), &kinds::resource(kind));
        let config =
            Config { label_selector: self.row.label.map(str::to_owned), page_size: Some(PAGE), ..Config::default() };
        match self.row.watch {
            Watch::Meta => {
                #[allow(deprecated)] // The typed successor needs a type for each kind; here the kind is a value.
                let stream = watcher::metadata_watcher(api, config);
                stream
                    .map(move |event| event.map(|event| each(event, |object| Seen::bare_of(kind, &object.metadata))))
                    .boxed()
            }
            Watch::Full | Watch::Poll => watcher(api, config)
                .map(move |event| event.map(|event| each(event, |raw| kinds::seen(kind, raw.value))))
                .boxed(),
        }
    }

    async fn take(&self, event: Event<Seen>, list: &mut Vec<Seen>) {
        match event {
            Event::Init => {
                list.clear();
                self.stores.list_begins(self.row.kind);
            }
            Event::InitApply(seen) => list.push(seen),
            Event::InitDone => {
                let changes = self.stores.listed(self.row.kind, std::mem::take(list));
                if changes.iter().any(|change| matches!(change, Change::Kind(_))) {
                    tracing::debug!(kind = %self.row.kind, "watching");
                }
                self.tell(changes).await;
            }
            Event::Apply(seen) => self.tell(self.stores.applied(seen)).await,
            Event::Delete(seen) => self.tell(self.stores.deleted(&seen)).await,
        }
    }

    async fn tell(&self, changes: impl IntoIterator<Item = Change>) {
        for change in changes {
            for listener in &self.listeners {
                // A listener that is gone is shutting down.
                let _ = listener.send(change.clone()).await;
            }
        }
    }

    async fn complain(&self, error: &Error, missing: bool) {
        let kind = self.row.kind;
        if missing {
            let changes = self.stores.no_such_kind(kind);
            if !changes.is_empty() {
                tracing::warn!("waiting for customresourcedefinition {}", kinds::definition(kind));
            }
            self.tell(changes).await;
            return;
        }
        let cause = match error {
            Error::InitialListFailed(error) | Error::WatchStartFailed(error) | Error::WatchFailed(error) => {
                chain(error)
            }
            Error::WatchError(status) => status.message.clone(),
            Error::NoResourceVersion => error.to_string(),
        };
        if self.stores.failed(kind, &cause) {
            tracing::warn!(%kind, cause, "cannot watch yet");
        } else {
            tracing::debug!(%kind, cause, "watch interrupted");
        }
    }
}

fn each<T>(event: Event<T>, mut convert: impl FnMut(T) -> Seen) -> Event<Seen> {
    match event {
        Event::Apply(object) => Event::Apply(convert(object)),
        Event::Delete(object) => Event::Delete(convert(object)),
        Event::Init => Event::Init,
        Event::InitApply(object) => Event::InitApply(convert(object)),
        Event::InitDone => Event::InitDone,
    }
}

fn code(error: &Error) -> Option<u16> {
    match error {
        Error::InitialListFailed(ClientError::Api(status))
        | Error::WatchStartFailed(ClientError::Api(status))
        | Error::WatchFailed(ClientError::Api(status)) => Some(status.code),
        Error::WatchError(status) => Some(status.code),
        Error::InitialListFailed(_) | Error::WatchStartFailed(_) | Error::WatchFailed(_) | Error::NoResourceVersion => {
            None
        }
    }
}
