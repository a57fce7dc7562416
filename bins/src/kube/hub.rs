//! Asks a hub of models in the background: a reconcile is answered at once with what is known, and woken when that changes.
//!
//! What is known, and when a hub is asked again, is decided in [`Knowledge`]; here are its clock, its chance and its tasks.

use super::controller::chance;
use kaito_core::cache::Change;
use kaito_core::hub::{HubError, HubErrorKind, Knowledge, ModelAnswer, ModelHub, ModelQuery, Repository};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// One repository takes no longer, whatever a hub is: our own client gives up sooner by itself, and an embedder's may not.
const TIME_LIMIT: Duration = Duration::from_secs(180);

/// What is known of repositories, and the hub that knows more.
#[derive(Clone)]
pub(super) struct Models {
    hub: Arc<dyn ModelHub>,
    known: Arc<Mutex<Knowledge>>,
    /// Something is due.
    due: Arc<Notify>,
    start: Instant,
}

type Told = (ModelQuery, Result<Repository, HubError>);

impl Models {
    pub(super) fn new(hub: Arc<dyn ModelHub>) -> Self {
        Self { hub, known: Arc::default(), due: Arc::default(), start: Instant::now() }
    }

    /// What is known now. Never waits.
    pub(super) fn answer(&self, query: &ModelQuery) -> ModelAnswer {
        let answer = self.known().read(query, self.start.elapsed());
        if answer == ModelAnswer::Pending {
            self.due.notify_one();
        }
        answer
    }

    /// Asks what is to be asked, and tells `listeners` when something else is known. Ends only when asking panicked.
    pub(super) async fn run(self, listeners: Vec<mpsc::Sender<Change>>) {
        let mut tasks: JoinSet<Told> = JoinSet::new();
        loop {
            while let Some(query) = self.take() {
                tasks.spawn(ask(Arc::clone(&self.hub), query));
            }
            let next = self.known().next().and_then(|next| self.start.checked_add(next));
            tokio::select! {
                () = self.due.notified() => {}
                () = super::controller::until(next) => {}
                Some(told) = tasks.join_next() => {
                    // A task that panicked is a defect, and its question would be in flight for ever: this part ends, and with it the process.
                    let Ok((query, said)) = told else { return };
                    log(&query, &said);
                    let changed = self.known().told(&query, said, self.start.elapsed(), chance());
                    for listener in listeners.iter().filter(|_| changed) {
                        // A controller that is gone wants no news.
                        let _ = listener.send(Change::Model(query.clone())).await;
                    }
                }
            }
        }
    }

    fn take(&self) -> Option<ModelQuery> {
        self.known().take(self.start.elapsed())
    }

    fn known(&self) -> MutexGuard<'_, Knowledge> {
        // Every change of it is whole before the lock is let go.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn ask(hub: Arc<dyn ModelHub>, query: ModelQuery) -> Told {
    let said = tokio::time::timeout(TIME_LIMIT, hub.repository(&query)).await.unwrap_or_else(|_| {
        let message = format!("the hub gave no answer for {query} within {} seconds", TIME_LIMIT.as_secs());
        Err(HubError::new(HubErrorKind::Unavailable, message))
    });
    (query, said)
}

fn log(query: &ModelQuery, said: &Result<Repository, HubError>) {
    match said {
        Ok(repository) => tracing::info!(commit = repository.commit, "{query} is known"),
        Err(error) => tracing::warn!(kind = ?error.kind, %error, "{query} is not known"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Refuses once, then knows everything; counts.
    #[derive(Default)]
    struct Slow(AtomicUsize);

    #[async_trait::async_trait]
    impl ModelHub for Slow {
        async fn repository(&self, query: &ModelQuery) -> Result<Repository, HubError> {
            tokio::time::sleep(Duration::from_secs(5)).await;
            if self.0.fetch_add(1, Ordering::SeqCst) == 0 {
                return Err(HubError::new(HubErrorKind::Unavailable, "away"));
            }
            Ok(Repository {
                id: query.id.clone(),
                commit: "c".repeat(40),
                gated: false,
                files: Vec::new(),
                config: None,
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_asks_is_answered_at_once_and_woken_when_more_is_known() {
        let hub = Arc::new(Slow::default());
        let models = Models::new(Arc::<Slow>::clone(&hub));
        let (sender, mut changes) = mpsc::channel(8);
        let runs = tokio::spawn(models.clone().run(vec![sender]));
        let query = ModelQuery { id: "a/b".to_owned(), token: None };
        for _ in 0..100 {
            assert_eq!(models.answer(&query), ModelAnswer::Pending);
            tokio::task::yield_now().await;
        }
        assert!(matches!(changes.recv().await, Some(Change::Model(about)) if about == query));
        assert!(matches!(models.answer(&query), ModelAnswer::Refused(error) if error.message == "away"));
        assert!(matches!(changes.recv().await, Some(Change::Model(_))));
        assert!(matches!(models.answer(&query), ModelAnswer::Known(repository) if repository.id == "a/b"));
        assert_eq!(hub.0.load(Ordering::SeqCst), 2);
        runs.abort();
    }

    /// Never answers.
    struct Mute;

    #[async_trait::async_trait]
    impl ModelHub for Mute {
        async fn repository(&self, _: &ModelQuery) -> Result<Repository, HubError> {
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_hub_that_never_answers_is_one_that_is_away() {
        let models = Models::new(Arc::new(Mute));
        let (sender, mut changes) = mpsc::channel(8);
        let runs = tokio::spawn(models.clone().run(vec![sender]));
        let query = ModelQuery { id: "a/b".to_owned(), token: None };
        assert_eq!(models.answer(&query), ModelAnswer::Pending);
        let told = tokio::time::timeout(Duration::from_secs(200), changes.recv()).await;
        assert!(matches!(told, Ok(Some(Change::Model(about))) if about == query));
        assert!(matches!(models.answer(&query), ModelAnswer::Refused(error) if error.message.contains("no answer")));
        runs.abort();
    }
}
