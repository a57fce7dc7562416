//! Keeps one store up to date, for ever.

use super::kinds::{self, Raw};
use super::requests::chain;
use futures::{StreamExt, stream::BoxStream};
use kaito_core::Seen;
use kaito_core::cache::{Change, Stores};
use kaito_core::kinds::{KindUse, Watch};
use kube_client::{Api, Client, Error as ClientError};
use kube_runtime::watcher::{Config, Error, Event, watcher};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// After an error, doubling.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// No longer than this, so that a definition that was installed is found soon.
const LONGEST_WAIT: Duration = Duration::from_secs(15);
/// A watch that has told nothing for so long, and cannot list either, is not believed any more.
const SILENCE: Duration = Duration::from_secs(180);
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
        let (mut wait, mut heard) = (FIRST_WAIT, Instant::now());
        loop {
            // A fresh stream begins with a list. After a 404 it must: the kind may come back with other objects under the same versions.
            let mut stream = self.stream();
            let mut list = Vec::new();
            while let Some(event) = stream.next().await {
                match event {
                    Ok(event) => {
                        // The first event comes before anything was sent; and a list whose next page fails is none, however often it begins.
                        if !matches!(event, Event::Init | Event::InitApply(_)) {
                            (wait, heard) = (FIRST_WAIT, Instant::now());
                        }
                        self.take(event, &mut list).await;
                    }
                    Err(error) => {
                        let (missing, silent) = (code(&error) == Some(404), heard.elapsed() >= SILENCE);
                        self.complain(&error, missing, silent).await;
                        tokio::time::sleep(wait).await;
                        wait = wait.saturating_mul(2).min(LONGEST_WAIT);
                        // A watch of what seldom changes may be well again and silent: only a list tells.
                        if missing || silent {
                            break;
                        }
                    }
                }
            }
        }
    }

    fn stream(&self) -> BoxStream<'static, Result<Event<Seen>, Error>> {
        match self.row.watch {
            Watch::Meta => self.stream_of::<true>(),
            Watch::Full | Watch::Poll => self.stream_of::<false>(),
        }
    }

    /// `BARE`: of metadata alone.
    fn stream_of<const BARE: bool>(&self) -> BoxStream<'static, Result<Event<Seen>, Error>> {
        let kind = self.row.kind;
        let api: Api<Raw<BARE>> = Api::all_with(self.client.clone(), &kinds::resource(kind));
        let config =
            Config { label_selector: self.row.label.map(str::to_owned), page_size: Some(PAGE), ..Config::default() };
        watcher(api, config).map(move |event| event.map(|event| each(event, |raw| raw.seen(kind)))).boxed()
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

    async fn complain(&self, error: &Error, missing: bool, silent: bool) {
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
        let lost =
            if silent && matches!(error, Error::InitialListFailed(_)) { self.stores.lost(kind, &cause) } else { None };
        if lost.is_some() {
            tracing::warn!(%kind, cause, "nothing is heard any more: the API server is asked instead");
            self.tell(lost).await;
        } else if self.stores.failed(kind, &cause) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use http::{Request, Response};
    use kaito_core::cache::{Found, Phase};
    use kaito_core::{KINDS, Kind, ObjectKey, Read};
    use kube_client::client::Body;
    use std::convert::Infallible;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// How a server is.
    #[derive(Debug, Clone, Copy, Default)]
    enum Is {
        /// Unable to answer.
        #[default]
        Down,
        /// Well, and without any NodeClaim.
        Well,
        /// Unable to go on: its watches cannot, and its lists end after their first page.
        Breaking,
        /// Well, and does not know the kind.
        Ignorant,
        /// Well, with two NodeClaims; one is nested more deeply than anybody reads.
        Deep,
    }

    /// A server of NodeClaims.
    #[derive(Clone, Default)]
    struct Server {
        is: Arc<Mutex<Is>>,
        requests: Arc<AtomicU32>,
    }

    /// What a watch is told whose version is too old.
    const EXPIRED: &str =
        r#"{"type":"ERROR","object":{"kind":"Status","status":"Failure","reason":"Expired","code":410}}"#;

    fn page(items: &str, rest: &str) -> String {
        format!(
            r#"{{"apiVersion":"karpenter.sh/v1","kind":"NodeClaimList","metadata":{{"resourceVersion":"1","continue":"{rest}"}},"items":[{items}]}}"#
        )
    }

    fn claim(name: &str, levels: usize) -> String {
        let spec = format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
        format!(r#"{{"metadata":{{"name":"{name}","resourceVersion":"1"}},"spec":{spec}}}"#)
    }

    impl Server {
        fn answer(&self, request: &Request<Body>) -> Response<Body> {
            self.requests.fetch_add(1, Ordering::Relaxed);
            let query = request.uri().query().unwrap_or_default();
            let (is_watch, is_next) = (query.contains("watch="), query.contains("continue="));
            let (code, body) = match *self.is.lock().expect("no panic") {
                Is::Down => (503, String::new()),
                Is::Ignorant => (404, "404 page not found\n".to_owned()),
                // Ends at once, as a watch does whose time is over.
                Is::Well | Is::Deep if is_watch => (200, String::new()),
                Is::Breaking if is_watch => (200, format!("{EXPIRED}\n")),
                Is::Well => (200, page("", "")),
                Is::Deep => (200, page(&format!("{},{}", claim("deep", 200), claim("plain", 1)), "")),
                Is::Breaking if is_next => (503, String::new()),
                Is::Breaking => (200, page(&claim("plain", 1), "x")),
            };
            Response::builder().status(code).body(Body::from(body.into_bytes())).expect("an answer")
        }
    }

    struct Watched {
        server: Server,
        stores: Arc<Stores>,
        changes: mpsc::Receiver<Change>,
    }

    impl Watched {
        fn new() -> Self {
            let server = Server::default();
            let (sender, changes) = mpsc::channel(16);
            let answering = server.clone();
            let service = tower::service_fn(move |request: Request<Body>| {
                let answer = answering.answer(&request);
                async move {
                    // Time passes, so that what ends at once is not asked again at once.
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    Ok::<_, Infallible>(answer)
                }
            });
            let row = *KindUse::of(KINDS, Kind::NodeClaim).expect("it is watched");
            let stores = Arc::new(Stores::new(&[row]));
            let client = Client::new(service, "default");
            let keeper = Keeper { client, stores: Arc::clone(&stores), row, listeners: vec![sender] };
            tokio::spawn(keeper.run());
            Self { server, stores, changes }
        }

        fn server_is(&self, is: Is) {
            *self.server.is.lock().unwrap() = is;
        }

        fn requests(&self) -> u32 {
            self.server.requests.load(Ordering::Relaxed)
        }

        fn phase(&self) -> Phase {
            self.stores.phases().remove(0).1
        }

        /// How long it takes until every plan is made again.
        async fn told(&mut self) -> Duration {
            let start = Instant::now();
            let change = tokio::time::timeout(Duration::from_secs(3600), self.changes.recv()).await;
            assert!(matches!(change, Ok(Some(Change::Kind(Kind::NodeClaim)))), "{change:?}");
            start.elapsed()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_is_silent_for_minutes_is_not_believed_until_it_lists_again() {
        let mut watched = Watched::new();
        watched.server_is(Is::Well);
        watched.told().await;
        assert_eq!(watched.phase(), Phase::Synced);

        watched.server_is(Is::Down);
        tokio::time::sleep(Duration::from_secs(120)).await;
        assert_eq!(watched.phase(), Phase::Synced, "two minutes are nothing");
        let lost = watched.told().await;
        assert!(lost < Duration::from_secs(120), "{lost:?}");
        assert!(matches!(watched.phase(), Phase::Lost(_)), "{:?}", watched.phase());

        watched.server_is(Is::Well);
        let back = watched.told().await;
        assert!(back < Duration::from_secs(30), "{back:?}");
        assert_eq!(watched.phase(), Phase::Synced);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_cannot_list_is_asked_more_and_more_rarely() {
        let watched = Watched::new();
        tokio::time::sleep(Duration::from_secs(160)).await;
        let requests = watched.requests();
        assert!((10..=15).contains(&requests), "{requests}");
        assert!(matches!(watched.phase(), Phase::Starting(Some(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_that_never_comes_to_its_end_is_no_list() {
        let mut watched = Watched::new();
        watched.server_is(Is::Well);
        watched.told().await;
        watched.server_is(Is::Breaking);
        let lost = watched.told().await;
        assert!(lost < Duration::from_secs(300), "{lost:?}");
        assert!(matches!(watched.phase(), Phase::Lost(_)), "{:?}", watched.phase());

        let before = watched.requests();
        tokio::time::sleep(Duration::from_secs(160)).await;
        let requests = watched.requests() - before;
        assert!((10..40).contains(&requests), "{requests}");
        assert!(matches!(watched.phase(), Phase::Lost(_)), "{:?}", watched.phase());
    }

    #[tokio::test(start_paused = true)]
    async fn a_kind_that_was_away_is_listed_when_it_is_back() {
        let mut watched = Watched::new();
        watched.server_is(Is::Well);
        watched.told().await;
        watched.server_is(Is::Ignorant);
        watched.told().await;
        assert_eq!(watched.phase(), Phase::NoSuchKind);

        tokio::time::sleep(Duration::from_secs(100)).await;
        assert_eq!(watched.phase(), Phase::NoSuchKind);
        watched.server_is(Is::Well);
        let back = watched.told().await;
        assert!(back < Duration::from_secs(60), "{back:?}");
        assert_eq!(watched.phase(), Phase::Synced);
    }

    #[tokio::test(start_paused = true)]
    async fn an_object_that_nobody_can_read_does_not_hide_the_others() {
        let watched = Watched::new();
        watched.server_is(Is::Deep);
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(watched.phase(), Phase::Synced);
        let find = |name: &str| watched.stores.find(&Read::object(ObjectKey::cluster(Kind::NodeClaim, name)));
        let (deep, plain) = (find("deep"), find("plain"));
        assert!(matches!(deep, Found::Object(Some(Seen::Malformed(_)))), "{deep:?}");
        assert!(matches!(plain, Found::Object(Some(Seen::Decoded(_)))), "{plain:?}");
    }
}
